"""The scan for funnels whose chains cannot be told by their newest entry alone: each entry is tried by itself.

Step windows, optional steps and exclusions that drop a customer need it. For one entry the window is fixed, and of the
chains of one length the one with the latest last touch is never worse. The touches that matter are first laid out as
**instants**: with favourable ties the touches of one time, to be read in whichever order helps; else one touch each.

An excluded touch **breaks** a chain that has passed step `after` and not reached step `before`. Where that drops the
customer, broken chains are followed further: who gets deeper, or as deep, only with a broken chain leaves the funnel.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from analytics.kernels.ordered import fits
from analytics.kernels.rules import (
    ADVERSE,
    DROP_CUSTOMER,
    FAVOURABLE,
    attempt_from,
    breaks,
    ended,
    excluded_by,
    first_entry,
    last_touch,
)

NONE = -2
STOPPED = -1


@njit(nogil=True, cache=True)
def scan_entries(codes, bits, times, bounds, table, chains, firsts, least, owners):
    """Write a row for every customer, or for every attempt; as `ordered.scan`."""
    rules, one = table[0], table[1]
    size, row = 1, 0
    for c in range(len(bounds) - 1):
        size = max(size, bounds[c + 1] - bounds[c])
    touches = np.empty(size, np.int64)
    starts = np.empty(size + 1, np.int64)
    for c in range(len(bounds) - 1):
        low, high = bounds[c], bounds[c + 1]
        first = first_entry(codes, bits, times, low, high, rules, np.uint64(1))
        while first >= 0:
            if rules.attempts:
                low = attempt_from(times, first, low, rules)
                one.entry_from, one.entry_to = np.int64(times[first]), np.int64(times[first]) + 1
            depth = read_entries(codes, bits, times, low, high, one, touches, starts, chains[row])
            if depth >= 0:
                firsts[row], least[row], owners[row] = first, depth, c
                row += 1
            if not rules.attempts:
                break
            low = max(first, last_touch(chains[row - 1]) if depth >= 0 else first) + 1
            first = first_entry(codes, bits, times, low, high, rules, np.uint64(1))
    return row


@njit(nogil=True, cache=True)
def read_entries(codes, bits, times, low, high, rules, touches, starts, chain):
    """Read one customer. Gives the depth under adverse ties, or -1 when a broken chain takes the customer out."""
    count = lay_out(codes, bits, times, low, high, rules, rules.ties, touches, starts)
    masks = bits[codes[low:high]]
    if not deepest(masks, times, low, touches, starts[: count + 1], rules, chain):
        return -1
    if rules.ties != FAVOURABLE or count == starts[count]:
        return depth_of(chain, rules)
    count = lay_out(codes, bits, times, low, high, rules, ADVERSE, touches, starts)
    spare = np.full_like(chain, -1)
    kept = deepest(masks, times, low, touches, starts[: count + 1], rules, spare)
    return depth_of(spare, rules) if kept else 0


@njit(nogil=True, cache=True)
def depth_of(chain, rules):
    """How many steps of a chain count: all but the optional ones."""
    depth = 0
    for k in range(rules.steps):
        depth += chain[k] >= 0 and rules.required[k]
    return depth


@njit(nogil=True, cache=True)
def lay_out(codes, bits, times, low, high, rules, ties, touches, starts):
    """The touches that matter; instant `g` has `touches[starts[g]:starts[g + 1]]`. Gives the number of instants."""
    count, size = 0, 0
    for i in range(low, high):
        t = np.int64(times[i])
        if bits[codes[i]] and rules.touch_from <= t < rules.touch_to:
            apart = size == 0 or ties != FAVOURABLE or np.int64(times[touches[size - 1]]) != t
            if apart:
                starts[count] = size
                count += 1
            touches[size] = i
            size += 1
            b = size - 1
            while ties == ADVERSE and b > 0 and times[touches[b - 1]] == times[i]:
                if bits[codes[touches[b]]] <= bits[codes[touches[b - 1]]]:
                    break
                touches[b], touches[b - 1] = touches[b - 1], touches[b]
                b -= 1
    starts[count] = size
    return count


@njit(nogil=True, cache=True)
def deepest(masks, times, low, touches, starts, rules, chain):
    """Try every entry; write the best chain. False when the customer leaves because of a broken chain."""
    count = len(starts) - 1
    at = np.empty(count, np.int64)
    for g in range(count):
        at[g] = times[touches[starts[g]]]
    excluded = np.zeros(count, np.uint64)
    for a in range(starts[count]):
        excluded[np.searchsorted(starts, a, side="right") - 1] |= excluded_by(masks[touches[a] - low], rules)
    best_depth, best_done, best_entry, worst = 0, NONE, NONE, 0
    for g in range(count):
        if best_depth == counted(rules, rules.steps) and g > best_done:
            break
        if not rules.entry_from <= at[g] < rules.entry_to:
            continue
        depth, done, broken = try_entry(g, masks, low, touches, starts, at, excluded, rules)
        worst = max(worst, broken)
        if depth > best_depth or (depth == best_depth and depth > 0 and done <= best_done):
            best_depth, best_done, best_entry = depth, done, g
    if rules.effect == DROP_CUSTOMER and worst > best_depth:
        return False
    if best_depth:
        trace(best_entry, best_done, best_depth, masks, low, touches, starts, at, excluded, rules, chain)
    return True


@njit(nogil=True, cache=True)
def counted(rules, q):
    """How many of the first `q` steps count."""
    depth = 0
    for k in range(q):
        depth += rules.required[k]
    return depth


@njit(nogil=True, cache=True)
def try_entry(entry, masks, low, touches, starts, at, excluded, rules):
    """Follow the chains that enter at one instant. Gives their depth, when it was reached, and that of broken ones."""
    n = rules.steps
    clean, broken = np.full(n + 1, NONE, np.int64), np.full(n + 1, NONE, np.int64)
    since = np.full(n + 1, NONE, np.int64)
    depth, done = 0, NONE
    offers = np.empty(rules.offers, np.int64)
    for g in range(entry, len(at)):
        if at[g] - at[entry] > rules.window:
            break
        here = read_instant(g, masks, low, touches, starts)
        ends = ended(excluded[g], rules)
        before_clean, before_broken = clean.copy(), broken.copy()
        for k in range(1, n + 1):
            open_to_it = clean[k] != NONE and (not rules.strict or clean[k] == g - 1)
            if (ends >> np.uint64(k - 1)) & np.uint64(1) and open_to_it:
                broken[k] = max(broken[k], clean[k])
                clean[k] = NONE
                since[k] = NONE
        for p in range(n):
            if (p == 0) != (g == entry):
                continue
            for m in range(moves(p, len(here), rules, offers)):
                wanted = offers[m]
                q = p + top_bit(wanted)
                ok = p == 0 or follows(before_clean[p], g, p, wanted, at, rules)
                ok_broken = (
                    (rules.effect == DROP_CUSTOMER) and p > 0 and follows(before_broken[p], g, p, wanted, at, rules)
                )
                if not (ok or ok_broken) or not fits_some(here, p, wanted, rules):
                    continue
                if ok and not breaks(excluded[g], p, q, rules):
                    clean[q] = g if goes_on(p, wanted, here, rules) else max(clean[q], STOPPED)
                    since[q] = g if since[q] == NONE else since[q]
                elif ok:
                    broken[q] = g
                if ok_broken:
                    broken[q] = g
                if ok and rules.effect != DROP_CUSTOMER and counted(rules, q) > depth:
                    depth, done = counted(rules, q), g
    worst = 0
    for q in range(1, n + 1):
        worst = max(worst, counted(rules, q) if broken[q] != NONE else 0)
        if (rules.effect == DROP_CUSTOMER) and clean[q] != NONE:
            reached = counted(rules, q)
            if reached > depth or (reached == depth and since[q] < done):
                depth, done = reached, since[q]
    return depth, done, worst


@njit(nogil=True, cache=True)
def read_instant(g, masks, low, touches, starts):
    """The masks of the touches of one instant."""
    here = np.empty(starts[g + 1] - starts[g], np.uint64)
    for a in range(len(here)):
        here[a] = masks[touches[starts[g] + a] - low]
    return here


@njit(nogil=True, cache=True)
def top_bit(wanted):
    """The place of the highest bit, from 1."""
    place = 0
    while wanted:
        wanted >>= 1
        place += 1
    return place


@njit(nogil=True, cache=True)
def moves(p, size, rules, offers):
    """The sets of steps that a chain of length `p` may take of `size` touches: each required one, any optional ones.

    Bit 0 of a set is step `p + 1`. Gives how many sets were written to `offers`.
    """
    count, must, may = 0, 0, 0
    for k in range(rules.steps - p):
        if count_bits(must) + 1 > size:
            break
        some = may
        while True:
            wanted = must | some | (1 << k)
            if count_bits(wanted) <= size:
                offers[count] = wanted
                count += 1
            if some == 0:
                break
            some = (some - 1) & may
        if rules.required[p + k]:
            must |= 1 << k
        else:
            may |= 1 << k
    return count


@njit(nogil=True, cache=True)
def goes_on(p, wanted, here, rules):
    """Whether a chain can go on after an instant: a strict one has to take all its touches, but for those before it."""
    return not rules.strict or p == 0 or count_bits(wanted) == len(here)


@njit(nogil=True, cache=True)
def follows(last, g, p, wanted, at, rules):
    """Whether the first of the steps `wanted` comes soon enough after the last touch of a chain."""
    if last < 0 or last >= g or (rules.strict and last != g - 1):
        return False
    k = p
    while not (wanted >> (k - p)) & 1:
        k += 1
    return at[g] - at[last] <= rules.within[k]


@njit(nogil=True, cache=True)
def fits_some(here, p, wanted, rules):
    """Whether touches of one instant, all different, can be the steps `wanted`."""
    q = p + top_bit(wanted)
    taken = np.empty(rules.steps + 1, np.int64)
    return fits(chosen(here, p, q, wanted), 0, count_bits(wanted), rules, taken)


@njit(nogil=True, cache=True)
def count_bits(wanted):
    """How many steps are wanted."""
    count = 0
    while wanted:
        count += wanted & 1
        wanted >>= 1
    return count


@njit(nogil=True, cache=True)
def chosen(here, p, q, wanted):
    """Masks in which bit `j` is the `j`-th of the steps wanted."""
    out = np.zeros(len(here), np.uint64)
    for a in range(len(here)):
        j = 0
        for k in range(p, q):
            if (wanted >> (k - p)) & 1:
                out[a] |= ((here[a] >> np.uint64(k)) & np.uint64(1)) << np.uint64(j)
                j += 1
    return out


@njit(nogil=True, cache=True)
def trace(entry, done, depth, masks, low, touches, starts, at, excluded, rules, chain):
    """Write the chain from `entry` that is `depth` deep at `done`: the the most steps, then the earliest."""
    n = rules.steps
    last = entry
    while last + 1 < len(at) and at[last + 1] - at[entry] <= rules.window:
        last += 1
    more = np.full((len(at) + 1, n + 1), -1, np.int64)
    for h in range(last, entry - 1, -1):
        for p in range(1, n + 1):
            if counted(rules, p) == depth and (rules.effect != DROP_CUSTOMER or survives(h, last, p, excluded, rules)):
                more[h, p] = 0
            best, _, _ = next_move(h, p, last, done, depth, masks, low, touches, starts, at, excluded, rules, more)
            more[h, p] = max(more[h, p], best)
    h, p, taken = NONE, 0, np.empty(n + 1, np.int64)
    while p == 0 or more[h, p] > 0:
        begin = entry if p == 0 else h
        _, g, wanted = next_move(begin, p, last, done, depth, masks, low, touches, starts, at, excluded, rules, more)
        if g == NONE:
            break
        here, q = read_instant(g, masks, low, touches, starts), p + top_bit(wanted)
        fits(chosen(here, p, q, wanted), 0, count_bits(wanted), rules, taken)
        j = 0
        for k in range(p, q):
            if (wanted >> (k - p)) & 1:
                chain[k] = touches[starts[g] + taken[j]]
                j += 1
        if breaks(excluded[g], p, q, rules) or not goes_on(p, wanted, here, rules):
            break
        h, p = g, q


@njit(nogil=True, cache=True)
def survives(h, last, p, excluded, rules):
    """Whether no excluded touch comes after instant `h`, up to `last`, that would break a chain of length `p`.

    A strict chain is open for the next instant alone: whatever is touched then ends it.
    """
    for g in range(h + 1, min(h + 1, last) + 1 if rules.strict else last + 1):
        if (ended(excluded[g], rules) >> np.uint64(p - 1)) & np.uint64(1):
            return False
    return True


@njit(nogil=True, cache=True)
def next_move(h, p, last, done, depth, masks, low, touches, starts, at, excluded, rules, more):
    """The best next instant for a chain of length `p` whose last touch is at `h`: most steps, then soonest.

    Gives how many steps are still to come, the instant, and the steps it takes there; -1 when there is none.
    """
    best, where, which, width = -1, NONE, 0, 0
    begin, end = (h, h) if p == 0 else (h + 1, last)
    offers = np.empty(rules.offers, np.int64)
    for g in range(begin, end + 1):
        here = read_instant(g, masks, low, touches, starts)
        for m in range(moves(p, len(here), rules, offers)):
            wanted = offers[m]
            q = p + top_bit(wanted)
            now, then = counted(rules, p), counted(rules, q)
            if p > 0 and not follows(h, g, p, wanted, at, rules):
                continue
            if then > depth or (now < depth and then == depth and g != done) or (then < depth and g > done):
                continue
            rest = more[g, q]
            if breaks(excluded[g], p, q, rules):
                rest = 0 if then == depth and rules.effect != DROP_CUSTOMER else -1
            elif not goes_on(p, wanted, here, rules):
                rest = 0 if then == depth else -1
            if rest < 0:
                continue
            total, size = rest + count_bits(wanted), count_bits(wanted)
            better = total > best or (total == best and g == where and size > width)
            if better and fits_some(here, p, wanted, rules):
                best, where, which, width = total, g, wanted, size
        if p > 0 and (ended(excluded[g], rules) >> np.uint64(p - 1)) & np.uint64(1):
            break
    return best, where, which
