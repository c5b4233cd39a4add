"""The configuration files we ship are valid, and their names agree with each other."""

import re
import tomllib
from importlib.resources import files
from typing import Any

import pytest

from analytics import ContactSettings, Goal, MomentSettings, VoiceSettings
from analytics.touches.rules import PathRules
from expectations.config.durations import duration
from ingest.settings.ingest import IngestSettings
from reports.settings import ReportSettings

NAMES = ("shop", "completejourney")


def _template(name: str) -> dict[str, Any]:
    text = files("expectations").joinpath(f"templates/{name}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _named(contacts: dict[str, Any], moments: dict[str, Any]) -> list[str]:
    """The touchpoints that contacts and moments name."""
    intents = [ContactSettings.model_validate(contacts).touchpoints, MomentSettings.model_validate(moments).entries]
    rules = MomentSettings.model_validate(moments).intents
    return [word for each in (*intents, *(i.touchpoints + i.useful + i.unless for i in rules)) for word in each]


@pytest.mark.parametrize("name", NAMES)
def test_every_table_is_valid(name):
    template = _template(name)
    asked = {"contacts": ContactSettings, "moments": MomentSettings, "voice": VoiceSettings} if name == "shop" else {}
    assert set(template) == {"lake", "ingest", "paths", "goals", "report", *asked}
    for table, model in asked.items():
        model.model_validate(template[table])
    IngestSettings.model_validate(template["ingest"])
    PathRules.model_validate(template["paths"])
    ReportSettings.model_validate(template["report"])


def test_commented_out_settings_are_valid():
    text = files("expectations").joinpath("templates/shop.toml").read_text(encoding="utf-8")
    ingest = tomllib.loads(re.sub(r"(?m)^# (?=\[|[a-z_]+ = )", "", text))["ingest"]
    settings = IngestSettings.model_validate(ingest)
    assert settings.security.mechanism == "SCRAM-SHA-512" and settings.maintenance.every is not None
    assert settings.http_port and len(settings.streams) == 3


@pytest.mark.parametrize("name", NAMES)
def test_stages_and_goals_name_touchpoints_that_rules_make(name):
    paths = PathRules.model_validate(_template(name)["paths"])
    made = {rule.name for rule in paths.touchpoints}
    staged = [touchpoint for stage in paths.stages for touchpoint in stage.touchpoints]
    assert set(staged) | set(paths.goal) <= made
    goals = [Goal.model_validate(goal) for goal in _template(name)["goals"]]
    assert {*goals[0].steps} == {*paths.goal}
    assert {step for goal in goals for step in goal.touchpoints} <= made
    assert set(_named(_template(name).get("contacts", {}), _template(name).get("moments", {}))) <= made
    assert len(staged) == len(set(staged))
    assert [stage.name for stage in paths.stages] == ["Awareness", "Interest", "Desire", "Action"]


@pytest.mark.parametrize("name", NAMES)
def test_segments_are_columns_of_a_touch_and_every_stage_has_a_goal(name):
    template = _template(name)
    paths = PathRules.model_validate(template["paths"])
    report = ReportSettings.model_validate(template["report"])
    assert set(report.segments) <= {*paths.attributes, *paths.context, "channel"}
    assert set(report.segment_names) <= set(report.segments)
    assert set(report.stage_goals) == {stage.name for stage in paths.stages}


@pytest.mark.parametrize("name", NAMES)
def test_the_goal_is_awaited_no_longer_than_the_journey_gap(name):
    template = _template(name)
    gap, window = PathRules.model_validate(template["paths"]).journey_gap, template["report"].get("window")
    assert window is None or duration(window) <= gap
