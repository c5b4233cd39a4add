"""Alerts of the watch: what happened on the days that the site names, counted here from the landed touches.

Series, group and days are the site's. Counts must be right to the step of rounding; the expected share lies by the
plain share of the six weeks before, up to `LOOSE`, as the watch also knows weekdays; a share must be clearly off.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from tests.audit.certainty import Share, p_value
from tests.audit.expected.withholding import Allowed, Expected, between, exact, nothing
from tests.audit.landed.settings import SECOND
from tests.audit.site import Row
from tests.audit.truth import Truth

LOOSE, LOOSE_COUNT = 0.06, 0.5
CLEAR = 0.01
PAST = timedelta(days=42)
LOW_SCORES = {"nps": 6, "csat": 2, "ces": 3}
Case = tuple[date, Any, bool, bool | None]
"""The day of a case, its customer, whether it counts, and whether it won a goal (null: it is too young)."""
ANY = Allowed("anything", lambda _: True)


def alerts(truth: Truth, rows: Iterable[Row]) -> Expected:
    """What each of these alerts may say."""
    return Expected(("alert",), {(row["alert"],): _alert(truth, row) for row in rows})


def by_day(truth: Truth, alert: Row, rows: Iterable[Row]) -> Expected:
    """What the days of one alert may say."""
    cases, k = cases_of(truth, alert), truth.settings.k
    found = {}
    for row in rows:
        own = [case for case in cases if case[0] == date.fromisoformat(row["day"])]
        counted, rest = ({case[1] for case in own if case[2] is side} for side in (True, False))
        is_few = min(len(counted), len(rest)) < k
        share = sum(case[2] for case in own) / len(own) if own else 0.0
        step = k / max(len(own), 1)
        near = between(share - step / 2 - 0.0001, share + step / 2 + 0.0001)
        found[row["day"],] = {
            "alert": exact(alert["alert"]),
            "of": exact(in_units(len(own), k)),
            "share": nothing("few") if is_few else near | nothing("few"),
            "low": ANY,
            "high": ANY,
            "others": ANY,
        }
    return Expected(("day",), found)


def _alert(truth: Truth, row: Row) -> dict[str, Allowed]:
    first, last = date.fromisoformat(row["first"]), date.fromisoformat(row["last"])
    last += timedelta(days=6 if row["period"] == "week" else 0)
    cases, k = cases_of(truth, row), truth.settings.k
    now = [case for case in cases if first <= case[0] <= last]
    past = [case for case in cases if first - PAST <= case[0] < first]
    seen, is_share = sum(case[2] for case in now), row["of"] is not None
    found = dict.fromkeys(row, ANY) | {"seen": exact(in_units(seen, k)) | nothing("few")}
    if row["rule"] in ("silent", "unheard"):
        begin = [case for case in cases if case[0] < first]
        wrong = bool(now) if row["rule"] == "silent" else bool(begin)
        return found | ({"rule": nothing("there are touches")} if wrong else {})
    if not is_share:
        usual = _usual([case[0] for case in past], min(case[0] for case in cases), first, last)
        return found | {"expected": between(min(usual) * (1 - LOOSE_COUNT), max(usual) * (1 + LOOSE_COUNT))}
    if row["rule"] in ("below target", "above target"):
        return found | _target(truth, row, now)
    share, before = (_share(part) for part in (now, past))
    p = p_value(share, before)
    if p is None or p > CLEAR:
        return found | {"share": nothing(f"it was as before on these days: p = {p}")}
    rounded = in_units(seen, k) / (in_units(len(now), k) or 1)
    found |= {
        "of": exact(in_units(len(now), k)),
        "share": nothing("few") | between(rounded - 0.0001, rounded + 0.0001),
        "expected": between((before.value or 0) - LOOSE, (before.value or 0) + LOOSE),
    }
    if row["goals"] is None:
        return found
    went = [case for case in cases if case[2] and case[3] is not None and case[0] <= last]
    worth = sum(bool(case[3]) for case in went) / max(len(went), 1)
    goals = (len(now) * row["expected"] - seen) * worth
    slack = 1.5 + 0.02 * abs(goals) + 0.0001 * len(now)
    return found | {
        "goals": between(goals - slack, goals + slack) | nothing("few"),
        "low": between(-1e9, goals + 0.5) | nothing("few"),
        "high": between(goals - 0.5, 1e9) | nothing("few"),
    }


def _target(truth: Truth, row: Row, now: list[Case]) -> dict[str, Allowed]:
    """A share on the wrong side of the target of its watch, over the days of which no data are missing."""
    targets = {each["name"]: each.get("target") for each in truth.settings.watches}
    seen, k = sum(case[2] for case in now), truth.settings.k
    rounded = in_units(seen, k) / (in_units(len(now), k) or 1)
    wrong = seen / max(len(now), 1) >= row["expected"] if row["rule"] == "below target" else seen <= row["expected"]
    return {
        "of": between(len(now) * (1 - LOOSE) - k, len(now) + k),
        "seen": between(seen * (1 - LOOSE) - k, seen + k) | nothing("few"),
        "share": nothing("few") if wrong else nothing("few") | between(rounded - LOOSE, rounded + LOOSE),
        "expected": exact(targets.get(row["watch"])),
    }


def _usual(past: list[date], begun: date, first: date, last: date) -> tuple[float, float]:
    """The cases of so many days of the past, and of so many of the same weekdays: the watch lies between."""
    since = max(begun, first - PAST)
    before = [since + timedelta(days=n) for n in range((first - since).days)]
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    of_weekdays = 0.0
    for day in days:
        alike = {one for one in before if one.weekday() == day.weekday()}
        of_weekdays += sum(one in alike for one in past) / max(1, len(alike))
    return len(past) / max(1, len(before)) * len(days), of_weekdays


def _share(cases: list[Case]) -> Share:
    return Share.of((case[1] for case in cases), (case[1] for case in cases if case[2]))


def in_units(count: int, k: int) -> int:
    """A count in steps of ten or of k, and no less than one where there is anything."""
    unit = max(10, k)
    return count and max(unit, round(count / unit) * unit)


def cases_of(truth: Truth, row: Row) -> list[Case]:
    """The cases of an alert's measure and group, by day."""
    asked = [name for each in truth.settings.watches for name in (*each.get("by", ()), *each.get("only", ()))]
    columns = (*truth.settings.segments, "channel", "device", *asked)
    names = {truth.settings.name_of(column): column for column in columns}
    column = None if row["dimension"] is None else names[row["dimension"]]

    def is_of(touch: Any) -> bool:
        return column is None or truth.paths.value_at(touch, column) == row["segment"]

    if row["measure"] == "pair":
        return _pairs(truth, row, is_of)
    if row["measure"] == "funnel":
        return _steps(truth, row, column)
    if row["measure"] == "goal" and row["name"] != "goal rate":
        return _goals(truth, row, is_of)
    if row["measure"] in ("stage", "goal"):
        return _stages(truth, row, is_of)
    return [case for touch, case in _touches(truth, row) if is_of(touch)]


