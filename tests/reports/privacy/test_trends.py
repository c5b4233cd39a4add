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


def test_a_week_has_its_share_its_design_effect_and_its_state() -> None:
    columns = ("previous", "reached", "customers", "customers_reached", "customers_lost", "effective", "is_open")
    rows = [
        (400, 100, 200, 60, 140, 160.0, False),
        (400, 100, 200, 60, 140, 500.0, True),  # worth no more than themselves
        (400, 100, 30, 10, 20, 400.0, False),
        (400, 100, 29, 10, 19, 400.0, False),
        (400, 100, 30, 9, 21, 400.0, False),
    ]
    weeks_of = [date(2026, 6, 1 + 7 * n) if n < 4 else date(2026, 6, 29) for n in range(5)]
    frame = pl.DataFrame(rows, schema=columns, orient="row").with_columns(
        *(pl.lit(None, pl.String).alias(name) for name in ("dimension", "segment")),
        step=pl.lit(2, pl.UInt32),
        name=pl.lit("b"),
        week=pl.Series(weeks_of),
    )
    found = trends.weekly_shares(frame, 10, 30).select("previous", "effect", "share", "state").rows()
    assert found == [
        (400, 2.5, 0.25, "shown"),
        (400, 1.0, 0.25, "open"),
        (400, 1.0, 0.25, "shown"),
        (400, None, None, "few"),
        (None, None, None, "withheld"),
    ]


def test_a_group_that_would_reveal_another_is_shown_in_tens() -> None:
    columns = ("segment", "previous", "reached", "customers", "customers_reached", "customers_lost")
    rows = [("a", 1_234, 617, 1_234, 617, 617), ("b", 2_000, 900, 2_000, 900, 1_100), ("c", 40, 4, 40, 4, 36)]
    frame = pl.DataFrame(rows, schema=columns, orient="row").with_columns(
        dimension=pl.lit("Device"),
        step=pl.lit(2, pl.UInt32),
        name=pl.lit("b"),
        week=pl.lit(date(2026, 6, 1)),
        effective=pl.col("previous").cast(pl.Float64),
        is_open=pl.lit(False),
    )
    found = {row["segment"]: row for row in trends.weekly_shares(frame, 10, 30).to_dicts()}
    assert (found["c"]["state"], found["c"]["previous"], found["c"]["share"]) == ("withheld", None, None)
    assert (found["a"]["state"], found["a"]["previous"], found["a"]["share"]) == ("shown", 1_230, 0.5)
    assert (found["b"]["previous"], found["b"]["share"]) == (2_000, 0.45)


def test_weeks_in_a_row_on_one_side_are_one_run_with_the_largest_difference() -> None:
    def week(day: date, share: float, segment: str | None = None, previous: int = 100) -> dict[str, Any]:
        return {
            **{"dimension": None, "segment": segment, "step": 2, "name": "b", "week": day, "previous": previous},
            **{"share": share, "usual": 0.5, "unusual": share != 0.5},
        }

    rows = [
        *(week(date(2026, 6, 1), 0.3), week(date(2026, 6, 8), 0.2), week(date(2026, 6, 15), 0.8)),
        *(week(date(2026, 6, 29), 0.7), week(date(2026, 7, 6), 0.5), week(date(2026, 7, 13), 0.4)),
        week(date(2026, 6, 8), 0.35, "Mobile", 900),
    ]
    frame = pl.DataFrame(rows, schema_overrides={"dimension": pl.String, "segment": pl.String})
    found = [
        (run["segment"], run["first"], run["last"], round(run["difference"], 6), run["customers"])
        for run in trends.unusual_runs(frame)
    ]
    assert found == [  # by difference times the root of the customers: 4.5, 4.24, 3, 2, 1
        ("Mobile", date(2026, 6, 8), date(2026, 6, 8), -0.15, 900),
        (None, date(2026, 6, 1), date(2026, 6, 8), -0.3, 200),
        (None, date(2026, 6, 15), date(2026, 6, 15), 0.3, 100),
        (None, date(2026, 6, 29), date(2026, 6, 29), 0.2, 100),
        (None, date(2026, 7, 13), date(2026, 7, 13), -0.1, 100),
    ]


def test_weeks_of_two_groups_are_two_runs() -> None:
    weeks_of = {"a": date(2026, 6, 1), "b": date(2026, 6, 8)}
    rows = [
        {"dimension": "D", "segment": name, "step": 2, "name": "b", "week": week, "previous": 100}
        | {"share": 0.3, "usual": 0.5, "unusual": True}
        for name, week in weeks_of.items()
    ]
    found = trends.unusual_runs(pl.DataFrame(rows))
    assert {run["segment"]: (run["first"], run["last"]) for run in found} == {n: (d, d) for n, d in weeks_of.items()}


def test_weeks_begin_on_mondays_from_the_first_whole_week() -> None:
    monday, tuesday = date(2026, 6, 1), date(2026, 6, 2)
    assert trends.weeks_between(monday, date(2026, 6, 8)) == [monday, date(2026, 6, 8)]
    assert trends.weeks_between(tuesday, date(2026, 6, 14)) == [date(2026, 6, 8)]
    assert trends.weeks_between(tuesday, date(2026, 6, 7)) == []


def test_published_weeks_have_four_decimals_and_the_columns_of_the_page() -> None:
    shown = trends.publishable_weeks(fixtures.weeks_frame().with_columns(share=pl.lit(0.123456), other=1))
    assert shown.schema == trends.SCHEMA and set(shown["share"]) == {0.1235}
