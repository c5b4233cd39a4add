"""Each profile gives the numbers of its tool's worked cases, and a difference is explained rule by rule."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from analytics import Exclude, Funnel, Paths, Step, funnel, members
from analytics.profiles import PROFILES, explain_difference, read_as
from expectations.errors import DefinitionError
from tests.conforming.cases import paths_of
from tests.conforming.funnels import definition_of
from tests.journeys import paths

POSTHOG = ("ordered", "strict", "unordered", "exclusions")
FOLDER = Path(__file__).parents[1] / "conformance"


def cases(*files: str) -> list[dict[str, Any]]:
    return [case for file in files for case in json.loads((FOLDER / f"{file}.json").read_text())["cases"]]


def mode(params: dict[str, Any]) -> str:
    """The profile whose reading a windowFunnel case asks for."""
    if params.get("on_repeat_of_done_step"):
        return "clickhouse_strict_deduplication"
    if params.get("on_other_row"):
        return "clickhouse_strict_order"
    if params.get("time_between_steps"):
        return "clickhouse_strict_increase"
    return "clickhouse_strict_once" if params["row_reuse"] == "one_step_per_row" else "clickhouse"


@pytest.mark.parametrize(
    "case",
    cases("clickhouse_window_funnel", "clickhouse_live_random", "window_funnel_other_peers"),
    ids=lambda c: c["id"],
)
def test_window_funnel_cases(case: dict[str, Any]) -> None:
    asked = definition_of(case["params"])
    found = members(paths_of(case), read_as(Funnel(asked.steps, asked.window), mode(case["params"])))
    levels = dict.fromkeys((event["customer"] for event in case["events"]), 0)
    assert levels | dict(found.select("customer", "depth").rows()) == case["expected"]["levels"]


@pytest.mark.parametrize(
    "case",
    [c for c in cases(*(f"posthog_funnel_{kind}" for kind in POSTHOG)) if "counts" in c["expected"]],
    ids=lambda c: c["id"],
)
def test_posthog_cases(case: dict[str, Any]) -> None:
    asked = definition_of(case["params"])
    plain = Funnel(
        asked.steps,
        asked.window,
        order=asked.order,
        exclude=asked.exclude,
        count=asked.count,
        only=asked.only,
        start=asked.start,
        end=asked.end,
    )
    found = funnel(paths_of(case), read_as(plain, "posthog"))
    assert found["reached"].to_list() == case["expected"]["counts"]


def shop() -> Paths:
    return paths(
        {
            "young": "visit@95d pay@96d",
            "excluded": "visit@0d refund@1d visit@2d pay@3d",
            "tied": "pay@5d visit@5d",
            "plain": "visit@0d pay@1d",
        },
        end="100d",
    )


def test_every_difference_has_its_rule_and_its_customers() -> None:
    asked = Funnel(["visit", "pay"], "7d", exclude=Exclude("refund"), ties="sequence")
    table = explain_difference(shop(), asked, "posthog")
    by_rule = dict(table.select("rule", "customers").rows())
    assert by_rule == {"maturity": 1, "ties": 1, "attribution": 0, "exclude_effect": 0, "all together": 2}
    alone = table.filter(rule="ties").row(0, named=True)
    assert (alone["ours"], alone["theirs"], alone["alone"]) == ("sequence", "favourable", 1)


def test_a_reading_that_is_the_same_has_one_row() -> None:
    same = read_as(Funnel(["visit", "pay"], "7d"), "clickhouse")
    assert explain_difference(shop(), same, "clickhouse").rows() == [("all together", "", "clickhouse", 0, None)]


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_reads_a_plain_funnel(profile: str) -> None:
    asked = Funnel(["visit", "pay"], "7d", exclude="refund")
    assert explain_difference(shop(), asked, profile)["rule"][-1] == "all together"


def test_what_a_tool_has_no_words_for_is_refused() -> None:
    with pytest.raises(DefinitionError, match="step windows"):
        read_as(Funnel(["visit", Step("pay", within="1h")]), "clickhouse")
    with pytest.raises(DefinitionError, match="did you mean 'posthog'"):
        read_as(Funnel(["visit"]), "posthug")
