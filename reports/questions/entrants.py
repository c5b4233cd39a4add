"""Who entered the stage funnel, and how far did they get? One row per entrant, from which every breakdown is counted.

Running the funnel once per breakdown column would scan the paths as many times. Here one scan reads all columns, and
the groups are counted from its rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from analytics import Funnel, Paths, Step, members


@dataclass(frozen=True, eq=False)
class Entrants:
    """The entrants of a funnel: `rows` as `analytics.members` gives them, and the names of the steps.

    `all_entrants` adds `first_at`, the time of the first entry; the reported attempt may be a later one.
    """

    rows: pl.DataFrame
    steps: tuple[str, ...]


@dataclass(frozen=True)
class StageFunnel:
    """A funnel of stages: its steps, its conversion window, and the columns of the breakdowns."""

    steps: Sequence[Step]
    window: timedelta
    by: tuple[str, ...] = ()


def entrants(
    paths: Paths, stage_funnel: StageFunnel, start: datetime | None = None, end: datetime | None = None
) -> Entrants:
    """The entrants from `start` up to, but not including, `end`."""
    found = members(
        paths, Funnel(stage_funnel.steps, window=stage_funnel.window, by=stage_funnel.by, start=start, end=end)
    )
    return Entrants(found.drop("customer"), tuple(str(step.name) for step in stage_funnel.steps))


def all_entrants(paths: Paths, stage_funnel: StageFunnel) -> Entrants:
    """All entrants, with the time of their first entry."""
    found = members(paths, Funnel(stage_funnel.steps, window=stage_funnel.window, by=stage_funnel.by))
    first = members(paths, Funnel(stage_funnel.steps[:1], window=stage_funnel.window)).select(
        "customer", first_at="entered_at"
    )
    rows = found.join(first, on="customer", how="left", maintain_order="left").drop("customer")
    return Entrants(rows, tuple(str(step.name) for step in stage_funnel.steps))


def step_counts(entered: Entrants, by: str | None = None, *, also_open: bool = False) -> pl.DataFrame:
    """The counts of `analytics.funnel`: `by`, `is_total`, `step`, `name`, `entered`, `reached`, `dropped`, `open`.

    Totals come first. `also_open` also counts entrants whose window is still open, up to the step they have reached.
    """
    rows = entered.rows.with_columns(over=pl.lit(True) if also_open else ~pl.col("is_open"))
    sums = [
        expression
        for step in range(1, len(entered.steps) + 1)
        for expression in (
            ((pl.col("depth") >= step) & pl.col("over")).sum().cast(pl.Int64).alias(f"reached_{step}"),
            ((pl.col("depth") >= step) & ~pl.col("over")).sum().cast(pl.Int64).alias(f"open_{step}"),
        )
    ]
    total = rows.select(sums).with_columns(is_total=pl.lit(True))
    if by is None:
        return _long(total, entered.steps, [])
    groups = rows.group_by(pl.col(by).cast(pl.String)).agg(sums).sort(by, nulls_last=True)
    both = pl.concat([total, groups.with_columns(is_total=pl.lit(False))], how="diagonal")
    return _long(both, entered.steps, [by])


def _long(wide: pl.DataFrame, steps: Sequence[str], by: list[str]) -> pl.DataFrame:
    """One row per group and step."""
    frames = [
        wide.select(
            *by,
            "is_total",
            pl.lit(step, pl.UInt32).alias("step"),
            pl.lit(name).alias("name"),
            entered=pl.col("reached_1"),
            reached=pl.col(f"reached_{step}"),
            dropped=(pl.col(f"reached_{step - 1}") - pl.col(f"reached_{step}")) if step > 1 else pl.lit(0, pl.Int64),
            open=pl.col(f"open_{step}"),
            row=pl.int_range(pl.len()),
        )
        for step, name in enumerate(steps, 1)
    ]
    return pl.concat(frames).sort("row", "step").drop("row")