def _touches(truth: Truth, row: Row) -> list[tuple[Any, Case]]:
    """The touches that are cases of a measure, for all groups."""
    key = ("touches", row["measure"], row["name"])
    if key not in truth.known:
        counted = [(touch, _counts(touch, row)) for touch in truth.paths.all_touches]
        truth.known[key] = [
            (touch, (truth.calendar.day_of(touch.at), touch.customer, counts, None))
            for touch, counts in counted
            if counts is not None
        ]
    return truth.known[key]  # type: ignore[no-any-return]


def _counts(touch: Any, row: Row) -> bool | None:
    """Whether a touch counts; null where it is no case."""
    measure = row["measure"]
    if measure in ("touchpoint", "channel"):
        is_it = touch.touchpoint if measure == "touchpoint" else touch.event.channel
        return True if is_it == row["name"] else None
    if measure == "errors":
        return "error" in touch.touchpoint.lower()
    if measure == "slow pages":
        seconds = touch.event.columns.get("load_seconds")
        return None if seconds is None else seconds > 3
    score = touch.event.columns.get("score") if touch.event.columns.get("survey") == row["name"] else None
    return None if score is None else score <= LOW_SCORES.get(row["name"], float("-inf"))


def _pairs(truth: Truth, row: Row, is_of: Any) -> list[Case]:
    """The journeys with the first touchpoint, by the day of its first touch, and whether the other follows in time."""
    within, horizon, found = row["within_seconds"] * SECOND, truth.settings.window, []
    for journey in truth.paths.journeys:
        begin = next((touch for touch in journey.touches if touch.touchpoint == row["source"]), None)
        if begin is None or not is_of(begin):
            continue
        waits = [t.at - begin.at for t in journey.touches if t.touchpoint == row["target"] and t.at >= begin.at]
        goals = [t.at - begin.at for t in journey.touches if t.touchpoint in truth.goals and t.at >= begin.at]
        is_old = begin.at + horizon <= truth.paths.end
        won = min(goals, default=horizon + 1) <= horizon if is_old else None
        counts = min(waits, default=within + 1) <= within
        found.append((truth.calendar.day_of(begin.at), journey.customer, counts, won))
    return found


