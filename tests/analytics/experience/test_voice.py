from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from analytics.engine.analysis import MEASURES
from analytics.experience.voice import responses, voice
from analytics.statistics.intervals import wilson
from analytics.store.ordering import TOUCHES_PER_PART
from analytics.store.paths import Paths
from expectations.errors import DefinitionError
from tests.oracles.voice import measures
from tests.written import START, assert_counts_add_up, frame_in_parts, paths

SCHEMA = {
    "customer": pl.String,
    "at": pl.Datetime("us", "UTC"),
    "touchpoint": pl.String,
    "stage": pl.String,
    "survey": pl.String,
    "score": pl.Float64,
}


def survey_paths(rows: list[dict[str, Any]], size: int = TOUCHES_PER_PART) -> Paths:
    days = [row | {"at": START + timedelta(days=row["at"]), "touchpoint": "x"} for row in rows]
    return frame_in_parts(pl.DataFrame(days, schema=SCHEMA), size)


touches = st.lists(
    st.fixed_dictionaries(
        {
            "customer": st.sampled_from("abcdef"),
            "at": st.integers(0, 12),
            "stage": st.sampled_from([None, "Interest", "Desire"]),
            "survey": st.sampled_from([None, None, "nps", "csat", "ces", "other"]),
            "score": st.sampled_from([None, -1.0, 0.0, 1.0, 4.0, 6.0, 7.0, 9.0, 10.0, 11.0]),
        }
    ),
    max_size=30,
).filter(lambda rows: len({(r["customer"], r["at"]) for r in rows}) == len(rows))


@given(touches, st.integers(1, 15))
def test_answers_count_for_the_stage_before_them(rows: list[dict[str, Any]], size: int) -> None:
    found = voice(survey_paths(rows, size), lookback="3d").filter(~pl.col("is_total"), pl.col("responses") > 0)
    columns = ["responses", "nps", "csat", "ces"]
    by_stage = {row["stage"]: {name: row[name] for name in columns} for row in found.iter_rows(named=True)}
    assert by_stage == {stage: pytest.approx(values) for stage, values in measures(rows, 3).items()}


def test_a_response_belongs_to_the_last_stage_within_the_lookback() -> None:
    rows = [
        {"customer": "a", "at": 0, "stage": "Interest", "survey": None, "score": None},
        {"customer": "a", "at": 6, "stage": None, "survey": None, "score": None},
        {"customer": "a", "at": 7, "stage": None, "survey": "nps", "score": 9.0},
        {"customer": "a", "at": 8, "stage": None, "survey": "nps", "score": 3.0},
    ]
    found = responses(survey_paths(rows))
    assert found.select("score", "stage").rows() == [(9.0, "Interest"), (3.0, None)]


def test_the_total_and_the_counts_are_beside_the_measures() -> None:
    rows = [{"customer": "a", "at": 0, "stage": "Desire", "survey": None, "score": None}]
    rows += [
        {"customer": "a", "at": n, "stage": None, "survey": "nps", "score": float(score)}
        for n, score in enumerate([10, 9, 8, 0], start=1)
    ]
    total = voice(survey_paths(rows)).filter("is_total").row(0, named=True)
    assert (total["touches"], total["responses"], total["response_rate"]) == (1, 4, 4.0)
    assert (total["promoters"], total["passives"], total["detractors"], total["nps"]) == (2, 1, 1, 0.25)
    assert total["csat"] is None


def test_answers_of_one_customer_widen_the_interval_as_customers_alone_would() -> None:
    rows = [
        {"customer": f"c{who}", "at": day, "stage": None, "survey": "csat", "score": 5.0 if who % 2 else 1.0}
        for who in range(40)
        for day in range(5)
    ]
    total = voice(survey_paths(rows)).row(0, named=True)
    low, high = wilson(20, 40)
    assert (total["csat_n"], total["satisfied"], total["csat"]) == (200, 100, 0.5)
    assert (total["csat_low"], total["csat_high"]) == pytest.approx((low.item(), high.item()))


def test_only_answers_in_the_range_count_and_may_belong_to_a_touch_before_it() -> None:
    rows = [
        {"customer": "a", "at": 0, "stage": "Desire", "survey": None, "score": None},
        {"customer": "a", "at": 2, "stage": None, "survey": "nps", "score": 9.0},
        {"customer": "a", "at": 4, "stage": None, "survey": "nps", "score": 3.0},
    ]
    day = timedelta(days=1)
    ranges = [{"start": START + 2 * day, "end": START + 4 * day}, {"start": START + 3 * day}]
    found = [voice(survey_paths(rows), **own).filter(~pl.col("is_total")) for own in ranges]  # type: ignore[arg-type]
    assert [table["stage", "touches", "responses", "nps"].rows() for table in found] == [
        [("Desire", 0, 1, 1.0)],
        [("Desire", 0, 1, -1.0)],
    ]
    promoters = voice(survey_paths(rows), where=(pl.col("score") > 5).fill_null(True)).row(0, named=True)
    assert (promoters["responses"], promoters["nps"]) == (1, 1.0)


def test_arguments_may_still_be_passed_by_position_with_a_warning() -> None:
    shop = paths({"ann": "home@0m[stage=Desire]"})
    with pytest.warns(DeprecationWarning, match="pass by=..., lookback=... by name"):
        found = voice(shop, "stage", "3d")  # type: ignore[misc]
    assert_frame_equal(found, voice(shop, by="stage", lookback="3d"))


@settings(deadline=None, max_examples=25)
@given(touches, st.integers(1, 15))
def test_counts_add_up_over_any_parts_in_any_order(rows: list[dict[str, Any]], size: int) -> None:
    shop = survey_paths(rows)
    assert_counts_add_up(MEASURES["voice"].bound(shop, lookback="3d"), shop, size)


def test_paths_without_surveys_have_no_responses() -> None:
    found = voice(paths({"ann": "home@0m"}), by="touchpoint")
    assert found.select("touchpoint", "is_total", "touches", "responses", "nps").rows() == [
        (None, True, 1, 0, None),
        ("home", False, 1, 0, None),
    ]


def test_no_touches_give_a_total_of_nothing() -> None:
    assert voice(survey_paths([])).select("is_total", "responses").rows() == [(True, 0)]


def test_unknown_columns_raise_an_error() -> None:
    with pytest.raises(DefinitionError, match="stage"):
        voice(paths({"ann": "home@0m"}))
