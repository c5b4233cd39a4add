"""Do customers who use several channels reach the goal more often, and which changes of channel lose customers?

A **hand-off** is a touch in a different channel from the touch before it in the same unit. It **loses** the unit when
its touch is the last and the unit is abandoned: nothing follows the change of channel.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import numpy as np
import polars as pl

from analytics.engine.units import ABANDONED, CONVERTED, OPEN
from analytics.paths.sequences import UnitSequences, each, together
from analytics.paths.view import By, Selection, View, words_of
from analytics.statistics.intervals import wilson
from analytics.store.encoding import as_text
from analytics.store.parts import Part, decoded
from analytics.store.paths import Paths

CHANNEL: Final = "channel"
REACHED: Final = (
    "reach",
    "channel",
    "units",
    "share",
    "customers",
    "over",
    "converted",
    "goal_rate",
    "goal_rate_low",
    "goal_rate_high",
    "median_touches",
    "median_duration",
)
HANDED: Final = (
    "source",
    "target",
    "handoffs",
    "units",
    "customers",
    "share_of_source",
    "median_wait",
    "lost",
    "lost_share",
    "lost_share_low",
    "lost_share_high",
    "lost_share_staying",
)


def channels(
    paths: Paths, *, unit: str = "journey", by: By = (), on: str = CHANNEL, among: Selection | None = None
) -> pl.DataFrame:
    """Units that stay in one channel, in total and by channel, next to units that use several.

    Columns: those of `by` (the value at the unit's first touch); `reach` String (`one` or `several`); `channel` String
    (the one channel; null on the total row of that reach); `units` Int64, `share` Float64 of the units of the group;
    `customers`, `over` (not open), `converted` Int64; `goal_rate` Float64 (converted of those that are over, null
    without one) with its Wilson interval; `median_touches` Float64; `median_duration` Duration(us). The total row comes
    first. `on` may name another column, such as the team. No touches give no rows.

    >>> from analytics import Paths
    >>> shop = Paths.from_text({"ann": "look@0m[channel=web] buy@1m[channel=store]", "bo": "look@0m[channel=web]"})
    >>> channels(shop)["reach", "channel", "units"].rows()
    [('one', None, 1), ('one', 'web', 1), ('several', None, 1)]
    """
    view = View(unit, on, by, among=among).checked(paths, REACHED)
    words = words_of(paths, on)
    partials = each(paths, view, words, partial(_reaches, words))
    columns: dict[str, Any] = {"reach": pl.String, "channel": pl.String, "person": pl.UInt64, "end": pl.UInt8}
    units = together(paths, view, columns | {"touches": pl.Int64, "lasts": pl.Int64}, partials)
    single = units.filter(pl.col("channel").is_not_null())
    rows = pl.concat([units.with_columns(pl.lit(None, pl.String).alias("channel")), single])
    keys = [*view.groups, "reach", "channel"]
    table = rows.group_by(keys).agg(
        pl.len().cast(pl.Int64).alias("units"),
        pl.col("person").n_unique().cast(pl.Int64).alias("customers"),
        (pl.col("end") != OPEN).sum().cast(pl.Int64).alias("over"),
        (pl.col("end") == CONVERTED).sum().cast(pl.Int64).alias("converted"),
        pl.col("touches").median().alias("median_touches"),
        pl.col("lasts").median().round().cast(pl.Duration("us")).alias("median_duration"),
    )
    whole = pl.col("units").filter(pl.col("channel").is_null()).sum()
    table = table.with_columns((pl.col("units") / (whole.over(view.groups) if view.by else whole)).alias("share"))
    low, high = wilson(table["converted"].to_numpy(), table["over"].to_numpy())
    finished = pl.col("over") > 0
    table = table.with_columns(
        pl.when(finished).then(pl.col("converted") / pl.col("over")).alias("goal_rate"),
        *(pl.when(finished).then(pl.Series(b)).alias(f"goal_rate_{n}") for n, b in (("low", low), ("high", high))),
    )
    table = table.sort(*view.groups, "reach", nulls_last=True).sort(*view.groups, "reach", "channel", nulls_last=False)
    return table.select(*view.groups, *REACHED)


def handoffs(
    paths: Paths,
    *,
    unit: str = "journey",
    by: By = (),
    on: str = CHANNEL,
    at: str | None = None,
    among: Selection | None = None,
) -> pl.DataFrame:
    """Hand-offs from channel to channel, with the share that loses the unit.

    Columns: those of `by`; column `at` if given (its value at the second touch, such as its stage or touchpoint);
    `source`, `target` String; `handoffs`, `units`, `customers` Int64; `share_of_source` Float64 (of the hand-offs from
    the source, in the same group and `at`); `median_wait` Duration(us); `lost` Int64, `lost_share` Float64 with its
    Wilson interval; `lost_share_staying` Float64 for comparison: the same share of moves within the target channel,
    null without one. Most frequent first. No hand-offs give no rows. Raises `DefinitionError` for an unknown column.

    >>> from analytics import Paths
    >>> shop = Paths.from_text({"ann": "look@0m[channel=web] call@9m[channel=phone]"})
    >>> handoffs(shop)["source", "target", "handoffs", "lost"].rows()
    [('web', 'phone', 1, 0)]
    """
    view = View(unit, on, by, among=among).checked(paths, (*HANDED, *([at] if at else [])))
    at_columns = [at] if at else []
    paths.require(*at_columns)
    words = words_of(paths, on)
    partials = each(paths, view, words, partial(_moves, paths, words, at_columns))
    columns: dict[str, Any] = dict.fromkeys((*at_columns, "source", "target"), pl.String) | {
        "person": pl.UInt64,
        "unit": pl.UInt64,
    }
    moves = together(paths, view, columns | {"wait": pl.Int64, "lost": pl.Boolean}, partials)
    where = [*view.groups, *at_columns]
    crossing = pl.col("source") != pl.col("target")
    table = (
        moves.filter(crossing)
        .group_by(*where, "source", "target")
        .agg(
            pl.len().cast(pl.Int64).alias("handoffs"),
            *(pl.col(c).n_unique().cast(pl.Int64).alias(n) for n, c in (("units", "unit"), ("customers", "person"))),
            pl.col("wait").median().round().cast(pl.Duration("us")).alias("median_wait"),
            pl.col("lost").sum().cast(pl.Int64),
        )
    )
    staying = moves.filter(~crossing).group_by(*where, "target").agg(pl.col("lost").mean().alias("lost_share_staying"))
    table = table.join(staying, on=[*where, "target"], how="left", nulls_equal=True)
    low, high = wilson(table["lost"].to_numpy(), table["handoffs"].to_numpy())
    table = table.with_columns(
        (pl.col("handoffs") / pl.col("handoffs").sum().over([*where, "source"])).alias("share_of_source"),
        (pl.col("lost") / pl.col("handoffs")).alias("lost_share"),
        pl.Series("lost_share_low", low, pl.Float64),
        pl.Series("lost_share_high", high, pl.Float64),
    )
    order = [False] * len(where) + [True, False, False]
    table = table.sort(*where, "handoffs", "source", "target", descending=order, nulls_last=True)
    return table.select(*where, *HANDED)


def _reaches(words: pl.Series, sequences: UnitSequences, part: Part) -> pl.DataFrame:
    """One row per unit: groups, `reach`, `channel`, `person`, `end`, `touches`, `lasts`."""
    first = sequences.codes[sequences.bounds[:-1]]
    differs = sequences.codes != np.repeat(first, sequences.lengths)
    several = np.logical_or.reduceat(differs, sequences.bounds[:-1])
    names = words.cast(pl.String).gather(first.astype(np.int64))
    return sequences.groups.with_columns(
        pl.Series("reach", np.where(several, "several", "one"), pl.String),
        pl.select(pl.when(~pl.Series(several)).then(names)).to_series().alias("channel"),
        pl.Series("person", sequences.people(part)),
        pl.Series("end", sequences.ends),
        pl.Series("touches", sequences.lengths),
        pl.Series(
            "lasts", sequences.microseconds(sequences.bounds[1:] - 1) - sequences.microseconds(sequences.bounds[:-1])
        ),
    )


def _moves(paths: Paths, words: pl.Series, at_columns: list[str], sequences: UnitSequences, part: Part) -> pl.DataFrame:
    """One row per pair of consecutive touches: groups, `at_columns`, `source` to `lost`."""
    unit = sequences.sequence_numbers()
    after = np.flatnonzero(unit[1:] == unit[:-1]) + 1
    of = unit[after]
    last = (after == sequences.bounds[1:][of] - 1) & (sequences.ends[of] == ABANDONED)
    where = [as_text(decoded(part, at_columns, paths.dictionaries)[sequences.rows[after]])] if at_columns else []
    named = words.cast(pl.String)
    moves = pl.DataFrame(
        {
            "source": named.gather(sequences.codes[after - 1].astype(np.int64)),
            "target": named.gather(sequences.codes[after].astype(np.int64)),
            "person": sequences.people(part)[of],
            "unit": of.astype(np.uint64) + (part.number << 32),
            "wait": sequences.microseconds(after) - sequences.microseconds(after - 1),
            "lost": last,
        }
    )
    groups = [sequences.groups[of]] if sequences.groups.width else []
    return pl.concat([*groups, *where, moves], how="horizontal")
