"""Each profile gives the numbers of its tool's worked cases, and a difference is explained rule by rule."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import Exclude, Funnel, Paths, Step, funnel, members
from analytics.funnels.other_tools import PROFILES, explain_difference, read_as
from expectations.errors import DefinitionError
from tests.oracles.conforming.cases import paths_of
from tests.oracles.conforming.funnels import definition_of
from tests.written import at, paths

POSTHOG = ("ordered", "strict", "unordered", "exclusions")
FOLDER = Path(__file__).parents[2] / "oracles" / "conforming" / "published"


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


SERVER = {"": 0, "once": 1, "increase": 2, "order": 3, "deduplication": 4}


@pytest.mark.parametrize(
    ("path", "levels"),
    [
        ("a@0m b@1m a@3m c@4m", (3, 3, 3, 3, 3)),
        ("a@0m b@1m b@2m c@4m", (3, 3, 3, 3, 2)),
        ("a@0m x@1m b@2m a@3m b@4m c@5m", (3, 3, 3, 1, 2)),
        ("a@0m b@1m c@1m", (3, 3, 2, 3, 3)),
    ],
)
def test_each_mode_finds_what_the_server_finds(path: str, levels: tuple[int, ...]) -> None:
    """Levels as windowFunnel of ClickHouse 26 gives them, in the order of `SERVER`."""
    for name, place in SERVER.items():
        profile = f"clickhouse_strict_{name}" if name else "clickhouse"
        found = members(paths({"ann": path}, end="9d"), read_as(Funnel(["a", "b", "c"], "1h"), profile))
        assert found["depth"].to_list() == [levels[place]], profile


def test_strictly_later_steps_keep_an_entry_that_the_server_forgets() -> None:
    """The server gets to 1 here, and to 2 with strict_once besides; the profile documents it."""
    asked = read_as(Funnel(["a", "b"], "1h"), "clickhouse_strict_increase")
    assert members(paths({"ann": "a@0m a@1m b@1m"}, end="9d"), asked)["depth"].to_list() == [2]
    assert any("forgets" in text for text in PROFILES["clickhouse_strict_increase"].deviations)


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


@pytest.mark.parametrize(
    ("path", "once", "optimized"),
    [
        ("A@13h A@810m B@825m C@855m", [1, 1, 0], [1, 1, 1]),
        ("A@0m A@90m B@100m C@101m", [1, 0, 0], [1, 1, 1]),
        ("A@0m A@50m B@70m", [1, 0, 0], [1, 1, 0]),
        ("A@0m B@1m F@2m C@3m", [1, 1, 1], [1, 1, 1]),
        ("A@0m B@1m D@2m", [1, 1, 0], [1, 1, 0]),
    ],
)
def test_mixpanel_starts_the_clock_once_or_at_every_entry(path: str, once: list[int], optimized: list[int]) -> None:
    """The worked cases of its documentation of the conversion window, of optimized re-entry, and of loose order."""
    asked = Funnel(["A", "B", "C"], "1h")
    for profile, counts in (("mixpanel", once), ("mixpanel_optimized_reentry", optimized)):
        found = funnel(paths({"ann": path}, end="400d"), read_as(asked, profile))
        assert found["reached"].to_list() == counts


def test_mixpanel_reports_the_first_conversion_from_its_newest_entry() -> None:
    asked = read_as(Funnel(["A", "B"], "1h"), "mixpanel_optimized_reentry")
    twice = members(paths({"ann": "A@0m B@1m A@5m B@9m"}, end="9d"), asked)
    assert twice["reached_at"].to_list() == [[at("0m"), at("1m")]]
    again = members(paths({"ann": "A@0m A@1m A@2m B@9m"}, end="9d"), asked)
    assert again["reached_at"].to_list() == [[at("2m"), at("9m")]]


def test_the_range_of_mixpanel_is_that_of_entries() -> None:
    asked = Funnel(["A", "B"], "3d", start=at("0d"), end=at("5d"))
    found = funnel(paths({"ann": "A@4d B@6d", "bo": "A@5d B@6d"}, end="6d"), read_as(asked, "mixpanel"))
    assert found["reached"].to_list() == [1, 1]


@pytest.mark.parametrize(
    ("steps", "counts"),
    [(["home", "cart", "pay"], [6, 4, 2]), (["home", "home"], [6, 0]), (["cart", "home", "cart"], [5, 2, 1])],
)
def test_retentioneering_counts(steps: list[str], counts: list[int]) -> None:
    """Counts that retentioneering 5.2.4 gives of these paths: no window, rows of one instant as they lie."""
    journeys = {
        "ann": "home@0d cart@1d pay@400d",
        "bo": "home@0d pay@1d cart@2d",
        "cy": "cart@0d home@1d cart@2d",
        "di": "home@0m",
        "ed": "home@1m cart@1m pay@1m",
        "fay": "pay@1m cart@1m home@1m",
        "gus": "look@0d",
    }
    found = funnel(paths(journeys, end="500d"), read_as(Funnel(steps, "1d"), "retentioneering"))
    assert found["reached"].to_list() == counts


def test_customers_who_convert_at_a_later_entry_are_explained_by_its_rule() -> None:
    shop = paths({"ann": "A@0m A@90m B@100m", "bo": "A@0m B@1m"}, end="9d")
    table = explain_difference(shop, Funnel(["A", "B"], "1h"), "mixpanel")
    assert dict(table.select("rule", "customers").rows()) == {"reentry": 1, "maturity": 0, "all together": 1}


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


def test_rules_that_are_valid_only_together_are_reported_together() -> None:
    asked = Funnel(["visit", "pay"], "7d", order="unordered", exclude="refund", exclude_effect="void_attempt")
    table = explain_difference(shop(), asked, "mixpanel")
    assert table["rule"].to_list() == ["reentry and maturity and exclude_effect", "all together"]
    assert table["ours"][0] == "True and mature and void_attempt"
    assert table["customers"].to_list() == [2, 2]


@pytest.mark.parametrize("profile", PROFILES)
def test_what_is_counted_is_kept_or_refused(profile: str) -> None:
    visits = paths({"ann": "visit@0d[v=1] visit@1d[v=2] visit@2d[v=3]"}, end="90d")
    for count in ("v", "sessions", "customers"):
        asked = read_as(Funnel(["visit"], "7d", count=count), profile)
        assert asked.count == count
    assert funnel(visits, read_as(Funnel(["visit"], "7d", count="v"), profile))["reached"].to_list() == [3]
    assert explain_difference(visits, Funnel(["visit"], "7d", count="v"), profile)["customers"][-1] == 0
    if profile == "mixpanel":
        return  # without another entry there are no attempts, which the funnel itself refuses
    if PROFILES[profile].attempts:
        assert read_as(Funnel(["visit"], "7d", count="entries"), profile).count == "entries"
    else:
        with pytest.raises(DefinitionError, match="no attempts"):
            read_as(Funnel(["visit"], "7d", count="entries"), profile)


def test_a_window_is_blamed_only_for_whom_it_changes() -> None:
    """100 customers, ten of whom take the second step after the window; all of them are mature."""
    people = {f"u{n}": "A@0d B@3d" if n < 10 else "A@0d" for n in range(100)}
    table = explain_difference(paths(people, end="60d"), Funnel(["A", "B"], "1d"), "retentioneering")
    assert dict(table.select("rule", "customers").rows()) == {
        "maturity": 0,
        "window": 10,
        "ties": 0,
        "all together": 10,
    }
    assert dict(table.select("rule", "alone").rows())["window"] is None


RANDOM = st.lists(
    st.lists(st.tuples(st.integers(0, 39), st.sampled_from("abx"), st.sampled_from("pq")), min_size=1, max_size=8),
    min_size=1,
    max_size=6,
)


@settings(deadline=None, max_examples=6)
@given(RANDOM, st.sampled_from(["ordered", "strict", "unordered"]), st.sampled_from(["end_attempt", "drop_customer"]))
@pytest.mark.parametrize("profile", PROFILES)
def test_the_rules_account_for_every_customer_that_differs(
    profile: str, people: list[list[tuple[int, str, str]]], order: Any, effect: Any
) -> None:
    """Who differs in the end differs at one rule at least; every option that is switched is named."""
    words = [" ".join(f"{name}@{hour}h[g={group}]" for hour, name, group in own) for own in people]
    store = paths({str(who): own for who, own in enumerate(words)}, end="40h")
    rules: dict[str, Any] = {"order": order, "exclude_effect": effect, "by": "g", "ties": "sequence"}
    ours = Funnel(["a", ["a", "b"]], "5h", exclude="x", **rules)
    theirs = read_as(ours, profile)
    results = [results_of(store, asked) for asked in (ours, theirs)]
    differ = sum(results[0].get(who) != results[1].get(who) for who in {*results[0], *results[1]})
    table = explain_difference(store, ours, profile)
    assert table["customers"][-1] == differ <= table["customers"][:-1].sum()
    named = " and ".join(table["rule"][:-1]).split(" and ")
    options = PROFILES[profile].options_for(ours)
    assert named == [rule for rule in options if getattr(ours, rule) != getattr(theirs, rule)]


def results_of(store: Paths, asked: Funnel) -> dict[Any, set[tuple[Any, ...]]]:
    rows = members(store, asked).filter((asked.maturity != "mature") | ~pl.col("is_open"))
    groups = rows.group_by("customer")
    return {who: {tuple(own) for own in group.select("depth", "g").rows()} for (who,), group in groups}


def test_equal_readings_give_one_row() -> None:
    same = read_as(Funnel(["visit", "pay"], "7d"), "clickhouse")
    assert explain_difference(shop(), same, "clickhouse").rows() == [("all together", "", "clickhouse", 0, None)]


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_reads_a_plain_funnel(profile: str) -> None:
    asked = Funnel(["visit", "pay"], "7d", exclude="refund")
    assert explain_difference(shop(), asked, profile)["rule"][-1] == "all together"


def test_rules_that_a_tool_lacks_raise_an_error() -> None:
    with pytest.raises(DefinitionError, match="step windows"):
        read_as(Funnel(["visit", Step("pay", within="1h")]), "clickhouse")
    with pytest.raises(DefinitionError, match="only plain steps"):
        read_as(Funnel(["visit", Step("pay", optional=True)]), "retentioneering")
    with pytest.raises(DefinitionError, match="did you mean 'posthog'"):
        read_as(Funnel(["visit"]), "posthug")
