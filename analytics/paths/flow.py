"""Where do customers go next, position by position, from an anchor?

A unit's path is followed from its first touch, or from its first `source` touch; or backwards from its last (or first)
`target` touch; or between the two. A **route** is the values at the first positions. Each position keeps its most
frequent values, found by a first pass over all parts, and joins the rest as `other`. A unit that ends before the last
position leaves to the node of its outcome.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, Literal, Self

import numpy as np
import polars as pl

from analytics.engine.analysis import IS_TOTAL, Cells, answer, measured_by
from analytics.engine.conditions import Words, fill, one_of, several
from analytics.engine.distributions import DISTRIBUTION, distributions, durations
from analytics.engine.notices.unknown_words import levels_to_caller, unknown_words, warn_of_unknown
from analytics.engine.partials import densely, sums_by_customer
from analytics.engine.run import counted, run
from analytics.engine.units import ENDS, START, Unit
from analytics.paths.measure import PathMeasure
from analytics.paths.sequences import UnitSequences, sorted_answer
from analytics.paths.variants import as_bytes
from analytics.paths.view import REST, By, Indices, Selection, View, codes_of, node_names
from analytics.store.columns import TOUCHPOINT
from analytics.store.paths import Paths
from expectations.config.durations import duration
from expectations.errors import DefinitionError

NOWHERE: Final = -1
CUT: Final = ENDS.index("END_abandoned")
LINK: Final = ("position", "source", "target")
SECOND: Final = 1_000_000
KEY_CODES: Final = ">i4"
"""The codes of a route's key."""


@dataclass(frozen=True)
class Anchors:
    """Where paths start and how far they are followed: positions, values kept at each, longest gap, which `target`."""

    source: tuple[str, ...] | None
    target: tuple[str, ...] | None
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
        """Whether positions count back in time, from `target`."""
        return self.target is not None and self.source is None


@dataclass(frozen=True)
class Routes:
    """The units of a part that have the anchor, one row each: `unit` is the position of its sequence.

    `codes` and `times` are those at its first positions (NOWHERE after its end), `left` is the code of how it leaves.
    """

    unit: Indices
    codes: Indices
    times: Indices
    left: Indices


