"""The JSON that values of a table stand for: times without a zone are UTC, money and spans of time are text, bytes are
hexadecimal.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import orjson
import polars as pl

_OPTIONS: Final = orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z | orjson.OPT_SERIALIZE_NUMPY
_ESCAPED: Final = r'["\\\x00-\x1f]'
"""Characters that JSON writes in another way within text."""


def json_bytes(value: object, option: int = 0) -> bytes:
    """A value, or a row of them, as JSON.

    >>> json_bytes({"price": Decimal("1.50"), "at": datetime(2026, 1, 1)})
    b'{"price":"1.50","at":"2026-01-01T00:00:00Z"}'
    """
    return orjson.dumps(value, default=_as_text, option=_OPTIONS | option)


def json_values(series: pl.Series) -> list[Any]:
    """The values of a column as they are read from the messages of its rows.

    >>> json_values(pl.Series([date(2026, 1, 1), None]))
    ['2026-01-01', None]
    """
    values: list[Any] = orjson.loads(json_bytes(series.to_list()))
    return values


def json_texts(series: pl.Series) -> pl.Series:
    """The canonical JSON of each value of a column, as text; null where the column is.

    >>> json_texts(pl.Series(['5"', None])).to_list()
    ['"5\\\\""', None]
    """
    dtype = series.dtype
    if dtype in (pl.Boolean, pl.Null) or (dtype.is_integer() and dtype not in (pl.Int128, pl.UInt128)):
        return series.cast(pl.String)
    if dtype.is_float():
        texts = json_bytes(series.to_list())[1:-1].decode().split(",") if series.len() else []
        return pl.select(pl.when(series.is_not_null()).then(pl.Series(texts, dtype=pl.String))).to_series()
    if dtype == pl.String:
        quoted = pl.select(pl.concat_str(pl.lit('"'), series, pl.lit('"')).alias(series.name)).to_series()
        escaped = series.str.contains(_ESCAPED).fill_null(False)
        return quoted.scatter(escaped.arg_true(), _texts(series.filter(escaped))) if escaped.any() else quoted
    return _texts(series)


def _texts(series: pl.Series) -> pl.Series:
    values = series.to_list()
    texts = [None if value is None else json_bytes(value, orjson.OPT_SORT_KEYS).decode() for value in values]
    return pl.Series(texts, dtype=pl.String)


def _as_text(value: object) -> str:
    if isinstance(value, Decimal | timedelta):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(type(value).__name__)
