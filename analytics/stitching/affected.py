"""Which customers a refresh affects, and their touches as they lie in the parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.run import on_threads
from analytics.identity.columns import COMBINATION
from analytics.identity.graph import Mask
from analytics.store.columns import AT, CUSTOMER, JOURNEY, OUTCOME, SESSION, TOUCHES
from analytics.store.encoding import as_enum, as_time
from analytics.store.parts import Part
from analytics.store.paths import Paths
from analytics.touches.assembly import EVENT_HASH, HIDDEN_COLUMNS, PREVIOUS_ORDER, event_columns
from analytics.touches.rules import PathRules
from expectations import contract

TAKEN_FROM: Final = "_of"


_CUSTOMER_COLUMNS: Final = [SESSION, JOURNEY, OUTCOME]


NO_NEW_EVENT: Final = np.iinfo(np.int64).max


@dataclass(frozen=True)
class AffectedCustomers:
    """Which customers, by code, cannot stay as they are?

    `anew`: their old events may be others now. `since`: when their first new event was, in microseconds, or `NEVER`.
    The last place of both is that of customers without a code.
    """

    anew: Mask
    since: NDArray[np.int64]

    def concern(
        self, people: pl.DataFrame, lapse: tuple[datetime | None, datetime | None], gap: timedelta
    ) -> tuple[Mask, Mask]:
        """Which of these customers are concerned whole, and which with their last journey only.

        Also concerned is whose last journey lapses as the end of the data moves from one time to another.
        """
        one, other = (pl.lit(end, contract.TIME) - pl.col("last") > gap for end in lapse)
        lapses = people.select((~pl.col("converted") & (one != other)).fill_null(False)).to_series().to_numpy()
        code = codes_of(people)
        since = self.since[code]
        whole = self.anew[code] | (since <= people["last"].to_physical().to_numpy())
        return whole, ~whole & ((since != NO_NEW_EVENT) | lapses)


@dataclass(frozen=True)
class Extract:
    """What is taken out of a part: `places` of customers, who is `late`, taken with the last journey only.

    `kept` are how many touches of each stay.
    """

    places: NDArray[np.int64]
    late: Mask
    kept: NDArray[np.int64]

    @classmethod
    def of(cls, whole: Mask, late: Mask) -> Extract:
        """The customers marked; what is kept is not known yet."""
        places = np.flatnonzero(whole | late)
        return cls(places, late[places], np.zeros_like(places))


@dataclass(frozen=True)
class ExtractedTouches:
    """Customers taken out of parts, the loss of each part, and the keys of the customers.

    Touches, in order, have `_of`, the number of the customer they were taken from, and `_place`.
    """

    losses: tuple[Extract, ...]
    keys: pl.Series
    touches: pl.DataFrame

    @classmethod
    def from_parts(cls, paths: Paths, losses: Sequence[Extract], columns: Sequence[str]) -> ExtractedTouches:
        """Take customers out of every part, with the columns named."""
        first = np.cumsum([0, *(len(loss.places) for loss in losses)])
        some = [number for number, loss in enumerate(losses) if len(loss.places) or not number]

        def taken(number: int) -> tuple[Extract, pl.Series, pl.DataFrame]:
            part, loss = paths.parts[number], losses[number]
            people = part.people([CUSTOMER, TOUCHES])
            counts = people[TOUCHES].to_numpy().astype(np.int64)
            if loss.late.any():
                before = _before_last_journey(part.read([JOURNEY])[JOURNEY].to_numpy(), counts)
                loss = replace(loss, kept=np.where(loss.late, before[loss.places], 0))
            return (
                loss,
                people[CUSTOMER][loss.places],
                _extracted_touches(paths, part, (loss, counts), columns, int(first[number])),
            )

        found, keys, frames = zip(*on_threads(taken, some), strict=True)
        known = dict(zip(some, found, strict=True))
        every = tuple(known.get(number, loss) for number, loss in enumerate(losses))
        return cls(every, pl.concat(keys), pl.concat(frames).with_row_index(PREVIOUS_ORDER))


def codes_of(people: pl.DataFrame) -> NDArray[np.int64]:
    """The codes of customers, -1 for those without."""
    return people["code"].cast(pl.Int64).fill_null(-1).to_numpy()


def _extracted_touches(
    paths: Paths, part: Part, lost: tuple[Extract, NDArray[np.int64]], columns: Sequence[str], first: int
) -> pl.DataFrame:
    """The touches that a part loses, their text as an Enum of the dictionary, from its customers' counts of touches."""
    loss, counts = lost
    take = np.zeros_like(counts)
    take[loss.places] = counts[loss.places] - loss.kept
    rows = np.repeat(np.tile([False, True], len(counts)), np.column_stack((counts - take, take)).ravel())
    frame = part.read(columns, rows)
    text = [name for name in columns if name in paths.dictionaries]
    words = [as_enum(frame[name], paths.dictionaries[name]) for name in text]
    of = np.repeat(np.arange(first, first + len(loss.places), dtype=np.uint32), take[loss.places])
    return frame.with_columns(*words, as_time(frame[AT]), pl.Series(TAKEN_FROM, of, pl.UInt32))


def _before_last_journey(journeys: NDArray[np.uint32], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many touches each customer has before the last journey."""
    ends = np.cumsum(counts)
    earlier = journeys != np.repeat(journeys[ends - 1], counts)
    return np.add.reduceat(earlier, ends - counts, dtype=np.int64)


def extracted_columns(rules: PathRules) -> list[str]:
    """The columns that are taken out of parts."""
    sequence = [name for name in HIDDEN_COLUMNS if name in (COMBINATION, EVENT_HASH) or rules.sequence]
    return [*event_columns(rules), *sequence, *_CUSTOMER_COLUMNS]
