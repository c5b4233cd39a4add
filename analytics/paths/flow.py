"""Where do customers go next, position by position, from an anchor?

A unit's path is followed from its first touch, or from its first `start` touch; or backwards from its last (or first)
`end` touch; or between the two. A **route** is the values at the first positions. Each position keeps its most frequent
values and joins the rest as `other`. A unit that ends before the last position leaves to the node of its outcome.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.conditions import Words, one_of, several
from analytics.engine.units import CONVERTED, ENDS, START
from analytics.engine.unknown_words import unknown_words, warn_of_unknown
from analytics.paths.sequences import UnitSequences, each, together
from analytics.paths.view import By, Indices, Selection, View, codes_of, words_of
from analytics.store.columns import TOUCHPOINT
from analytics.store.parts import Part
from analytics.store.paths import Paths
from expectations.config.durations import duration
from expectations.errors import DefinitionError

REST: Final = "other"
NOWHERE: Final = -1
CUT: Final = ENDS.index("END_abandoned")
LINKED: Final = (
    "position",
    "source",
    "target",
    "units",
    "customers",
    "converted",
    "share_of_source",
    "mean_wait",
    "median_wait",
)
ROUTED: Final = ("route", "ended", "units", "converted")


@dataclass(frozen=True)
class Anchors:
    """Where paths start and how far they are followed: positions, values kept at each, longest gap, which `end`."""

    start: tuple[str, ...] | None
    end: tuple[str, ...] | None
    depth: int
    top: int
    gap: timedelta | None
    occurrence: str

    def __post_init__(self) -> None:
        one_of("occurrence", self.occurrence, ("first", "last"))
        if self.depth < 2 or self.top < 1:
            size = f"depth {self.depth}, top {self.top}"
            raise DefinitionError("A flow is too small.", expected="depth of 2 or more, top of 1 or more", found=size)

    @property
    def backwards(self) -> bool:
        """Whether positions count back in time, from `end`."""
        return self.end is not None and self.start is None


@dataclass(frozen=True)
class Routes:
    """One row per unit: the codes and times at its first positions (NOWHERE after its end), and how it leaves."""

    units: pl.DataFrame
    codes: NDArray[np.int64]
    times: Indices
    names: pl.Series


def flow(
    paths: Paths,
    *,
    start: Words | None = None,
    end: Words | None = None,
    depth: int = 6,
    top: int = 8,
    unit: str = "journey",
    gap: str | timedelta | None = None,
    on: str = TOUCHPOINT,
    by: By = (),
    collapse: bool = False,
    among: Selection | None = None,
    occurrence: str = "last",
) -> pl.DataFrame:
    """The links of a flow diagram: the number of units that go from a value at one position to a value at the next.

    Columns: those of `by` (the value at the unit's first touch); `position` UInt32 (of the source, from 1); `source`,
    `target` String (`other` for the rest; END_converted, END_abandoned, END_open where the unit leaves, or START when
    the flow runs backwards); `units`, `customers` Int64 (each counts once per link, also in `other`), `converted` Int64
    (units that finally convert); `share_of_source` Float64; `mean_wait`, `median_wait` Duration(us), null where the
    unit leaves. Largest first within a position. No touches give no rows. Takes the arguments of `flow_routes`.

    >>> from analytics import Paths
    >>> flow(Paths.from_text({"ann": "visit@0m pay@5m"}))["position", "source", "target", "units"].rows()
    [(1, 'visit', 'pay', 1), (2, 'pay', 'END_open', 1)]
    """
    view = View(unit, on, by, collapse=collapse, among=among)
    anchors = _anchors(start, end, depth, top, gap, occurrence=occurrence)
    routes = _routes(paths, view, anchors, reserved=LINKED)
    schema = {"position": pl.UInt32, "source": pl.Int64, "target": pl.Int64, "person": pl.UInt64} | {
        "converted": pl.Boolean,
        "wait": pl.Int64,
    }
    tables = [_links(routes, view, position) for position in range(depth)]
    keys = [*view.groups, "position", "source", "target"]
    wait = pl.col("wait")
    links = (
        together(paths, view, schema, tables)
        .group_by(keys)
        .agg(
            pl.len().cast(pl.Int64).alias("units"),
            pl.col("person").n_unique().cast(pl.Int64).alias("customers"),
            pl.col("converted").sum().cast(pl.Int64),
            *(
                f.round().cast(pl.Duration("us")).alias(n)
                for n, f in (("mean_wait", wait.mean()), ("median_wait", wait.median()))
            ),
        )
    )
    leaving = pl.col("units").sum().over([*view.groups, "position", "source"])
    links = links.with_columns(
        (pl.col("units") / leaving).alias("share_of_source"),
        *(pl.Series(name, routes.names.gather(links[name]), pl.String) for name in ("source", "target")),
    )
    order = dict.fromkeys(view.groups, False) | {"position": False, "units": True, "source": False, "target": False}
    links = links.sort(list(order), descending=list(order.values()), nulls_last=True)
    return links.select(*view.groups, *LINKED)


def flow_routes(
    paths: Paths,
    *,
    start: Words | None = None,
    end: Words | None = None,
    depth: int = 6,
    top: int = 8,
    unit: str = "journey",
    gap: str | timedelta | None = None,
    on: str = TOUCHPOINT,
    by: By = (),
    collapse: bool = False,
    among: Selection | None = None,
    occurrence: str = "last",
) -> pl.DataFrame:
    """The distinct routes through the first `depth` positions; each position keeps its `top` values.

    `start` (one value, or any of several) begins a path at the unit's first such touch. `end` alone follows the path
    backwards from the unit's last such touch, or from its first with `occurrence="first"`. With both, a path runs from
    the first `start` to the next `end`. Units without the anchor are left out. A pause longer than `gap` ends a path as
    abandoned. `collapse` joins repeats of a value, `among` selects units. All groups keep the same values at a
    position. Columns: those of `by`; `route` List(String), `ended` String (END_..., or START when the flow runs
    backwards; null if the unit goes on beyond `depth`), `units`, `converted` Int64. Most frequent first. Raises
    `DefinitionError` for an unknown column.

    >>> from analytics import Paths
    >>> flow_routes(Paths.from_text({"ann": "visit@0m pay@5m"})).rows()
    [(['visit', 'pay'], 'END_open', 1, 0)]
    """
    view = View(unit, on, by, collapse=collapse, among=among)
    anchors = _anchors(start, end, depth, top, gap, occurrence=occurrence)
    routes = _routes(paths, view, anchors, reserved=ROUTED)
    positions = [f" {i}" for i in range(depth)]
    codes = [pl.Series(name, routes.codes[:, i]) for i, name in enumerate(positions)]
    counted = (
        routes.units.with_columns(codes)
        .group_by(*view.groups, *positions, "left")
        .agg(pl.len().cast(pl.Int64).alias("units"), pl.col("converted").sum().cast(pl.Int64))
    )
    named = [pl.Series(name, _named(routes.names, counted[name])) for name in (*positions, "left")]
    order = [False] * len(view.groups) + [True, False, False]
    return (
        counted.with_columns(named)
        .select(
            *view.groups,
            pl.concat_list(positions).list.drop_nulls().alias("route"),
            pl.col("left").alias("ended"),
            "units",
            "converted",
        )
        .sort(*view.groups, "units", "route", "ended", descending=order, nulls_last=[False] * len(order))
    )


def _anchors(
    start: Words | None, end: Words | None, depth: int, top: int, gap: str | timedelta | None, *, occurrence: str
) -> Anchors:
    values = [None if anchor is None else several("An anchor", anchor) for anchor in (start, end)]
    return Anchors(values[0], values[1], depth, top, None if gap is None else duration(gap), occurrence)


def _named(names: pl.Series, codes: pl.Series) -> pl.Series:
    """The names of codes, null for NOWHERE."""
    valid = pl.select(pl.when(codes >= 0).then(codes)).to_series().cast(pl.UInt32)
    return names.gather(valid)


def _routes(paths: Paths, view: View, anchors: Anchors, *, reserved: Sequence[str]) -> Routes:
    """The routes of all units; values beyond the `top` of each position are replaced by `other`.

    A breakdown must not use the `reserved` names.
    """
    view.checked(paths, reserved)
    warn_of_unknown(unknown_words(paths, view.on, (*(anchors.start or ()), *(anchors.end or ()))))
    words = words_of(paths, view.on)
    names = pl.concat([words.cast(pl.String), pl.Series([REST, START, *ENDS])])
    partials = each(paths, view, words, partial(_positions, anchors, words))
    schema = {"person": pl.UInt64, "converted": pl.Boolean, "left": pl.Int64}
    units = together(paths, view, schema, [table for table, _, _ in partials])
    codes = np.concatenate([np.empty((0, anchors.depth), np.int64), *(codes for _, codes, _ in partials)])
    times = np.concatenate([np.empty((0, anchors.depth), np.int64), *(times for _, _, times in partials)])
    ranks = words.cast(pl.String).rank("ordinal").to_numpy()
    for position in range(anchors.depth):
        codes[:, position] = _kept(codes[:, position], ranks, anchors.top)
    return Routes(units, codes, times, names)


def _kept(codes: Indices, ranks: NDArray[Any], top: int) -> Indices:
    """Replaces all codes but the `top` most frequent by the code of `other`; ties are kept by name (`ranks`)."""
    size = len(ranks)
    counts = np.bincount(codes[codes >= 0], minlength=size)
    keep = np.zeros(size + 1, np.bool_)
    keep[np.lexsort((ranks, -counts))[:top]] = True
    return np.where((codes < 0) | keep[codes], codes, size)


def _positions(
    anchors: Anchors, words: pl.Series, sequences: UnitSequences, part: Part
) -> tuple[pl.DataFrame, Indices, Indices]:
    """One row per unit of a part that has the anchor: customer and outcome, codes by position, times by position."""
    first, last, left = _spans(anchors, words, sequences)
    there = np.flatnonzero(first >= 0)
    first, last, left = first[there], last[there], left[there]
    offsets = np.arange(anchors.depth)
    touches = first[:, None] - offsets if anchors.backwards else first[:, None] + offsets
    inside = touches >= last[:, None] if anchors.backwards else touches <= last[:, None]
    touches = np.where(inside, touches, 0)
    codes = np.where(inside, sequences.codes[touches].astype(np.int64), NOWHERE)
    complete = np.abs(last - first) + 1 >= anchors.depth
    ends = len(words) + (1 if anchors.backwards else 2)
    left = np.where(complete | (left < 0), NOWHERE, ends if anchors.backwards else ends + left)
    units = sequences.groups[there].with_columns(
        pl.Series("person", sequences.people(part)[there]),
        pl.Series("converted", sequences.ends[there] == CONVERTED),
        pl.Series("left", left, pl.Int64),
    )
    return units, codes, sequences.microseconds(touches)


def _spans(anchors: Anchors, words: pl.Series, sequences: UnitSequences) -> tuple[Indices, Indices, Indices]:
    """For every unit: its path's first touch (NOWHERE without the anchor), its last touch, and how it leaves."""
    low, high = sequences.bounds[:-1], sequences.bounds[1:] - 1
    left = sequences.ends.astype(np.int64)
    if anchors.backwards:
        first = _hit(sequences, anchors.end, words, first=anchors.occurrence == "first")
        last = low.copy()
    else:
        first = low.copy() if anchors.start is None else _hit(sequences, anchors.start, words, first=True)
        last = high.copy()
    if anchors.start is not None and anchors.end is not None:
        hits = np.append(np.flatnonzero(np.isin(sequences.codes, codes_of(words, anchors.end))), len(sequences.codes))
        arrival = hits[np.minimum(np.searchsorted(hits, first + 1), len(hits) - 1)]
        first = np.where((first >= 0) & (arrival <= high), first, NOWHERE)
        last, left = np.minimum(arrival, high), np.full_like(left, NOWHERE)
    if anchors.gap is None:
        return first, last, left
    pauses = np.diff(sequences.times.astype(np.int64)) * sequences.scale > anchors.gap // timedelta(microseconds=1)
    late = np.flatnonzero(pauses) + 1
    if anchors.backwards:
        before = np.append(-1, late)[np.searchsorted(late, first, side="right")]
        return first, np.maximum(last, before), left
    after = np.append(late, len(sequences.codes))[np.searchsorted(late, first, side="right")] - 1
    return first, np.minimum(last, after), np.where(after < last, CUT, left)


def _hit(sequences: UnitSequences, names: tuple[str, ...] | None, words: pl.Series, *, first: bool) -> Indices:
    """The first or last touch of every unit that has one of the values `names`; NOWHERE if it has none."""
    hits = np.flatnonzero(np.isin(sequences.codes, codes_of(words, names or ())))
    units = np.searchsorted(sequences.bounds, hits, side="right") - 1
    touches = np.full(len(sequences), NOWHERE, np.int64)
    touches[units[::-1] if first else units] = hits[::-1] if first else hits
    return touches


def _links(routes: Routes, view: View, position: int) -> pl.DataFrame:
    """One row per unit that leaves a position: its target and wait; units not followed any further are left out."""
    codes, depth = routes.codes, routes.codes.shape[1]
    source, left = codes[:, position], routes.units["left"].to_numpy()
    following = codes[:, position + 1] if position + 1 < depth else np.full(len(codes), NOWHERE, np.int64)
    target = np.where(following < 0, left, following)
    waits = np.abs(routes.times[:, min(position + 1, depth - 1)] - routes.times[:, position])
    wait = pl.Series("wait", waits)
    links = routes.units.select(
        *view.groups,
        pl.lit(position + 1, pl.UInt32).alias("position"),
        pl.Series("source", source),
        pl.Series("target", target),
        "person",
        "converted",
        pl.when(pl.Series(following >= 0)).then(wait).alias("wait"),
    )
    return links.filter(pl.Series((source >= 0) & (target >= 0)))
