"""The scan of unordered funnels: the number of different steps that different touches match within one window.

For an entry, touches are taken in time order; each is given a step, moving other touches to other steps where that
makes room (augmenting paths of a bipartite matching). A touch that raises the number of steps is one of the chain.

Where no touch is two steps, the last touch of each step gives at every touch how many steps lie within the window, and
the newest entry that has them all; so only that entry is tried. Else, and where an exclusion takes more than the rest
of an attempt, every entry is tried.
"""

from __future__ import annotations

import numpy as np

from analytics.engine.kernels.cache import compiled
from analytics.engine.kernels.parameters import (
    DROP_CUSTOMER,
    END_ATTEMPT,
    NEVER,
    clear,
    excluded_by,
    first_entry,
    is_several_steps,
    last_touch,
    step_bits,
)


@compiled
def scan_unordered(codes, bits, times, bounds, table, chains, firsts, least, owners):
    """Write a row for every customer, or for every attempt; as `ordered.scan`. `chains[row, k]` is in time order."""
    rules, one, row = table[0], table[1], 0
    steps = step_bits(rules)
    last = np.empty(rules.steps, np.int64)
    is_plain = not rules.attempts and (rules.effect == END_ATTEMPT or rules.exclusions == 0)
    for mask in bits:
        is_plain = is_plain and not is_several_steps(mask, rules)
    for c in range(len(bounds) - 1):
        low, high = bounds[c], bounds[c + 1]
        first = first_entry(codes, bits, times, low, high, rules, steps)
        while first >= 0:
            if rules.attempts:
                one.entry_from, one.entry_to = np.int64(times[first]), np.int64(times[first]) + 1
            if is_plain:
                one.entry_from = best_entry(codes, bits, times, first, high, rules, last)
                one.entry_to = one.entry_from + 1
            depth = most_steps(codes, bits, times, first, high, one, chains[row])
            if depth > 0:
                firsts[row], least[row], owners[row] = first, depth, c
                row += 1
            if not rules.attempts:
                break
            after = max(first, last_touch(chains[row - 1]) if depth > 0 else first) + 1
            first = first_entry(codes, bits, times, after, high, rules, steps)
    return row


@compiled
def best_entry(codes, bits, times, low, high, rules, last):
    """The time of the entry that gets to the most steps, first to be complete, then newest; touches are one step each.

    `last` has room for the last touch of each step.
    """
    steps, depth = step_bits(rules), 0
    best = newest = done = stop = np.int64(NEVER)
    for k in range(rules.steps):
        last[k] = NEVER
    for i in range(low, high):
        t, mask = np.int64(times[i]), bits[codes[i]]
        if t >= rules.touch_to or (depth == rules.steps and t > done):
            break
        if mask == 0 or t < max(rules.touch_from, rules.entry_from):
            continue
        if t > stop > NEVER:
            newest = newest if newest >= stop else np.int64(NEVER)
            for k in range(rules.steps):
                last[k] = last[k] if last[k] >= stop else NEVER
            stop = np.int64(NEVER)
        if excluded_by(mask, rules):
            stop = t
        if not mask & steps:
            continue
        newest = t if t < rules.entry_to else newest
        found, entry = 0, newest
        for k in range(rules.steps):
            last[k] = t if (mask >> np.uint64(k)) & np.uint64(1) else last[k]
            if t - last[k] <= rules.window:
                found, entry = found + 1, min(entry, last[k])
        if t - entry <= rules.window and (found > depth or (found == depth and t == done and entry > best)):
            depth, done, best = found, t, entry
    return best


@compiled
def most_steps(codes, bits, times, low, high, rules, chain):
    """Try every entry; write the best chain. Gives its depth, 0 when exclusions leave none."""
    steps = step_bits(rules)
    trial = np.empty(rules.steps, np.int64)
    owner = np.empty(rules.steps, np.uint64)
    depth, worst, before = 0, 0, np.int64(times[low]) - 1
    for i in range(low, high):
        t = np.int64(times[i])
        if depth == rules.steps and t > np.int64(times[chain[depth - 1]]):
            break
        in_range = rules.entry_from <= t < rules.entry_to and rules.touch_from <= t < rules.touch_to
        if t == before or not in_range or not bits[codes[i]] & steps:
            continue
        before = t
        found, tainted = chain_from(codes, bits, times, i, high, rules, trial, owner)
        if tainted and rules.effect != END_ATTEMPT:
            worst = max(worst, found)
            continue
        done = np.int64(times[trial[found - 1]])
        if found > depth or (found == depth and done <= np.int64(times[chain[depth - 1]])):
            depth = found
            for k in range(found):
                chain[k] = trial[k]
    if rules.effect == DROP_CUSTOMER and worst > depth:
        clear(chain)
        return 0
    return depth


@compiled
def chain_from(codes, bits, times, entry, high, rules, trial, owner):
    """The most steps that one entry gets to: how many, and whether an excluded touch lies between first and last.

    Where an exclusion ends the attempt, nothing after the first excluded touch is taken.
    """
    steps = step_bits(rules)
    t, size, stopped, tainted = np.int64(times[entry]), 0, np.int64(0), False
    for k in range(rules.steps):
        owner[k] = 0
    has_stopped = False
    for j in range(entry, high):
        now, mask = np.int64(times[j]), bits[codes[j]]
        if now - t > rules.window or size == rules.steps or now >= rules.touch_to:
            break
        if has_stopped and now > stopped and rules.effect == END_ATTEMPT:
            break
        if mask & steps and now >= rules.touch_from and give_step(mask & steps, owner, rules.steps):
            trial[size] = j
            size += 1
            tainted = tainted or bool(has_stopped and now > stopped)
        if excluded_by(mask, rules) and now > t and not has_stopped:
            stopped, has_stopped = now, True
    return size, tainted


@compiled
def give_step(mask, owner, steps):
    """Give a touch a step of its own; `owner[k]` is the mask of the touch that has step `k + 1`, or 0."""
    seen = np.zeros(steps, np.bool_)
    return place(mask, owner, seen, steps)


@compiled
def place(mask, owner, seen, steps):
    """Find room for a touch among the steps that it matches."""
    for k in range(steps):
        if (mask >> np.uint64(k)) & np.uint64(1) and not seen[k]:
            seen[k] = True
            if owner[k] == 0 or place(owner[k], owner, seen, steps):
                owner[k] = mask
                return True
    return False
