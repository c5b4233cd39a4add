"""The funnel by its definition: every chain of touches is tried. Slow, obvious, and nothing shared with the product."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

FOREVER = 10**12


@dataclass(frozen=True)
class Asked:
    """A funnel in seconds and names. An exclusion is (names, after, before), steps counted from 1."""

    steps: Sequence[set[str]]
    window: int
    order: str = "ordered"
    start: int = -FOREVER
    end: int = FOREVER
    clip: bool = False
    ties: str = "favourable"
    exclude: Sequence[tuple[set[str], int, int]] = field(default=())


@dataclass(frozen=True)
class Touch:
    """`seconds` and `name`, at `place` in the customer's path."""

    seconds: int
    name: str
    place: int


@dataclass(frozen=True)
class Answer:
    """Depth and times of the reported chain, and the first entry in range."""

    depth: int
    times: tuple[int, ...]
    first_entry: int | None


def answer(path: Sequence[tuple[int, str]], asked: Asked) -> Answer:
    """The depth of one customer whose touches are (seconds, name), in the order of the source."""
    ordered = sorted(path, key=lambda touch: touch[0])
    if asked.clip:
        ordered = [touch for touch in ordered if asked.start <= touch[0] < asked.end]
    entries = [t for t, name in ordered if name in asked.steps[0] and asked.start <= t < asked.end]
    if asked.order == "unordered":
        entries = [t for t, name in ordered if any(name in s for s in asked.steps) and asked.start <= t < asked.end]
    first = min(entries, default=None)
    if asked.ties == "adverse":
        depths = {order: best(order, asked) for order in orders(ordered)}
        least = min((len(chain) for chain in depths.values()), default=0)
        return Answer(least, (), first)
    chain = best(ordered, asked)
    return Answer(len(chain), chain, first)


def orders(path: Sequence[tuple[int, str]]) -> Iterator[tuple[tuple[int, str], ...]]:
    """Every order in which touches of one instant may be read."""
    instants = [list(group) for _, group in itertools.groupby(path, key=lambda touch: touch[0])]
    for choice in itertools.product(*(itertools.permutations(instant) for instant in instants)):
        yield tuple(itertools.chain.from_iterable(choice))


def best(path: Sequence[tuple[int, str]], asked: Asked) -> tuple[int, ...]:
    """The times of the reported chain: deepest, then first complete, then newest entry, then earliest steps."""
    touches = [Touch(seconds, name, place) for place, (seconds, name) in enumerate(path)]
    found = [tuple(t.seconds for t in chain) for chain in chains(touches, asked)]
    if asked.order == "unordered":
        found = [tuple(sorted(times)) for times in found]
    return min(found, key=lambda times: (-len(times), times[-1], -times[0], times), default=())


def chains(touches: Sequence[Touch], asked: Asked) -> Iterator[tuple[Touch, ...]]:
    """Every chain: touches all different, one for each of the first k steps, that the rules allow."""
    for length in range(1, len(asked.steps) + 1):
        wanted = [asked.steps[:length]]
        if asked.order == "unordered":
            wanted = list(itertools.combinations(asked.steps, length))
        for steps in wanted:
            for chain in itertools.permutations(touches, length):
                if all(t.name in step for t, step in zip(chain, steps, strict=True)) and allowed(chain, touches, asked):
                    yield chain


def allowed(chain: tuple[Touch, ...], touches: Sequence[Touch], asked: Asked) -> bool:
    """Whether the touches of a chain lie as the rules ask."""
    seconds = [t.seconds for t in chain]
    if asked.order != "unordered":
        by_place = asked.ties != "favourable"
        position = [(t.place if by_place else t.seconds) for t in chain]
        if position != sorted(position):
            return False
    entry = min(seconds)
    if not asked.start <= entry < asked.end or max(seconds) - entry > asked.window:
        return False
    if asked.order == "strict" and interrupted(chain, touches, asked):
        return False
    return not any(excluded(chain, touches, exclusion, asked) for exclusion in asked.exclude)


def interrupted(chain: tuple[Touch, ...], touches: Sequence[Touch], asked: Asked) -> bool:
    """Whether another touch lies between the first and the last."""
    others = [t for t in touches if t not in chain]
    if asked.ties == "favourable":
        return any(chain[0].seconds < t.seconds < chain[-1].seconds for t in others)
    return any(chain[0].place < t.place < chain[-1].place for t in others)


def excluded(
    chain: tuple[Touch, ...], touches: Sequence[Touch], exclusion: tuple[set[str], int, int], asked: Asked
) -> bool:
    """Whether an excluded touch lies strictly between step `after` and step `before`, as far as the chain got."""
    names, after, before = exclusion
    if asked.order == "unordered":
        low, high = min(t.seconds for t in chain), max(t.seconds for t in chain)
        return any(t.name in names and low < t.seconds < high for t in touches)
    if len(chain) <= after:
        return False
    low_touch, high_touch = chain[after - 1], chain[min(before, len(chain)) - 1]
    if asked.ties == "favourable":
        return any(t.name in names and low_touch.seconds < t.seconds < high_touch.seconds for t in touches)
    return any(t.name in names and low_touch.place < t.place < high_touch.place for t in touches)
