"""Converts one field of many messages to a typed column, and reports the rows with a value of another type.

Values come from orjson, so they are str, int, float, bool, None, list or dict. The types of a whole column are checked
at once (`set(map(type, values))`), which is cheap; single rows are visited only if a type does not fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from types import NoneType
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa

from expectations import contract

Values = Sequence[Any]
Fault = tuple[str, str, str]
"""Reason, field, and an explanation without values."""

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
_NOTHING: Final[dict[str, Any]] = {}
EARLIEST_MS, LATEST_MS = -62_135_596_800_000, 253_402_300_799_999  # those of contract.FIRST_TIME and LAST_TIME


def type_name(value: object) -> str:
    """The type of a JSON value in words, for messages that must not contain the value."""
    return _NAMES.get(type(value), "something else")


def build_columns(fields: Mapping[str, Values]) -> tuple[list[pl.Series], dict[int, Fault]]:
    """Build the typed columns of `contract.EVENTS` from JSON values, one row per message.

    Returns the columns and, by row, the first fault in the order of the fields; a faulty value is null in its column.
    """
    faults: dict[int, Fault] = {}
    series = [_BUILDERS.get(name, _text)(name, values, faults) for name, values in fields.items()]
    return series, faults


def _check_types(
    name: str, values: Values, faults: dict[int, Fault], allowed: frozenset[type], expected: str
) -> tuple[Values, bool]:
    """The values, with None for those of another type, which are added to `faults`; and whether any value is left."""
    types = set(map(type, values))
    if types <= allowed:
        return values, types != {NoneType}
    checked = list(values)
    for row, value in enumerate(values):
        if type(value) not in allowed:
            faults.setdefault(row, ("wrong_type", name, f"expected {expected}, found {type_name(value)}"))
            checked[row] = None
    return checked, True


def _empty(name: str, length: int) -> pl.Series:
    return pl.repeat(None, length, dtype=contract.EVENTS[name], eager=True).alias(name)


def _text(name: str, values: Values, faults: dict[int, Fault]) -> pl.Series:
    """Text; an empty one says nothing, in every format: null."""
    values, has_values = _check_types(name, values, faults, frozenset({str, NoneType}), "text")
    if not has_values:
        return pl.repeat(None, len(values), dtype=pl.String, eager=True).alias(name)
    series = pl.Series(name, values, pl.String)
    return series.replace("", None) if (series == "").any() else series


def _properties(name: str, values: Values, faults: dict[int, Fault]) -> pl.Series:
    values, has_values = _check_types(name, values, faults, frozenset({bytes, NoneType}), "an object")
    return pl.Series(name, values, pl.Binary).cast(pl.String) if has_values else _empty(name, len(values))


def _number(name: str, values: Values, faults: dict[int, Fault]) -> pl.Series:
    values, has_values = _check_types(name, values, faults, frozenset({int, float, NoneType}), "a number")
    return pl.Series(name, values, pl.Float64, strict=False) if has_values else _empty(name, len(values))


def _integer(name: str, values: Values, faults: dict[int, Fault]) -> pl.Series:
    values, has_values = _check_types(name, values, faults, frozenset({int, NoneType}), "a whole number")
    if not has_values:
        return pl.repeat(None, len(values), dtype=pl.Int32, eager=True).alias(name)
    small = [value if value is not None and -(2**31) <= value < 2**31 else None for value in values]
    fault = ("wrong_type", name, "expected a whole number of at most 32 bits")
    return _note_lost(pl.Series(name, small, pl.Int32), values, faults, fault)


def _money(name: str, values: Values, faults: dict[int, Fault]) -> pl.Series:
    """Text or numbers as decimals with two places, rounded half to even; a number is read from its shortest text, so
    that its binary form does not matter."""
    values, has_values = _check_types(name, values, faults, frozenset({str, int, float, NoneType}), "money")
    if not has_values:
        return pl.repeat(None, len(values), dtype=contract.MONEY, eager=True).alias(name)
    amounts = _amounts(name, values)
    return _note_lost(amounts, values, faults, ("wrong_type", name, "expected money such as 12.50"))


def _amounts(name: str, values: Values) -> pl.Series:
    text = [value if value is None or type(value) is str else repr(value) for value in values]
    exact = pl.Series(name, text, pl.String).cast(pl.Decimal(38, 6), strict=False)
    return exact.round(2).cast(contract.MONEY, strict=False)


def _time(name: str, values: Values, faults: dict[int, Fault]) -> pl.Series:
    """RFC 3339 text with a zone, or whole milliseconds since 1970 UTC, as times."""
    values, has_values = _check_types(
        name, values, faults, frozenset({str, int, NoneType}), "RFC 3339 text or epoch milliseconds"
    )
    if not has_values:
        return _empty(name, len(values))
    text = [value if type(value) is str else None for value in values]
    times = pl.Series(name, text, pl.String).str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
    if len(text) - text.count(None) < len(values):
        numbers = [v if type(v) is int and EARLIEST_MS <= v <= LATEST_MS else None for v in values]
        epoch = pl.Series(name, numbers, pl.Int64).cast(pl.Datetime("ms", "UTC")).cast(contract.TIME)
        times = pl.select(pl.coalesce(times, epoch)).to_series()
    return _note_lost(
        in_range(times), values, faults, ("bad_timestamp", name, "expected a time with a zone, 2026-01-31T12:00:00Z")
    )


def in_range(times: pl.Series) -> pl.Series:
    """The times, null before year 1 and after 9999: text with a sign may have any year."""
    within = times.is_between(contract.FIRST_TIME, contract.LAST_TIME)
    return times if within.all() else times.set(~within, None)


def to_times(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    """Convert a column to UTC times: text is RFC 3339 with a zone, or a date, which stands for midnight UTC; dates and
    times without a zone are UTC. A value that cannot be read becomes null.
    """
    series = frame[column]
    if series.dtype == pl.String:
        instants = series.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
        days = series.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        return frame.with_columns(in_range(pl.select(pl.coalesce(instants, days)).to_series()).alias(column))
    times = series.cast(pl.Datetime("us")) if series.dtype == pl.Date else series
    if isinstance(times.dtype, pl.Datetime) and times.dtype.time_zone is None:
        times = times.dt.replace_time_zone("UTC")
    return frame.with_columns(in_range(times.cast(contract.TIME)).alias(column))


def _note_lost(series: pl.Series, values: Values, faults: dict[int, Fault], fault: Fault) -> pl.Series:
    """Add a fault for every row whose value was lost in conversion."""
    if series.null_count():
        for row in series.is_null().arg_true().to_list():
            if values[row] is not None:
                faults.setdefault(row, fault)
    return series


def _identities(name: str, values: Values, faults: dict[int, Fault]) -> pl.Series:
    """Objects of text as a map column, without blank and null identities."""
    values, has_values = _check_types(name, values, faults, frozenset({dict, NoneType}), "an object of texts")
    if not has_values:
        return _empty(name, len(values))
    objects = [value or _NOTHING for value in values]
    flat = list(chain.from_iterable(map(dict.values, objects)))
    if not set(map(type, flat)) <= {str} or "" in flat:
        objects = [_without_blanks(name, each, row, faults) if each else each for row, each in enumerate(objects)]
        flat = list(chain.from_iterable(map(dict.values, objects)))
    keys = pa.array(list(chain.from_iterable(objects)), pa.large_string())
    offsets = _offsets(values, list(map(len, objects)), pa.int32())
    return pl.Series(name, pa.MapArray.from_arrays(offsets, keys, pa.array(flat, pa.large_string())))


def identity_map(objects: pl.Series) -> pl.Series:
    """Structs of texts as a map column, without blank and null identities; null where the struct is."""
    texts = objects.struct.unnest().select(pl.all().cast(pl.String).replace("", None))
    counts = texts.select(pl.sum_horizontal(pl.all().is_not_null().cast(pl.Int32))).to_series().to_numpy()
    row = pl.int_range(pl.len()).alias("row")
    flat = texts.with_columns(row).unpivot(index="row").drop_nulls("value").sort("row", maintain_order=True)
    keys, values = (flat[name].to_arrow().cast(pa.large_string()) for name in ("variable", "value"))
    offsets = _offsets(objects.is_not_null().replace(False, None), counts, pa.int32())
    return pl.Series(objects.name, pa.MapArray.from_arrays(offsets, keys, values))


def _without_blanks(name: str, identities: dict[str, Any], row: int, faults: dict[int, Fault]) -> dict[str, str]:
    for value in identities.values():
        if not isinstance(value, str | None):
            faults.setdefault(row, ("wrong_type", name, f"expected an object of texts, found {type_name(value)} in it"))
            return _NOTHING
    return {kind: value for kind, value in identities.items() if value}


def _offsets(values: Iterable[Any], lengths: Any, dtype: pa.DataType) -> Any:
    """The index in the flat list at which the entries of each row begin, null for a null row; and the end."""
    starts = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=starts[1:])
    absent = np.fromiter(chain((value is None for value in values), (False,)), bool, len(starts))
    return pa.array(starts, dtype, mask=absent)


def _items(name: str, values: Values, faults: dict[int, Fault]) -> pl.Series:
    """Lists of {sku, quantity, price} as a list column; other fields of an item are not kept."""
    values, has_values = _check_types(name, values, faults, frozenset({list, NoneType}), "a list of items")
    if not has_values:
        return _empty(name, len(values))
    lengths = [len(value) if value else 0 for value in values]
    flat = list(chain.from_iterable(value for value in values if value))
    rows = np.repeat(np.arange(len(values)), lengths).tolist()
    items = pl.DataFrame(_item_columns(name, flat, rows, faults)).to_struct(name)
    offsets = _offsets(values, lengths, pa.int64())
    return pl.Series(name, pa.LargeListArray.from_arrays(offsets, items.to_arrow())).cast(contract.EVENTS[name])


def _item_columns(name: str, flat: list[Any], rows: list[int], faults: dict[int, Fault]) -> list[pl.Series]:
    """The three columns of the items; adds a fault for the row of each invalid item."""
    item_faults: dict[int, Fault] = {}
    items, _ = _check_types(name, flat, item_faults, frozenset({dict}), "an object")
    fields = {key: [item.get(key) if item else None for item in items] for key in ("sku", "quantity", "price")}
    columns = [
        _text("sku", fields["sku"], item_faults),
        _integer("quantity", fields["quantity"], item_faults),
        _money("price", fields["price"], item_faults),
    ]
    for index, (reason, field, sentence) in sorted(item_faults.items()):
        message = f"{field} of an item: {sentence}" if field != name else sentence
        faults.setdefault(rows[index], (reason, name, message))
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
