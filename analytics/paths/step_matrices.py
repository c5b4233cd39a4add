"""Where are paths, position by position?

A step matrix gives the share of units at each value at their first touch, their second touch, and so on. A unit that
ends before a position is counted there at END_converted, END_abandoned or END_open, so that the shares of every
position sum to 1.
"""

from __future__ import annotations

from functools import partial
from typing import Final

import numpy as np
import polars as pl

from analytics.engine.units import ENDS
from analytics.paths.sequences import UnitSequences, each, grouped, together
from analytics.paths.view import By, Indices, Selection, View, words_of
from analytics.store.columns import TOUCHPOINT
from analytics.store.parts import Part
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

CELL: Final = ("position", "node", "units", "share")


def step_matrix(
    paths: Paths,
    depth: int = 20,
    *,
    unit: str = "journey",
    by: By = (),
    on: str = TOUCHPOINT,
    collapse: bool = False,
    among: Selection | None = None,
) -> pl.DataFrame:
    """The share of units at every value, at each of the first `depth` positions.

    Columns: those of `by` (the value at the unit's first touch); `position` UInt32 (from 1); `node` String (a value of
    `on`, or END_converted, END_abandoned, END_open for units that ended earlier); `units` Int64; `share` Float64 of all
    units of the group. Cells without units are left out. Sorted by position, largest first. `collapse` joins repeats
    of one value, `among` selects units; touches without a value are skipped. No touches give no rows.
    Raises `DefinitionError` for an unknown unit or column, or a depth below 1.

    >>> from analytics import Paths
    >>> shop = Paths.from_text({"ann": "visit@0m pay@5m", "bo": "visit@0m"})
    >>> step_matrix(shop, depth=2)["position", "node", "share"].rows()
    [(1, 'visit', 1.0), (2, 'END_open', 0.5), (2, 'pay', 0.5)]
    """
    if depth < 1:
        raise DefinitionError("A step matrix is too small.", expected="depth of 1 or more", found=f"depth {depth}")
    view = View(unit, on, by, collapse=collapse, among=among).checked(paths, CELL)
    words = words_of(paths, on)
    partials = each(paths, view, words, partial(_cells, depth, len(words)))
    counts = {"position": pl.UInt32, "code": pl.Int64, "units": pl.Int64}
    keys = [*view.groups, "position", "code"]
    whole = together(paths, view, counts, partials).group_by(keys).agg(pl.col("units").sum())
    names = pl.concat([words.cast(pl.String), pl.Series(ENDS)])
    of_all = pl.col("units").sum().over([*view.groups, "position"])
    table = whole.with_columns(
        pl.Series("node", names.gather(whole["code"]), pl.String), (pl.col("units") / of_all).alias("share")
    )
    order = dict.fromkeys(view.groups, False) | {"position": False, "units": True, "node": False}
    table = table.sort(list(order), descending=list(order.values()), nulls_last=True)
    return table.select(*view.groups, *CELL)


def _cells(depth: int, words: int, sequences: UnitSequences, _: Part) -> pl.DataFrame:
    """The non-empty cells of one part: groups, `position`, `code`, `units`."""
    groups, of_unit = grouped(sequences.groups)
    size = words + len(ENDS)
    counts = np.zeros((len(groups), depth, size), np.int64)
    for position in range(depth):
        there = np.flatnonzero(sequences.lengths > position)
        if not len(there):
            break
        nodes = sequences.codes[sequences.bounds[:-1][there] + position].astype(np.int64)
        counts[:, position, :words] = _counted(of_unit[there], nodes, len(groups), words)
    over = np.minimum(sequences.lengths, depth)
    ended = _counted(
        of_unit * (depth + 1) + over, sequences.ends.astype(np.int64), len(groups) * (depth + 1), len(ENDS)
    )
    counts[:, :, words:] = ended.reshape(len(groups), depth + 1, len(ENDS)).cumsum(axis=1)[:, :depth]
    group, position_, code = np.nonzero(counts)
    cells = pl.DataFrame(
        {
            "position": pl.Series(position_ + 1, dtype=pl.UInt32),
            "code": pl.Series(code, dtype=pl.Int64),
            "units": counts[group, position_, code],
        }
    )
    return pl.concat([groups[group], cells], how="horizontal") if groups.width else cells


def _counted(rows: Indices, columns: Indices, height: int, width: int) -> Indices:
    """How often each pair of a row and a column occurs."""
    return np.bincount(rows * width + columns, minlength=height * width).reshape(height, width)
