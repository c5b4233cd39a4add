"""How well the next touch is told, on sessions that nothing was counted from."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import next_touch, next_touch_quality
from analytics.goals.ahead.next_touch_quality import NextTouchQuality
from expectations.errors import DefinitionError
from tests.analytics.goals.ahead.test_next_touch import Visits, shop, visits
from tests.oracles.why.next_touch import quality
from tests.written import START, assert_counts_add_up

HOUR = timedelta(hours=1)


@settings(deadline=None, max_examples=100)
@given(visits, st.integers(0, 8), st.integers(0, 4))
def test_quality_is_that_of_the_definition_for_every_order(sessions: Visits, cut: int, order: int) -> None:
    table = next_touch_quality(shop(sessions, 4), START + cut * HOUR, order=order)
    learned, held = ([names for _, _, names in some] for some in (sessions[:cut], sessions[cut:]))
    if not learned or not held:
        assert table.is_empty()
        return
    assert table["order"].to_list() == list(range(order + 1))
    for number, row in enumerate(table.select("bits", "top1", "top3", "touches").iter_rows()):
        assert row == pytest.approx(quality(learned, held, number))
    assert set(table["customers"]) == {len({who for who, _, _ in sessions[cut:]})}


def test_counts_of_parts_add_up() -> None:
    sessions: Visits = [(who, None, list(names)) for who, names in zip("xyzx", ("abc", "ab", "ba", "c"), strict=True)]
    whole = shop(sessions)
    measure = NextTouchQuality.of(whole, cut=START + 2 * HOUR, order=2, unit="session")
    assert_counts_add_up(measure, whole, 2)


def test_many_rows_are_told_like_few(monkeypatch: pytest.MonkeyPatch) -> None:
    paths, cut = shop([("x", None, list("abcab")), ("y", None, list("abcba"))]), START + HOUR
    whole = next_touch_quality(paths, cut)
    monkeypatch.setattr("analytics.goals.ahead.next_touch_quality.CELLS_AT_ONCE", 4)
    assert next_touch_quality(paths, cut).equals(whole)


def test_what_is_held_back_teaches_nothing() -> None:
    """After a comes b before the cut, and c after it: c stays as unlikely as if it had never come."""
    sessions: Visits = [("x", None, ["a", "b"])] * 9
    changed: Visits = [("x", None, ["a", "c"])] * 30
    before = next_touch(shop([*sessions, ("x", None, ["c"])]), "a").filter(touchpoint="c")["chance"][0]
    found = next_touch_quality(shop([*sessions, *changed]), START + 9 * HOUR, order=1)
    assert before < 0.1 and found["top1"][1] <= 1 / 3 + 1e-9 and found["bits"][1] > found["bits"][0]


def test_a_longer_memory_tells_more_of_paths_that_have_one() -> None:
    """Who came by a goes on by the same way twice: the last touch alone does not tell it, the last two do."""
    draw = Random(3)
    sessions: Visits = [("x", None, list(draw.choice(("aca", "bcb")))) for _ in range(400)]
    bits = next_touch_quality(shop(sessions), START + 300 * HOUR)["bits"].to_list()
    assert bits[2] < bits[1] < bits[0] and bits[4] < bits[1]


def test_a_touchpoint_that_first_comes_after_the_cut_has_a_chance() -> None:
    found = next_touch_quality(shop([("x", None, ["a"]), ("y", None, ["b"])]), START + HOUR)
    assert found["bits"].is_finite().all() and found["customers"].to_list() == [1] * 5


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cut": START.replace(tzinfo=None)}, "time zone"),
        ({"order": -1}, "so many touches"),
        ({"order": 40}, "too many touchpoints"),
        ({"unit": "visit"}, "unit"),
    ],
)
def test_what_cannot_be_asked_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(DefinitionError, match=words):
        next_touch_quality(shop([("x", None, ["a"])]), **({"cut": START} | options))


def test_touches_that_do_not_meet_the_condition_are_not_there() -> None:
    paths = shop([("x", "web", ["a", "b"]), ("y", "web", ["a", "c"])])
    found = next_touch_quality(paths, START + HOUR, where=pl.col("touchpoint") == "a")
    assert found["touches"][0] == 2 and found["bits"][1] < 1
