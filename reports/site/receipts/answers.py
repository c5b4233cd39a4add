"""What reports told, as tables: `site.json` has the numbers of every card in a form that is read again here."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import polars as pl

from expectations.lake.layout import Lake
from reports.questions.runs import told_reports
from reports.words.tables import as_files

TYPES: Final[dict[str, pl.DataType]] = {
    **{"Int64": pl.Int64(), "Float64": pl.Float64(), "Boolean": pl.Boolean(), "String": pl.String()},
    **{"Date": pl.Date(), "Datetime": pl.Datetime("us", "UTC")},
}
"""The types that columns of `site.json` have; times are text in ISO 8601."""
TOLD: Final = pl.Schema(
    {
        "report": pl.String(),
        "report_at": pl.Datetime("us", "UTC"),
        "report_definitions": pl.String(),
        "report_row": pl.Int64(),
    }
)
"""What stands before the numbers of a card: the report that told them, and the number of the row in it, from 1."""


def told_answers(lake: Lake) -> dict[str, pl.DataFrame]:
    """The published numbers of all reports that the lake keeps, a frame per card, by its id with `_` for `-`.

    The columns are those of `TOLD`, then those of the card as in its CSV: a count under `k` is null. Rows are those of
    all reports, the oldest first. `report_definitions` is the hash of all definitions behind the numbers: rows with
    different ones do not compare. Reports that hold a customer who was erased since are not among them, nor are those
    made for a filter. A column that only some reports have is null in the others.

    >>> told_answers(Lake("nowhere"))
    {}
    """
    frames: dict[str, list[pl.DataFrame]] = {}
    for told in told_reports(lake):
        run = str(told["folder"]).rpartition("/")[2]
        at = datetime.fromisoformat(told["built_at"])
        for part in (part for page in told["pages"] for part in page["parts"]):
            frame = frame_from_json(part["frame"], part.get("types", {}))
            origin = {"report": run, "report_at": at, "report_definitions": told["definitions"]}
            columns = [pl.lit(value, TOLD[name]).alias(name) for name, value in origin.items()]
            row = pl.int_range(1, pl.len() + 1, dtype=pl.Int64()).alias("report_row")
            frames.setdefault(part["id"].replace("-", "_"), []).append(frame.select(*columns, row, pl.all()))
    return {name: pl.concat(parts, how="diagonal_relaxed") for name, parts in frames.items()}


def frame_as_json(frame: pl.DataFrame) -> dict[str, list[Any]]:
    """The frame as lists of JSON values, one per column."""
    plain = as_files(frame)
    times = [name for name, dtype in plain.schema.items() if dtype.is_temporal()]
    return plain.with_columns(pl.col(times).dt.to_string("iso")).to_dict(as_series=False)


def types_of(frame: pl.DataFrame) -> dict[str, str]:
    """The type of every column of `frame_as_json`, one of `TYPES`, by which `frame_from_json` reads it.

    >>> from datetime import date
    >>> types_of(pl.DataFrame({"on": [date(2026, 2, 26)], "journeys": [3], "group": ["phone"]}))
    {'on': 'Date', 'journeys': 'Int64', 'group': 'String'}
    """
    return {name: _type(dtype) for name, dtype in as_files(frame).schema.items()}


def frame_from_json(columns: dict[str, list[Any]], types: dict[str, str]) -> pl.DataFrame:
    """The frame that `frame_as_json` gave. A column of no known type has that of its values.

    >>> frame_from_json({"on": ["2026-02-26"], "journeys": [3]}, {"on": "Date"}).dtypes
    [Date, Int64]
    """
    return pl.DataFrame([_read(name, values, TYPES.get(types.get(name, ""))) for name, values in columns.items()])


def _type(dtype: pl.DataType) -> str:
    if dtype.is_integer():
        return "Int64"
    if dtype.is_float():
        return "Float64"
    if isinstance(dtype, pl.Datetime):
        return "Datetime"
    return str(dtype) if str(dtype) in TYPES else "String"


def _read(name: str, values: list[Any], dtype: pl.DataType | None) -> pl.Series:
    if dtype is None:
        found = pl.Series(name, values, strict=False)
        return found.cast(pl.String) if found.dtype == pl.Null else found
    if not dtype.is_temporal():
        return pl.Series(name, values, dtype)
    text = pl.Series(name, values, pl.String)
    return text.str.to_date() if dtype == pl.Date() else text.str.to_datetime(time_unit="us", time_zone="UTC")
