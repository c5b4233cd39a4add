"""Whose path is it: the customer's, a journey's or a session's? And how does that path end?

A unit is a run of a customer's touches. Paths without journeys have one unit a customer. A unit ends `converted` when
a converted journey ends in it; else `open` when it is the customer's last one and its journey is open; else
`abandoned`. Without a column `outcome` every unit is open.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
import polars as pl

from analytics.definitions import one_of
from analytics.parts import Part, decoded
from analytics.store import Paths

Unit = Literal["customer", "journey", "session"]
UNITS: Final = ("customer", "journey", "session")
START: Final = "START"
ENDS: Final = ("END_abandoned", "END_converted", "END_open")
ABANDONED, CONVERTED, OPEN = 0, 1, 2


def unit_columns(paths: Paths, unit: str) -> list[str]:
    """The columns that must be read to tell units and their ends apart."""
    one_of("unit", unit, UNITS)
    if unit == "session":
        paths.require("session")
    wanted = {"journey", "outcome", *([unit] if unit == "session" else [])}
    return [name for name in ("session", "journey", "outcome") if name in wanted and name in paths.schema]


def with_units(paths: Paths, part: Part, frame: pl.DataFrame, unit: str) -> pl.DataFrame:
    """The physical columns of a part with `person` and `unit` (u32, from 0) and `end` (u8, a place in `ENDS`) added."""
    bounds = part.bounds()
    person = pl.Series("person", np.repeat(np.arange(part.customers, dtype=np.uint32), np.diff(bounds)), pl.UInt32)
    frame = frame.with_columns(person)
    keys = ["person", *([unit] if unit in frame.columns else [])]
    frame = frame.with_columns(pl.struct(keys).rle_id().alias("unit"))
    return frame.with_columns(_end(paths, part, frame).alias("end"))


def _end(paths: Paths, part: Part, frame: pl.DataFrame) -> pl.Series:
    if "outcome" not in paths.schema:
        return pl.Series(np.full(len(frame), OPEN, np.uint8))
    outcome = decoded(part, ["outcome"], paths.dictionaries).to_series()
    journey = ["journey"] if "journey" in frame.columns else []
    seen = frame.select("person", "unit", *journey).with_columns(outcome)
    journey_ends = pl.struct(["person", *journey]).rle_id()
    seen = seen.with_columns(
        (_is_last(journey_ends) & (pl.col("outcome") == "converted")).alias("goal"),
        (_is_last(pl.col("person")) & (pl.col("outcome") == "open")).alias("under_way"),
    )
    ends = seen.group_by("unit", maintain_order=True).agg(pl.col("goal").any(), pl.col("under_way").any(), pl.len())
    code = ends.select(
        pl.when("goal").then(CONVERTED).when("under_way").then(OPEN).otherwise(ABANDONED).cast(pl.UInt8).alias("end"),
        "len",
    )
    return pl.Series(np.repeat(code["end"].to_numpy(), code["len"].to_numpy()))


def _is_last(run: pl.Expr) -> pl.Expr:
    """Whether a row is the last of its run."""
    return (run != run.shift(-1)).fill_null(True)
