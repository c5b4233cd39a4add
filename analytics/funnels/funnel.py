"""How many customers get from step to step, where do they drop off, and how long do they take?

A **chain** is touches, all different, that match steps 1 to k in time order, the last within the window after the
first. A customer's **depth** is the length of the longest chain whose entry, its first touch, lies in the requested
range. The reported chain is the deepest; among those the one that completes first; among those the one with the newest
entry, each of whose steps is the earliest that can follow. An entrant whose window is not over at the end of the data
is **open**: reported separately, never counted as dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

import polars as pl

from analytics.engine.run import run
from analytics.funnels.counts import partial_counts
from analytics.funnels.definition import Funnel
from analytics.funnels.scan import ChainScan
from analytics.statistics.intervals import wilson
from analytics.store.encoding import as_text
from analytics.store.paths import Paths

MIN_DENOMINATOR: Final = 30
"""With a smaller denominator, `enough` is false."""


def funnel(paths: Paths, definition: Funnel) -> pl.DataFrame:
    """Customers who reach each step, in total and by the columns of `by`.

    Columns: those of `by`; `is_total` Boolean (rows over all groups, where `by` is null; they come first); `step`
    UInt32 (from 1); `name` String; `entered`, `reached`, `dropped`, `open` Int64; `share_of_entered`,
    `share_of_previous` Float64, each with `_low` and `_high` (Wilson, 95 %), null without a denominator;
    `median_wait`, `p90_wait` Duration(us) from the previous step (linear between two ranks); `value` Float64 where the
    funnel names a value column: its sum over the touches of the step; `enough` Boolean: the previous step counts at
    least 30; `tie_sensitive` Int64: customers whose depth depends on the order of touches at one instant (a lower bound
    where steps share a value or the funnel is strict or has exclusions).

    `entered` and `reached` count mature entrants: their whole window after the first entry in range lies before the end
    of the data, or ends with it. `open` counts the others, by the steps they have reached so far. With
    `maturity="clip"` every touch lies in the range and every entrant counts. With `maturity="survival"` every entrant
    counts as well, including those reported as `open`; the shares are Kaplan-Meier estimates at the end of the window,
    and `at_risk` Int64 counts entrants observed for the whole window without reaching the step (see `survival`). The
    previous step is the last one before it that is not optional. No touches give rows of zeros. Raises
    `DefinitionError` for an unknown column; warns of a step that no touch has (`UnknownWordWarning`).

    >>> from analytics import Paths
    >>> shop = Paths.from_text({"ann": "visit@0m pay@2d", "bo": "visit@0m"}, end="60d")
    >>> funnel(shop, Funnel(["visit", "pay"], window="7d"))["reached"].to_list()
    [2, 1]
    """
    analysis = ChainScan.of(paths, definition)
    partials = run(analysis.paths, partial(partial_counts, analysis))
    table = finish(merge(partials, definition.by), definition)
    if definition.maturity == "survival":
        from analytics.funnels.survival import with_survival

        return with_survival(table, paths, definition)
    return table


def merge(partials: Sequence[pl.DataFrame], by: Sequence[str]) -> pl.DataFrame:
    """Adds up the counts of all parts and concatenates the waits. The first row is the total, with null in `by`."""
    together = as_text(pl.concat(partials), by)
    lists = [name for name in together.columns if name.startswith("waits_")]
    counts = [name for name in together.columns if name not in (*lists, *by)]
    sums = [pl.col(counts).sum(), pl.col(lists).explode().drop_nulls()]
    joined = [pl.col(name).explode().drop_nulls().implode() for name in lists]
    total = together.select(pl.lit(True).alias("is_total"), pl.col(counts).sum(), *joined)
    if not by:
        return total
    groups = together.group_by(by).agg(sums).sort(by, nulls_last=True).with_columns(pl.lit(False).alias("is_total"))
    return pl.concat([total, groups], how="diagonal").select(*by, "is_total", *counts, *lists)


def finish(merged: pl.DataFrame, definition: Funnel) -> pl.DataFrame:
    """Returns counts and waits as the columns of `funnel`."""
    by = list(definition.by)
    rows = []
    for k in range(1, len(definition.steps) + 1):
        before = f"reached_{definition.previous(k)}"
        waits = pl.col(f"waits_{k}") if k > 1 else pl.lit(None, pl.List(pl.Int64))
        rows.append(
            merged.select(
                *by,
                "is_total",
                pl.lit(k, pl.UInt32).alias("step"),
                pl.lit(definition.name_of(k)).alias("name"),
                pl.col("reached_1").alias("entered"),
                pl.col(f"reached_{k}").alias("reached"),
                _dropped(definition, k).alias("dropped"),
                pl.col(f"open_{k}").alias("open"),
                pl.col(before).alias("previous"),
                _rank(waits, 0.5).alias("median_wait"),
                _rank(waits, 0.9).alias("p90_wait"),
                pl.col("tied").alias("tie_sensitive"),
                *([pl.col(f"value_{k}").alias("value")] if definition.value is not None else []),
            )
        )
    order = pl.int_range(pl.len()).over("step")
    table = pl.concat(rows).with_columns(order.alias(" row")).sort(" row", "step").drop(" row")
    return _with_shares(table).select(
        *(*by, "is_total", "step", "name", "entered", "reached", "dropped", "open"),
        *("share_of_entered", "share_of_entered_low", "share_of_entered_high"),
        *("share_of_previous", "share_of_previous_low", "share_of_previous_high"),
        *("median_wait", "p90_wait", *(["value"] if definition.value is not None else []), "enough", "tie_sensitive"),
    )


def _dropped(definition: Funnel, step: int) -> pl.Expr:
    """Entrants who reached the previous step and can no longer reach this one."""
    before = definition.previous(step)
    lost = pl.col(f"reached_{before}") - pl.col(f"reached_{step}")
    under_way = pl.col(f"open_{before}") - pl.col(f"open_{step}")
    return lost - under_way if definition.maturity == "survival" else lost


def _with_shares(table: pl.DataFrame) -> pl.DataFrame:
    """Adds the shares of both denominators, with their intervals; null where the denominator is zero."""
    first, columns = pl.col("step") == 1, []
    for name, denominator in (("share_of_entered", "entered"), ("share_of_previous", "previous")):
        bounds = wilson(table["reached"], table[denominator])
        found = [
            (table["reached"] / table[denominator]).alias(name),
            pl.Series(f"{name}_low", bounds.low),
            pl.Series(f"{name}_high", bounds.high),
        ]
        columns += [series.fill_nan(None) for series in found]
    shares = [c.name for c in columns[3:]]
    return table.with_columns(columns).with_columns(
        pl.when(~first).then(pl.col(shares)), (pl.col("previous") >= MIN_DENOMINATOR).alias("enough")
    )


def _rank(waits: pl.Expr, share: float) -> pl.Expr:
    rank = waits.list.eval(pl.element().quantile(share, "linear")).list.first()
    return rank.round().cast(pl.Int64).cast(pl.Duration("us"))
