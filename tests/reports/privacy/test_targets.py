"""Targets of journeys are published without small cohorts, small parts of one, or what would reveal them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from reports.privacy.steps import Steps
from reports.privacy.targets import cohorts_in_steps, publishable_causes, publishable_cohorts

WEEK = timedelta(days=7)
START = datetime(2026, 1, 5, tzinfo=UTC)


def cohort(number: int, customers: int, reached: int, **changed: Any) -> dict[str, Any]:
    """A week of a goal rate of customers with one journey each."""
    share = reached / customers if customers else None
    sides = [n for n in (reached, customers - reached) if n]
    return {
        "journey": "First", "version": 1, "owner": "Mara", "measure": "goal_rate", "unit": "share", "period": "week",
        "cohort": START + number * WEEK, "cohort_end": START + (number + 1) * WEEK,
        "journeys": customers, "mature": customers, "open": 0, "counted": customers, "customers": customers,
        "fewest": min(sides, default=0), "value": share, "low": share and share - 0.05, "high": share and share + 0.05,
        "direction": "at_least", "target": 0.3, "by": None, "status": "met", "hash": "a",
    } | changed  # fmt: skip


def published(*rows: dict[str, Any], parts: bool = True) -> list[dict[str, Any]]:
    frame = pl.DataFrame(rows, schema_overrides={"counted": pl.Int64, "value": pl.Float64, "by": pl.Date})
    return publishable_cohorts(frame, lambda _, __: parts, 10, 30).to_dicts()


@pytest.mark.parametrize(("customers", "reached", "state"), [
    (100, 40, "shown"), (100, 3, "withheld"), (100, 97, "withheld"), (100, 0, "shown"), (25, 12, "few"),
    (9, 0, "withheld"), (0, 0, "few"),
])  # fmt: skip
def test_a_cohort_is_shown_where_neither_part_is_small(customers: int, reached: int, state: str) -> None:
    (row,) = published(cohort(0, customers, reached))
    assert row["state"] == state
    assert (row["value"] is None) == (state != "shown") and (row["counted"] is None) == (state == "withheld")
    assert not {"journeys", "mature", "open", "customers", "fewest"} & set(row)


def test_a_single_withheld_cohort_is_not_the_rest_of_a_total() -> None:
    rows = published(cohort(0, 100, 40), cohort(1, 64, 30), cohort(2, 8, 0))
    assert [row["state"] for row in rows] == ["shown", "shown", "withheld"]
    assert [row["counted"] for row in rows] == [100, 60, None]
    month = cohort(0, 168, 70, period="month", cohort_end=START + 4 * WEEK)
    weeks = [cohort(0, 100, 40), cohort(1, 60, 30), cohort(2, 8, 0), cohort(9, 5, 0)]
    assert [row["counted"] for row in published(month, *weeks)] == [168, 100, 60, None, None]
    assert published(*weeks[:3])[1]["value"] == 0.5  # 30 of 60, in steps of 5 %


def test_two_journeys_do_not_reveal_the_few_by_which_they_differ() -> None:
    all_, phones, desks = (cohort(0, n, 40, journey=name) for n, name in ((100, "All"), (95, "Phones"), (60, "Desks")))
    assert [row["state"] for row in published(all_, phones, desks)] == ["shown", "withheld", "shown"]
    assert [row["state"] for row in published(all_, phones, desks, parts=False)] == ["shown"] * 3
    wider = cohort(0, 100, 44, journey="Order or call")
    assert [row["state"] for row in published(all_, wider)] == ["shown", "withheld"]


def test_means_are_rounded_so_that_they_reveal_nobody() -> None:
    means = {"nps": 0.1234, "ces": 4.5678, "conformance": 0.61234}
    rows = published(*(cohort(n, 400, 400, measure=name, value=v) for n, (name, v) in enumerate(means.items())))
    assert [row["value"] for row in rows] == [0.1, 4.6, 0.6]  # steps of 5 % of each range: 0.05 covers 20 of 400


def test_counts_change_in_steps_from_report_to_report() -> None:
    frame = pl.DataFrame([cohort(0, 104, 44)], schema_overrides={"by": pl.Date})
    safe = publishable_cohorts(frame, lambda _, __: True, 10, 30)
    cell = "First · goal_rate · week · 2026-01-05"
    same = cohorts_in_steps(safe, Steps(10, {"targets": {f"{cell} · counted": 104, f"{cell} · part": 44}}))
    assert same.equals(safe)
    (row,) = cohorts_in_steps(safe, Steps(10, {"targets": {f"{cell} · counted": 100, f"{cell} · part": 40}})).to_dicts()
    assert (row["counted"], row["value"]) == (100, 0.4) and row["low"] < 0.4 < row["high"]


def cause(effect: str, told: int | None, customers: int = 400, **changed: Any) -> dict[str, Any]:
    return {
        "journey": "First", "cohort": START + WEEK, "cohort_end": START + 2 * WEEK, "cohort_before": START,
        "device": None, "is_total": effect == "total", "family": None if effect == "total" else "device", "stage": None,
        "effect": effect, "before": 0.4123, "after": 0.2987, "contribution": -0.1136, "contribution_low": -0.2,
        "contribution_high": -0.06, "customers_before": customers, "customers_after": customers, "told": told,
    } | changed  # fmt: skip


def causes(*rows: dict[str, Any], value: float | None = 0.3) -> list[dict[str, Any]]:
    shown = publishable_cohorts(
        pl.DataFrame([cohort(0, 400, 160), cohort(1, 400, 120)], schema_overrides={"by": pl.Date}),
        lambda *_: True,
        10,
        30,
    )
    state = "shown" if value is not None else "withheld"
    shown = shown.with_columns(pl.when(pl.col("cohort") > START).then(pl.lit(state)).otherwise("state").alias("state"))
    return publishable_causes(pl.DataFrame(rows, infer_schema_length=None), shown, 10, 30).to_dicts()


def test_what_moved_is_told_by_published_cohorts_and_rounded_shares() -> None:
    total, rate = causes(cause("total", 1), cause("rate", 2, device="phone"), cause("mix", None, device="desk"))
    assert (total["before"], total["after"]) == (0.4, 0.3) and total["contribution"] == pytest.approx(-0.1)
    assert (rate["before"], rate["after"], rate["contribution"]) == (0.4, 0.3, -0.1)


def test_what_moved_of_few_customers_or_a_withheld_cohort_is_not_told() -> None:
    assert causes(cause("total", 1), cause("rate", 2, device="phone"), value=None) == []
    assert [row["effect"] for row in causes(cause("total", 1), cause("rate", 2, 20, device="phone"))] == ["total"]
    same = cause("mix", 2, device="phone", before=0.051, after=0.048)
    assert [row["effect"] for row in causes(cause("total", 1), same)] == ["total"], "the same after rounding"
    near = cause("rate", 2, device="phone", contribution=-0.02, contribution_low=-0.04, contribution_high=-0.01)
    assert [row["effect"] for row in causes(cause("total", 1), near)] == ["total"]
    assert publishable_causes(
        pl.DataFrame([cause("total", 1)]).clear(), pl.DataFrame({"cohort": []}), 10, 30
    ).is_empty()
