"""Has weekly conversion moved more than chance explains?

A week's share is *unusual* when it lies outside the range expected from the weeks before it: their median, plus or
minus a number of spreads. The spread is the larger of the weeks' own (median absolute deviation) and the standard error
of a share over that many customers. A week whose customers are still in their window is *open* and is not compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from math import sqrt
from statistics import median
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
        "share": pl.Float64,
        "usual": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "unusual": pl.Boolean,
        "state": pl.String,
    }
)


def weekly(counts: pl.DataFrame, k: int, min_customers: int, spreads: float = SPREADS) -> pl.DataFrame:
    """Step conversion by week with its expected range, safe to publish.

    In: `dimension`, `segment` (null: all customers), `step`, `name`, `week` Date, `previous`, `reached` Int64,
    `is_open` Boolean; one row per series and week. Out: `SCHEMA`; `usual`, `low`, `high` are null before the fifth
    comparable week. A share is withheld where fewer than `k` customers went on or did not, or where the steps before
    or after would reveal such a count. A group that would reveal a withheld one, through the total of its week, is
    coarsened: customers in tens, the share rounded so that it covers at least `k` counts.
    """
    rows: list[dict[str, Any]] = []
    keys = ("dimension", "segment", "step")
    hidden, revealing = _hidden_and_revealing(counts, k)
    for _, series in counts.sort("week").group_by(*keys, maintain_order=True):
        before: list[float] = []
        for row in series.iter_rows(named=True):
            cells = {(_total_of(row), str(row["segment"]), row["step"] - back) for back in (0, 1)}
            coarse = coarse_step(row["previous"], k) if cells & revealing else None
            state = WITHHELD if cells & hidden or (cells & revealing and not coarse) else _state(row, k, min_customers)
            share = row["reached"] / row["previous"] if state in (SHOWN, OPEN) else None
            expected = _expected(before[-WEEKS_BEFORE:], row["previous"], spreads) if share is not None else None
            is_outside = share is not None and expected is not None and not expected[1] <= share <= expected[2]
            usual, low, high = expected or (None, None, None)
            unusual = is_outside and state == SHOWN
            if share is not None and state == SHOWN and not unusual:
                before.append(share)
            published = share if share is None or not coarse else round(share / coarse) * coarse
            key = {name: row[name] for name in (*keys, "name", "week")}
            numbers = {"share": published, "usual": usual, "low": low, "high": high}
            customers = None if state == WITHHELD else to_tens(row["previous"]) if coarse else row["previous"]
            rows.append({**key, "previous": customers, **_rounded(numbers), "unusual": unusual, "state": state})
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _hidden_and_revealing(counts: pl.DataFrame, k: int) -> tuple[set[Cell], set[Cell]]:
    """The cells of every week that must be withheld, and the cells of groups that would reveal them.

    The count before a step equals the count after the previous step, so both are withheld together.
    """
    chains: dict[tuple[str, str], tuple[int, list[int]]] = {}
    for row in counts.sort("step").iter_rows(named=True):
        group = (_total_of(row), str(row["segment"]))
        chains.setdefault(group, (row["step"] - 1, [row["previous"]]))[1].append(row["reached"])
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
    if small(row["previous"], k) or small(row["reached"], k) or small(row["previous"] - row["reached"], k):
        return WITHHELD
    if row["previous"] < min_customers:
        return FEW
    return OPEN if row["is_open"] else SHOWN


def _expected(before: Sequence[float], customers: int, spreads: float) -> tuple[float, float, float] | None:
    if len(before) < MIN_WEEKS:
        return None
    usual = median(before)
    spread = max(1.4826 * median(abs(share - usual) for share in before), sqrt(usual * (1 - usual) / customers))
    return usual, max(0.0, usual - spreads * spread), min(1.0, usual + spreads * spread)


def _rounded(numbers: dict[str, float | None]) -> dict[str, float | None]:
    return {name: None if number is None else round(number, 4) for name, number in numbers.items()}
