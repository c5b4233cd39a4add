"""The card of all routes to the goal says what its frame says, for hostile names and missing numbers, too."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl

from reports.charts.canvas import NARROW, PAPER
from reports.charts.lint import CARD_WIDTH, findings
from reports.pages.routes import credit_card, families_card
from reports.privacy.credit import CREDIT
from reports.privacy.goals import FAMILIES
from reports.settings import ReportSettings
from tests.reports import fixtures

USUAL: dict[str, Any] = {
    **{"family": "Helped by a person", "share_of_goals": 0.5, "goal_rate": 0.4, "goal_rate_low": 0.3},
    **{"goal_rate_high": 0.5, "median_time": timedelta(days=3), "median_touches": 7.5, "handoffs": 1.2, "effort": 3.4},
    **{"value_per_goal": 120.5, "csat": 0.8, "csat_low": 0.7, "csat_high": 0.9, "late_share": 0.4},
    "nearly_there": False,
}
LONG = "<b>alone</b>, “one” visit, and a name that never ends at all " * 3
NOTHING: dict[str, Any] = {**dict.fromkeys(USUAL), "family": LONG}


def frame(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), FAMILIES)


def test_the_card_names_the_family_that_brings_most_goals() -> None:
    part = families_card(fixtures.answers(families=frame(USUAL, NOTHING)), ReportSettings())
    assert part is not None and part.failure == "" and part.spec is not None and part.narrow is not None
    assert part.title.replace("\u202f", " ") == "50.0 % of goals come by “Helped by a person”"
    assert "Satisfied: CSAT 4 or 5" in part.subtitle and part.table is not None
    assert part.table.rows[0][:3] == ("Helped by a person", "50.0\u202f%", "40.0\u202f%")
    assert set(part.table.rows[1][1:]) == {"–"}
    for spec, room in ((part.spec, CARD_WIDTH[12]), (part.narrow, NARROW + 20), (part.paper_spec(), PAPER + 2)):
        found = [] if spec is None else findings(spec, room=room)
        assert spec is not None and not [one for one in found if not one.startswith("cut off: <b>alone")]


def test_what_no_family_has_is_in_no_column() -> None:
    bare = {**dict.fromkeys(USUAL), "family": "a", "goal_rate": 0.4, "share_of_goals": 0.0}
    part = families_card(fixtures.answers(families=frame(bare, {**bare, "family": "b"})), ReportSettings())
    assert part is not None and part.failure == "" and part.table is not None
    assert part.table.heads == ("Route", "Of goals", "Goal rate")
    assert part.title == "By which routes journeys reach the goal" and "Satisfied" not in part.subtitle


def test_a_family_without_a_rate_is_in_no_alternative_text() -> None:
    direct = {**dict.fromkeys(USUAL), "family": "direct", "share_of_goals": 0.6, "value_per_goal": 20.0}
    part = families_card(fixtures.answers(families=frame(direct, USUAL)), ReportSettings())
    assert part is not None and part.spec is not None
    assert part.title.replace("\u202f", " ") == "60.0 % of goals come with no touch before them"
    assert "direct" not in str(part.spec["description"]) and "Helped" in str(part.spec["description"])


def test_the_card_of_credit_names_its_marks_and_what_channels_cost() -> None:
    row: dict[str, Any] = {
        **{**dict.fromkeys(CREDIT), "channel": LONG, "last": 0.5, "linear": 0.4, "markov": 0.4, "markov_low": 0.3},
        **{"markov_high": 0.5, "effect": 0.1, "effect_low": 0.0, "effect_high": 0.2, "part": True, "rate_with": 0.3},
        **{"rate_without": 0.2, "cost": 1000.0, "cost_per_goal": 3.2, "return_on_cost": 12.0},
    }
    plain = {**row, "channel": "web", "cost": None, "cost_per_goal": None, "return_on_cost": None}
    for rows, has_costs in (([row, plain], True), ([plain, {**plain, "channel": "app"}], False)):
        part = credit_card(fixtures.answers(credit=pl.DataFrame(rows, CREDIT)), ReportSettings())
        assert part is not None and part.failure == "" and part.table is not None and part.spec is not None
        assert ("Cost a goal" in part.table.heads) is ("Costs are those" in part.method) is has_costs
        assert ("Cost a goal" in str(part.spec)) is has_costs and "Last touch" in str(part.narrow)
        assert "an experiment does." in part.subtitle and "○" not in part.subtitle
        for spec, room in ((part.spec, CARD_WIDTH[12]), (part.narrow, NARROW + 20), (part.paper_spec(), PAPER + 2)):
            assert spec is not None and not [f for f in findings(spec, room=room) if "<b>alone" not in f]


def test_without_families_there_is_no_card() -> None:
    assert families_card(fixtures.answers(), ReportSettings()) is None
