"""Converts one field of many messages to a typed column, and collects the rows whose value has another type.

Values come from orjson, so they are str, int, float, bool, None, list or dict. The types of a whole column are checked
at once (`set(map(type, values))`), which is cheap; single rows are visited only if a type does not fit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from types import NoneType
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa

from expectations import contract

Values = Sequence[Any]
Fault = tuple[str, str, str]
"""Reason, field, sentence."""

_NAMES: Final[dict[type, str]] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    NoneType: "null",
    list: "a list",
    dict: "an object",
    bytes: "an object",
}
_BLANK_IS_NONE: Final = frozenset(
    {"event_id", "event_name", "kind", "channel", "customer_id", "anonymous_id", "session_id", "order_id", "survey"}
)
_NOTHING: Final[dict[str, Any]] = {}
_EARLIEST_MS, _LATEST_MS = -62_135_596_800_000, 253_402_300_799_999  # years 1 to 9999


def name_of(value: object) -> str:
    """What a JSON value is, in a word, without saying what it holds."""
    return _NAMES.get(type(value), "something else")


def build_columns(fields: Mapping[str, Values]) -> tuple[list[pl.Series], dict[int, Fault]]:
    """Make the typed columns of `contract.EVENTS` from JSON values, one row per message.

    Returns the columns and, by row, the first fault in order of the fields; a faulty value is null in its column.
    """
    wrong: dict[int, Fault] = {}
    series = [_BUILDERS.get(name, _text)(name, values, wrong) for name, values in fields.items()]
    return series, wrong


def _checked(
    name: str, values: Values, wrong: dict[int, Fault], allowed: frozenset[type], expected: str
) -> tuple[Values, bool]:
    """The values with those of other types set to None and noted; and whether any value is left."""
    found = set(map(type, values))
    if found <= allowed:
        return values, found != {NoneType}
    bad = [row for row, value in enumerate(values) if type(value) not in allowed]
    kept = list(values)
    for row in bad:
        wrong.setdefault(row, ("wrong_type", name, f"expected {expected}, found {name_of(kept[row])}"))
        kept[row] = None
    return kept, True


def _empty(name: str, length: int) -> pl.Series:
    return pl.repeat(None, length, dtype=contract.EVENTS[name], eager=True).alias(name)


def _text(name: str, values: Values, wrong: dict[int, Fault]) -> pl.Series:
    values, some = _checked(name, values, wrong, frozenset({str, NoneType}), "text")
    if not some:
        return pl.repeat(None, len(values), dtype=pl.String, eager=True).alias(name)
    series = pl.Series(name, values, pl.String)
    if name in _BLANK_IS_NONE and (series == "").any():
        series = series.replace("", None)
    return series


def _properties(name: str, values: Values, wrong: dict[int, Fault]) -> pl.Series:
    values, some = _checked(name, values, wrong, frozenset({bytes, NoneType}), "an object")
    return pl.Series(name, values, pl.Binary).cast(pl.String) if some else _empty(name, len(values))


def _number(name: str, values: Values, wrong: dict[int, Fault]) -> pl.Series:
    values, some = _checked(name, values, wrong, frozenset({int, float, NoneType}), "a number")
    return pl.Series(name, values, pl.Float64, strict=False) if some else _empty(name, len(values))


def _integer(name: str, values: Values, wrong: dict[int, Fault]) -> pl.Series:
    values, some = _checked(name, values, wrong, frozenset({int, NoneType}), "a whole number")
    if not some:
        return pl.repeat(None, len(values), dtype=pl.Int32, eager=True).alias(name)
    small = [value if value is not None and -(2**31) <= value < 2**31 else None for value in values]
    fault = ("wrong_type", name, "expected a whole number of at most 32 bits")
    return _refuse_lost(pl.Series(name, small, pl.Int32), values, wrong, fault)


def _money(name: str, values: Values, wrong: dict[int, Fault]) -> pl.Series:
    """Text or number to decimal with two places, half to even; a number is read by its shortest text, never as
    binary."""
    values, some = _checked(name, values, wrong, frozenset({str, int, float, NoneType}), "money")
    if not some:
        return pl.repeat(None, len(values), dtype=contract.MONEY, eager=True).alias(name)
    amounts = _amounts(name, values)
    return _refuse_lost(amounts, values, wrong, ("wrong_type", name, "expected money such as 12.50"))


def _amounts(name: str, values: Values) -> pl.Series:
    text = [value if value is None or type(value) is str else repr(value) for value in values]
    exact = pl.Series(name, text, pl.String).cast(pl.Decimal(38, 6), strict=False)
    return exact.round(2).cast(contract.MONEY, strict=False)


def _time(name: str, values: Values, wrong: dict[int, Fault]) -> pl.Series:
    """RFC 3339 text with a zone, or whole milliseconds since 1970 UTC."""
    values, some = _checked(name, values, wrong, frozenset({str, int, NoneType}), "RFC 3339 text or epoch milliseconds")
    if not some:
        return _empty(name, len(values))
    text = [value if type(value) is str else None for value in values]
    times = pl.Series(name, text, pl.String).str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
    if len(text) - text.count(None) < len(values):
        known = [v if type(v) is int and _EARLIEST_MS <= v <= _LATEST_MS else None for v in values]
        epoch = pl.Series(name, known, pl.Int64).cast(pl.Datetime("ms", "UTC")).cast(contract.TIME)
        times = pl.select(pl.coalesce(times, epoch)).to_series()
    return _refuse_lost(
        times, values, wrong, ("bad_timestamp", name, "expected a time with a zone, 2026-01-31T12:00:00Z")
    )


def to_times(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    """The frame with a column of times: text is read as RFC 3339 with a zone, or as a day that begins at midnight UTC;
    dates and times without a zone are UTC. What cannot be read is null.
    """
    given = frame[column]
    if given.dtype == pl.String:
        instants = given.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
        days = given.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        return frame.with_columns(pl.coalesce(instants, days).alias(column))
    times = given.cast(pl.Datetime("us")) if given.dtype == pl.Date else given
    if isinstance(times.dtype, pl.Datetime) and times.dtype.time_zone is None:
        times = times.dt.replace_time_zone("UTC")
    return frame.with_columns(times.cast(contract.TIME).alias(column))


def _refuse_lost(series: pl.Series, values: Values, wrong: dict[int, Fault], fault: Fault) -> pl.Series:
    """Note every row that held a value and lost it in conversion."""
    if series.null_count():
        for row in series.is_null().arg_true().to_list():
            if values[row] is not None:
                wrong.setdefault(row, fault)
    return series


def _identities(name: str, values: Values, wrong: dict[int, Fault]) -> pl.Series:
    """Objects of text to a map column; identities that are blank or null say nothing and are left out."""
    values, some = _checked(name, values, wrong, frozenset({dict, NoneType}), "an object of texts")
    if not some:
        return _empty(name, len(values))
    given = [value or _NOTHING for value in values]
    flat = list(chain.from_iterable(map(dict.values, given)))
    if not set(map(type, flat)) <= {str} or "" in flat:
        given = [_clean(name, value, row, wrong) if value else value for row, value in enumerate(given)]
        flat = list(chain.from_iterable(map(dict.values, given)))
    keys = pa.array(list(chain.from_iterable(given)), pa.large_string())
    offsets = _offsets(values, list(map(len, given)), pa.int32())
    return pl.Series(name, pa.MapArray.from_arrays(offsets, keys, pa.array(flat, pa.large_string())))


def _clean(name: str, value: dict[str, Any], row: int, wrong: dict[int, Fault]) -> dict[str, str]:
    for held in value.values():
        if not isinstance(held, str | None):
            wrong.setdefault(row, ("wrong_type", name, f"expected an object of texts, found {name_of(held)} in it"))
            return _NOTHING
    return {kind: held for kind, held in value.items() if held}


def _offsets(values: Values, lengths: list[int], dtype: pa.DataType) -> Any:
    """Where each row's entries begin in the flat list, null where the row is null, and the end."""
    starts = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=starts[1:])
    absent = np.fromiter(chain((value is None for value in values), (False,)), bool, len(starts))
    return pa.array(starts, dtype, mask=absent)


