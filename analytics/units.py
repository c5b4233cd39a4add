"""Whose path is it: the customer's, a journey's or a session's? And how does that path end?

A unit is a run of a customer's touches. Paths without journeys have one unit a customer. A unit ends `converted` when
a converted journey ends in it; else `open` when it is the customer's last one and its journey is open; else
`abandoned`. Without a column `outcome` every unit is open.
"""

from __future__ import annotations

from typing import Final, Literal

from analytics.definitions import one_of
from analytics.store import Paths

Unit = Literal["customer", "journey", "session"]
UNITS: Final = ("customer", "journey", "session")
START: Final = "START"
ENDS: Final = ("END_abandoned", "END_converted", "END_open")
ABANDONED, CONVERTED, OPEN = 0, 1, 2


def unit_columns(paths: Paths, unit: str) -> list[str]:
    """The columns that must be read to tell units and their ends apart."""
    one_of("unit", unit, UNITS)
    if unit == "session":
        paths.require("session")
    wanted = {"journey", "outcome", *([unit] if unit == "session" else [])}
    return [name for name in ("session", "journey", "outcome") if name in wanted and name in paths.schema]
