"""The scan of customers whose touches all have their own instant: nearly all of them, with the least work a touch.

It reads what `ordered` reads. For every length `k` only the newest entry is kept among the chains now `k` steps long,
so that a touch costs one comparison: is the newest entry of the chains one shorter still in its window? The steps of
the chain in between are sought afterwards, once a customer: each is the earliest that can follow. Most customers are
read by the loop of `brief`, the others by `read_apart`.

Customers are left to `ordered` when two touches of one instant matter, or when a touch needs more than that comparison
(`places_of` says which), unless their chain is complete before. So nothing is answered differently here, only sooner.
"""

from __future__ import annotations

import numpy as np

from analytics.engine.kernels.cache import compiled
from analytics.engine.kernels.parameters import (
    NEVER,
    attempt_from,
    ended,
    excluded_by,
    first_entry,
    last_touch,
    step_bits,
)
from analytics.engine.kernels.short_paths import MOST_TOUCHES, fill_words, is_brief, read_brief

ZERO, ONE, BLOCK, NONE = np.uint64(0), np.uint64(1), np.uint64(64), np.int64(NEVER)
OTHERS = 2
NOTHING = 4
LEFT = 6
PLACES = 7
"""Places beyond those of the steps. The place before each is never written, so that no chain leads there."""


@compiled
def scan_apart(codes, bits, times, bounds, table, words, chains, firsts, depths, owners, left):
    """Write a row for every customer with an entry, or for every attempt: chain, first entry, depth, customer.

    `chains[row, k]` is the touch of step `k + 1`; it is handed in as -1 all over. `words` is room for a word a code.
    `left` tells which customers are not read here. Gives the number of rows.
    """
    rules, row, tie = table[0], 0, ZERO
    n, start, end = np.uint64(rules.steps), rules.entry_from, rules.entry_to
    places, others, ends = places_of(bits, rules)
    entries, begun, ages = (
        np.full(n + PLACES, NEVER),
        np.zeros(n + PLACES, np.uint64),
        np.full(MOST_TOUCHES + ONE, NEVER),
    )
    plain = not rules.strict and not others.any() and not ends.any()
    careful, brief = bool((places == n + LEFT).any()), is_brief(places, others, ends, n)
    fill_words(words, places, ends, n + OTHERS, rules.strict, n)
    for c in range(len(bounds) - 1):
        before = row
        low, high = seen_part(times, bounds[c], bounds[c + 1], rules)
        if low == high:
            continue
        unclear = high
        if tie <= low:
            tie = next_tie(times, low + ONE)
        if careful or tie < high:
            unclear = first_unclear(codes, times, low, high, places, n)
        while True:
            if rules.attempts:
                entry = first_entry(codes, bits, times, np.int64(low), np.int64(high), rules, ONE)
                if entry < 0:
                    break
                start, end = np.int64(times[entry]), np.int64(times[entry]) + 1
                low = np.uint64(attempt_from(times, entry, np.int64(low), rules))
            if brief and high - low <= MOST_TOUCHES and np.int64(times[high - ONE]) < end:
                depth, first, begin, done = read_brief(codes, times, low, high, words, ages, rules.window)
            else:
                depth, first, begin, done = read_apart(
                    codes, times, low, high, places, others, ends, entries, begun, rules, start, end, plain
                )
            if unclear < high and (depth < n or times[unclear] <= times[done]):
                left[c] = True
                chains[before:row] = -1
                row = before
                break
            if depth == ZERO:
                break
            write_chain(codes, bits, ends, begin, done, depth, chains, row)
            firsts[row], depths[row], owners[row] = first, depth, c
            row += 1
            if not rules.attempts:
                break
            low = np.uint64(last_touch(chains[row - 1])) + ONE
    return row


@compiled
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


