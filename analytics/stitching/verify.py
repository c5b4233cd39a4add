"""Are the paths as they should be? Computed anew, they must be the same, row by row."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from analytics.stitching.build import build, build_inputs
from analytics.store.columns import CUSTOMER
from analytics.store.paths import Paths
from analytics.touches.rules import PathRules
from expectations.errors import StorageError
from expectations.lake.layout import Lake


@dataclass(frozen=True)
class Verification:
    """How stored paths compare with paths built anew: touches in both, and in one of them only."""

    touches: int
    missing: int
    surplus: int
    current: bool

    @property
    def holds(self) -> bool:
        """Whether the stored paths are exactly those of what they were built from."""
        return not (self.missing or self.surplus)


def is_current(lake: Lake, rules: PathRules) -> bool:
    """Whether the stored paths were built from the tables and the rules of now."""
    try:
        return Paths.open(lake).built_from == build_inputs(lake, rules)
    except StorageError:
        return False


def verify(lake: Lake, rules: PathRules | None = None) -> Verification:
    """Recompute the paths and compare them with the stored ones, row by row, whatever the order of customers.

    Raises `StorageError` when there are no paths. `current` tells whether the lake has changed since they were built:
    then differences are no fault.
    """
    rules = rules or PathRules()
    stored = Paths.open(lake)
    with tempfile.TemporaryDirectory(prefix="journeys-") as folder:
        build(lake, rules, end_of_data=stored.end_of_data, into=Path(folder))
        anew = Paths.open(folder)
        ours, theirs = _rows(stored), _rows(anew)
    missing = _not_in(theirs, ours)
    surplus = _not_in(ours, theirs)
    return Verification(len(ours), missing, surplus, is_current(lake, rules))


def _rows(paths: Paths) -> pl.DataFrame:
    """A hash of every touch with its place on its customer's path."""
    place = pl.int_range(pl.len()).over(CUSTOMER).alias("_place")
    columns = sorted(paths.columns)
    parts = [
        paths.read(part, columns)
        .with_columns(pl.col(pl.Enum, pl.Categorical).cast(pl.String), place)
        .select(pl.struct(*columns, "_place").hash().alias("row"))
        for part in paths.parts
    ]
    return pl.concat(parts) if parts else pl.DataFrame(schema={"row": pl.UInt64})


def _not_in(rows: pl.DataFrame, others: pl.DataFrame) -> int:
    return len(rows.join(others, on="row", how="anti"))
