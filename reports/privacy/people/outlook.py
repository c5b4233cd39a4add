"""Applies the privacy rules to how many of the journeys under way should reach a goal, and publishes them in steps.

Customers under way are counted in tens: those who object to profiling are left out, and must not follow as the rest of
what is counted elsewhere. What came of a band on held-back time is a share like any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from reports.privacy.people.help import publishable_shares, shares_of_help_in_steps
from reports.privacy.rules import to_tens, withheld
from reports.privacy.stages import SHOWN
from reports.privacy.steps import Steps

Row = dict[str, Any]
_GOALS: Final = ("expected_goals", "expected_low", "expected_high")


def publishable_outlook(rows: Sequence[Mapping[str, Any]], k: int, least: int, steps: Steps) -> list[Row]:
    """The rows with `state`, in which whatever must not be published is None.

    In: `outlook` of `analytics.forecast` at one horizon. `customers` are in tens; `state` is that of what was `seen` of
    `tested` customers.
    """
    hidden = withheld(
        {row["band"]: row["customers"] for row in rows}, [[row["band"] for row in rows if row["band"] is not None]], k
    )
    seen = [
        {
            **{"measure": "seen", "group": row["band"], "part": row["tested_goals"], "whole": row["tested"]},
            **{"customers_part": row["tested_goals"], "customers_rest": row["tested"] - row["tested_goals"]},
            **{"share": row["seen"], "share_low": row["seen_low"], "share_high": row["seen_high"]},
        }
        for row in rows
    ]
    shares = shares_of_help_in_steps(publishable_shares(seen, k, least), steps, "outlook")
    published = []
    for one, share in zip(rows, shares, strict=True):
        cell = ("customers", "*" if one["band"] is None else one["band"])
        known = None if one["band"] in hidden else to_tens(one["customers"])
        row = {**one, "customers": steps.count("outlook", cell, known), "state": share["state"]}
        row |= {"tested": share["whole"], "tested_goals": share["part"]}
        row |= {f"seen{end}": share[f"share{end}"] for end in ("", "_low", "_high")}
        row |= {name: None if one["band"] in hidden else round(one[name]) for name in _GOALS}
        row["expected"] = one["expected"] if share["state"] == SHOWN else None
        published.append(row)
    return published
