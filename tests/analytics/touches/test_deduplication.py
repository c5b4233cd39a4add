"""Which rows are left out, whatever their order, and however few of them are compared at a time."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import analytics.touches.deduplication
from analytics.touches.deduplication import deduplicate, duplicates
from expectations.lake.tables import conform
from tests.written import START, at


def event(event_id: str, time: str = "0m", **columns: Any) -> dict[str, Any]:
    moment = at(time)
    received = columns.pop("received", moment)
    place = {"topic": "t", "partition": 0, "offset": 0}
    return (
        {"event_id": event_id, "event_name": "visit", "occurred_at": moment, "received_at": received} | place | columns
    )


def frame(*rows: dict[str, Any]) -> pl.LazyFrame:
    return conform(pl.DataFrame(list(rows), infer_schema_length=None))


def test_the_same_event_again_is_one_event_and_the_first_to_arrive_stays() -> None:
    late = event("e", offset=9, received=START + timedelta(hours=1), identities={"b": "2", "a": "1"})
    first = event("e", offset=3, identities={"a": "1", "b": "2"})
    found = deduplicate(frame(late, first)).collect()
    assert found["offset"].to_list() == [3]


def test_the_order_of_identities_in_an_event_does_not_matter() -> None:
    rows = pl.DataFrame([event("e"), event("e", offset=1), event("e", offset=2)])
    maps = [{"a": "1", "b": "2"}, {"b": "2", "a": "1"}, {"b": "1", "a": "2"}]
    events = conform(rows.with_columns(identities=pl.Series(maps, dtype=pl.Map(pl.String, pl.String))))
    assert events.collect()["identities"].map.keys().to_list()[:2] == [["a", "b"], ["b", "a"]]
    assert deduplicate(events).collect()["offset"].to_list() == [0, 2]


def test_the_same_id_with_another_payload_is_kept_and_counted() -> None:
    twice = duplicates(frame(event("e"), event("e", offset=1), event("e", offset=2, event_name="other"), event("f")))
    assert (twice.events, twice.repeats, twice.conflicts) == (4, 1, 1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy")), max_size=12),
    st.integers(0, 9),
    st.sampled_from([1, 2, 100]),
    st.booleans(),
)
def test_deduplication_depends_neither_on_order_nor_on_shares(
    monkeypatch: pytest.MonkeyPatch, pairs: list[tuple[str, str]], seed: int, share: int, placed: bool
) -> None:
    monkeypatch.setattr(analytics.touches.deduplication, "HASHES_AT_ONCE", share)
    monkeypatch.setattr(analytics.touches.deduplication, "IDS_AT_ONCE", share)
    rows = [event(eid, event_name=name, offset=n if placed else None) for n, (eid, name) in enumerate(pairs)]
    for order in (rows, random.Random(seed).sample(rows, len(rows))):
        found = deduplicate(frame(*order)).collect() if order else pl.DataFrame({"event_id": [], "event_name": []})
        assert set(found.select("event_id", "event_name").rows()) == set(pairs)
        assert len(found) == len(set(pairs))