def _items(name: str, values: Values, wrong: dict[int, Fault]) -> pl.Series:
    """Lists of {sku, quantity, price} to a list column; other fields of an item are not kept."""
    values, some = _checked(name, values, wrong, frozenset({list, NoneType}), "a list of items")
    if not some:
        return _empty(name, len(values))
    lengths = [len(value) if value else 0 for value in values]
    flat = list(chain.from_iterable(value for value in values if value))
    rows = np.repeat(np.arange(len(values)), lengths).tolist()
    items = pl.DataFrame(_item_columns(name, flat, rows, wrong)).to_struct(name)
    offsets = _offsets(values, lengths, pa.int64())
    return pl.Series(name, pa.LargeListArray.from_arrays(offsets, items.to_arrow())).cast(contract.EVENTS[name])


def _item_columns(name: str, flat: list[Any], rows: list[int], wrong: dict[int, Fault]) -> list[pl.Series]:
    """The three columns of the items, and a fault for the row of every item that is none."""
    faults: dict[int, Fault] = {}
    items, _ = _checked(name, flat, faults, frozenset({dict}), "an object")
    fields = {key: [item.get(key) if item else None for item in items] for key in ("sku", "quantity", "price")}
    columns = [
        _text("sku", fields["sku"], faults),
        _integer("quantity", fields["quantity"], faults),
        _money("price", fields["price"], faults),
    ]
    for place in sorted(faults):
        reason, key, sentence = faults[place]
        wrong.setdefault(rows[place], (reason, name, f"{key} of an item: {sentence}" if key != name else sentence))
    return columns


_BUILDERS: Final[dict[str, Callable[[str, Values, dict[int, Fault]], pl.Series]]] = {
    "occurred_at": _time,
    "identities": _identities,
    "revenue": _money,
    "items": _items,
    "score": _number,
    "properties": _properties,
    "schema_version": _integer,
}
