"""Which weekly shares may be published, and which unusual weeks are told together?

A week whose customers are still in their window is *open*: it is not compared with the weeks before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from math import sqrt
from typing import Any, Final

import polars as pl

from reports.privacy.rules import coarse_step, small, to_tens
from reports.privacy.stages import FEW, SHOWN, WITHHELD, Cell, hidden_cells

WEEKS_BEFORE: Final = 8
MIN_WEEKS: Final = 4
SPREADS: Final = 4.0
SPREADS_OF_GROUPS: Final = 4.5
"""Higher for groups, as more series are tested: where nothing has changed, at most one report in twenty names an
unusual week (with 3 spreads, one in four did)."""

OPEN: Final = "open"
SCHEMA: Final = pl.Schema(
    {
        "dimension": pl.String,
        "segment": pl.String,
        "step": pl.UInt32,
        "name": pl.String,
        "week": pl.Date,
        "previous": pl.Int64,
        "effect": pl.Float64,
        "share": pl.Float64,
        "usual": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "unusual": pl.Boolean,
        "state": pl.String,
    }
)


SERIES: Final = ("dimension", "segment", "step")
"""The columns that tell one series of weeks from another."""


def weekly_shares(counts: pl.DataFrame, k: int, min_customers: int) -> pl.DataFrame:
    """The share of every week as it may be published.

    In: the columns of `SERIES` (null: all customers), `name`, `week` Date, `previous`, `reached` Int64 (journeys),
    `customers`, `customers_reached`, `customers_lost` Int64 (distinct: of `previous`, of `reached`, and of the others),
    `effective` Float64 (as many independent journeys as the previous ones are worth), `is_open` Boolean; one row per
    series and week. Out: `SERIES`, `name`, `week`; `previous` Int64; `effect` Float64, the design effect: how many
    journeys are worth one independent one, to a tenth; `share` Float64, null where fewer than `k` customers went on or
    did not, or where the steps before or after would reveal such a count; `state` String. A group that would reveal a
    withheld one, through the total of its week, is coarsened: journeys in tens, the share rounded so that it covers at
    least `k` of them.
    """
    hidden, revealing = _hidden_and_revealing(counts, k)
    rows: list[tuple[int | None, float | None, float | None, str]] = []
    for row in counts.iter_rows(named=True):
        cells = {(_total_of(row), str(row["segment"]), row["step"] - back) for back in (0, 1)}
        coarse = coarse_step(row["previous"], k) if cells & revealing else None
        state = WITHHELD if cells & hidden or (cells & revealing and not coarse) else _state(row, k, min_customers)
        share = row["reached"] / row["previous"] if state in (SHOWN, OPEN) else None
        share = share if share is None or not coarse else round(share / coarse) * coarse
        previous = None if state == WITHHELD else to_tens(row["previous"]) if coarse else row["previous"]
        effect = None if share is None else max(1.0, round(row["previous"] / row["effective"], 1))
        rows.append((previous, effect, share, state))
    schema = {"previous": pl.Int64, "effect": pl.Float64, "share": pl.Float64, "state": pl.String}
    added = pl.DataFrame(rows, schema=schema, orient="row")
    return pl.concat([counts.select(*SERIES, "name", "week"), added], how="horizontal")


def publishable_weeks(judged: pl.DataFrame) -> pl.DataFrame:
    """Weekly shares with their expected range, safe to publish: `SCHEMA`.

    In: `weekly_shares`, with `usual`, `low`, `high` and `unusual` of `analytics.unusual_periods`.
    """
    published = judged.with_columns(pl.selectors.float().round(4))
    return published.select(SCHEMA.names()).cast(SCHEMA)


def _hidden_and_revealing(counts: pl.DataFrame, k: int) -> tuple[set[Cell], set[Cell]]:
    """The cells of every week that must be withheld, and the cells of groups that would reveal them.

    The count before a step equals the count after the previous step, so both are withheld together.
    """
    chains: dict[tuple[str, str], tuple[int, list[int], list[int]]] = {}
    for row in counts.sort("step").iter_rows(named=True):
        group = (_total_of(row), str(row["segment"]))
        _, people, lost = chains.setdefault(group, (row["step"] - 1, [row["customers"]], [0]))
        people.append(row["customers_reached"])
        lost.append(row["customers_lost"])
    return hidden_cells(chains, k)


def _total_of(row: dict[str, Any]) -> str:
    """The key of the total that the groups of a week add up to."""
    return f"{row['week']} {row['dimension']}"


def unusual_runs(unusual: pl.DataFrame) -> list[dict[str, Any]]:
    """Consecutive unusual weeks merged into runs: the keys of the series, `first`, `last` and `difference`.

    `difference` is the largest distance of the run from the usual share; the most remarkable run comes first.
    """
    runs: list[dict[str, Any]] = []
    keys = ("dimension", "segment", "step")
    for row in unusual.filter("unusual").sort(*keys, "week", nulls_last=True).iter_rows(named=True):
        gap = row["share"] - row["usual"]
        last = runs[-1] if runs else None
        joined = last and all(last[key] == row[key] for key in keys) and (row["week"] - last["last"]).days == 7
        if last and joined and gap * last["difference"] > 0:
            last["last"] = row["week"]
            last["difference"] = max(last["difference"], gap, key=abs)
            last["customers"] += row["previous"]
        else:
            start = {"first": row["week"], "last": row["week"], "difference": gap, "customers": row["previous"]}
            runs.append({**{key: row[key] for key in (*keys, "name")}, **start})
    return sorted(runs, key=lambda run: -abs(run["difference"]) * sqrt(run["customers"]))


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
