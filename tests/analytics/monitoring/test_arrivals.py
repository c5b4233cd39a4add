"""A period is tested once it is over and its events have arrived."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from analytics import channel_lateness, over_and_arrived, waited_for
from expectations import contract
from expectations.lake.layout import EVENTS, Lake
from expectations.lake.tables import append, conform

END = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def land(folder: Path, rows: list[tuple[str | None, datetime, timedelta, str]]) -> Lake:
    """A lake of events: channel, when, how late, topic."""
    lake = Lake(str(folder))
    frame = pl.DataFrame(
        {
            contract.CHANNEL: [row[0] for row in rows],
            contract.OCCURRED_AT: [row[1] for row in rows],
            contract.RECEIVED_AT: [row[1] + row[2] for row in rows],
            contract.TOPIC: [row[3] for row in rows],
        }
    )
    append(lake, EVENTS, conform(frame).collect())
    return lake


def test_the_lateness_of_a_channel_is_the_99_percent_point_of_its_last_28_days(tmp_path: Path) -> None:
    day = END - timedelta(days=2)
    rows = [("web", day, timedelta(seconds=n), "clicks") for n in range(101)]
    rows += [("store", day, timedelta(hours=26), "orders"), ("store", END - timedelta(days=30), 99 * HOUR, "orders")]
    rows += [("early", day, -HOUR, "clicks"), ("file", day, 999 * HOUR, "file:orders"), (None, day, HOUR, "clicks")]
    found = channel_lateness(land(tmp_path, rows), END)
    assert found == {"web": timedelta(seconds=99), "store": timedelta(hours=26), "early": timedelta(0)}


@pytest.mark.parametrize(
    ("touches", "lateness", "waited"),
    [
        ({"web": 991, "store": 9}, {"web": timedelta(seconds=3), "store": 90 * HOUR}, HOUR),
        ({"web": 990, "store": 10}, {"web": timedelta(seconds=3), "store": 90 * HOUR}, 90 * HOUR),
        ({"web": 1}, {"web": timedelta(days=30)}, timedelta(days=7)),
        ({"web": 1}, {}, HOUR),
        ({}, {"web": timedelta(days=3)}, HOUR),
        ({"web": 5, "store": 0}, {"web": 2 * HOUR, "store": timedelta(days=3)}, 2 * HOUR),
    ],
)
def test_a_measure_waits_for_the_slowest_channel_that_it_needs(
    touches: dict[str, int], lateness: dict[str, timedelta], waited: timedelta
) -> None:
    assert waited_for(touches, lateness) == waited


def test_a_period_ends_with_its_window_and_its_lateness() -> None:
    window = timedelta(days=7)
    last = END - window - HOUR
    assert over_and_arrived(last, END, window=window)
    assert not over_and_arrived(last + timedelta(microseconds=1), END, window=window)


def test_no_events_have_no_channels(tmp_path: Path) -> None:
    assert channel_lateness(Lake(str(tmp_path)), END) == {}
