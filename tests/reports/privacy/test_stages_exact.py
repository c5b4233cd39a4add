"""What of a funnel, of its groups and of two periods is published: all that may be, and no more."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from reports.privacy.stages import (
    is_publishable_satisfaction,
    open_or_direct,
    publishable_changes,
    publishable_segments,
    publishable_stages,
    publishable_voice,
)
from tests.reports import fixtures

K, MIN = 10, 30
RATES = ("share_of_previous", "share_of_previous_low", "share_of_previous_high")


def published(*counts: int) -> list[dict[str, Any]]:
    """The rows of a funnel of customers with one journey each."""
    return publishable_stages(fixtures.funnel_frame(counts, fixtures.STAGES[: len(counts)]), K, MIN).to_dicts()


def test_a_funnel_of_large_counts_is_published_whole() -> None:
    given = fixtures.funnel_frame()
    rows = publishable_stages(given, K, MIN).to_dicts()
    assert [row["state"] for row in rows] == ["shown"] * 5
    assert [row["previous"] for row in rows] == [None, *fixtures.COUNTS[:-1]]
    assert [row["dropped"] for row in rows] == [None, 5952, 3966, 2839, 3038]
    for name in (
        "entered",
        "reached",
        "touched",
        "skipped",
        "open",
        "late",
        "customers",
        "waits",
        "median_wait",
        *RATES,
    ):
        assert [row[name] for row in rows] == given[name].to_list(), name
    assert [(row["bound_low"], row["bound_high"]) for row in rows] == [(None, None)] * 5
    assert [row["direct"] for row in rows] == [0] * 5


def test_a_step_that_loses_few_is_withheld_with_bounds_of_its_rate() -> None:
    """Of 100 between 91 and 99 go on; of these 50, which differ from the 100 by enough."""
    first, second, third = published(100, 96, 50)
    assert (second["state"], second["reached"], second["bound_low"], second["bound_high"]) == (
        "bounded",
        None,
        0.91,
        0.99,
    )
    assert (third["reached"], third["previous"], third["dropped"], third["share_of_previous"]) == (50, None, None, None)
    assert third["share_of_entered"] == pytest.approx(0.5)
    assert (third["state"], third["bound_low"], third["bound_high"]) == ("bounded", 0.5, 0.55)  # of 99 to 91
    assert first["state"] == "shown"


def test_bounds_are_given_only_where_they_say_something() -> None:
    assert [row["state"] for row in published(36, 4)] == ["shown", "bounded"]  # none to 25 %
    assert [row["state"] for row in published(35, 4)] == ["shown", "withheld"]  # none to 26 %
    assert published(36, 4)[1]["bound_low"] == 0.0 and published(36, 4)[1]["bound_high"] == 0.25
    assert published(29, 25)[1]["bound_low"] is None  # of fewer than 30


def test_rates_are_of_thirty_customers_or_more() -> None:
    enough, few = published(30, 15), published(29, 15)
    assert [row["state"] for row in enough] == ["shown", "shown"] and None not in [enough[1][name] for name in RATES]
    assert [row["state"] for row in few] == ["shown", "few"] and [few[1][name] for name in RATES] == [None] * 3
    assert few[1]["share_of_entered"] is None and few[0]["share_of_entered"] is None
    later = published(200, 29, 15)[2]
    assert (later["state"], later["share_of_previous"], later["reached"]) == ("few", None, 15)
    assert later["share_of_entered"] is not None
    assert (later["median_wait"], published(200, 60, 30)[2]["median_wait"] is None) == (None, False)


def test_how_many_entered_is_withheld_where_they_are_few() -> None:
    assert [row["entered"] for row in published(9, 0)] == [None, None]
    assert [row["entered"] for row in published(10, 0)] == [10, 10]


@pytest.mark.parametrize(
    ("people", "hidden", "is_total"),
    [
        ((40, 30), set(), False),
        ((0, 0), set(), False),
        ((9, 0), {"open"}, True),
        ((0, 9), {"direct"}, True),
        ((9, 30), {"open", "direct"}, False),
        ((4, 6), {"open", "direct"}, False),  # ten together
        ((4, 5), {"open", "direct"}, True),
    ],
)
def test_open_and_direct_are_withheld_together(people: tuple[int, int], hidden: set[str], is_total: bool) -> None:
    row = dict(zip(("customers_open", "customers_direct"), people, strict=True))
    assert open_or_direct(row, K) == (hidden, is_total)


def test_a_funnel_of_customers_is_judged_by_its_counts() -> None:
    counts = fixtures.funnel_frame((100, 60, 56), fixtures.STAGES[:3])
    plain = counts.drop(name for name in counts.columns if name.startswith("customers")).with_columns(
        open=pl.Series([40, 31, 12])
    )
    rows = publishable_stages(plain, K, MIN).to_dicts()
    assert [row["reached"] for row in rows] == [100, 60, None]
    assert [row["open"] for row in rows] == [40, None, 12]
    assert (rows[2]["state"], rows[2]["bound_low"], rows[2]["bound_high"]) == ("bounded", 0.85, 0.99)


def groups(**chains: tuple[int, ...]) -> pl.DataFrame:
    """Steps of groups of customers with one journey each; nearly all numbers of a rate are the same."""
    rows = [
        {"dimension": "D", "segment": name, "step": step + 1, "name": str(step), "previous": chain[step - 1]}
        | {"reached": chain[step], "customers_previous": chain[step - 1], "customers": chain[step]}
        | {"customers_lost": chain[step - 1] - chain[step], "share": chain[step] / chain[step - 1], "low": 0.12346}
        | {"high": 0.9, "everyone": 0.54321, "difference": 0.1, "difference_low": 0.0, "difference_high": 0.2}
        | {"verdict": "same"}
        for name, chain in chains.items()
        for step in range(1, len(chain))
    ]
    return pl.DataFrame(rows, schema_overrides={"step": pl.UInt32})


def shown(**chains: tuple[int, ...]) -> dict[str, list[dict[str, Any]]]:
    frame = publishable_segments(groups(**chains), K, MIN)
    return {name: frame.filter(segment=name).to_dicts() for name in chains}


def test_large_groups_are_published_with_four_decimals() -> None:
    found = shown(a=(300, 100), b=(400, 190))
    row = found["a"][0]
    assert (row["state"], row["previous"], row["reached"], row["share"]) == ("shown", 300, 100, 0.3333)
    assert (row["low"], row["everyone"], row["verdict"], row["bound_low"]) == (0.1235, 0.5432, "same", None)
    assert "customers" not in row and "customers_lost" not in row


def test_a_group_of_few_has_counts_and_no_rate() -> None:
    few, enough = shown(a=(29, 15), b=(400, 190))["a"][0], shown(a=(30, 15), b=(400, 190))["a"][0]
    assert (few["state"], few["share"], few["verdict"], few["reached"]) == ("few", None, None, 15)
    assert (enough["state"], enough["share"]) == ("shown", 0.5)


def test_a_group_that_few_leave_is_bounded_and_the_next_smallest_is_rounded() -> None:
    """Of a, 5 of 100 are lost; the total would reveal them, so the counts of the group next in size are withheld."""
    found = shown(a=(100, 95), b=(600, 333), c=(900, 500))
    assert (found["a"][0]["state"], found["a"][0]["reached"]) == ("bounded", None)
    assert (found["a"][0]["bound_low"], found["a"][0]["bound_high"]) == (0.91, 0.99)
    assert (found["b"][0]["state"], found["b"][0]["reached"], found["b"][0]["share"]) == ("shown", None, 0.56)
    assert (found["c"][0]["reached"], found["c"][0]["share"]) == (500, 0.5556)
    assert found["b"][0]["low"] == 0.12  # as coarse as the share: in steps of 0.02


def test_a_group_too_small_to_be_rounded_is_withheld() -> None:
    found = shown(a=(100, 95), b=(400, 200), c=(900, 500))
    assert (found["b"][0]["state"], found["b"][0]["share"], found["b"][0]["bound_low"]) == ("withheld", None, None)


def test_the_difference_from_a_total_that_is_withheld_is_withheld() -> None:
    """Together 8 are lost before the step."""
    row = shown(a=(300, 300), b=(400, 392))["a"][0]
    assert [row[name] for name in ("everyone", "difference", "difference_low", "difference_high")] == [None] * 4


def test_changes_need_enough_customers_on_both_sides_of_both_periods() -> None:
    differences = fixtures.changes_frame()
    enough = {"earlier_customers": 15, "earlier_lost": 15, "later_customers": 20, "later_lost": 10}
    few = [{"earlier_customers": 9}, {"earlier_lost": 9}, {"later_lost": 9}, {"later_customers": 19}]
    counts = pl.DataFrame([enough, *(enough | each for each in few)])
    found = publishable_changes(differences.with_columns(previous_difference=pl.lit(0.123456)), counts, K, MIN)
    assert found["previous_difference"].to_list() == [0.1235, None, None, None, None]
    assert found["entered_low"].to_list() == [None] * 5  # the first step has none
    nobody = pl.DataFrame([enough | {"earlier_lost": 0, "earlier_customers": 30}] * 5)
    assert (
        publishable_changes(differences, nobody, K, MIN)["entered_low"].to_list()
        == differences["entered_low"].to_list()
    )


@pytest.mark.parametrize(
    ("customers", "satisfied", "dissatisfied", "is_public"),
    [(30, 15, 15, True), (29, 15, 14, False), (100, 9, 91, False), (100, 91, 9, False), (100, 0, 100, True)],
)
def test_satisfaction_needs_thirty_customers_and_no_few(
    customers: int, satisfied: int, dissatisfied: int, is_public: bool
) -> None:
    people = {"customers_csat": customers, "customers_satisfied": satisfied, "customers_dissatisfied": dissatisfied}
    assert is_publishable_satisfaction(people, K, MIN) is is_public
    all_may = {"customers_csat": 50, "customers_satisfied": 25, "customers_dissatisfied": 25}
    first = {"stage": "a", "csat_n": 7, "csat": 0.123456, "csat_low": 0.1, "csat_high": 0.2}
    second = {"stage": "b", "csat_n": 8, "csat": 0.5, "csat_low": 0.4, "csat_high": 0.6}
    frame = pl.DataFrame([first | people, second | all_may])
    found = publishable_voice(frame, K, MIN)
    assert found is not None
    assert found.row(0) == ("a", 7, *((0.1235, 0.1, 0.2) if is_public else (None, None, None)))
    few = frame.with_columns(customers_csat=pl.Series([9, 50]))
    assert publishable_voice(few, K, MIN)["responses"].to_list() == [None, 8]  # type: ignore[index]
