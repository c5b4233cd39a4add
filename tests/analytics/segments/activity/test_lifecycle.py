"""States are those of the definition, and add up from period to period."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import Paths, lifecycle
from expectations.errors import DefinitionError
from tests.oracles.why import activity as oracle
from tests.written import START

STATES = ("new", "returning", "resurrecting", "dormant")
customers = st.dictionaries(st.sampled_from("abcde"), st.lists(st.integers(0, 40), min_size=1, max_size=8))


def shop(people: oracle.Customers, end: float, **columns: list[str]) -> Paths:
    rows = [(who, START + timedelta(days=at), "visit") for who, times in people.items() for at in times]
    schema = {"customer": pl.String, "at": pl.Datetime("us", "UTC"), "touchpoint": pl.String}
    frame = pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        pl.Series(name, values) for name, values in columns.items()
    )
    return Paths.from_frame(frame, end_of_data=START + timedelta(days=end))


@settings(deadline=None, max_examples=100)
@given(customers, st.integers(14, 16))
def test_states_are_those_of_the_definition(given_: dict[str, list[int]], end: int) -> None:
    people = {who: [at / 4 for at in times] for who, times in given_.items()}
    found = lifecycle(shop(people, end), period="day")
    assert found.select(STATES).rows() == oracle.lifecycle(people, end)
    before = found["active"].shift(1)
    assert (before == found["returning"] + found["dormant"])[1:].all()
    assert found["begins"].to_list() == [row == 0 for row in range(len(found))]


@settings(deadline=None, max_examples=40)
@given(customers)
def test_groups_add_up_to_all(given_: dict[str, list[int]]) -> None:
    people = {who: [at / 4 for at in times] for who, times in given_.items()}
    size = sum(map(len, people.values()))
    paths = shop(people, 15, device=["phone" if n % 3 else "desk" for n in range(size)])
    found = lifecycle(paths, period="day", by="device")
    groups = found.filter(~pl.col("is_total")).group_by("period").agg(pl.col(STATES).sum()).sort("period")
    assert groups.equals(found.filter("is_total").select("period", *STATES))


def test_the_true_first_time_says_who_is_new() -> None:
    frame = pl.DataFrame(
        {
            "customer": ["ann", "bo", "cy"],
            "at": [START + timedelta(days=1)] * 3,
            "touchpoint": ["visit"] * 3,
            "since": [START - timedelta(days=400), START + timedelta(days=1), None],
        }
    )
    paths = Paths.from_frame(frame, end_of_data=START + timedelta(days=2))
    assert lifecycle(paths, period="day", first_seen="since").select(STATES).row(0) == (2, 0, 1, 0)
    with pytest.raises(DefinitionError, match="does not say when"):
        lifecycle(paths, first_seen="touchpoint")


@pytest.mark.parametrize(("period", "end", "rows"), [("hour", 0.25, 6), ("week", 15, 2), ("month", 61, 2)])
def test_only_periods_that_are_over_have_a_row(period: str, end: float, rows: int) -> None:
    paths = shop({"ann": [0.0, 0.1]}, end)
    assert len(lifecycle(paths, period=period)) == rows  # type: ignore[arg-type]


def test_an_hour_that_the_clock_shows_twice_is_followed_by_itself() -> None:
    back = datetime(2024, 10, 27, tzinfo=UTC)  # Berlin shows 2 to 3 twice
    frame = pl.DataFrame({"customer": ["ann", "bo"], "at": [back, back + timedelta(hours=1)], "touchpoint": "visit"})
    paths = Paths.from_frame(frame, end_of_data=back + timedelta(hours=4))
    found = lifecycle(paths, period="hour", timezone="Europe/Berlin")
    assert found.select("new", "dormant").rows() == [(1, 0), (1, 1), (0, 1), (0, 0)]


def test_nothing_that_is_over_gives_no_rows_but_all_columns() -> None:
    found = lifecycle(shop({"ann": [0.5]}, 0.9), period="day", by="touchpoint")
    assert found.is_empty()
    assert found.columns[:3] == ["touchpoint", "is_total", "period"]


@pytest.mark.parametrize(
    "wrong", [{"period": "year"}, {"timezone": "Mars/Olympus"}, {"by": "nothing"}, {"by": "period"}]
)
def test_what_is_not_there_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(DefinitionError):
        lifecycle(shop({"ann": [0.5]}, 9), **wrong)  # type: ignore[arg-type]
