"""Who entered, and how far did they get? One row an entrant, from which every breakdown is counted.

A funnel broken down by one column after the other would be scanned as often. Here it is scanned once, with all columns
at once, and the groups are counted from its rows.
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

    Those of `everybody` know `first_at`, too, when they first entered; the chain that is reported may be a later one.
    """

    rows: pl.DataFrame
    steps: tuple[str, ...]


@dataclass(frozen=True)
class StageFunnel:
    """A funnel of stages: its steps, the time that an entrant has, the columns that entrants are broken down by."""

    steps: Sequence[Step]
    window: timedelta
    by: tuple[str, ...] = ()


def entrants(
    paths: Paths, stage_funnel: StageFunnel, start: datetime | None = None, end: datetime | None = None
) -> Entrants:
    """Everybody who entered from `start` up to, not including, `end`."""
    found = members(
        paths, Funnel(stage_funnel.steps, window=stage_funnel.window, by=stage_funnel.by, start=start, end=end)
    )
    return Entrants(found.drop("customer"), tuple(str(step.name) for step in stage_funnel.steps))


def all_entrants(paths: Paths, stage_funnel: StageFunnel) -> Entrants:
    """Everybody who ever entered, with the time of their first entry."""
    found = members(paths, Funnel(stage_funnel.steps, window=stage_funnel.window, by=stage_funnel.by))
    first = members(paths, Funnel(stage_funnel.steps[:1], window=stage_funnel.window)).select(
        "customer", first_at="entered_at"
    )
    rows = found.join(first, on="customer", how="left", maintain_order="left").drop("customer")
    return Entrants(rows, tuple(str(step.name) for step in stage_funnel.steps))


def step_counts(entered: Entrants, by: str | None = None, *, also_open: bool = False) -> pl.DataFrame:
    """The counts of `analytics.funnel`: `by`, `is_total`, `step`, `name`, `entered`, `reached`, `dropped`, `open`.

    Totals come first. `also_open` counts those whose time is not over as far as they have come.
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
    """A row a group and step."""
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
            place=pl.int_range(pl.len()),
        )
        for step, name in enumerate(steps, 1)
    ]
    return pl.concat(frames).sort("place", "step").drop("place")
