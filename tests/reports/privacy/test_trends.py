from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from reports.privacy import trends
from reports.questions.problems import weeks
from tests.reports import fixtures


def test_only_the_planted_fall_is_unusual() -> None:
    found = trends.unusual_runs(fixtures.weeks_frame())
    assert {(run["segment"], run["step"]) for run in found} == {("Mobile web", 5), (None, 5)}
    assert {run["last"] for run in found} == {date(2026, 7, 27)}
    assert all(run["difference"] < -0.12 for run in found)


def test_an_open_week_is_not_compared() -> None:
    last = fixtures.weeks_frame().filter(pl.col("week") == date(2026, 8, 17))
    assert set(last["state"]) == {trends.OPEN}
    assert not last["unusual"].any()


def test_small_weeks_are_withheld_or_too_few() -> None:
    rows = [
        (None, None, 2, "b", date(2026, 6, 1), previous, reached, False)
        for previous, reached in ((400, 200), (400, 395), (400, 4), (28, 14), (8, 8))
    ]
    columns = ("dimension", "segment", "step", "name", "week", "previous", "reached", "is_open")
    counts = pl.DataFrame(rows, schema=columns, orient="row", schema_overrides={"dimension": pl.String})
    weekly = weeks.judged(fixtures.with_customers(counts.with_columns(pl.col("segment").cast(pl.String))), 10, 30)
    assert weekly["state"].to_list() == ["shown", "withheld", "withheld", "few", "withheld"]
    assert weekly["share"].null_count() == 4


def test_no_weeks_give_an_empty_frame() -> None:
    empty = fixtures.weeks_frame().head(0).select("dimension", "segment", "step", "name", "week", "previous")
    counts = empty.with_columns(reached=pl.col("previous"), is_open=pl.lit(False))
    assert weeks.judged(fixtures.with_customers(counts), 10, 30).schema == trends.SCHEMA


@given(st.lists(st.lists(st.integers(0, 300), min_size=3, max_size=3), min_size=2, max_size=5))
def test_other_groups_and_the_total_reveal_no_small_group_of_a_week(groups: list[list[int]]) -> None:
    chains = {f"g{i}": sorted(chain, reverse=True) for i, chain in enumerate(groups)}
    rows = [
        ("Device", name, step + 1, str(step), date(2026, 6, 1), chain[step - 1], chain[step], False)
        for name, chain in chains.items()
        for step in (1, 2)
    ]
    columns = ("dimension", "segment", "step", "name", "week", "previous", "reached", "is_open")
    counts = pl.DataFrame(rows, schema=columns, orient="row", schema_overrides={"step": pl.UInt32})
    weekly = weeks.judged(fixtures.with_customers(counts), 10, 30)
    for step in (2, 3):
        shown = {row["segment"]: row for row in weekly.filter(pl.col("step") == step).to_dicts()}
        for which in (step - 2, step - 1):
            secret = [name for name in chains if 0 < chains[name][which] < 10]
            assert not any(shown[name]["share"] is not None for name in secret)
            exact = [name for name in chains if _is_exact(shown[name], chains[name], step)]
            rest = sum(chains[name][which] for name in chains if name not in exact)
            others = [name for name in chains if name not in exact and chains[name][which]]
            is_large = sum(chain[which] for chain in chains.values()) >= 10
            assert not others or len(others) > 1 or rest >= 10 or not is_large


@given(st.lists(st.integers(0, 400), min_size=4, max_size=5))
def test_steps_of_a_week_reveal_no_small_count_of_customers_who_went_on_or_did_not(counts: list[int]) -> None:
    chain = sorted(counts, reverse=True)
    steps = range(1, len(chain))
    columns = ("step", "name", "week", "previous", "reached", "is_open")
    rows = [(step + 1, str(step), date(2026, 6, 1), chain[step - 1], chain[step], False) for step in steps]
    kept = pl.DataFrame(rows, schema=columns, orient="row", schema_overrides={"step": pl.UInt32})
    nobody = [pl.lit(None, pl.String).alias(name) for name in ("dimension", "segment")]
    known: dict[int, int] = {}
    for row in weeks.judged(fixtures.with_customers(kept.with_columns(nobody)), 10, 30).to_dicts():
        if row["previous"] is not None:
            known[row["step"] - 1] = row["previous"]
            if row["share"] is not None:
                known[row["step"]] = round(row["share"] * row["previous"])
    seen = [known[step] for step in sorted(known)]
    assert all(known[step] == chain[step - 1] for step in known)
    assert not any(0 < one - other < 10 for place, one in enumerate(seen) for other in seen[place:])
    assert not any(0 < count < 10 for count in seen)


def _is_exact(row: dict[str, Any], chain: list[int], step: int) -> bool:
    """Whether a week reveals its counts."""
    if row["share"] is None or row["previous"] != chain[step - 2]:
        return False
    return round(row["share"] * row["previous"]) == chain[step - 1] and row["previous"] % 10 != 0
