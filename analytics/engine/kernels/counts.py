"""Counts reported chains: how many of each group reach each step, and their waits for it."""

from __future__ import annotations

import numpy as np

from analytics.engine.kernels.cache import compiled


@compiled
def count_reached(chains, times, firsts, groups, latest, everyone, reached, opened):
    """Count the chains that reach each step: one row per group, one column per step.

    `groups` is the group of every chain. An entrant is mature whose first entry is not after `latest`; `reached` counts
    the mature, or with `everyone` all; `opened` those not mature.
    """
    for row in range(len(chains)):
        group, mature = groups[row], np.int64(times[firsts[row]]) <= latest
        for k in range(chains.shape[1]):
            there = chains[row, k] >= 0
            reached[group, k] += there & (mature | everyone)
            opened[group, k] += there & (not mature)


@compiled
def collect_waits(chains, times, firsts, groups, previous, latest, everyone, unit, places, waits):
    """Write the wait of every chain that counts for every step, since step `previous[k]`, in units of one.

    `places[group, k]` is the position of the next wait of a group for step `k`; it is advanced.
    """
    for row in range(len(chains)):
        if not (everyone or np.int64(times[firsts[row]]) <= latest):
            continue
        group = groups[row]
        for k in range(1, chains.shape[1]):
            if chains[row, k] >= 0:
                since = np.int64(times[chains[row, previous[k]]])
                waits[places[group, k]] = (np.int64(times[chains[row, k]]) - since) * unit
                places[group, k] += 1