@dataclass(frozen=True, eq=False)
class _Values(PathMeasure):
    """Counts units by position and value: the first pass, which finds the values that each position keeps.

    Its view has no breakdown, since all groups keep the same values.
    """

    SCHEMA: ClassVar[pl.Schema] = answer(position=pl.Int64, code=pl.Int64, units=pl.Int64)
    BOUND: ClassVar[int] = 1 << 20
    KEYS: ClassVar[Mapping[str, Any]] = {"position": pl.Int64, "code": pl.Int64}
    COUNTS: ClassVar[Mapping[str, Any]] = {"units": pl.Int64}

    anchors: Anchors = field(kw_only=True)

    def counts(self, sequences: UnitSequences) -> pl.DataFrame:
        """The values at the positions of one part."""
        codes = _routes(sequences, self.view, self.anchors).codes
        tables = []
        for position, code in enumerate(codes.T):
            units = np.bincount(code[code != NOWHERE], minlength=len(self.view.names))
            there = np.flatnonzero(units)
            tables.append(
                pl.DataFrame({"position": np.full(len(there), position), "code": there, "units": units[there]})
            )
        return pl.concat(tables).select(pl.lit(True).alias(IS_TOTAL), *self.KEYS, *self.COUNTS)

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The `top` values of each position, ties by name."""
        names = merged.with_columns(node_names(self.view.names, []).gather(merged["code"]).alias("name"))
        ordered = sorted_answer(names, self.view, "position", "-units", "name")
        return ordered.filter(pl.int_range(pl.len()).over("position") < self.anchors.top).select(*self.SCHEMA)


@dataclass(frozen=True, eq=False)
class RouteMeasure(PathMeasure):
    """A measure of the routes of units. `kept` are the codes of the values that each position keeps."""

    anchors: Anchors = field(kw_only=True)
    kept: tuple[tuple[int, ...], ...] = ()

    @classmethod
    def of(
        cls,
        paths: Paths,
        *,
        start: datetime | Words | None = None,
        end: datetime | Words | None = None,
        source: Words | None = None,
        target: Words | None = None,
        depth: int = 6,
        top: int = 8,
        gap: str | timedelta | None = None,
        occurrence: str = "last",
        **options: Any,
    ) -> Self:
        """The measure of the arguments of its public function. A first pass finds the values that positions keep."""
        start, source = _moved("start", start, "source", source)
        end, target = _moved("end", end, "target", target)
        values = [None if anchor is None else several("An anchor", anchor) for anchor in (source, target)]
        anchors = Anchors(values[0], values[1], depth, top, None if gap is None else duration(gap), occurrence)
        measure = super().of(paths, start=start, end=end, anchors=anchors, **options)
        warn_of_unknown(unknown_words(paths, measure.view.on, (*(values[0] or ()), *(values[1] or ()))))
        undivided = copy(measure.view)
        fill(undivided, by=())
        first = _Values(undivided, anchors=anchors)
        kept = first.finish(counted(paths, first))
        codes = [tuple(kept.filter(pl.col("position") == position)["code"]) for position in range(depth)]
        return replace(measure, kept=tuple(codes))

    @property
    def names(self) -> pl.Series:
        """The names of the codes of routes."""
        return _names(self.view)

    def routes(self, sequences: UnitSequences) -> Routes:
        """The routes of the units of a part; values that a position does not keep are `other`."""
        routes = _routes(sequences, self.view, self.anchors)
        other = len(self.view.names)
        for position, kept in enumerate(self.kept):
            codes = np.full(other + 1, other)  # the last is NOWHERE's, which is -1
            codes[[*kept, NOWHERE]] = [*kept, NOWHERE]
            routes.codes[:, position] = codes[routes.codes[:, position]]
        return routes


@dataclass(frozen=True, eq=False)
class Flow(RouteMeasure):
    """Counts links: a partial has one row per link, with the codes of its ends, and the distribution of its waits."""

    SCHEMA: ClassVar[pl.Schema] = answer(
        position=pl.UInt32,
        source=pl.String,
        target=pl.String,
        units=pl.Int64,
        customers=pl.Int64,
        mature=pl.Int64,
        reached=pl.Int64,
        share_of_source=pl.Float64,
        mean_wait=pl.Duration("us"),
        median_wait=pl.Duration("us"),
    )
    CELLS: ClassVar[Cells | None] = Cells(LINK, LINK[:2])
    BOUND: ClassVar[int] = 1 << 22
    KEYS: ClassVar[Mapping[str, Any]] = {"position": pl.UInt32, "source": pl.Int64, "target": pl.Int64}
    COUNTS: ClassVar[Mapping[str, Any]] = {
        **dict.fromkeys(("units", "customers", "mature", "reached", "wait_seconds", "wait_microseconds"), pl.Int64),
        "waits": DISTRIBUTION,
    }
    QUANTILES: ClassVar[Mapping[str, Sequence[float]]] = {"waits": (0.5,)}

    def counts(self, sequences: UnitSequences) -> pl.DataFrame:
        """The links of one part."""
        links, size = self._links(sequences), len(self.names)
        unit, position, source, target = (links[name].to_numpy().astype(np.int64) for name in ("unit", *LINK))
        link = ((position - 1) * size + source) * size + target
        waits, waited = links[" wait"].fill_null(0).to_numpy(), links[" wait"].is_not_null().to_numpy()
        values = {
            "units": np.ones(len(links)),
            "mature": sequences.mature[unit],
            "reached": sequences.reached[unit],
            "wait_seconds": waits // SECOND,
            "wait_microseconds": waits % SECOND,
        }
        tables = []
        for keys, group in sequences.groupings():
            every = self.anchors.depth * size**2
            cells, cell = densely(group[unit] * every + link, len(keys) * every)
            sums = sums_by_customer(cell, sequences.customer[unit], values, len(cells))
            number, taken = np.divmod(cells, every)
            ends, target = np.divmod(taken, size)
            position, source = np.divmod(ends, size)
            tables.append(
                keys[number].with_columns(
                    *sums,
                    pl.Series("position", position + 1, pl.UInt32),
                    pl.Series("source", source),
                    pl.Series("target", target),
                    distributions(cell[waited], waits[waited], len(cells), exact=self.exact).alias("waits"),
                )
            )
        return pl.concat(tables).select(*self.schema)

    def cell_rows(self, sequences: UnitSequences) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Every link of every unit; the whole of a source is all units that are followed from there."""
        links = self._links(sequences)
        named = [pl.Series(end, self.names.gather(links[end]), pl.String) for end in ("source", "target")]
        rows = links.with_columns(named).select(*LINK, "unit")
        return rows, rows.drop("target")

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `flow`."""
        leaving = pl.col("units").sum().over([*self.view.keys, "position", "source"])
        waits = pl.col("waits").list.len() > 0
        total = pl.col("wait_seconds") * float(SECOND) + pl.col("wait_microseconds")
        table = merged.with_columns(
            (pl.col("units") / leaving).alias("share_of_source"),
            pl.when(waits)
            .then(total / pl.col("units"))
            .round()
            .cast(pl.Int64)
            .cast(pl.Duration("us"))
            .alias("mean_wait"),
            *durations(merged["waits"], {"median_wait": 0.5}),
            *(pl.Series(end, self.names.gather(merged[end]), pl.String) for end in ("source", "target")),
        )
        ordered = sorted_answer(table, self.view, "position", "-units", "source", "target")
        return ordered.select(*self.view.groups, *self.SCHEMA)

    def _links(self, sequences: UnitSequences) -> pl.DataFrame:
        """One row per unit and position that it leaves: `unit`, `position`, `source`, `target`, ` wait` (null at ENDs).

        Units that are not followed any further are left out.
        """
        routes = self.routes(sequences)
        following = np.append(routes.codes[:, 1:], np.full((len(routes.unit), 1), NOWHERE), axis=1)
        target = np.where(following == NOWHERE, routes.left[:, None], following)
        row, position = np.nonzero((routes.codes != NOWHERE) & (target != NOWHERE))
        goes_on = following[row, position] != NOWHERE
        then = np.minimum(position + 1, self.anchors.depth - 1)
        wait = pl.Series(np.abs(routes.times[row, then] - routes.times[row, position]))
        return pl.DataFrame(
            {
                "unit": routes.unit[row],
                "position": pl.Series(position + 1, dtype=pl.UInt32),
                "source": routes.codes[row, position],
                "target": target[row, position],
                " wait": pl.select(pl.when(pl.Series(goes_on)).then(wait)).to_series(),
            }
        )


@dataclass(frozen=True, eq=False)
class FlowRoutes(RouteMeasure):
    """Counts routes: a partial has one row per distinct route, whose `key` are its codes and that of how it ended."""

    SCHEMA: ClassVar[pl.Schema] = answer(
        route=pl.List(pl.String), ended=pl.String, units=pl.Int64, mature=pl.Int64, reached=pl.Int64
    )
    CELLS: ClassVar[Cells | None] = Cells(("route", "ended"))
    BOUND: ClassVar[int] = 1 << 24
    KEYS: ClassVar[Mapping[str, Any]] = {"key": pl.Binary}
    COUNTS: ClassVar[Mapping[str, Any]] = dict.fromkeys(("units", "mature", "reached"), pl.Int64)

    def counts(self, sequences: UnitSequences) -> pl.DataFrame:
        """The routes of one part."""
        unit, keys = self._keys(sequences)
        rated = {"mature": sequences.mature[unit], "reached": sequences.reached[unit]}
        rows = pl.DataFrame({"key": keys, **rated})
        sums = [pl.len().cast(pl.Int64).alias("units"), pl.col(list(rated)).sum().cast(pl.Int64)]
        return sequences.with_keys(rows, unit).group_by(*self.view.keys, "key").agg(sums)

    def cell_rows(self, sequences: UnitSequences) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The route of every unit; the whole is all units with the anchor."""
        unit, keys = self._keys(sequences)
        rows = self._named(keys).with_columns(pl.Series("unit", unit))
        return rows, rows.select("unit")

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `flow_routes`."""
        table = pl.concat([merged, self._named(merged["key"])], how="horizontal")
        ordered = sorted_answer(table, self.view, "-units", "route", "ended", "key")
        return ordered.select(*self.view.groups, *self.SCHEMA)

    def _keys(self, sequences: UnitSequences) -> tuple[Indices, pl.Series]:
        """The units of a part that have the anchor, and the key of the route of each."""
        routes = self.routes(sequences)
        codes = np.column_stack([routes.codes, routes.left]).astype(KEY_CODES)
        return routes.unit, as_bytes(codes.ravel(), np.arange(len(codes) + 1) * codes.shape[1])

    def _named(self, keys: pl.Series) -> pl.DataFrame:
        """The `route` and `ended` of keys."""
        flat = np.frombuffer(b"".join(keys.to_list()), KEY_CODES).astype(np.int64)
        codes = flat.reshape(len(keys), self.anchors.depth + 1)
        numbers = [pl.Series(f" {i}", column) for i, column in enumerate(codes.T)]
        names = [self.names.gather(pl.select(pl.when(n != NOWHERE).then(n)).to_series()).alias(n.name) for n in numbers]
        *route, ended = (name.name for name in names)
        return pl.DataFrame(names).select(
            pl.concat_list(route).list.drop_nulls().alias("route"), pl.col(ended).alias("ended")
        )


@measured_by(Flow)
def flow(
    paths: Paths,
    *,
    unit: Unit = "journey",
    by: By = (),
    where: pl.Expr | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    source: Words | None = None,
    target: Words | None = None,
    depth: int = 6,
    top: int = 8,
    gap: str | timedelta | None = None,
    occurrence: Literal["first", "last"] = "last",
    on: str = TOUCHPOINT,
    collapse: bool = False,
    among: Selection | None = None,
    window: str | timedelta | None = None,
    exact: bool = False,
) -> pl.DataFrame:
    """The links of a flow diagram: the number of units that go from a value at one position to a value at the next.

    Columns: those of `by` (the value at the unit's first touch); `is_total` Boolean (rows over all groups come first,
    with null in `by`); `position` UInt32 (of the source, from 1); `source`, `target` String (`other` for the rest;
    END_converted, END_abandoned, END_open where the unit leaves, or START when the flow runs backwards; a value with
    such a name stands in quotes); `units`, `customers` Int64 (each counts once per link, also in `other`), `mature`
    Int64 (units that begin a whole `window` before the end of the data, direct ones aside), `reached` Int64 (of these,
    with the goal within the window); `share_of_source` Float64; `mean_wait`, `median_wait` Duration(us), null where the
    unit leaves; where a link has more than 1,000 waits their median is right to 1 in 1,000, or with `exact` exact, for
    half as much time again. Largest first within a position. No touches give no rows. Takes the arguments of
    `flow_routes`.

    >>> from analytics import Paths
    >>> flow(Paths.from_text({"ann": "visit@0m pay@5m"}))["position", "source", "target", "units"].rows()
    [(1, 'visit', 'pay', 1), (2, 'pay', 'END_open', 1)]
    """
    return run(
        paths,
        Flow.of(
            paths,
            unit=unit,
            by=by,
            where=where,
            start=start,
            end=end,
            source=source,
            target=target,
            depth=depth,
            top=top,
            gap=gap,
            occurrence=occurrence,
            on=on,
            collapse=collapse,
            among=among,
            window=window,
        ),
        exact=exact,
    )


@measured_by(FlowRoutes)
def flow_routes(
    paths: Paths,
    *,
    unit: Unit = "journey",
    by: By = (),
    where: pl.Expr | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    source: Words | None = None,
    target: Words | None = None,
    depth: int = 6,
    top: int = 8,
    gap: str | timedelta | None = None,
    occurrence: Literal["first", "last"] = "last",
    on: str = TOUCHPOINT,
    collapse: bool = False,
    among: Selection | None = None,
    window: str | timedelta | None = None,
) -> pl.DataFrame:
    """The distinct routes through the first `depth` positions; each position keeps its `top` values.

    `source` (one value, or any of several) begins a path at the unit's first such touch. `target` alone follows the
    path backwards from the unit's last such touch, or from its first with `occurrence="first"`. With both, a path runs
    from the first `source` to the next `target`. Units without the anchor are left out. A pause longer than `gap` ends
    a path as abandoned. Only units count that begin from `start` (inclusive) to `end` (exclusive). `where` is a
    condition on touches, `collapse` joins repeats of a value, `among` selects units. All groups keep the same values at
    a position. Columns: those of `by`; `is_total` Boolean (rows over all groups come first, with null in `by`); `route`
    List(String), `ended` String (END_..., or START when the flow runs backwards; null if the unit goes on beyond
    `depth`), `units` Int64, `mature`, `reached` Int64 as in `flow`. Most frequent first. Text given as `start` or
    `end`, their meaning before, is read as `source` or `target`, with a `DeprecationWarning`. Raises `DefinitionError`
    for an unknown column.

    >>> from analytics import Paths
    >>> flow_routes(Paths.from_text({"ann": "visit@0m pay@5m"})).rows()
    [(True, ['visit', 'pay'], 'END_open', 1, 0, 0)]
    """
    return run(
        paths,
        FlowRoutes.of(
            paths,
            unit=unit,
            by=by,
            where=where,
            start=start,
            end=end,
            source=source,
            target=target,
            depth=depth,
            top=top,
            gap=gap,
            occurrence=occurrence,
            on=on,
            collapse=collapse,
            among=among,
            window=window,
        ),
    )


def _moved(
    old: str, time: datetime | Words | None, new: str, anchor: Words | None
) -> tuple[datetime | None, Words | None]:
    """The time and the anchor, where an anchor may have been given under the name of the time."""
    if time is None or isinstance(time, datetime):
        return time, anchor
    text = f"A flow's argument {old!r} is a time; name touches as {new!r}. Text as {old!r} goes in 0.4"
    warnings.warn(text, DeprecationWarning, stacklevel=levels_to_caller())
    return None, time


def _names(view: View) -> pl.Series:
    """The names of codes: the values of the column, `other`, START and the ENDs."""
    return node_names(view.names, [REST, START, *ENDS])


def _routes(sequences: UnitSequences, view: View, anchors: Anchors) -> Routes:
    """The routes of the units of a part that have the anchor."""
    first, last, left = _spans(anchors, view.names, sequences)
    there = np.flatnonzero(first >= 0)
    first, last, left = first[there], last[there], left[there]
    offsets = np.arange(anchors.depth)
    touches = first[:, None] - offsets if anchors.backwards else first[:, None] + offsets
    inside = touches >= last[:, None] if anchors.backwards else touches <= last[:, None]
    touches = np.where(inside, touches, 0)
    codes = np.where(inside, sequences.codes[touches].astype(np.int64), NOWHERE)
    complete = np.abs(last - first) + 1 >= anchors.depth
    ends = len(view.names) + (1 if anchors.backwards else 2)
    left = np.where(complete | (left < 0), NOWHERE, ends if anchors.backwards else ends + left)
    return Routes(there, codes, sequences.microseconds(touches), left)


def _spans(anchors: Anchors, words: pl.Series, sequences: UnitSequences) -> tuple[Indices, Indices, Indices]:
    """For every unit: its path's first touch (NOWHERE without the anchor), its last touch, and how it leaves."""
    low, high = sequences.bounds[:-1], sequences.bounds[1:] - 1
    left = sequences.ends.astype(np.int64)
    if anchors.backwards:
        first = _hit(sequences, anchors.target, words, first=anchors.occurrence == "first")
        last = low.copy()
    else:
        first = low.copy() if anchors.source is None else _hit(sequences, anchors.source, words, first=True)
        last = high.copy()
    if anchors.source is not None and anchors.target is not None:
        hits = np.append(
            np.flatnonzero(np.isin(sequences.codes, codes_of(words, anchors.target))), len(sequences.codes)
        )
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
