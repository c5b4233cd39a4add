"""Removes what is older than `[lake]` keeps it: events, refused messages and results of checks, and free texts.

An event is as old as the earlier of `occurred_at` and `received_at` says, so one that is dated too late does not stay
for longer than others. An event both of whose times lie in the future has no age: it counts from the time when
maintenance first saw an event like it of that day, which the table's log stores. Refused messages may hold a text
anywhere; they go with the texts.

What is due is read from the logs of the tables, so a run that is killed is continued by the next one. Removed rows stay
in older versions of the tables, for `journeys restore`, until maintenance removes these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal

import polars as pl
from deltalake import CommitProperties, DeltaTable

from expectations import contract
from expectations.audit.results import drop_before, oldest_day
from expectations.config.retention import Retention
from expectations.lake import layout
from expectations.lake.layout import Lake
from expectations.lake.tables import RETENTION, scan_table
from expectations.lake.writing import WRITER
from ingest.landing.commit import open_table, read_errors
from ingest.upkeep.rewrite import GROUPS, note

TEXT: Final = "feedback_text"
_FUTURE: Final = "future/{}"
"""The name under which a table stores when an event of the future day was first seen, in Unix seconds."""
_MARKED: Final = CommitProperties(custom_metadata=RETENTION)
_FILES: Final = pl.Schema(
    {"day": pl.Date(), "oldest": contract.TIME, "newest": contract.TIME, "has_texts": pl.Boolean(), "seen": pl.Int64()}
)
"""One row per file: its day, the first and last time of receipt, whether there are texts in it, and when events of the
future were first seen on its day (null: never, or it is no future day)."""


@dataclass(frozen=True)
class Removal:
    """What is due in one table: `remove` changes the table and returns how many rows or texts it has removed.

    Of texts, `day` is the day whose files are written again.
    """

    table: str
    of: Literal["rows", "texts"]
    remove: Callable[[DeltaTable], int]
    day: date | None = None


def removals(lake: Lake, keep: Retention, now: datetime) -> list[Removal]:
    """What is too old at `now`, in the order in which it is removed. Raises StorageError.

    Tables store which future days are seen for the first time.
    """
    rows, texts = keep.first_day(now), keep.first_day_of_texts(now)
    if texts is None:
        return []
    found: list[Removal] = []
    for name, first in ((layout.EVENTS, rows), (layout.QUARANTINE, texts)):
        files = _files(lake, name, now)
        for day in files.filter(_is_future(now) & pl.col("seen").is_null())["day"].unique():
            note(lake, name, _FUTURE.format(day), int(now.timestamp()))
        if first is not None:
            found += _rows(lake, name, files, first, now)
        if name == layout.EVENTS:
            found += _texts(files, rows, texts, now)
    return [*found, *_attributes(lake, keep.text_attributes, texts), *(_results(lake, rows) if rows else ())]


def _files(lake: Lake, name: str, now: datetime) -> pl.DataFrame:
    """The files of a table (schema `_FILES`), from its log alone."""
    table = open_table(lake.table(name))
    if table is None:
        return _FILES.to_frame(eager=True)
    with read_errors(lake.table(name)):
        adds = pl.DataFrame(table.get_add_actions(flatten=True))
        if adds.is_empty():
            return _FILES.to_frame(eager=True)
        found = adds.select(
            pl.col(f"partition.{_day(name)}").cast(pl.Date).alias("day"),
            pl.col(f"min.{contract.RECEIVED_AT}").alias("oldest"),
            pl.col(f"max.{contract.RECEIVED_AT}").alias("newest"),
            (pl.col(f"null_count.{TEXT}") < pl.col("num_records") if name == layout.EVENTS else pl.lit(False)).alias(
                "has_texts"
            ),
        ).filter((pl.col("day") <= contract.LAST_TIME.date()).fill_null(True))
        days = found.filter(_is_future(now))["day"].unique()
        seen = [table.transaction_version(_FUTURE.format(day)) or None for day in days]
    known = pl.DataFrame({"day": days, "seen": seen}, schema={"day": pl.Date, "seen": pl.Int64})
    return found.join(known, on="day", how="left").cast(_FILES)


def _rows(lake: Lake, name: str, files: pl.DataFrame, first: date, now: datetime) -> Iterator[Removal]:
    edge = _midnight(first)
    future = files.filter(_is_future(now) & _seen_before(edge))["day"].unique().sort().to_list()
    conditions = [f"{_day(name)} < DATE '{first}'", f"{contract.RECEIVED_AT} < '{edge.isoformat()}'"]
    conditions += [f"{_day(name)} = DATE '{day}' AND {_after_tomorrow(now)}" for day in future]
    if files.filter((pl.col("day") < first) | (pl.col("oldest") < edge)).is_empty() and not future:
        return

    def remove(table: DeltaTable) -> int:
        removed = sum(_deleted(table, condition) for condition in conditions)
        for day in future:  # events like these that come later count from then on
            note(lake, name, _FUTURE.format(day), 0)
        return removed

    yield Removal(name, "rows", remove)


def _texts(files: pl.DataFrame, rows: date | None, texts: date, now: datetime) -> Iterator[Removal]:
    """The days with texts that are too old, but for those whose rows go."""
    edge = _midnight(texts)
    stay = files.filter(pl.col("has_texts") & (pl.col("day") >= (rows or date.min)))
    too_old = {
        None: pl.col("day") < texts,
        f"{contract.RECEIVED_AT} < '{edge.isoformat()}'": (pl.col("day") >= texts) & (pl.col("oldest") < edge),
        _after_tomorrow(now): _is_future(now) & _seen_before(edge),
    }
    for condition, due in too_old.items():
        for day in stay.filter(due)["day"].unique().sort():
            yield _text_removal(day, condition)


def _text_removal(day: date, condition: str | None) -> Removal:
    parts = (f"{contract.EVENT_DATE} = DATE '{day}'", f"{TEXT} IS NOT NULL", condition)

    def remove(table: DeltaTable) -> int:
        done = table.update(
            {TEXT: "NULL"},
            predicate=" AND ".join(filter(None, parts)),
            writer_properties=GROUPS,
            commit_properties=_MARKED,
        )
        return int(done["num_updated_rows"])

    return Removal(layout.EVENTS, "texts", remove, day)


def _attributes(lake: Lake, names: list[str], texts: date) -> Iterator[Removal]:
    table = open_table(lake.table(layout.PROFILES)) if names else None
    if table is None:
        return
    edge = _midnight(texts)
    with read_errors(lake.table(layout.PROFILES)):
        due = scan_table(table).filter(pl.col("attribute").is_in(names), pl.col("valid_from") < edge)
        if due.head(1).collect().is_empty():
            return
    quoted = ", ".join("'" + name.replace("'", "''") + "'" for name in names)
    condition = f"attribute IN ({quoted}) AND valid_from < '{edge.isoformat()}'"
    yield Removal(layout.PROFILES, "rows", lambda table: _deleted(table, condition))


def _results(lake: Lake, first: date) -> Iterator[Removal]:
    """Results of checks of days whose events are gone, and results that are older; with the measures of these days."""
    oldest = oldest_day(lake)
    if oldest is None or oldest >= first:
        return
    edge = _midnight(first).isoformat()

    def remove(table: DeltaTable) -> int:
        drop_before(lake, first)
        return _deleted(table, f"day < DATE '{first}' OR checked_at < '{edge}'")

    yield Removal(layout.RESULTS, "rows", remove)


def _deleted(table: DeltaTable, condition: str) -> int:
    done = table.delete(condition, writer_properties=WRITER, commit_properties=_MARKED)
    return int(done["num_deleted_rows"] or 0)


def _day(name: str) -> str:
    return layout.PARTITION_COLUMNS[name][0]


def _is_future(now: datetime) -> pl.Expr:
    """Whether a file has events both of whose times are later than tomorrow's."""
    limit = _tomorrow(now)
    return (pl.col("day") > limit.date()) & (pl.col("newest") > limit)


def _after_tomorrow(now: datetime) -> str:
    return f"{contract.RECEIVED_AT} > '{_tomorrow(now).isoformat()}'"


def _tomorrow(now: datetime) -> datetime:
    return now + timedelta(days=1)


def _seen_before(edge: datetime) -> pl.Expr:
    return pl.col("seen") < int(edge.timestamp())


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
