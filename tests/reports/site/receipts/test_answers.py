"""What a report told is read again as it was."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import reports.site.receipts.answers
from expectations.lake.layout import Lake
from reports.site.receipts.answers import TOLD, frame_as_json, frame_from_json, told_answers, types_of
from reports.words.tables import as_files


def test_every_type_is_read_again() -> None:
    frame = pl.DataFrame(
        {
            "on": [date(2026, 2, 26), None],
            "at": pl.Series([None, datetime(2026, 2, 26, 12, 30, tzinfo=UTC)], dtype=pl.Datetime("us", "UTC")),
            "few": pl.Series([1, None], dtype=pl.UInt8),
            "share": [None, 0.25],
            "is_new": [True, None],
            "name": ["2026-02-26", None],
            "nothing": pl.Series([None, None], dtype=pl.Int64),
            "wait": [timedelta(minutes=2), None],
            "route": [["a", "b"], None],
            "kind": pl.Series(["x", None], dtype=pl.Enum(["x"])),
        }
    )
    again = frame_from_json(frame_as_json(frame), types_of(frame))
    plain = as_files(frame).with_columns(pl.col("few").cast(pl.Int64), pl.col("kind").cast(pl.String))
    assert_frame_equal(again, plain)


def test_a_report_without_types_has_those_of_its_values() -> None:
    again = frame_from_json({"n": [1, None], "none": [None, None], "mixed": [1, 2.5]}, {})
    assert again.schema == {"n": pl.Int64, "none": pl.String, "mixed": pl.Float64}


def test_rows_of_all_reports_stand_one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    def told(run: str, day: int, frame: pl.DataFrame) -> dict[str, object]:
        part = {"id": "re-stated", "frame": frame_as_json(frame), "types": types_of(frame)}
        at = datetime(2026, 3, day, tzinfo=UTC).isoformat()
        return {"folder": f"runs/{run}", "built_at": at, "definitions": "d1", "pages": [{"parts": [part]}]}

    first = pl.DataFrame({"run": ["x", "y"], "definitions": ["d", None]})  # a card's own columns of these names
    later = pl.DataFrame({"run": ["z"], "more": [1.5]})
    both = [told("a", 1, first), told("b", 2, later), told("c", 3, later.clear())]
    monkeypatch.setattr(reports.site.receipts.answers, "told_reports", lambda _: iter(both))
    (found,) = told_answers(Lake("any")).values()
    assert found.columns == [*TOLD, "run", "definitions", "more"]
    assert found.select("report", "report_row", "run", "definitions", "more").rows() == [
        ("a", 1, "x", "d", None),
        ("a", 2, "y", None, None),
        ("b", 1, "z", None, 1.5),
    ]
