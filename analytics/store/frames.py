"""Converts a caller's frame to the columns of touches: names, types, and times in UTC."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, Final, Protocol

import polars as pl

from analytics.store.columns import AT, CUSTOMER, TOUCHPOINT
from expectations.errors import DefinitionError, InputError, nearest

_TEXT_TYPES: Final = (pl.String, pl.Categorical, pl.Enum)


class ArrowTable(Protocol):
    """A table that gives its columns in Arrow's format: of pandas, pyarrow, DuckDB and others."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The columns as a stream."""


def as_polars(frame: pl.DataFrame | pl.LazyFrame | ArrowTable) -> pl.DataFrame:
    """A table as a frame of polars; the index of pandas is left out. Raises `InputError` for what is no table.

    >>> as_polars(pl.LazyFrame({"at": [1]})).shape
    (1, 1)
    """
    known: Any = frame.collect() if isinstance(frame, pl.LazyFrame) else frame
    if not isinstance(known, pl.DataFrame) and not hasattr(known, "__arrow_c_stream__"):
        raise InputError(
            "Paths are made of a table.",
            expected="a frame of polars or pandas, or a table of Arrow",
            found=type(frame).__name__,
        )
    return pl.DataFrame(known)


def standard_columns(frame: pl.DataFrame, names: Mapping[str, str], sequence: str | None = None) -> pl.DataFrame:
    """The frame with our column names: customer, at as Datetime(us, UTC), touchpoint as text, then all others.

    Raises `DefinitionError` for a missing column, a name used twice or times without a date, and `InputError` for
    touches without customer or time.
    """
    for theirs in [*(names or (CUSTOMER, AT, TOUCHPOINT)), *([sequence] if sequence else [])]:
        if theirs not in frame.columns:
            expected = f"one of {', '.join(frame.columns)}"
            raise DefinitionError(
                f"There is no column {theirs!r}.", expected=expected, do=nearest(theirs, frame.columns)
            )
    renamed = {theirs: ours for theirs, ours in names.items() if theirs != ours}
    clashes = [ours for ours in renamed.values() if ours in frame.columns]
    if clashes:
        raise DefinitionError(f"Two columns would be called {clashes[0]!r}.", do="rename one of them first")
    frame = frame.rename(renamed)
    if not frame.schema[AT].is_temporal() or frame.schema[AT] in (pl.Time, pl.Duration):
        raise DefinitionError("Times must be dates with a time.", expected="Datetime", found=str(frame.schema[AT]))
    zone = getattr(frame.schema[AT], "time_zone", None)
    time = pl.col(AT).cast(pl.Datetime("us", zone))
    time = time.dt.convert_time_zone("UTC") if zone else time.dt.replace_time_zone("UTC")
    text = [name for name, dtype in frame.schema.items() if isinstance(dtype, _TEXT_TYPES) or name == TOUCHPOINT]
    frame = frame.with_columns(pl.col(text).cast(pl.String), time)
    for column in (CUSTOMER, AT):
        if missing := frame[column].null_count():
            raise InputError(f"{missing} touches have no {column}.", do="remove or fix these rows")
    first = [CUSTOMER, AT, TOUCHPOINT]
    return frame.select(first + [name for name in frame.columns if name not in first])


def as_utc(time: object, zone: tzinfo = UTC) -> datetime:
    """A time in UTC; one without a zone is read in `zone`, and a date is the first instant of its day there.

    Anything else raises `DefinitionError`.

    >>> as_utc(date(2026, 3, 1)).isoformat()
    '2026-03-01T00:00:00+00:00'
    """
    if isinstance(time, date) and not isinstance(time, datetime):
        time = datetime(time.year, time.month, time.day, tzinfo=zone)
    if not isinstance(time, datetime):
        expected = "a datetime, such as datetime(2026, 3, 1), or a date"
        raise DefinitionError("This is not a time.", expected=expected, found=repr(time))
    return (time.replace(tzinfo=zone) if time.tzinfo is None else time).astimezone(UTC)


def micros(time: datetime | timedelta) -> int:
    """A time as microseconds since 1970, or a length of time in microseconds."""
    length = time - datetime.fromtimestamp(0, UTC) if isinstance(time, datetime) else time
    return length // timedelta(microseconds=1)
