"""Breakdowns: groups against all others, problems of *Where to act first*, and the cells of the explorer."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from tests.audit.certainty import Share, difference, discoveries, p_value
from tests.audit.expected.stages import BOUNDED, FEW, SHOWN, WITHHELD, people
from tests.audit.expected.withholding import (
    Allowed,
    Cell,
    Expected,
    between,
    exact,
    nothing,
    rounded,
    secret_cells,
    steps_at_risk,
)
from tests.audit.landed.settings import UNKNOWN
from tests.audit.truth import Step, Truth, Walk

OTHERS = "All others"


@dataclass
class Group:
    """One group at one step: its row of the funnel, and the difference to all other known groups."""

    dimension: str
    segment: str
    step: int
    row: Step
    others: Share
    p: float | None = None
    clear: bool = False

    @property
    def share(self) -> Share:
        """Of the stage before."""
        return self.row.share

    @property
    def key(self) -> Cell:
        """The breakdown, the group and the step."""
        return self.dimension, self.segment, self.step

    @property
    def before(self) -> int:
        """Customers at the stage before."""
        return people(self.row.previous)

    @property
    def verdict(self) -> str:
        """Whether the group is clearly below or above the others."""
        return "same" if not self.clear else "below" if difference(self.share, self.others)[0] < 0 else "above"


def _largest(truth: Truth, column: str) -> list[tuple[str, list[Walk]]]:
    """The groups by size, beyond the configured number together; journeys without a value last."""
    most = truth.settings.report.get("values_per_segment", 12)
    found = truth.groups(column, truth.mature)
    unknown = found.pop(None, None)
    order = sorted(found, key=lambda name: (-len(found[name]), str(name)))
    named = [(str(name), found[name]) for name in order]
    if len(named) > most:
        rest = [walk for _, walks in named[most - 1 :] for walk in walks]
        named = [*named[: most - 1], (OTHERS, rest)]
    return [*named, (UNKNOWN, unknown)] if unknown else named


def groups_of(truth: Truth) -> list[Group]:
    """All groups of all breakdowns, with the tests over all of them."""
    if "groups" in truth.known:
        return truth.known["groups"]  # type: ignore[no-any-return]
    found = []
    for column in truth.settings.segments:
        named = _largest(truth, column)
        for name, walks in named:
            rest = [walk for other, own in named if other not in (name, UNKNOWN) for walk in own]
            others = truth.steps(rest)
            for step, row in enumerate(truth.steps(walks)[1:], 2):
                group = Group(truth.settings.name_of(column), name, step, row, others[step - 1].share)
                if name != UNKNOWN and group.before >= truth.settings.least:
                    group.p = p_value(group.share, group.others)
                found.append(group)
    for group, clear in zip(found, discoveries([group.p for group in found]), strict=True):
        group.clear = clear
    truth.known["groups"] = found
    return found


def protected(truth: Truth) -> tuple[set[Cell], set[tuple[Any, int]]]:
    """The cells of groups that must be withheld, and the steps of breakdowns where others may be, too, or rounded."""
    counts: dict[Cell, int] = {}
    lost: dict[Cell, int] = {}
    for group in groups_of(truth):
        counts[group.dimension, group.segment, group.step - 1] = group.before
        counts[group.dimension, group.segment, group.step] = group.row.people
        lost[group.dimension, group.segment, group.step] = group.row.lost
    secret = secret_cells(counts, lost, truth.settings.k)
    return secret, steps_at_risk(counts, secret)


def is_certain(truth: Truth, group: Group) -> bool:
    """Whether the numbers of a group are published whole."""
    risky = protected(truth)[1]
    return not {(group.dimension, group.step), (group.dimension, group.step - 1)} & risky


def segments(truth: Truth) -> Expected | None:
    """Every group and step, with what its neighbours and the total would reveal."""
    found = groups_of(truth)
    if not found:
        return None
    least = truth.settings.least
    secret, risky = protected(truth)
    rows = {}
    for group in found:
        cells = [(group.dimension, group.segment, group.step - back) for back in (1, 0)]
        is_secret = any(cell in secret for cell in cells)
        at_risk = (group.dimension, group.step) in risky or (group.dimension, group.step - 1) in risky
        row = _row(truth, group, few=group.before < least, is_secret=is_secret, at_risk=at_risk)
        for name, cell, count in zip(
            ("previous", "reached"), cells, (len(group.row.previous), len(group.row.reached)), strict=True
        ):
            row[name] = nothing() if cell in secret else exact(count) | nothing() if at_risk else exact(count)
        rows[group.dimension, group.segment, group.step] = row
    return Expected(("dimension", "segment", "step"), rows, in_order=True)


def _row(truth: Truth, group: Group, *, few: bool, is_secret: bool, at_risk: bool) -> dict[str, Allowed]:
    low, high = group.share.ends or (None, None)
    gap = difference(group.share, group.others) if group.share.whole and group.others.whole else (None,) * 3
    known = group.segment != UNKNOWN
    everyone = truth.funnel[group.step - 1].share.value
    row = {"name": exact(truth.settings.steps[group.step - 1]), "everyone": rounded(everyone, 4)}
    rates = {"share": group.share.value, "low": low, "high": high}
    rates |= dict(zip(("difference", "difference_low", "difference_high"), gap if known else (None,) * 3, strict=True))
    shown = not few and not is_secret
    for name, value in rates.items():
        row[name] = rounded(value, 4) if shown else nothing()
        if shown and at_risk and value is not None:
            row[name] |= nothing() | between(value - 0.01, value + 0.01)
    row["verdict"] = exact(group.verdict) if shown and known else nothing()
    row["state"] = exact(WITHHELD if is_secret else FEW if few else SHOWN)
    row["bound_low"], row["bound_high"] = nothing("no bounds"), nothing("no bounds")
    if is_secret:
        true = group.share.value or 0.0
        row["state"] |= exact(BOUNDED)
        row["bound_low"], row["bound_high"] = nothing() | between(0, true), nothing() | between(true, 1)
    if at_risk:
        row["state"] |= exact(WITHHELD)
        row["verdict"] |= nothing()
        row["everyone"] |= nothing()
    return row


def explored(truth: Truth) -> list[str]:
    """The columns that the explorer filters by."""
    segments = truth.settings.segments
    asked = [name for name in truth.settings.report.get("explore", []) if name in segments]
    usual = [name for name in ("device", "channel") if name in segments]
    return list(asked or dict.fromkeys([*usual, *segments]))[:2]


@dataclass
class Cube:
    """Mature journeys by group and period, and which of them are left out."""

    columns: list[str]
    weeks: int
    cells: dict[tuple[str, str, date], list[Walk]]
    merged: dict[tuple[str, str, date], int]
    left_out: float


def cube_of(truth: Truth) -> Cube | None:
    """The finest cube of which less than 2 % of the journeys lie in cells of fewer than `k` customers."""
    if "cube" not in truth.known:
        truth.known["cube"] = _cube_of(truth)
    return truth.known["cube"]  # type: ignore[no-any-return]


def _cube_of(truth: Truth) -> Cube | None:
    k, columns = truth.settings.k, explored(truth)
    for chosen in dict.fromkeys((tuple(columns), tuple(columns[:1]))):
        for weeks in (1, 4) if chosen else ():
            cells: dict[tuple[str, str, date], list[Walk]] = defaultdict(list)
            parts: dict[tuple[str, str, date], dict[Any, set[Any]]] = defaultdict(lambda: defaultdict(set))
            names = [_explored_names(truth, column) for column in chosen]
            for walk in truth.mature:
                values = [walk.journey.touches[0].values[column] for column in chosen]
                own = [name.get(value, OTHERS) for name, value in zip(names, values, strict=True)]
                start = truth.calendar.monday(walk.journey.begin)
                key = (own[0], own[1] if len(own) > 1 else "", _period(start, weeks))
                cells[key].append(walk)
                parts[key][(*values, start)].add(walk.customer)
            merged = {key: max(map(len, own.values())) for key, own in parts.items()}
            kept = sum(len(walks) for key, walks in cells.items() if merged[key] >= k)
            left_out = 1 - kept / len(truth.mature) if truth.mature else 1.0
            periods_kept = {key[2] for key in cells if merged[key] >= k}
            if left_out < 0.02 and len(periods_kept) > 1:
                return Cube(list(chosen), weeks, cells, merged, left_out)
    return None


def _period(start: date, weeks: int) -> date:
    """The first day of the run of weeks that a week belongs to, counted from the first Monday of 1970 on."""
    origin = date(1970, 1, 5)
    return origin + timedelta(days=(start - origin).days // (7 * weeks) * 7 * weeks)


def _explored_names(truth: Truth, column: str, most: int = 6) -> dict[str | None, str]:
    """The displayed name of every value: all but the largest are one group."""
    found = truth.groups(column, truth.mature)
    order = sorted(found, key=lambda name: (-len(found[name]), name is not None, str(name)))
    kept = order if len(order) <= most else order[: most - 1]
    return {name: UNKNOWN if name is None else str(name) for name in kept}


def cube(truth: Truth) -> Expected | None:
    """Cells in multiples of `k`; the rows without a start make their sums equal the published counts."""
    found = cube_of(truth)
    if found is None:
        return None
    k, rows = truth.settings.k, {}
    for (a, b, start), walks in found.cells.items():
        if found.merged[a, b, start] < k:
            continue
        row = {}
        for step in range(truth.rows):
            count = sum(walk.depth >= step for walk in walks)
            row[f"n{step + 1}"] = _multiple(count, k)
        rows[a, b, start.isoformat()] = row
    corrections: set[tuple[Any, ...]] = {(None, None, None)}
    for place, column in enumerate(found.columns if len(found.columns) == 2 else explored(truth)):
        for name, _ in _largest(truth, column):
            corrections.add((name, None, None) if place == 0 else (None, name, None))
    anything = Allowed("a correction", lambda value: isinstance(value, int))
    for key in corrections:
        rows[key] = {f"n{step + 1}": anything for step in range(truth.rows)}
    return Expected(("a", "b", "start"), rows, frozenset(corrections))


def _multiple(count: int, k: int) -> Allowed:
    return Allowed(f"{count} in {k}s", lambda v: isinstance(v, int) and v % k == 0 and abs(v - count) * 2 <= k)
