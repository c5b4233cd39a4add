"""Why a goal rate moved: the planted stage and device first, quiet data quiet, what is missing and withheld said."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

import polars as pl
import pytest

from analytics import Funnel, Goal, JourneyNote, PathRules, Paths, WatchRun, change, goal_change, why
from analytics.monitoring.watch import ALERTS, NOT_TESTED
from expectations.errors import DefinitionError
from tests.written import START

STAGES = [{"name": name, "touchpoints": [name.lower()]} for name in ("Ad", "Look", "Cart", "Buy")]
RULES = PathRules(goal=["buy"], stages=STAGES)
GOAL = Goal(name="Order", steps=["buy"])
WEEK = (date(2024, 1, 15), date(2024, 1, 22))
QUIET = WatchRun(tested_until=datetime(2024, 2, 10, tzinfo=UTC), tests=100)


@cache
def shop(fallen: float = 0.8, size: int = 300, error: bool = False) -> Paths:
    """Three weeks of both devices; of phones with a cart in the third this share buys. Errors stop who meets them."""
    visits = {}
    for week in range(3):
        for device in ("phone", "desk"):
            rate = fallen if (week, device) == (2, "phone") else 0.8
            for n in range(size):
                day, kept = 7 * week + n % 7, f"[device={device},plan={'ab'[n % 2]}]"
                depth = 4 if n % 10 < 10 * rate else 3
                met = error and week == 2 and n % 4 == 0
                depth = 3 if met and n % 16 else depth
                names = [
                    *("ad", "look", "cart", "buy")[:3],
                    *(["oops"] if met else []),
                    *(["buy"] if depth == 4 else []),
                ]
                names = ["oops", *names] if error and week < 2 and n % 4 == 0 else names
                if met:
                    names.remove("oops")
                    names.insert(2, "oops")
                visits[f"{week} {device} {n}"] = " ".join(f"{name}@{day}.{k}d{kept}" for k, name in enumerate(names))
    return Paths.from_text(visits, end="60d", rules=RULES)


def asked(paths: Paths, **options: Any) -> pl.DataFrame:
    return why(paths, GOAL, **{"period": WEEK, "against": 2, "watched": QUIET, **options})


def kinds(answer: pl.DataFrame) -> list[str]:
    return answer["kind"].to_list()


def only(answer: pl.DataFrame, kind: str) -> Mapping[str, Any]:
    return answer.filter(kind=kind).row(0, named=True)


def test_a_planted_fall_is_told_first_with_its_stage_and_device() -> None:
    answer = asked(shop(0.3))
    assert kinds(answer)[:3] == ["change", "step", "segment"]
    step, segment = only(answer, "step"), only(answer, "segment")
    assert (step["name"], step["by"], step["group"]) == ("Order", "device", ["phone"])
    assert (segment["effect"], segment["by"], segment["group"]) == ("rate", "device", ["phone"])
    assert step["high"] < 0 and segment["high"] < 0
    whole = goal_change(shop(0.3), GOAL, before=(date(2024, 1, 1), WEEK[0]), after=WEEK, by="*")
    assert only(answer, "change")["difference"] == whole["contribution"][0]
    assert answer.filter(kind="unchanged", source="goal_change")["name"].to_list() == ["plan"]
    given = why(shop(0.3), GOAL, before=(date(2024, 1, 1), WEEK[0]), after=WEEK, watched=QUIET)
    assert given.equals(answer)


def test_quiet_data_say_that_nothing_moved_and_what_was_looked_at() -> None:
    answer = asked(shop())
    assert not only(answer, "change")["clear"]
    assert kinds(answer) == ["change", *["unchanged"] * 4]
    assert answer.filter(kind="unchanged")["source", "name"].rows() == [
        ("drivers", "Order"), ("goal_change", "device"), ("goal_change", "plan"), ("watch", None),
    ]  # fmt: skip


def test_what_is_met_before_the_stage_is_a_driver_if_it_stops_more_than_before() -> None:
    driver = only(asked(shop(error=True)), "driver")
    assert (driver["name"], driver["by"], driver["group"]) == ("Order", "met:oops", ["yes"])
    assert driver["low"] > 0 and driver["difference"] == driver["after"] - driver["before"]


def test_notes_and_data_of_these_days_are_told_and_no_others() -> None:
    def at(number: int) -> datetime:
        return START.replace(tzinfo=UTC) + timedelta(days=number)

    alert = {**dict.fromkeys(ALERTS), "rule": "unusual", "measure": "pair", "p_corrected": 0.001}
    alerts = [
        {**alert, "alert": "now", "since": at(15), "until": at(16), "seen": 10, "of": 40, "expected": 0.5},
        {**alert, "alert": "dear", "since": at(20), "until": at(30), "goals_at_stake_low": 9.0},
        {**alert, "alert": "then", "since": at(3), "until": at(4)},
        {**alert, "alert": "gone", "rule": "missing", "name": "web", "since": at(4), "until": at(5)},
    ]
    run = WatchRun(
        pl.DataFrame(alerts, schema=ALERTS, orient="row"),
        pl.DataFrame([("shop", at(40), at(41), "late")], schema=NOT_TESTED, orient="row"),
        tested_until=at(50), tests=9, unwatched=("page",),
    )  # fmt: skip
    notes = [JourneyNote(date(2024, 1, day), f"day {day}") for day in (1, 16, 10, 25)]
    answer = asked(shop(), watched=run, notes=notes, lateness={"web": timedelta(days=30)}, window="30d")
    assert answer.filter(kind="incident")["name"].to_list() == ["dear", "now"]
    assert answer.filter(kind="incident", name="now")["after", "difference"].row(0) == (0.25, -0.25)
    assert answer.filter(kind="note")["name"].to_list() == ["day 10", "day 16"]
    assert answer.filter(kind="data")["source", "name"].rows() == [("watch", "web")]
    assert answer.filter(kind="not_tested", source="watch")["name"].to_list() == ["page"]
    late = asked(shop(), lateness={"web": timedelta(days=7)}, window="30d", period=(WEEK[0], date(2024, 1, 30)))
    assert only(late, "data")["until"] == at(29 + 30 + 7)


def test_few_customers_are_withheld_and_counted() -> None:
    answer = asked(shop(0.3), least=10_000)
    assert kinds(answer)[0] == "change" and "segment" not in kinds(answer)
    assert answer.filter(kind="withheld", source="goal_change")["customers_after"].to_list() == [4]
    few = asked(shop(size=9))
    assert only(few, "too_few")["customers_after"] == 4 and only(few, "change")["low"] is None


def test_shapes_that_say_nothing_are_answered() -> None:
    assert asked(Paths.from_text({})).is_empty()
    bare = Paths.from_text({f"c{n}": f"look@{n % 14 + 8}d" + " buy@22d" * (n % 3) for n in range(90)}, end="60d")
    answer = why(bare, "buy", period=WEEK, against=1)
    assert kinds(answer)[0] == "change" and only(answer, "change")["name"] == "buy"
    two = Paths.from_text({"ann": "look@1d buy@2d", "bo": "look@15d buy@15d"}, end="60d")
    assert {*kinds(why(two, "buy", period=WEEK, against=2))} == {"change", "not_tested"}


def test_what_cannot_be_asked_is_refused() -> None:
    for options, words in (
        ({"period": None}, "Two periods"),
        ({"against": 0}, "compared with others"),
        ({"period": (date(2024, 5, 6), date(2024, 5, 13))}, "behind the end of the data"),
        ({"period": (date(2024, 2, 19), date(2024, 2, 26))}, "window is not over"),
        ({"period": (date(2024, 1, 22), date(2024, 1, 29)), "window": "7d"}, "No journey begins in the period after"),
        ({"by": "colour"}, "colour"),
        ({"period": ("2024-01-01",)}, "is no period"),
    ):
        with pytest.raises(DefinitionError, match=words):
            asked(shop(), **options)
    with pytest.raises(DefinitionError, match=r"(?s)No touchpoint is called 'by'.*buy"):
        why(shop(), "by", period=WEEK)


def test_a_funnel_is_told_by_its_steps_as_change_and_drivers_say() -> None:
    checkout = Funnel(["look", "cart", "buy"], window="7d", by="plan")
    answer = why(shop(0.3), checkout, period=WEEK, against=2, watched=QUIET)
    whole = change(shop(0.3), checkout, before=(date(2024, 1, 1), WEEK[0]), after=WEEK, by=["device", "plan"])
    assert kinds(answer)[:3] == ["change", "step", "segment"]
    moved, step, segment = (only(answer, kind) for kind in ("change", "step", "segment"))
    assert (moved["name"], moved["difference"]) == ("look → cart → buy", whole["contribution"][0])
    assert (step["name"], step["by"]) == ("buy", None) and step["high"] < 0
    assert (segment["name"], segment["by"], segment["group"], segment["effect"]) == ("buy", "device", ["phone"], "rate")
    part = whole.filter(effect="rate", device="phone", step=3)["contribution"].item()
    assert (segment["source"], segment["difference"]) == ("change", part)
    assert answer.filter(kind="unchanged", source="change")["name"].to_list() == ["plan"]
    assert answer.filter(kind="unchanged", source="drivers")["name"].to_list() == ["buy"]


def test_a_funnel_that_drivers_cannot_count_says_so_and_what_is_no_funnel_is_refused() -> None:
    journeys = Funnel(["cart", "buy"], window="7d", count="journeys")
    answer = why(shop(0.3), journeys, period=WEEK, against=2, watched=QUIET)
    assert answer.filter(kind="not_tested", source="drivers")["name"].to_list() == ["buy"]
    checkout = Funnel(["cart", "buy"], window="7d")
    with pytest.raises(DefinitionError, match="no stages"):
        why(shop(0.3), checkout, period=WEEK, stages=["Cart"], watched=QUIET)
    with pytest.raises(DefinitionError, match="window is not over"):
        why(shop(0.3), checkout, period=WEEK, window="60d", watched=QUIET)
    with pytest.raises(DefinitionError, match="no conversion"):
        why(shop(0.3), Funnel(["cart"]), period=WEEK, watched=QUIET)
    with pytest.raises(DefinitionError, match="Nobody enters"):
        why(shop(0.3), checkout, before=(date(2023, 1, 1), date(2023, 1, 8)), after=WEEK, watched=QUIET)
    assert why(Paths.from_text({}), checkout, period=WEEK).is_empty()
