"""How much effort does each stage take: touches, time, repeats, back-tracks, hand-offs, errors, slow pages?

- **repeat**: a touch of the same touchpoint as the touch directly before it in the unit.
- **back-track**: a move to an earlier stage; it counts at the stage that the unit leaves. Touches without a stage may
  lie between.
- **hand-off**: a touch in a different channel from the one directly before it; it counts at the stage of the touch.
- **entropy** of the next touch: Shannon entropy in bits over what follows the touches of the stage (a touchpoint, or
  the end of the unit). 0 means that the same thing always follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import polars as pl

from analytics.paths.sequences import UnitSequences, each, together
from analytics.paths.view import By, Selection, View, words_of
from analytics.store.columns import TOUCHPOINT
from analytics.store.encoding import as_text
from analytics.store.parts import Part, decoded
from analytics.store.paths import Paths
from analytics.touches.rules import AIDA
from expectations.errors import DefinitionError, nearest

STAGE, CHANNEL, SESSION = "stage", "channel", "session"
SUMS: Final = ("touches", "sessions", "repeats", "backtracks", "handoffs", "errors", "slow")
MEASURED: Final = (
    STAGE,
    "units",
    "customers",
    "touches",
    "sessions",
    "touches_per_unit",
    "sessions_per_unit",
    "median_elapsed",
    "repeats",
    "backtracks",
    "handoffs",
    "errors",
    "slow",
    "next_entropy",
)


@dataclass(frozen=True)
class Friction:
    """What counts as friction: a condition for errors, the column of load times, and the limit of a slow page (s)."""

    errors: pl.Expr
    load_seconds: str | None
    slow: float

    @property
    def columns(self) -> list[str]:
        """The columns to read."""
        return list(
            dict.fromkeys([*self.errors.meta.root_names(), *([self.load_seconds] if self.load_seconds else [])])
        )

    @property
    def flags(self) -> list[pl.Expr]:
        """Expressions `errors` and `slow`, one Boolean each per touch."""
        slow = pl.col(self.load_seconds).cast(pl.Float64) > self.slow if self.load_seconds else pl.lit(False)
        return [self.errors.fill_null(False).alias("errors"), slow.fill_null(False).alias("slow")]


def effort(
    paths: Paths,
    *,
    unit: str = "journey",
    by: By = (),
    stages: Sequence[str] | None = None,
    errors: pl.Expr | None = None,
    load_seconds: str | None = None,
    slow: float = 3.0,
    among: Selection | None = None,
) -> pl.DataFrame:
    """Measures effort and friction, one row per stage.

    Columns: those of `by` (the value at the unit's first touch); `stage` String; `units`, `customers` (with a touch in
    it), `touches`, `sessions` Int64 (0 without a column `session`); `touches_per_unit`, `sessions_per_unit` Float64;
    `median_elapsed` Duration(us) (from a unit's first touch in the stage to its last); `repeats`, `backtracks`,
    `handoffs`, `errors`, `slow` Int64 (touches); `next_entropy` Float64 (bits).

    `stages` is the order of the stages (default: Awareness, Interest, Desire, Action). `errors` is a condition on
    touches (default: the touchpoint's name contains `error`). A touch is slow when column `load_seconds` exceeds
    `slow` seconds. Stages without touches are left out; no touches give no rows. Raises `DefinitionError` for paths
    without stages, or with a stage that is missing in `stages`.

    >>> from analytics import Paths
    >>> shop = Paths.from_text({"ann": "ad@0m[stage=Awareness] look@1m[stage=Interest] look@2m[stage=Interest]"})
    >>> effort(shop)["stage", "touches", "repeats"].rows()
    [('Awareness', 1, 0), ('Interest', 2, 1)]
    """
    error = pl.col(TOUCHPOINT).cast(pl.String).str.to_lowercase().str.contains("error") if errors is None else errors
    friction = Friction(error, load_seconds, slow)
    paths.require(STAGE, *friction.columns)
    view = View(unit, TOUCHPOINT, by, among=among).checked(paths, MEASURED)
    order = _ordered(paths, stages)
    partials = each(paths, view, words_of(paths, TOUCHPOINT), partial(_efforts, paths, friction, order))
    counts = {"person": pl.UInt64, "elapsed": pl.Int64, **dict.fromkeys(SUMS, pl.Int64)}
    units = together(paths, view, {STAGE: pl.String, **counts}, [units for units, _ in partials])
    nexts = together(paths, view, {STAGE: pl.String, "next": pl.Int64, "count": pl.Int64}, [n for _, n in partials])
    keys = [*view.groups, STAGE]
    entropy = (
        nexts.group_by(*keys, "next")
        .agg(pl.col("count").sum())
        .group_by(keys)
        .agg(pl.col("count").entropy(base=2).abs().alias("next_entropy"))
    )
    table = units.group_by(keys).agg(
        pl.len().cast(pl.Int64).alias("units"),
        pl.col("person").n_unique().cast(pl.Int64).alias("customers"),
        pl.col(SUMS).sum(),
        pl.col("elapsed").median().round().cast(pl.Duration("us")).alias("median_elapsed"),
    )
    rank = pl.col(STAGE).replace_strict(order, list(range(len(order))), default=None, return_dtype=pl.Int64)
    return (
        table.join(entropy, on=keys, nulls_equal=True)
        .with_columns((pl.col(name) / pl.col("units")).alias(f"{name}_per_unit") for name in ("touches", "sessions"))
        .sort(*view.groups, rank, nulls_last=True)
        .select(*view.groups, *MEASURED)
    )


def _ordered(paths: Paths, stages: Sequence[str] | None) -> list[str]:
    """The stages in order; raises `DefinitionError` if the paths have a stage that is not among them."""
    order = [rule.name for rule in AIDA] if stages is None else list(stages)
    if unknown := [stage for stage in words_of(paths, STAGE).to_list() if stage not in order]:
        raise DefinitionError(
            f"Stage {unknown[0]!r} has no place in the order of stages.",
            expected=f"one of {', '.join(order)}",
            do=nearest(unknown[0], order) or "name all stages in `stages`, the earliest first",
        )
    return order


def _efforts(
    paths: Paths, friction: Friction, order: list[str], sequences: UnitSequences, part: Part
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Of one part: one row per unit and stage, and the count of each next touchpoint by stage."""
    read = [name for name in (STAGE, CHANNEL, SESSION, *friction.columns) if name in paths.schema]
    columns = as_text(decoded(part, list(dict.fromkeys(read)), paths.dictionaries)[sequences.rows])
    unit = sequences.sequence_numbers()
    last = np.append(unit[1:] != unit[:-1], True)
    following = np.where(
        last, -1 - sequences.ends[unit].astype(np.int64), np.append(sequences.codes[1:].astype(np.int64), 0)
    )
    rank = pl.col(STAGE).replace_strict(order, list(range(len(order))), default=None, return_dtype=pl.Int64)
    channel = pl.col(CHANNEL) if CHANNEL in columns.columns else pl.lit(None, pl.String)
    session = pl.col(SESSION) if SESSION in columns.columns else pl.lit(None, pl.Int64)
    touches = columns.select(
        STAGE, rank.alias("rank"), channel.alias(CHANNEL), session.alias(SESSION), *friction.flags
    ).with_columns(
        pl.Series("unit", unit),
        pl.Series("node", sequences.codes),
        pl.Series("time", sequences.microseconds(np.arange(len(sequences.codes)))),
        pl.Series("next", following),
    )
    touches = _marked(touches)
    counts = ["repeats", "backtracks", "handoffs", "errors", "slow"]
    units = touches.group_by("unit", STAGE).agg(
        (pl.col("time").max() - pl.col("time").min()).alias("elapsed"),
        pl.len().cast(pl.Int64).alias("touches"),
        pl.col(SESSION).drop_nulls().n_unique().cast(pl.Int64).alias("sessions"),
        *(pl.col(name).sum().cast(pl.Int64) for name in counts),
    )
    of_unit = sequences.groups.with_columns(
        pl.Series("person", sequences.people(part)),
        pl.int_range(pl.len()).alias("unit"),
    )
    names = sequences.groups.columns
    units = units.join(of_unit, on="unit").select(*names, STAGE, "person", "elapsed", *SUMS)
    nexts = touches.join(of_unit, on="unit").group_by(*names, STAGE, "next").agg(pl.len().cast(pl.Int64).alias("count"))
    return units, nexts


def _marked(touches: pl.DataFrame) -> pl.DataFrame:
    """Touches with a stage, with Boolean `repeats`, `handoffs` and `backtracks` (at the touch that the unit leaves)."""
    before = pl.col("unit") == pl.col("unit").shift(1)
    changed = (pl.col(CHANNEL) != pl.col(CHANNEL).shift(1)).fill_null(False)
    touches = touches.with_columns(
        ((pl.col("node") == pl.col("node").shift(1)) & before).fill_null(False).alias("repeats"),
        (changed & before).fill_null(False).alias("handoffs"),
    ).filter(pl.col(STAGE).is_not_null())
    after = pl.col("unit") == pl.col("unit").shift(-1)
    back = (pl.col("rank").shift(-1) < pl.col("rank")) & after
    return touches.with_columns(back.fill_null(False).alias("backtracks"))
