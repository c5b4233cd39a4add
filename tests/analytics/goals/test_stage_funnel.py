"""The stage funnel counts journeys as its definition does, and does not change as data or the report grow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from analytics import MEASURES, PathRules, Paths, compare, goal_rate, stage_funnel, standing
from analytics.touches.rules import StageRule
from expectations.errors import DefinitionError
from tests.oracles.journeys import Touch, journeys_of
from tests.oracles.stages import funnel_of
from tests.written import START, at

STAGES = {"ad": "Know", "look": "Like", "cart": "Want", "buy": "Act", "receipt": "Act", "refer": "Love"}
ORDER = ("Know", "Like", "Want", "Act", "Love")
RULES = PathRules(
    goal=["buy"],
    stages=[StageRule(name=s, touchpoints=[n for n, own in STAGES.items() if own == s]) for s in ORDER],
    journey_gap=timedelta(days=10),
    after=[],
)
DAYS = [*range(9), 10, 12, 15, 20, 31, 40, 41]
touch = st.tuples(st.sampled_from("abcd"), st.sampled_from(DAYS), st.sampled_from([*STAGES, "look", "login"]))
touches = st.lists(touch, max_size=24)


def shop(rows: Sequence[Touch], end: float, rules: PathRules = RULES) -> Paths:
    frame = pl.DataFrame(
        [(who, START + timedelta(days=day), name, "web" if who in "ab" else None) for who, day, name in rows],
        schema={"customer": pl.String, "at": pl.Datetime("us", "UTC"), "touchpoint": pl.String, "channel": pl.String},
        orient="row",
    )
    return Paths.from_frame(frame, end_of_data=START + timedelta(days=end), rules=rules)


def text(visits: dict[str, str], end: str, **changes: Any) -> Paths:
    return Paths.from_text(visits, end=end, rules=RULES.model_copy(update=changes))


@settings(deadline=None, max_examples=150)
@given(touches, st.sampled_from([0, 1, 5, 30]), st.sampled_from([3, 10]))
def test_the_rows_are_those_of_a_walk_over_journeys(rows: list[Touch], later: int, window: int) -> None:
    end = max((day for _, day, _ in rows), default=0) + later
    found = journeys_of(rows, STAGES, ORDER, {"buy"}, 10, end)
    staged = STAGES if any(name in STAGES for *_, name in rows) else {}
    expected, direct, late, in_order = funnel_of(rows, found, staged, ORDER[:3], ORDER[3:], {"buy"}, window, end)
    table = stage_funnel(shop(rows, end), window=timedelta(days=window))
    assert table["name"].to_list() == [*ORDER[:3], "goal"]
    for told, own in zip(table.rows(named=True), expected, strict=True):
        wait = None if own.median_wait is None else timedelta(days=own.median_wait)
        assert {name: told[name] for name in vars(own)} == vars(own) | {"median_wait": wait}
        assert (told["direct"], told["late"], told["skipped"]) == (direct, late, own.reached - own.touched)
    assert table["all_stages"].to_list() == [None, None, None, in_order]


@settings(deadline=None, max_examples=60)
@given(touches, st.sampled_from([3, 10]))
def test_an_earlier_end_of_data_does_not_change_the_answer_for_journeys_mature_at_both(
    rows: list[Touch], window: int
) -> None:
    early, length = 25, timedelta(days=window)
    seen = [touch for touch in rows if touch[1] <= early]
    counted = {"window": length, "end": START + timedelta(days=early) - length + timedelta(microseconds=1)}
    then, now = (stage_funnel(shop(own, end), **counted) for own, end in ((seen, early), (rows, 60)))
    same = ["entered", "reached", "touched", "customers", "median_wait", "waits", "backward"]
    if any(name in STAGES for *_, name in seen):  # else any touch began a journey then
        assert then.select(same).equals(now.select(same))


@settings(deadline=None, max_examples=60)
@given(touches, st.sampled_from([0, 30]))
def test_the_goal_touches_add_up(rows: list[Touch], later: int) -> None:
    end = max((day for _, day, _ in rows), default=0) + later
    paths = shop(rows, end)
    goal = stage_funnel(paths, window="3d").row(-1, named=True)
    young = journeys_of(rows, STAGES, ORDER, {"buy"}, 10, end)
    converted = [j for j in young if j.outcome == "converted" and not j.direct]
    not_mature = sum(min(rows[row][1] for row in j.touches) + 3 > end for j in converted)
    further = sum(sum(rows[row][2] == "buy" for row in j.touches) - 1 for j in young if j.outcome == "converted")
    bought = sum(name == "buy" for *_, name in rows)
    assert goal["reached"] + goal["late"] + not_mature + goal["direct"] + further == bought


def test_a_rate_does_not_change_when_the_range_grows_over_alike_journeys() -> None:
    visits = {f"c{day}": f"look@{day}d buy@{day + 1}d" if day % 2 else f"look@{day}d" for day in range(40)}
    rates = {
        stage_funnel(text(visits, "90d"), end=at(end)).row(-1, named=True)["share_of_entered"]
        for end in ("10d", "20d", "40d")
    }
    assert rates == {0.5}


@settings(deadline=None, max_examples=40)
@given(touches, st.lists(st.sampled_from([*MEASURES["stage_funnel"].analysis.SCHEMA]), min_size=1, unique=True))
def test_named_columns_are_those_of_the_whole_answer(rows: list[Touch], columns: list[str]) -> None:
    paths = shop(rows, 60)
    for asked in (
        {"by": "channel", "period": "week"},
        {"with_open": True},
        {"by": "channel", "start": date(2024, 1, 4)},
    ):
        whole = stage_funnel(paths, window="5d", **asked)
        keys = [*([asked["by"]] if "by" in asked else []), *dict.fromkeys(["is_total", "period", "step", *columns])]
        assert_frame_equal(stage_funnel(paths, window="5d", columns=columns, **asked), whole.select(keys))


def test_an_unknown_column_of_the_answer_is_refused() -> None:
    with pytest.raises(DefinitionError, match="column"):
        stage_funnel(shop([("a", 0, "ad")], 60), columns=["reech"])


def test_groups_are_of_the_beginning_and_unknown_is_a_group_of_its_own() -> None:
    table = stage_funnel(shop([("a", 0, "ad"), ("c", 0, "ad"), ("c", 1, "buy")], 60), by="channel")
    assert table.filter(kind="goal")["channel", "is_total", "entered", "reached"].rows() == [
        (None, True, 2, 1),
        ("web", False, 1, 0),
        (None, False, 1, 1),
    ]


def test_periods_are_those_in_which_journeys_begin_by_the_clock_of_the_zone() -> None:
    paths = text({"ann": "ad@0h buy@50h", "bo": "ad@23.5h", "cy": "ad@59d"}, "60d")
    table = stage_funnel(paths, period="day", timezone="Europe/Oslo").filter(kind="goal")
    assert table["period", "entered", "reached", "open"].rows() == [
        (at("0h") - timedelta(hours=1), 1, 1, 0),
        (at("23h"), 1, 0, 0),
        (at("59d") - timedelta(hours=1), 0, 0, 0),
    ]


ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia")
CHANGES = [datetime(*day, tzinfo=UTC) for day in ((2024, 3, 9), (2024, 3, 30), (2024, 10, 26), (2011, 12, 29))]
BEGUN = st.lists(st.tuples(st.sampled_from(CHANGES), st.integers(0, 400)), min_size=1, max_size=12)


@settings(deadline=None, max_examples=60)
@given(BEGUN, st.sampled_from(ZONES), st.sampled_from(["day", "week", "month"]))
def test_journeys_belong_to_the_local_period_in_which_they_begin(
    begun: list[tuple[datetime, int]], zone: str, period: str
) -> None:
    starts = [change + timedelta(minutes=37 * steps) for change, steps in begun]
    frame = pl.DataFrame({"customer": [f"c{i}" for i in range(len(starts))], "at": starts, "touchpoint": "ad"})
    paths = Paths.from_frame(frame, end_of_data=START + timedelta(days=800), rules=RULES)
    table = stage_funnel(paths, window="3d", period=period, timezone=zone).filter(kind="goal")  # type: ignore[arg-type]
    days = [start.astimezone(ZoneInfo(zone)).date() for start in starts]
    back = {"day": lambda _: 0, "week": date.weekday, "month": lambda day: day.day - 1}[period]
    expected = Counter(day - timedelta(days=back(day)) for day in days)
    assert dict(zip(table["period"].dt.date(), table["entered"], strict=True)) == expected
    last = max(days)
    ranged = stage_funnel(paths, window="3d", start=last, timezone=zone), stage_funnel(paths, end=last, timezone=zone)
    assert [each["entered"][0] for each in ranged] == [days.count(last), len(days) - days.count(last)]


def test_begin_counts_journeys_that_begin_in_a_stage() -> None:
    paths = text({"ann": "ad@0d buy@1d", "bo": "look@0d", "cy": "look@0d ad@0d"}, "60d")
    found = {stage: stage_funnel(paths, begin=stage).row(-1, named=True) for stage in ("Know", "Like")}
    assert [(row["entered"], row["reached"]) for row in found.values()] == [(2, 1), (2, 0)]
    with pytest.raises(DefinitionError, match="no stage 'Buy'"):
        stage_funnel(paths, begin="Buy")


def test_the_value_is_of_the_goal_touches_of_journeys_that_reach_it() -> None:
    visits = {
        "ann": "ad@0d[price=1] buy@1d[price=2.5] buy@1d[price=3]",
        "bo": "ad@0d[price=9]",
        "cy": "buy@0d[price=7]",
    }
    goal = stage_funnel(text(visits, "60d"), value="price").row(-1, named=True)
    assert (goal["value"], goal["reached"], goal["direct"]) == (5.5, 1, 1)
    with pytest.raises(DefinitionError, match="cannot be added up"):
        stage_funnel(text(visits, "60d"), value="touchpoint")


def test_without_stages_there_is_the_goal_alone_and_every_touch_counts_as_staged() -> None:
    paths = text({"ann": "visit@0d buy@1d", "bo": "visit@0d", "cy": "buy@0d"}, "60d", stages=[])
    rows = stage_funnel(paths).rows(named=True)
    assert [(row["name"], row["entered"], row["reached"], row["direct"]) for row in rows] == [("goal", 2, 1, 1)]


def test_a_window_longer_than_the_journey_gap_is_refused() -> None:
    with pytest.raises(DefinitionError, match="longer than the journey gap"):
        stage_funnel(text({"ann": "ad@0d"}, "60d"), window="11d")
    assert stage_funnel(text({"ann": "ad@0d buy@9d"}, "9d")).row(-1, named=True)["entered"] == 0
    assert stage_funnel(text({"ann": "ad@0d buy@9d"}, "10d")).row(-1, named=True)["reached"] == 1


def test_paths_without_a_goal_or_an_order_of_stages_ask_for_them() -> None:
    plain = Paths.from_text({"ann": "ad@0d[stage=Know] buy@1d[stage=Act]"}, end="60d")
    with pytest.raises(DefinitionError, match="no goal"):
        stage_funnel(plain)
    with pytest.raises(DefinitionError, match="no order of stages"):
        stage_funnel(plain, goal="buy")
    assert stage_funnel(plain, ["Know", "Act"], "buy")["reached"].to_list() == [1, 1]


def test_nothing_gives_a_total_of_zeros() -> None:
    table = stage_funnel(text({}, "60d"))
    assert table["entered", "reached", "waits", "share_of_entered"].rows() == [(0, 0, 0, None)] * 4
    assert stage_funnel(text({"ann": "login@0d", "bo": "ad@0d"}, "60d").between(at("50d")))["entered"].sum() == 0


def test_groups_are_compared_at_every_row_after_the_first() -> None:
    visits = {f"p{i}": "ad@0d[device=phone] buy@1d[device=phone]" for i in range(9)}
    visits |= {f"d{i}": "ad@0d[device=desk]" for i in range(9)}
    table = compare(text(visits, "60d"), stage_funnel, group=pl.col("device") == "phone")
    assert table["step", "name", "count", "of", "count_other", "of_other"].rows() == [
        (2, "Like", 9, 9, 0, 9),
        (3, "Want", 9, 9, 0, 9),
        (4, "goal", 9, 9, 0, 9),
    ]


TEN = {f"c{n}": "look@50d" + (" buy@50.1d" if n % 2 else "") for n in range(10)}


@pytest.mark.parametrize(("window", "mature", "rate"), [("7d", 10, 0.5), ("10d", 10, 0.5), ("10.1d", 0, None)])
def test_the_quick_alone_make_no_goal_rate(window: str, mature: int, rate: float | None) -> None:
    for unit in ("customer", "journey"):
        if unit == "journey" and window == "10.1d":
            continue  # longer than the gap
        row = goal_rate(text(TEN, "60d"), unit=unit, window=window).row(0, named=True)
        assert (row["units"], row["mature"], row["open"], row["goal_rate"]) == (10, mature, 10 - mature, rate)


def test_the_goal_row_and_the_goal_rate_are_one_number() -> None:
    visits = {f"c{i}": f"look@{i}d cart@{i + 1}d" + (f" buy@{i + 2}d" if i % 3 else "") for i in range(30)}
    visits["direct"] = "buy@3d"
    paths = text(visits, "60d")
    goal, rate = stage_funnel(paths).row(-1, named=True), goal_rate(paths).row(0, named=True)
    assert (goal["entered"], goal["reached"], goal["direct"]) == (rate["mature"], rate["reached"], rate["direct"])
    assert goal["share_of_entered"] == rate["goal_rate"]
    assert goal["share_of_entered_low"] == rate["goal_rate_low"]


@pytest.mark.parametrize("ask", [stage_funnel, standing])
def test_a_stage_that_nothing_knows_is_refused_with_the_nearest_and_one_that_nobody_touched_is_not(ask: Any) -> None:
    paths = text({"ann": "visit@0d buy@1d", "bo": "visit@0d"}, "60d")
    with pytest.raises(DefinitionError, match=f"did you mean '{ORDER[-1]}'"):
        ask(paths, stages=[*ORDER[:-1], f"{ORDER[-1]}x"])
    assert ask(paths, stages=ORDER).columns
    assert stage_funnel(text({"ann": "visit@0d buy@1d"}, "60d", stages=[]), ["A"], "buy").height
