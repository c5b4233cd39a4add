"""When is a period over, and have its events arrived?

A period is **over and arrived** when its end, the window that its measure needs, and the lateness of its channels lie
at or before the end of the data. The **lateness** of a channel is the 99 % point of `received_at - occurred_at` over
the last 28 days. What is watched waits for the slowest of its channels with 1 % of its touches or more, at least an
hour, and at most 7 days: what comes later is too little to move a share.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from expectations import contract
from expectations.lake.layout import Lake

RECENT: Final = timedelta(days=28)
POINT: Final = 0.99
LEAST_LATENESS: Final = timedelta(hours=1)
MOST_LATENESS: Final = timedelta(days=7)
MIN_SHARE: Final = 0.01
"""The share of the touches from which on a channel is waited for."""


def channel_lateness(lake: Lake, end: datetime, events: pl.LazyFrame | None = None) -> dict[str, timedelta]:
    """The lateness of every channel: the 99 % point of `received_at - occurred_at` of the 28 days before `end`.

    `events` are the rows of table `events` that are asked, by default all of them.

    A channel whose events were all loaded from files has none: a file says nothing of when its events arrived. An
    event dated after its arrival arrived at once. No events give no channels.

    >>> from datetime import UTC
    >>> channel_lateness(Lake("nowhere"), datetime(2026, 1, 1, tzinfo=UTC))
    {}
    """
    from expectations.lake.tables import landed

    late = (pl.col(contract.RECEIVED_AT) - pl.col(contract.OCCURRED_AT)).dt.total_microseconds()
    recent = (landed(lake) if events is None else events).filter(
        pl.col(contract.OCCURRED_AT).is_between(end - RECENT, end, closed="left"),
        ~pl.col(contract.TOPIC).str.starts_with(contract.FROM_FILE),
        pl.col(contract.CHANNEL).is_not_null(),
    )
    rows = recent.group_by(contract.CHANNEL).agg(
        pl.max_horizontal(late, 0).quantile(POINT, interpolation="linear").alias("late")
    )
    found = rows.sort(contract.CHANNEL).collect(engine="streaming")
    return {channel: timedelta(microseconds=us) for channel, us in found.iter_rows()}


def waited_for(touches: Mapping[str, int], lateness: Mapping[str, timedelta]) -> timedelta:
    """How long a measure waits for late events: for the slowest of its channels.

    `touches` are those of the measure by channel; a channel without a known lateness is waited for an hour.

    >>> waited_for({"web": 990, "store": 10}, {"web": timedelta(seconds=3), "store": timedelta(hours=26)})
    datetime.timedelta(days=1, seconds=7200)
    """
    least = MIN_SHARE * sum(touches.values())
    slow = [lateness.get(channel, LEAST_LATENESS) for channel, n in touches.items() if n > 0 and n >= least]
    return min(max([LEAST_LATENESS, *slow]), MOST_LATENESS)


def over_and_arrived(
    period_end: datetime, end_of_data: datetime, *, window: timedelta = timedelta(0), waited: timedelta = LEAST_LATENESS
) -> bool:
    """Whether a period is over and arrived; `period_end` is the first instant after it, `waited` of `waited_for`.

    >>> from datetime import UTC
    >>> over_and_arrived(datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 2, 1, tzinfo=UTC))
    True
    """
    return period_end + window + waited <= end_of_data
