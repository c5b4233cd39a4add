"""Customers whose journey under way has stood at a stage for too long."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Self

import numpy as np
import polars as pl

from analytics.engine.conditions import Step, fill
from analytics.engine.goals import GoalTouches, main_goal
from analytics.segments.named.conditions import micros_of, text_of_length, window, with_fields
from analytics.segments.named.states import FOREVER, Customers, Ints, States
from analytics.store.columns import AFTER_GOAL, JOURNEY, STAGE
from analytics.store.paths import Paths
from expectations.errors import DefinitionError, nearest


@dataclass(frozen=True)
class _Bound:
    """What the condition reads of a store: the position of each word of `stage`, the goal, and its stage's position."""

    ranks: tuple[int, ...]
    goal: GoalTouches
    goal_stage: int
    place: int
    gap: int


@dataclass(frozen=True, eq=False, init=False)
class Stuck:
    """The journey under way stands at `stage` for more than `longer`: the furthest stage that it has reached.

    A journey stands there since the first touch that brought it to the stage (`analytics.standing`), until one that
    brings it further, the goal, or until the customer has stayed away for longer than the journey gap. Raises
    `DefinitionError` for a length that is no time above 0, and `checked` for paths without journeys or such a stage.

    >>> Stuck("Payment", longer="3d").text
    "stuck at 'Payment' for more than 3d"
    """

    stage: str
    longer: timedelta
    bound: _Bound | None

    def __init__(self, stage: str, *, longer: str | timedelta) -> None:
        fill(self, stage=stage, longer=window(longer), bound=None)

    @property
    def text(self) -> str:
        """The condition in words."""
        return f"stuck at {self.stage!r} for more than {text_of_length(self.longer)}"

    @property
    def steps(self) -> tuple[Step, ...]:
        """The touches of the stage."""
        return (Step(self.stage, on=STAGE),)

    def checked(self, paths: Paths) -> Self:
        """The condition, bound to a store."""
        known = paths.definition
        if known is None:
            raise DefinitionError("Nobody is stuck where there are no journeys.", expected="paths built with a goal")
        paths.require(JOURNEY, AFTER_GOAL)
        stages = known.stages[: known.goal_stage + 1]
        if self.stage not in stages:
            expected = f"a stage up to the goal's: {', '.join(stages) or 'none'}"
            raise DefinitionError(
                f"No journey stands at {self.stage!r}.", expected=expected, do=nearest(self.stage, stages)
            )
        words = paths.values_of(STAGE) if STAGE in paths.schema else pl.Series([], dtype=pl.String)
        bound = _Bound(
            tuple(known.stages.index(word) if word in known.stages else -1 for word in words),
            GoalTouches.of(paths, main_goal(known.goal)),
            known.goal_stage,
            stages.index(self.stage),
            micros_of(known.gap),
        )
        return with_fields(self, bound=bound)

    def states(self, customers: Customers) -> States:
        """In from `longer` after a journey came to stand at the stage, as long as it is under way and does so."""
        assert self.bound is not None, "checked"
        part, bound = customers.part, self.bound
        frame = part.read([JOURNEY, AFTER_GOAL])
        own = (frame[JOURNEY].is_not_null() & ~frame[AFTER_GOAL].fill_null(False)).to_numpy()
        rows = np.flatnonzero(own)
        if not len(rows):
            return States.during(customers, *(np.zeros((3, 0), np.int64)))
        person, journey, times = customers.of_rows(rows), frame[JOURNEY].to_numpy()[rows], customers.times[rows]
        starts = np.flatnonzero(np.append(True, (person[1:] != person[:-1]) | (journey[1:] != journey[:-1])))
        rank, is_goal = self._ranks(customers, rows), bound.goal.marked(part)[rows]
        further = is_goal if bound.place == bound.goal_stage else is_goal | (rank > bound.place)
        reached = is_goal | (rank >= bound.place)
        since, beyond = (np.minimum.reduceat(np.where(marked, times, FOREVER), starts) for marked in (reached, further))
        ends = np.append(starts[1:], len(rows)) - 1
        until = np.where(beyond < FOREVER, beyond - 1, times[ends] + bound.gap)
        begin = since + micros_of(self.longer) + 1
        stands = (since < beyond) & (begin <= until)
        return States.during(customers, person[starts][stands], begin[stands], until[stands])

    def _ranks(self, customers: Customers, rows: Ints) -> Ints:
        """The position of the stage of each of these rows; -1 without one."""
        assert self.bound is not None, "checked"
        if not self.bound.ranks:
            return np.full(len(rows), -1)
        codes = customers.part.read([STAGE])[STAGE].gather(rows).cast(pl.Int64).fill_null(len(self.bound.ranks))
        ranks: Ints = np.array([*self.bound.ranks, -1])[codes.to_numpy()]
        return ranks