def _stages(truth: Truth, row: Row, is_of: Any) -> list[Case]:
    """The journeys at the stage before, by the day on which they begin, and whether they go on."""
    steps = truth.settings.steps
    _, _, target = row["name"].partition(" -> ")
    step = len(steps) - 1 if row["measure"] == "goal" or target == "goal" else list(steps).index(target)
    found = []
    for walk in truth.weekly:
        if row["measure"] == "stage" and walk.depth < step - 1:
            continue
        if is_of(walk.journey.touches[0]):
            young = walk.journey.begin + truth.settings.window > truth.paths.end
            won_at = walk.journey.won_at
            in_time = won_at is not None and won_at - walk.journey.begin <= truth.settings.window
            won = None if young else in_time
            found.append((truth.calendar.day_of(walk.journey.begin), walk.customer, walk.depth >= step, won))
    return found


def _goals(truth: Truth, row: Row, is_of: Any) -> list[Case]:
    """The mature journeys, by the day on which they begin, and whether they reach a goal in its time."""
    goal = next(each for each in truth.settings.named_goals if each["name"] == row["name"])
    steps, within, found = goal["steps"], row["within_seconds"] * SECOND, []
    names = {step for step in steps if not step.startswith("stage:")}
    stages = {step.removeprefix("stage:") for step in steps if step.startswith("stage:")}

    def is_goal(touch: Any) -> bool:
        return touch.touchpoint in names or truth.settings.stage_of(touch.touchpoint) in stages

    for journey in truth.paths.journeys:
        if journey.begin + within > truth.paths.end or not is_of(journey.touches[0]):
            continue
        at = min((t.at for t in (*journey.touches, *journey.aftermath) if is_goal(t)), default=None)
        staged = [t for t in journey.touches if truth.settings.stage_of(t.touchpoint) is not None and not is_goal(t)]
        if at is not None and not any(t.at <= at for t in staged):
            continue  # direct
        counts = at is not None and at - journey.begin <= within
        main = set(steps) == truth.goals
        found.append((truth.calendar.day_of(journey.begin), journey.customer, counts, counts if main else None))
    return found


def _steps(truth: Truth, row: Row, column: str | None) -> list[Case]:
    """The customers at the step before, by the day of entry, and whether they reach the step."""
    asked = next(each for each in truth.settings.funnels if f"{row['name']}" in _names_of(each["steps"]))
    number, within = _names_of(asked["steps"]).index(row["name"]) + 1, row["within_seconds"] * SECOND
    if set(asked) - {"name", "steps", "window", "owner", "reviewed", "says", "by"}:
        raise NotImplementedError("the audit knows plain funnels")
    steps, best = [step.split(" | ") for step in asked["steps"]], dict[tuple[date, Any], tuple[int, Any]]()
    for customer, touches in enumerate(truth.paths.touches.values()):
        for place, entry in enumerate(touches):
            if not _is_step(truth, entry, steps[0]) or entry.at + within > truth.paths.end:
                continue
            depth, at = 1, place
            while depth < len(steps):
                later = range(at + 1, len(touches))
                at = next((n for n in later if _is_step(truth, touches[n], steps[depth])), -1)
                if at < 0 or touches[at].at - entry.at > within:
                    break
                depth += 1
            key = (truth.calendar.day_of(entry.at), customer)
            if depth > best.get(key, (0, None))[0]:
                best[key] = (depth, entry)
    return [
        (day, customer, depth > number, None)
        for (day, customer), (depth, entry) in best.items()
        if depth >= number and (column is None or truth.paths.value_at(entry, column) == row["segment"])
    ]


def _names_of(steps: list[str]) -> list[str]:
    names = [" or ".join(step.split(" | ")) for step in steps]
    return [f"{one} -> {other}" for one, other in pairwise(names)]


def _is_step(truth: Truth, touch: Any, words: list[str]) -> bool:
    stage = truth.settings.stage_of(touch.touchpoint)
    return touch.touchpoint in words or (stage is not None and f"stage:{stage}" in words)
