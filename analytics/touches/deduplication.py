"""Which events say again what another event said? They are left out, whichever way they arrived.

A duplicate is an event that says the same under the same `event_id`. The same `event_id` with another payload is an
id conflict: both events are kept, and counted. Of all events only a hash of their ids is held, in shares; only those
whose id occurs more than once are compared in full, so many at a time that memory does not grow with the events.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import polars as pl

from expectations import contract
from expectations.lake.layout import Lake
from expectations.lake.tables import landed

ARRIVAL_COLUMNS: Final = (contract.RECEIVED_AT, *contract.PLACE, "id_generated", "schema_version", contract.EVENT_DATE)
"""Columns that tell how an event arrived, not what it says: they are no part of its payload."""

HASHES_AT_ONCE: Final = 25_000_000
IDS_AT_ONCE: Final = 500_000
_ROW: Final = "_row"
_ID_HASH: Final = pl.col(contract.EVENT_ID).hash()
_ROW_KEY: Final = pl.struct(contract.EVENT_ID, *contract.PLACE).hash().alias("key")
"""Tells rows apart: where an event came from is unique in the lake."""


@dataclass(frozen=True)
class Duplicates:
    """How many of how many rows say again what another said, and how many ids were given to more than one event.

    `keys` are those of the rows that are left out. Rows that even came from one place cannot be told apart by them:
    they are left out together, and one of each is in `put_back`.
    """

    events: int
    repeats: int
    conflicts: int
    keys: pl.Series
    put_back: pl.DataFrame

    def without(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """The frame without the rows that only repeat others."""
        first = self._first(frame)
        return pl.concat([first, self.put_back.lazy()]) if len(self.put_back) else first

    def in_shares(self, frame: pl.LazyFrame, rows: int) -> Iterator[pl.LazyFrame]:
        """The same in shares of so many rows of the frame: an engine that reads ahead holds no more than a share."""
        for at in range(0, self.events, rows):
            yield self._first(frame.slice(at, rows))
        if len(self.put_back):
            yield self.put_back.lazy()

    def _first(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        return frame if self.keys.is_empty() else frame.filter(~_ROW_KEY.is_in(self.keys.implode()))


def deduplicate(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Events without duplicates: of those that say the same under one `event_id`, the first that arrived."""
    return duplicates(frame).without(frame)


def duplicates(frame: pl.LazyFrame) -> Duplicates:
    """The rows of a frame of events that are duplicates of others, and the count of id conflicts."""
    events = int(frame.select(pl.len()).collect(engine="streaming").item())
    ids = _repeated_ids(frame, events)
    empty = Duplicates(0, 0, 0, pl.Series("key", [], pl.UInt64), pl.DataFrame(schema=frame.collect_schema()))
    found = [empty, *(_compare_payloads(frame, ids[at : at + IDS_AT_ONCE]) for at in range(0, len(ids), IDS_AT_ONCE))]
    return Duplicates(
        events,
        sum(some.repeats for some in found),
        sum(some.conflicts for some in found),
        pl.concat([some.keys for some in found]),
        pl.concat([some.put_back for some in found]),
    )


def drop_known(fresh: pl.DataFrame, old: pl.DataFrame) -> pl.DataFrame:
    """The fresh events that say what neither an old one says under the same `event_id`, nor a fresh one before them."""
    rows = fresh.with_row_index(_ROW)
    again = rows[contract.EVENT_ID].is_duplicated() | rows[contract.EVENT_ID].is_in(old[contract.EVENT_ID].implode())
    twice = rows.filter(again).sort(contract.RECEIVED_AT, *contract.PLACE, _ROW)
    both = pl.concat([old.with_columns(pl.lit(None, pl.UInt32).alias(_ROW)).select(twice.columns), twice])
    first = both.filter(_is_first(both.drop(_ROW)))[_ROW].drop_nulls()
    return rows.filter(~again | pl.col(_ROW).is_in(first.implode())).drop(_ROW)


def _repeated_ids(frame: pl.LazyFrame, events: int) -> pl.Series:
    """The hashes of the ids that occur more than once."""
    shares = events // HASHES_AT_ONCE + 1
    again = [pl.Series([], dtype=pl.UInt64)]
    for share in range(shares):
        some = frame.select(_ID_HASH.alias("id")).filter(pl.col("id") % shares == share)
        ids = some.collect(engine="streaming").to_series().sort()
        again.append(ids.filter(ids == ids.shift(1)).unique())
    return pl.concat([ids.alias("id") for ids in again])


def _compare_payloads(frame: pl.LazyFrame, ids: pl.Series) -> Duplicates:
    """The duplicates among the rows with these ids."""
    rows = (
        frame.filter(_ID_HASH.is_in(ids.implode()))
        .collect(engine="streaming")
        .sort(contract.RECEIVED_AT, *contract.PLACE)
    )
    first = _is_first(rows)
    kept, keys = rows.filter(first), rows.filter(~first).select(_ROW_KEY).to_series()
    conflicts = len(kept) - kept[contract.EVENT_ID].n_unique()
    return Duplicates(len(rows), len(keys), conflicts, keys, kept.filter(_ROW_KEY.is_in(keys.implode())))


def _is_first(rows: pl.DataFrame) -> pl.Series:
    """Whether a row is the first that says what it says."""
    payload = [name for name in rows.columns if name not in ARRIVAL_COLUMNS]
    said = rows.select(_comparable(name, rows.schema[name]) for name in payload)
    return said.select(pl.struct(payload).is_first_distinct()).to_series()


def _comparable(name: str, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.Map):
        return pl.col(name).map.entries().list.sort()
    return pl.col(name)


def events(lake: Lake) -> pl.LazyFrame:
    """The events of a lake, each once, with the columns of `contract.EVENTS`.

    >>> events(Lake("nowhere")).collect().height
    0
    """
    return deduplicate(landed(lake))
