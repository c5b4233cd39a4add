"""What is known of an entrant at a step, before its outcome: columns of the touch, and touchpoints met before it.

A **factor** has **levels**. Columns are as of the touch of the step; `weekday` and `week` are those of its day in UTC.
`met:NAME` is whether a touch of that touchpoint lies within some time before it; a touch of the very same instant is
not met before. What is not known is a level of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import numpy as np
import polars as pl

from analytics.engine.sequences import Ints, first_at_least
from analytics.funnels.definition import Funnel
from analytics.funnels.scan import RESERVED_COLUMNS, Reading
from analytics.store.columns import (
    AFTER_GOAL,
    AT,
    CURRENCY,
    CUSTOMER,
    DIRECT,
    JOURNEY,
    LINKED,
    OUTCOME,
    SESSION,
    STAGE,
    TIME,
    TOUCHPOINT,
)
from analytics.store.frames import micros
from analytics.store.parts import decode, rows_of_runs
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

MAX_LEVELS: Final = 50
"""A column with more values has too many groups, unless it is named."""
UNKNOWN: Final = "(unknown)"
MET: Final = "met:"
YES, NO = "yes", "no"
DAYS: Final = {"weekday": "%u %A", "week": "%G-W%V"}
"""Factors of the time of a touch."""
OF_THE_OUTCOME: Final = (OUTCOME, JOURNEY, SESSION, AFTER_GOAL, DIRECT, LINKED)
"""Columns that follow from what came of a touch, or number its place on the path."""
OF_THE_TOUCH: Final = (TOUCHPOINT, STAGE, "event_name", "kind", "survey", CURRENCY)
"""Columns that say what a touch is, not whose it is."""


def context_columns(paths: Paths) -> list[str]:
    """The attributes and context columns with 2 to 50 values: text and Boolean ones, in the order of the paths.

    Columns that say what a touch is (its touchpoint, its stage) or what came of it (the outcome of its journey), and
    those with the name of a column of an answer, are none.

    >>> context_columns(Paths.from_text({"ann": "look@0m[device=phone] pay@1m[device=desk,note=once]"}))
    ['device']
    """
    text = {name for name, words in paths.dictionaries.items() if 2 <= len(words) <= MAX_LEVELS}
    others = (*OF_THE_OUTCOME, *OF_THE_TOUCH, *RESERVED_COLUMNS)
    return [
        name for name, type_ in paths.schema.items() if (name in text or type_ == pl.Boolean) and name not in others
    ]


def check_factor(paths: Paths, definition: Funnel, factor: str) -> None:
    """Raise `DefinitionError` for a factor that is unknown, or that follows from the outcome or from the steps."""
    if factor.startswith(MET):
        word = factor.removeprefix(MET)
        own = {each for step in definition.steps if step.on == TOUCHPOINT for each in step.any_of}
        if word in own:
            raise DefinitionError(
                f"{word!r} is a step of the funnel: to meet it is to go on.",
                where=factor,
                expected="a touchpoint that is no step",
            )
        return
    if factor in DAYS and factor not in paths.schema:
        return
    if factor in OF_THE_OUTCOME or factor in (CUSTOMER, AT) or factor in {step.on for step in definition.steps}:
        raise DefinitionError(
            f"Column {factor!r} cannot be a factor: it follows from the outcome, or from the steps.",
            expected="what is known of customers before they go on or drop",
        )
    paths.require(factor)


@dataclass(frozen=True)
class AtStep:
    """The entrants of a part at one step: the row of the touch of each, in the part as it was read."""

    reading: Reading
    rows: Ints
    days: tuple[str, ...] = ()
    """Those of `DAYS` that are no columns."""

    def levels(self, factor: str, before: timedelta) -> pl.Series:
        """The level of each entrant, as text."""
        if factor.startswith(MET):
            return self._met(factor.removeprefix(MET), before)
        if factor in self.days:
            return self._times.dt.strftime(DAYS[factor])
        column = self.reading.part.read([factor])[factor].gather(self.rows).to_frame()
        values = decode(self.reading.part, column, [factor], self.reading.words)[factor]
        return values.cast(pl.String).fill_null(UNKNOWN)

    def words_before(self, before: timedelta) -> tuple[Ints, Ints]:
        """Each touchpoint that an entrant met before: the number of the entrant, and the code of the touchpoint."""
        low, high = self._span(before)
        rows = rows_of_runs(low, high - low)
        who = np.repeat(np.arange(len(low)), high - low)
        codes = self.reading.part.read([TOUCHPOINT])[TOUCHPOINT].to_numpy()[rows].astype(np.int64)
        width = int(codes.max(initial=0)) + 1
        distinct = np.unique(who * width + codes)
        return distinct // width, distinct % width

    def next_words(self) -> pl.Series:
        """The touchpoint of the next touch in the same session; null where there is none."""
        part = self.reading.part
        frame = part.read([TOUCHPOINT, SESSION])
        follows = np.minimum(self.rows + 1, len(frame) - 1)
        session = frame[SESSION].to_numpy()
        same = (self.rows + 1 < self._ends) & (session[follows] == session[self.rows])
        words = decode(part, frame.select(TOUCHPOINT)[follows], [TOUCHPOINT], self.reading.words)[TOUCHPOINT]
        return words.cast(pl.String).set(pl.Series(~same), None)

    def _met(self, word: str, before: timedelta) -> pl.Series:
        who, codes = self.words_before(before)
        code = self.reading.words[TOUCHPOINT].index_of(word)
        met = np.zeros(len(self.rows), np.bool_)
        met[who[codes == (-1 if code is None else code)]] = True
        return pl.Series(np.where(met, YES, NO))

    @property
    def _times(self) -> pl.Series:
        return pl.Series(self.reading.times[self.rows].astype(np.int64) * self.reading.scale).cast(TIME)

    @property
    def _customer(self) -> Ints:
        return np.searchsorted(self.reading.part.bounds(), self.rows, side="right") - 1

    @property
    def _ends(self) -> Ints:
        """Where the touches of each entrant's customer end."""
        return np.asarray(self.reading.part.bounds()[self._customer + 1], np.int64)

    def _span(self, before: timedelta) -> tuple[Ints, Ints]:
        """The rows of the touches before each entrant's: the first one in time, and the first that is not before."""
        times = self.reading.times.astype(np.int64)
        starts = self.reading.part.bounds()[self._customer]
        at, ago = times[self.rows], micros(before) // self.reading.scale
        return first_at_least(times, starts, self.rows, at - ago), first_at_least(times, starts, self.rows, at)
