from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from analytics.identity.other_tools import first_user, last_login, last_person, person_of_graph, unique_components
from tests.written import START

TIME = pl.Datetime("us", "UTC")


def events(*rows: dict[str, Any], **types: Any) -> pl.DataFrame:
    times = [{"at": START + timedelta(minutes=n)} | row for n, row in enumerate(rows)]
    return pl.DataFrame(times, schema_overrides={"at": TIME} | types)


def stitched(frame: pl.DataFrame) -> list[str]:
    return frame["stitched"].to_list()


def hits(*persons: str | None) -> pl.DataFrame:
    return events(*({"device": "d", "person": person} for person in persons), person=pl.String)


def test_live_an_event_takes_the_person_last_seen_on_its_device() -> None:
    assert stitched(last_person(hits(None, "Bob", None, "Sue", None))) == ["d", "Bob", "Bob", "Sue", "Sue"]


def test_a_replay_names_what_came_before_the_first_person() -> None:
    assert stitched(last_person(hits(None, "Bob", None), replay=True)) == ["Bob", "Bob", "Bob"]
    assert stitched(last_person(hits(None), replay=True)) == ["d"]


def test_a_forgotten_person_leaves_the_device() -> None:
    assert stitched(last_person(hits("Bob", None, "Sue"), replay=True, forgotten=["Bob"])) == ["d", "d", "Sue"]


def test_a_replay_reaches_as_far_back_as_its_lookback_and_knows_nobody_who_came_after_it() -> None:
    seen = hits(None, None, "Bob", None, "Sue")  # a minute from one to the next
    at = START + timedelta(minutes=3)
    assert stitched(last_person(seen, replay=True, replayed_at=at, lookback=timedelta(minutes=2))) == [
        *("d", "Bob", "Bob", "Bob", "Sue")
    ]
    early = last_person(seen, replay=True, replayed_at=START + timedelta(minutes=1))
    assert stitched(early) == ["d", "d", "Bob", "Bob", "Sue"]


def test_of_two_persons_at_one_instant_the_smaller_has_the_device() -> None:
    rows = [("Sue", 0), ("Bob", 0), (None, 0), (None, 1)]
    seen = events(*({"device": "d", "person": who, "at": START + timedelta(minutes=n)} for who, n in rows))
    assert stitched(last_person(seen)) == ["Sue", "Bob", "Bob", "Bob"]
    assert stitched(last_login(seen)) == ["Bob"] * 4


def test_by_last_authentication_all_events_of_a_device_go_to_its_last_login() -> None:
    assert stitched(last_login(hits(None, "Bob", "Sue", None))) == ["Sue"] * 4
    assert stitched(last_login(hits(None, None))) == ["d", "d"]
    assert stitched(last_login(hits("Bob", "Sue"), forgotten=["Sue"])) == ["d", "d"]
    devices = events({"device": "d", "person": "Bob"}, {"device": "e", "person": None})
    assert stitched(last_login(devices)) == ["Bob", "e"]


def test_the_order_of_rows_does_not_matter_only_the_time() -> None:
    assert stitched(last_person(hits(None, "Bob", None).reverse())) == ["Bob", "Bob", "d"]


def day(hour: int, of: int = 12) -> datetime:
    return datetime(2023, 5, of, hour, tzinfo=UTC)


GRAPH = pl.DataFrame(
    {
        "device": ["246", "3579", "246"],
        "valid_from": [day(14), day(19), datetime(2023, 5, 13, 16, 30, tzinfo=UTC)],
        "persons": [["bob.a"], ["ted.w"], ["bob.ab", "a.b"]],
    }
)
SEEN = pl.DataFrame(
    {
        "device": ["246", "246", "246", "3579", "3579", "246", "246"],
        "at": [day(11), day(14), day(15), day(17), day(19), day(15, 13), datetime(2023, 5, 13, 16, 30, tzinfo=UTC)],
    }
)


def test_a_graph_is_read_as_of_the_event_and_of_two_persons_the_smaller_counts() -> None:
    assert stitched(person_of_graph(SEEN, GRAPH)) == ["246", "bob.a", "bob.a", "3579", "ted.w", "bob.a", "a.b"]


def test_a_replay_reads_the_current_graph_for_the_lookback() -> None:
    now = datetime(2023, 5, 13, 16, 30, tzinfo=UTC)
    one_day = person_of_graph(SEEN, GRAPH, replayed_at=now, lookback=timedelta(days=1))
    assert stitched(one_day) == ["246", "bob.a", "bob.a", "ted.w", "ted.w", "a.b", "a.b"]
    week = person_of_graph(SEEN, GRAPH, replayed_at=now, lookback=timedelta(days=7))
    assert stitched(week) == ["a.b", "a.b", "a.b", "ted.w", "ted.w", "a.b", "a.b"]
    gone = person_of_graph(SEEN, GRAPH, replayed_at=now, forgotten=["a.b"])
    assert stitched(gone) == ["246", "246", "246", "ted.w", "ted.w", "246", "246"]


def test_a_device_belongs_to_its_first_user() -> None:
    rows = [("D1", None), ("D1", "U1"), ("D1", None), ("D1", "U2"), ("D1", None), ("D2", None), (None, "U3")]
    frame = events(*({"device": device, "user": user} for device, user in rows), device=pl.String, user=pl.String)
    assert stitched(first_user(frame)) == ["U1", "U1", "U1", "U2", "U1", "device:D2", "U3"]


def test_identifiers_of_one_event_join_and_the_oldest_person_stays() -> None:
    ids = [{"cookie": "c", "user": None}, {"cookie": None, "user": "u"}, {"cookie": "c", "user": "u"}]
    frame = events(*({"ids": each} for each in ids))
    assert stitched(unique_components(frame)) == ["person_1"] * 3


def test_a_unique_identifier_is_never_joined_with_another() -> None:
    ids = [{"phone": "p", "user": "ann"}, {"phone": "p", "user": "bob"}, {"phone": "p", "user": None}]
    frame = events(*({"ids": each} for each in ids))
    assert stitched(unique_components(frame, unique=["user"])) == ["person_1", "person_2", "person_3"]


def test_no_events_give_no_rows() -> None:
    empty: dict[str, Any] = {
        "at": TIME,
        "device": pl.String,
        "person": pl.String,
        "user": pl.String,
        "ids": pl.Map(pl.String, pl.String),
    }
    frame = pl.DataFrame(schema=empty)
    for found in (
        last_person(frame, replay=True),
        last_login(frame),
        first_user(frame),
        person_of_graph(frame, GRAPH),
        unique_components(frame),
    ):
        assert found.schema == empty | {"stitched": pl.String}
