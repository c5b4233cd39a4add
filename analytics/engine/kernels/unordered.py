"""The scan of unordered funnels: the number of different steps that different touches match within one window.

For an entry, touches are taken in time order; each is given a step, moving other touches to other steps where that
makes room (augmenting paths of a bipartite matching). A touch that raises the number of steps is one of the chain.
"""

from __future__ import annotations

import numpy as np

from analytics.engine.kernels.cache import compiled
from analytics.engine.kernels.parameters import (
    DROP_CUSTOMER,
    END_ATTEMPT,
    clear,
    excluded_by,
    first_entry,
    last_touch,
    step_bits,
)


@compiled
def scan_unordered(codes, bits, times, bounds, table, chains, firsts, least, owners):
    """Write a row for every customer, or for every attempt; as `ordered.scan`. `chains[row, k]` is in time order."""
    rules, one, row = table[0], table[1], 0
    steps = step_bits(rules)
    for c in range(len(bounds) - 1):
        low, high = bounds[c], bounds[c + 1]
        first = first_entry(codes, bits, times, low, high, rules, steps)
        while first >= 0:
            if rules.attempts:
                one.entry_from, one.entry_to = np.int64(times[first]), np.int64(times[first]) + 1
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
