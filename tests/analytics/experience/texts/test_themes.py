from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import Paths, Texts, Theme, themes
from analytics.statistics.intervals import newcombe, wilson
from expectations.errors import DefinitionError
from tests.oracles.whole_paths.themes import Coded, counts
from tests.written import START, frame_in_parts

BOOK = [Theme(name="Slow", any=["slow*"], none=["not slow"]), Theme(name="Pay", any=["pay*", "card"])]
CODED = [Coded(theme.name, theme.any, theme.none) for theme in BOOK]
SCHEMA = {
    "customer": pl.String,
    "at": pl.Datetime("us", "UTC"),
    "touchpoint": pl.String,
    "stage": pl.String,
    "survey": pl.String,
    "score": pl.Float64,
    "feedback_text": pl.String,
}
touches = st.lists(
    st.fixed_dictionaries(
        {
            "customer": st.sampled_from("abcd"),
            "at": st.integers(0, 12),
            "stage": st.sampled_from([None, "Interest", "Desire"]),
            "survey": st.sampled_from([None, "nps", "csat", "other"]),
            "score": st.sampled_from([None, 1.0, 3.0, 6.0, 9.0, 11.0]),
            "text": st.sampled_from([None, None, " ", "So slow!", "not slow", "Slow payment", "card", "fine"]),
        }
    ),
    max_size=25,
).filter(lambda rows: len({(r["customer"], r["at"]) for r in rows}) == len(rows))


def paths_of(rows: list[dict[str, Any]], size: int = 10**9) -> Paths:
    named = [
        {**row, "at": START + timedelta(days=row["at"]), "touchpoint": "x", "feedback_text": row["text"]}
        for row in rows
    ]
    return frame_in_parts(pl.DataFrame(named, schema=SCHEMA), size)


@given(touches, st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_themes_are_counted_as_one_by_one(rows: list[dict[str, Any]], size: int) -> None:
    found = themes(paths_of(rows, size), BOOK, by="stage", lookback="3d")
    told = {
        ("*" if row["is_total"] else row["stage"], row["theme"]): {
            **{name: row[name] for name in ("texts", "responses", "scored", "low")},
            "people": row["customers"],
        }
        for row in found.iter_rows(named=True)
        if row["texts"]
    }
    assert told == counts(rows, CODED, 3)


def test_shares_and_differences_by_hand() -> None:
    rows = [
        {"customer": f"c{n}", "at": 1, "stage": None, "survey": "csat", "score": score, "text": text}
        for n, (score, text) in enumerate(
            [(1.0, "slow")] * 12 + [(5.0, "slow")] * 8 + [(5.0, "fine")] * 27 + [(2.0, "ok")] * 3
        )
    ]
    row = themes(paths_of(rows), BOOK).row(0, named=True)
    assert (row["theme"], row["texts"], row["responses"], row["scored"], row["low"]) == ("Slow", 50, 20, 20, 12)
    low, high = (float(end) for end in wilson(20, 50))
    assert (row["share_of_texts"], row["share_of_texts_low"], row["share_of_texts_high"]) == pytest.approx(
        (0.4, low, high)
    )
    assert (row["low_rate"], row["low_rate_others"], row["difference"]) == pytest.approx((0.6, 0.1, 0.5))
    ends = newcombe(12, 20, 3, 30)
    assert (row["difference_low"], row["difference_high"]) == pytest.approx((float(ends.low), float(ends.high)))
    assert row["p_corrected"] == pytest.approx(row["p_value"]) and row["p_value"] < 0.001
    assert (row["customers"], row["customers_without"], row["customers_low"], row["customers_not_low"]) == (
        20,
        30,
        12,
        8,
    )


def test_nothing_gives_zeros_and_nulls() -> None:
    rows = themes(paths_of([]), BOOK).to_dicts()
    assert [row["theme"] for row in rows] == ["Slow", "Pay", None]
    assert all(row["texts"] == 0 and row["share_of_texts"] is None and row["p_corrected"] is None for row in rows)
    assert themes(paths_of([]), []).to_dicts()[0]["theme"] is None


def test_texts_of_events_are_found_by_a_key_of_touches() -> None:
    frame = {"customer": ["a", "b"], "at": [START, START], "touchpoint": ["x", "x"], "event": [1, 2]}
    paths = Paths.from_frame(pl.DataFrame(frame, schema_overrides={"event": pl.UInt64}))
    given = Texts("event", pl.DataFrame({"event": [2], "text": ["slow"]}, schema_overrides={"event": pl.UInt64}))
    assert themes(paths, BOOK, given)["responses"].to_list() == [1, 0, 0]


def test_what_cannot_be_asked_is_told() -> None:
    shop = Paths.from_text({"ann": "visit@0m"})
    with pytest.raises(DefinitionError, match="These paths have no texts"):
        themes(shop, BOOK)
    rows = [{"customer": "a", "at": 1, "stage": None, "survey": None, "score": None, "text": "slow"}]
    with pytest.raises(DefinitionError):
        themes(paths_of(rows), BOOK, by="customer")
    with pytest.raises(DefinitionError):
        themes(paths_of(rows), [BOOK[0], BOOK[0]])
