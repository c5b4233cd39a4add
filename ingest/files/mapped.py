"""Applies a field mapping to the columns of a table at once, where each field is a whole column, a constant, or a time
in a plain form.

What it cannot do for a table, or for a row, is left to the mapping of messages (`ingest.decoding.formats.mapping`): a
table as a whole, or the rows that are *odd*. So both give the same events.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Any, Final, NamedTuple

import polars as pl

from expectations import contract
from ingest.decoding.formats import values
from ingest.decoding.formats.mapping import path_keys
from ingest.decoding.json_values import json_texts
from ingest.settings.ingest import Stream
from ingest.settings.mapping import UNITS, EventRule, Origin

_NOT_PLAIN: Final = frozenset({"identities", "items", "properties", "score", "schema_version"})
"""Columns whose cells are no plain texts, and fields that are not read from them here."""
_CONVERTERS: Final[Mapping[str, Callable[[Any], Any]]] = {"event_name": values.name, "currency": values.upper_case}
_DIRECTIVES: Final = {
    "%Y": "[12][0-9]{3}",
    "%m": "(0[1-9]|1[0-2])",
    "%d": "(0[1-9]|[12][0-9]|3[01])",
    "%H": "([01][0-9]|2[0-3])",
    "%M": "[0-5][0-9]",
    "%S": "[0-5][0-9]",
}
"""Directives of `strptime` that polars and Python read alike, with the texts for which this is so."""
_ISO: Final = "%Y-%m-%d %H:%M:%S"
_EPOCH: Final = "^[0-9]{1,18}$"


class TableMapping(NamedTuple):
    """The origins of a stream's fields, and of those of its rules."""

    fields: Mapping[str, Origin]
    rules: Sequence[EventRule]


class Mapped(NamedTuple):
    """Fields of the event, other columns as JSON texts, and the rows that are left to the mapping of messages."""

    fields: dict[str, pl.Series]
    properties: dict[str, pl.Series]
    odd: pl.Series


def table_mapping(stream: Stream) -> TableMapping | None:
    """The mapping of a stream, if it can be applied to columns; else None."""
    if stream.format != "json" or stream.rest != "properties" or not stream.fields or stream.elements:
        return None
    origins = [*stream.fields.items(), *(one for rule in stream.rules for one in rule.fields.items())]
    if all(_is_flat(name, origin) for name, origin in origins):
        return TableMapping(stream.fields, stream.rules)
    return None


def mapped_columns(table: pl.DataFrame, mapping: TableMapping, *, is_text: bool) -> Mapped | None:
    """The events of a table; None if it has a column that is not plain."""
    moved = {key for origin in mapping.fields.values() for key in _columns_of(origin)}
    needed = [
        column for name, origin in _all(mapping) for column in _columns_of(origin) if not _fits(table, column, name)
    ]
    left = [name for name in table.columns if name not in moved]
    if (
        needed
        or (is_text and any(_is_nested(name) for name in table.columns))
        or any(_is_nested(name) for name in left)
    ):
        return None
    applied = _Applied(table)
    for name, origin in mapping.fields.items():
        applied.add(name, origin)
    for rule, rows in zip(mapping.rules, applied.rows_of(mapping.rules), strict=True):
        applied.apply(rule, rows)
    nobody = pl.repeat(False, table.height, dtype=pl.Boolean, eager=True)
    properties = {name: json_texts(table[name]) for name in left}
    return Mapped(applied.whole_fields(), properties, reduce(or_, applied.odd, nobody))


def _all(mapping: TableMapping) -> list[tuple[str, Origin]]:
    return [*mapping.fields.items(), *(one for rule in mapping.rules for one in rule.fields.items())]


def _is_flat(name: str, origin: Origin) -> bool:
    """Whether a field is a column, a constant text, or a time in a form that polars reads as Python does."""
    field = name.partition(".")[0]
    is_time = name == contract.OCCURRED_AT
    constants = (origin.default, origin.value)
    return (
        (name.startswith("identities.") or field not in _NOT_PLAIN)
        and all(len(path_keys(path)) == 1 and not path.startswith("@") for path in origin.path)
        and not (origin.hash or origin.scale or origin.each or origin.unlike)
        and all(constant is None or (type(constant) is str and not is_time) for constant in constants)
        and (
            not is_time
            or (
                len(origin.time) == 1
                and (origin.time[0] in (*UNITS, "rfc3339", "iso") or _pattern(origin.time[0]) is not None)
            )
        )
    )


def _columns_of(origin: Origin) -> list[str]:
    return [path_keys(path)[0] for path in origin.path]


def _fits(table: pl.DataFrame, column: str, name: str) -> bool:
    """Whether a column, if the table has it, holds texts, or times for the time of the event."""
    dtype = table.schema.get(column, pl.String)
    return (
        dtype == pl.String
        or (name == contract.OCCURRED_AT and dtype.is_integer())
        or (name not in (contract.OCCURRED_AT, "revenue", "event_name", "currency") and dtype in (pl.Int64, pl.Int32))
    )


def _is_nested(name: str) -> bool:
    """Whether a column of a table is read in another way than as a text of its name."""
    return name.partition(".")[0] in _NOT_PLAIN or name == contract.OCCURRED_AT


