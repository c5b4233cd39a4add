"""How do customers move from touch to touch?

An edge is a pair of neighbouring touches of a unit (customer, journey or session). START leads to a unit's first
touch; its last touch leads to END_converted, END_abandoned or END_open. So at every touchpoint inflow plus starts
equals outflow plus ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

import polars as pl

from analytics.definitions import Words
from analytics.engine import run, unit_of
from analytics.parts import AT, TOUCHPOINT, Part, decoded
from analytics.store import Paths
from analytics.units import ENDS, START, unit_columns, with_units
from expectations.errors import DefinitionError

COUNTED: Final = ("source", "target", "transitions", "customers", "share_of_source", "median_wait", "p95_wait")


def transitions(
    paths: Paths, *, unit: str = "journey", by: Words = (), on: str = TOUCHPOINT, collapse: bool = False
) -> pl.DataFrame:
    """Every edge with how often it was taken, by how many customers, and after what wait.

    Columns: those of `by` (the value at the unit's first touch); `source`, `target` String; `transitions`, `customers`
    Int64; `share_of_source` Float64 (of the transitions that leave the source, in the same group); `median_wait`,
    `p95_wait` Duration(us), null for START and the ENDs. Most frequent first. `on` is the column whose values are the
    nodes; touches without a value are passed over. `collapse` joins repeats of one value. Touches of one instant keep
    their order. No touches give no rows. Raises `DefinitionError` for an unknown unit or column.

    >>> from tests.journeys import paths
    >>> transitions(paths({"ann": "visit@0m pay@5m"}))["source", "target"].sort("source").rows()
    [('START', 'visit'), ('pay', 'END_open'), ('visit', 'pay')]
    """
    groups = [by] if isinstance(by, str) else list(by)
    paths.require(*groups, on)
    if taken := {*COUNTED} & {*groups}:
        raise DefinitionError(f"Column {taken.pop()!r} cannot be a breakdown.", do="rename it")
    work = partial(_edges, paths, unit=unit, by=groups, on=on, collapse=collapse)
    return _finish(pl.concat(run(paths, work)), groups)


def _edges(paths: Paths, part: Part, *, unit: str, by: Sequence[str], on: str, collapse: bool) -> pl.DataFrame:
    """Edges of one part: counts, customers, and the waits in microseconds."""
    touches = touches_of(paths, part, unit, on, by)
    if collapse:
        touches = touches.filter(pl.struct("unit", "node").rle_id().diff().fill_null(1) != 0)
    begins = pl.col("unit") != pl.col("unit").shift(1)
    ends = pl.col("unit") != pl.col("unit").shift(-1)
    marked = touches.with_columns(begins.fill_null(True).alias("begins"), ends.fill_null(True).alias("ends"))
    if by:
        marked = marked.with_columns(pl.col(by).first().over("unit"))
    node, wait = pl.col("node"), pl.lit(None, pl.Int64)
    inner = marked.with_columns(
        node.shift(-1).alias("target"), (pl.col("time").shift(-1) - pl.col("time")).alias("wait")
    ).filter(~pl.col("ends"))
    starts = marked.filter("begins").with_columns(pl.lit(START).alias("node"), node.alias("target"), wait.alias("wait"))
    stops = marked.filter("ends").with_columns(pl.col("end").alias("target"), wait.alias("wait"))
    columns = [*by, pl.col("node").alias("source"), "target", "person", "wait"]
    edges = pl.concat([frame.select(columns) for frame in (inner, starts, stops)])
    return edges.group_by(*by, "source", "target").agg(
        pl.len().cast(pl.Int64).alias("transitions"),
        pl.col("person").n_unique().cast(pl.Int64).alias("customers"),
        pl.col("wait").drop_nulls().alias("waits"),
    )


def touches_of(paths: Paths, part: Part, unit: str, on: str, by: Sequence[str] = ()) -> pl.DataFrame:
    """Touches of a part that have a value of `on`: `node`, `time` (microseconds), `person`, `unit`, `end`, and `by`."""
    units = unit_columns(paths, unit)
    frame = part.read([AT, *units])
    scale = unit_of(frame[AT])
    told = with_units(paths, part, frame, unit).select(
        (pl.col(AT).cast(pl.Int64) * scale).alias("time"),
        "person",
        "unit",
        pl.col("end").cat.to(pl.Enum(ENDS)).cast(pl.String),
    )
    values = decoded(part, [*by, on] if on not in by else list(by), paths.dictionaries)
    node = values[on].cast(pl.String).alias("node")
    return told.with_columns(node, *(values[name] for name in by)).filter(pl.col("node").is_not_null())


def _finish(edges: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Edges of all parts as the columns of `transitions`."""
    whole = edges.group_by(*by, "source", "target").agg(
        pl.col("transitions", "customers").sum(), pl.col("waits").explode().drop_nulls()
    )
    waits = {"median_wait": 0.5, "p95_wait": 0.95}
    text = [name for name in by if isinstance(edges.schema[name], pl.Enum)]
    return (
        whole.select(
            pl.col(text).cast(pl.String) if text else [],
            *(name for name in by if name not in text),
            "source",
            "target",
            "transitions",
            "customers",
            (pl.col("transitions") / pl.col("transitions").sum().over([*by, "source"])).alias("share_of_source"),
            *(
                pl.col("waits")
                .list.eval(pl.element().quantile(share, "linear"))
                .list.first()
                .round()
                .cast(pl.Int64)
                .cast(pl.Duration("us"))
                .alias(name)
                for name, share in waits.items()
            ),
        )
        .select(*by, *COUNTED)
        .sort(
            *by, "transitions", "source", "target", descending=[False] * len(by) + [True, False, False], nulls_last=True
        )
    )
