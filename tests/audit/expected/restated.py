"""*Numbers that were restated*: what the newest report tells of weeks that an earlier one told otherwise."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import date
from typing import Any

from tests.audit.claims import Claims
from tests.audit.expected.withholding import Allowed, Expected, exact, nothing, small
from tests.audit.site import Row

CAUSES = ("definitions", "deleted", "identities", "late", "time", "other")
KEYS = ("run", "before", "part", "name", "week", "measure")


def frame(claims: Claims) -> Expected | None:
    """Rows of this report tell the numbers of the truth, in steps; rows of earlier reports add up.

    What an earlier report told is in no file of the site, so it is only held against its difference.
    """
    k, rows = claims.k, {}
    run = claims.site.index["folder"].rpartition("/")[2]
    for row in claims.site.frames["restated"]:
        count = _counted(claims, row) if row["run"] == run else None
        allowed = {name: Allowed(f"a multiple of {k}", _is_multiple(k)) for name in ("then", "now", *CAUSES)}
        if count is not None:
            allowed["now"] = nothing() if small(count, k) else exact((2 * count + k) // (2 * k) * k)
        gap = None if row["then"] is None or row["now"] is None else row["now"] - row["then"]
        told = sum(row[name] or 0 for name in CAUSES)
        adds_up = gap is None or gap == told
        allowed["difference"] = exact(gap) if adds_up else nothing(f"causes add up to {told}, not {gap}")
        allowed["at"] = Allowed("a time", lambda value: isinstance(value, str))
        rows[tuple(row[name] for name in KEYS)] = allowed
    return Expected(KEYS, rows) if rows else None


def _is_multiple(k: int) -> Callable[[Any], bool]:
    return lambda value: value is None or (isinstance(value, int) and value % k == 0)


def _counted(claims: Claims, row: Row) -> int:
    """The journeys or customers of a row, from the landed events."""
    truth, counted = claims.truth, defaultdict[str, set[Any]](set)
    if row["part"] == "stages":
        step = [*truth.settings.steps].index(row["name"])
        walks = [walk for walk in truth.walks if walk.mature and not walk.journey.direct and walk.depth >= step]
        return sum(truth.calendar.monday(walk.journey.begin) == date.fromisoformat(row["week"]) for walk in walks)
    (steps,) = [goal for name, goal in _goals(claims) if name == row["name"]]
    for touch in truth.paths.all_touches:
        if touch.touchpoint in steps:
            counted[truth.calendar.monday(touch.at).isoformat()].add(touch.customer)
    return len(counted[row["week"]])


def _goals(claims: Claims) -> list[tuple[str, list[str]]]:
    settings = claims.truth.settings
    return [(goal["name"], list(goal["steps"])) for goal in settings.named_goals] or [(settings.goal, settings.goals)]
