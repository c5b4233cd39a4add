"""Applies the privacy rules to the goals of journeys.

A rate divides the customers of mature journeys in two: who reached the goal and who did not. Neither may be small, and
no goal may reveal the small rest of another: of a goal that has its steps and more, or of one with another horizon.
A sum of which one customer brings more than half is withheld.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from reports.privacy.rules import small
from reports.privacy.stages import FEW, SHOWN, WITHHELD, open_or_direct

_COUNTS = ("mature", "open", "direct", "late", "reached")
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


def _reveals(row: dict[str, Any], other: dict[str, Any], own: Sequence[str], its: Sequence[str], k: int) -> bool:
    """Whether a goal with these steps, beside another one, reveals a small count of customers or journeys."""
    if row["horizon"] != other["horizon"]:
        return small(abs(row["mature"] - other["mature"]), k)
    nested = {*own} <= {*its} or {*its} <= {*own}
    return nested and small(abs(row["customers_reached"] - other["customers_reached"]), k)


def _blank(row: dict[str, Any], *columns: str) -> None:
    row.update(dict.fromkeys(columns))
