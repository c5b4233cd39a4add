"""The scan of funnels with `stop`: a customer is read up to the first forbidden touch, as in ClickHouse's strict modes.

It keeps the newest entry of every length. After the stop, later entries are not tried.
"""

from __future__ import annotations

import numpy as np

from analytics.engine.kernels.cache import compiled
from analytics.engine.kernels.ordered import next_group
from analytics.engine.kernels.parameters import first_entry, step_bits


@compiled
def scan_until_stopped(codes, bits, times, bounds, table, chains, firsts, least, owners):
    """Write a row for every customer; as `ordered.scan`."""
    rules, size = table[0], 0
    for c in range(len(bounds) - 1):
        size = max(size, bounds[c + 1] - bounds[c])
    entries = np.empty(rules.steps + 1, np.int64)
    rows = np.empty((rules.steps + 1, rules.steps), np.int32)
    group = np.empty(size, np.int64)
    for c in range(len(bounds) - 1):
        low, high = bounds[c], bounds[c + 1]
        firsts[c] = first_entry(codes, bits, times, low, high, rules, np.uint64(1))
        least[c] = read_until_stopped(codes, bits, times, low, high, rules, entries, rows, group, chains[c])
        owners[c] = c
    return len(bounds) - 1


@compiled
def read_until_stopped(codes, bits, times, low, high, rules, entries, rows, group, chain):
    """Read touches until a forbidden one: a step done before, or one that is not the next. Returns the depth.

    At one instant touches that match no step come first, then the earliest steps. With `restart`, the first step
    again discards the chain so far; otherwise the next chain may begin there.
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
                for m in range(k - 1):
                    rows[k, m] = rows[k - 1, m]
                rows[k, k - 1] = j
                alive |= bit
                if k > depth:
                    depth = k
                    for m in range(k):
                        chain[m] = rows[k, m]
                    if depth == rules.steps:
                        return depth
    return depth
