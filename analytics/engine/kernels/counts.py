"""Counting reported chains: how many of each group reach each step, and how long do they wait for it?"""

from __future__ import annotations

import numpy as np

from analytics.engine.kernels.cache import compiled


@compiled
def tally(chains, times, firsts, groups, latest, everyone, reached, opened):
    """Add up who gets to each step, a row a group and a column a step.

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
def lay_waits(chains, times, firsts, groups, previous, latest, everyone, unit, places, waits):
    """Write the wait of every chain that counts for every step, since step `previous[k]`, in units of one.

    `places[group, k]` is where the waits of a group for step `k` begin; it moves on.
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
