"""Every setting behind a number belongs to one named part of the definitions, and none of presentation does."""

from __future__ import annotations

from typing import Any

import pytest

from analytics import Goal, PathRules, Paths, Theme
from analytics.experience.texts.landed_texts import texts_of
from reports.questions.definitions import (
    OF_RULES,
    OF_SETTINGS,
    OTHER,
    PRESENTATION,
    Asked,
    asked_hashes,
    changed_definitions,
    definition_hashes,
)
from reports.questions.people.asked import PeopleSettings, Spoken
from reports.settings import ReportSettings


def test_every_setting_belongs_to_exactly_one_part() -> None:
    of_rules = [name for names in OF_RULES.values() for name in names]
    of_settings = [*(name for names in OF_SETTINGS.values() for name in names), *PRESENTATION]
    assert sorted(of_rules) == sorted(PathRules().model_dump())
    assert sorted(of_settings) == sorted(ReportSettings().model_dump())
    assert OTHER not in definition_hashes(ReportSettings(), PathRules())


@pytest.mark.parametrize(
    ("settings", "rules", "changed"),
    [
        ({"title": "Another", "pages": ("summary",), "keep": 3}, {}, []),
        ({"window": "7d"}, {}, ["window"]),
        ({"first_day": "2026-01-01"}, {}, ["days"]),
        ({"k": 20}, {"goal": ["paid"]}, ["goal", "least counts"]),
        ({}, {"journey_gap": "7d"}, ["journeys"]),
        ({}, {"identities": {"max_degree": 3}}, ["identity rules"]),
        ({}, {"identities": {"warn_events": 3}}, []),
        ({}, {"objected": ["customer_id:ann"]}, []),
    ],
)
def test_the_definition_that_changed_is_named(
    settings: dict[str, Any], rules: dict[str, Any], changed: list[str]
) -> None:
    usual = {"definition": definition_hashes(ReportSettings(), PathRules())}
    other = {"definition": definition_hashes(ReportSettings(**settings), PathRules(**rules))}
    assert changed_definitions(usual, other) == changed


def test_who_is_responsible_for_a_goal_changes_no_definition_but_what_the_report_says() -> None:
    asked = [Asked((Goal(name="Order", steps=("buy",), owner=owner, says="Paid"),)) for owner in ("Mara", "Ben")]
    one, other = (definition_hashes(ReportSettings(), PathRules(), each.goals) for each in asked)
    assert one == other
    here, there = (asked_hashes(each, ReportSettings()) for each in asked)
    assert [name for name in here if here[name] != there[name]] == ["owners"]


def test_words_that_land_later_are_no_other_question() -> None:
    def spoken(*texts: str, approved: tuple[str, ...] = ()) -> dict[str, str]:
        paths = Paths.from_text({f"c{n}": f'tell@1m[feedback_text="{text}"]' for n, text in enumerate(texts)})
        people = PeopleSettings(spoken=Spoken([Theme(name="Pay", any=["pay*"])], texts_of(paths), approved))
        return asked_hashes(Asked(people=people), ReportSettings())

    assert spoken("paying") == spoken("paying", "slow")
    assert spoken("paying") != spoken("paying", approved=("q1",))


def test_a_report_that_does_not_say_its_definitions_is_compared_with_none() -> None:
    assert changed_definitions({}, {"definition": {"goal": "a"}}) is None
