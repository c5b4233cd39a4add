"""Which touches tell how a customer moves, and which customers have shown enough of it to be placed in a persona.

A customer is **observed** for some time from the first touch on, 30 days unless said otherwise; a touch exactly that
long after it is outside. Touches of a goal, returns and answers to surveys are left out: they tell what came of it.
Customers whose observation is over, with at least 3 touches left in it, are **placed**. The others are unassigned:
`observed still`, or `too few touches`. Customers who object to profiling are neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property, partial
from typing import Final, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.conditions import Step
from analytics.engine.goals import GoalWords, as_goal
from analytics.engine.matching import Matcher
from analytics.engine.run import on_parts
from analytics.experience.voice import SURVEY
from analytics.segments.named.conditions import micros_of, touches_named
from analytics.store.columns import CUSTOMER
from analytics.store.encoding import Dictionaries
from analytics.store.frames import micros
from analytics.store.parts import Part
from analytics.store.paths import Paths
from expectations.config.durations import duration
from expectations.errors import DefinitionError

PLACED, STILL, FEW, OBJECTS = 0, 1, 2, 3
PLACEMENTS: Final = ("placed", "observed still", "too few touches")
OBSERVATION: Final = timedelta(days=30)
LEAST: Final = 3

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Observation:
    """How long customers are observed, how many touches place them, and which touches do not count.

    `left_out` are touchpoints, and stages written `stage:NAME`. Raises `DefinitionError` for a length that is no time
    above 0, and for less than 1 touch.

    >>> Observation.of("buy", after=["return"]).left_out
    ('buy', 'return')
    """

    length: timedelta = OBSERVATION
    least: int = LEAST
    left_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.length <= timedelta(0):
            raise DefinitionError("Customers are observed for some time.", expected="above 0", found=str(self.length))
        if isinstance(self.least, bool) or not isinstance(self.least, int) or self.least < 1:
            raise DefinitionError(
                "Customers are placed by their touches.", expected="least of 1 or more", found=str(self.least)
            )

    @classmethod
    def of(
        cls,
        *goals: GoalWords,
        after: Sequence[str] = (),
        length: str | timedelta = OBSERVATION,
        least: int = LEAST,
    ) -> Self:
        """The observation that leaves out the touches of `goals`, and those `after` them, such as returns."""
        steps = [step for goal in goals for step in as_goal(goal).steps]
        return cls(duration(length), least, tuple(dict.fromkeys([*steps, *after])))

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of the touches that do not count."""
        return touches_named(self.left_out) if self.left_out else ()


@dataclass(frozen=True, eq=False)
class Observed:
    """An observation bound to a store."""

    observation: Observation
    stored: Dictionaries = field(repr=False)
    left_out: Matcher | None
    has_answers: bool
    objected: frozenset[str]
    end: int

    @classmethod
    def of(cls, paths: Paths, observation: Observation) -> Self:
        """Binds an observation to paths."""
        stored, steps = paths.stored, observation.steps
        stored.require(*(step.on for step in steps))
        return cls(
            observation,
            stored.dictionaries,
            Matcher(steps) if steps else None,
            SURVEY in stored.schema,
            paths.objected,
            0 if paths.end_of_data is None else micros(paths.end_of_data),
        )

    def customers(self, part: Part) -> ObservedCustomers:
        """The customers of a part, with all their touches."""
        whole = part.whole.held()
        return whole.once(("observed", self), lambda: ObservedCustomers(whole, self))

    def counted(self, part: Part) -> NDArray[np.bool_]:
        """Which touches of a whole part do not tell what came of it."""
        counts = np.ones(int(part.bounds()[-1]), np.bool_)
        if self.left_out is not None and len(counts):
            codes, bits = self.left_out.match(part, part.read(self.left_out.columns), self.stored)
            counts &= (bits == 0)[codes]
        if self.has_answers:
            counts &= part.read([SURVEY])[SURVEY].is_null().to_numpy()
        return counts


@dataclass(frozen=True, eq=False)
class ObservedCustomers:
    """The customers of a whole part, and the touches in their observation that count."""

    part: Part
    observed: Observed

    @cached_property
    def last(self) -> Ints:
        """The last instant of each customer's observation, in microseconds."""
        bounds, times = self.part.bounds(), self.part.times()
        return times[bounds[:-1]] + micros_of(self.observed.observation.length) - 1

    @cached_property
    def keys(self) -> pl.Series:
        """The key of each customer, as text."""
        return self.part.keys().cast(pl.String)

    @cached_property
    def _counting(self) -> tuple[Ints, Ints]:
        """The rows of touches in the observation that count, and the customer of each, as a number in the part."""
        bounds = self.part.bounds()
        person = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
        counts = self.observed.counted(self.part) & (self.part.times() <= self.last[person])
        rows = np.flatnonzero(counts)
        return rows, person[rows]

    @cached_property
    def placement(self) -> NDArray[np.int8]:
        """Whether each customer is placed, or why not."""
        touches = np.bincount(self._counting[1], minlength=len(self.last))
        found = np.where(touches >= self.observed.observation.least, PLACED, FEW).astype(np.int8)
        found[self.last >= self.observed.end] = STILL
        if self.observed.objected:
            found[self.keys.is_in(list(self.observed.objected)).to_numpy()] = OBJECTS
        return found

    @cached_property
    def placed(self) -> Ints:
        """The customers who are placed, as numbers in the part."""
        return np.flatnonzero(self.placement == PLACED)

    def touches(self, placed: NDArray[np.bool_] | None = None) -> tuple[Ints, Ints]:
        """The rows of touches of those who are placed, and the position of each one's customer among them.

        `placed` marks those that are wanted, by default all.
        """
        rows, person = self._counting
        people = self.placed if placed is None else self.placed[placed]
        place = np.full(len(self.last), -1)
        place[people] = np.arange(len(people))
        of = place[person]
        return rows[of >= 0], of[of >= 0]


def persona_placement(paths: Paths, observation: Observation | None = None) -> pl.DataFrame:
    """Which customers have shown enough to be placed in a persona, and why the others have not.

    One row per customer, by customer: `customer`, `placement` Enum: `placed`, `observed still` (the observation is not
    over), or `too few touches`. Customers who object to profiling have no row, and no touches give none. These are rows
    about single customers: they are never published. Raises `DefinitionError` for a column that is not there.

    >>> shop = Paths.from_text({"ann": "a@0d a@1d a@2d", "bo": "a@0d a@1d", "cy": "a@48d a@49d a@50d"}, end="60d")
    >>> persona_placement(shop)["placement"].to_list()
    ['placed', 'too few touches', 'observed still']
    """
    bound = Observed.of(paths, observation or Observation())
    schema = {CUSTOMER: paths.schema[CUSTOMER], "placement": pl.Enum(PLACEMENTS)}
    tables = on_parts(paths.stored, partial(_placement, bound))
    return pl.concat([pl.DataFrame(schema=schema), *tables]).sort(CUSTOMER)


def _placement(bound: Observed, part: Part, _: Dictionaries) -> pl.DataFrame:
    customers = bound.customers(part)
    words = pl.Series("placement", customers.placement, pl.UInt8)
    rows = pl.DataFrame([customers.part.keys().alias(CUSTOMER), words]).filter(pl.col("placement") != OBJECTS)
    return rows.with_columns(
        pl.col("placement").replace_strict(dict(enumerate(PLACEMENTS)), return_dtype=pl.String)
    ).with_columns(pl.col("placement").cast(pl.Enum(PLACEMENTS)))
