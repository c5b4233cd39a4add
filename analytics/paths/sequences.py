"""The touches of each unit as one sequence of codes, in the order of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.matching import scale_of
from analytics.engine.run import run
from analytics.engine.sequences import Sequences
from analytics.engine.units import unit_columns, units_of
from analytics.paths.view import Codes, Indices, Selection, View, codes_of
from analytics.store.columns import AT
from analytics.store.encoding import as_text
from analytics.store.parts import Part, decoded
from analytics.store.paths import Paths


@dataclass(frozen=True, kw_only=True)
class UnitSequences(Sequences):
    """One sequence per unit, of codes of the view's column.

    `ends` (an index of `ENDS`) and `groups` (the breakdown at the first touch) have one row per unit.
    """

    rows: Indices
    ends: NDArray[np.uint8]
    groups: pl.DataFrame

    def people(self, part: Part) -> NDArray[np.uint64]:
        """The customer of each unit, as a number that is distinct over all parts."""
        return self.customer.astype(np.uint64) + (part.number << 32)


def sequences_of(paths: Paths, part: Part, view: View, words: pl.Series) -> UnitSequences:
    """The sequences of a part that the view asks for; `words` are those of `words_of`."""
    frame = part.read([*dict.fromkeys([AT, view.on, *unit_columns(paths, view.unit)])])
    begins, people, ends = units_of(paths, part, frame, view.unit)
    nodes, keep = _nodes(paths, frame[view.on], words)
    if view.among.where is not None:
        names = list(dict.fromkeys(view.among.where.meta.root_names())) or [AT]
        seen = decoded(part, names, paths.dictionaries).select(view.among.where.alias("met"))
        met: NDArray[np.bool_] = seen["met"].fill_null(False).to_numpy()
        keep = met if keep is None else keep & met
    rows, bounds, units = _kept(begins, len(frame), keep)
    nodes = nodes if keep is None else nodes[rows]
    if view.collapse and len(nodes):
        apart = np.append(True, nodes[1:] != nodes[:-1])
        apart[bounds[:-1]] = True
        counts = np.add.reduceat(apart, bounds[:-1], dtype=np.int64)
        nodes, rows, bounds = nodes[apart], rows[apart], np.append(0, np.cumsum(counts))
    chosen = _chosen(nodes, bounds, view.among, words)
    if chosen is not None:
        touches = np.repeat(chosen, np.diff(bounds))
        nodes, rows, units = nodes[touches], rows[touches], units[chosen]
        bounds = np.append(0, np.cumsum(np.diff(bounds)[chosen]))
    times = frame[AT].to_numpy() if len(rows) == len(frame) else frame[AT].to_numpy()[rows]
    groups = _groups(paths, part, view, rows[bounds[:-1]])
    return UnitSequences(
        codes=nodes,
        times=times,
        scale=scale_of(frame[AT]),
        bounds=bounds,
        customer=people[units],
        rows=rows,
        ends=ends[units],
        groups=groups,
    )


def each(paths: Paths, view: View, words: pl.Series, partial: Any) -> list[Any]:
    """`partial(sequences, part)` of every part that has sequences."""

    def work(part: Part) -> Any:
        sequences = sequences_of(paths, part, view, words)
        return partial(sequences, part) if len(sequences) else None

    return [result for result in run(paths, work) if result is not None]


def together(paths: Paths, view: View, columns: Mapping[str, Any], partials: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Frames of all parts as one; without any, none of the rows but all columns: the groups, then `columns`."""
    roots = [name for item in view.by for name in item.meta.root_names()]
    schema = {name: paths.schema[name] for name in roots}
    groups = as_text(pl.DataFrame(schema=schema).select(*view.by)).schema if view.by else {}
    return pl.concat([pl.DataFrame(schema={**groups, **columns}), *partials])


def grouped(groups: pl.DataFrame) -> tuple[pl.DataFrame, NDArray[np.int64]]:
    """The groups that occur, and the number of the group of every unit."""
    if not groups.width:
        return pl.DataFrame(height=1), np.zeros(groups.height, np.int64)
    distinct = groups.unique(maintain_order=True)
    numbered = distinct.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias(" number"))
    joined = groups.join(numbered, on=groups.columns, how="left", nulls_equal=True, maintain_order="left")
    return distinct, joined[" number"].to_numpy()


def _nodes(paths: Paths, column: pl.Series, words: pl.Series) -> tuple[Codes, NDArray[np.bool_] | None]:
    """The codes of a column, and which touches have one (None when all have)."""
    codes = column
    if column.name not in paths.dictionaries:
        codes = column.cast(pl.String).cast(pl.Enum(words)).to_physical()
    if not codes.null_count():
        return codes.to_numpy(), None
    return codes.fill_null(0).to_numpy(), codes.is_not_null().to_numpy()


def _kept(begins: Indices, size: int, keep: NDArray[np.bool_] | None) -> tuple[Indices, Indices, Indices]:
    """The rows that are left, where their units begin (and the end), and which units are left."""
    if keep is None or not size:
        return np.arange(size), np.append(begins, size), np.arange(len(begins))
    counts = np.add.reduceat(keep, begins, dtype=np.int64)
    units = np.flatnonzero(counts)
    return np.flatnonzero(keep), np.append(0, np.cumsum(counts[units])), units


def _chosen(nodes: Codes, bounds: Indices, among: Selection, words: pl.Series) -> NDArray[np.bool_] | None:
    """Which units a selection means; None when it means all."""
    if not (among.start or among.end or among.through) or len(bounds) < 2:
        return None
    chosen = np.ones(len(bounds) - 1, np.bool_)
    if among.start:
        chosen &= np.isin(nodes[bounds[:-1]], codes_of(words, among.start))
    if among.end:
        chosen &= np.isin(nodes[bounds[1:] - 1], codes_of(words, among.end))
    for name in among.through:
        chosen &= np.logical_or.reduceat(np.isin(nodes, codes_of(words, name)), bounds[:-1])
    return chosen


def _groups(paths: Paths, part: Part, view: View, first: Indices) -> pl.DataFrame:
    """The breakdown of each unit: its value at the unit's first touch."""
    if not view.by:
        return pl.DataFrame(height=len(first))
    roots = list(dict.fromkeys(name for item in view.by for name in item.meta.root_names()))
    return as_text(decoded(part, roots, paths.dictionaries)[first].select(*view.by))
