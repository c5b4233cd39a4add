"""Puts the values of a column in the place of the customers, a share of the values at a time."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Sequence
from typing import Final

import polars as pl

from analytics.store.columns import AT, CUSTOMER, TOUCHPOINT
from analytics.store.paths import Paths
from analytics.store.writer import StoreWriter

TOUCHES_AT_ONCE: Final = 4_000_000
"""Up to so many touches are regrouped in memory; more go through a temporary store, so many at a time."""


def regrouped(paths: Paths, column: str, columns: Sequence[str]) -> Paths:
    """The touches with the values of `column` in the place of customers; touches without a value are left out.

    Only `columns` are kept, beside customer, time and touchpoint. Memory holds a share of the touches at a time.

    >>> shop = Paths.from_text({"ann": "visit@0m[order=1] pay@1m[order=1]", "bo": "pay@2m[order=1]"})
    >>> regrouped(shop, "order", [])
    Paths(3 touches of 1 customers, to 2024-01-01 00:02 UTC)
    """
    kept = list(dict.fromkeys([AT, TOUCHPOINT, column, *(name for name in columns if name != CUSTOMER)]))
    touches = paths.touches.select(kept).filter(pl.col(column).is_not_null())
    touches = touches.with_columns(pl.col(column).alias(CUSTOMER))
    shares = -(-len(paths) // TOUCHES_AT_ONCE)
    if shares <= 1:
        return Paths.from_frame(touches, end_of_data=paths.end_of_data)
    folder = tempfile.TemporaryDirectory(prefix="journeys-")
    with StoreWriter(folder.name) as writer:
        for share in range(shares):
            some = touches.filter(pl.col(CUSTOMER).hash() % shares == share).collect()
            writer.add(some.sort(CUSTOMER, AT, maintain_order=True))
        writer.finish(end_of_data=paths.end_of_data)
    found = Paths.open(folder.name)
    weakref.finalize(found, folder.cleanup)
    return found
