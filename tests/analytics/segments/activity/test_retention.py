"""Retention by either clock, with its options, counts what its definition says."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import Paths, ReturnRules, retention
from expectations.errors import DefinitionError
from tests.oracles.why import activity as oracle
from tests.written import START

DAY = timedelta(days=1)
touches = st.lists(st.tuples(st.integers(0, 60), st.booleans()), min_size=1, max_size=8)
customers = st.dictionaries(st.sampled_from("abcd"), touches, min_size=1)


def shop(people: dict[str, list[tuple[float, bool]]], end: float, **columns: list[Any]) -> Paths:
    rows = [(who, START + at * DAY, "start" if begins else "back") for who, own in people.items() for at, begins in own]
    schema = {"customer": pl.String, "at": pl.Datetime("us", "UTC"), "touchpoint": pl.String}
    frame = pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        pl.Series(name, values) for name, values in columns.items()
    )
    return Paths.from_frame(frame, end_of_data=START + end * DAY)


@settings(deadline=None, max_examples=150)
@given(
    customers,
    st.integers(60, 68),
    st.sampled_from(["on", "on_or_after", "bracket"]),
    st.booleans(),
    st.booleans(),
    st.integers(1, 2),
    st.sampled_from([None, 0, 2.5]),
)
def test_cells_are_those_of_the_definition(
    given_: dict[str, list[tuple[int, bool]]],
    end: int,
    way: Any,
    every: bool,
    elapsed: bool,
    least: int,
    grace: float | None,
) -> None:
    people = {who: [(at / 4, begins) for at, begins in own] for who, own in given_.items()}
    days = [0, 1, 2, 5] if elapsed else [1, 2, 3, 6]
    spans: list[tuple[int, int | None]] = [(n, None if way == "on_or_after" else n) for n in days]
    if way == "bracket":
        spans = [(n, last) for n, last in zip(days, [*(n - 1 for n in days[1:]), days[-1]], strict=True)]
    worth = [float(n % 7) for n in range(sum(map(len, people.values())))]
    value: dict[tuple[str, float], float] = {}
    for (who, at), each in zip(((who, at) for who, own in people.items() for at, _ in own), worth, strict=True):
        value[who, at] = value.get((who, at), 0) + each
    rules = ReturnRules(
        clock="elapsed" if elapsed else "calendar",
        least=least,
        grace=None if grace is None else grace * DAY,
        value="worth",
    )
    found = retention(
        shop(people, end / 4, worth=worth),
        "start",
        period="day",
        periods=days,
        brackets=days,
        cohort="every" if every else "first",
        returns=way,
        rules=rules,
    )
    unique = {who: list(own) for who, own in people.items()}
    expected = oracle.retained(
        unique, end / 4, spans, every=every, elapsed=elapsed, least=least, grace=grace, value=_shared(value, people)
    )
    cells = found.filter(~pl.col("is_total"))
    day = (pl.col("cohort") - START).dt.total_days()
    rows = cells.select(day, "after", "size", "eligible", "returned", "value").rows()
    assert {row[:2]: pytest.approx(list(row[2:])) for row in rows} == expected
    totals = found.filter("is_total")
    sums = cells.group_by("after").agg(pl.len().alias("cohorts"), pl.col("eligible", "returned").sum()).sort("after")
    assert totals.select("after", "cohorts", "eligible", "returned").rows() == sums.rows()
    if grace is not None:
        assert (cells["open"] == cells["size"] - cells["eligible"]).all()


def _shared(
    value: dict[tuple[str, float], float], people: dict[str, list[tuple[float, bool]]]
) -> dict[tuple[str, float], float]:
    """The value of a customer and an instant, shared among the touches of that instant, which the loop adds up."""
    count: dict[tuple[str, float], int] = {}
    for who, own in people.items():
        for at, _ in own:
            count[who, at] = count.get((who, at), 0) + 1
    return {key: each / count[key] for key, each in value.items()}


@settings(deadline=None, max_examples=60)
@given(customers)
def test_on_or_after_is_on_at_least_and_falls(given_: dict[str, list[tuple[int, bool]]]) -> None:
    people = {who: [(at / 4, begins) for at, begins in own] for who, own in given_.items()}
    paths, days = shop(people, 30), [1, 2, 3, 4]
    on, later = (
        retention(paths, "start", period="day", periods=days, returns=way).filter("is_total")["returned"].to_list()
        for way in ("on", "on_or_after")
    )
    assert all(a <= b for a, b in zip(on, later, strict=True))
    assert later == sorted(later, reverse=True)


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.sampled_from("abcd"), st.lists(st.integers(1, 40), max_size=6), min_size=1))
def test_both_clocks_agree_where_all_start_at_midnight(given_: dict[str, list[int]]) -> None:
    people = {who: [(0.0, True), *((at / 4, False) for at in own)] for who, own in given_.items()}
    paths, columns = shop(people, 12), ("cohort", "after", "size", "returned")
    answers = [
        retention(paths, "start", "back", period="day", periods=5, rules=ReturnRules(clock=clock)).select(columns)
        for clock in ("calendar", "elapsed")
    ]
    assert answers[0].equals(answers[1])


def test_a_rise_that_comes_of_cohorts_that_leave_is_not_in_balanced_totals() -> None:
    people = {f"a{n}": [(0.0, True), (3.0, False)] for n in range(10)} | {f"b{n}": [(2.0, True)] for n in range(10)}
    paths = shop(people, 4)
    shares = [
        retention(paths, "start", period="day", periods=[1, 3], rules=ReturnRules(balanced=balanced))
        .filter("is_total")
        .select("after", "cohorts", "share")
        .rows()
        for balanced in (False, True)
    ]
    assert shares == [[(1, 2, 0.0), (3, 1, 1.0)], [(1, 1, 0.0), (3, 1, 1.0)]]


def test_times_that_are_cut_first_make_another_day() -> None:
    people = {"ann": [(17 / 24 + 59 / 1440, True), (1 + 17 / 24, False)]}
    for round_to, returned in ((None, 0), ("1h", 1)):
        rules = ReturnRules(clock="elapsed", round_to=round_to)
        assert (
            retention(shop(people, 4), "start", "back", period="day", periods=1, rules=rules)["returned"][0] == returned
        )


def test_groups_are_those_of_the_start_touch_and_add_up() -> None:
    people = {"ann": [(0.0, True), (1.0, False)], "bo": [(0.0, True)], "cy": [(0.0, True), (1.0, False)]}
    paths = shop(people, 3, device=["phone", "desk", "phone", None, None])
    found = retention(paths, "start", period="day", periods=1, by="device")
    assert found.select("device", "is_group", "is_total", "eligible", "returned").rows() == [
        (None, False, True, 3, 2),
        ("phone", True, True, 2, 1),
        (None, True, True, 1, 1),
        (None, False, False, 3, 2),
        ("phone", True, False, 2, 1),
        (None, True, False, 1, 1),
    ]


def test_with_grace_only_returns_so_long_after_the_beginning_count() -> None:
    paths = shop({"ann": [(0.0, True), (3.0, False)], "bo": [(0.0, True), (3.1, False)]}, 9)
    rules = ReturnRules(grace="2d")
    found = retention(paths, "start", period="day", periods=[1, 2], returns="on_or_after", rules=rules)
    assert found.filter("is_total")["returned"].to_list() == [1, 2]


@pytest.mark.parametrize("wrong", [{"least": 0}, {"clock": "lunar"}, {"round_to": "0s"}, {"grace": "8"}])
def test_rules_that_cannot_be_meant_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError):
        ReturnRules(**wrong)


@pytest.mark.parametrize(
    ("options", "rules", "words"),
    [
        ({"periods": [0, 1]}, {}, "upwards from 1"),
        ({"periods": []}, {}, "upwards"),
        ({"period": "week_sunday"}, {"clock": "elapsed"}, "no such period"),
        ({"by": "share"}, {}, "no column"),
        ({}, {"value": "touchpoint"}, "cannot be added up"),
    ],
)
def test_questions_that_cannot_be_answered_are_refused(options: Any, rules: Any, words: str) -> None:
    with pytest.raises(DefinitionError, match=words):
        retention(shop({"ann": [(0.0, True)]}, 9), "start", **options, rules=ReturnRules(**rules))
