"""No sentence and no number of a persona tells of few customers, directly or as the rest of a sum."""

from __future__ import annotations

from typing import Any

from reports.privacy.people.personas import personas_in_steps, publishable_personas
from reports.privacy.steps import Steps

TOTALS = {("region", "North"): (900, 2000)}


def card(name: str, customers: int = 1000, **changed: Any) -> dict[str, Any]:
    rates = {"mature": customers, "reached": customers // 4, "goal_rate": 0.25, "goal_rate_low": 0.2}
    against = {"others_goal_rate": 0.3, "goal_rate_difference": -0.05}
    ends = {"goal_rate_difference_low": -0.1, "goal_rate_difference_high": -0.01}
    shares = {"share": 0.5, "share_low": 0.4, "share_high": 0.6, "share_of_goals": 0.5, "share_of_value": 0.5}
    told = {"traits": [], "attributes": [], "pains": [], "path": None}
    beside = {"withheld_steps": set(), "attribute_totals": TOTALS}
    own = {"persona": name, "id": name, "customers": customers, "goal_rate_high": 0.3}
    return own | rates | against | ends | shares | told | beside | changed


def journeys(customers: int = 1000, reached: int = 250, largest: float = 5.0) -> dict[str, Any]:
    counts = {"customers": customers, "customers_reached": reached, "customers_lost": customers - reached}
    return {**counts, "value": 100.0, "largest_value": largest}


def published(cards: list[dict[str, Any]], own: dict[str | None, dict[str, Any]], **apart: int) -> Any:
    reasons = {name.replace("_", " "): n for name, n in apart.items()}
    everybody = sum(one["customers"] for one in cards) + sum(reasons.values())
    return publishable_personas(cards, reasons, own, everybody, k=10, least=30)


def test_a_small_group_of_those_who_reached_the_goal_takes_a_second_with_it() -> None:
    cards = [card("A"), card("B"), card("C")]
    rows, _ = published(cards, {"A": journeys(), "B": journeys(reached=4), "C": journeys(), None: journeys()})
    assert [row["goal_rate"] for row in rows] == [None, None, 0.25]
    assert all(row["mature"] is row["share_of_goals"] is row["others_goal_rate"] is None for row in rows[:2])
    assert [row["state"] for row in rows] == ["withheld", "withheld", "shown"] and rows[0]["customers"] == 1000


def test_few_customers_in_none_hide_another_count() -> None:
    rows, none = published([card("A"), card("B", 400)], {"A": journeys(), "B": journeys(400, 100)}, no_rule_fits=3)
    assert none == {"no rule fits": None}
    assert [(row["customers"], row["share"]) for row in rows] == [(1000, 0.5), (None, None)]


def test_a_small_persona_is_only_named_and_one_big_buyer_hides_the_value() -> None:
    rows, _ = published([card("A"), card("B", 90)], {"A": journeys(), "B": journeys(90, 40, largest=60.0)})
    assert [row["state"] for row in rows] == ["shown", "few"] and rows[1]["goal_rate"] is None
    assert [row["share_of_value"] for row in rows] == [None, None]


def test_sentences_stand_on_no_few_customers() -> None:
    trait = {"family": "channel", "feature": "web", "mean": 0.5, "mean_others": 0.004}
    region = {"column": "region", "value": "North", "customers": 600, "known": 1000, "share": 0.6, "share_others": 0.3}
    pain = {"step": 2, "customers_previous": 500, "customers": 400, "customers_lost": 120}
    path = {"path": ["Ad"], "units": 60, "customers": 50, "share_of_units": 0.06}
    told = card("A", traits=[trait], attributes=[region], pains=[pain], path=path)
    own = {"A": journeys(), "B": journeys(), None: journeys()}
    (row, _), _ = published([told, card("B")], own)
    assert row["traits"] == [] and row["attributes"] == [region] and row["pains"] == [pain] and row["path"] == path
    worse = [
        {"attributes": [region | {"customers": 4}]},
        {"attributes": [region | {"customers": 895}]},
        {"pains": [pain | {"customers_lost": 3}]},
        {"path": path | {"customers": 9}},
        {"path": path | {"units": 995, "share_of_units": 0.995}},
        {"pains": [pain], "withheld_steps": {2}},
    ]
    for change in worse:
        (row, _), _ = published([card("A", **change), card("B")], own)
        assert (row["attributes"], row["pains"], row["path"]) == ([], [], None), change


def test_a_second_report_counts_in_steps() -> None:
    first, later = Steps(10), card("A", 1004)
    cards, none = personas_in_steps([card("A"), card("B")], {"observed still": 40}, first)
    assert (cards[0]["customers"], cards[0]["share"], none) == (1000, 0.5, {"observed still": 40})
    second = Steps(10, first.counts)
    cards, none = personas_in_steps([later | {"reached": 257}, card("B")], {"observed still": 46}, second)
    assert (cards[0]["customers"], cards[0]["mature"], cards[0]["reached"]) == (1000, 1000, 260)
    assert none == {"observed still": 50} and cards[0]["goal_rate"] == 0.26
    assert cards[0]["share_of_goals"] == 260 / 510 and second.rounded
