"""The sequential scans: how deep does each customer get, and through which touches?

One pass over the touches of a customer, in time order. The scan keeps, for every length `k`, the newest entry among
the chains now `k` steps long. A newer entry leaves more of the window and is never worse, so no other chain has to be
kept. A chain that gets deeper than all before is written out; of the chains of one length the first to be complete
wins, and of these the newest entry, whose next steps are the earliest that can follow.

Everything here is compiled at its first call, which takes seconds once on a machine; the result is cached.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from analytics.kernels.rules import (
    ADVERSE,
    FAVOURABLE,
    NEVER,
    breaks,
    ended,
    entering_at,
    excluded_by,
    first_entry,
    step_bits,
)


@njit(nogil=True, cache=True)
def scan(codes, bits, times, bounds, rules, chains, firsts, least, owners):
    """Write a row for every customer, or for every attempt: chain, first entry, depth under adverse ties, customer.

    `chains[row, k]` is the touch of step `k + 1`, or -1; `firsts[row]` the first entry in range, or -1. Gives the
    number of rows.
    """
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
        low = first_entry(codes, bits, times, low, high, rules, np.uint64(1))
        while low >= 0:
            only = entering_at(rules, np.int64(times[low]))
            firsts[row], least[row] = read(codes, bits, times, low, high, only, entries, rows, group, chains[row])
            owners[row] = c
            after = max(low, chains[row].max()) + 1
            row += 1
            low = first_entry(codes, bits, times, after, high, rules, np.uint64(1))
    return row


@njit(nogil=True, cache=True)
def read(codes, bits, times, low, high, rules, entries, rows, group, chain):
    """Read one customer. Gives the first entry and the depth under adverse ties."""
    if rules.stop_repeat or rules.stop_other or rules.restart:
        first = first_entry(codes, bits, times, low, high, rules, np.uint64(1))
        return first, read_until_stopped(codes, bits, times, low, high, rules, entries, rows, group, chain)
    depth, first = read_apart(codes, bits, times, low, high, rules, entries, rows, chain)
    if depth >= 0:
        return first, depth
    chain[:] = -1
    first = first_entry(codes, bits, times, low, high, rules, np.uint64(1))
    if rules.ties == FAVOURABLE:
        read_groups(codes, bits, times, low, high, rules, entries, rows, group, chain)
        spare = np.empty_like(chain)
        depth = read_least(codes, bits, times, low, high, rules, entries, rows, group, spare)
    elif rules.ties == ADVERSE:
        depth = read_least(codes, bits, times, low, high, rules, entries, rows, group, chain)
    else:
        depth = read_in_sequence(codes, bits, times, low, high, rules, entries, rows, chain)
    return first, depth


@njit(nogil=True, cache=True)
def read_apart(codes, bits, times, low, high, rules, entries, rows, chain):
    """Read touches that all have their own instant. Gives the depth, or -1 when two share one, and the first entry."""
    alive, depth, first, before = np.uint64(0), 0, -1, np.int64(NEVER)
    one = np.uint64(1)
    steps = step_bits(rules)
    for i in range(low, high):
        mask = bits[codes[i]]
        if mask == 0:
            continue
        t = np.int64(times[i])
        if t < rules.touch_from or t >= rules.touch_to:
            continue
        if depth == rules.steps and t != before:
            break
        if t == before or (rules.reuse and (mask & steps) & ((mask & steps) - one)):
            return -1, first
        before = t
        if first < 0 and mask & one and rules.entry_from <= t < rules.entry_to:
            first = i
        alive, depth = advance(i, t, mask, alive, depth, rules, entries, rows, chain)
    return depth, first


@njit(nogil=True, cache=True)
def advance(i, t, mask, alive, depth, rules, entries, rows, chain):
    """Read one touch: chains it can follow get one step longer. Gives the lengths alive and the depth so far."""
    one = np.uint64(1)
    excluded = excluded_by(mask, rules)
    kept = np.uint64(0) if rules.strict else alive
    if excluded:
        kept &= ~ended(excluded, rules)
    can = mask & ((alive << one) | one) & step_bits(rules)
    k = rules.steps
    while can:
        while not (can >> np.uint64(k - 1)) & one:
            k -= 1
        bit = one << np.uint64(k - 1)
        can &= ~bit
        entry = t if k == 1 else entries[k - 1]
        if k == 1:
            if not rules.entry_from <= t < rules.entry_to:
                continue
        elif t - entry > rules.window:
            continue
        if k > depth:
            depth = k
            chain[: k - 1] = rows[k - 1, : k - 1]
            chain[k - 1] = i
        if excluded and breaks(excluded, k - 1, k, rules):
            continue
        if not kept & bit or entry > entries[k]:
            entries[k] = entry
            rows[k, : k - 1] = rows[k - 1, : k - 1]
            rows[k, k - 1] = i
        kept |= bit
    return kept, depth


@njit(nogil=True, cache=True)
def read_in_sequence(codes, bits, times, low, high, rules, entries, rows, chain):
    """Read touches one by one as they lie, whatever their instants."""
    alive, depth = np.uint64(0), 0
    for i in range(low, high):
        mask, t = bits[codes[i]], np.int64(times[i])
        if mask and rules.touch_from <= t < rules.touch_to and depth < rules.steps:
            alive, depth = advance(i, t, mask, alive, depth, rules, entries, rows, chain)
    return depth


@njit(nogil=True, cache=True)
def read_least(codes, bits, times, low, high, rules, entries, rows, group, chain):
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
                alive, depth = advance(j, t, bits[codes[j]], alive, depth, rules, entries, rows, chain)
    return depth


@njit(nogil=True, cache=True)
def read_until_stopped(codes, bits, times, low, high, rules, entries, rows, group, chain):
    """Read touches until one comes that must not: a step done before, or one that is not the next. Gives the depth.

    At one instant touches that match no step come first, then the earliest steps. With `restart`, the first step
    again forgets the chain so far; otherwise it is where the next chain may begin.
    """
    one, depth, i = np.uint64(1), 0, low
    alive = np.uint64(0)
    while i < high:
        size, i = next_group(codes, bits, times, i, high, rules, group)
        for k in range(rules.steps + 1):
            for a in range(size):
                j, mask = group[a], bits[codes[group[a]]]
                t, bit = np.int64(times[j]), one << np.uint64(max(0, k - 1))
                other = not mask & step_bits(rules)
                if (k == 0) != other or (k > 0 and not mask & bit):
                    continue
                out_of_turn = k != 1 and alive and (k == 0 or not (alive << one) & bit)
                if (rules.stop_other and out_of_turn) or (rules.stop_repeat and k > 1 and alive & bit):
                    return depth
                if k == 1 and rules.restart:
                    alive = np.uint64(0)
                ready = k == 1 and rules.entry_from <= t < rules.entry_to
                if k > 1 and alive & (bit >> one):
                    before = rows[k - 1, k - 2]
                    ready = t - entries[k - 1] <= rules.window and (rules.reuse or before != j)
                    ready = ready and (not rules.later or np.int64(times[before]) < t)
                if not ready:
                    continue
                entries[k] = t if k == 1 else entries[k - 1]
                rows[k, : k - 1] = rows[k - 1, : k - 1]
                rows[k, k - 1] = j
                alive |= bit
                if k > depth:
                    depth = k
                    chain[:k] = rows[k, :k]
                    if depth == rules.steps:
                        return depth
    return depth


@njit(nogil=True, cache=True)
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


@njit(nogil=True, cache=True)
def read_groups(codes, bits, times, low, high, rules, entries, rows, group, chain):
    """Read touches instant by instant; within one, in whichever order lets the customer advance."""
    n = rules.steps
    alive, depth, i = np.uint64(0), 0, low
    masks = np.empty(len(group), np.uint64)
    taken = np.empty(n + 1, np.int64)
    while i < high and depth < n:
        size, i = next_group(codes, bits, times, i, high, rules, group)
        if size == 0:
            break
        for a in range(size):
            masks[a] = bits[codes[group[a]]]
        t = np.int64(times[group[0]])
        alive, depth = advance_group(t, group[:size], masks[:size], alive, depth, rules, entries, rows, chain, taken)
    return depth


@njit(nogil=True, cache=True)
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


@njit(nogil=True, cache=True)
def extend(chain, rows, p, q, group, taken):
    """The chain of length `p`, and after it the touches taken for steps `p + 1` to `q`."""
    chain[:p] = rows[p, :p]
    for k in range(p, q):
        chain[k] = group[taken[k]]


@njit(nogil=True, cache=True)
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


@njit(nogil=True, cache=True)
def fits(masks, p, q, rules, taken):
    """Whether touches of one instant can be steps `p + 1` to `q`; `taken[k]` is then the touch of step `k + 1`.

    Each touch is one step (augmenting paths of a bipartite matching), or with `reuse` any number of them.
    """
    one = np.uint64(1)
    if rules.later and q - p > 1:
        return False
    owner = np.full(len(masks), -1, np.int64)
    for k in range(p, q):
        seen = np.zeros(len(masks), np.bool_)
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


@njit(nogil=True, cache=True)
def augment(masks, k, owner, seen, taken):
    """Find a touch for step `k + 1`, moving other steps to other touches where that makes room."""
    for a in range(len(masks)):
        if (masks[a] >> np.uint64(k)) & np.uint64(1) and not seen[a]:
            seen[a] = True
            if owner[a] < 0 or augment(masks, owner[a], owner, seen, taken):
                owner[a], taken[k] = k, a
                return True
    return False
