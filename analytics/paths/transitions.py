"""How do customers move from touch to touch?

An edge is a pair of consecutive touches of a unit (customer, journey or session). START leads to the unit's first
touch; its last touch leads to END_converted, END_abandoned or END_open. At every touchpoint, inflow plus starts
therefore equals outflow plus ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.analysis import Cells, answer, measured_by
from analytics.engine.distributions import DISTRIBUTION, durations, sliced
from analytics.engine.run import run
from analytics.engine.units import ENDS, START, Unit
from analytics.paths.measure import PathMeasure
from analytics.paths.sequences import UnitSequences, sorted_answer
from analytics.paths.view import By, Indices, Selection, node_names
from analytics.store.columns import TOUCHPOINT
from analytics.store.paths import Paths

RANKS: Final = {"median_wait": 0.5, "p95_wait": 0.95}
MAX_CELLS: Final = 1 << 22
"""With more possible edges than this, only edges that occur get a counter."""


@dataclass(frozen=True, eq=False)
class Transitions(PathMeasure):
    """Counts edges: a partial has one row per edge, with the codes of its ends."""

    SCHEMA: ClassVar[pl.Schema] = answer(
        source=pl.String,
        target=pl.String,
        transitions=pl.Int64,
        customers=pl.Int64,
        share_of_source=pl.Float64,
        median_wait=pl.Duration("us"),
        p95_wait=pl.Duration("us"),
    )
    CELLS: ClassVar[Cells | None] = Cells(("source", "target"), ("source",))
    BOUND: ClassVar[int] = 1 << 22
    KEYS: ClassVar[Mapping[str, Any]] = {"source": pl.Int64, "target": pl.Int64}
    COUNTS: ClassVar[Mapping[str, Any]] = {"transitions": pl.Int64, "customers": pl.Int64, "waits": DISTRIBUTION}
    QUANTILES: ClassVar[Mapping[str, Sequence[float]]] = {"waits": tuple(RANKS.values())}

    def counts(self, sequences: UnitSequences) -> pl.DataFrame:
        """The edges of one part."""
        size = len(self.view.names)
        return pl.concat(_edges(sequences, keys, of, size, self.exact) for keys, of in sequences.groupings())

    def cell_rows(self, sequences: UnitSequences) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Every transition; the whole of a source is all that leave it."""
        names = node_names(self.view.names, [START, *ENDS])
        unit, first = sequences.sequence_numbers(), len(self.view.names)
        source = np.insert(sequences.codes.astype(np.int64), sequences.bounds[:-1], first)
        target = np.insert(sequences.codes.astype(np.int64), sequences.bounds[1:], first + 1 + sequences.ends)
        unit = np.insert(unit, sequences.bounds[:-1], np.arange(len(sequences)))
        rows = pl.DataFrame({"source": names.gather(source), "target": names.gather(target), "unit": unit})
        return rows, rows.drop("target")

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `transitions`."""
        names = node_names(self.view.names, [START, *ENDS])
        leaving = pl.col("transitions").sum().over([*self.view.keys, "source"])
        table = merged.with_columns(
            (pl.col("transitions") / leaving).alias("share_of_source"),
            *(pl.Series(end, names.gather(merged[end]), pl.String) for end in ("source", "target")),
            *durations(merged["waits"], RANKS),
        )
        ordered = sorted_answer(table, self.view, "-transitions", "source", "target")
        return ordered.select(*self.view.groups, *self.SCHEMA)


@measured_by(Transitions)
def transitions(
    paths: Paths,
    *,
    unit: Unit = "journey",
    by: By = (),
    where: pl.Expr | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    on: str = TOUCHPOINT,
    collapse: bool = False,
    among: Selection | None = None,
    exact: bool = False,
) -> pl.DataFrame:
    """Every edge with the number of transitions and customers, and the wait between its two touches.

    Columns: those of `by` (the value at the unit's first touch); `is_total` Boolean (rows over all groups come first,
    with null in `by`); `source`, `target` String; `transitions`, `customers` Int64; `share_of_source` Float64 (of the
    transitions that leave the source, in the same group); `median_wait`, `p95_wait` Duration(us), interpolated linearly
    between ranks, null for START and the ENDs; where an edge has more than 1,000 waits they are right to 1 in 1,000, or
    with `exact` exact, for twice the time. Most frequent first. The nodes are the values of column `on` (in quotes
    where one is called like START or an END); touches without a value are skipped. `collapse` joins repeats of one
    value. `among` selects units. Touches at one instant keep their order. No touches give no rows. Raises
    `DefinitionError` for an unknown unit or column.

    >>> from analytics import Paths
    >>> transitions(Paths.from_text({"ann": "visit@0m pay@5m"}))["source", "target"].sort("source").rows()
    [('START', 'visit'), ('pay', 'END_open'), ('visit', 'pay')]
    """
    return run(
        paths,
        Transitions.of(
            paths, unit=unit, by=by, where=where, start=start, end=end, on=on, collapse=collapse, among=among
        ),
        exact=exact,
    )


def _edges(
    sequences: UnitSequences, keys: pl.DataFrame, group: Indices, words: int, exact: tuple[int, ...]
) -> pl.DataFrame:
    """The edges of one part by group; `words` is the number of values that a touch may have."""
    from analytics.engine.kernels.counts import count_edges, number_edges, place_waits

    edges = np.empty(len(sequences.codes) + len(sequences), np.int64)
    number_edges(sequences.codes, sequences.bounds, sequences.ends, group, words, edges)
    cells = len(keys) * (words + 4) ** 2
    numbers: NDArray[np.int64] | None = None
    if cells > MAX_CELLS:
        numbers, edges = np.unique(edges, return_inverse=True)
        cells = len(numbers)
    taken, customers = np.zeros(cells, np.int64), np.zeros(cells, np.int64)
    count_edges(edges, sequences.bounds, sequences.customer, taken, customers)
    rows = np.flatnonzero(taken)
    source, target = np.divmod(rows if numbers is None else numbers[rows], words + 4)
    number, source = np.divmod(source, words + 4)
    bounds = np.append(0, np.cumsum(np.where((source < words) & (target < words), taken[rows], 0)))
    cursor = np.zeros(cells, np.int64)
    cursor[rows] = bounds[:-1]
    waits = np.empty(bounds[-1], np.uint32 if sequences.times.dtype == np.uint32 else np.int64)
    place_waits(edges, sequences.times, sequences.bounds, cursor, waits)
    counts: dict[str, Any] = {
        "source": source,
        "target": target,
        "transitions": taken[rows],
        "customers": customers[rows],
        "waits": sliced(waits, bounds, scale=sequences.scale, exact=exact),
    }
    return pl.concat([keys[number], pl.DataFrame(counts)], how="horizontal")
