"""Touches written as text, for examples, tests and first steps: `{"ann": "visit@0m cart@3m pay@9m"}`.

| written | means |
| --- | --- |
| `visit@0m` | a touch named `visit` at the start, 1 January 2024 00:00 UTC |
| `pay@1.5h` | a touch one and a half hours after the start; units are s, m, h and d |
| `"Product page"@2m` | a name with spaces stands in double quotes |
| `visit@0m[device=phone,value=3]` | further columns of the touch; a column whose values are all numbers is Float64 |

Touches are separated by blanks. Touches of one instant keep the order in which they are written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl

from analytics.store.columns import AT, CUSTOMER, TIME, TOUCHPOINT
from expectations.errors import DefinitionError

START: Final = datetime(2024, 1, 1, tzinfo=UTC)
"""The time that `0m` stands for."""
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_TIME: Final = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_TOUCH: Final = re.compile(r'\s*(?:"([^"]+)"|([^@\s"\[\]]+))@(\d+(?:\.\d+)?[smhd])(?:\[([^\]]*)\])?(?=\s|$)')
_PAIR: Final = re.compile(r"\s*([^=,\s]+)\s*=\s*([^=,]*?)\s*")


def time_after_start(text: str) -> datetime:
    """The time that a text such as `3m` stands for, counted from `START`.

    Raises `DefinitionError` for anything that is not a number with a unit.

    >>> time_after_start("1.5h").isoformat()
    '2024-01-01T01:30:00+00:00'
    """
    parsed = _TIME.fullmatch(text)
    if parsed is None:
        raise DefinitionError("This is not a time after the start.", expected='such as "90s" or "3m"', found=text)
    return START + timedelta(seconds=float(parsed[1]) * _SECONDS[parsed[2]])


def touches_of_text(journeys: Mapping[str, str]) -> pl.DataFrame:
    """One row per touch: customer (String), at (Datetime us UTC), touchpoint (String) and the columns in brackets.

    Rows are in the order in which they are written. A customer with an empty text has no row.
    Raises `DefinitionError` for text that is no touch, with the text from there on.

    >>> touches_of_text({"ann": "visit@0m[device=phone] pay@2d"}).select("touchpoint", "device").rows()
    [('visit', 'phone'), ('pay', None)]
    """
    rows = [{CUSTOMER: customer, **touch} for customer, text in journeys.items() for touch in _touches(customer, text)]
    schema = {CUSTOMER: pl.String(), AT: TIME, TOUCHPOINT: pl.String()}
    names = list(dict.fromkeys(name for row in rows for name in row if name not in schema))
    base = pl.DataFrame([{name: row[name] for name in schema} for row in rows], schema=schema)
    return base.with_columns(_column(name, [row.get(name) for row in rows]) for name in names)


def _touches(customer: str, text: str) -> Iterator[dict[str, object]]:
    position = 0
    while text[position:].strip():
        touch = _TOUCH.match(text, position)
        if touch is None:
            raise DefinitionError(
                "This text is not a touch.",
                where=f"the text of {customer}",
                expected="name@time, such as visit@0m or visit@0m[device=phone]",
                found=text[position:].strip()[:40],
            )
        quoted, name, time, columns = touch.groups()
        yield {AT: time_after_start(time), TOUCHPOINT: quoted or name, **_values(customer, columns or "")}
        position = touch.end()


def _values(customer: str, columns: str) -> dict[str, object]:
    """The columns written in brackets."""
    pairs = [_PAIR.fullmatch(pair) for pair in columns.split(",")] if columns.strip() else []
    values = {pair[1]: pair[2] for pair in pairs if pair}
    if len(values) < len(pairs) or values.keys() & {CUSTOMER, AT, TOUCHPOINT}:
        raise DefinitionError(
            "These are not the columns of a touch.",
            where=f"the text of {customer}",
            expected="name=value pairs, separated by commas, each name once",
            found=f"[{columns}]",
        )
    return dict(values)


def _column(name: str, texts: list[object]) -> pl.Series:
    """The values of one column, as numbers where all of them are."""
    texts_only = pl.Series(name, texts, dtype=pl.String)
    numbers = texts_only.cast(pl.Float64, strict=False)
    return numbers if numbers.null_count() == texts_only.null_count() else texts_only
