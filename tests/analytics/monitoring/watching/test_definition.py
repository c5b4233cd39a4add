"""What is asked to be watched is watched besides: by its own groups, periods and bounds, with its owner."""

from __future__ import annotations

from datetime import timedelta
from functools import cache

import numpy as np
import polars as pl
import pytest

from analytics import Funnel, Goal, Pair, Paths, Watch, WatchRun, check_watch, watch
from analytics.monitoring.watching.targets import Cases, missed_targets
from expectations.errors import DefinitionError
from tests.analytics.monitoring.test_watch import day, fallen, shop

DAY = timedelta(days=1)
SIGN = Pair("quote", "sign", DAY)


@cache
def asked() -> WatchRun:
    return watch(
        shop(1, fall=(50, 55)),
        [
            Watch("Signed", Funnel(["apply", "quote", "sign"], window="1d"), by=["device"], owner="Mara"),
            Watch("Phones", SIGN, only=("device", "phone"), rule="target", target=0.55, periods=4),
            Watch("By week", SIGN, only=("device", "phone"), period="week"),
            Watch("Calls", "touchpoint:sign", by=["device"], direction="up"),
        ],
    )


def test_a_watch_is_told_in_the_incident_that_it_is_of_with_its_owner() -> None:
    (row,) = asked().alerts.filter(rule="unusual", period="day").to_dicts()
    own = fallen().alerts.row(0, named=True)
    assert [row[name] for name in ("group", "since", "until")] == [own[name] for name in ("group", "since", "until")]
    assert (row["watches"], row["owners"]) == (["Signed"], ["Mara"])
    assert own["watches"] == own["owners"] == []


def test_a_watch_of_weeks_is_told_by_its_week_and_what_is_watched_anyway_is_not() -> None:
    (row,) = asked().alerts.filter(period="week").to_dicts()
    assert (row["watches"], row["since"], row["group"]) == (["By week"], day(49), "phone")
    assert row["since"] <= day(50) <= row["until"] + timedelta(days=6)


def test_a_target_is_missed_while_the_interval_of_its_last_periods_is_below_it() -> None:
    (row,) = asked().alerts.filter(rule="below target").to_dicts()
    assert (row["watches"], row["by"], row["group"], row["expected"]) == (["Phones"], "device", "phone", 0.55)
    assert day(46) <= row["since"] <= day(49)
    assert row["closed"] == row["until"] + 2 * DAY  # the window of the pair is a day
    assert row["at_stake"] == pytest.approx(0.55 * row["of"] - row["seen"])


def test_a_target_closes_and_few_cases_are_not_judged() -> None:
    of, count = np.full(12, 40.0), np.full(12, 30.0)
    count[4:7] = 4
    cases = Cases(of, count, of, of > 0)
    (missed,) = missed_targets(cases, 0.6, 1, "down")
    assert (missed.first, missed.last, missed.opened, missed.closed) == (4, 6, 4, 7)
    assert (missed.seen, missed.of) == (12, 120)
    assert missed.less == pytest.approx(
        (60.0, *(0.6 * 120 - 120 * end for end in reversed(cases.interval(np.arange(4, 7)))))
    )
    assert not [*missed_targets(Cases(of / 2, count / 2, of, of > 0), 0.6, 1, "down")]
    assert [one.rule for one in missed_targets(cases, 0.55, 1, "up")] == ["above target", "above target"]


def test_a_watch_takes_the_place_of_the_same_series_and_its_bounds_hold() -> None:
    paths = shop(1, fall=(50, 55))
    quiet = watch(paths, [Watch("Sign", Pair("quote", "sign", timedelta(hours=1)), by=["device"], direction="up")])
    assert fallen().alerts.filter(name="quote -> sign", by="device").height == 1
    assert quiet.alerts.filter(name="quote -> sign", by="device").is_empty()


def test_too_few_cases_are_told_and_no_touches_have_no_alerts() -> None:
    days = " ".join(f"look@{n}d buy@{n}d" for n in range(40))
    few = watch(Paths.from_text({"ann": days}), [Watch("Buy", Pair("look", "buy", DAY))])
    assert few.too_few == ("Buy",)
    assert watch(Paths.from_text({}), [Watch("Buy", Pair("look", "buy", DAY))]).alerts.is_empty()


def test_a_goal_is_watched_over_the_journeys_that_are_mature() -> None:
    visits = {f"c{n}": f"look@{n % 60}d" + f" call@{n % 60}d" * (n % 60 < 50) for n in range(3000)}
    goal = Goal(name="Called", steps=["call"], horizon="1d")
    run = watch(Paths.from_text(visits, end="62d"), [Watch("Calls", goal), Watch("Look", "touchpoint:look")])
    row = run.alerts.filter(pl.col("watches").list.contains("Calls")).row(0, named=True)
    assert (row["of"], row["expected"]) == (50 * (row["until"] - row["since"] + DAY).days, pytest.approx(1.0, abs=0.01))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Watch(" ", SIGN), "no name"),
        (lambda: Watch("A", "touchpont:x"), "No metric"),
        (lambda: Watch("A", SIGN, rule="runs"), "Unknown rule"),  # type: ignore[arg-type]
        (lambda: Watch("A", SIGN, rule="target"), "belong together"),
        (lambda: Watch("A", SIGN, target=0.5), "belong together"),
        (lambda: Watch("A", SIGN, rule="target", target=1.5), "target of a watch"),
        (lambda: Watch("A", "touchpoint:sign", rule="target", target=0.5), "is a share"),
        (lambda: Watch("A", SIGN, floor=0), "floor of a watch"),
        (lambda: Watch("A", SIGN, only=("device", "phone"), by=["device"]), "no others"),
        (lambda: Watch("A", Funnel(["a"])), "has steps"),
        (lambda: Watch("A", Funnel(["a", "b"], count="sessions")), "counts customers"),
        (lambda: Watch("A", "channel:site", by=["device"]), "in all"),
        (lambda: Watch("A", SIGN, periods=0), "over periods"),
    ],
)
def test_what_cannot_be_watched_is_refused(make: object, said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        make()  # type: ignore[operator]


@pytest.mark.parametrize(
    ("asked_for", "said"),
    [
        (Watch("A", Pair("quote", "sing", DAY)), "such as sign"),
        (Watch("A", SIGN, by=["devise"]), "device"),
        (Watch("A", SIGN, only=("device", "fone")), "phone"),
        (Watch("A", "survey:nps"), "survey"),
        (Watch("A", "slow pages"), "load_seconds"),
        (Watch("A", Funnel(["quote", "sing"])), "sign"),
        (Watch("A", Goal(name="G", steps=["sing"])), "sign"),
    ],
)
def test_words_that_no_touch_has_are_refused_with_the_nearest(asked_for: Watch, said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        check_watch(_shop(), asked_for)


@cache
def _shop() -> Paths:
    return shop(1, days=9)


def test_a_touchpoint_that_a_rule_names_may_come_later_and_two_names_are_refused() -> None:
    assert check_watch(_shop(), Watch("A", "touchpoint:crash"), known=["crash"])
    with pytest.raises(DefinitionError, match="Two watches"):
        watch(_shop(), [Watch("A", SIGN), Watch("A", SIGN)])
