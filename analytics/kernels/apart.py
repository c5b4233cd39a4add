"""The scan of customers whose touches all have their own instant: nearly all of them, with the least work a touch.

It reads what `ordered` reads. For every length `k` only the time of the newest entry is kept among the chains now `k`
steps long, so that a touch costs one comparison: is the newest entry of the chains one shorter still in its window? The
chain itself is traced afterwards, once a customer, from its entry: each of its steps is the earliest that can follow.

Customers are left to `ordered` when two touches of one instant matter, or when a touch needs more than that comparison
(`places_of` says which). So nothing is answered differently here, only sooner.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from analytics.kernels.rules import NEVER, attempt_from, ended, excluded_by, first_entry, last_touch, step_bits

ZERO, ONE, NONE = np.uint64(0), np.uint64(1), np.int64(NEVER)
OTHERS = 2
NOTHING = 4
LEFT = 6
PLACES = 7
"""Places beyond those of the steps. The place before each is never written, so that no chain leads there."""


@njit(nogil=True, cache=True)
def scan_apart(codes, bits, times, bounds, table, chains, firsts, depths, owners, left):
    """Write a row for every customer with an entry, or for every attempt: chain, first entry, depth, customer.

    `chains[row, k]` is the touch of step `k + 1`, or -1. `left` tells which customers are not read here. Gives the
    number of rows.
    """
    rules, row = table[0], 0
    n, window, start, end, strict = rules.steps, rules.window, rules.entry_from, rules.entry_to, rules.strict
    places, others, ends = places_of(bits, rules)
    entries = np.full(n + PLACES, NEVER, np.int64)
    several, excluding = others.any(), rules.exclusions > 0
    for c in range(len(bounds) - 1):
        begun = row
        low, high = seen_part(times, bounds[c], bounds[c + 1], rules)
        while True:
            if rules.attempts:
                entry = first_entry(codes, bits, times, np.int64(low), np.int64(high), rules, ONE)
                if entry < 0:
                    break
                start, end = np.int64(times[entry]), np.int64(times[entry]) + 1
                low = np.uint64(attempt_from(times, entry, np.int64(low), rules))
            depth, first, done, newest, left[c] = read_apart(
                codes,
                times,
                low,
                high,
                places,
                others,
                ends,
                entries,
                n,
                window,
                start,
                end,
                strict,
                several,
                excluding,
            )
            if left[c] or depth == ZERO:
                break
            trace(codes, bits, ends, times, low, done, newest, depth, chains[row])
            firsts[row], depths[row], owners[row] = first, depth, c
            row += 1
            if not rules.attempts:
                break
            low = np.uint64(last_touch(chains[row - 1])) + ONE
        if left[c]:
            row = begun
    return row


@njit(nogil=True, cache=True)
def places_of(bits, rules):
    """For every code its place, the steps besides, and the lengths of chains that it ends.

    The place is the highest step that a touch matches; `OTHERS` for a touch that matters but is no step; `NOTHING` for
    one that does not matter; `LEFT` for one that is not read here: a step that is also excluded, several steps where
    strictness or `reuse` asks for more care, and exclusions between different steps.
    """
    n = rules.steps
    places = np.empty(len(bits), np.uint64)
    others = np.zeros(len(bits), np.uint64)
    ends = np.zeros(len(bits), np.uint64)
    ranges = 0
    for e in range(1, rules.exclusions):
        ranges += rules.exclude_after[e] != rules.exclude_after[0]
        ranges += rules.exclude_before[e] != rules.exclude_before[0]
    for code in range(len(bits)):
        steps = bits[code] & step_bits(rules)
        ends[code] = ended(excluded_by(bits[code], rules), rules)
        places[code] = n + (OTHERS if bits[code] else NOTHING)
        for k in range(n):
            if (steps >> np.uint64(k)) & ONE:
                places[code] = k + 1
                others[code] = steps & ~(ONE << np.uint64(k))
        careful = others[code] and (rules.strict or rules.reuse)
        if careful or (ends[code] and (steps or ranges)):
            places[code] = n + LEFT
    return places, others, ends


@njit(nogil=True, cache=True)
def seen_part(times, low, high, rules):
    """The customer's touches that the funnel sees at all."""
    while low < high and np.int64(times[low]) < rules.touch_from:
        low += 1
    while low < high and np.int64(times[high - 1]) >= rules.touch_to:
        high -= 1
    return np.uint64(low), np.uint64(high)


@njit(nogil=True, cache=True)
def read_apart(
    codes, times, low, high, places, others, ends, entries, n, window, entry_from, entry_to, strict, several, excluding
):
    """Read one customer. Gives the depth, the first entry, the touch that completes the chain, the time of its entry.

    The last that it gives tells whether the customer is left.
    """
    for k in range(n + 1):
        entries[k] = NEVER
    depth, first, done, newest = ZERO, low, low, NONE
    last, before, left = ZERO, NONE, False
    nothing, whole = np.uint64(n + NOTHING), np.uint64(n)
    i = low
    while i < high:
        code, t = codes[i], np.int64(times[i])
        place, rest = places[code], others[code] if several else ZERO
        matters = place < nothing
        left |= (matters & (t == before)) | (place > nothing)
        before = t if matters else before
        entries[0] = t if entry_from <= t < entry_to else NEVER
        while True:
            entry = entries[place - ONE]
            longer = t - entry <= window
            entry = entry if longer else (NONE if strict else entries[place])
            if strict and matters:
                entries[last] = NEVER
                last = place
            entries[place] = entry
            if longer and place > depth:
                first = first if depth else i
                depth, done, newest = place, i, entry
            if rest == ZERO:
                break
            place, rest = highest(rest)
        if excluding and ends[code]:
            end_lengths(entries, ends[code])
        if depth == whole:
            break
        i += ONE
    return depth, first, done, newest, left or (depth == whole and followed_at_once(codes, times, i, high, places, n))


@njit(nogil=True, cache=True)
def highest(steps):
    """The highest of some steps, and the others."""
    place = np.uint64(64)
    while not (steps >> (place - ONE)) & ONE:
        place -= ONE
    return place, steps & ~(ONE << (place - ONE))


@njit(nogil=True, cache=True)
def end_lengths(entries, lengths):
    """No chain has any of these lengths any more."""
    k = ONE
    while lengths:
        if lengths & ONE:
            entries[k] = NEVER
        lengths >>= ONE
        k += ONE


@njit(nogil=True, cache=True)
def followed_at_once(codes, times, i, high, places, n):
    """Whether a touch that matters lies at the same instant as touch `i`, after it."""
    j = i + ONE
    while j < high and times[j] == times[i]:
        if places[codes[j]] <= np.uint64(n + OTHERS):
            return True
        j += ONE
    return False


@njit(nogil=True, cache=True)
def trace(codes, bits, ends, times, low, done, newest, depth, chain):
    """Write the chain that touch `done` completes, from its entry at `newest`: the earliest touches that can follow.

    An excluded touch takes away the steps that it ends.
    """
    i, k = done, ZERO
    while i > low and np.int64(times[i - ONE]) >= newest:
        i -= ONE
    while k < depth:
        code = codes[i]
        chain[k] = i
        k += (bits[code] >> k) & ONE
        while k and (ends[code] >> (k - ONE)) & ONE:
            k -= ONE
        i += ONE
    while k < np.uint64(len(chain)):
        chain[k] = -1
        k += ONE
