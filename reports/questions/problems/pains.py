"""What do journeys meet at each stage, which trouble clearly costs goals, and how many at most?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from analytics import Goal, Paths, pains
from reports.privacy.people.pains import friction_in_steps, pains_in_steps, publishable_friction, publishable_pains
from reports.privacy.steps import Steps
from reports.settings import ReportSettings

_ENDS: Final = ("", "_low", "_high")
PAINS: Final = pl.Schema(
    {
        **dict.fromkeys(("stage", "kind", "touchpoint"), pl.String()),
        **dict.fromkeys(("with_it", "reached"), pl.Int64()),
        **{f"goal_rate{end}": pl.Float64() for end in _ENDS},
        "goal_rate_alike": pl.Float64(),
        **{f"at_stake{end}": pl.Float64() for end in _ENDS},
        "p_corrected": pl.Float64(),
    }
)


FRICTION: Final = pl.Schema(
    {
        **dict.fromkeys(("stage", "kind", "touchpoint"), pl.String()),
        **dict.fromkeys(("journeys", "with_it"), pl.Int64()),
        "share": pl.Float64(),
        "is_costly": pl.Boolean(),
    }
)


@dataclass(frozen=True)
class Trouble:
    """What journeys meet.

    `costly` has the pains that clearly cost goals, those with most at stake at the lower end first, null without any:
    `stage`, `kind`, `touchpoint` (of a trouble), `with_it`, `reached`, `goal_rate` with its interval,
    `goal_rate_alike`, `at_stake` with its interval, in whole goals, and `p_corrected`. `met` has all that may be told,
    those that most journeys meet first, null without any: `stage`, `kind`, `touchpoint`, `journeys` (mature, at the
    stage), `with_it`, `share` (of them), and `is_costly`.
    """

    costly: pl.DataFrame | None = None
    met: pl.DataFrame | None = None


def trouble_of(
    paths: Paths,
    settings: ReportSettings,
    goal: Goal,
    steps: Steps,
    *,
    stages: pl.DataFrame,
    goals: tuple[Goal, ...] = (),
) -> Trouble:
    """What journeys meet, as it may be published, at the published `stages`; `goals` are told on another card.

    Nothing is told of a stage of which it is not told how many journeys touched it.
    """
    if not {"stage", "journey"} <= set(paths.schema):
        return Trouble()
    touched = set(stages.drop_nulls("touched")["name"])
    rows = [row for row in pains(paths, goal=goal, window=settings.window).to_dicts() if row["stage"] in touched]
    near = {name for one in goals for name in one.steps}
    told = pains_in_steps(publishable_pains(rows, near, settings.k, settings.least), steps)
    met = friction_in_steps(publishable_friction(rows, near, settings.k, settings.least), steps)
    costly = {(row["stage"], row["kind"], row["touchpoint"]) for row in told}
    for row in met:
        row["is_costly"] = (row["stage"], row["kind"], row["touchpoint"]) in costly
    frame, friction = (
        pl.DataFrame([{name: row[name] for name in schema} for row in own], schema=schema) if own else None
        for own, schema in ((told, PAINS), (met, FRICTION))
    )
    if frame is not None:
        frame = frame.with_columns(pl.col("^goal_rate.*$").round(4), pl.col("^at_stake.*$").round())
    return Trouble(frame, None if friction is None else friction.with_columns(pl.col("share").round(4)))
