"""Applies the privacy rules to whole paths, positions and moves.

The numbers come from `analytics.variants`, `step_matrix` and `transitions`. Paths of fewer than `min_journeys`
journeys, or of fewer than `k` customers, are not listed. Counts at a position, or of moves, of fewer than `k` customers
are left out, and then all other counts of the frame are rounded to tens, so that the missing ones cannot be inferred;
shares are of the counts before, with as many digits as cover `k` journeys.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from reports.privacy.rules import rough_share, small, to_tens

REACHED: Final = "reached"
ABANDONED: Final = "abandoned"
OPEN: Final = "open"
ENDINGS: Final = {"END_converted": REACHED, "END_abandoned": ABANDONED, "END_open": OPEN}
MAX_TOUCHES: Final = 10


def publishable_paths(
    variants: pl.DataFrame, mature: int, k: int, min_journeys: int, max_paths: int = 6
) -> pl.DataFrame:
    """The commonest whole paths that reach the goal and that do not, most frequent first within each.

    In: `variants`: `path`, `mature`, `reached`, `customers_reached`, `customers_lost`, and all `mature` journeys.
    Columns: `route` List(String), `ended` String (reached, abandoned: not reached within the window), `units` Int64,
    `share` Float64 of all mature journeys. Paths of more than `MAX_TOUCHES` touches do not fit a drawing and are left
    out.
    """
    short = variants.filter(pl.col("path").list.len() <= MAX_TOUCHES)
    endings = {
        REACHED: (pl.col("reached"), "customers_reached"),
        ABANDONED: (pl.col("mature") - pl.col("reached"), "customers_lost"),
    }
    parts = [
        short.select(route="path", ended=pl.lit(ending), units=units, share=(units / mature).round(4), customers=people)
        .filter(pl.col("units") >= min_journeys, pl.col("customers") >= k)
        .drop("customers")
        .sort("units", "route", descending=[True, False])
        .head(max_paths)
        for ending, (units, people) in endings.items()
    ]
    return pl.concat(parts)


def publishable_positions(
    matrix: pl.DataFrame, k: int, max_touchpoints: int = 14, *, is_rounded: bool = False
) -> pl.DataFrame:
    """Where journeys are at each position: `position` UInt32, `touchpoint`, `kind`, `units` Int64, `share` Float64.

    In: a `step_matrix`: `position`, `node`, `units`, `customers`, `share_of_units`. `kind` is touchpoint, or reached,
    abandoned or open for journeys that are over, or not followed further, before that position; these accumulate.
    Touchpoints beyond the `max_touchpoints` frequent are merged into "other", which has no fewer customers than the
    largest of them. Shares are of all journeys. `is_rounded` rounds all counts, whether a cell is left out or not.
    """
    ended = pl.col("node").replace_strict(ENDINGS, default=None)
    frequent = (
        matrix.filter(~pl.col("node").is_in(list(ENDINGS)))
        .group_by("node")
        .agg(pl.col("units").sum())
        .sort("units", "node", descending=[True, False])["node"]
        .head(max_touchpoints)
    )
    name = pl.when(pl.col("node").is_in(frequent.implode())).then("node").otherwise(pl.lit("other"))
    cells = matrix.select(
        "position",
        pl.coalesce(ended, name).alias("touchpoint"),
        pl.coalesce(ended, pl.lit("touchpoint")).alias("kind"),
        "units",
        "customers",
        of=(pl.col("units") / pl.col("share_of_units")),
    )
    counted = cells.group_by("position", "touchpoint", "kind").agg(
        pl.col("units").sum(), pl.col("customers", "of").max()
    )
    rounded = is_rounded or any(small(count, k) for count in counted["customers"])
    shares = [
        rough_share(units, round(of), k) if rounded else round(units / of, 3)
        for units, of in counted.select("units", "of").iter_rows()
    ]
    tens = pl.Series("units", [to_tens(count) if rounded else count for count in counted["units"]], pl.Int64)
    table = counted.with_columns(tens, pl.Series("share", shares, pl.Float64)).filter(pl.col("customers") >= k)
    return table.select("position", "touchpoint", "kind", "units", "share").sort("position", "kind", "touchpoint")


def publishable_moves(transitions: pl.DataFrame, k: int) -> pl.DataFrame:
    """Moves from touchpoint to touchpoint: `source`, `target` String, `transitions`, `customers` Int64.

    START and the ENDs remain nodes. A move that fewer than `k` customers made is left out.
    """
    kept = transitions.filter(pl.col("customers") >= k)
    rounded = kept.height < transitions.height
    counts = pl.col("transitions", "customers")
    tens = ((counts / 10).round() * 10).cast(pl.Int64)
    return kept.select("source", "target", tens if rounded else counts).sort(
        "transitions", "source", "target", descending=[True, False, False]
    )


def publishable_use(counts: pl.DataFrame, k: int, min_share: float = 0.02) -> pl.DataFrame:
    """Touchpoints of every stage: `stage`, `touchpoint` String, `customers` Int64, `share` Float64 of its customers.

    In: `stage`, `touchpoint`, `customers`, and `of` Int64, the customers of the stage. Rare ones are left out, as are
    stages of fewer than `k` customers.
    """
    publishable = (pl.col("customers") >= k) & (pl.col("of") >= k) & (pl.col("customers") >= min_share * pl.col("of"))
    return counts.filter(publishable).select(
        "stage", "touchpoint", "customers", share=(pl.col("customers") / pl.col("of")).round(3)
    )
