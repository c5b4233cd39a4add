"""Which share of those who were asked has answered?

An answer belongs to the customer's latest invitation to that survey that has none yet, at most `within` before it. An
invitation is old enough when that time is over at the end of the data; younger ones are open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Final, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.analysis import SMALL, Cells, answer, measured_by
from analytics.engine.conditions import Step
from analytics.engine.matching import Matcher
from analytics.engine.notices.unknown_words import unknown_steps, warn_of_unknown
from analytics.engine.partials import add_up, numbered, sums_by_customer, totals_first
from analytics.engine.run import run
from analytics.paths.view import Breakdown, By
from analytics.statistics.shares import share_columns, square_columns
from analytics.store.columns import AT
from analytics.store.encoding import Dictionaries
from analytics.store.frames import micros
from analytics.store.parts import Part, decoded
from analytics.store.paths import Paths
from expectations.config.durations import duration
from expectations.errors import DefinitionError

SURVEY: Final = "survey"
RATE: Final = ("answered", "invitations")
COUNTS: Final = ("invitations", "answered", "open", "answered_open", "uninvited")
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ResponseRate:
    """Counts invitations and answers, by group and survey."""

    SCHEMA: ClassVar[pl.Schema] = answer(
        survey=pl.String,
        **dict.fromkeys((*COUNTS, "customers"), pl.Int64),
        response_rate=pl.Float64,
        response_rate_low=pl.Float64,
        response_rate_high=pl.Float64,
    )
    CELLS: ClassVar[Cells | None] = None
    BOUND: ClassVar[int] = SMALL

    matcher: Matcher
    by: Breakdown
    within: int
    end: int
    together: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The stored columns that are read."""
        return tuple(dict.fromkeys([AT, SURVEY, *self.matcher.columns, *self.by.columns]))

    @property
    def schema(self) -> dict[str, Any]:
        """The columns of a partial."""
        counts = ("customers", *COUNTS, *square_columns(*RATE))
        return {**self.by.keys, SURVEY: pl.String, **dict.fromkeys(counts, pl.Int64)}

    def partial(self, part: Part, words: Dictionaries) -> pl.DataFrame:
        """The counts of one part."""
        codes, bits = self.matcher.match(part, part.read(self.matcher.columns), words)
        asked, answered = ((bits & np.uint64(bit)) > 0 for bit in (1, 2))
        kind = np.where(asked[codes], 1, np.where(answered[codes], 2, 0))
        rows = np.flatnonzero(kind)
        survey = decoded(part, [SURVEY], words)[SURVEY].cast(pl.String)[pl.Series(rows, dtype=pl.Int64)]
        named = survey.is_not_null().to_numpy()
        rows, survey = rows[named], survey.drop_nulls()
        kind = kind[rows]
        person = np.searchsorted(part.bounds(), rows, side="right") - 1
        at = part.times()[rows]
        has_answer, uninvited = _matched(person, survey.to_list(), at, kind, self.within)
        old = at + self.within <= self.end
        is_asked = kind == 1
        values: Mapping[str, NDArray[np.bool_]] = {
            "invitations": is_asked & old,
            "answered": is_asked & old & has_answer,
            "open": is_asked & ~old,
            "answered_open": is_asked & ~old & has_answer,
            "uninvited": uninvited,
        }
        if self.together:
            survey = survey.clear(len(rows))
        tables = []
        for groups in self.by.keyed(part, words, rows):
            keys, cell = numbered(groups.with_columns(survey.alias(SURVEY)))
            sums = sums_by_customer(cell, person, values, len(keys), shares=[RATE])
            tables.append(pl.concat([keys, sums], how="horizontal").select(*self.schema))
        return pl.concat(tables)

    def merge(self, partials: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Adds up the counts of parts."""
        return add_up(partials, [*self.by.keys, SURVEY], self.schema)

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `response_rate`."""
        answered = merged.with_columns(share_columns(merged, "response_rate", *RATE))
        return totals_first(answered, self.by.names, SURVEY).select(*self.by.names, *self.SCHEMA)

    def exactly(self, merged: pl.DataFrame) -> Self:  # noqa: ARG002
        """The same: nothing is a quantile."""
        return self


def _matched(
    person: Ints, survey: Sequence[str], at: Ints, kind: Ints, within: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which invitations have an answer, and which answers no invitation; touches lie customer by customer, in order.

    At one instant invitations come before answers.
    """
    size = len(person)
    has_answer, uninvited = np.zeros((2, size), np.bool_)
    order = np.lexsort((kind, at, person))
    waiting: dict[str, list[int]] = {}
    last = -1
    for place in order.tolist():
        if person[place] != last:
            last, waiting = person[place], {}
        open_ = waiting.setdefault(survey[place], [])
        if kind[place] == 1:
            open_.append(place)
        elif open_ and at[place] - at[open_[-1]] <= within:
            has_answer[open_.pop()] = True
        else:
            uninvited[place] = True
    return has_answer, uninvited


@measured_by(ResponseRate)
def response_rate(
    paths: Paths,
    asked: str | Step = "survey_asked",
    answered: str | Step = "survey_answered",
    *,
    within: str | timedelta = "14d",
    by: By = (),
    together: bool = False,
) -> pl.DataFrame:
    """Which share of the invitations to each survey has been answered, of those that are old enough.

    `asked` and `answered` are touchpoints or steps; both need a value in column `survey`, and an answer belongs to the
    latest invitation to its survey without one, at most `within` before it (exactly so long counts). With `together`
    the invitations to all surveys are counted as one, and `survey` is null. Columns: those of
    `by` (the value at the invitation, of an answer without one at that); `is_total` Boolean (rows over all groups come
    first, with null in `by`); `survey` String; Int64: `invitations` (asked at least `within` before the end of the
    data), `answered` (of these), `open` (younger ones), `answered_open` (of these), `uninvited` (answers without an
    invitation), `customers` (distinct, with an invitation); `response_rate` Float64 (answered / invitations, null
    without any) with its Wilson interval, judged by customers, `response_rate_low`, `response_rate_high`. No invitation
    and no answer give no rows. Raises `DefinitionError` for an unknown column, paths without `survey` and a time that
    is not above 0; warns of a word that no touch has (`UnknownWordWarning`).

    >>> from analytics import Paths
    >>> told = {"ann": "ask@0d[survey=nps] tell@2d[survey=nps]", "bo": "ask@1d[survey=nps]"}
    >>> found = response_rate(Paths.from_text(told, end="60d"), "ask", "tell")
    >>> found["survey", "invitations", "answered", "response_rate"].rows()
    [('nps', 2, 1, 0.5)]
    """
    steps = tuple(word if isinstance(word, Step) else Step(word) for word in (asked, answered))
    matcher, length = Matcher(steps), duration(within)
    paths.require(SURVEY, *matcher.columns)
    if length <= timedelta():
        raise DefinitionError("An answer takes some time.", expected="within above 0, such as 14d", found=str(within))
    warn_of_unknown(unknown_steps(paths, steps))
    end = micros(paths.end_of_data) if paths.end_of_data else 0
    breakdown = Breakdown.of(paths, by, [*ResponseRate.SCHEMA])
    return run(paths, ResponseRate(matcher, breakdown, micros(length), end, together))
