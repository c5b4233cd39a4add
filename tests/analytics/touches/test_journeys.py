from __future__ import annotations

from datetime import timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from analytics.touches.journeys import journeys
from tests.oracles.journeys import journeys as slow
from tests.written import START, at, frame

DAYS = [*range(8), 10, 12, 15, 20, 40]  # equal times, and gaps of exactly the journey gap, are common
touch = st.tuples(st.sampled_from("abcdef"), st.sampled_from(DAYS), st.sampled_from(["see", "see", "buy"]))
touches = st.lists(touch, max_size=25)


def outcomes(text: str, end: str | None = None) -> list[tuple[int, str]]:
    found = journeys(frame({"ann": text}), goal=["buy"], gap="30d", end_of_data=at(end) if end else None)
    return found.select("journey", "outcome").rows()


@given(touches, st.sampled_from([0, 1, 5, 6, 20]))
def test_journeys_end_as_by_hand(rows: list[tuple[str, int, str]], after: int) -> None:
    days = max((day for _, day, _ in rows), default=0) + after
    given_ = pl.DataFrame(
        [{"customer": who, "at": START + timedelta(days=day), "touchpoint": name} for who, day, name in rows],
        schema={"customer": pl.String, "at": pl.Datetime("us", "UTC"), "touchpoint": pl.String},
    )
    found = journeys(given_, goal=["buy"], gap="5d", end_of_data=START + timedelta(days=days))
    assert found.select("journey", "outcome").rows() == slow(rows, {"buy"}, 5, days)


def test_the_goal_ends_a_journey() -> None:
    assert outcomes("see@0d buy@1d see@2d") == [(1, "converted"), (1, "converted"), (2, "open")]


def test_a_longer_gap_than_the_journey_gap_abandons() -> None:
    assert outcomes("see@0d see@30d see@61d") == [(1, "abandoned"), (1, "abandoned"), (2, "open")]


def test_a_journey_is_open_while_its_gap_may_still_end() -> None:
    assert outcomes("see@0d", end="30d") == [(1, "open")]
    assert outcomes("see@0d", end="30.1d") == [(1, "abandoned")]


def test_touches_at_the_instant_of_the_goal_belong_to_its_journey() -> None:
    assert outcomes("buy@1d see@1d see@2d") == [(1, "converted"), (1, "converted"), (2, "open")]
    assert outcomes("see@1d buy@1d see@2d") == [(1, "converted"), (1, "converted"), (2, "open")]


def test_an_open_journey_is_not_closed_by_the_next_customer() -> None:
    found = journeys(frame({"ann": "see@0d", "bob": "buy@0d"}), goal=["buy"])
    assert found.select("journey", "outcome").rows() == [(1, "open"), (1, "converted")]


def test_no_touches_give_no_journeys() -> None:
    assert journeys(frame({}), goal=["buy"]).schema["outcome"] == pl.String
