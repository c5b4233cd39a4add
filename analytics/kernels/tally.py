"""Counting reported chains: how many of each group reach each step, and how long do they wait for it?"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
def tally(chains, times, firsts, groups, latest, everyone, reached, opened):
    """Add up who gets to each step, a row a group and a column a step.

    `groups` is the group of every chain. An entrant is mature whose first entry is not after `latest`; `reached` counts
    the mature, or with `everyone` all; `opened` those not mature.
    """
    for row in range(len(chains)):
        group, mature = groups[row], np.int64(times[firsts[row]]) <= latest
        for k in range(chains.shape[1]):
            there = chains[row, k] >= 0
            reached[group, k] += there and (mature or everyone)
            opened[group, k] += there and not mature


@njit(nogil=True, cache=True)
def waits_for(step, before, chains, times, firsts, groups, latest, everyone, places, unit, waits):
    """Write the wait of every chain that counts at `step`, since step `before`: times are in `unit`, waits in one each.

    The waits of a group go to its place, and on from there.
    """
    for row in range(len(chains)):
        touch = chains[row, step]
        if touch >= 0 and (everyone or np.int64(times[firsts[row]]) <= latest):
            group = groups[row]
            waits[places[group]] = (np.int64(times[touch]) - np.int64(times[chains[row, before]])) * unit
            places[group] += 1
