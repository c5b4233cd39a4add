"""The change of a goal rate: parts that add up, against fractions, and what is worth a sentence."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from fractions import Fraction
from functools import partial
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import Goal, JourneyProduct, PathRules, Paths, Target, goal_change, goal_rate, moved
from expectations.errors import DefinitionError
from tests.oracles.why import change as replicates
from tests.oracles.why import products as oracle
from tests.written import START, in_parts

STAGES = [{"name": name, "touchpoints": [name.lower()]} for name in ("Ad", "Look", "Cart", "Buy")]
RULES = PathRules(goal=["buy"], stages=STAGES)
NAMES = ["ad", "look", "cart", "buy"]
FIRST, SECOND, THIRD = (date(2024, 1, n) for n in (1, 11, 21))
Counts = Mapping[str, Sequence[int]]


def shop(before: Counts, after: Counts, *, end: str = "90d") -> Paths:
    """Customers of each device who reach as many stages as the counts say: enter, look, cart, buy."""
    visits = {}
    for start, counts in ((0, before), (10, after)):
        for device, reached in counts.items():
            for n in range(reached[0]):
                depth = sum(n < count for count in reached)
                touches = [f"{name}@{start}d[device={device}]" for name in NAMES[:depth]]
                visits[f"{start} {device} {n}"] = " ".join(t.replace("d[", f".{k}d[") for k, t in enumerate(touches))
    return Paths.from_text(visits, end=end, rules=RULES)


def asked(paths: Paths, **options: Any) -> pl.DataFrame:
    return goal_change(paths, **{"before": (FIRST, SECOND), "after": (SECOND, THIRD), "by": "device", **options})


def parts(table: pl.DataFrame) -> dict[Any, float]:
    stages = {"Ad": 1, "Look": 2, "Cart": 3, "goal": 4}
    found: dict[Any, float] = {}
    for row in table.iter_rows(named=True):
        if row["effect"] == "stage":
            found["stage", row["device"], stages[row["stage"]]] = row["contribution"]
        else:
            found[row["effect"], row["device"]] = row["contribution"]
    return found


counted = st.tuples(st.integers(1, 12), *[st.integers(0, 12)] * 3).map(lambda n: tuple(itertools.accumulate(n, min)))
segments = st.dictionaries(st.sampled_from(["app", "web", "shop"]), counted, min_size=1)


@settings(max_examples=6, deadline=None)
@given(segments, segments)
def test_parts_are_those_of_the_oracle_and_add_up(before: Counts, after: Counts) -> None:
    whole = shop(before, after)
    expected = oracle.goal_change(
        {name: (n[0], *n) for name, n in before.items()}, {name: (n[0], *n) for name, n in after.items()}
    )
    found = asked(in_parts(whole, 9))
    assert parts(found) == pytest.approx({key: float(value) for key, value in expected.items()}, abs=1e-12)
    total = found.filter(effect="total")["contribution"].item()
    mix_and_rate = found.filter(pl.col("effect").is_in(["mix", "rate"]))["contribution"].sum()
    assert mix_and_rate == pytest.approx(total, abs=1e-12)
    assert found.filter("is_total", effect="stage")["contribution"].sum() == pytest.approx(total, abs=1e-12)
    for side, start, end in (("before", FIRST, SECOND), ("after", SECOND, THIRD)):
        rate = goal_rate(whole, start=START + (start - FIRST), end=START + (end - FIRST))["goal_rate"].item()
        assert found.filter(effect="total")[side].item() == pytest.approx(rate)


def test_an_interval_is_that_of_the_replicates() -> None:
    before, after = (
        {"app": (60, 50, 40, 30), "web": (40, 30, 20, 10)},
        {"app": (50, 40, 20, 10), "web": (60, 40, 30, 20)},
    )
    paths = shop(before, after)
    found = asked(paths)
    reached: dict[str, tuple[int, str, int]] = {}
    for start, counts in ((0, before), (10, after)):
        for device, own in counts.items():
            for n in range(own[0]):
                reached[f"{start} {device} {n}"] = (start, device, sum(n < count for count in own))

    def counts_of(keys: set[str], start: int, device: str) -> list[int]:
        own = [reached[key][2] for key in keys if reached[key][:2] == (start, device)]
        return [sum(depth >= step for depth in own) for step in range(5)]

    def number(of: Any, keys: set[str]) -> float:
        sides = [{device: counts_of(keys, start, device) for device in ("app", "web")} for start in (0, 10)]
        return float(oracle.goal_change(*sides)[of])

    for device, effect, stage, of in (
        ("app", "rate", None, ("rate", "app")),
        ("app", "stage", "Cart", ("stage", "app", 3)),
    ):
        row = (
            found.filter(device=device, effect=effect)
            .filter(pl.col("stage").eq_missing(pl.lit(stage)))
            .row(0, named=True)
        )
        reach = replicates.reach(list(reached), partial(number, of))
        assert row["contribution_high"] - row["contribution"] == pytest.approx(reach, rel=1e-6)


def test_few_customers_have_no_interval_and_nobody_no_rows() -> None:
    few = asked(shop({"app": (9, 8, 7, 6)}, {"app": (9, 8, 7, 1)}))
    assert few["contribution_low"].null_count() == len(few) and not few["enough"].any()
    assert asked(shop({"app": (9, 8, 7, 6)}, {})).is_empty()
    empty = goal_change(Paths.from_text({}), "buy", before=(FIRST, SECOND), after=(SECOND, THIRD))
    assert empty.is_empty() and "contribution" in empty.columns


def test_what_cannot_be_compared_is_refused() -> None:
    paths = shop({"app": (9, 8, 7, 6)}, {"app": (9, 8, 7, 1)}, end="40d")
    for options, words in (
        ({"after": (SECOND - timedelta(days=2), THIRD)}, "overlap"),
        ({"before": (SECOND, FIRST)}, "is empty"),
        ({}, "window is not over"),
        ({"window": "7d", "by": "nothing"}, "nothing"),
        ({"window": "40d"}, "journey gap"),
        ({"before": (FIRST,)}, "is no period"),
        ({"after": "2024-01-01"}, "is no period"),
    ):
        with pytest.raises(DefinitionError, match=words):
            asked(paths, **options)


def product(**changed: Any) -> JourneyProduct:
    goal = Goal(name="Order", steps=["buy"])
    given = {"owner": "Mara", "goal": goal, "targets": [Target("goal_rate", at_least=0.5, period="week")]}
    return JourneyProduct("First", **{**given, **changed})


def weekly(phone: Sequence[float], desk: Sequence[float], size: int = 300) -> Paths:
    """One cohort a week of both devices; these shares of those with a cart buy."""
    visits = {
        f"{device} {week} {n}": f"ad@{7 * week + n % 7}d[device={device}] look@{7 * week + n % 7}.1d[device={device}]"
        + (f" cart@{7 * week + n % 7}.2d[device={device}]" if n % 2 else "")
        + (f" buy@{7 * week + n % 7}.3d[device={device}]" if n % 2 and (n // 2) % 100 < 100 * rate else "")
        for device, rates in (("phone", phone), ("desk", desk))
        for week, rate in enumerate(rates)
        for n in range(size)
    }
    return Paths.from_text(visits, end=f"{7 * len(phone) + 30}d", rules=RULES)


def told(table: pl.DataFrame) -> list[tuple[Any, ...]]:
    rows = table.filter(pl.col("told").is_not_null()).sort("told")
    return rows.select("effect", "device", "stage").rows()


def test_a_fall_of_one_segment_at_one_stage_is_told_as_that() -> None:
    paths = weekly([0.8, 0.8, 0.3], [0.8, 0.8, 0.8])
    found = moved(paths, product(), by=["device"])
    assert told(found) == [("total", None, None), ("rate", "phone", None), ("stage", "phone", "Order")]
    assert found["cohort_before"][0] == START + timedelta(days=7) and found["cohort"][0] == START + timedelta(days=14)
    assert told(moved(paths, product(), by=["device"], against=2)) == told(found)


def test_nothing_is_told_of_what_stays_within_its_interval_and_a_stage_without_columns() -> None:
    assert told(moved(weekly([0.8] * 3, [0.8] * 3), product(), by=["device"])) == []
    fell = moved(weekly([0.8, 0.8, 0.3], [0.8, 0.8, 0.3]), product())
    rows = fell.filter(pl.col("told").is_not_null()).sort("told").select("effect", "stage").rows()
    assert rows == [("total", None), ("stage", "Order")]
    with pytest.raises(DefinitionError, match="compared with others"):
        moved(weekly([0.8], [0.8]), product(), against=0)
    with pytest.raises(DefinitionError, match="end of data"):
        moved(Paths.from_text({}), product())


def test_who_is_unknown_at_the_beginning_is_counted_but_told_of_no_segment() -> None:
    visits = {
        f"{week} {n}": f"ad@{7 * week + n % 7}d cart@{7 * week + n % 7}.2d[device=desk]"
        + (f" buy@{7 * week + n % 7}.3d[device=desk]" if week == 0 or n % 4 == 0 else "")
        for week in range(2)
        for n in range(200)
    }
    paths = Paths.from_text(visits, end="50d", rules=RULES)
    found = moved(paths, product(), by=["device"])
    assert told(found) == [("total", None, None), ("stage", None, "Order")]
    assert found.filter(effect="rate")["device"].to_list() == [None]
    assert Fraction(1, 4) == found.filter(effect="rate")["after"].item()
