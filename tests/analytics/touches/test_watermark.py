from __future__ import annotations

from datetime import datetime
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from analytics.touches.watermark import activity, merged_activity, watermark, watermark_of
from expectations import contract
from expectations.lake.tables import conform
from tests.written import at


def event(event_id: str, time: str = "0m", **columns: Any) -> dict[str, Any]:
    received = columns.pop("received", at(time))
    own = {"event_id": event_id, "event_name": "visit", "occurred_at": at(time), "received_at": received}
    return own | {"topic": "t", "partition": 0, "offset": 0} | columns


def frame(*rows: dict[str, Any]) -> pl.LazyFrame:
    return conform(pl.DataFrame(list(rows), infer_schema_length=None))


def stream(topic: str, *times: str, partition: int = 0) -> list[dict[str, Any]]:
    return [event(f"{topic}{n}", time, topic=topic, partition=partition) for n, time in enumerate(times)]


def end(*rows: dict[str, Any]) -> datetime | None:
    return watermark(frame(*rows))


def test_the_end_of_the_data_is_the_last_event_when_no_stream_is_behind() -> None:
    assert end(*stream("clicks", "0m", "1m", "2m")) == at("2m")


def test_a_stream_that_stopped_holds_the_end_back() -> None:
    assert end(*stream("clicks", "0m", "1m", "2m", "99m"), *stream("orders", "0m", "5m", "10m")) == at("10m")


def test_a_sparse_stream_does_not_hold_the_end_back() -> None:
    assert end(*stream("clicks", "0m", "1m", "50m"), *stream("feedback", "0m", "40m")) == at("50m")


def test_a_stream_with_one_event_does_not_hold_the_end_back() -> None:
    assert end(*stream("clicks", "0m", "1m", "50m"), *stream("feedback", "30m")) == at("50m")


def test_a_stream_is_behind_when_it_is_silent_for_longer_than_ever_before() -> None:
    orders = stream("orders", "0m", "5m", "10m")
    assert end(*stream("clicks", "0m", "15m"), *orders) == at("15m")
    assert end(*stream("clicks", "0m", "16m"), *orders) == at("10m")


def test_of_several_streams_behind_the_first_to_stop_holds_the_end_back() -> None:
    stopped = [*stream("orders", "0m", "5m"), *stream("orders", "0m", "7m", partition=1)]
    assert end(*stream("clicks", "0m", "60m"), *stopped) == at("5m")


def test_a_stream_has_ended_when_it_is_silent_for_longer_than_a_week() -> None:
    orders = stream("orders", "0m", "5m")
    assert end(*stream("clicks", "0m", "10085m"), *orders) == at("5m")
    assert end(*stream("clicks", "0m", "10086m"), *orders) == at("10086m")


def test_a_stream_that_ended_long_ago_does_not_hold_the_end_back() -> None:
    assert end(*stream("clicks", "0d", "40d"), *stream("old", "0d", "1d", "2d")) == at("40d")


def test_a_file_has_been_read_to_its_end() -> None:
    assert end(*stream("clicks", "0m", "99m"), *stream("file:1", "0m", "1m", "2m")) == at("99m")


def test_a_clock_that_runs_ahead_does_not_move_the_end() -> None:
    assert end(event("a", "9h", received=at("1h"))) == at("1h")


def test_no_events_have_no_end() -> None:
    assert watermark(pl.LazyFrame(schema=contract.EVENTS)) is None


places = st.tuples(st.sampled_from("ab"), st.integers(0, 2), st.sampled_from([*range(9), 60, 500]))


@given(st.lists(places, min_size=1), st.integers(0, 20))
def test_activities_add_up(places: list[tuple[str, int, int]], cut: int) -> None:
    rows = [
        event(f"{n}", f"{minute}m", topic=topic, partition=number) for n, (topic, number, minute) in enumerate(places)
    ]
    parts = [activity(frame(*some)) for some in (rows[:cut], rows[cut:]) if some]
    whole = parts[0] if len(parts) == 1 else merged_activity(*parts)
    assert whole.equals(activity(frame(*rows)))
    assert watermark_of(whole) == watermark(frame(*rows))
