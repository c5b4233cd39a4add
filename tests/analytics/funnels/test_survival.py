"""Kaplan-Meier over all entrants: open entrants are neither lost nor left out."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analytics import Funnel, funnel, members
from analytics.funnels.survival import survival
from tests.oracles import funnel as oracle
from tests.written import in_parts, paths

MANY = int(os.environ.get("JOURNEYS_EXAMPLES", "40"))
JOURNEYS = {
    "ann": "visit@0d pay@2d",
    "bo": "visit@0d",
    "cy": "visit@9d",
    "di": "visit@5d pay@9d",
    "ed": "visit@8d cart@9d",
    "flo": "visit@1d",
}
SURVIVAL = Funnel(["visit", "pay"], window="7d", maturity="survival")


def test_the_curve_is_that_of_the_library() -> None:
    curve = survival(paths(JOURNEYS, end="10d"), SURVIVAL)
    peer = stats.ecdf(stats.CensoredData(uncensored=[2, 4], right=[7, 1, 2, 7])).sf
    for row in curve.iter_rows(named=True):
        days = row["time"] / timedelta(days=1)
        assert row["converted"] == pytest.approx(1 - peer.evaluate(days))
    assert curve["at_risk"].to_list() == [6, 5, 3, 2]


def test_all_entrants_count_including_open_ones() -> None:
    table = funnel(paths(JOURNEYS, end="10d"), SURVIVAL)
    assert table["entered"].to_list() == [6, 6]
    assert table["reached"].to_list() == [6, 2]
    assert table["open"].to_list() == [3 + 0, 1]
    assert table["dropped"].to_list() == [0, 2]
    share = 1 - (1 - 1 / 5) * (1 - 1 / 3)
    assert table["share_of_entered"][1] == table["share_of_previous"][1] == pytest.approx(share)
    assert table["at_risk"].to_list() == [None, 2]


def test_without_open_entrants_shares_are_plain_shares() -> None:
    shop = paths(JOURNEYS, end="90d")
    estimated, plain = funnel(shop, SURVIVAL), funnel(shop, Funnel(["visit", "pay"], window="7d"))
    assert estimated["share_of_entered"].to_list() == pytest.approx(plain["share_of_entered"].to_list())
    assert estimated["reached"].to_list() == plain["reached"].to_list()


def test_the_curve_of_every_group_and_of_all() -> None:
    journeys = {"ann": "visit@0d[device=phone] pay@2d", "bo": "visit@0d[device=desk]", "cy": "visit@9d[device=desk]"}
    curve = survival(paths(journeys, end="10d"), Funnel(["visit", "pay"], window="7d", by="device"))
    last = curve.group_by("device", "is_total", maintain_order=True).last()
    assert last.select("device", "is_total", "converted").rows() == [
        (None, True, 0.5),
        ("desk", False, 0.0),
        ("phone", False, 1.0),
    ]


def test_a_curve_of_a_group_is_that_of_its_customers_alone() -> None:
    """Also of a group without a value."""
    marks: dict[str | None, str] = {"x": "[g=x] ", "y": "[g=y] ", None: " "}
    own = {
        group: {f"{who}{group}": f"{text} ".replace(" ", mark, 1).strip() for who, text in JOURNEYS.items()}
        for group, mark in marks.items()
    }
    grouped = Funnel(["visit", "pay"], window="7d", by="g", maturity="survival")
    together = paths({who: text for people in own.values() for who, text in people.items()}, end="10d")
    for ask in (survival, funnel):
        table = ask(together, grouped)
        for group, people in own.items():
            alone = ask(paths(people, end="10d"), replace(grouped, by=()))
            here = table.filter(pl.col("g").eq_missing(pl.lit(group)) & ~pl.col("is_total"))
            assert here.drop("g", "is_total").equals(alone.drop("is_total"))


def test_members_are_those_who_are_counted() -> None:
    shop = paths(JOURNEYS, end="10d")
    table = funnel(shop, SURVIVAL)
    for step in (1, 2):
        assert len(members(shop, SURVIVAL, step=step)) == table["reached"][step - 1]


def test_no_touches_have_no_curve() -> None:
    assert survival(paths({}), SURVIVAL).is_empty()
    assert funnel(paths({}), SURVIVAL)["share_of_entered"].to_list() == [None, None]


Path = list[tuple[int, str]]
PEOPLE = st.lists(st.lists(st.tuples(st.integers(0, 9), st.sampled_from("abcx")), max_size=7), min_size=1, max_size=6)


def kaplan_meier(waits: list[tuple[int, bool]]) -> list[tuple[int, int, int, int, float]]:
    """Time, at risk, events, censored and the share converted, by the definition."""
    rows, share = [], 1.0
    for time in sorted({wait for wait, _ in waits}):
        at_risk = sum(wait >= time for wait, _ in waits)
        events, censored = (sum(wait == time and event is kind for wait, event in waits) for kind in (True, False))
        share *= 1 - events / at_risk
        rows.append((time, at_risk, events, censored, round(1 - share, 9)))
    return rows


@settings(deadline=None, max_examples=MANY)
@given(PEOPLE, st.integers(0, 12), st.sampled_from([1, 7, 100]))
def test_the_curve_is_that_of_the_chains_of_the_oracle(people: list[Path], window: int, size: int) -> None:
    """The data end after nine seconds, so that some are under way, each as long as they are seen."""
    asked = oracle.Asked([{"a"}, {"b"}, {"c"}], window)
    expected = []
    for step in (2, 3):
        waits = []
        for path in people:
            if times := [time for time in oracle.answer(path, asked).times if time is not None]:
                first = min(second for second, name in path if name == "a")
                seen = window if first + window <= 9 else 9 - first
                waits.append((times[step - 1] - times[0], True) if len(times) >= step else (seen, False))
        expected += [(step, *row) for row in kaplan_meier(waits)]
    journeys = {str(who): " ".join(f"{name}@{second}s" for second, name in path) for who, path in enumerate(people)}
    store = in_parts(paths(journeys, end="9s"), size)
    curve = survival(store, Funnel(["a", "b", "c"], timedelta(seconds=window)))
    found = curve.select(
        "step", pl.col("time").dt.total_seconds(), "at_risk", "events", "censored", pl.col("converted").round(9)
    )
    assert found.rows() == expected
