"""Weeks with their expected range, the newest period against the one before, and the days of releases."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import hypot
from typing import Any

from tests.audit.certainty import Share, difference, median_ends, quantile, wilson
from tests.audit.expected.stages import FEW, SHOWN, WITHHELD, people
from tests.audit.expected.withholding import (
    Allowed,
    Expected,
    between,
    exact,
    nothing,
    rounded,
    secret_cells,
    small,
)
from tests.audit.landed.settings import DAY
from tests.audit.site import Row
from tests.audit.truth import Truth, Walk

MOST_WEEKS = 26
BEGINNING = 7 * DAY
"""Versions that are first seen so soon were there before."""
OPEN = "open"


@dataclass
class Week:
    """One week of a series: journeys at the stage before and at this one, and what is expected."""

    week: date
    previous: int
    reached: int
    people: int
    people_reached: int
    lost: int
    effect: float = 1.0
    state: str = SHOWN
    low: float | None = None
    high: float | None = None

    @property
    def share(self) -> float | None:
        """The share that goes on, null where it may not be known."""
        return self.reached / self.previous if self.state in (SHOWN, OPEN) and self.previous else None


Series = dict[tuple[str | None, str | None, int], list[Week]]


def mondays_of(truth: Truth) -> list[date]:
    """The whole weeks of the data up to its end, the newest ones."""
    calendar = truth.calendar
    first, last = calendar.day_of(min(touch.at for touch in truth.paths.all_touches)), calendar.day_of(truth.paths.end)
    start = first + timedelta(days=-first.weekday() % 7)
    found = [start + timedelta(days=7 * n) for n in range(max(0, (last - start).days // 7 + 1))]
    return [week for week in found if calendar.week_end(week) <= truth.paths.end][-MOST_WEEKS:]


def series_of(truth: Truth) -> Series:
    """All weeks of all journeys, and of every group of every breakdown."""
    if "series" in truth.known:
        return truth.known["series"]  # type: ignore[no-any-return]
    found: Series = {}
    mondays = mondays_of(truth)
    if mondays:
        start, end = truth.calendar.begin(mondays[0]), truth.calendar.week_end(mondays[-1])
        walks = [walk for walk in truth.weekly if start <= walk.journey.begin < end]
        found |= _weeks(truth, {(None, None): walks})
    truth.known["series"] = found
    return found


def _weeks(truth: Truth, groups: dict[tuple[Any, Any], list[Walk]]) -> Series:
    asked, found = truth.settings, defaultdict(list)
    counts: dict[Any, int] = {}
    lost: dict[Any, int] = {}
    for (dimension, segment), walks in groups.items():
        weekly: dict[date, list[Walk]] = defaultdict(list)
        for walk in walks:
            weekly[truth.calendar.monday(walk.journey.begin)].append(walk)
        for week, own in weekly.items():
            for step in range(1, truth.rows):
                previous = [walk for walk in own if walk.depth >= step - 1]
                reached = [walk for walk in previous if walk.depth >= step]
                gone = people(walk for walk in previous if walk.depth < step)
                row = Week(week, len(previous), len(reached), people(previous), people(reached), gone)
                if previous:
                    share = Share.of((walk.customer for walk in previous), (walk.customer for walk in reached))
                    row.effect = max(1.0, round(len(previous) / share.size, 1))
                found[dimension, segment, step + 1].append(row)
                counts[week, segment, step] = row.people
                counts[week, segment, step + 1] = row.people_reached
                lost[week, segment, step + 1] = gone
    secret = secret_cells(counts, lost, asked.k)
    for (_, segment, step), rows in found.items():
        rows.sort(key=lambda row: row.week)
        for row in rows:
            row.state = _state(truth, row, bool({(row.week, segment, step), (row.week, segment, step - 1)} & secret))
            if row.share is not None:
                row.low, row.high = wilson(row.share * row.previous / row.effect, row.previous / row.effect)
    return dict(found)


def _state(truth: Truth, row: Week, is_secret: bool) -> str:
    k = truth.settings.k
    if is_secret or any(small(count, k) for count in (row.people, row.people_reached, row.lost)):
        return WITHHELD
    if row.people < truth.settings.least:
        return FEW
    return OPEN if truth.calendar.week_end(row.week) + truth.settings.trend_window > truth.paths.end else SHOWN


def trend(truth: Truth, alerts: list[Row]) -> Expected | None:
    """All journeys week by week; a week with a day of a costly alert of its step is marked."""
    rows, known = {}, False
    for (_, _, step), weeks in series_of(truth).items():
        for week in weeks:
            known = known or week.share is not None
            rows[step, week.week.isoformat()] = {
                "name": exact(truth.settings.steps[step - 1]),
                "unusual": exact(week.share is not None and is_alerted(truth, alerts, step, week.week)),
                **_week(truth, week),
            }
    return Expected(("step", "week"), rows) if known else None


def is_alerted(truth: Truth, alerts: list[Row], step: int, week: date) -> bool:
    """Whether an alert that costs a goal or more has a day in this week, and keeps journeys from this step."""
    begin, over = week.isoformat(), (week + timedelta(days=6)).isoformat()
    for row in alerts:
        if row["rule"] == "unusual" and (row["low"] or 0) >= 1 and row["first"] <= over and begin <= row["last"]:
            source = row["stage"] if row["measure"] == "pair" else row["name"].split(" -> ")[0]
            steps = list(truth.settings.steps)
            place = steps.index(source) + 2 if source in steps else 2
            if step == (len(steps) if row["measure"] == "goal" else min(place, len(steps))):
                return True
    return False


def _week(truth: Truth, week: Week) -> dict[str, Allowed]:
    return {
        "state": exact(week.state),
        "previous": nothing() if week.state == WITHHELD else exact(week.previous),
        "effect": nothing("no share") if week.share is None else between(week.effect - 0.1001, week.effect + 0.1001),
        "share": rounded(week.share, 4),
        "low": rounded(week.low, 4),
        "high": rounded(week.high, 4),
    }


def compared(truth: Truth) -> tuple[list[Walk], list[Walk]] | None:
    """The mature journeys of the two newest periods whose window is over; null where the data are too young."""
    length, end = truth.settings.compare, truth.paths.end - truth.settings.window
    first = min(touch.at for touch in truth.paths.all_touches)
    if not length or end - 2 * length < first:
        return None
    earlier, later = (
        [walk for walk in truth.mature if start <= walk.journey.begin < start + length]
        for start in (end - 2 * length, end - length)
    )
    return earlier, later


def changes(truth: Truth) -> Expected | None:
    """Differences of the newest period to the one before, step by step."""
    sides = compared(truth)
    if sides is None or min(map(len, sides)) < truth.settings.least:
        return None
    earlier, later = (truth.steps(side) for side in sides)
    k, least, rows = truth.settings.k, truth.settings.least, {}
    for i, pair in enumerate(zip(earlier, later, strict=True)):
        ok = all(not small(s.people, k) and not small(s.lost, k) and s.people + s.lost >= least for s in pair)
        row = {
            "name": exact(truth.settings.steps[i]),
            "earlier_entered": exact(len(sides[0])),
            "later_entered": exact(len(sides[1])),
        }
        of_all = [
            Share.of((w.customer for w in side), (w.customer for w in step.reached))
            for side, step in zip(sides, pair, strict=True)
        ]
        of_step = [step.share for step in pair]
        for name, (then, now) in (("entered", of_all), ("previous", of_step)):
            gaps = difference(now, then) if ok and i and then.whole and now.whole else (None,) * 3
            for end, gap in zip(("_difference", "_low", "_high"), gaps, strict=True):
                row[f"{name}{end}"] = rounded(gap, 4)
        rows[(i + 1,)] = row
    return Expected(("step",), rows, in_order=True)


def pace_shift(truth: Truth) -> tuple[float, float, float] | None:
    """The change of the median time to the goal, in days, with its interval."""
    sides = compared(truth)
    if sides is None:
        return None
    medians = []
    for side in sides:
        reached = [walk for walk in side if walk.reached]
        taken = [truth.time_of(walk) for walk in reached]
        ends = median_ends(taken) if taken else None
        if len(taken) < truth.settings.least or people(reached) < truth.settings.k or ends is None:
            return None
        medians.append([x / 86_400e6 for x in (quantile(taken, 0.5), *ends)])
    (then, then_low, then_high), (now, now_low, now_high) = medians
    gap = now - then
    return gap, gap - hypot(now - now_low, then_high - then), gap + hypot(now_high - now, then - then_low)


def voice_shift(truth: Truth, stage: str) -> tuple[float, float, float] | None:
    """The change of satisfaction at a stage, with its interval."""
    length, end = truth.settings.compare, truth.paths.end
    if end - 2 * length < min(touch.at for touch in truth.paths.all_touches):
        return None
    sides = [truth.answers(end - 2 * length, end - length), truth.answers(end - length)]
    shares = []
    for side in sides:
        answers = side.get(stage, [])
        sides_of = [{who for who, satisfied in answers if satisfied is kind} for kind in (True, False)]
        if len({who for who, _ in answers}) < truth.settings.least:
            return None
        if any(small(len(who), truth.settings.k) for who in sides_of):
            return None
        shares.append(Share.of((who for who, _ in answers), (who for who, satisfied in answers if satisfied)))
    return difference(shares[1], shares[0])


def releases(truth: Truth) -> Expected | None:
    """The days of releases in the days of the report; all touches are asked, whatever days it is of."""
    whole: Truth = truth.known.get("whole", truth)
    asked = truth.settings.tables.get("releases", {})
    found = {*_versions(whole, asked.get("columns")), *_noted(whole, asked)}
    times = [touch.at for touch in truth.paths.all_touches]
    first, last = truth.calendar.day_of(min(times)), truth.calendar.day_of(truth.paths.end)
    begin, end = truth.settings.days
    first, last = max(first, begin or first), min(last, end or last)
    rows: dict[Any, Any] = {(day.isoformat(), *rest): {} for day, *rest in found if first <= day <= last}
    return Expected(("day", "name", "column"), rows) if rows else None


def _versions(truth: Truth, columns: list[str] | None) -> list[tuple[date, str, str | None]]:
    context = [name.rpartition(".")[2] for name in truth.settings.paths.get("context", [])]
    if columns is None:
        columns = ["app_version"] if "app_version" in [*context, *truth.settings.paths.get("attributes", [])] else []
    found = []
    for column in columns:
        first: dict[str, int] = {}
        people = defaultdict(set)
        for touch in truth.paths.all_touches:
            value = truth.paths.value_at(touch, column)
            if value is not None:
                first[value] = min(first.get(value, touch.at), touch.at)
                people[value].add(touch.customer)
        for value, at in first.items():
            is_new = at - min(first.values()) > BEGINNING and value.strip()
            if is_new and not small(len(people[value]), truth.settings.k):
                found.append((truth.calendar.day_of(at), value, truth.settings.name_of(column)))
    return found


def _noted(truth: Truth, asked: dict[str, Any]) -> list[tuple[date, str, str | None]]:
    rows = [(mark["on"], mark["name"]) for mark in asked.get("marks", [])]
    if "file" in asked:
        with (truth.settings.folder / asked["file"]).open(newline="", encoding="utf-8-sig") as file:
            rows += [(row["on"], row["name"]) for row in csv.DictReader(file)]
    return [(_day(truth, on), name.strip(), None) for on, name in rows]


def _day(truth: Truth, on: Any) -> date:
    """The day of a day or a time, which has the zone of the report where it has none."""
    at = datetime.fromisoformat(on.strip()) if isinstance(on, str) else on
    if not isinstance(at, datetime):
        return at  # type: ignore[no-any-return]
    return at.date() if at.tzinfo is None else at.astimezone(truth.settings.zone).date()


def marked(rows: list[Row], first: date, last: date) -> list[str]:
    """The days with a mark between two days, in order."""
    return sorted({row["day"] for row in rows if first.isoformat() <= row["day"] <= last.isoformat()})
