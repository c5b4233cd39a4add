"""Cards of targets: whether each is met, cohort by cohort, what moved; nothing without journeys."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from analytics import Goal, JourneyNote, JourneyProduct, PathRules, Paths, Target
from reports.charts import lint
from reports.charts.canvas import PAPER
from reports.pages import targets
from reports.pages.cards import Part
from reports.pages.change import change_page
from reports.pages.summary import summary_page
from reports.privacy.steps import Steps
from reports.questions.answers import Answers, OwnedDefinition
from reports.questions.products import Products, targets_of
from reports.settings import ReportSettings
from tests.reports import fixtures

HOSTILE = '</script><b onclick="x">“First” order ' + "long " * 12
RULES = PathRules(
    goal=["buy"],
    stages=[{"name": "Look", "touchpoints": ["look"]}, {"name": "Buy", "touchpoints": ["buy"]}],
)
SETTINGS = ReportSettings(window="7d")


def shop(days: int = 70, fall: int = 28) -> Paths:
    """Sixteen customers a day look, on either device; one in three buys, from the day of the `fall` on half as many."""
    visits = {}
    for number in range(days * 16):
        day, device = number // 16, ("phone", "desk")[number % 2]
        buys = number % 3 == 0 and (day < fall or number % 6 == 0)
        visits[f"c{number}"] = f"look@{day}d[device={device}]" + f" buy@{day + 1}d[device={device}]" * buys
    return Paths.from_text(visits, end=f"{days}d", rules=RULES)


def journey(name: str = "First", **changed: Any) -> JourneyProduct:
    asked = [
        Target("goal_rate", at_least=0.3, period="week", by=date(2027, 1, 1)),
        Target("median_time", at_most="5d"),
        Target("csat", at_least=0.5),
    ]
    goal = Goal(name="Order", steps=["buy"], horizon="7d")
    return JourneyProduct(name, **{"owner": "Mara", "goal": goal, "targets": asked, **changed})


def answers_for(paths: Paths, *asked: JourneyProduct, **by: tuple[str, ...]) -> Answers:
    found = targets_of(paths, Products(asked, {each.name: by.get("by", ()) for each in asked}), SETTINGS, Steps(10))
    return replace(fixtures.answers(), targets=found)


def drawing_faults(card: Part) -> list[str]:
    """What lint finds in the charts of a card."""
    rooms = ((card.spec, lint.CARD_WIDTH[12]), (card.narrow, lint.PHONE_WIDTH), (card.paper_spec(), PAPER))
    assert all(spec is not None for spec, _ in rooms)
    return [fault for spec, room in rooms if spec is not None for fault in lint.findings(spec, "light", room)]


def test_without_journeys_nothing_is_shown() -> None:
    answers = fixtures.answers()
    assert targets.targets_card(answers, SETTINGS) is targets.cohorts_card(answers, SETTINGS) is None
    assert targets.causes_card(answers, SETTINGS) is targets.noted_card(answers) is None
    assert "targets" not in [part.id for part in summary_page(answers, SETTINGS).parts]
    assert answers_for(shop()).targets is None and answers_for(Paths.from_text({}), journey()).targets is None


def test_the_card_has_a_row_per_target_with_its_last_cohort_that_is_over() -> None:
    answers = answers_for(shop(), journey())
    card = targets.targets_card(answers, SETTINGS)
    assert card is not None and answers.targets is not None
    frame = card.frame.to_dicts()
    assert [(row["measure"], row["status"]) for row in frame] == [
        ("goal_rate", "missed"), ("median_time", "met"), ("csat", "too early"),
    ]  # fmt: skip
    assert card.title == "1 of 3 targets is missed"
    rate = frame[0]
    assert (rate["cohort"], rate["counted"]) == (date(2024, 2, 26), 112)
    assert rate["value"] == pytest.approx(1 / 6, abs=0.01)
    assert card.table is not None and card.table.rows[2][5] == "–"
    assert drawing_faults(card) == []


def test_cohorts_are_the_newest_first_and_say_what_was_restated() -> None:
    answers = answers_for(shop(), journey())
    card = targets.cohorts_card(answers, SETTINGS)
    assert card is not None and card.title == "The targets of the journeys, cohort by cohort"
    weeks = card.frame.filter(measure="goal_rate")
    assert weeks["cohort"].is_sorted(descending=True) and weeks["status"][0] == "open"
    told = {name: [str(v) if name == "cohort" else v for v in card.frame[name]] for name in card.frame.columns}
    over = told["status"].index("missed")
    told["value"][over] += 0.01
    before = {"pages": [{"parts": [{"id": "target-cohorts", "frame": told}]}]}
    again = targets.cohorts_card(replace(answers, last_report=before), SETTINGS)
    assert again is not None and again.title == "1 cohort was restated since the last report"
    assert again.frame["restated_from"].drop_nulls().to_list() == [told["value"][over]]


def test_what_moved_and_what_differs_after_a_change_are_on_change() -> None:
    noted = journey(notes=[JourneyNote(date(2024, 1, 29), "Half price over")])
    kept = noted.__dict__ | {"targets": [Target("goal_rate", at_least=0.3, period="month")]}
    monthly = journey(**{name: kept[name] for name in ("targets", "notes")})
    answers = answers_for(shop(100, 60), monthly, by=("device",))
    page = change_page(answers, SETTINGS)
    assert page is not None
    parts = {part.id: part for part in page.parts}
    assert parts["target-causes"].title == "“First”: fewer reach the goal than the cohort before"
    total = parts["target-causes"].frame.row(0, named=True)
    cohorts = parts["target-cohorts"].frame.filter(status="missed")
    assert total["effect"] == "total" and total["after"] == cohorts["value"][0]
    assert parts["target-changes"].frame["what"].to_list() == ["Half price over"]


def test_hostile_names_are_text() -> None:
    asked = journey(HOSTILE, owner=HOSTILE, notes=[JourneyNote(date(2024, 1, 29), HOSTILE)])
    answers = replace(answers_for(shop(), asked), owned=(OwnedDefinition("journey", HOSTILE, 1),))
    for card in (
        targets.targets_card(answers, SETTINGS),
        targets.cohorts_card(answers, SETTINGS),
        targets.noted_card(answers),
    ):
        assert card is not None and card.failure == ""
    drawn = targets.targets_card(answers, SETTINGS)
    assert drawn is not None and [fault for fault in drawing_faults(drawn) if not fault.startswith("cut off")] == []
