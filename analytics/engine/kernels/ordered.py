"""The general scan of ordered and strict funnels: the depth of each customer, and the touches of the chain.

One pass over the touches of a customer, in time order. The scan keeps, for every length `k`, the newest entry among
the chains now `k` steps long. A newer entry leaves more of the window and is never worse, so no other chain has to be
kept. A chain that gets deeper than all before is written out; of the chains of one length the first to be complete
wins, and of these the newest entry, whose next steps are the earliest that can follow.

Kernels are compiled at their first call, which takes seconds once per machine; the compiled code is cached.
"""

from __future__ import annotations

import numpy as np

from analytics.engine.kernels.cache import compiled
from analytics.engine.kernels.parameters import (
    ADVERSE,
    FAVOURABLE,
    NEVER,
    OTHER,
    attempt_from,
    breaks,
    clear,
    ended,
    ended_at,
    excluded_by,
    first_entry,
    is_several_steps,
    last_touch,
    step_bits,
)


@compiled
def scan(codes, bits, times, bounds, table, chains, firsts, least, owners):
    """Write a row for every customer, or for every attempt: chain, first entry, depth under adverse ties, customer.

    `chains[row, k]` is the touch of step `k + 1`, or -1; `firsts[row]` the first entry in range, or -1. Gives the
    number of rows.
    """
    rules, only = table[0], table[1]
    size, row = 0, 0
    for c in range(len(bounds) - 1):
        size = max(size, bounds[c + 1] - bounds[c])
    entries = np.empty(rules.steps + 1, np.int64)
    rows = np.empty((rules.steps + 1, rules.steps), np.int32)
    group = np.empty(size, np.int64)
    for c in range(len(bounds) - 1):
        low, high = bounds[c], bounds[c + 1]
        if not rules.attempts:
            firsts[row], least[row] = read(codes, bits, times, low, high, rules, entries, rows, group, chains[row])
            owners[row] = c
            row += 1
            continue
        entry = first_entry(codes, bits, times, low, high, rules, np.uint64(1))
        while entry >= 0:
            only.entry_from, only.entry_to = np.int64(times[entry]), np.int64(times[entry]) + 1
            low = attempt_from(times, entry, low, rules)
            firsts[row], least[row] = read(codes, bits, times, low, high, only, entries, rows, group, chains[row])
            owners[row] = c
            low = max(entry, last_touch(chains[row])) + 1
            row += 1
            entry = first_entry(codes, bits, times, low, high, rules, np.uint64(1))
    return row


@compiled
def read(codes, bits, times, low, high, rules, entries, rows, group, chain):
    """Read one customer. Gives the first entry and the depth under adverse ties."""
    depth, first = read_distinct_times(codes, bits, times, low, high, rules, entries, rows, chain)
    if depth >= 0:
        return first, depth
    clear(chain)
    first = first_entry(codes, bits, times, low, high, rules, np.uint64(1))
    if rules.ties == FAVOURABLE:
        read_groups(codes, bits, times, low, high, rules, entries, rows, group, chain)
        spare = np.empty(rules.steps, np.int32)
        depth = read_adverse(codes, bits, times, low, high, rules, entries, rows, group, spare)
    elif rules.ties == ADVERSE:
        depth = read_adverse(codes, bits, times, low, high, rules, entries, rows, group, chain)
    else:
        depth = read_in_sequence(codes, bits, times, low, high, rules, entries, rows, chain)
    return first, depth


@compiled
def read_distinct_times(codes, bits, times, low, high, rules, entries, rows, chain):
    """Read touches of distinct times. Returns the depth, or -1 when two share a time, and the first entry."""
    one, none = np.uint64(1), np.uint64(0)
    alive, depth, first, before = none, 0, -1, np.int64(NEVER)
    n, window, steps, strict, reuse = rules.steps, rules.window, step_bits(rules), rules.strict, rules.reuse
    entry_from, entry_to, touch_from, touch_to = rules.entry_from, rules.entry_to, rules.touch_from, rules.touch_to
    excluding = ~steps & ~OTHER
    for i in range(low, high):
        mask = bits[codes[i]]
        if mask == 0:
            continue
        t = np.int64(times[i])
        if t < touch_from or t >= touch_to:
            continue
        if depth == n and t != before:
            break
        if t == before or (reuse and (mask & steps) & ((mask & steps) - one)):
            return -1, first
        before = t
        enter = one if entry_from <= t < entry_to else none
        if first < 0 and mask & enter:
            first = i
        can = mask & ((alive << one) | enter) & steps
        if mask & excluding:
            kept, blocked = after_exclusion(mask, alive, rules)
            alive, depth = advance(i, t, can, kept, blocked, depth, n, window, False, entries, rows, chain)
        elif can:
            kept = none if strict else alive
            alive, depth = advance(i, t, can, kept, none, depth, n, window, False, entries, rows, chain)
        elif strict:
            alive = none
    return depth, first


