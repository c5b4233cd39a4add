"""Which events only repeat another event? They are left out, in whatever order they arrived.

A *duplicate* is an event with the same content under the same `event_id`. The same `event_id` with another payload is
an *id conflict*: both events are kept, and counted. Only a hash of each id is held in memory, in shares; only events
whose id occurs more than once are compared in full, in batches, so that memory does not grow with the events.
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
"""Columns that describe how an event arrived; they are not part of its payload."""

HASHES_AT_ONCE: Final = 25_000_000
IDS_AT_ONCE: Final = 500_000
_ROW: Final = "_row"
_ID_HASH: Final = pl.col(contract.EVENT_ID).hash()
_ROW_KEY: Final = pl.struct(contract.EVENT_ID, *contract.PLACE).hash().alias("key")
"""Identifies rows: the position an event was read from is unique in the lake."""


@dataclass(frozen=True)
class Duplicates:
    """Counts of events, duplicates (`repeats`) and id conflicts, and the rows to leave out.

    `keys` identify the rows that are left out. Rows read from one position share a key: all of them are left out, and
    one of each is in `put_back`.
    """

    events: int
    repeats: int
    conflicts: int
    keys: pl.Series
    put_back: pl.DataFrame

    def without(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """The frame without its duplicates."""
        first = self._first(frame)
        return pl.concat([first, self.put_back.lazy()]) if len(self.put_back) else first

    def in_shares(self, frame: pl.LazyFrame, rows: int) -> Iterator[pl.LazyFrame]:
        """The frame without duplicates, `rows` rows of it at a time: an engine that reads ahead holds at most one
        share.
        """
        for at in range(0, self.events, rows):
            yield self._first(frame.slice(at, rows))
        if len(self.put_back):
            yield self.put_back.lazy()

    def _first(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        return frame if self.keys.is_empty() else frame.filter(~_ROW_KEY.is_in(self.keys.implode()))


def deduplicate(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Events without duplicates: of those with the same content under one `event_id`, the first that arrived."""
    return duplicates(frame).without(frame)


def duplicates(frame: pl.LazyFrame) -> Duplicates:
    """Finds the duplicates in a frame of events, and counts id conflicts."""
    events = int(frame.select(pl.len()).collect(engine="streaming").item())
    ids = _repeated_ids(frame, events)
    empty = Duplicates(0, 0, 0, pl.Series("key", [], pl.UInt64), pl.DataFrame(schema=frame.collect_schema()))
    batches = [empty, *(_compare_payloads(frame, ids[at : at + IDS_AT_ONCE]) for at in range(0, len(ids), IDS_AT_ONCE))]
    return Duplicates(
        events,
        sum(batch.repeats for batch in batches),
        sum(batch.conflicts for batch in batches),
        pl.concat([batch.keys for batch in batches]),
        pl.concat([batch.put_back for batch in batches]),
    )


def drop_known(fresh: pl.DataFrame, old: pl.DataFrame) -> pl.DataFrame:
    """The fresh events that repeat neither an old event nor an earlier fresh one under the same `event_id`."""
    rows = fresh.with_row_index(_ROW)
    repeated = rows[contract.EVENT_ID].is_duplicated() | rows[contract.EVENT_ID].is_in(old[contract.EVENT_ID].implode())
    candidates = rows.filter(repeated).sort(contract.RECEIVED_AT, *contract.PLACE, _ROW)
    both = pl.concat([old.with_columns(pl.lit(None, pl.UInt32).alias(_ROW)).select(candidates.columns), candidates])
    first = both.filter(_is_first(both.drop(_ROW)))[_ROW].drop_nulls()
    return rows.filter(~repeated | pl.col(_ROW).is_in(first.implode())).drop(_ROW)


def _repeated_ids(frame: pl.LazyFrame, events: int) -> pl.Series:
    """The hashes of the ids that occur more than once."""
    shares = events // HASHES_AT_ONCE + 1
    repeated = [pl.Series([], dtype=pl.UInt64)]
    for share in range(shares):
        hashes = frame.select(_ID_HASH.alias("id")).filter(pl.col("id") % shares == share)
        ids = hashes.collect(engine="streaming").to_series().sort()
        repeated.append(ids.filter(ids == ids.shift(1)).unique())
    return pl.concat([ids.alias("id") for ids in repeated])


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
    """Whether a row is the first with its content."""
    payload = [name for name in rows.columns if name not in ARRIVAL_COLUMNS]
    content = rows.select(_comparable(name, rows.schema[name]) for name in payload)
    return content.select(pl.struct(payload).is_first_distinct()).to_series()


def _comparable(name: str, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.Map):
        return pl.col(name).map.entries().list.sort()
    return pl.col(name)


def events(lake: Lake) -> pl.LazyFrame:
    """The events of a lake without duplicates, with the columns of `contract.EVENTS`; none without a table.

    >>> events(Lake("nowhere")).collect().height
    0
    """
    return deduplicate(landed(lake))
