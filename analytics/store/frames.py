"""Brings a caller's frame to the columns of touches."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import polars as pl

from analytics.store.columns import AT, CUSTOMER, TOUCHPOINT
from expectations.errors import DefinitionError, InputError, nearest

_TEXT_TYPES: Final = (pl.String, pl.Categorical, pl.Enum)


def standard_columns(frame: pl.DataFrame, names: Mapping[str, str], sequence: str | None = None) -> pl.DataFrame:
    """The frame under our names: customer, at as Datetime(us, UTC), touchpoint as text, then the other columns."""
    for given in [*(names or (CUSTOMER, AT, TOUCHPOINT)), *([sequence] if sequence else [])]:
        if given not in frame.columns:
            expected = f"one of {', '.join(frame.columns)}"
            raise DefinitionError(f"There is no column {given!r}.", expected=expected, do=nearest(given, frame.columns))
    renamed = {given: ours for given, ours in names.items() if given != ours}
    taken = [ours for ours in renamed.values() if ours in frame.columns]
    if taken:
        raise DefinitionError(f"Two columns would be called {taken[0]!r}.", do="rename one of them first")
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
            raise InputError(f"{missing} touches have no {column}.", do="remove or mend these rows")
    first = [CUSTOMER, AT, TOUCHPOINT]
    return frame.select(first + [name for name in frame.columns if name not in first])


def in_utc(time: Any) -> datetime | None:
    """Any time of a caller as an aware time in UTC; without a zone it is taken as UTC."""
    if time is None:
        return None
    assert isinstance(time, datetime)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
