"""The scan of a trend: the best chain of each customer in every range of time, in one pass, from the last touch back.

For every length `p` it keeps the earliest touches that continue a chain of that length: a touch of step `p + 1`, and
after it what continues a chain one step longer. So each entry has its chain at once, whatever the range it lies in.
"""

from __future__ import annotations

import numpy as np

from analytics.engine.kernels.cache import compiled
from analytics.engine.kernels.distinct_times import IRRELEVANT, ONE, classify_codes, first_unclear, has_tie
from analytics.engine.kernels.parameters import FAVOURABLE, step_bits


@compiled
def scan_ranges(codes, bits, times, bounds, table, starts, ends, chains, firsts, depths, owners, ranges, left):
    """Write a row for every customer and range with an entry: chain, first entry, depth, customer, range.

    Range `r` has the entries of `starts[r] <= t < ends[r]`; ranges lie in order and do not overlap. Touches at one
    instant are arranged as for `distinct_times`, and customers that it leaves are marked in `left`. An exclusion ends
    every chain. The caller fills `chains` with -1. Returns the number of rows.
    """
    rules, row = table[0], 0
    n, steps = rules.steps, step_bits(rules)
    places, others, ended = classify_codes(bits, rules)
    careful = bool((places > np.uint64(n + IRRELEVANT)).any())
    follow = np.empty((n + 1, n), np.int32)
    for c in range(len(bounds) - 1):
        low, high = np.uint64(bounds[c]), np.uint64(bounds[c + 1])
        unsure = careful or (high > low and has_tie(times, low, high))
        if unsure and first_unclear(codes, times, low, high, places, others, ended, rules, True) < high:
            left[c] = True
            continue
        follow[:] = -1
        now = np.int64(len(starts))
        for i in range(bounds[c + 1] - 1, bounds[c] - 1, -1):
            mask, t = bits[codes[i]], np.int64(times[i])
            if mask == 0 or t < rules.touch_from or t >= rules.touch_to:
                continue
            if mask & ~steps:
                follow[1:] = -1
            if mask & ONE and rules.entry_from <= t < rules.entry_to:
                r = now if now < len(starts) and t >= starts[now] else np.searchsorted(starts, t, side="right") - 1
                if r >= 0 and t < ends[r]:
                    if r != now:
                        now, row = r, row + 1
                        owners[row - 1], ranges[row - 1], depths[row - 1] = c, r, 0
                    take_entry(i, t, times, follow, rules, chains[row - 1], depths[row - 1 : row])
                    firsts[row - 1] = i
            for k in range(1, n):
                if (mask >> np.uint64(k)) & ONE:
                    follow[k, k] = i
                    for j in range(k + 1, n):
                        follow[k, j] = follow[k + 1, j]
    return row


@compiled
def take_entry(i, t, times, follow, rules, chain, depth):
    """Write the chain that enters at touch `i` where it is better than that of the entries after it.

    The deeper is better, then the earlier complete, then the newer; of entries at one instant the first touch, unless
    ties are read in the order of the source.
    """
    reached = 1
    while reached < rules.steps and follow[1, reached] >= 0:
        if np.int64(times[follow[1, reached]]) - t > rules.window:
            break
        reached += 1
    if reached == depth[0]:
        done = t if reached == 1 else np.int64(times[follow[1, reached - 1]])
        before = np.int64(times[chain[reached - 1]])
        same = done == before and t == np.int64(times[chain[0]]) and rules.ties == FAVOURABLE
        if not (done < before or same):
            return
    elif reached < depth[0]:
        return
    depth[0], chain[0] = reached, i
    for k in range(1, reached):
        chain[k] = follow[1, k]
