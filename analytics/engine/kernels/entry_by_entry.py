"""The scan of funnels with step windows, optional steps or dropped customers.

For these, the newest entry of each length is not enough. For one entry the window is fixed, and of the
chains of one length the one with the latest last touch is never worse. The touches that matter are first laid out as
**instants**: with favourable ties the touches of one time, to be read in whichever order helps; else one touch each.

Where no touch is two steps, the newest entry that gets deepest is known after one pass (`only_entry`), and only that
one is tried: a step keeps those of its chains that no other beats in both the entry and the last touch.

An excluded touch **breaks** a chain that has passed step `after` and not reached step `before`. Where that drops the
customer, broken chains are followed further: who gets deeper, or as deep, only with a broken chain leaves the funnel.
"""

from __future__ import annotations

import numpy as np

from analytics.engine.kernels.backtrace import NO_INSTANT, deepest_completed, steps_of, trace
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
    is_several_steps,
    last_touch,
    step_bits,
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
    queues = np.empty((2, size if has_one_pass(bits, rules) else 0), np.int64)
    for c in range(len(bounds) - 1):
        low, high = bounds[c], bounds[c + 1]
        first = first_entry(codes, bits, times, low, high, rules, np.uint64(1))
        while first >= 0:
            if rules.attempts:
                low = attempt_from(times, first, low, rules)
                one.entry_from, one.entry_to = np.int64(times[first]), np.int64(times[first]) + 1
            depth = read_entries(codes, bits, times, low, high, one, touches, starts, queues, chains[row])
            if depth >= 0:
                firsts[row], least[row], owners[row] = first, depth, c
                row += 1
            if not rules.attempts:
                break
            low = max(first, last_touch(chains[row - 1]) if depth >= 0 else first) + 1
            first = first_entry(codes, bits, times, low, high, rules, np.uint64(1))
    return row


@compiled
def read_entries(codes, bits, times, low, high, rules, touches, starts, queues, chain):
    """Read one customer. Gives the depth under adverse ties, or -1 when a broken chain takes the customer out."""
    count = lay_out(codes, bits, times, low, high, rules, rules.ties, touches, starts)
    masks = bits[codes[low:high]]
    if not deepest(masks, times, low, touches, starts[: count + 1], rules, queues, chain):
        return -1
    if rules.ties != FAVOURABLE or count == starts[count]:
        return depth_of(chain, rules)
    count = lay_out(codes, bits, times, low, high, rules, ADVERSE, touches, starts)
    spare = np.full_like(chain, -1)
    kept = deepest(masks, times, low, touches, starts[: count + 1], rules, queues, spare)
    return depth_of(spare, rules) if kept else 0


@compiled
def has_one_pass(bits, rules):
    """Whether one pass finds the best entry: no touch is two steps, and an exclusion ends every chain."""
    steps = step_bits(rules)
    for mask in bits:
        if is_several_steps(mask, rules) or (mask & steps and excluded_by(mask, rules)):
            return False
    for e in range(rules.exclusions):
        if rules.exclude_after[e] != 1 or rules.exclude_before[e] != rules.steps:
            return False
    return not rules.strict and not rules.attempts and (rules.effect != DROP_CUSTOMER or rules.exclusions == 0)


@compiled
def only_entry(masks, low, touches, starts, at, excluded, rules, queues):
    """The instant of the entry that gets deepest, first to be so deep, then newest; -1 where one pass cannot tell.

    `queues` has, for every step one after the other, the last touch and the entry of its chains, each with a later
    last touch and an older entry than the one before.
    """
    n, steps, depth, done, best = rules.steps, step_bits(rules), 0, NO_INSTANT, NO_INSTANT
    begins, tails = np.zeros(n + 1, np.int64), np.zeros(n + 1, np.int64)
    for a in range(starts[len(at)]):
        for k in range(n):
            begins[k + 1] += np.int64((masks[touches[a] - low] >> np.uint64(k)) & np.uint64(1))
    for k in range(n):
        begins[k + 1] += begins[k]
    heads = np.zeros((n + 1, n + 1), np.int64)
    for k in range(n + 1):
        tails[k] = begins[k]
        heads[k] = begins[k]
    for g in range(len(at)):
        here = steps_of(g, masks, low, touches, starts)
        if excluded[g]:
            if here & steps:
                return -1
            tails[:n] = begins[:n]
            heads[:, :n] = begins[:n]
        for q in range(1, n + 1):
            if not (here >> np.uint64(q - 1)) & np.uint64(1):
                continue
            entry = g if q == 1 and rules.entry_from <= at[g] < rules.entry_to else NO_INSTANT
            for p in range(q - 1, 0, -1):
                place = heads[q, p - 1]
                while place < tails[p - 1] and at[g] - at[queues[0, place]] > rules.within[q - 1]:
                    place += 1
                heads[q, p - 1] = place
                if place < tails[p - 1] and at[g] - at[queues[1, place]] <= rules.window:
                    entry = max(entry, queues[1, place])
                if rules.required[p - 1]:
                    break
            if entry == NO_INSTANT:
                continue
            reached = required_steps(rules, q)
            if reached > depth or (reached == depth and (g < done or (g == done and entry > best))):
                depth, done, best = reached, g, entry
            tail = tails[q - 1]
            while tail > begins[q - 1] and queues[1, tail - 1] <= entry:
                tail -= 1
            queues[0, tail], queues[1, tail] = g, entry
            tails[q - 1] = tail + 1
            for k in range(n + 1):
                heads[k, q - 1] = min(heads[k, q - 1], tail)
        if depth == required_steps(rules, n) and g > done:
            break
    return best


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
def deepest(masks, times, low, touches, starts, rules, queues, chain):
    """Try every entry; write the best chain. False when the customer leaves because of a broken chain."""
    count = len(starts) - 1
    at = np.empty(count, np.int64)
    for g in range(count):
        at[g] = times[touches[starts[g]]]
    excluded = np.zeros(count, np.uint64)
    for g in range(count if rules.exclusions else 0):
        for a in range(starts[g], starts[g + 1]):
            excluded[g] |= excluded_by(masks[touches[a] - low], rules)
    best_depth, best_done, best_entry, worst = 0, NO_INSTANT, NO_INSTANT, 0
    unsure = rules.effect == DROP_CUSTOMER and required_steps(rules, rules.steps) < rules.steps
    only = -1
    if queues.shape[1] > 0:
        only = only_entry(masks, low, touches, starts, at, excluded, rules, queues)
    for g in range(count):
        if only not in (-1, g):
            continue
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
