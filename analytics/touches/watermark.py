"""Up to when are the data complete? Up to the watermark: the latest time that every stream has been read past.

The lake holds rows, not consumer positions, so a partition that is behind must be distinguished from a quiet one. This
takes each partition's *activity*: its minutes with events. The activities of two sets of events can be merged.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import polars as pl

from expectations import contract

IDLE_AFTER: Final = timedelta(days=7)
STREAM: Final = (contract.TOPIC, contract.PARTITION)


def watermark(frame: pl.LazyFrame, idle_after: timedelta = IDLE_AFTER) -> datetime | None:
    """The watermark of events; None without events. Duplicates count: they, too, show what has been read.

    A partition is behind when it has been silent for longer than ever before (since the first event of all), but not
    longer than `idle_after`: after that its stream counts as ended. So a sparse topic such as feedback does not hold
    the others back, and a consumer that stopped does, for `idle_after`. A loaded file has been read to its end and is
    never behind. An event time later than the time it was received counts as the latter: clocks may be fast.
    """
    return watermark_of(activity(frame), idle_after)


def activity(frame: pl.LazyFrame) -> pl.DataFrame:
    """The minutes in which each partition has events: topic, partition, minute (since 1970), time (the last in it)."""
    time = pl.min_horizontal(contract.OCCURRED_AT, pl.coalesce(contract.RECEIVED_AT, contract.OCCURRED_AT))
    minute = (pl.col("time").to_physical() // 60_000_000).alias("minute")
    minutes = frame.select(*STREAM, time.alias("time")).group_by(*STREAM, minute).agg(pl.col("time").max())
    return minutes.sort(*STREAM, "minute").collect(engine="streaming")


def merged_activity(one: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """The activity of two sets of events."""
    both = pl.concat([one, other]).group_by(*STREAM, "minute").agg(pl.col("time").max())
    return both.sort(*STREAM, "minute")


def watermark_of(minutes: pl.DataFrame, idle_after: timedelta = IDLE_AFTER) -> datetime | None:
    """The watermark of events with this activity; None without events."""
    if minutes.is_empty():
        return None
    streams = minutes.group_by(*STREAM).agg(
        pl.col("time").max(), pl.col("minute").min().alias("first"), pl.col("minute").diff().max().alias("quiet")
    )
    end = streams["time"].max()
    silent = (pl.lit(end) - pl.col("time")).dt.total_minutes()
    quiet = pl.max_horizontal("quiet", pl.col("first") - pl.col("first").min())
    behind = streams.filter(
        silent > quiet,
        silent <= idle_after.total_seconds() / 60,
        ~pl.col(contract.TOPIC).fill_null("").str.starts_with(contract.FROM_FILE),
    )
    return behind["time"].min() if len(behind) else end  # type: ignore[return-value]
