"""The sequences that a funnel scans: one per customer, session or journey, or one per value of a column.

Mostly a sequence is a customer's run of rows in the part, and nothing is copied. Where the touches of a chain must
share a value (`same`), or the funnel is answered once per value (`attribution="every"`), the rows of a unit are copied
once for each value; rows with another value are kept only as far as they matter to the scan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.sequences import Ints, Sequences
from analytics.funnels.definition import Funnel
from analytics.store.parts import rows_of_runs


@dataclass(frozen=True, kw_only=True)
class StepSequences(Sequences):
    """Sequences whose codes say which steps and exclusions a touch meets.

    `bits` has the conditions of every code, as `Matcher.match` numbers them. `unit` is the number of the unit that
    each sequence belongs to: its own number, unless there is one sequence per value.
    """

    bits: NDArray[np.uint64]
    unit: Ints

    def read_only(self) -> StepSequences:
        """The same touches in read-only arrays of few types, so that a scan is compiled for few types.

        Codes are u8 or u32, times u32 or i64; whatever has these types is not copied.
        """
        return self._cast(
            np.uint8 if self.codes.dtype == np.uint8 else np.uint32,
            np.uint32 if self.times.dtype == np.uint32 else np.int64,
        )

    def arranged(self, *, latest_first: bool) -> StepSequences:
        """The same touches, those at one instant in the order of their steps, whatever their order in the source."""
        repeated = np.append(False, self.times[1:] == self.times[:-1])[: len(self.times)]
        repeated[self.bounds[:-1][self.lengths > 0]] = False
        if not repeated.any():
            return self
        tied = np.flatnonzero(repeated | np.append(repeated[1:], False))
        instant, steps = np.cumsum(~repeated[tied]), self.bits[self.codes[tied]]
        order = tied[np.lexsort((~steps if latest_first else steps, instant))]
        codes, rows = self.codes.copy(), self.row_of(np.arange(len(self.codes)))
        codes[tied], rows[tied] = codes[order], rows[order]
        return replace(self, codes=codes, rows=rows)

    def widest(self) -> StepSequences:
        """The same touches with codes in u32 and times in i64."""
        return self._cast(np.uint32, np.int64)

    def _cast(self, codes: type[np.generic], times: type[np.generic]) -> StepSequences:
        return replace(
            self,
            codes=_read_only(self.codes, codes),
            bits=_read_only(self.bits, np.uint64),
            times=_read_only(self.times, times),
            bounds=_read_only(self.bounds, np.int64),
        )


def _read_only(values: Ints, dtype: type[np.generic]) -> Ints:
    """The values as a read-only array of this type; no copy where they have it."""
    view = np.ascontiguousarray(values, dtype).view()
    view.setflags(write=False)
    return view


def sequences_of_customers(
    codes: Ints, bits: NDArray[np.uint64], times: Ints, scale: int, bounds: NDArray[np.int64]
) -> StepSequences:
    """One sequence per customer."""
    numbers = np.arange(len(bounds) - 1)
    return StepSequences(
        codes=codes, bits=bits, times=times, scale=scale, bounds=bounds, customer=numbers, unit=numbers, rows=None
    )


def subset(sequences: StepSequences, chosen: Ints) -> StepSequences:
    """The chosen sequences with the touches that meet a condition, side by side; `unit` and `customer` as they were."""
    low, high = sequences.bounds[chosen], sequences.bounds[chosen + 1]
    touches = rows_of_runs(low, high - low).astype(np.int64)
    matters = sequences.bits[sequences.codes[touches]] > 0
    before = np.append(0, np.cumsum(matters))
    touches = touches[matters]
    return replace(
        sequences,
        codes=sequences.codes[touches],
        times=sequences.times[touches],
        bounds=before[np.append(0, np.cumsum(high - low))].astype(np.int64),
        unit=sequences.unit[chosen],
        customer=sequences.customer[chosen],
        rows=sequences.row_of(touches),
    )


def entry_bits(definition: Funnel) -> np.uint64:
    """The conditions that a touch meets one of where it could be an entry."""
    return np.uint64((1 << len(definition.steps)) - 1 if definition.order == "unordered" else 1)


def entries_of(sequences: StepSequences, definition: Funnel) -> tuple[Ints, Ints]:
    """The times of the touches that could be an entry, in order, and the number of the sequence of each."""
    entry = (sequences.bits[sequences.codes] & entry_bits(definition)) > 0
    times = sequences.times[entry]
    order = np.argsort(times, kind="stable")
    return times[order], sequences.sequence_numbers()[entry][order]


def sequences_of_runs(customers: StepSequences, column: pl.Series) -> StepSequences:
    """One sequence per run of equal values of a column within a customer: sessions, journeys."""
    begins = np.zeros(len(customers.codes), np.bool_)
    changed = column.ne_missing(column.shift(1)).fill_null(True).to_numpy()
    begins[customers.bounds[:-1][customers.lengths > 0]] = True
    starts = np.flatnonzero(begins | changed)
    return replace(
        customers,
        bounds=np.append(starts, len(customers.codes)).astype(np.int64),
        unit=np.arange(len(starts)),
        customer=np.searchsorted(customers.bounds, starts, side="right") - 1,
    )


def sequences_per_value(
    sequences: StepSequences, keys: pl.Series, valued: NDArray[np.bool_], kept: NDArray[np.bool_], clear: int
) -> StepSequences:
    """One sequence for each sequence and key that a valued touch of it has, with its touches in the same order.

    It has the valued touches with its key, and those of the other touches that are `kept`; a kept touch that is valued
    with another key loses the bits `clear`. A null is no key.
    """
    source = sequences.sequence_numbers()
    touches = pl.DataFrame(
        {"row": np.arange(len(source)), "source": source, "key": keys, "valued": valued, "kept": kept}
    )
    own = touches.filter("valued", pl.col("key").is_not_null())
    others = touches.filter("kept").rename({"key": "other"})
    foreign = own.select("source", "key").unique().join(others, on="source")
    foreign = foreign.filter(~(pl.col("valued") & pl.col("key").eq_missing(pl.col("other"))))
    laid = pl.concat(
        [
            own.select("source", "key", "row", pl.lit(False).alias("cleared")),
            foreign.select("source", "key", "row", pl.col("valued").alias("cleared")),
        ]
    ).sort("source", "key", "row")
    rows = laid["row"].to_numpy()
    starts = np.flatnonzero(laid.select(pl.struct("source", "key").rle_id().diff().fill_null(1)).to_series().to_numpy())
    of = laid["source"].to_numpy()[starts]
    return replace(
        sequences,
        codes=sequences.codes[rows].astype(np.int64) + laid["cleared"].to_numpy() * len(sequences.bits),
        bits=np.concatenate([sequences.bits, sequences.bits & ~np.uint64(clear)]),
        times=sequences.times[rows],
        bounds=np.append(starts, len(rows)).astype(np.int64),
        unit=sequences.unit[of],
        customer=sequences.customer[of],
        rows=sequences.row_of(rows),
    )


def combination_keys(columns: Sequence[pl.Series], *, with_null: bool) -> pl.Series:
    """One whole number for each combination of values; null where a value is missing, unless nulls are values."""
    frame = pl.DataFrame(columns)
    key = pl.struct(pl.all()).rank("dense").cast(pl.Int64)
    missing = pl.any_horizontal(pl.all().is_null())
    return frame.select((key if with_null else pl.when(~missing).then(key)).alias("key")).to_series()