@compiled
def after_exclusion(mask, alive, rules):
    """The lengths still alive after an excluded touch, and those that a chain may reach with it but not go on from."""
    excluded = excluded_by(mask, rules)
    kept = np.uint64(0) if rules.strict else alive & ~ended(excluded, rules)
    return kept, ended_at(excluded, rules)


@compiled
def advance(i, t, can, kept, blocked, depth, n, window, latest, entries, rows, chain):
    """Read one touch: chains of the lengths below `can` get one step longer. Gives the lengths alive, and the depth.

    Of entries at one instant the first touch is kept, or with `latest` the last.
    """
    one = np.uint64(1)
    k = n
    while can:
        while not (can >> np.uint64(k - 1)) & one:
            k -= 1
        bit = one << np.uint64(k - 1)
        can &= ~bit
        entry = t if k == 1 else entries[k - 1]
        begun = i if k == 1 else rows[k - 1, 0]
        if t - entry > window:
            continue
        if k > depth:
            depth = k
            for j in range(k - 1):
                chain[j] = rows[k - 1, j]
            chain[k - 1] = i
        if blocked & bit:
            continue
        if not kept & bit or entry > entries[k] or (latest and begun > rows[k, 0]):
            entries[k] = entry
            for j in range(k - 1):
                rows[k, j] = rows[k - 1, j]
            rows[k, k - 1] = i
        kept |= bit
    return kept, depth


@compiled
def advance_by(i, t, mask, alive, depth, rules, entries, rows, chain):
    """Read one touch by the rules of the funnel."""
    one = np.uint64(1)
    enter = one if rules.entry_from <= t < rules.entry_to else np.uint64(0)
    can = mask & ((alive << one) | enter) & step_bits(rules)
    kept, blocked = after_exclusion(mask, alive, rules)
    latest = rules.ties != FAVOURABLE
    return advance(i, t, can, kept, blocked, depth, rules.steps, rules.window, latest, entries, rows, chain)


@compiled
def read_in_sequence(codes, bits, times, low, high, rules, entries, rows, chain):
    """Read touches one by one as they lie, whatever their instants. An attempt has one entry, the first touch."""
    alive, depth = np.uint64(0), 0
    for i in range(low, high):
        mask, t = bits[codes[i]], np.int64(times[i])
        if mask and rules.touch_from <= t < rules.touch_to and depth < rules.steps:
            alive, depth = advance_by(i, t, mask, alive, depth, rules, entries, rows, chain)
        if rules.attempts:
            rules.entry_to = rules.entry_from
    return depth


@compiled
def read_adverse(codes, bits, times, low, high, rules, entries, rows, group, chain):
    """Read touches of one instant with the latest step first, so that none of them follows another."""
    alive, depth = np.uint64(0), 0
    i = low
    while i < high:
        size, i = next_group(codes, bits, times, i, high, rules, group)
        for a in range(1, size):
            b = a
            while b > 0 and bits[codes[group[b]]] > bits[codes[group[b - 1]]]:
                group[b], group[b - 1] = group[b - 1], group[b]
                b -= 1
        for a in range(size):
            j = group[a]
            if depth < rules.steps:
                t = np.int64(times[j])
                alive, depth = advance_by(j, t, bits[codes[j]], alive, depth, rules, entries, rows, chain)
    return depth


@compiled
def next_group(codes, bits, times, low, high, rules, group):
    """Collect the touches that matter at the next instant. Gives their number and where to go on."""
    size, i, t = 0, low, np.int64(NEVER)
    while i < high:
        now = np.int64(times[i])
        if size and now != t:
            break
        if bits[codes[i]] and rules.touch_from <= now < rules.touch_to:
            group[size] = i
            size, t = size + 1, now
        i += 1
    return size, i


