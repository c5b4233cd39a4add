"""Reads rows that are in columns already, without a message for each: as `json` without a mapping reads their messages.

Every row that is not plain is left to `decode`, as the message that it stands for: what is refused, and why, is decided
there alone. A row is plain if its fields have the types of the contract or convert to them without loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl

from expectations import contract
from ingest.decoding.columns import EARLIEST_MS, LATEST_MS, build_columns, identity_map, in_range
from ingest.decoding.decode import complete
from ingest.decoding.json_values import json_bytes, json_values
from ingest.message import ColumnBatch, Partition, Record, record_times
from ingest.settings.ingest import Stream
from ingest.settings.mapping import FIELDS

_TEXTS: Final = frozenset(FIELDS) - {
    "occurred_at", "identities", "revenue", "items", "score", "properties", "schema_version"
}  # fmt: skip
PROPERTIES: Final = "properties"


def read_columns(batch: ColumnBatch, partition: Partition, stream: Stream) -> tuple[pl.DataFrame, list[Record]]:
    """The plain rows of a batch as events of the contract (`contract.EVENTS`), and the messages of all others."""
    odd = batch.odd
    columns = []
    for name, series in batch.fields.items():
        column, left = _typed(name, series)
        columns.append(column.alias(name))
        odd = odd if left is None else odd | left
    length = len(batch)
    [received] = record_times([batch.timestamp])
    columns += [
        *_properties(batch.properties),
        batch.offsets.alias(contract.OFFSET),
        pl.repeat(0, length, dtype=pl.Int32, eager=True).alias(contract.PART),
        pl.repeat(received, length, dtype=pl.Int64, eager=True).alias(contract.RECEIVED_AT),
    ]
    frame = pl.DataFrame(columns)
    if not odd.any():
        return complete(frame, partition, stream), []
    return complete(frame.filter(~odd), partition, stream), batch.messages(odd.arg_true().to_list())


def _properties(texts: Mapping[str, pl.Series]) -> list[pl.Series]:
    """The column `properties`: one object with the fields of each row, sorted by name; null for a row without any."""
    if not texts:
        return []
    names = sorted(texts)
    frame = pl.DataFrame([texts[name].alias(str(number)) for number, name in enumerate(names)])
    fields = [pl.lit(json_bytes(name).decode() + ":") + pl.col(str(number)) for number, name in enumerate(names)]
    inner = pl.concat_str(fields, separator=",", ignore_nulls=True)
    whole = pl.when(inner != "").then(pl.concat_str(pl.lit("{"), inner, pl.lit("}")))
    return [frame.select(whole.alias(PROPERTIES)).to_series()]


def _typed(name: str, series: pl.Series) -> tuple[pl.Series, pl.Series | None]:
    """A field in the type of the contract, and the rows that are left to be decoded; None for none."""
    if series.null_count() == series.len():
        return pl.repeat(None, series.len(), dtype=contract.EVENTS[name], eager=True), None
    if name in _TEXTS and series.dtype == pl.String:
        return series.replace("", None) if (series == "").any() else series, None
    if name == contract.OCCURRED_AT and series.dtype == pl.String:
        return _lossless(series, rfc3339_times(series))
    if name == contract.OCCURRED_AT and series.dtype.is_integer():
        return _lossless(series, epoch_times(series))
    if name == contract.OCCURRED_AT and isinstance(series.dtype, pl.Datetime):
        return _instants(series)
    if name == "score" and series.dtype in (pl.Float32, pl.Float64):
        return pl.select(pl.when(series.is_finite()).then(series.cast(pl.Float64))).to_series(), None
    if name == contract.IDENTITIES and _is_texts(series.dtype):
        return identity_map(series), None
    return _built(name, series)


def _built(name: str, series: pl.Series) -> tuple[pl.Series, pl.Series | None]:
    """The field as the values of its messages give it."""
    held = series.is_not_null()
    [column], faults = build_columns({name: json_values(series.filter(held))})
    place = pl.when(held).then(held.cast(pl.Int64).cum_sum() - 1)
    places = pl.select(place).to_series()
    odd = pl.Series(list(faults), dtype=pl.Int64).implode()
    return column.gather(places), places.is_in(odd).fill_null(False) if faults else None


def rfc3339_times(texts: pl.Series) -> pl.Series:
    """RFC 3339 texts with a zone as times; null for others."""
    return in_range(texts.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False))


def epoch_times(numbers: pl.Series) -> pl.Series:
    """Whole milliseconds since 1970 as times; null outside the years 1 to 9999."""
    numbers = numbers.cast(pl.Int64, strict=False)
    within = pl.when(numbers.is_between(EARLIEST_MS, LATEST_MS)).then(numbers)
    return pl.select(within.cast(pl.Datetime("ms", "UTC")).cast(contract.TIME)).to_series()


def _instants(series: pl.Series) -> tuple[pl.Series, pl.Series | None]:
    """Times of a table in UTC; those that are not whole microseconds, or before 1970 in a zone, are left."""
    dtype = series.dtype
    assert isinstance(dtype, pl.Datetime)
    whole = series.dt.cast_time_unit("us")
    is_zoned = dtype.time_zone is not None
    times = in_range(whole.dt.convert_time_zone("UTC") if is_zoned else whole.dt.replace_time_zone("UTC"))
    plain = times.is_not_null()
    if dtype.time_unit == "ns":
        plain &= whole.dt.cast_time_unit("ns") == series
    if dtype.time_zone not in (None, "UTC"):
        plain &= times.dt.epoch("us") >= 0
    left = series.is_not_null() & ~plain.fill_null(False)
    return times, left if left.any() else None


def _lossless(series: pl.Series, converted: pl.Series) -> tuple[pl.Series, pl.Series | None]:
    """The converted column, and the rows whose value was lost."""
    lost = converted.is_null() & series.is_not_null() if converted.null_count() > series.null_count() else None
    return converted, lost


def _is_texts(dtype: pl.DataType) -> bool:
    return (
        isinstance(dtype, pl.Struct)
        and bool(dtype.fields)
        and all(field.dtype in (pl.String, pl.Null) for field in dtype.fields)
    )