class _Applied:
    """The fields of a table's events so far, and the rows that are odd."""

    def __init__(self, table: pl.DataFrame) -> None:
        self._table = table
        self._fields: dict[str, pl.Series] = {}
        self.odd: list[pl.Series] = []

    def add(self, name: str, origin: Origin, rows: pl.Series | None = None) -> None:
        """Set a field where the origin has a value, in all rows or in some."""
        found = self._read(name, origin)
        own = self._fields.get(name)
        if rows is not None:
            found = pl.select(pl.when(rows).then(found)).to_series()
        self._fields[name] = found if own is None else pl.select(pl.coalesce(found, own)).to_series()

    def rows_of(self, rules: Sequence[EventRule]) -> list[pl.Series]:
        """The rows of each rule: those whose event is listed by it and by none before."""
        names = self._fields.get("event_name", pl.repeat(None, self._table.height, dtype=pl.String, eager=True))
        taken = pl.repeat(False, names.len(), dtype=pl.Boolean, eager=True)
        found = []
        for rule in rules:
            rows = names.is_in(list(map(values.snake, rule.events))).fill_null(False) & ~taken
            taken |= rows
            found.append(rows)
        return found

    def apply(self, rule: EventRule, rows: pl.Series) -> None:
        """Set the kind and the fields of a rule in its rows."""
        if rule.kind is not None:
            self.add("kind", Origin(value=rule.kind), rows)
        for name, origin in rule.fields.items():
            self.add(name, origin, rows)

    def whole_fields(self) -> dict[str, pl.Series]:
        """The fields of the event, with the identities as one object."""
        inner = {name.removeprefix("identities."): series for name, series in self._fields.items() if "." in name}
        fields = {name: series for name, series in self._fields.items() if "." not in name}
        if inner:
            frame = pl.DataFrame([series.alias(name) for name, series in inner.items()])
            present = pl.any_horizontal(pl.all().is_not_null())
            fields[contract.IDENTITIES] = frame.select(pl.when(present).then(pl.struct(pl.all()))).to_series()
        return fields

    def _read(self, name: str, origin: Origin) -> pl.Series:
        table = self._table
        columns = [table[column] for column in _columns_of(origin) if column in table.columns]
        constant = origin.default if origin.value is None else origin.value
        if name == contract.OCCURRED_AT:
            return self._times(columns, origin)
        texts = [series.cast(pl.String) for series in columns]
        constants = pl.repeat(constant, table.height, dtype=pl.String, eager=True)
        found = pl.select(pl.coalesce(*texts, constants)).to_series()
        convert = _CONVERTERS.get(name)
        return found if convert is None else _by_value(found, convert)

    def _times(self, columns: list[pl.Series], origin: Origin) -> pl.Series:
        if not columns:
            return pl.repeat(None, self._table.height, dtype=contract.TIME, eager=True)
        source = columns[0] if len(columns) == 1 else pl.select(pl.coalesce(*columns)).to_series()
        if origin.time[0] == "rfc3339":
            return source
        found = _times(source, origin)
        self.odd.append(source.is_not_null() & found.is_null())
        return found


def _by_value(texts: pl.Series, convert: Callable[[Any], Any]) -> pl.Series:
    """A column of texts, each converted; every text once."""
    known = texts.drop_nulls().unique()
    return texts.replace_strict(
        known, pl.Series([convert(text) for text in known], dtype=pl.String), default=None, return_dtype=pl.String
    )


def _times(series: pl.Series, origin: Origin) -> pl.Series:
    """The times of a column in a form; null where they are to be read as those of messages are."""
    form = origin.time[0]
    if form in UNITS:
        texts = series.cast(pl.String)
        numbers = texts.set(~texts.str.contains(_EPOCH).fill_null(True), None).cast(pl.Int64, strict=False)
        factor = UNITS[form]
        small = numbers.is_between(0, 253_402_300_799_999_999 // factor)
        return (numbers.set(~small.fill_null(True), None) * factor).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    if series.dtype != pl.String:
        return pl.repeat(None, series.len(), dtype=contract.TIME, eager=True)
    if form == "iso":
        texts, form = series.str.replace("T", " ", literal=True), _ISO
    else:
        texts = series
    pattern = _pattern(form)
    assert pattern is not None
    plain = texts.set(~texts.str.contains(f"^{pattern}$").fill_null(True), None)
    times = plain.str.to_datetime(form, time_unit="us", strict=False)
    if origin.zone is None:
        return pl.repeat(None, series.len(), dtype=contract.TIME, eager=True)
    local = times.dt.replace_time_zone(origin.zone, ambiguous="null", non_existent="null")
    return local.dt.convert_time_zone("UTC")


def _pattern(form: str) -> str | None:
    """The regular expression of the texts that a form of `strptime` reads alike everywhere; None for another form."""
    parts = re.split("(%.)", form)
    if any(part.startswith("%") and part not in _DIRECTIVES for part in parts) or "%Y" not in parts:
        return None
    return "".join(_DIRECTIVES.get(part) or re.escape(part) for part in parts)
