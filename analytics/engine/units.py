"""Divides the touches of a part into units (customers, journeys or sessions), and says how each unit ends.

A unit is a run of a customer's touches. Paths without journeys have one unit per customer. A unit ends `converted` when
a converted journey ends in it; else `open` when it is the customer's last one and its journey is open; else
`abandoned`. Without a column `outcome` every unit is open.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.conditions import one_of
from analytics.store.encoding import Dictionaries
from analytics.store.parts import Part

Unit = Literal["customer", "journey", "session"]
UNITS: Final = ("customer", "journey", "session")
START: Final = "START"
ENDS: Final = ("END_abandoned", "END_converted", "END_open")
ABANDONED, CONVERTED, OPEN = 0, 1, 2


def unit_columns(schema: pl.Schema, unit: str) -> list[str]:
    """The columns that must be read to find units and their ends."""
    one_of("unit", unit, UNITS)
    wanted = {"journey", "outcome", *([unit] if unit == "session" else [])}
    return [name for name in ("session", "journey", "outcome") if name in wanted and name in schema]


def units_of(
    part: Part, frame: pl.DataFrame, unit: str, dictionaries: Dictionaries
) -> tuple[NDArray[np.int64], NDArray[np.uint32], NDArray[np.uint8]]:
    """The first row of each unit, its customer (a number in the part), and its end (a position in `ENDS`)."""
    customers = part.bounds()
    fresh = np.zeros(len(frame) + 1, np.bool_)
    fresh[customers] = True
    begins = fresh.copy()
    if unit in frame.columns:
        begins[1:-1] |= _changes(frame[unit])
    starts = np.flatnonzero(begins[:-1])
    people = (np.searchsorted(customers, starts, side="right") - 1).astype(np.uint32)
    if "outcome" not in frame.columns:
        return starts, people, np.full(len(starts), OPEN, np.uint8)
    ends = np.full(len(starts), ABANDONED, np.uint8)
    outcome, codes = dictionaries["outcome"], frame["outcome"]
    over = fresh.copy()
    if "journey" in frame.columns:
        over[1:-1] |= _changes(frame["journey"])
    last = np.flatnonzero(over[1:])
    last_of_customer = np.flatnonzero(fresh[1:])
    for rows, word, code in ((last_of_customer, "open", OPEN), (last, "converted", CONVERTED)):
        hits = rows[(codes.gather(rows) == _code(outcome, word)).fill_null(False).to_numpy()]
        ends[np.searchsorted(starts, hits, side="right") - 1] = code
    return starts, people, ends


def _changes(values: pl.Series) -> NDArray[np.bool_]:
    """Where a value differs from the one before it; the first is not looked at."""
    array = (values.rle_id() if values.null_count() else values.to_physical()).to_numpy()
    changed: NDArray[np.bool_] = array[1:] != array[:-1]
    return changed


def _code(words: pl.Series, word: str) -> int:
    found = words.index_of(word)
    return len(words) if found is None else found
