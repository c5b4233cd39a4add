"""Applies the privacy rules to shares of contacts and of sessions, and publishes them in steps.

A share divides customers in two: those with a unit that counts, and those with one that does not. Neither may be small,
nor may it be known as the rest of a total that stands beside its groups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from reports.privacy.restated import reshare
from reports.privacy.rules import withheld
from reports.privacy.stages import FEW, SHOWN, WITHHELD
from reports.privacy.steps import Steps, rate

Row = dict[str, Any]
_ENDS: Final = ("share", "share_low", "share_high")


def publishable_shares(rows: Sequence[Mapping[str, Any]], k: int, least: int) -> list[Row]:
    """The rows with `state`, in which whatever must not be published is None.

    In: `measure`, `group` (null: all), `part`, `whole`, `share` with its ends, and the distinct customers behind the
    part and the rest, `customers_part` and `customers_rest`; `secret` ones are withheld for another
    reason. Groups of a measure add up to the row of all.
    """
    hidden: set[int] = set()
    for measure in dict.fromkeys(row["measure"] for row in rows):
        own = [place for place, row in enumerate(rows) if row["measure"] == measure]
        groups = [place for place in own if rows[place]["group"] is not None]
        for kind in ("customers_part", "customers_rest"):
            secret = {place for place in own if rows[place].get("secret")}
            hidden |= secret | withheld(
                {place: rows[place][kind] for place in own}, [groups] if len(groups) > 1 else [], k
            )
    published = []
    for place, one in enumerate(rows):
        few = max(one["customers_part"], one["customers_rest"]) < least
        row = {**one, "state": WITHHELD if place in hidden else FEW if few else SHOWN}
        if row["state"] != SHOWN:
            row |= dict.fromkeys(_ENDS)
        if place in hidden:
            row |= dict.fromkeys(("part", "whole"))
        published.append(row)
    return published


def shares_of_help_in_steps(rows: Sequence[Row], steps: Steps, table: str) -> list[Row]:
    """The published rows: counts in steps, shares of the published counts."""
    found = []
    for one in rows:
        row, of = dict(one), (one["measure"], "*" if one["group"] is None else one["group"])
        row["whole"] = steps.count(table, (*of, "whole"), one["whole"])
        row["part"] = steps.part(table, (*of, "part"), one["part"], one["whole"], row["whole"])
        found.append(row)
    if steps.moved(table):
        for row in found:
            reshare(row, "share", rate(row["part"], row["whole"]))
    return found
