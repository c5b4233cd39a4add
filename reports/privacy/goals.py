"""Applies the privacy rules to the goals of journeys.

A rate divides the customers of mature journeys in two: who reached the goal and who did not. Neither may be small, and
no goal may reveal the small rest of another: of a goal that has its steps and more, or of one with another horizon.
A sum of which one customer brings more than half is withheld. Of the families of routes to a goal nothing is published
but what a journey takes on average, and shares that are rounded so that each covers k customers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import polars as pl

from reports.privacy.rules import rough_ends, rough_share, small
from reports.privacy.stages import FEW, SHOWN, WITHHELD, open_or_direct

_COUNTS = ("mature", "open", "direct", "late", "reached")
FAMILIES: Final = pl.Schema(
    {
        "family": pl.String(),
        **dict.fromkeys(("share_of_goals", "goal_rate", "goal_rate_low", "goal_rate_high"), pl.Float64()),
        "median_time": pl.Duration("us"),
        **dict.fromkeys(("median_touches", "handoffs", "effort", "value_per_goal"), pl.Float64()),
        **dict.fromkeys(("csat", "csat_low", "csat_high", "late_share"), pl.Float64()),
        "nearly_there": pl.Boolean(),
    }
)
DIRECT: Final = "direct"
"""The family of nothing but the goal."""
MIN_FAMILIES: Final = 2
_RATES = ("goal_rate", "goal_rate_low", "goal_rate_high")


def publishable_goals(
    attained: pl.DataFrame, steps: Sequence[Sequence[str]], withheld: Sequence[str], k: int, min_customers: int
) -> pl.DataFrame:
    """One row per goal, in order, with `state` String; what must not be published is null.

    In: the totals of `goal_attainment`, the `steps` of each goal, and the names of goals whose number is `withheld`
    elsewhere in the report. Columns: `goal` String, `horizon` Duration, `mature`, `open`, `direct`, `late`, `reached`
    Int64, `goal_rate`, `goal_rate_low`, `goal_rate_high`, `value` Float64, `value_left_out` Int64, `for_customer`
    String. `state` is `shown`, `few` (fewer than `min_customers` customers have a mature journey: no rate) or
    `withheld` (neither count nor rate).
    """
    rows = attained.to_dicts()
    published: list[int] = []
    for position, row in enumerate(rows):
        row["state"] = SHOWN if row["customers"] >= min_customers else FEW
        hidden = small(row["customers_reached"], k) or small(row["customers_lost"], k) or row["goal"] in withheld
        if hidden or any(_reveals(row, rows[other], steps[position], steps[other], k) for other in published):
            row["state"] = WITHHELD
            _blank(row, "reached", "late", "value", "value_left_out", *_RATES)
        else:
            published.append(position)
    for row in rows:
        if row["state"] == FEW:
            _blank(row, *_RATES)
        if small(row["customers"], k):
            _blank(row, *_COUNTS, "value", "value_left_out")
        _blank(row, *open_or_direct(row, k)[0])
        if small(row["customers_late"], k) or small(row["customers_never"], k):
            _blank(row, "late")
        if small(row["customers_left_out"], k):
            _blank(row, "value_left_out")
        if row["value"] is not None and 2 * row["largest_value"] > abs(row["value"]):
            _blank(row, "value")
        row["value"] = None if row["value"] is None else round(row["value"], 2)
        row.update({name: None if row[name] is None else round(row[name], 4) for name in _RATES})
    columns = ("goal", "horizon", *_COUNTS, *_RATES, "value", "value_left_out", "for_customer", "state")
    schema = {**attained.schema, "state": pl.String()}
    return pl.DataFrame(
        [{name: row[name] for name in columns} for row in rows], {name: schema[name] for name in columns}
    )


def publishable_families(routes: pl.DataFrame, winners: int, k: int, min_customers: int) -> pl.DataFrame | None:
    """One row per family of routes that `min_customers` customers took, the largest share of the goals first.

    In: the totals of `goal_routes`, and the number of customers with the goal. Columns: `family` String;
    `share_of_goals` (of the goals of all families), `goal_rate` with `goal_rate_low`, `goal_rate_high` Float64 (null
    for fewer than `min_customers` customers with a mature journey, and for `direct`); of journeys with the goal, where
    `min_customers` customers have one: `median_time` Duration, `median_touches`, `handoffs`, `effort` (a journey),
    `value_per_goal` Float64 (three digits; null where one customer brings more than half of the sum); `csat` with
    `csat_low`, `csat_high` Float64 (null for fewer than `min_customers` customers with an answer); `late_share`
    Float64, `nearly_there` Boolean (as in `goal_routes`; not of `direct`). Shares of goals that would be rounded to
    nothing are null. Shares are rounded (`rough_share`), intervals outwards
    (`rough_ends`). Null for fewer than two families that are not direct.
    """
    shown = routes.filter(pl.col("customers") >= min_customers)
    if shown.filter(pl.col("family") != DIRECT).height < MIN_FAMILIES:
        return None
    rows: list[dict[str, Any]] = []
    for row in shown.iter_rows(named=True):

        def told(name: str, customers: int, row: dict[str, Any] = row) -> dict[str, float | None]:
            if row[name] is None or customers < min_customers:
                return {}
            low, high = rough_ends(row[f"{name}_low"], row[f"{name}_high"], customers, k)
            share = rough_share(row[name] * customers, customers, k)
            return {name: share, f"{name}_low": low, f"{name}_high": high}

        found: dict[str, Any] = {"family": row["family"], "nearly_there": row["nearly_there"]}
        if row["share_of_goals"] is not None:
            share = rough_share(row["share_of_goals"] * winners, winners, k)
            found["share_of_goals"] = None if share == 0 and row["reached"] else share
        found |= told("goal_rate", row["customers_mature"]) | told("csat", row["customers_csat"])
        if row["late_share"] is not None and row["family"] != DIRECT:
            found["late_share"] = rough_share(row["late_share"] * row["customers"], row["customers"], k)
        if row["customers_reached"] >= min_customers:
            found |= {"median_time": row["median_time"], "median_touches": row["median_touches"]}
            found |= {name: round(row[name], 1) for name in ("handoffs", "effort")}
            if row["value"] is not None and 2 * row["largest_value"] <= abs(row["value"]):
                found["value_per_goal"] = float(f"{row['value'] / row['reached']:.3g}")
        rows.append(found)
    rows.sort(key=lambda row: -(row.get("share_of_goals") or 0.0))
    return pl.DataFrame([{name: row.get(name) for name in FAMILIES} for row in rows], FAMILIES)


def _reveals(row: dict[str, Any], other: dict[str, Any], own: Sequence[str], its: Sequence[str], k: int) -> bool:
    """Whether a goal with these steps, beside another one, reveals a small count of customers or journeys."""
    if row["horizon"] != other["horizon"]:
        return small(abs(row["mature"] - other["mature"]), k)
    nested = {*own} <= {*its} or {*its} <= {*own}
    return nested and small(abs(row["customers_reached"] - other["customers_reached"]), k)


def _blank(row: dict[str, Any], *columns: str) -> None:
    row.update(dict.fromkeys(columns))
