"""The cheapest alignment of a path with a design, by trying every one."""

from __future__ import annotations

from functools import cache

Move = tuple[str, int, str]


def alignment(path: tuple[str, ...], design: tuple[str, ...]) -> tuple[int, tuple[Move, ...]]:
    """The cost, and the deviations (kind, step, name), of the cheapest alignment whose steps are done earliest."""

    @cache
    def best(i: int, k: int, done: int) -> tuple[int, tuple[int, ...], tuple[Move, ...]]:
        """Cost, places of the touches that are steps (for the earliest), and deviations, from touch i and step k on."""
        if i == len(path) and k == len(design):
            return 0, (), ()
        options = []
        if i < len(path) and k < len(design) and path[i] == design[k]:
            cost, places, moves = best(i + 1, k + 1, k + 1)
            options.append((cost, (i * 100 + k, *places), moves))
        if k < len(design):
            cost, places, moves = best(i, k + 1, done)
            options.append((cost + 1, places, (("skip", k + 1, design[k]), *moves)))
        if i < len(path):
            cost, places, moves = best(i + 1, k, done)
            kind = "repeat" if done and path[i] == design[done - 1] else "insert"
            options.append((cost + 1, places, ((kind, done, path[i]), *moves)))
        return min(options, key=lambda option: (option[0], option[1]))

    cost, _, moves = best(0, 0, 0)
    return cost, tuple(sorted(moves))
