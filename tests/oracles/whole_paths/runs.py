"""The cheapest alignment of a path with a design that branches, by trying every run of the design."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tests.oracles.whole_paths.alignment import alignment


class Node(NamedTuple):
    """A step: its touch, the numbers of those before it (none: it begins), may it be left out, may it come again."""

    touch: str
    after: tuple[int, ...]
    optional: bool = False
    repeats: bool = False


def runs(nodes: list[Node], most: int) -> Iterator[tuple[str, ...]]:
    """Every row of touches that follows the design, with a step that repeats done up to `most` times."""
    followed = {number for node in nodes for number in node.after}

    def until(number: int) -> Iterator[tuple[str, ...]]:
        node = nodes[number]
        times = [1, *range(2, most + 1)] if node.repeats else [1]
        for before in [run for last in node.after for run in until(last)] if node.after else [()]:
            for count in [0, *times] if node.optional else times:
                yield (*before, *[node.touch] * count)

    for number in range(len(nodes)):
        if number not in followed:
            yield from until(number)


def cheapest(path: tuple[str, ...], nodes: list[Node]) -> tuple[int, int]:
    """What the path costs, and what it would cost at worst: skipping the shortest run, inserting every touch."""
    every = set(runs(nodes, len(path)))
    return min(alignment(path, run)[0] for run in every), len(path) + min(map(len, every))
