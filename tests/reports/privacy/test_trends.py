from __future__ import annotations

from datetime import date

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from reports.privacy import trends
from reports.questions.problems import weeks
from tests.reports import fixtures


def test_an_open_week_is_told_and_no_week_has_an_alert_by_itself() -> None:
    last = fixtures.weeks_frame().filter(pl.col("week") == date(2026, 8, 17))
    assert set(last["state"]) == {trends.OPEN}
    assert not last["unusual"].any()


def test_small_weeks_are_withheld_or_too_few() -> None:
    rows = [
        (2, "b", date(2026, 6, 1 + 7 * week), previous, reached, False)
        for week, (previous, reached) in enumerate(((400, 200), (400, 395), (400, 4), (28, 14)))
    ]
    columns = ("step", "name", "week", "previous", "reached", "is_open")
    counts = pl.DataFrame(rows, schema=columns, orient="row", schema_overrides={"step": pl.UInt32})
    weekly = weeks.with_intervals(fixtures.with_customers(counts), 10, 30)
    assert weekly["state"].to_list() == ["shown", "withheld", "withheld", "few"]
    assert weekly["share"].null_count() == weekly["low"].null_count() == 3
    assert weekly.row(0, named=True)["low"] < 0.5 < weekly.row(0, named=True)["high"]


def test_no_weeks_give_an_empty_frame() -> None:
    empty = fixtures.weeks_frame().head(0).select("step", "name", "week", "previous")
    counts = empty.with_columns(reached=pl.col("previous"), is_open=pl.lit(False))
    assert weeks.with_intervals(fixtures.with_customers(counts), 10, 30).schema == trends.SCHEMA


@given(st.lists(st.integers(0, 400), min_size=4, max_size=5))
def test_steps_of_a_week_reveal_no_small_count_of_customers_who_went_on_or_did_not(counts: list[int]) -> None:
    chain = sorted(counts, reverse=True)
    steps = range(1, len(chain))
    columns = ("step", "name", "week", "previous", "reached", "is_open")
    rows = [(step + 1, str(step), date(2026, 6, 1), chain[step - 1], chain[step], False) for step in steps]
    kept = pl.DataFrame(rows, schema=columns, orient="row", schema_overrides={"step": pl.UInt32})
    known: dict[int, int] = {}
    for row in weeks.with_intervals(fixtures.with_customers(kept), 10, 30).to_dicts():
        if row["previous"] is not None:
            known[row["step"] - 1] = row["previous"]
            if row["share"] is not None:
                known[row["step"]] = round(row["share"] * row["previous"])
    seen = [known[step] for step in sorted(known)]
    assert all(known[step] == chain[step - 1] for step in known)
    assert not any(0 < one - other < 10 for place, one in enumerate(seen) for other in seen[place:])
    assert not any(0 < count < 10 for count in seen)


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


def test_weeks_begin_on_mondays_from_the_first_whole_week() -> None:
    monday, tuesday = date(2026, 6, 1), date(2026, 6, 2)
    assert trends.weeks_between(monday, date(2026, 6, 8)) == [monday, date(2026, 6, 8)]
    assert trends.weeks_between(tuesday, date(2026, 6, 14)) == [date(2026, 6, 8)]
    assert trends.weeks_between(tuesday, date(2026, 6, 7)) == []


def test_published_weeks_have_four_decimals_and_the_columns_of_the_page() -> None:
    shown = trends.publishable_weeks(fixtures.weeks_frame().with_columns(share=pl.lit(0.123456), other=1))
    assert shown.schema == trends.SCHEMA and set(shown["share"]) == {0.1235}
