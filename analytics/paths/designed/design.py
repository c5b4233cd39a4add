"""Defines a designed path: a list of steps, or a small graph whose steps branch, may be skipped, or repeat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analytics.engine.conditions import STAGE_PREFIX, Words, fill, several
from expectations.errors import DefinitionError

START: Final = 0
FAR: Final = 1 << 20
"""The cost to go where no route leads."""


@dataclass(frozen=True, eq=False, init=False)
class DesignStep:
    """One step of a designed path that branches: one value, or any of several, and the steps that it may come after.

    `after` names earlier steps, of which one comes just before; by default the step before in the list, and without a
    name any path may begin here. A step that is `optional` may be skipped, one that `repeats` may be done again, at no
    cost.

    >>> DesignStep("call", after=["cart"], optional=True).any_of
    ('call',)
    """

    any_of: tuple[str, ...]
    after: tuple[str, ...] | None
    optional: bool
    repeats: bool

    def __init__(
        self,
        any_of: Words,
        *,
        after: Words | None = None,
        optional: bool = False,
        repeats: bool = False,
    ) -> None:
        before = (after,) if isinstance(after, str) else None if after is None else tuple(after)
        fill(self, any_of=several("A step", any_of), after=before, optional=optional, repeats=repeats)

    @property
    def name(self) -> str:
        """The name of the step."""
        return " or ".join(self.any_of)

    def of_stages(self) -> DesignStep:
        """The same of stages that are written `stage:NAME`."""
        words, after = (
            names and tuple(part.removeprefix(STAGE_PREFIX) for part in names) for names in (self.any_of, self.after)
        )
        return DesignStep(words or (), after=after, optional=self.optional, repeats=self.repeats)


@dataclass(frozen=True, eq=False, init=False)
class Design:
    """A designed path: its steps, and the detours that are allowed anywhere.

    A step is one value, any of several, or a `DesignStep`. A list of steps is followed in order; where a step names
    others that it comes `after`, the design is a graph, and a path may take any route through it, from a step that
    comes after nothing to one that nothing comes after. Steps stand in the list behind those that they come after.

    Raises `DefinitionError` without a step, for an `after` that is no earlier step or is the name of two, and where a
    route has no step but optional ones.

    >>> Design(["home", ["cart", "basket"], "pay"], detours="help").names
    ('home', 'cart or basket', 'pay')
    >>> shop = Design(["home", "cart", DesignStep("call", after="home"), DesignStep("pay", after=["cart", "call"])])
    >>> shop.before
    ((0,), (1,), (1,), (2, 3))
    """

    steps: tuple[tuple[str, ...], ...]
    detours: tuple[str, ...]
    before: tuple[tuple[int, ...], ...]
    """The numbers of the steps, from 1, that each may come after; 0 is the beginning."""
    optional: tuple[bool, ...]
    repeats: tuple[bool, ...]

    def __init__(self, steps: Sequence[Words | DesignStep], detours: Words = ()) -> None:
        written = [step if isinstance(step, DesignStep) else DesignStep(step) for step in steps]
        several("A design", [step.name for step in written])
        names = [step.name for step in written]
        fill(
            self,
            steps=tuple(step.any_of for step in written),
            detours=(detours,) if isinstance(detours, str) else tuple(detours),
            before=tuple(_before(number, step, names) for number, step in enumerate(written)),
            optional=tuple(step.optional for step in written),
            repeats=tuple(step.repeats for step in written),
        )
        if not self.shortest:
            raise DefinitionError(
                "A route of a design has no step but optional ones.",
                expected="one step or more on every route that is not optional",
                found=", ".join(names),
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the steps."""
        return tuple(" or ".join(step) for step in self.steps)

    @property
    def graph(self) -> list[list[int]]:
        """What tells the design from a list of its steps: nothing where it is one."""
        listed = all(before == (number,) for number, before in enumerate(self.before))
        if listed and not any(self.optional) and not any(self.repeats):
            return []
        return [*map(list, self.before), [*map(int, self.optional)], [*map(int, self.repeats)]]

    @property
    def lasts(self) -> tuple[int, ...]:
        """The numbers of the steps that no other comes after."""
        followed = {number for before in self.before for number in before}
        return tuple(number for number in range(1, len(self.steps) + 1) if number not in followed)

    @property
    def shortest(self) -> int:
        """The fewest steps, optional ones not counted, from the beginning of the design to an end."""
        return int(self.ways()[0][START, -1])

    def ways(self) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """What it costs to go on from every step to every later one, and the steps that are skipped on the way.

        Both have a row per step with the beginning first, and a column per step with the beginning first and the end
        last; a route that skips the fewest steps is taken, of several the one whose skipped steps stand first.
        """
        end = len(self.steps) + 1
        before = (*self.before, self.lasts)

        @cache
        def skipped(start: int, goal: int) -> tuple[int, ...] | None:
            """The steps that are skipped between two; null where no route leads from one to the other."""
            found: list[tuple[int, ...]] = []
            for last in before[goal - 1]:
                if last == start:
                    found.append(())
                elif last > start and (way := skipped(start, last)) is not None:
                    found.append(way if self.optional[last - 1] else (*way, last))
            return min(found, key=lambda way: (len(way), way), default=None)

        costs = np.full((end, end + 1), FAR)
        passed = np.zeros((end, end + 1, end - 1), np.bool_)
        for start in range(end):
            for goal in range(start + 1, end + 1):
                if (way := skipped(start, goal)) is not None:
                    costs[start, goal] = len(way)
                    passed[start, goal, [number - 1 for number in way]] = True
        return costs, passed


def _before(number: int, step: DesignStep, names: Sequence[str]) -> tuple[int, ...]:
    """The numbers of the steps that a step may come after: of those before it in the list, from 1."""
    if step.after is None:
        return (number,)
    earlier = names[:number]
    for name in step.after:
        if earlier.count(name) != 1:
            problem = "is the name of two steps" if name in earlier else "is no earlier step"
            raise DefinitionError(
                f"The step {step.name!r} comes after {name!r}, which {problem} of the design.",
                expected=", ".join(earlier) or "nothing: it is the first",
                found=name,
            )
    return tuple(sorted({earlier.index(name) + 1 for name in step.after})) or (START,)
