"""Which weekly shares may be published?

A week whose customers are still in their window is *open*.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, Final
from zoneinfo import ZoneInfo

import polars as pl

from reports.privacy.rules import coarse_step, small, to_tens
from reports.privacy.stages import FEW, SHOWN, WITHHELD, Cell, hidden_cells

OPEN: Final = "open"
ALL: Final = "all"
SCHEMA: Final = pl.Schema(
    {
        "step": pl.UInt32,
        "name": pl.String,
        "week": pl.Date,
        "previous": pl.Int64,
        "effect": pl.Float64,
        "share": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "unusual": pl.Boolean,
        "state": pl.String,
    }
)


RELEASES: Final = pl.Schema({"day": pl.Date, "name": pl.String, "column": pl.String})


def publishable_releases(marks: pl.DataFrame, k: int, zone: ZoneInfo, name_of: Callable[[str], str]) -> pl.DataFrame:
    """The releases of `analytics.release_marks` that may be shown: `RELEASES`, the oldest first.

    A version of fewer than `k` customers is withheld; of others the day is told, in the zone of the report. `name_of`
    gives the name of a column.
    """
    shown = marks.filter(pl.col("customers").is_null() | (pl.col("customers") >= k)).with_columns(
        pl.col("at").dt.convert_time_zone(zone.key).dt.date().alias("day"),
        pl.col("column").map_elements(name_of, pl.String),
    )
    return shown.select(RELEASES.names()).unique(maintain_order=True)


def weekly_shares(counts: pl.DataFrame, k: int, min_customers: int) -> pl.DataFrame:
    """The share of every week as it may be published.

    In: `step` UInt32, `name`, `week` Date, `previous`, `reached` Int64 (journeys),
    `customers`, `customers_reached`, `customers_lost` Int64 (distinct: of `previous`, of `reached`, and of the others),
    `effective` Float64 (as many independent journeys as the previous ones are worth), `is_open` Boolean; one row per
    step and week. Out: `step`, `name`, `week`; `previous` Int64; `effect` Float64, the design effect: how many
    journeys are worth one independent one, to a tenth; `share` Float64, null where fewer than `k` customers went on or
    did not, or where the steps before or after would reveal such a count; `state` String. A group that would reveal a
    withheld one, through the total of its week, is coarsened: journeys in tens, the share rounded so that it covers at
    least `k` of them.
    """
    hidden, revealing = _hidden_and_revealing(counts, k)
    rows: list[tuple[int | None, float | None, float | None, str]] = []
    for row in counts.iter_rows(named=True):
        cells = {(_total_of(row), ALL, row["step"] - back) for back in (0, 1)}
        coarse = coarse_step(row["previous"], k) if cells & revealing else None
        state = WITHHELD if cells & hidden or (cells & revealing and not coarse) else _state(row, k, min_customers)
        share = row["reached"] / row["previous"] if state in (SHOWN, OPEN) else None
        share = share if share is None or not coarse else round(share / coarse) * coarse
        previous = None if state == WITHHELD else to_tens(row["previous"]) if coarse else row["previous"]
        effect = None if share is None else max(1.0, round(row["previous"] / row["effective"], 1))
        rows.append((previous, effect, share, state))
    schema = {"previous": pl.Int64, "effect": pl.Float64, "share": pl.Float64, "state": pl.String}
    added = pl.DataFrame(rows, schema=schema, orient="row")
    return pl.concat([counts.select("step", "name", "week"), added], how="horizontal")


def publishable_weeks(judged: pl.DataFrame) -> pl.DataFrame:
    """Weekly shares with their interval, safe to publish: `SCHEMA`.

    In: `weekly_shares`, with `low`, `high` and `unusual`.
    """
    published = judged.with_columns(pl.selectors.float().round(4))
    return published.select(SCHEMA.names()).cast(SCHEMA)


def _hidden_and_revealing(counts: pl.DataFrame, k: int) -> tuple[set[Cell], set[Cell]]:
    """The cells of every week that must be withheld, and the cells of groups that would reveal them.

    The count before a step equals the count after the previous step, so both are withheld together.
    """
    chains: dict[tuple[str, str], tuple[int, list[int], list[int]]] = {}
    for row in counts.sort("step").iter_rows(named=True):
        group = (_total_of(row), ALL)
        _, people, lost = chains.setdefault(group, (row["step"] - 1, [row["customers"]], [0]))
        people.append(row["customers_reached"])
        lost.append(row["customers_lost"])
    return hidden_cells(chains, k)


def _total_of(row: dict[str, Any]) -> str:
    """The key of a week."""
    return str(row["week"])


def weeks_between(first: date, last: date) -> Sequence[date]:
    """The Mondays of all weeks from the first whole week to `last`.

    >>> weeks_between(date(2026, 3, 31), date(2026, 4, 14))
    [datetime.date(2026, 4, 6), datetime.date(2026, 4, 13)]
    """
    monday = date.fromordinal(first.toordinal() + (-first.weekday()) % 7)
    return [date.fromordinal(day) for day in range(monday.toordinal(), last.toordinal() + 1, 7)]


def _state(row: dict[str, Any], k: int, min_customers: int) -> str:
    if any(small(row[name], k) for name in ("customers", "customers_reached", "customers_lost")):
        return WITHHELD
    if row["customers"] < min_customers:
        return FEW
    return OPEN if row["is_open"] else SHOWN