@compiled
def read_groups(codes, bits, times, low, high, rules, entries, rows, group, chain):
    """Read touches instant by instant; within an instant, in the order that advances the customer most."""
    n = rules.steps
    alive, depth, i = np.uint64(0), 0, low
    masks = np.empty(len(group), np.uint64)
    taken = np.empty(n + 1, np.int64)
    while i < high and depth < n:
        size, i = next_group(codes, bits, times, i, high, rules, group)
        if size == 0:
            break
        t, mask = np.int64(times[group[0]]), bits[codes[group[0]]]
        if size == 1 and not (rules.reuse and is_several_steps(mask, rules)):
            alive, depth = advance_by(group[0], t, mask, alive, depth, rules, entries, rows, chain)
            continue
        for a in range(size):
            masks[a] = bits[codes[group[a]]]
        alive, depth = advance_group(t, group[:size], masks[:size], alive, depth, rules, entries, rows, chain, taken)
    return depth


@compiled
def advance_group(t, group, masks, alive, depth, rules, entries, rows, chain, taken):
    """Read the touches of one instant: a chain may take several of them, each for one step."""
    one, n = np.uint64(1), rules.steps
    excluded = np.uint64(0)
    for mask in masks:
        excluded |= excluded_by(mask, rules)
    kept = np.uint64(0) if rules.strict else alive & ~ended(excluded, rules)
    for q in range(n, 0, -1):
        if q > depth:
            p = newest_source(t, masks, alive, excluded, q, False, rules, entries, taken)
            if p >= 0:
                depth = q
                extend(chain, rows, p, q, group, taken)
        p = newest_source(t, masks, alive, excluded, q, True, rules, entries, taken)
        if p < 0:
            continue
        entry, bit = t if p == 0 else entries[p], one << np.uint64(q - 1)
        if not kept & bit or entry > entries[q]:
            entries[q] = entry
            extend(rows[q], rows, p, q, group, taken)
        kept |= bit
    return kept, depth


@compiled
def extend(chain, rows, p, q, group, taken):
    """The chain of length `p`, and after it the touches taken for steps `p + 1` to `q`."""
    for k in range(p):
        chain[k] = rows[p, k]
    for k in range(p, q):
        chain[k] = group[taken[k]]


@compiled
def newest_source(t, masks, alive, excluded, q, goes_on, rules, entries, taken):
    """The length `p` that reaches `q` at this instant with the newest entry, and of these the longest; or -1.

    With `goes_on`, only chains that can still be followed afterwards.
    """
    best, newest = -1, NEVER
    for p in range(q):
        entry = t if p == 0 else entries[p]
        if p == 0 and not rules.entry_from <= t < rules.entry_to:
            continue
        if p > 0 and (not (alive >> np.uint64(p - 1)) & np.uint64(1) or t - entry > rules.window):
            continue
        if goes_on and (breaks(excluded, p, q, rules) or (rules.strict and p > 0 and q - p != len(masks))):
            continue
        if entry >= newest and fits(masks, p, q, rules, taken):
            best, newest = p, entry
    if best >= 0:
        fits(masks, best, q, rules, taken)
    return best


@compiled
def fits(masks, p, q, rules, taken):
    """Whether touches of one instant can be steps `p + 1` to `q`; `taken[k]` is then the touch of step `k + 1`.

    Each touch is one step (augmenting paths of a bipartite matching), or with `reuse` any number of them.
    """
    one = np.uint64(1)
    if q - p == 1:
        for a in range(len(masks)):
            if (masks[a] >> np.uint64(p)) & one:
                taken[p] = a
                return True
        return False
    if rules.later or (q - p > len(masks) and not rules.reuse):
        return False
    owner = np.empty(len(masks), np.int64)
    seen = np.empty(len(masks), np.bool_)
    clear(owner)
    for k in range(p, q):
        for a in range(len(masks)):
            seen[a] = False
        taken[k] = -1
        if rules.reuse:
            for a in range(len(masks)):
                if (masks[a] >> np.uint64(k)) & one:
                    taken[k] = a
                    break
            if taken[k] < 0:
                return False
        elif not augment(masks, k, owner, seen, taken):
            return False
    return True


@compiled
def augment(masks, k, owner, seen, taken):
    """Find a touch for step `k + 1`, moving other steps to other touches where that makes room."""
    for a in range(len(masks)):
        if (masks[a] >> np.uint64(k)) & np.uint64(1) and not seen[a]:
            seen[a] = True
            if owner[a] < 0 or augment(masks, owner[a], owner, seen, taken):
                owner[a], taken[k] = k, a
                return True
    return False
