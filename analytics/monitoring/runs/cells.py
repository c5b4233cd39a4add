"""The cells that two reports are compared by: customers and journeys in all, journeys by stage, customers by goal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final

import polars as pl

from analytics.engine.conditions import STAGE_PREFIX
from analytics.engine.goals import Goal
from analytics.engine.local.calendar import zone_named
from analytics.engine.run import answer_all
from analytics.engine.units import goal_window
from analytics.experience.usage import usage
from analytics.goals.stage_funnel import stage_funnel
from analytics.store.columns import AT, STAGE, TOUCHPOINT
from analytics.store.paths import Paths
from analytics.store.summary import summary

TIME: Final = pl.Datetime("us", "UTC")
KEY: Final = ("part", "name", "week", "measure")
COUNTS: Final = ("value", "customers")
CELLS: Final = pl.Schema(
    {
        "part": pl.String(),
        "name": pl.String(),
        "week": TIME,
        "measure": pl.String(),
        "week_end": TIME,
        "over_at": TIME,
        "value": pl.Int64(),
        "customers": pl.Int64(),
    }
)
_WEEK: Final = "week of the touch"


@dataclass(frozen=True)
class CellQuestion:
    """What the cells of a report count: its goals, the first of which ends journeys, their window, and the zone."""

    goals: tuple[Goal, ...]
    window: timedelta | None = None
    timezone: str = "UTC"


def report_cells(paths: Paths, question: CellQuestion) -> pl.DataFrame:
    """The cells of a report over these paths (`CELLS`).

    `part` is `totals` (measures `customers` and `journeys`, without a week), `stages` (`name` is a stage or the main
    goal, `measure` `journeys`: mature ones that begin in the `week` and reach it within the window) or `goals` (`name`
    is a goal, `measure` `customers`: with a touch of it in the `week`). Weeks begin on Monday in the zone of the
    question. `value` is the count, `customers` the distinct customers behind it (in totals the count itself).
    `over_at`: when events later than the week change the cell no more. A cell that nobody is in is no row. No touches
    give no rows, nor do paths that were not made by rules.

    >>> from analytics import PathRules
    >>> rules = PathRules(goal=["buy"], stages=[])
    >>> shop = Paths.from_text({"ann": "look@0d buy@1d", "bo": "look@0d"}, end="60d", rules=rules)
    >>> cells = report_cells(shop, CellQuestion((Goal(name="Order", steps=["buy"]),)))
    >>> cells["part", "name", "value"].rows()
    [('totals', 'all', 2), ('totals', 'all', 2), ('stages', 'Order', 1), ('goals', 'Order', 1)]
    """
    if not len(paths) or paths.definition is None:
        return pl.DataFrame(schema=CELLS)
    main, zone = question.goals[0], question.timezone
    ending = main.model_copy(update={"steps": paths.definition.goal})
    goals = [ending, *question.goals[1:]]
    asked: dict[Any, partial[pl.DataFrame]] = {
        None: partial(
            stage_funnel,
            goal=ending,
            window=question.window,
            period="week",
            timezone=zone,
            columns=("name", "reached", "customers"),
        )
    }
    week = pl.col(AT).dt.convert_time_zone(zone_named(zone).key).dt.truncate("1w").alias(_WEEK)
    asked |= {number: partial(usage, by=[week], where=_touches(paths, goal)) for number, goal in enumerate(goals)}
    found = answer_all(paths, asked)
    window = goal_window(paths, ending.horizon if ending.horizon is not None else question.window)
    parts = [_totals(paths), _stages(found[None], zone, window)]
    parts += [_goal(found[number], goal.name, zone) for number, goal in enumerate(goals)]
    return pl.concat(parts).filter(pl.col("value") > 0)


def _touches(paths: Paths, goal: Goal) -> pl.Expr:
    """Whether a touch is one of a goal."""
    is_goal = pl.col(TOUCHPOINT).is_in(list(goal.touchpoints))
    if not goal.stages or STAGE not in paths.schema:
        return is_goal
    return is_goal | pl.col(STAGE).is_in([step.removeprefix(STAGE_PREFIX) for step in goal.steps])


def _totals(paths: Paths) -> pl.DataFrame:
    row: dict[str, Any] = summary(paths).row(0, named=True)
    rows = [
        {"part": "totals", "name": "all", "measure": name, "value": row[name] or 0, "customers": row[name] or 0}
        for name in ("customers", "journeys")
    ]
    return pl.DataFrame(rows, CELLS)


def _stages(counts: pl.DataFrame, zone: str, window: timedelta) -> pl.DataFrame:
    return counts.rename({"period": "week", "reached": "value"}).select(*_columns("stages", "journeys", zone, window))


def _goal(touches: pl.DataFrame, name: str, zone: str) -> pl.DataFrame:
    weeks = touches.filter(~pl.col("is_total")).unique(_WEEK).sort(_WEEK)
    renamed = weeks.select(
        pl.lit(name, pl.String).alias("name"),
        pl.col(_WEEK).alias("week"),
        pl.col("customers_of_group").alias("value"),
        pl.col("customers_of_group").alias("customers"),
    )
    return renamed.select(*_columns("goals", "customers", zone, timedelta()))


def _columns(part: str, measure: str, zone: str, window: timedelta) -> Sequence[pl.Expr]:
    """The columns of `CELLS` of rows with name, week, value and customers."""
    end = pl.col("week").dt.convert_time_zone(zone_named(zone).key).dt.offset_by("1w").dt.convert_time_zone("UTC")
    made = {
        "part": pl.lit(part, pl.String),
        "measure": pl.lit(measure, pl.String),
        "week_end": end,
        "over_at": end + window,
        "week": pl.col("week").dt.convert_time_zone("UTC"),
    }
    return [made.get(name, pl.col(name)).cast(dtype).alias(name) for name, dtype in CELLS.items()]
