"""The cheapest alignment of sequences with a designed path: which touch is which step?"""

from __future__ import annotations

import numpy as np

from analytics.engine.kernels.cache import compiled


@compiled
def align(nodes, bounds, fits, detours, repeats, ways, done):
    """Write for every touch the step that it is (from 1), 0 for none, -1 where it costs nothing to be none.

    `fits[k, node]` says whether a touch can be step `k + 1`, and `ways[k, j]` what skipping costs from step `k` (0 is
    the beginning) to step `j` (the last is the end). A touch that is no step costs 1, unless it is a detour, or repeats
    the step just done that may repeat. `least[i, k]` is the least cost from touch `i` on, with step `k` done last. Of
    the cheapest alignments the one with the earliest touches is written.
    """
    steps, size = fits.shape[0], 0
    for u in range(len(bounds) - 1):
        size = max(size, bounds[u + 1] - bounds[u])
    least = np.zeros((size + 1, steps + 1), np.int64)
    for u in range(len(bounds) - 1):
        low, count = bounds[u], bounds[u + 1] - bounds[u]
        for k in range(steps + 1):
            least[count, k] = ways[k, steps + 1]
        for i in range(count - 1, -1, -1):
            node = nodes[low + i]
            for k in range(steps + 1):
                free = detours[node] or (k > 0 and repeats[k - 1] and fits[k - 1, node])
                best = least[i + 1, k] + (0 if free else 1)
                for j in range(k + 1, steps + 1):
                    if fits[j - 1, node] and not detours[node]:
                        best = min(best, ways[k, j] + least[i + 1, j])
                least[i, k] = best
        k = 0
        for i in range(count):
            node = nodes[low + i]
            step = k + 1
            while step <= steps and (
                detours[node] or not fits[step - 1, node] or ways[k, step] + least[i + 1, step] != least[i, k]
            ):
                step += 1
            if step <= steps:
                done[low + i] = k = step
            else:
                free = detours[node] or (k > 0 and repeats[k - 1] and fits[k - 1, node])
                done[low + i] = -1 if free else 0
