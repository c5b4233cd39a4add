"""The columns by which journeys are chosen and put into cohorts, worked out as parts are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.conditions import Step
from analytics.engine.goals import GoalTouches, main_goal
from analytics.monitoring.products.definition import JourneyProduct
from analytics.segments.named.segment import with_segments
from analytics.store.columns import JOURNEY, STAGE, TOUCHPOINT
from analytics.store.encoding import code_type
from analytics.store.frames import micros
from analytics.store.parts import Part, first_rows
from analytics.store.paths import Paths
from expectations.errors import DefinitionError, nearest

BEGUN: Final = "begun there"
"""The only word of a column that marks the journeys which begin where a product begins."""


@dataclass(frozen=True, eq=False)
class JourneyColumn:
    """A text column with one value for all touches of a journey; null for touches of none.

    Of paths without journeys (`numbered` is false) a customer's touches are one journey.
    """

    name: str
    words: pl.Series
    definition: str
    numbered: bool

    @property
    def touchpoints(self) -> frozenset[str]:
        """The touchpoints that decide its value: none, it holds from the beginning of a journey."""
        return frozenset()

    def codes(self, part: Part) -> pl.Series:
        """The code of every touch of a whole part."""
        journey = part.read([JOURNEY])[JOURNEY].fill_null(0).to_numpy() if self.numbered else None
        bounds, size = part.bounds(), int(part.bounds()[-1])
        first = first_rows(np.zeros(size, np.uint32) if journey is None else journey, bounds)
        codes = self.of_beginnings(part, first)[first] if size else np.zeros(0, np.int64)
        known = codes >= 0 if journey is None else (codes >= 0) & (journey != 0)
        column = pl.Series(self.name, np.where(known, codes, 0)).cast(code_type(len(self.words)))
        return column.set(pl.Series(~known), None)

    def of_beginnings(self, part: Part, first: NDArray[np.int64]) -> NDArray[np.int64]:
        """The code of the journey that begins in every row, -1 for null; `first` is the first row of every touch's."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class BeginColumn(JourneyColumn):
    """Marks the journeys that have, at their first instant, a touch with one of these `codes` in a column, or a touch
    of the goal where that is of the stage that is asked for.
    """

    on: str
    accepted: tuple[int, ...]
    goal: GoalTouches | None

    def of_beginnings(self, part: Part, first: NDArray[np.int64]) -> NDArray[np.int64]:
        """Which rows begin a journey that is marked."""
        times = part.times()
        meets = part.read([self.on])[self.on].is_in(list(self.accepted)).fill_null(False).to_numpy()
        if self.goal is not None:
            meets = meets | self.goal.marked(part)
        found = np.full(len(first), -1)
        found[first[meets & (times == times[first])]] = 0
        return found


@dataclass(frozen=True, eq=False)
class CohortColumn(JourneyColumn):
    """The cohort of journeys: the period between two of the `edges` (microseconds) in which they begin."""

    edges: tuple[int, ...]

    def of_beginnings(self, part: Part, first: NDArray[np.int64]) -> NDArray[np.int64]:  # noqa: ARG002
        """The cohort of a journey that begins in each row."""
        place = np.searchsorted(self.edges, part.times(), side="right") - 1
        return np.where(place < len(self.edges) - 1, place, -1)


def journeys_of(paths: Paths, product: JourneyProduct) -> Paths:
    """The journeys of a product: those that begin as members of its segment, and where it begins.

    Raises `DefinitionError` with the nearest word for a touchpoint or a stage that no touch has.
    """
    if product.members is not None:
        with_members = with_segments(paths, product.members)
        paths = with_members.begun_with(product.members.name, "in", unit="journey")
    if product.begins is None:
        return paths
    column = _begin_column(paths, product.name, product.begins)
    return paths.with_columns([column]).begun_with(column.name, BEGUN, unit="journey")


def _begin_column(paths: Paths, name: str, begins: Step) -> BeginColumn:
    where = f"begins of journey {name!r}"
    if begins.on not in paths.schema:
        raise DefinitionError(f"These paths have no {begins.on}s.", where=where, do="begin with a touchpoint")
    words, known = paths.values_of(begins.on), paths.definition
    stage = known.stages[known.goal_stage] if known and known.goal_stage < len(known.stages) else None
    for word in begins.any_of:
        if word not in words and not (begins.on == STAGE and known is not None and word in known.stages):
            expected = f"one of the {len(words)} such as {', '.join(words.sort().head(5).to_list())}"
            raise DefinitionError(
                f"There is no {begins.on} {word!r}.", where=where, expected=expected, do=nearest(word, words.to_list())
            )
    with_goal = begins.on == STAGE and stage in begins.any_of and known is not None
    return BeginColumn(
        _free_name(paths, f"begin of {name}"),
        pl.Series([BEGUN]),
        f"begins with {begins.on} {begins.name}",
        JOURNEY in paths.schema,
        STAGE if begins.on == STAGE else TOUCHPOINT,
        tuple(words.is_in(list(begins.any_of)).arg_true().to_list()),
        GoalTouches.of(paths, main_goal(known.goal)) if with_goal and known else None,
    )


def cohort_column(paths: Paths, starts: Sequence[datetime], period: str) -> CohortColumn:
    """The column of cohorts; `starts` are those of all periods in order, and the end of the last. Its words are the
    numbers of the periods.
    """
    edges = tuple(micros(start) for start in starts)
    words = pl.Series([str(number) for number in range(len(edges) - 1)], dtype=pl.String)
    name = _free_name(paths, f"cohort by {period}")
    return CohortColumn(name, words, f"{period}s from {starts[0].isoformat()}", JOURNEY in paths.schema, edges)


def _free_name(paths: Paths, name: str) -> str:
    """The name of a column that the paths have not."""
    while name in paths.schema:
        name += "'"
    return name
