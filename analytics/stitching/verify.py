"""Checks stored paths: against those computed again, row by row, and against a known truth of who is who."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from analytics.stitching.build import build, build_inputs
from analytics.stitching.privacy.objection import objectors
from analytics.stitching.refresh_state import load_state, stored_nodes
from analytics.store.columns import CUSTOMER
from analytics.store.manifest import generation_of
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
    """Whether the stored paths were built from the current tables and rules, and know who objects to profiling."""
    try:
        stored = Paths.open(lake)
    except StorageError:
        return False
    if stored.built_from != build_inputs(lake, rules):
        return False
    return not (rules.objected or stored.objected) or stored.objected == objectors(stored_nodes(lake), rules)


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


@dataclass(frozen=True)
class Agreement:
    """Pairs of identities: `planted` of one person, `found` in one customer, and `right`, both."""

    planted: int
    found: int
    right: int

    @property
    def precision(self) -> float:
        """The share of the found pairs that are right; 1 without any."""
        return self.right / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        """The share of the planted pairs that are found; 1 without any."""
        return self.right / self.planted if self.planted else 1.0


def agreement(nodes: pl.DataFrame, truth: pl.DataFrame) -> Agreement:
    """How customers agree with a known truth, over the identities that both have.

    `nodes` has kind, value and customer, `truth` identity_kind, identity and customer.
    """
    known = truth.select(kind="identity_kind", value="identity", person="customer")
    both = nodes.join(known, on=["kind", "value"])
    planted, found, right = (_pairs(both, *by) for by in (("person",), ("customer",), ("customer", "person")))
    return Agreement(planted, found, right)


def stored_agreement(lake: Lake, truth: pl.DataFrame) -> Agreement | None:
    """How the stored paths agree with a known truth, see `agreement`; None when their identities are not known."""
    state = load_state(lake, generation_of(lake))
    return None if state is None else agreement(state.nodes, truth)


def _pairs(frame: pl.DataFrame, *by: str) -> int:
    size = frame.group_by(by).len()["len"].cast(pl.Int64)
    return int((size * (size - 1) // 2).sum())


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
