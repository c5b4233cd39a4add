"""Weeks with their expected range, runs of unusual weeks, and the newest period against the one before."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from math import hypot, sqrt
from typing import Any

from tests.audit.certainty import Share, band, difference, median_ends, quantile
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
    steps_at_risk,
    tens,
)
from tests.audit.landed.settings import UNKNOWN
from tests.audit.truth import Truth, Walk

MOST_WEEKS, WEEKS_BEFORE, MIN_WEEKS = 26, 8, 4
SPREADS, SPREADS_OF_GROUPS = 4.0, 4.5
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
    at_risk: bool = False
    after_risk: bool = False
    """Some week before it may be rounded, and the range follows from published shares."""
    usual: float = 0.0
    low: float | None = None
    high: float | None = None
    unusual: bool = False

    @property
    def share(self) -> float | None:
        """The share that goes on, null where it may not be known."""
        return self.reached / self.previous if self.state in (SHOWN, OPEN) and self.previous else None


Series = dict[tuple[str | None, str | None, int], list[Week]]


@dataclass
class Run:
    """Consecutive unusual weeks on one side of the usual share."""

    dimension: str | None
    segment: str | None
    step: int
    weeks: list[Week] = field(default_factory=list)

    @property
    def gap(self) -> float:
        """The largest distance from the usual share."""
        return max(((week.share or 0.0) - week.usual for week in self.weeks), key=abs)

    @property
    def weight(self) -> float:
        """How remarkable it is."""
        return abs(self.gap) * sqrt(sum(week.previous for week in self.weeks))


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
        found |= _weeks(truth, {(None, None): walks}, SPREADS)
        for column in truth.settings.segments:
            named = {
                (truth.settings.name_of(column), UNKNOWN if name is None else str(name)): own
                for name, own in truth.groups(column, walks).items()
            }
            found |= _weeks(truth, named, SPREADS_OF_GROUPS)
    truth.known["series"] = found
    return found


def _weeks(truth: Truth, groups: dict[tuple[Any, Any], list[Walk]], spreads: float) -> Series:
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
    risky = steps_at_risk(counts, secret) if (None, None) not in groups else set()
    for (_, segment, step), rows in found.items():
        rows.sort(key=lambda row: row.week)
        before: list[float] = []
        for row in rows:
            row.at_risk = bool({(row.week, step), (row.week, step - 1)} & risky)
            row.state = _state(truth, row, bool({(row.week, segment, step), (row.week, segment, step - 1)} & secret))
            share = row.share
            if share is not None and len(before) >= MIN_WEEKS:
                row.after_risk = any(one.at_risk for one in rows if one.week < row.week)
                row.usual, row.low, row.high = band(before[-WEEKS_BEFORE:], row.previous / row.effect, spreads)
                row.unusual = row.state == SHOWN and not row.low <= share <= row.high
            if share is not None and row.state == SHOWN and not row.unusual:
                before.append(share)
    return dict(found)


def _state(truth: Truth, row: Week, is_secret: bool) -> str:
    k = truth.settings.k
    if is_secret or any(small(count, k) for count in (row.people, row.people_reached, row.lost)):
        return WITHHELD
    if row.people < truth.settings.least:
        return FEW
    return OPEN if truth.calendar.week_end(row.week) + truth.settings.trend_window > truth.paths.end else SHOWN


def runs_of(truth: Truth) -> list[Run]:
    """The runs of unusual weeks, the most remarkable first; journeys without a value have none."""
    runs: list[Run] = []
    for (dimension, segment, step), weeks in sorted(series_of(truth).items(), key=str):
        if segment == UNKNOWN:
            continue
        last: Run | None = None
        for week in weeks:
            if not week.unusual:
                continue
            follows = last is not None and (week.week - last.weeks[-1].week).days == 7
            if last is None or not follows or ((week.share or 0.0) - week.usual) * last.gap <= 0:
                last = Run(dimension, segment, step)
                runs.append(last)
            last.weeks.append(week)
    return sorted(runs, key=lambda run: -run.weight)


def trend(truth: Truth) -> Expected | None:
    """All journeys week by week."""
    return _frame(truth, None, None)


def loudest_group(truth: Truth) -> Run | None:
    """The most remarkable run of a group."""
    return next((run for run in runs_of(truth) if run.dimension is not None), None)


def trend_of_group(truth: Truth) -> Expected | None:
    """The same for the group that stands out most."""
    run = loudest_group(truth)
    return None if run is None else _frame(truth, run.dimension, run.segment)


def _frame(truth: Truth, dimension: str | None, segment: str | None) -> Expected | None:
    rows, known = {}, False
    for (its, name, step), weeks in series_of(truth).items():
        if (its, name) != (dimension, segment):
            continue
        for week in weeks:
            known = known or week.share is not None
            rows[its, name, step, week.week.isoformat()] = {
                "name": exact(truth.settings.steps[step - 1]),
                "unusual": exact(week.unusual),
                **_week(truth, week),
            }
    return Expected(("dimension", "segment", "step", "week"), rows) if known else None


def _week(truth: Truth, week: Week) -> dict[str, Allowed]:
    expected = week.low is not None
    row = {
        "state": exact(week.state),
        "previous": nothing() if week.state == WITHHELD else exact(week.previous),
        "effect": nothing("no share") if week.share is None else between(week.effect - 0.1001, week.effect + 0.1001),
        "share": rounded(week.share, 4),
        "usual": rounded(week.usual, 4) if expected else nothing("too few weeks before"),
        "low": rounded(week.low, 4) if expected else nothing("too few weeks before"),
        "high": rounded(week.high, 4) if expected else nothing("too few weeks before"),
    }
    if week.at_risk:
        row["state"] |= exact(WITHHELD)
        row["previous"] |= tens(week.previous) | nothing()
        row["share"] |= nothing() | (between(week.share - 0.01, week.share + 0.01) if week.share else nothing())
        for name, value in (("usual", week.usual), ("low", week.low), ("high", week.high)):
            row[name] |= nothing() | (between(value - 0.05, value + 0.05) if value is not None else nothing())
        row["effect"] |= nothing()
    elif week.after_risk and expected:
        for name, value in (("usual", week.usual), ("low", week.low), ("high", week.high)):
            row[name] |= between((value or 0.0) - 0.02, (value or 0.0) + 0.02)
    return row


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
