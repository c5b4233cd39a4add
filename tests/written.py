"""A journey written as data: `{"ann": "visit@0m cart@3m pay@9m"}`.

A touch is `name@time`, the time after 1 January 2024 in s, m, h or d (`@90s`, `@1d`). Columns of a touch follow in
brackets: `visit@0m[device=phone,value=3]`; values that read as numbers are numbers when the whole column does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from unittest.mock import patch

import polars as pl

from analytics.store.columns import TOUCHES
from analytics.store.ordering import split_at_customers
from analytics.store.parts import Part
from analytics.store.paths import Paths

START = datetime(2024, 1, 1, tzinfo=UTC)
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
TOUCH = re.compile(r"(?P<name>[^@\s]+)@(?P<time>[\d.]+)(?P<unit>[smhd])(?:\[(?P<columns>[^\]]*)\])?")


def at(text: str) -> datetime:
    """`at("3m")` is three minutes after the start of every journey."""
    return START + timedelta(seconds=float(text[:-1]) * UNITS[text[-1]])


def frame(journeys: Mapping[str, str]) -> pl.DataFrame:
    """Columns customer, at, touchpoint and those in brackets; one row a touch, in the order written."""
    rows = []
    for customer, journey in journeys.items():
        for found in TOUCH.finditer(journey):
            columns = dict(pair.split("=") for pair in (found["columns"] or "").split(",") if pair)
            time = at(found["time"] + found["unit"])
            rows.append({"customer": customer, "at": time, "touchpoint": found["name"], **columns})
    schema = {"customer": pl.String, "at": pl.Datetime("us", "UTC"), "touchpoint": pl.String}
    names = list(dict.fromkeys(name for row in rows for name in row if name not in schema))
    columns = {name: _value([row.get(name) for row in rows]) for name in names}
    base = pl.DataFrame([{name: row[name] for name in schema} for row in rows], schema=schema)
    return base.with_columns(pl.Series(name, values) for name, values in columns.items())


def paths(journeys: Mapping[str, str], end: str | None = None) -> Paths:
    """The same as paths, with the end of the data at `end` (`"40d"`), or else at the last touch."""
    return Paths.from_frame(frame(journeys), end_of_data=at(end) if end else None)


def frame_in_parts(touches: pl.DataFrame, size: int, end_of_data: datetime | None = None) -> Paths:
    """Paths of a frame whose parts have about `size` touches, so that its customers lie in several parts."""
    with patch("analytics.store.paths.split_at_customers", partial(split_at_customers, size=size)):
        return Paths.from_frame(touches, end_of_data=end_of_data)


def in_parts(whole: Paths, size: int) -> Paths:
    """The same paths in parts of about `size` touches, each of one customer at least."""
    parts: list[Part] = []
    for part in whole.parts:
        assert part.frames, "paths in memory"
        table, people = part.frames
        for rows, own in split_at_customers(people[TOUCHES], size):
            parts.append(Part(len(parts), len(table[rows]), len(people[own]), frames=(table[rows], people[own])))
    return Paths(parts, whole.schema, whole.dictionaries, whole.end_of_data)


def _value(texts: list[str | None]) -> list[float] | list[str | None]:
    """Texts as numbers when all of them are."""
    try:
        return [None if text is None else float(text) for text in texts]
    except ValueError:
        return texts
