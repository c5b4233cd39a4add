"""The scan of funnels with step windows, optional steps or dropped customers: each entry is tried by itself.

For these, the newest entry of each length is not enough. For one entry the window is fixed, and of the
chains of one length the one with the latest last touch is never worse. The touches that matter are first laid out as
**instants**: with favourable ties the touches of one time, to be read in whichever order helps; else one touch each.

An excluded touch **breaks** a chain that has passed step `after` and not reached step `before`. Where that drops the
customer, broken chains are followed further: who gets deeper, or as deep, only with a broken chain leaves the funnel.
"""

from __future__ import annotations

import numpy as np

from analytics.engine.kernels.backtrace import NO_INSTANT, deepest_completed, trace
from analytics.engine.kernels.cache import compiled
from analytics.engine.kernels.parameters import (
    ADVERSE,
    DROP_CUSTOMER,
    FAVOURABLE,
    IN_SEQUENCE,
    attempt_from,
    breaks,
    ended,
    excluded_by,
    first_entry,
    last_touch,
)
from analytics.engine.kernels.ties import (
    fits_subset,
    follows,
    goes_on,
    possible_moves,
    read_instant,
    required_steps,
    top_bit,
)

STOPPED = -1


@compiled
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


@compiled
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


@compiled
def depth_of(chain, rules):
    """How many steps of a chain count: all but the optional ones."""
    depth = 0
    for k in range(rules.steps):
        depth += chain[k] >= 0 and rules.required[k]
    return depth


@compiled
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


@compiled
def deepest(masks, times, low, touches, starts, rules, chain):
    """Try every entry; write the best chain. False when the customer leaves because of a broken chain."""
    count = len(starts) - 1
    at = np.empty(count, np.int64)
    for g in range(count):
        at[g] = times[touches[starts[g]]]
    excluded = np.zeros(count, np.uint64)
    for a in range(starts[count]):
        excluded[np.searchsorted(starts, a, side="right") - 1] |= excluded_by(masks[touches[a] - low], rules)
    best_depth, best_done, best_entry, worst = 0, NO_INSTANT, NO_INSTANT, 0
    unsure = rules.effect == DROP_CUSTOMER and required_steps(rules, rules.steps) < rules.steps
    for g in range(count):
        if best_depth == required_steps(rules, rules.steps) and g > best_done:
            break
        if not rules.entry_from <= at[g] < rules.entry_to:
            continue
        if rules.attempts and rules.ties == IN_SEQUENCE and touches[starts[g]] != low:
            break  # an attempt has one entry
        depth, done, broken = try_entry(g, masks, low, touches, starts, at, excluded, rules)
        worst = max(worst, broken)
        if unsure and depth >= best_depth:
            depth, done = deepest_completed(g, depth, masks, low, touches, starts, at, excluded, rules)
        if depth > best_depth or (depth == best_depth and depth > 0 and done <= best_done):
            best_depth, best_done, best_entry = depth, done, g
    if rules.effect == DROP_CUSTOMER and worst > best_depth:
        return False
    if best_depth:
        trace(best_entry, best_done, best_depth, masks, low, touches, starts, at, excluded, rules, chain)
    return True


@compiled
def try_entry(entry, masks, low, touches, starts, at, excluded, rules):
    """Follow the chains that enter at one instant. Gives their depth, when it was reached, and that of broken ones."""
    n = rules.steps
    clean, broken = np.full(n + 1, NO_INSTANT, np.int64), np.full(n + 1, NO_INSTANT, np.int64)
    since = np.full(n + 1, NO_INSTANT, np.int64)
    depth, done = 0, NO_INSTANT
    offers = np.empty(rules.offers, np.int64)
    for g in range(entry, len(at)):
        if at[g] - at[entry] > rules.window:
            break
        here = read_instant(g, masks, low, touches, starts)
        ends = ended(excluded[g], rules)
        before_clean, before_broken = clean.copy(), broken.copy()
        for k in range(1, n + 1):
            open_to_it = clean[k] != NO_INSTANT and (not rules.strict or clean[k] == g - 1)
            if (ends >> np.uint64(k - 1)) & np.uint64(1) and open_to_it:
                broken[k] = max(broken[k], clean[k])
                clean[k] = NO_INSTANT
                since[k] = NO_INSTANT
        for p in range(n):
            if (p == 0) != (g == entry):
                continue
            for m in range(possible_moves(p, len(here), rules, offers)):
                wanted = offers[m]
                q = p + top_bit(wanted)
                ok = p == 0 or follows(before_clean[p], g, p, wanted, at, rules)
                ok_broken = (
                    (rules.effect == DROP_CUSTOMER) and p > 0 and follows(before_broken[p], g, p, wanted, at, rules)
                )
                if not (ok or ok_broken) or not fits_subset(here, p, wanted, rules):
                    continue
                if ok and not breaks(excluded[g], p, q, rules):
                    clean[q] = g if goes_on(p, wanted, here, rules) else max(clean[q], STOPPED)
                    since[q] = g if since[q] == NO_INSTANT else since[q]
                elif ok:
                    broken[q] = g
                if ok_broken:
                    broken[q] = g
                if ok and rules.effect != DROP_CUSTOMER and required_steps(rules, q) > depth:
                    depth, done = required_steps(rules, q), g
    worst = 0
    for q in range(1, n + 1):
        worst = max(worst, required_steps(rules, q) if broken[q] != NO_INSTANT else 0)
        if (rules.effect == DROP_CUSTOMER) and clean[q] != NO_INSTANT:
            reached = required_steps(rules, q)
            if reached > depth or (reached == depth and since[q] < done):
                depth, done = reached, since[q]
    return depth, done, worst
