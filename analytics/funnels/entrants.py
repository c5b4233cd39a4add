"""The entrants of a funnel in one part: their depth, the times of their steps, their values of the breakdown."""

from __future__ import annotations

import numpy as np
import polars as pl

from analytics.engine.sequences import Ints
from analytics.funnels.scan import FOREVER, ChainScan, Reading
from analytics.store.columns import CUSTOMER
from analytics.store.encoding import Dictionaries
from analytics.store.frames import micros
from analytics.store.parts import Part, decode


def entrants(scan: ChainScan, part: Part, words: Dictionaries) -> pl.DataFrame:
    """One row per entrant: a customer, or session, journey, attempt.

    Columns: those of `by`; `place` (the customer's number in the part); `depth`; `mature`; `tied` (the depth depends on
    the order of touches of one instant); `first` (the first entry in range, in microseconds); `at_1`.. (microseconds,
    null where not reached).
    """
    return entrants_of(scan, scan.read(part, words))


def entrants_of(scan: ChainScan, reading: Reading) -> pl.DataFrame:
    """The same of a part that is read already."""
    found, times = reading.found, reading.times
    columns = breakdown(scan, reading)
    columns += [
        pl.Series("place", reading.sequences.customer[found.sequence]),
        pl.Series("depth", found.depth, pl.UInt32),
        pl.Series("mature", times[found.firsts] <= latest_mature(scan, reading)),
        pl.Series("tied", found.least != found.depth),
        pl.Series("first", times[found.firsts].astype(np.int64) * reading.scale),
    ]
    at = reading.frame["at"]
    for k, touch in enumerate(found.chains.T):
        columns.append((at_rows(at, touch).cast(pl.Int64) * reading.scale).alias(f"at_{k + 1}"))
    return pl.DataFrame(columns)


def latest_mature(scan: ChainScan, reading: Reading) -> int:
    """The last time, as the part has times, at which an entrant had the whole window before the end of the data."""
    if scan.definition.maturity == "clip":
        return FOREVER
    if scan.end_of_data is None:
        return -FOREVER
    return (micros(scan.end_of_data) - micros(scan.definition.window)) // reading.scale


def breakdown(scan: ChainScan, reading: Reading) -> list[pl.Series]:
    """The values of `by` of every entrant, at the touch that the attribution names."""
    asked, found = scan.definition, reading.found
    if not asked.by:
        return []
    if asked.attribution == "at_entry":
        touch = found.chains[:, 0]
    elif asked.attributed_step is not None:
        touch = found.chains[:, asked.attributed_step - 1]
    elif asked.attribution in ("first", "last"):
        touch = _valued_touch(scan, reading)
    else:
        touch = _touch_of_sequence(scan, reading)
    return [_value(reading, name, touch) for name in asked.by]


def _value(reading: Reading, name: str, touch: Ints) -> pl.Series:
    """The decoded values of a column at rows; only these rows are decoded."""
    if name == CUSTOMER:
        return at_rows(decode(reading.part, reading.frame, [name], reading.words)[name], touch)
    found = at_rows(reading.frame[name], touch).to_frame()
    return decode(reading.part, found, [name], reading.words)[name]


def at_rows(values: pl.Series, touch: Ints) -> pl.Series:
    """Values at rows; null for row -1."""
    if (touch >= 0).all():
        return values[touch]
    rows = pl.Series(touch).cast(pl.Int64)
    return values.gather(rows.set(rows < 0, None))


def _valued_touch(scan: ChainScan, reading: Reading) -> Ints:
    """The first, or the last touch of the unit that matches a step and has any of the values; -1 without one."""
    units, found = reading.units, reading.found
    rules = scan.rules(reading.scale)[0]
    steps = np.uint64((1 << len(scan.definition.steps)) - 1)
    has = (
        decode(reading.part, reading.frame, scan.definition.by, reading.words)
        .select(pl.any_horizontal(pl.all().is_not_null()))
        .to_series()
        .to_numpy()
    )
    ours = has & ((units.bits & steps) > 0)[units.codes] & (units.times >= max(rules["entry_from"], 0))
    rows, unit = np.arange(len(ours)), reading.sequences.unit[found.sequence]
    low, high = units.bounds[:-1][unit], units.bounds[1:][unit]
    if scan.definition.attribution == "first":
        following = np.minimum.accumulate(np.where(ours, rows, len(rows))[::-1])[::-1]
        touch = following[low]
        return np.where(touch < high, touch, -1)
    before = np.maximum.accumulate(np.where(ours, rows, -1))
    touch = before[found.chains.max(axis=1)]
    return np.where(touch >= low, touch, -1)


def _touch_of_sequence(scan: ChainScan, reading: Reading) -> Ints:
    """A touch whose value the sequence stands for: that of the step it was laid out for, or any."""
    sequences, sequence = reading.sequences, reading.found.sequence
    if scan.definition.attribution == "every":
        return sequences.row_of(sequences.bounds[:-1])[sequence]
    own = np.uint64(1 << (int(scan.definition.attribution[11:]) - 1))
    marked = (sequences.bits[sequences.codes] & own) > 0
    first = np.minimum.accumulate(np.where(marked, np.arange(len(marked)), len(marked))[::-1])[::-1]
    return sequences.row_of(first[sequences.bounds[:-1]])[sequence]
