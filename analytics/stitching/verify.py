"""Checks stored paths: computes them again and compares them with the stored ones, row by row."""

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
    """How stored paths compare with rebuilt paths: touches compared, and touches in only one of them."""

    touches: int
    missing: int
    surplus: int
    current: bool

    @property
    def holds(self) -> bool:
        """Whether the stored paths are exactly those of the tables they were built from."""
        return not (self.missing or self.surplus)


def is_current(lake: Lake, rules: PathRules) -> bool:
    """Whether the stored paths were built from the current tables and rules."""
    try:
        return Paths.open(lake).built_from == build_inputs(lake, rules)
    except StorageError:
        return False


def verify(lake: Lake, rules: PathRules | None = None) -> Verification:
    """Computes the paths again and compares them with the stored ones, row by row, in any order of customers.

    `current` says whether the lake is unchanged since the paths were built; if not, differences are no fault. Raises
    `StorageError` when there are no paths.
    """
    rules = rules or PathRules()
    stored = Paths.open(lake)
    with tempfile.TemporaryDirectory(prefix="journeys-") as folder:
        build(lake, rules, end_of_data=stored.end_of_data, into=Path(folder))
        rebuilt = Paths.open(folder)
        stored_rows, rebuilt_rows = _rows(stored), _rows(rebuilt)
    missing = _not_in(rebuilt_rows, stored_rows)
    surplus = _not_in(stored_rows, rebuilt_rows)
    return Verification(len(stored_rows), missing, surplus, is_current(lake, rules))


def _rows(paths: Paths) -> pl.DataFrame:
    """A hash of every touch with its position on its customer's path."""
    position = pl.int_range(pl.len()).over(CUSTOMER).alias("_place")
    columns = sorted(paths.columns)
    parts = [
        paths.read(part, columns)
        .with_columns(pl.col(pl.Enum, pl.Categorical).cast(pl.String), position)
        .select(pl.struct(*columns, "_place").hash().alias("row"))
        for part in paths.parts
    ]
    return pl.concat(parts) if parts else pl.DataFrame(schema={"row": pl.UInt64})


def _not_in(rows: pl.DataFrame, others: pl.DataFrame) -> int:
    return len(rows.join(others, on="row", how="anti"))
