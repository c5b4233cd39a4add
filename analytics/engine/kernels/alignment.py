"""The cheapest alignment of sequences with a designed path: which touch is which step?"""

from __future__ import annotations

import numpy as np

from analytics.engine.kernels.cache import compiled


@compiled
def align(nodes, bounds, fits, detours, done):
    """Write for every touch the step that it is (from 1), 0 for none, -1 for an allowed detour.

    `fits[k, node]` says whether a touch can be step `k + 1`. An alignment skips steps and inserts touches at a cost
    of 1 each, so that the cheapest matches the most; `most[i, k]` is how many of the touches from `i` on can be steps
    from `k + 1` on, in order. Of the cheapest alignments the one with the earliest touches is written.
    """
    steps, size = fits.shape[0], 0
    for u in range(len(bounds) - 1):
        size = max(size, bounds[u + 1] - bounds[u])
    most = np.zeros((size + 1, steps + 1), np.int32)
    for u in range(len(bounds) - 1):
        low, count = bounds[u], bounds[u + 1] - bounds[u]
        most[count, :] = 0
        for i in range(count - 1, -1, -1):
            node = nodes[low + i]
            for k in range(steps - 1, -1, -1):
                best = max(most[i + 1, k], most[i, k + 1])
                if fits[k, node] and not detours[node]:
                    best = max(best, most[i + 1, k + 1] + 1)
                most[i, k] = best
            most[i, steps] = 0
        k = 0
        for i in range(count):
            node = nodes[low + i]
            done[low + i] = -1 if detours[node] else 0
            if detours[node]:
                continue
            step = k
            while step < steps and not (fits[step, node] and most[i + 1, step + 1] + 1 == most[i, k]):
                step += 1
            if step < steps:
                done[low + i] = step + 1
                k = step + 1
