"""Every setting behind a number belongs to one named part of the definitions, and none of presentation does."""

from __future__ import annotations

from typing import Any

import pytest

from analytics import PathRules
from reports.questions.definitions import (
    OF_RULES,
    OF_SETTINGS,
    OTHER,
    PRESENTATION,
    changed_definitions,
    definition_hashes,
)
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


def test_a_report_that_does_not_say_its_definitions_is_compared_with_none() -> None:
    assert changed_definitions({}, {"definition": {"goal": "a"}}) is None
