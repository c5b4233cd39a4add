"""Targets of journeys: cohorts against the oracle, status, course, notes, and small or hostile shapes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import (
    Goal,
    JourneyNote,
    JourneyProduct,
    PathRules,
    Paths,
    Segment,
    Step,
    Target,
    conformance,
    goal_rate,
    goal_target,
    judged_products,
    product_changes,
    product_cohorts,
    products,
    time_to_goal,
    voice,
)
from analytics.segments.named.values import FirstTouch
from expectations.errors import DefinitionError
from tests.oracles.why import products as oracle
from tests.written import START, in_parts

ORDER = Goal(name="Order", steps=["buy"], horizon="7d")
RULES = PathRules(
    goal=["buy"],
    stages=[
        {"name": "Ad", "touchpoints": ["ad"]},
        {"name": "Look", "touchpoints": ["look"]},
        {"name": "Buy", "touchpoints": ["buy"]},
    ],
)
FIRST_DAY = START.date()
WEEKLY = [Target("goal_rate", at_least=0.5, period="week")]


def product(*targets: Target, **changed: Any) -> JourneyProduct:
    given = {"owner": "Mara", "goal": ORDER, "targets": targets or [Target("goal_rate", at_least=0.5)]}
    return JourneyProduct("First", **{**given, **changed})


def day(number: int) -> date:
    return FIRST_DAY + timedelta(days=number)


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 80), st.integers(0, 12)), max_size=40),
    st.sampled_from(["week", "month"]),
    st.integers(40, 130),
)
def test_cohorts_are_those_of_the_oracle(begun: list[tuple[int, int]], period: Any, end: int) -> None:
    """Each customer has one journey, which begins on a day and buys after so many days; from 10 on not at all."""
    begun = [each for each in begun if each[0] <= end]
    visits = {
        f"c{n}": f"look@{at}d" + (f" buy@{at + after}d" if 0 < after < 10 and at + after <= end else "")
        for n, (at, after) in enumerate(begun)
    }
    visits["last"] = f"look@{end}d"
    whole = Paths.from_text(visits, end=f"{end}d", rules=RULES)
    journeys = [(day(at), None, 0 < after <= 7 and at + after <= end) for at, after in begun] + [
        (day(end), None, False)
    ]
    expected = oracle.cohorts(journeys, period, 7, day(end))
    for paths in (whole, in_parts(whole, 7)):
        found = product_cohorts(paths, product(Target("goal_rate", at_least=0.5, period=period)), cohorts=60)
        rows = {row["cohort"].date(): row for row in found.iter_rows(named=True)}
        for start, (size, mature, won, over) in expected.items():
            row = rows[start]
            assert (row["journeys"], row["mature"], row["open"]) == (size, mature, size - mature)
            assert (row["status"] != "open") == over and row["counted"] == mature
            assert row["value"] == (won / mature if mature else None)
        assert sum(row["journeys"] for row in rows.values()) == len(journeys)


def test_every_measure_is_that_of_its_function_for_the_same_cohort() -> None:
    visits = {
        f"c{n}": f"ad@{n % 20}d look@{n % 20 + 1}d" + f" buy@{n % 20 + 2 + n % 3}d" * (n % 2)
        + f" tell@{n % 20 + 6}d[survey=csat,score={3 + n % 3}]"
        for n in range(80)
    }  # fmt: skip
    paths = Paths.from_text(visits, end="60d", rules=RULES)
    asked = product(
        Target("goal_rate", at_least=0.4),
        Target("median_time", at_most="4d"),
        Target("conformance", at_least=0.9),
        Target("csat", at_least=0.5),
        Target("nps", at_least=0.0),
        Target("ces", at_least=4),
        designed=["stage:Ad", "stage:Look", "stage:Buy"],
    )
    found = {row["measure"]: row for row in products(paths, asked).iter_rows(named=True)}
    rate = goal_target(paths, ORDER, at_least=0.4, window="7d").row(0, named=True)
    for name in ("mature", "value", "low", "high", "target", "direction", "status"):
        assert found["goal_rate"][name] == rate[name]
    assert goal_rate(paths, ORDER).row(0) == goal_rate(paths, window="7d").row(0)
    times = time_to_goal(paths, goal=ORDER).row(0, named=True)
    assert found["median_time"]["value"] == times["median_time"].total_seconds()
    assert found["median_time"]["counted"] == times["reached"] == 40
    path = conformance(paths, ["Ad", "Look", "Buy"], on="stage", collapse=True).row(0, named=True)
    assert (found["conformance"]["value"], found["conformance"]["low"]) == (
        path["mean_fitness"], path["mean_fitness_low"],
    )  # fmt: skip
    said = voice(paths, by=()).row(0, named=True)
    assert [found["csat"][name] for name in ("value", "low", "counted")] == [
        said[name] for name in ("csat", "csat_low", "csat_n")
    ]
    assert [found[name]["status"] for name in ("nps", "ces")] == ["too early", "too early"]
    assert [found[name]["value"] for name in ("nps", "ces")] == [None, None]


def test_only_journeys_of_members_that_begin_there_count() -> None:
    visits = {
        "ann": "ad@0d[device=phone] look@0d[device=phone] buy@1d[device=desk]",
        "bo": "look@0d[device=phone] ad@1d[device=phone]",
        "cy": "look@0d[device=desk] ad@0d[device=phone] buy@2d[device=desk]",
        "di": "look@2d[device=phone] look@20d[device=desk] buy@21d[device=desk] look@40d[device=phone]",
    }
    paths = Paths.from_text(visits, end="90d", rules=RULES)
    phones = Segment("Phones", FirstTouch("device", "phone"))

    def counted(**changed: Any) -> tuple[int, int]:
        table = product_cohorts(paths, product(**changed), cohorts=3)
        return int(table["journeys"].sum()), round(
            table.select(pl.col("value").fill_null(0) * pl.col("mature")).sum().item()
        )

    assert counted() == (5, 2)  # ann and cy; di buys after 19 days
    assert counted(members=phones) == (4, 1)
    assert counted(begins=Step("Ad", on="stage")) == (2, 2)
    assert counted(begins="ad") == (2, 2)
    assert counted(begins=Step(["look", "ad"])) == (5, 2)
    assert counted(begins="ad", members=phones) == (1, 1)
    with pytest.raises(DefinitionError, match="did you mean 'look'"):
        counted(begins="lok")
    with pytest.raises(DefinitionError, match="There is no stage"):
        counted(begins=Step("Nowhere", on="stage"))


def test_paths_without_journeys_have_one_for_each_customer() -> None:
    paths = Paths.from_text({"ann": "look@0d buy@40d", "bo": "look@1d buy@2d"}, end="90d")
    table = product_cohorts(paths, product())
    assert table.select("journeys", "mature", "value").row(0) == (2, 2, 0.5)


def test_no_touches_one_customer_and_strange_words() -> None:
    with pytest.raises(DefinitionError, match="end of data"):
        products(Paths.from_text({}), product())
    assert product_cohorts(Paths.from_text({}), []).is_empty() and products(Paths.from_text({}), []).is_empty()
    one = Paths.from_text({"it's": '"say ""look"@0d'.replace('""', "'")}, end="0d")
    found = products(one, product(Target("goal_rate", at_least=0.5), Target("csat", at_least=0.5)))
    assert found["status"].to_list() == ["too early"] * 2 and found["journeys"].to_list() == [0, 0]
    with pytest.raises(DefinitionError, match="Two journeys are called 'First'"):
        product_cohorts(one, [product(), product()])
    with pytest.raises(DefinitionError, match="No cohort"):
        product_cohorts(one, product(), cohorts=0)


def test_cohorts_are_of_the_time_zone_across_a_change_of_clocks() -> None:
    visits = {f"c{n}": f"look@{n}h" for n in range(24 * 120)}
    paths = Paths.from_text(visits, end="120d")
    table = product_cohorts(
        paths, product(Target("goal_rate", at_least=0.5, period="day")), timezone="Europe/Berlin", cohorts=120
    )
    sizes = dict(table.select(pl.col("cohort").dt.date(), "journeys").iter_rows())
    assert sizes[date(2024, 3, 31)] == 23 and sizes[date(2024, 4, 1)] == 24 and sizes[FIRST_DAY] == 23
    assert table["journeys"].sum() == 24 * 120


def weeks(
    *rates: float, size: int = 400, by: date | None = None, at_least: float = 0.5
) -> tuple[Paths, JourneyProduct]:
    """One cohort a week with these goal rates; data end when the last is over."""
    visits = {
        f"w{week}c{n}": f"look@{7 * week + n % 7}d" + (f" buy@{7 * week + n % 7 + 1}d" if n < rate * size else "")
        for week, rate in enumerate(rates)
        for n in range(size)
    }
    paths = Paths.from_text(visits, end=f"{7 * len(rates) + 7}d")
    return paths, product(Target("goal_rate", at_least=at_least, by=by, period="week"))


def test_a_journey_is_on_course_when_its_line_reaches_the_target_by_the_date() -> None:
    rising = [0.2, 0.1, 0.2, 0.24, 0.28, 0.32, 0.36]
    for by, on_course in ((day(7 * 14), True), (day(57), False)):
        paths, asked = weeks(*rising, by=by, at_least=0.6)
        found = products(paths, asked).row(0, named=True)
        assert found["status"] == "missed" and not found["overdue"]
        assert found["on_course"] is on_course and found["expected_low"] < found["expected"] < found["expected_high"]
        table = product_cohorts(paths, asked).filter(status="missed").tail(6)
        middle = [(start + timedelta(days=3.5)).timestamp() for start in table["cohort"]]
        errors = ((table["high"] - table["low"]) / 2).to_list()
        at = datetime(by.year, by.month, by.day, tzinfo=UTC).timestamp()
        assert found["expected"] == pytest.approx(oracle.line_at(middle, table["value"].to_list(), errors, at))
    for by, overdue in ((None, False), (day(3), True)):
        paths, asked = weeks(*rising, by=by)
        found = products(paths, asked).row(0, named=True)
        assert found["on_course"] is None and found["overdue"] is overdue
    paths, asked = weeks(0.9, 0.9, by=day(3))
    met = products(paths, asked).row(0, named=True)
    assert (met["status"], met["overdue"], met["on_course"]) == ("met", False, None)
    paths, asked = weeks(0.9, 0.6, 0.3, by=day(7 * 30))
    assert products(paths, asked)["expected"].item() == 0.0  # a share does not fall below


def test_a_value_that_was_told_otherwise_is_restated_and_other_digests_are_no_series() -> None:
    paths, asked = weeks(0.3, 0.4)
    table = product_cohorts(paths, asked)
    told = table.with_columns(
        pl.col("value") - 0.1, pl.lit(START).alias("at"), pl.col("cohort").dt.convert_time_zone("UTC")
    )
    assert products(paths, asked, history=told)["restated_from"].item() == pytest.approx(0.3)
    same = told.with_columns(table["value"], pl.lit(START + timedelta(days=1)).alias("at"))
    assert products(paths, asked, history=pl.concat([told, same]))["restated_from"].item() is None
    others = told.with_columns(pl.lit("other").alias("hash"))
    assert judged_products(table, paths.end_of_data, history=others)["restated_from"].item() is None
    assert table["hash"].n_unique() == 1
    for other in (
        product_cohorts(paths, asked, made_by="other rules"),
        product_cohorts(paths, asked, timezone="Asia/Tokyo"),
        product_cohorts(paths, product(*asked.targets, goal=Goal(name="Order", steps=["buy"], horizon="6d"))),
    ):
        assert other["hash"][0] != table["hash"][0]


def test_a_change_is_told_by_the_cohorts_before_and_after_it() -> None:
    paths, asked = weeks(0.3, 0.3, 0.5, 0.3)
    noted = product(
        *asked.targets, notes=[JourneyNote(day(15), "late"), JourneyNote(day(14), "form"), JourneyNote(day(60), "x")]
    )
    rows = product_changes(product_cohorts(paths, noted), noted).to_dicts()
    assert [row["what"] for row in rows] == ["form", "late", "x"]
    form, late, last = rows
    assert (form["before"].date(), form["after"].date()) == (day(7), day(14)) and form["clear"]
    assert form["difference"] == pytest.approx(0.2) and form["low"] < 0.2 < form["high"]
    assert (late["before"].date(), late["after"].date(), late["clear"]) == (day(7), day(21), False)
    assert last["after"] is None and last["difference"] is None and last["value_before"] == 0.3
    assert product_changes(product_cohorts(paths, asked), asked).is_empty()
