"""Finds the customers that a refresh affects, and extracts their touches from the parts.

An affected customer is extracted *whole*, or *partially*: with the last journey only, when all new events come after
the last touch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.run import on_threads
from analytics.identity.columns import COMBINATION, Mask
from analytics.store.columns import AT, CUSTOMER, JOURNEY, OUTCOME, SESSION, STAGE, TOUCHES
from analytics.store.encoding import as_enum, as_time
from analytics.store.parts import Part
from analytics.store.paths import Paths
from analytics.touches.assembly import EVENT_HASH, HIDDEN_COLUMNS, PREVIOUS_ORDER, event_columns
from analytics.touches.rules import PathRules
from expectations import contract

TAKEN_FROM: Final = "_of"
_CUSTOMER_COLUMNS: Final = [STAGE, SESSION, JOURNEY, OUTCOME]
NO_NEW_EVENT: Final = np.iinfo(np.int64).max


@dataclass(frozen=True)
class AffectedCustomers:
    """The customers that cannot stay as they are, by code.

    `rebuilt`: their old events may have changed. `since`: the time of their first new event in microseconds, or
    `NO_NEW_EVENT`. The last entry of both stands for customers without a code.
    """

    rebuilt: Mask
    since: NDArray[np.int64]

    def select(
        self, people: pl.DataFrame, lapse: tuple[datetime | None, datetime | None], gap: timedelta
    ) -> tuple[Mask, Mask]:
        """Masks over customers: those affected whole, and those affected with their last journey only.

        Customers whose last journey changes between open and abandoned, as the end of the data moves from the first to
        the second time of `lapse`, are affected, too.
        """
        lapsed_before, lapsed_now = (pl.lit(end, contract.TIME) - pl.col("last") > gap for end in lapse)
        lapses = (
            people.select((~pl.col("settled") & (lapsed_before != lapsed_now)).fill_null(False)).to_series().to_numpy()
        )
        code = customer_codes(people)
        since = self.since[code]
        whole = self.rebuilt[code] | (since <= people["last"].to_physical().to_numpy())
        return whole, ~whole & ((since != NO_NEW_EVENT) | lapses)


@dataclass(frozen=True)
class Extract:
    """What a refresh takes out of one part: `positions` of customers; `partial` marks those with the last journey only.

    `kept` is how many touches of each customer stay.
    """

    positions: NDArray[np.int64]
    partial: Mask
    kept: NDArray[np.int64]

    @classmethod
    def of(cls, whole: Mask, partial: Mask) -> Extract:
        """The customers marked; `kept` is not known yet."""
        positions = np.flatnonzero(whole | partial)
        return cls(positions, partial[positions], np.zeros_like(positions))


@dataclass(frozen=True)
class ExtractedTouches:
    """Touches taken out of parts, the extract of each part, and the keys of the customers.

    Touches are in order, with `_of`, the number of the customer they were taken from, and `_place`, their row.
    """

    extracts: tuple[Extract, ...]
    keys: pl.Series
    touches: pl.DataFrame

    @classmethod
    def from_parts(cls, paths: Paths, extracts: Sequence[Extract], columns: Sequence[str]) -> ExtractedTouches:
        """Extracts customers from every part, with the columns named."""
        first = np.cumsum([0, *(len(extract.positions) for extract in extracts)])
        numbers = [number for number, extract in enumerate(extracts) if len(extract.positions) or not number]

        def extracted(number: int) -> tuple[Extract, pl.Series, pl.DataFrame]:
            part, extract = paths.parts[number], extracts[number]
            people = part.people([CUSTOMER, TOUCHES])
            counts = people[TOUCHES].to_numpy().astype(np.int64)
            if extract.partial.any():
                before = _before_last_journey(part.read([JOURNEY])[JOURNEY].fill_null(0).to_numpy(), counts)
                extract = replace(extract, kept=np.where(extract.partial, before[extract.positions], 0))
            return (
                extract,
                people[CUSTOMER][extract.positions],
                _extracted_touches(paths, part, (extract, counts), columns, int(first[number])),
            )

        completed, keys, frames = zip(*on_threads(extracted, numbers), strict=True)
        by_number = dict(zip(numbers, completed, strict=True))
        all_extracts = tuple(by_number.get(number, extract) for number, extract in enumerate(extracts))
        return cls(all_extracts, pl.concat(keys), pl.concat(frames).with_row_index(PREVIOUS_ORDER))


def customer_codes(people: pl.DataFrame) -> NDArray[np.int64]:
    """The codes of customers, -1 for those without."""
    return people["code"].cast(pl.Int64).fill_null(-1).to_numpy()


def _extracted_touches(
    paths: Paths, part: Part, source: tuple[Extract, NDArray[np.int64]], columns: Sequence[str], first: int
) -> pl.DataFrame:
    """The touches that a part gives up, text as an Enum of the dictionary; `lost` has the extract and the counts."""
    extract, counts = source
    take = np.zeros_like(counts)
    take[extract.positions] = counts[extract.positions] - extract.kept
    rows = np.repeat(np.tile([False, True], len(counts)), np.column_stack((counts - take, take)).ravel())
    frame = part.read(columns, rows)
    text = [name for name in columns if name in paths.dictionaries]
    words = [as_enum(frame[name], paths.dictionaries[name]) for name in text]
    of = np.repeat(np.arange(first, first + len(extract.positions), dtype=np.uint32), take[extract.positions])
    return frame.with_columns(*words, as_time(frame[AT]), pl.Series(TAKEN_FROM, of, pl.UInt32))


def _before_last_journey(journeys: NDArray[np.uint32], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many touches each customer has before the last journey; none without a journey. Touches of none have a 0."""
    starts = np.cumsum(counts) - counts
    is_last = journeys == np.repeat(np.maximum.reduceat(journeys, starts), counts)
    first: NDArray[np.int64] = np.minimum.reduceat(np.where(is_last, np.arange(len(journeys)), len(journeys)), starts)
    return first - starts


def extracted_columns(rules: PathRules) -> list[str]:
    """The columns that are extracted from parts."""
    sequence = [name for name in HIDDEN_COLUMNS if name in (COMBINATION, EVENT_HASH) or rules.sequence]
    return [*event_columns(rules), *sequence, *_CUSTOMER_COLUMNS]
