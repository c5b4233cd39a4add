"""What is read as one path: a customer's touches, those of a session or journey, or those with one value?

A scan reads **streams**: runs of touches with bounds. Mostly a stream is a customer's run of rows in the part, and
nothing is copied. Where the touches of a chain must share a value, or the funnel is asked once for each value, a
customer's rows are laid out once for each value; rows of another value are then only kept as far as they matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.store.parts import rows_of_runs

Ints = NDArray[Any]


@dataclass(frozen=True)
class Streams:
    """Touches as a scan reads them. Stream `s` is `bounds[s]` to `bounds[s + 1]` and belongs to unit `unit[s]`.

    `rows` gives the row of the part for every touch; None when they are the same. Unit `u` belongs to customer
    `customer[u]`.
    """

    codes: Ints
    bits: NDArray[np.uint64]
    times: Ints
    bounds: NDArray[np.int64]
    unit: Ints
    customer: Ints
    rows: Ints | None = None

    def steady(self) -> Streams:
        """The same touches in arrays that are not to be written to, so that a scan is compiled for few types.

        Codes are u8 or u32, times u32 or i64; whatever has these types is not copied.
        """
        return self._as(
            np.uint8 if self.codes.dtype == np.uint8 else np.uint32,
            np.uint32 if self.times.dtype == np.uint32 else np.int64,
        )

    def widest(self) -> Streams:
        """The same touches with codes in u32 and times in i64."""
        return self._as(np.uint32, np.int64)

    def _as(self, codes: type[np.generic], times: type[np.generic]) -> Streams:
        return replace(
            self,
            codes=steady(self.codes, codes),
            bits=steady(self.bits, np.uint64),
            times=steady(self.times, times),
            bounds=steady(self.bounds, np.int64),
        )

    def row_of(self, touches: Ints) -> Ints:
        """Rows of the part for touches of the streams; -1 stays -1."""
        if self.rows is None:
            return touches
        return np.where(touches < 0, -1, self.rows[np.maximum(touches, 0)]).astype(touches.dtype, copy=False)


def steady(values: Ints, dtype: type[np.generic]) -> Ints:
    """The values as a read-only array of this type; no copy where they have it."""
    same = np.ascontiguousarray(values, dtype).view()
    same.setflags(write=False)
    return same


def whole_customers(codes: Ints, bits: NDArray[np.uint64], times: Ints, bounds: NDArray[np.int64]) -> Streams:
    """One stream a customer."""
    everyone = np.arange(len(bounds) - 1)
    return Streams(codes, bits, times, bounds, everyone, everyone)


def some_of(streams: Streams, chosen: Ints) -> Streams:
    """Some of the streams, laid out by themselves; `unit` stays that of the stream."""
    low, high = streams.bounds[chosen], streams.bounds[chosen + 1]
    bounds = np.append(0, np.cumsum(high - low)).astype(np.int64)
    touches = rows_of_runs(low, high - low).astype(np.int64)
    return Streams(
        streams.codes[touches],
        streams.bits,
        streams.times[touches],
        bounds,
        streams.unit[chosen],
        streams.customer,
        streams.row_of(touches),
    )


def runs_of(streams: Streams, column: pl.Series) -> Streams:
    """One stream for each run of equal values of a column within a customer: sessions, journeys."""
    begins = np.zeros(len(streams.codes), np.bool_)
    changed = column.ne_missing(column.shift(1)).fill_null(True).to_numpy()
    begins[streams.bounds[:-1][np.diff(streams.bounds) > 0]] = True
    starts = np.flatnonzero(begins | changed)
    bounds = np.append(starts, len(streams.codes)).astype(np.int64)
    customer = np.searchsorted(streams.bounds, starts, side="right") - 1
    return Streams(streams.codes, streams.bits, streams.times, bounds, np.arange(len(starts)), customer)


def one_per_value(
    streams: Streams, keys: pl.Series, valued: NDArray[np.bool_], kept: NDArray[np.bool_], clear: int
) -> Streams:
    """One stream for each unit and key that a valued touch of it has, in the order of the unit's rows.

    A stream has the valued touches with its key, and those of the unit's other touches that are `kept`, whose bits
    `clear` are taken away when they are valued with another key. A null is no key.
    """
    unit = np.repeat(streams.unit, np.diff(streams.bounds))
    touches = pl.DataFrame({"row": np.arange(len(unit)), "unit": unit, "key": keys, "valued": valued, "kept": kept})
    own = touches.filter("valued", pl.col("key").is_not_null())
    others = touches.filter("kept").rename({"key": "other"})
    foreign = own.select("unit", "key").unique().join(others, on="unit")
    foreign = foreign.filter(~(pl.col("valued") & pl.col("key").eq_missing(pl.col("other"))))
    laid = pl.concat(
        [
            own.select("unit", "key", "row", pl.lit(False).alias("cleared")),
            foreign.select("unit", "key", "row", pl.col("valued").alias("cleared")),
        ]
    ).sort("unit", "key", "row")
    rows = laid["row"].to_numpy()
    starts = np.flatnonzero(laid.select(pl.struct("unit", "key").rle_id().diff().fill_null(1)).to_series().to_numpy())
    codes = streams.codes[rows].astype(np.int64) + laid["cleared"].to_numpy() * len(streams.bits)
    bits = np.concatenate([streams.bits, streams.bits & ~np.uint64(clear)])
    bounds = np.append(starts, len(rows)).astype(np.int64)
    return Streams(codes, bits, streams.times[rows], bounds, laid["unit"].to_numpy()[starts], streams.customer, rows)


def keys_of(columns: Sequence[pl.Series], *, with_null: bool) -> pl.Series:
    """One whole number for each combination of values; null where a value is missing, unless nulls are values."""
    frame = pl.DataFrame(columns)
    key = pl.struct(pl.all()).rank("dense").cast(pl.Int64)
    missing = pl.any_horizontal(pl.all().is_null())
    return frame.select((key if with_null else pl.when(~missing).then(key)).alias("key")).to_series()
