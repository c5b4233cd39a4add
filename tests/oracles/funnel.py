"""The funnel by its definition: every chain of touches is tried. Slow, obvious, and nothing shared with the product."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

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
    drop: bool = False
    optional: Sequence[bool] = field(default=())
    within: Sequence[int | None] = field(default=())
    reentry: bool = True

    def needed(self, step: int) -> bool:
        return step >= len(self.optional) or not self.optional[step]


@dataclass(frozen=True)
class Touch:
    """`seconds` and `name`, at `place` in the customer's path."""

    seconds: int
    name: str
    place: int


Chain = dict[int, Touch]
"""The touch of every step that is in it, steps counted from 0."""


@dataclass(frozen=True)
class Answer:
    """Depth, and times of the reported chain: one a step, or in order of time when the steps have no order."""

    depth: int
    times: tuple[int | None, ...]


def answer(path: Sequence[tuple[int, str]], asked: Asked) -> Answer:
    """The depth of one customer whose touches are (seconds, name), in the order of the source."""
    ordered = sorted(path, key=lambda touch: touch[0])
    if asked.clip:
        ordered = [touch for touch in ordered if asked.start <= touch[0] < asked.end]
    if asked.ties == "adverse":
        least = min(
            (best(order, asked) for order in orders(ordered)), key=lambda chain: depth(chain, asked), default={}
        )
        return Answer(depth(least, asked), ())
    chain = best(ordered, asked)
    if asked.order == "unordered":
        return Answer(len(chain), tuple(sorted(t.seconds for t in chain.values())))
    times = tuple(chain[k].seconds if k in chain else None for k in range(len(asked.steps)))
    return Answer(depth(chain, asked), times)


def orders(path: Sequence[tuple[int, str]]) -> Iterator[tuple[tuple[int, str], ...]]:
    """Every order in which touches of one instant may be read."""
    instants = [list(group) for _, group in itertools.groupby(path, key=lambda touch: touch[0])]
    for choice in itertools.product(*(itertools.permutations(instant) for instant in instants)):
        yield tuple(itertools.chain.from_iterable(choice))


def depth(chain: Chain, asked: Asked) -> int:
    """How many steps of a chain count."""
    return sum(asked.needed(step) for step in chain)


def best(path: Sequence[tuple[int, str]], asked: Asked) -> Chain:
    """The reported chain: deepest, then first complete, then newest entry, then most steps, then at the earliest times,
    then of the earliest steps.
    """
    touches = [Touch(seconds, name, place) for place, (seconds, name) in enumerate(path)]
    every = [chain for chain in chains(touches, asked) if asked.reentry or begins_at_once(chain, touches, asked)]
    clean = [chain for chain in every if not broken(chain, touches, asked)]

    def rank(chain: Chain) -> tuple[int, int, int, int, list[int], list[int]]:
        when = [moment(t, asked) for t in chain.values()]
        when = sorted(when) if asked.order == "unordered" else when
        done = max(moment(t, asked) for step, t in chain.items() if asked.needed(step))
        return -depth(chain, asked), done, -when[0], -len(chain), when, list(chain)

    chosen: Chain = min(clean, key=rank, default={})
    if asked.drop and any(depth(chain, asked) > depth(chosen, asked) for chain in every):
        return {}
    return chosen


def begins_at_once(chain: Chain, touches: Sequence[Touch], asked: Asked) -> bool:
    """Whether a chain begins with the first touch in range that could be an entry."""
    entry = set().union(*asked.steps) if asked.order == "unordered" else asked.steps[0]
    could = [moment(t, asked) for t in touches if t.name in entry and asked.start <= t.seconds < asked.end]
    return min(moment(t, asked) for t in chain.values()) == min(could)


def attempts(path: Sequence[tuple[int, str]], asked: Asked) -> Iterator[Chain]:
    """The chain of every attempt: each begins at the first entry after the last touch of the one before.

    Touches at one instant are taken with the latest step first, whatever their order in the path.
    """

    def latest_first(touch: tuple[int, str]) -> tuple[int, int]:
        return touch[0], -max((k for k, names in enumerate(asked.steps, 1) if touch[1] in names), default=0)

    rest = sorted(path, key=latest_first)
    while chain := best(rest, replace(asked, reentry=False)):
        yield chain
        rest = rest[max(touch.place for touch in chain.values()) + 1 :]


def moment(touch: Touch, asked: Asked) -> int:
    """When a touch is, as far as the order of touches goes."""
    return touch.seconds if asked.ties == "favourable" else touch.place


def chains(touches: Sequence[Touch], asked: Asked) -> Iterator[Chain]:
    """Every chain: touches all different, one for each step it takes, as the rules allow."""
    for steps in choices(asked):
        for chosen in itertools.permutations(touches, len(steps)):
            chain = dict(zip(steps, chosen, strict=True))
            if all(t.name in asked.steps[step] for step, t in chain.items()) and allowed(chain, touches, asked):
                yield chain


def choices(asked: Asked) -> Iterator[tuple[int, ...]]:
    """The sets of steps that a chain may take: the first k, less optional ones; without order any k."""
    every = range(len(asked.steps))
    for length in range(1, len(asked.steps) + 1):
        for steps in itertools.combinations(every, length):
            left_out = set(range(steps[-1])) - set(steps)
            if asked.order == "unordered" or not any(asked.needed(step) for step in left_out):
                yield steps


def allowed(chain: Chain, touches: Sequence[Touch], asked: Asked) -> bool:
    """Whether the touches of a chain lie as the rules ask, exclusions apart."""
    when = [moment(t, asked) for t in chain.values()]
    if asked.order != "unordered" and when != sorted(when):
        return False
    seconds = sorted(t.seconds for t in chain.values())
    if not asked.start <= seconds[0] < asked.end or seconds[-1] - seconds[0] > asked.window:
        return False
    if asked.order == "strict" and interrupted(chain, touches, asked):
        return False
    steps = list(chain)
    return all(soon_enough(chain, before, step, asked) for before, step in itertools.pairwise(steps))


def soon_enough(chain: Chain, before: int, step: int, asked: Asked) -> bool:
    """Whether a step comes within its own window after the one before it."""
    limit = asked.within[step] if step < len(asked.within) else None
    return limit is None or chain[step].seconds - chain[before].seconds <= limit


def interrupted(chain: Chain, touches: Sequence[Touch], asked: Asked, after: Touch | None = None) -> bool:
    """Whether another touch lies between the first and the last, or a touch after it."""
    when = [moment(t, asked) for t in (*chain.values(), *([after] if after else []))]
    return any(min(when) < moment(t, asked) < max(when) for t in touches if t not in chain.values())


def broken(chain: Chain, touches: Sequence[Touch], asked: Asked) -> bool:
    """Whether an excluded touch lies strictly between the steps of an exclusion, as far as the chain got.

    Where this drops the customer, a chain that did not get to the closing step is open to it until its window is over,
    or, where it is strict, until another touch has ended it.
    """
    for names, after, before in asked.exclude:
        passed = [moment(t, asked) for step, t in chain.items() if step + 1 >= after]
        if not passed or max(chain) + 1 < after:
            continue
        closing = [moment(t, asked) for step, t in chain.items() if step + 1 >= before]
        low, high = min(passed), min(closing, default=max(passed))
        late = not closing and asked.drop
        for touch in touches:
            inside = touch.seconds - chain[0].seconds <= asked.window
            inside = inside and (asked.order != "strict" or not interrupted(chain, touches, asked, touch))
            between = low < moment(touch, asked) and (moment(touch, asked) < high or (late and inside))
            if touch.name in names and between:
                return True
    return False
