"""The counts of what was asked to be watched: of `watch_counts` where it has them, of funnels and goals their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl

from analytics.engine.goals import Goal, is_main
from analytics.engine.local.calendar import next_period_start, periods_between, zone_named
from analytics.engine.units import goal_window
from analytics.funnels.definition import Funnel
from analytics.funnels.trends import funnel_by_range
from analytics.goals.stage_funnel import stage_funnel
from analytics.monitoring.watching.definition import VOLUMES, Watch, WatchPeriod, step_touchpoint, steps_by
from analytics.monitoring.watching.watch_counts import Pair
from analytics.store.columns import TIME, TOUCHPOINT
from analytics.store.paths import Paths

PEOPLE: Final = ("customers", "customers_counted", "customers_not_counted")
_COUNTS: Final = dict.fromkeys(("of", "count", *PEOPLE, "went", "won"), pl.Int64())
ROWS: Final = pl.Schema(
    {
        "watch": pl.Int64(),
        "measure": pl.String(),
        "name": pl.String(),
        "by": pl.String(),
        "group": pl.String(),
        "period": TIME,
        **_COUNTS,
        "source": pl.String(),
        "target": pl.String(),
        "window": pl.Duration("us"),
    }
)
"""`watch` is the number of the watch, null of what is watched without being asked."""
KEY: Final = ("measure", "name", "by", "group", "window")
"""What a series is: one that was asked takes the place of the same one that is watched anyway."""


@dataclass(frozen=True)
class Wanted:
    """What is watched in periods of one length: watches, pairs that are watched anyway, and their columns of groups.

    `window` is that of stages and of the goal, `horizon` the time to the goal of what one case is worth.
    """

    watches: tuple[Watch, ...]
    pairs: tuple[Pair, ...]
    groups: tuple[str, ...]
    period: WatchPeriod
    timezone: str
    window: timedelta
    horizon: timedelta

    @property
    def all_pairs(self) -> list[Pair]:
        """The pairs to count; those of watches are told apart by the number of the watch."""
        asked = enumerate(self.watches)
        return [*self.pairs, *(replace(one.of, label=_label(n)) for n, one in asked if isinstance(one.of, Pair))]

    @property
    def all_groups(self) -> list[str]:
        """The columns to count by."""
        return list(dict.fromkeys([*self.groups, *(name for one in self.watches for name in one.groups)]))

    @property
    def touchpoints(self) -> tuple[str, ...]:
        """The touchpoints whose touches are also counted by group."""
        return tuple({one.item: 0 for one in self.watches if one.measure == TOUCHPOINT and one.groups})


def _label(number: int) -> str:
    return f"\x1f{number}"


def watched_rows(paths: Paths, counts: pl.DataFrame, wanted: Wanted) -> pl.DataFrame:
    """The rows of all series, `ROWS`: those of `watch_counts`, and those of each watch, which come first.

    `counts` are the answer of `watch_counts` to `wanted`.
    """
    pairs = pl.DataFrame(
        [("pair", pair.name, pair.source, pair.target, pair.window) for pair in wanted.all_pairs],
        schema={"measure": pl.String, "name": pl.String, **{key: ROWS[key] for key in ("source", "target", "window")}},
        orient="row",
    )
    counts = counts.join(pairs, on=["measure", "name"], how="left", maintain_order="left").with_columns(
        pl.when(pl.col("measure").is_in(["stage", "goal"]))
        .then(pl.lit(wanted.window))
        .otherwise("window")
        .alias("window")
    )
    every = counts.with_columns(pl.lit(None, pl.Int64).alias("watch")).select(ROWS.names())
    asked = [pl.DataFrame(schema=ROWS)]
    for number, watch in enumerate(wanted.watches):
        frames = [
            rows.with_columns(pl.lit(number, pl.Int64).alias("watch")).select(ROWS.names())
            for rows in _rows(paths, counts, watch, number, wanted)
        ]
        asked += [_of_groups(rows, watch) for rows in frames]
    own = pl.concat(asked)
    anyway = every.filter(
        pl.col("measure").is_in(VOLUMES).not_() | pl.col("by").is_null(),
        pl.col("by").is_null() | pl.col("by").is_in(list(wanted.groups)),
        (pl.col("measure") != "pair") | pl.col("name").is_in([pair.name for pair in wanted.pairs]),
    )
    by_past = [number for number, watch in enumerate(wanted.watches) if watch.rule == "unusual"]
    taken = own.filter(pl.col("watch").is_in(by_past)).select(KEY).unique()
    return pl.concat([own, anyway.join(taken, on=KEY, how="anti", nulls_equal=True)])


def _of_groups(rows: pl.DataFrame, watch: Watch) -> pl.DataFrame:
    """The rows in all and by the columns of the watch, or those of its only group."""
    if watch.only is not None:
        column, value = watch.only
        return rows.filter(pl.col("by") == column, pl.col("group") == value)
    return rows.filter(pl.col("by").is_null() | pl.col("by").is_in(list(watch.by)))


def _rows(paths: Paths, counts: pl.DataFrame, watch: Watch, number: int, wanted: Wanted) -> Iterator[pl.DataFrame]:
    """The rows of one watch, by every column that was counted."""
    if isinstance(watch.of, Funnel):
        yield from _funnel_rows(paths, watch.of, watch.groups, _ranges(counts, paths, wanted), watch.only is None)
    elif isinstance(watch.of, Goal):
        yield from _goal_rows(paths, watch.of, watch.groups, wanted, watch.only is None)
    elif isinstance(watch.of, Pair):
        yield counts.filter(measure="pair", name=_label(number)).with_columns(pl.lit(watch.of.name).alias("name"))
    else:
        yield counts.filter(measure=watch.measure, name=watch.item)


def _ranges(counts: pl.DataFrame, paths: Paths, wanted: Wanted) -> list[tuple[datetime, datetime]]:
    """The periods of the data."""
    first, zone = counts["period"].min(), zone_named(wanted.timezone)
    if first is None or paths.end_of_data is None:
        return []
    assert isinstance(first, datetime)
    starts = periods_between(first.astimezone(zone), paths.end_of_data.astimezone(zone), wanted.period)
    return [(start.astimezone(UTC), next_period_start(start, wanted.period).astimezone(UTC)) for start in starts]


def _funnel_rows(
    paths: Paths,
    definition: Funnel,
    groups: Sequence[str],
    ranges: Sequence[tuple[datetime, datetime]],
    with_all: bool,
) -> Iterator[pl.DataFrame]:
    """Those who reach each step, of those at the step before, by the period of their entry.

    What one case is worth is known where the last step is the main goal.
    """
    main = paths.definition.goal if paths.definition else ()
    last = definition.steps[-1]
    to_goal = last.on == TOUCHPOINT and {*last.any_of} == {*main} and last.where is None
    for column in (*([None] if with_all else []), *groups):
        found = funnel_by_range(paths, steps_by(definition, column), ranges)
        found = found.filter(
            pl.col("is_total") if column is None else ~pl.col("is_total") & pl.col(column).is_not_null()
        )
        keys = [*([] if column is None else [column]), "period"]
        goals = found.filter(pl.col("step") == len(definition.steps)).select(*keys, pl.col("reached").alias(" goals"))
        found = found.join(goals, on=keys, how="left")
        for number in range(2, len(definition.steps) + 1):
            before = definition.previous(number)
            of, count = pl.col("reached") + pl.col("dropped"), pl.col("reached")
            counts = dict(zip(("of", "count", *PEOPLE), (of, count, of, count, of - count), strict=True))
            yield found.filter(pl.col("step") == number).select(
                pl.lit("funnel").alias("measure"),
                pl.lit(f"{definition.name_of(before)} -> {definition.name_of(number)}").alias("name"),
                pl.lit(column, pl.String).alias("by"),
                _text(column),
                pl.col("period").dt.convert_time_zone("UTC"),
                *(each.alias(name) for name, each in counts.items()),
                (count if to_goal else pl.lit(0, pl.Int64)).alias("went"),
                (pl.col(" goals") if to_goal else pl.lit(0, pl.Int64)).alias("won"),
                pl.lit(step_touchpoint(definition, before), pl.String).alias("source"),
                pl.lit(step_touchpoint(definition, number), pl.String).alias("target"),
                pl.lit(definition.window, pl.Duration("us")).alias("window"),
            ).filter(pl.col("of") > 0)  # fmt: skip


def _goal_rows(
    paths: Paths, goal: Goal, groups: Sequence[str], wanted: Wanted, with_all: bool
) -> Iterator[pl.DataFrame]:
    """The mature journeys that reach a goal, by the period in which they begin; only the main has goals at stake."""
    window = goal_window(paths, goal.horizon if goal.horizon is not None else wanted.horizon)
    is_worth = is_main(paths, goal)
    for column in (*([None] if with_all else []), *groups):
        found = stage_funnel(
            paths,
            goal=goal,
            window=window,
            by=column or (),
            period=wanted.period,
            timezone=wanted.timezone,
        )
        found = found.filter(
            pl.col("is_total") if column is None else ~pl.col("is_total") & pl.col(column).is_not_null()
        )
        rest = pl.max_horizontal("customers_never", pl.col("customers_entered") - pl.col("customers"))
        worth = pl.col("reached") if is_worth else pl.lit(0, pl.Int64)
        yield found.filter((pl.col("kind") == "goal") & (pl.col("entered") > 0)).select(
            pl.lit("goal").alias("measure"),
            pl.lit(goal.name).alias("name"),
            pl.lit(column, pl.String).alias("by"),
            _text(column),
            pl.col("period").dt.convert_time_zone("UTC"),
            pl.col("entered").alias("of"),
            pl.col("reached").alias("count"),
            pl.col("customers_entered").alias("customers"),
            pl.col("customers").alias("customers_counted"),
            rest.alias("customers_not_counted"),
            worth.alias("went"),
            worth.alias("won"),
            *(pl.lit(None, pl.String).alias(name) for name in ("source", "target")),
            pl.lit(window, pl.Duration("us")).alias("window"),
        )


def _text(column: str | None) -> pl.Expr:
    return (pl.lit(None) if column is None else pl.col(column)).cast(pl.String).alias("group")
