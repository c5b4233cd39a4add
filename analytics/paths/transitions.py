"""How do customers move from touch to touch?

An edge is a pair of consecutive touches of a unit (customer, journey or session). START leads to the unit's first
touch; its last touch leads to END_converted, END_abandoned or END_open. At every touchpoint, inflow plus starts
therefore equals outflow plus ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.units import ENDS, START
from analytics.paths.sequences import UnitSequences, each, grouped, together
from analytics.paths.view import By, Selection, View, words_of
from analytics.store.columns import TOUCHPOINT
from analytics.store.parts import Part
from analytics.store.paths import Paths

COUNTED: Final = ("source", "target", "transitions", "customers", "share_of_source", "median_wait", "p95_wait")
RANKS: Final = {"median_wait": 0.5, "p95_wait": 0.95}
COUNTS: Final = dict.fromkeys(("source", "target", "transitions", "customers", "waiting"), pl.Int64)
MOST_CELLS: Final = 1 << 22
"""With more possible edges than this, only edges that occur get a counter."""


def transitions(
    paths: Paths,
    *,
    unit: str = "journey",
    by: By = (),
    on: str = TOUCHPOINT,
    collapse: bool = False,
    among: Selection | None = None,
) -> pl.DataFrame:
    """Every edge with the number of transitions and customers, and the wait between its two touches.

    Columns: those of `by` (the value at the unit's first touch); `source`, `target` String; `transitions`, `customers`
    Int64; `share_of_source` Float64 (of the transitions that leave the source, in the same group); `median_wait`,
    `p95_wait` Duration(us), interpolated linearly between ranks, null for START and the ENDs. Most frequent first. The
    nodes are the values of column `on`; touches without a value are skipped. `collapse` joins repeats of one value.
    `among` selects units. Touches at one instant keep their order. No touches give no rows. Raises `DefinitionError`
    for an unknown unit or column.

    >>> from analytics import Paths
    >>> transitions(Paths.from_text({"ann": "visit@0m pay@5m"}))["source", "target"].sort("source").rows()
    [('START', 'visit'), ('pay', 'END_open'), ('visit', 'pay')]
    """
    view = View(unit, on, by, collapse=collapse, among=among).checked(paths, COUNTED)
    words = words_of(paths, on)
    partials = each(paths, view, words, partial(_edges, view, len(words)))
    names = pl.concat([words.cast(pl.String), pl.Series([START, *ENDS])]).rename("node")
    table = together(paths, view, COUNTS, [part.table for part in partials]).with_row_index("at")
    return _finish(table, partials, names, view.groups)


@dataclass(frozen=True)
class Edges:
    """The edges of one part: one row per edge in `table` (groups, source and target codes, counts), and the waits.

    `waits` (in units of `scale` us) holds the waits of the first edge, then those of the second, and so on; column
    `waiting` of the table has the number of waits of each edge.
    """

    table: pl.DataFrame
    waits: NDArray[Any]
    scale: int


def _edges(view: View, words: int, sequences: UnitSequences, _: Part) -> Edges:
    """Counts the edges of one part."""
    from analytics.engine.kernels.edges import count_edges, number_edges, place_waits

    groups, of_unit = grouped(sequences.groups)
    edges = np.empty(len(sequences.codes) + len(sequences), np.int64)
    number_edges(sequences.codes, sequences.bounds, sequences.ends, of_unit, words, edges)
    cells = len(groups) * (words + 4) ** 2
    numbers: NDArray[np.int64] | None = None
    if cells > MOST_CELLS:
        numbers, edges = np.unique(edges, return_inverse=True)
        cells = len(numbers)
    taken, customers = np.zeros(cells, np.int64), np.zeros(cells, np.int64)
    count_edges(edges, sequences.bounds, sequences.customer, taken, customers)
    rows = np.flatnonzero(taken)
    source, target = np.divmod(rows if numbers is None else numbers[rows], words + 4)
    group, source = np.divmod(source, words + 4)
    inner = (source < words) & (target < words)
    waiting = np.where(inner, taken[rows], 0)
    cursor = np.zeros(cells, np.int64)
    cursor[rows] = np.cumsum(waiting) - waiting
    waits = np.empty(int(waiting.sum()), np.uint32 if sequences.times.dtype == np.uint32 else np.int64)
    place_waits(edges, sequences.times, sequences.bounds, cursor, waits)
    counts = {"source": source, "target": target, "transitions": taken[rows], "customers": customers[rows]}
    counted = pl.DataFrame({**counts, "waiting": waiting})
    table = pl.concat([groups[group], counted], how="horizontal") if view.by else counted
    return Edges(table, waits, sequences.scale)


def _finish(counted: pl.DataFrame, parts: list[Edges], names: pl.Series, by: list[str]) -> pl.DataFrame:
    """Adds up the edges of all parts and returns the columns of `transitions`."""
    keys = [*by, "source", "target"]
    whole = counted.group_by(keys, maintain_order=True).agg(pl.exclude(*keys, "at").sum(), pl.col("at"))
    waits = _ranks(parts, counted["waiting"].to_numpy(), whole)
    leaving = pl.col("transitions").sum().over([*by, "source"])
    table = whole.with_columns(waits.get_columns()).with_columns(
        (pl.col("transitions") / leaving).alias("share_of_source"),
        *(pl.Series(end, names.gather(whole[end])) for end in ("source", "target")),
    )
    order = [False] * len(by) + [True, False, False]
    return table.select(*by, *COUNTED).sort(*by, "transitions", "source", "target", descending=order, nulls_last=True)


def _ranks(parts: list[Edges], waiting: NDArray[np.int64], whole: pl.DataFrame) -> pl.DataFrame:
    """The exact quantiles of the waits of each edge, over all parts."""
    from analytics.engine.kernels.edges import join_slices

    scale = parts[0].scale if len({part.scale for part in parts}) == 1 else 1
    waits = [part.waits if part.scale == scale else part.waits.astype(np.int64) * part.scale for part in parts]
    flat = np.concatenate(waits) if waits else np.zeros(0, np.int64)
    rows = whole["at"].explode().to_numpy()
    if len(parts) > 1:
        joined = np.empty_like(flat)
        join_slices(flat, (np.cumsum(waiting) - waiting)[rows], waiting[rows], joined)
        flat = joined
    ranked = quantiles(flat, whole["waiting"].to_numpy(), list(RANKS.values()))
    return pl.DataFrame(
        {
            name: pl.Series(np.round(ranks * scale)).fill_nan(None).cast(pl.Int64).cast(pl.Duration("us"))
            for name, ranks in zip(RANKS, ranked, strict=True)
        }
    )


def quantiles(values: NDArray[Any], counts: NDArray[np.int64], shares: list[float]) -> list[NDArray[np.float64]]:
    """The quantiles of consecutive slices of `values`: one array per share, with one number per slice.

    Slice `i` has `counts[i]` values. Quantiles are interpolated linearly between ranks; empty slices give NaN. Reorders
    `values` in place within each slice.

    >>> quantiles(np.array([4, 1, 3, 7]), np.array([3, 0, 1]), [0.5])
    [array([ 3., nan,  7.])]
    """
    begins = np.cumsum(counts) - counts
    ranks = [share * np.maximum(counts - 1, 0) for share in shares]
    below = [np.floor(rank).astype(np.int64) for rank in ranks]
    above = [np.minimum(low + 1, np.maximum(counts - 1, 0)) for low in below]
    wanted = np.stack([*below, *above], axis=1).tolist()
    for begin, count, positions in zip(begins.tolist(), counts.tolist(), wanted, strict=True):
        if count > 1:
            values[begin : begin + count].partition(positions)
    padded = np.append(values, np.zeros(1, values.dtype))
    ranked = []
    for rank, low, high in zip(ranks, below, above, strict=True):
        lower, upper = padded[begins + low].astype(np.float64), padded[begins + high].astype(np.float64)
        ranked.append(np.where(counts > 0, lower + (upper - lower) * (rank - low), np.nan))
    return ranked