@compiled
def seen_part(times, low, high, rules):
    """The customer's touches that can matter: those that the funnel sees, from where an entry can be."""
    while low < high and np.int64(times[low]) < max(rules.touch_from, rules.entry_from):
        low += 1
    while low < high and np.int64(times[high - 1]) >= rules.touch_to:
        high -= 1
    return np.uint64(low), np.uint64(high)


@compiled
def has_tie(times, low, high):
    """Whether any two touches share an instant."""
    tied, i = False, low + ONE
    while i < high:
        tied |= times[i] == times[i - ONE]
        i += ONE
    return tied


@compiled
def next_tie(times, i):
    """The first touch from `i` on that shares its instant with the touch before it; or the number of touches."""
    size = np.uint64(len(times))
    while i + BLOCK < size and not has_tie(times, i - ONE, i + BLOCK):
        i += BLOCK
    while i < size and times[i] != times[i - ONE]:
        i += ONE
    return i


@compiled
def first_unclear(codes, times, low, high, places, n):
    """The first touch that is not read here, or `high`: the second that matters at an instant, or one of `LEFT`."""
    before, i = NONE, low
    while i < high:
        place, t = places[codes[i]], np.int64(times[i])
        matters = place != n + np.uint64(NOTHING)
        if matters and (t == before or place > n + np.uint64(NOTHING)):
            break
        before = t if matters else before
        i += ONE
    return i


@compiled(inline="always")
def read_apart(codes, times, low, high, places, others, ends, entries, begun, rules, entry_from, entry_to, plain):
    """Read one customer. Gives the depth, the first entry, and the first and last touch of the chain.

    `entries[k]` is the time of the newest entry among chains of length `k`, `begun[k]` its touch. `plain`: no touch is
    several steps, ends chains, or is minded by strictness.
    """
    n, window = np.uint64(rules.steps), rules.window
    for k in range(rules.steps + 1):
        entries[k] = NEVER
    depth, first, begin, done, last, i = ZERO, low, low, low, ZERO, low
    while i < high:
        code, t = codes[i], np.int64(times[i])
        place, steps = places[code], ZERO if plain else others[code]
        now = t if entry_from <= t < entry_to else NONE
        while True:
            entry = now if place == ONE else entries[place - ONE]
            touch = i if place == ONE else begun[place - ONE]
            longer = t - entry <= window
            entries[place] = entry if longer else entries[place]
            begun[place] = touch if longer else begun[place]
            if longer and place > depth:
                first = first if depth else i
                depth, begin, done = place, touch, i
                if place == n:
                    high = i
            if plain or steps == ZERO:
                break
            place, steps = highest(steps)
        i += ONE
        if plain:
            continue
        if rules.strict and place < n + np.uint64(NOTHING):
            if not longer:
                entries[place] = NEVER
            if last != place:
                entries[last] = NEVER
            last = place
        if ends[code]:
            end_lengths(entries, ends[code])
    return depth, first, begin, done


@compiled
def highest(steps):
    """The highest of some steps, and the others."""
    place = np.uint64(64)
    while not (steps >> (place - ONE)) & ONE:
        place -= ONE
    return place, steps & ~(ONE << (place - ONE))


@compiled
def end_lengths(entries, lengths):
    """No chain has any of these lengths any more."""
    k = ONE
    while lengths:
        if lengths & ONE:
            entries[k] = NEVER
        lengths >>= ONE
        k += ONE


@compiled(inline="always")
def write_chain(codes, bits, ends, begin, done, depth, chains, row):
    """Write the chain from touch `begin` to touch `done`: in between the earliest touches that can follow.

    An excluded touch takes away the steps that it ends.
    """
    chains[row, 0] = begin
    i, k = begin + ONE if depth > ONE + ONE else done, ONE
    while i < done:
        code = codes[i]
        chains[row, k] = i
        k += (bits[code] >> k) & ONE
        while (ends[code] >> (k - ONE)) & ONE:
            k -= ONE
        i += ONE
    chains[row, depth - ONE] = done
