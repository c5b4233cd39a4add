"""Falls of groups in *Where to act first*: did the group go on less often on those days, and by as much as is said?

Group, step and days are the site's, which scans many runs of days. What happened on them is counted here: a fall must
be clear beside the days before, and its numbers must follow. The usual share belongs to the run of the scan, which the
site does not have; on the days that it shows it may differ by `LOOSE`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from math import exp, log
from typing import Any

from tests.audit.certainty import Share, p_value
from tests.audit.expected.groups import OTHERS
from tests.audit.expected.stages import people
from tests.audit.expected.withholding import Allowed, Expected, between, exact, nothing, small
from tests.audit.landed.settings import DAY, UNKNOWN
from tests.audit.site import Row
from tests.audit.truth import Truth, Walk

LOOSE = 0.05
CLEAR = 0.001
"""The p-value of a fall beside the days before, at most."""
LASTING = 2
"""Days before the last settled one on which a fall still goes on."""


def falls(truth: Truth, rows: Iterable[Row]) -> Expected:
    """What each of these rows of the frame may hold."""
    keys = ("dimension", "segment", "step", "first")
    return Expected(keys, {tuple(row[key] for key in keys): _row(truth, row) for row in rows})


def _row(truth: Truth, row: Row) -> dict[str, Allowed]:
    step, k = row["step"], truth.settings.k
    groups = _groups(truth, row["dimension"])
    own = groups.pop(row["segment"], [])
    days = date.fromisoformat(row["first"]), date.fromisoformat(row["last"])
    before, now = (_went_on(truth, own, step, days, inside=inside) for inside in (False, True))
    others = [walk for walks in groups.values() for walk in walks]
    beside = [_odds(_share(_went_on(truth, others, step, days, inside=inside))) for inside in (False, True)]
    p = p_value(_share(now), _share(before))
    if p is None or p > CLEAR or (_share(now).value or 0.0) >= (_share(before).value or 0.0):
        return {"share": nothing(f"the group did not fall on these days: p = {p}")}
    previous, reached = now
    unit = max(10, k)
    journeys = round(len(previous) / unit) * unit
    share = min(1.0, (unit if small(people(reached), k) else round(len(reached) / unit) * unit) / journeys)
    usual = 1 / (1 + exp(-(_odds(_share(before)) + (beside[1] - beside[0] if others else 0.0))))
    low, high = _share(now).ends or (0.0, 1.0)
    goals = journeys * len(truth.funnel[-1].reached) / len(truth.funnel[step - 1].reached)
    slack = 0.002 * goals + 0.5
    stake = {
        "at_stake": (row["usual"] - round(share, 4)) * goals,
        "low": (row["usual"] - round(max(high, share), 2)) * goals,
        "high": (row["usual"] - round(min(low, share), 2)) * goals,
    }
    return {
        "name": exact(truth.settings.steps[step - 1]),
        "last": exact(row["last"]),
        "is_lasting": exact((_last_settled(truth) - days[1]).days <= LASTING),
        "journeys": exact(journeys),
        "share": between(share - 0.0001, share + 0.0001),
        "usual": between(usual - LOOSE, usual + LOOSE),
        **{name: between(value - slack, value + slack) for name, value in stake.items()},
    }


def _groups(truth: Truth, dimension: str) -> dict[str, list[Walk]]:
    """The settled journeys of the known groups; a name that the report uses otherwise stands in quotes."""
    column = next(column for column in truth.settings.segments if truth.settings.name_of(column) == dimension)
    settled = [walk for walk in truth.weekly if walk.mature]
    found = {str(name): walks for name, walks in truth.groups(column, settled).items() if name is not None}
    return {f"'{name}'" if name in (UNKNOWN, OTHERS) else name: walks for name, walks in found.items()}


def _went_on(
    truth: Truth, walks: Iterable[Walk], step: int, days: tuple[date, date], *, inside: bool
) -> tuple[list[Walk], list[Walk]]:
    """Those that began on the days, or before them, and were at the stage before; and those of them that went on."""
    previous = []
    for walk in walks:
        day = truth.calendar.day_of(walk.journey.begin)
        if walk.depth >= step - 2 and (days[0] <= day <= days[1] if inside else day < days[0]):
            previous.append(walk)
    return previous, [walk for walk in previous if walk.depth >= step - 1]


def _share(counted: Sequence[Iterable[Walk]]) -> Share:
    return Share.of(*((walk.customer for walk in walks) for walks in counted))


def _odds(share: Share) -> float:
    """Log odds, with half a journey on each side, so that none and all have some."""
    part = (share.value or 0.0) * share.size
    return log((part + 0.5) / (share.size - part + 0.5))


def _last_settled(truth: Truth) -> date:
    """The last day of which every journey has had its window."""
    window: Any = truth.settings.trend_window
    return truth.calendar.day_of(truth.paths.end - window - DAY + 1)
