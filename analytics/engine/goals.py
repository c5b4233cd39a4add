"""A goal by name, and which touches of a store are it.

The **main** goal ends a journey (`analytics.touches.journeys`). Any other goal is looked for in a journey and in its
aftermath, and ends nothing. A journey is **direct** for a goal when it has no staged touch up to the goal's instant
but touches of that goal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from analytics.engine.conditions import STAGE_PREFIX, Step, Words, several
from analytics.engine.matching import Matcher
from analytics.engine.notices.unknown_words import unknown_steps, unknown_words, warn_of_unknown
from analytics.store.columns import STAGE, TOUCHPOINT
from analytics.store.encoding import Dictionaries
from analytics.store.parts import Part
from analytics.store.paths import Paths
from expectations.config.durations import Duration
from expectations.config.file import Owned, Section

DIRECT: Final = "direct"
OTHER: Final = "other"
"""The families of every answer by route: nothing but the goal, and what fits no family."""
ENDING: Final = "goal"
"""The name of a goal that has none."""


class AtLeast(Section):
    """So many, or more."""

    at_least: int = Field(ge=1, description="so many, or more")


class Route(Section):
    """A family of routes to a goal: journeys that meet all that is said here, over their touches before the goal.

    A word is a touchpoint, a channel, or a stage written `stage:NAME`. `entered`: the first touch is one of these.
    `through`: a touch is one of these; `without`: none is. `crosses`: touches lie in so many channels, or more.
    `visits`: they lie in so many sessions, or `{"at_least": n}`. `pattern`: they match a pattern, as `match` reads it,
    whose names are such words, a stage in quotes. Raises pydantic's `ValidationError` for a family without a name or a
    rule, and for the names `direct` and `other`, which every answer has.

    >>> Route(name="Helped", through=["Call", "Store visited"]).words
    ('Call', 'Store visited')
    """

    name: str = Field(min_length=1, description="what the family is called")
    entered: tuple[str, ...] = Field(default=(), description="the first touch is one of these words")
    through: tuple[str, ...] = Field(default=(), description="a touch is one of these words")
    without: tuple[str, ...] = Field(default=(), description="no touch is one of these words")
    crosses: int | None = Field(default=None, ge=1, description="touches lie in so many channels, or more")
    visits: int | AtLeast | None = Field(
        default=None, description="touches lie in so many sessions, or { at_least = n }"
    )
    pattern: str | None = Field(default=None, min_length=1, description="touches match this pattern of paths")

    @model_validator(mode="after")
    def _says_something(self) -> Route:
        if self.name in (DIRECT, OTHER):
            raise ValueError(f"{self.name!r} is a family of every answer: name this one otherwise")
        if not self.words and self.crosses is None and self.visits is None and self.pattern is None:
            raise ValueError("a route names entered, through, without, crosses, visits or a pattern")
        if isinstance(self.visits, int) and self.visits < 1:
            raise ValueError("visits is a number from 1")
        return self

    @property
    def words(self) -> tuple[str, ...]:
        """All words that the family names, but for those of its pattern."""
        return (*self.entered, *self.through, *self.without)


class Goal(Owned):
    """A goal: touches of any of its `steps`, each a touchpoint, or a stage written `stage:NAME`.

    `value` is what one journey that reaches it is worth, or a numeric column that is summed over its touches.
    `horizon` is how long a journey has to reach it, by default the window of the question. `for_customer` says what the
    customer gets; `owner`, `reviewed` and `says` who is responsible, when the definition was last looked at, and what
    it means. `routes` are families of routes to it (`Route`). Raises pydantic's `ValidationError` for a goal without a
    name or steps, a step without a name, a value below 0, or a horizon that is no duration.

    >>> Goal(name="Advice", steps=["Call", "stage:Desire"], horizon="7d").touchpoints
    ('Call',)
    """

    name: str = Field(min_length=1, description="what the goal is called")
    steps: tuple[str, ...] = Field(min_length=1, description="touchpoints, or stages as stage:NAME; any of them")
    value: str | float | None = Field(default=None, description="an amount per goal, or a numeric column")
    horizon: Duration | None = Field(default=None, description="time a journey has to it; by default [report] window")
    for_customer: str = Field(default="", description="what the customer gets")
    routes: tuple[Route, ...] = Field(default=(), description="families of routes to it, the first that fits")

    @field_validator("steps")
    @classmethod
    def _have_names(cls, steps: tuple[str, ...]) -> tuple[str, ...]:
        if any(not step.removeprefix(STAGE_PREFIX).strip() for step in steps):
            raise ValueError("a step is a touchpoint, or a stage as stage:NAME")
        return steps

    @field_validator("value", mode="before")
    @classmethod
    def _is_worth(cls, value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, str | int | float | None) or value == "":
            raise ValueError("a value is an amount per goal, or the name of a numeric column")
        if isinstance(value, int | float) and not 0 <= value < float("inf"):
            raise ValueError("the value of a goal is an amount from 0")
        return value

    @field_validator("horizon")
    @classmethod
    def _is_some_time(cls, horizon: timedelta | None) -> timedelta | None:
        if horizon is not None and horizon <= timedelta(0):
            raise ValueError("a horizon is longer than 0")
        return horizon

    @field_validator("routes")
    @classmethod
    def _are_apart(cls, routes: tuple[Route, ...]) -> tuple[Route, ...]:
        names = [route.name for route in routes]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two routes are called {twice[0]!r}")
        return routes

    @property
    def touchpoints(self) -> tuple[str, ...]:
        """The steps that are touchpoints."""
        return tuple(step for step in self.steps if not step.startswith(STAGE_PREFIX))

    @property
    def stages(self) -> tuple[str, ...]:
        """The names of the steps that are stages."""
        return tuple(step.removeprefix(STAGE_PREFIX) for step in self.steps if step.startswith(STAGE_PREFIX))


GoalWords = Words | Goal
"""A goal as a question names it: touchpoints, or a goal by name."""


def as_goal(goal: GoalWords) -> Goal:
    """The goal; touchpoints alone are one named after them.

    >>> as_goal(["buy", "renew"]).name
    'buy or renew'
    """
    if isinstance(goal, Goal):
        return goal
    return main_goal(several("A goal", goal))


def main_goal(touchpoints: Sequence[str]) -> Goal:
    """The goal that ends journeys, named after its touchpoints.

    >>> main_goal(["buy", "renew"]).name
    'buy or renew'
    """
    return Goal.model_construct(name=" or ".join(touchpoints), steps=tuple(touchpoints))


def is_main(paths: Paths, goal: Goal) -> bool:
    """Whether a goal is the one by which the journeys of these paths were cut."""
    known = paths.definition
    return known is not None and not goal.stages and {*goal.touchpoints} == {*known.goal}


@dataclass(frozen=True)
class GoalTouches:
    """Which touches of a store are a goal: the codes of its touchpoints and of its stages.

    `main` are the codes of the main goal. `staged` is whether any touch of the store has a stage: else all count as
    staged.
    """

    touchpoints: tuple[int, ...]
    stages: tuple[int, ...]
    main: tuple[int, ...]
    staged: bool

    @classmethod
    def of(cls, paths: Paths, goal: Goal) -> GoalTouches:
        """The touches of a goal."""
        words = paths.values_of(TOUCHPOINT)
        stages = paths.values_of(STAGE) if STAGE in paths.schema else pl.Series([], dtype=pl.String)
        main = paths.definition.goal if paths.definition else ()
        return cls(
            _codes(words, goal.touchpoints), _codes(stages, goal.stages), _codes(words, main), staged=bool(len(stages))
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """The stored columns that are read."""
        return (TOUCHPOINT, STAGE) if self.staged else (TOUCHPOINT,)

    def marked(self, part: Part) -> NDArray[np.bool_]:
        """Which touches of a part are the goal."""
        return part.once(("goal", self), lambda: self._marked(part))

    def _marked(self, part: Part) -> NDArray[np.bool_]:
        is_goal: NDArray[np.bool_] = np.isin(part.read([TOUCHPOINT])[TOUCHPOINT].to_numpy(), self.touchpoints)
        if self.stages:
            is_goal |= part.read([STAGE])[STAGE].is_in(list(self.stages)).fill_null(False).to_numpy()
        return is_goal

    def others(self, part: Part) -> NDArray[np.bool_]:
        """Which touches of a part are staged, and not the goal; touches of the main goal are staged."""
        if not self.staged:
            return ~self.marked(part)
        frame = part.read([TOUCHPOINT, STAGE])
        staged = frame[STAGE].is_not_null().to_numpy() | np.isin(frame[TOUCHPOINT].to_numpy(), self.main)
        return staged & ~self.marked(part)


def goal_touches(paths: Paths, goal: GoalWords | Step) -> GoalTouches | Matcher:
    """What finds the touches of a goal, or of a step, in a part; warns of words that no touch has."""
    if isinstance(goal, Step):
        return step_touches(paths, goal)
    named = as_goal(goal)
    warn_of_unknown_goal(paths, named)
    return GoalTouches.of(paths, named)


def step_touches(paths: Paths, step: Step) -> Matcher:
    """What finds the touches of a step; warns of words that no touch has. `DefinitionError` for an unknown column."""
    found = Matcher((step,))
    paths.require(*found.columns)
    warn_of_unknown(unknown_steps(paths, (step,)))
    return found


def marked(goal: GoalTouches | Matcher, part: Part, words: Dictionaries) -> NDArray[np.bool_]:
    """Which touches of a part are those of `goal_touches`."""
    return goal.marked(part) if isinstance(goal, GoalTouches) else goal.marked(part, words)


def warn_of_unknown_goal(paths: Paths, goal: Goal) -> None:
    """An `UnknownWordWarning` for each step that no touch has, of a goal that is not the main one."""
    if not is_main(paths, goal):
        warn_of_unknown(unknown_words(paths, TOUCHPOINT, goal.touchpoints))
        warn_of_unknown(unknown_words(paths, STAGE, goal.stages))


def _codes(words: pl.Series, names: Sequence[str]) -> tuple[int, ...]:
    codes: Any = words.is_in(list(names)).arg_true().to_list()
    return tuple(codes)
