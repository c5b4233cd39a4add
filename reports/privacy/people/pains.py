"""Applies the privacy rules to what gets in the way, and publishes it in steps.

What journeys meet is told by how many meet it; what it costs, only of pains that clearly cost goals. A pain divides the
customers at a stage in those who met it and those who did not, and those who met it by whether they reached the goal:
none of them may be few.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from reports.privacy.restated import reshare
from reports.privacy.rules import small
from reports.privacy.steps import Steps, rate

Row = dict[str, Any]
_LEVEL: Final = 0.05


def publishable_pains(rows: Sequence[Mapping[str, Any]], near: Collection[str], k: int, least: int) -> list[Row]:
    """The totals of `pains` that may be published, those with most goals at stake at the lower end first.

    `near` are touchpoints of which another card tells how many journeys have them.
    """
    told = [
        dict(row)
        for row in rows
        if row["p_corrected"] is not None
        and row["p_corrected"] < _LEVEL
        and (row["at_stake_low"] or 0) >= 1
        and row["customers_with_it"] >= least
        and row["customers"] - row["customers_with_it"] >= k
        and not any(small(row[f"customers_{side}"], k) for side in ("reached", "lost"))
        and row["touchpoint"] not in near
    ]
    return sorted(told, key=lambda row: -row["at_stake_low"])


def pains_in_steps(rows: Sequence[Row], steps: Steps) -> list[Row]:
    """The published rows: counts in steps, rates of the published counts."""
    found = []
    for one in rows:
        row, of = dict(one), (one["stage"], one["kind"], one["touchpoint"] or "")
        row["with_it"] = steps.count("pains", (*of, "with_it"), one["with_it"])
        row["reached"] = steps.part("pains", (*of, "reached"), one["reached"], one["with_it"], row["with_it"])
        found.append(row)
    if steps.moved("pains"):
        for row in found:
            reshare(row, "goal_rate", rate(row["reached"], row["with_it"]))
    return found


def publishable_friction(rows: Sequence[Mapping[str, Any]], near: Collection[str], k: int, least: int) -> list[Row]:
    """The totals of `pains` that may be told by how many journeys meet them, those that most meet first.

    `near` are touchpoints of which another card tells how many journeys have them. Neither the customers who met
    one nor those at the stage who did not are few.
    """
    told = [
        dict(row)
        for row in rows
        if row["is_total"]
        and row["customers"] >= least
        and row["customers_with_it"] >= k
        and row["customers"] - row["customers_with_it"] >= k
        and row["touchpoint"] not in near
    ]
    return sorted(told, key=lambda row: -row["share"])


def friction_in_steps(rows: Sequence[Row], steps: Steps) -> list[Row]:
    """The published rows: counts in steps, and the share of the published counts."""
    found = []
    for one in rows:
        row, of = dict(one), (one["stage"], one["kind"], one["touchpoint"] or "")
        row["journeys"] = steps.count("pains", (one["stage"], "journeys"), one["journeys"])
        row["with_it"] = steps.count("pains", (*of, "with_it"), one["with_it"])
        if row["journeys"] and row["with_it"]:
            found.append(row)
    if steps.moved("pains"):
        for row in found:
            row["share"] = min(1.0, row["with_it"] / row["journeys"])
    return found
