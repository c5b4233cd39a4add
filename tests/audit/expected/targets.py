"""Are the journeys of `[[journeys]]` on target? Their cohorts, the line through them, and what moved."""

from __future__ import annotations

import math
import statistics
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import partial
from typing import Any

from scipy.special import stdtrit

from tests.audit.certainty import Range, Share, Z, median_ends, quantile
from tests.audit.expected.goals import Goal
from tests.audit.expected.stages import people
from tests.audit.expected.withholding import (
    Allowed,
    Expected,
    between,
    coarse,
    exact,
    near,
    nothing,
    rounded,
    small,
    tens,
)
from tests.audit.landed.paths import Journey, Touch
from tests.audit.landed.settings import DAY, SECOND, microseconds
from tests.audit.site import Row
from tests.audit.truth import Truth
from tests.oracles.why.products import goal_change

MEASURES = ("goal_rate", "median_time", "csat")
SPAN = 12
SHARES = ("goal_rate", "csat")


@dataclass
class Cohort:
    """The journeys of one that begin in a period, and what a measure is of them; `fewest` of a part it tells apart."""

    start: date
    end: date
    is_over: bool
    journeys: list[Journey]
    counted: int = 0
    customers: int = 0
    sides: list[int] = field(default_factory=list)
    value: float | None = None
    ends: Range | None = None


@dataclass
class Product:
    """A journey of the configuration, with its goal and the journeys that it is of."""

    truth: Truth
    asked: dict[str, Any]

    def __post_init__(self) -> None:
        settings = self.truth.settings
        known = {
            "name",
            "version",
            "owner",
            "purpose",
            "begins",
            "goal",
            "targets",
            "changes",
            "by",
            "reviewed",
            "says",
        }
        if unknown := [name for name in self.asked if name not in known]:
            raise NotImplementedError(f"the audit does not know these settings of journeys: {', '.join(unknown)}")
        goals = settings.named_goals
        place = next(n for n, goal in enumerate(goals) if goal["name"] == self.asked["goal"])
        self.goal = Goal(self.truth, goals[place], main=place == 0)

    def is_of(self, journey: Journey) -> bool:
        """Whether a journey begins where this one does."""
        begins = self.asked.get("begins")
        if begins is None:
            return True
        here = [touch for touch in journey.touches if touch.at == journey.begin]
        ((kind, words),) = begins.items()
        accepted = [words] if isinstance(words, str) else words
        names = self.truth.settings.stage_names
        found = [
            touch.touchpoint if kind == "touchpoint" else None if touch.stage is None else names[touch.stage]
            for touch in here
        ]
        return any(name in accepted for name in found)

    def periods(self, period: str) -> list[tuple[date, date, bool]]:
        """The periods of cohorts: the last that are over, and those that have begun since."""
        calendar, end = self.truth.calendar, self.truth.paths.end
        last = begin_of(calendar.day_of(end - self.goal.horizon), period)
        found = []
        start = begin_of(last - timedelta(days=1), period)
        for _ in range(SPAN):
            found.insert(0, (start, next_of(start, period), True))
            start = begin_of(start - timedelta(days=1), period)
        while calendar.begin(last) <= end:
            found.append((last, next_of(last, period), False))
            last = next_of(last, period)
        return found

    def cohorts(self, measure: str, period: str) -> list[Cohort]:
        """The cohorts of a target, those before the first journey left out."""
        if measure not in MEASURES:
            raise NotImplementedError(f"the audit does not know targets of {measure}")
        calendar = self.truth.calendar
        own = [journey for journey in self.truth.paths.journeys if self.is_of(journey)]
        found = []
        for start, end, is_over in self.periods(period):
            first, last = calendar.begin(start), calendar.begin(end)
            found.append(Cohort(start, end, is_over, [j for j in own if first <= j.begin < last]))
        known = [n for n, cohort in enumerate(found) if cohort.journeys]
        over = sum(cohort.is_over for cohort in found)
        found = found[min([*known, over - 1]) :]
        for cohort in found:
            MEASURED[measure](self, cohort)
        return found

    def won(self, journey: Journey) -> int | None:
        """The time to the goal of a journey, where it has it in time."""
        touches = journey.touches if self.goal.is_main else [*journey.touches, *journey.aftermath]
        hits = [touch.at - journey.begin for touch in touches if self.goal.counts(touch)]
        return hits[0] if hits and hits[0] <= self.goal.horizon else None


def begin_of(day: date, period: str) -> date:
    """The first day of the period of a day."""
    if period == "day":
        return day
    return day.replace(day=1) if period == "month" else day - timedelta(days=day.weekday())


def next_of(start: date, period: str) -> date:
    """The first day of the next period."""
    if period == "month":
        return begin_of(start + timedelta(days=31), period)
    return start + timedelta(days=1 if period == "day" else 7)


def _goal_rate(product: Product, cohort: Cohort) -> None:
    own = set(map(id, cohort.journeys))
    mature, reached = ([j for j in some if id(j) in own] for some in (product.goal.mature, product.goal.reached))
    there = set(map(id, reached))
    share = Share.of((j.customer for j in mature), (j.customer for j in reached))
    cohort.counted, cohort.customers = len(mature), people(mature)
    cohort.sides = [people(reached), people(j for j in mature if id(j) not in there)]
    cohort.value, cohort.ends = share.value, share.ends


def _median_time(product: Product, cohort: Cohort) -> None:
    own = set(map(id, cohort.journeys))
    reached = [j for j in product.goal.reached if id(j) in own]
    times = [product.won(journey) or 0 for journey in reached]
    cohort.counted, cohort.customers, cohort.sides = len(times), people(reached), [people(reached)]
    if times:
        ends = median_ends(times)
        cohort.value = quantile(times, 0.5) / SECOND
        cohort.ends = None if ends is None else (ends[0] / SECOND, ends[1] / SECOND)


def _csat(product: Product, cohort: Cohort) -> None:
    own = {id(touch) for journey in cohort.journeys for touch in journey.touches}
    answers = [(who, yes) for before, who, yes in _answers(product.truth) if before is not None and id(before) in own]
    share = Share.of((who for who, _ in answers), (who for who, yes in answers if yes))
    cohort.counted, cohort.customers = len(answers), len({who for who, _ in answers})
    cohort.sides = [len({who for who, yes in answers if yes is kind}) for kind in (True, False)]
    cohort.value, cohort.ends = share.value, share.ends


def _answers(truth: Truth) -> list[tuple[Touch | None, Any, bool]]:
    """Every CSAT answer with the last touch of a journey in the week before it, its customer, and whether satisfied."""
    found: list[tuple[Touch | None, Any, bool]] = truth.known.get("csat of journeys", [])
    if found:
        return found
    of_journeys = {id(touch) for journey in truth.paths.journeys for touch in journey.touches}
    answers = truth.csat(lambda touch: id(touch) in of_journeys)
    found = [(before, touch.customer, is_satisfied) for touch, before, is_satisfied in answers]
    truth.known["csat of journeys"] = found
    return found


MEASURED: dict[str, Callable[[Product, Cohort], None]] = {
    "goal_rate": _goal_rate,
    "median_time": _median_time,
    "csat": _csat,
}


def products(truth: Truth) -> list[Product]:
    """The journeys of the configuration."""
    return [Product(truth, asked) for asked in truth.settings.journeys]


def _targets(truth: Truth) -> list[tuple[Product, dict[str, Any], list[Cohort]]]:
    found: list[tuple[Product, dict[str, Any], list[Cohort]]] = truth.known.setdefault("targets", [])
    if not found:
        for product in products(truth):
            for target in product.asked["targets"]:
                found.append((product, target, product.cohorts(target["measure"], target.get("period", "month"))))
    return found


def _direction(target: dict[str, Any]) -> tuple[str, float]:
    """The direction of a target and its value; times in seconds."""
    name = "at_least" if "at_least" in target else "at_most"
    value = target[name]
    return name, microseconds(value) / SECOND if isinstance(value, str) else float(value)


def status(truth: Truth, cohort: Cohort, target: dict[str, Any]) -> str:
    """The word for a cohort that is over, as it may be said."""
    direction, value = _direction(target)
    if secret(cohort, truth.settings.k):
        return "withheld"
    if cohort.customers < truth.settings.least or cohort.counted < 30:
        return "too early"
    low, high = cohort.ends or (-math.inf, math.inf)
    if direction == "at_most":
        low, high, value = -high, -low, -value
    return "met" if low >= value else "missed" if high < value else "not clear"


def _statuses(truth: Truth, cohort: Cohort, target: dict[str, Any], others: list[Cohort]) -> Allowed:
    """The words that a cohort may have: beside one that is withheld it may be rounded, or be withheld itself."""
    k, told = truth.settings.k, exact(status(truth, cohort, target))
    if doubtful(cohort, k):
        told |= exact("withheld")
    step = coarse(cohort.customers, k) or 0.05
    is_near = any(abs(end - _direction(target)[1]) <= step for end in cohort.ends or ())
    if is_near and any(secret(other, k) or doubtful(other, k) for other in others):
        told |= exact("met") | exact("missed") | exact("not clear")
    return told


def secret(cohort: Cohort, k: int) -> bool:
    """Whether a cohort is of few customers, or tells few apart."""
    return small(cohort.customers, k) or any(small(count, k) for count in cohort.sides)


def doubtful(cohort: Cohort, k: int) -> bool:
    """Whether a cohort may be withheld, as fewer than `k` customers certainly have journeys without the goal."""
    return len(cohort.sides) == 2 and cohort.sides[1] > 0 and cohort.customers - cohort.sides[0] < k


def _numbers(truth: Truth, cohort: Cohort, others: list[Cohort]) -> dict[str, Allowed]:
    """What may stand of a cohort: its numbers, or nothing."""
    k, few = truth.settings.k, cohort.customers < truth.settings.least
    low, high = cohort.ends or (None, None)
    values = {"value": cohort.value, "low": low, "high": high}
    about: Callable[[float | None], Allowed] = near if cohort.counted > 1000 else exact
    found = {
        "counted": exact(cohort.counted),
        **{name: nothing("too few") if few else about(v) for name, v in values.items()},
    }
    if secret(cohort, k):
        return dict.fromkeys(found, nothing())
    if doubtful(cohort, k):
        found = {name: allowed | nothing() for name, allowed in found.items()}
    if any(secret(other, k) or doubtful(other, k) for other in others):  # what would reveal another one is rounded
        step = coarse(cohort.customers, k) or 0.05
        for name, value in values.items():
            if value is not None and not few:
                found[name] |= between(value - step, value + step)
        found["counted"] |= tens(cohort.counted)
    return found


def frame_of_cohorts(
    truth: Truth, earlier: dict[tuple[Any, ...], float | None], hashes: dict[tuple[Any, ...], str], told_now: list[Row]
) -> Expected:
    """One row per target and cohort, the newest first; restated is what `told_now` has another value for."""
    rows = {}
    names = ("journey", "measure", "period", "direction", "cohort")
    values = {tuple(row[name] for name in names): row["value"] for row in told_now}
    for product, target, cohorts in _targets(truth):
        direction, value = _direction(target)
        for cohort in reversed(cohorts):
            series = (product.asked["name"], target["measure"], target.get("period", "month"), direction)
            key = (*series, cohort.start.isoformat())
            others = [other for other in cohorts if other is not cohort]
            told = _statuses(truth, cohort, target, others) if cohort.is_over else exact("open")
            then = earlier.get(key)
            now = values.get(key)
            restated = cohort.is_over and then is not None and now is not None and not math.isclose(then, now)
            rows[key] = {
                **_numbers(truth, cohort, others),
                "version": exact(product.asked.get("version", 1)),
                "owner": exact(product.asked["owner"]),
                "unit": exact("seconds" if target["measure"] == "median_time" else "share"),
                "cohort_end": exact(cohort.end.isoformat()),
                "target": exact(value),
                "by": exact(None if target.get("by") is None else str(target["by"])),
                "status": told,
                "state": Allowed("shown, few or withheld", lambda v: v in ("shown", "few", "withheld")),
                "restated_from": exact(then) if restated else nothing("no other value was told"),
                "hash": exact(hashes.get(series)),
            }
    return Expected(("journey", "measure", "period", "direction", "cohort"), rows, in_order=True)


def frame_of_targets(truth: Truth, hashes: dict[tuple[Any, ...], str]) -> Expected:
    """One row per target: its last cohort that is over, and its course."""
    rows = {}
    for product, target, cohorts in _targets(truth):
        direction, value = _direction(target)
        over = [cohort for cohort in cohorts if cohort.is_over]
        last, others = over[-1], [cohort for cohort in cohorts if cohort is not over[-1]]
        told = status(truth, last, target)
        rounds = any(secret(cohort, truth.settings.k) for cohort in cohorts)
        line = _line(truth, over, target)
        by = target.get("by")
        is_past = by is not None and truth.calendar.begin(by) <= truth.paths.end
        reaches = None if line is None or is_past else line[2] >= value if direction == "at_least" else line[1] <= value
        before = over[-2] if len(over) > 1 else None
        series = (product.asked["name"], target["measure"], target.get("period", "month"), direction)
        lined = [near(v) if line else nothing("no line") for v in line or (None, None, None)]
        if line is not None and rounds:
            lined = [between(v - 0.1, v + 0.1) for v in line]
        rows[series] = {
            **_numbers(truth, last, others),
            "version": exact(product.asked.get("version", 1)),
            "owner": exact(product.asked["owner"]),
            "unit": exact("seconds" if target["measure"] == "median_time" else "share"),
            "cohort": exact(last.start.isoformat()),
            "cohort_end": exact(last.end.isoformat()),
            "value_before": nothing("no cohort before") if before is None else _numbers(truth, before, others)["value"],
            "target": exact(value),
            "by": exact(None if by is None else str(by)),
            "status": _statuses(truth, last, target, others),
            "on_course": exact(reaches),
            **dict(zip(("expected", "expected_low", "expected_high"), lined, strict=True)),
            "overdue": nothing() if told == "withheld" else exact(is_past and told != "met"),
            "hash": exact(hashes.get(series)),
        }
    return Expected(("journey", "measure", "period", "direction"), rows, in_order=True)


def _line(truth: Truth, over: list[Cohort], target: dict[str, Any]) -> tuple[float, float, float] | None:
    """The line of weighted least squares through the last six judged cohorts, at the day of the target."""
    by = target.get("by")
    judged = [
        c
        for c in over
        if status(truth, c, target) not in ("withheld", "too early") and c.ends and c.ends[1] > c.ends[0]
    ]
    judged = judged[-6:]
    if by is None or len(judged) < 3:
        return None
    begin = truth.calendar.begin
    x = [(begin(c.start) + begin(c.end)) / 2 / DAY for c in judged]
    y = [c.value or 0.0 for c in judged]
    weights = [1 / ((high - low) / 2 / Z) ** 2 for low, high in (c.ends or (0, 0) for c in judged)]
    total = sum(weights)
    mean_x = sum(w * each for w, each in zip(weights, x, strict=True)) / total
    mean_y = sum(w * each for w, each in zip(weights, y, strict=True)) / total
    across = sum(w * (a - mean_x) ** 2 for w, a in zip(weights, x, strict=True))
    slope = sum(w * (a - mean_x) * (b - mean_y) for w, a, b in zip(weights, x, y, strict=True)) / across
    off = sum(w * (b - mean_y - slope * (a - mean_x)) ** 2 for w, a, b in zip(weights, x, y, strict=True))
    at = begin(by) / DAY - mean_x
    reach = stdtrit(len(x) - 2, 0.975) * math.sqrt(max(1.0, off / (len(x) - 2)) * (1 / total + at * at / across))
    low, high = (0.0, 1.0) if target["measure"] in SHARES else (0.0, math.inf)
    found = [min(max(each, low), high) for each in (mean_y + slope * at + way * reach for way in (0, -1, 1))]
    return found[0], found[1], found[2]


def changes(truth: Truth, published: list[Row]) -> Expected | None:
    """What differs after the changes that were noted, of the cohorts whose value is published."""
    rows = {}
    keys = ("journey", "measure", "period", "direction", "cohort")
    shown = {tuple(row[name] for name in keys): row for row in published if row["value"] is not None}
    for product, target, cohorts in _targets(truth):
        direction, _ = _direction(target)
        series = (product.asked["name"], target["measure"], target.get("period", "month"), direction)
        judged = [
            replace(c, value=row["value"], ends=(row["low"], row["high"]))  # judged in their own card
            for c in cohorts
            if c.is_over and c.counted >= 30 and (row := shown.get((*series, c.start.isoformat())))
        ]
        for note in product.asked.get("changes", []):
            before = next((c for c in reversed(judged) if c.end <= note["on"]), None)
            after = next((c for c in judged if c.start >= note["on"]), None)
            gap: tuple[float | None, ...] = (None, None, None)
            if before is not None and after is not None:
                gap = _difference(before, after)
            low, high = gap[1:]
            period = target.get("period", "month")
            rows[(product.asked["name"], str(note["on"]), note["what"], target["measure"], period, direction)] = {
                "unit": exact("seconds" if target["measure"] == "median_time" else "share"),
                "before": exact(None if before is None else before.start.isoformat()),
                "after": exact(None if after is None else after.start.isoformat()),
                "value_before": near(None if before is None else before.value),
                "value_after": near(None if after is None else after.value),
                "difference": near(gap[0], 0.01),
                "low": near(low, 0.01),
                "high": near(high, 0.01),
                "clear": exact(None if low is None or high is None else low > 0 or high < 0),
            }
    return Expected(("journey", "on", "what", "measure", "period", "direction"), rows) if rows else None


def _difference(before: Cohort, after: Cohort) -> tuple[float, float, float]:
    """The difference of two values, with its interval by square and add."""
    now, then = after.value or 0.0, before.value or 0.0
    (low, high), (first, last) = after.ends or (now, now), before.ends or (then, then)
    return (
        now - then,
        now - then - math.hypot(now - low, last - then),
        now - then + math.hypot(high - now, then - first),
    )


def causes(truth: Truth, told: list[Row]) -> Expected:
    """What moved: every row that is told is true of the cohorts it names, to the step of rounding of its shares."""
    rows = {}
    by_name = {product.asked["name"]: product for product in products(truth)}
    for row in told:
        product = by_name[row["journey"]]
        key = (row["journey"], row["effect"], row["segment"], row["stage"])
        rows[key] = {
            name: Allowed("true of the cohorts", partial(_is_true, _cause(product, row), name, truth.settings.k))
            for name in row
            if name not in ("journey", "effect", "segment", "stage")
        }
    return Expected(("journey", "effect", "segment", "stage"), rows)


def _cause(product: Product, row: Row) -> dict[str, Any]:
    """The numbers of a row of what moved, from its journeys."""
    truth = product.truth
    period = next(
        (t.get("period", "month") for t in product.asked["targets"] if t["measure"] == "goal_rate"),
        product.asked["targets"][0].get("period", "month"),
    )
    over = [(start, end) for start, end, is_over in product.periods(period) if is_over]
    mature = [j for j in product.goal.mature if product.is_of(j)]
    column, value = _segment(product, row["segment"])
    counted: list[dict[Any, list[int]]] = []
    customers: list[int] = []
    for start, end in over[-2:]:
        first, last = truth.calendar.begin(start), truth.calendar.begin(end)
        own = [j for j in mature if first <= j.begin < last]
        groups: dict[Any, list[list[Any]]] = defaultdict(lambda: [[] for _ in steps_of(product)] + [[]])
        for journey in own:
            depth = _depth(product, journey)
            name = truth.paths.value_at(journey.touches[0], column) if column else None
            for step in range(len(steps_of(product)) + 1):
                if depth >= step:
                    groups[name][step].append(journey.customer)
        counted.append({name: [len(each) for each in steps] for name, steps in groups.items()})
        at = 0
        if row["effect"] == "stage":
            at = steps_of(product).index(row["stage"])
        behind = [who for name, steps in groups.items() if not column or name == value for who in steps[at]]
        customers.append(len({j.customer for j in own} if row["effect"] == "mix" else set(behind)))
    before, after = counted
    added = goal_change(before, after)
    effect = row["effect"]
    named = ("total", None) if effect == "total" else (effect, value)
    if effect == "stage":
        place = steps_of(product).index(row["stage"]) + 1
        contribution = added[("stage", value if column else None, place)]
    else:
        contribution = added[named]
    ends = []
    for side in (before, after):
        total = [sum(each) for each in zip(*side.values(), strict=True)]
        steps = side[value] if column else total
        if effect == "mix":
            ends.append(steps[0] / total[0])
        elif effect == "stage":
            place = steps_of(product).index(row["stage"])
            ends.append(steps[place + 1] / steps[place])
        else:
            ends.append(steps[-1] / steps[0])
    return {
        "cohort": over[-1][0].isoformat(),
        "cohort_end": over[-1][1].isoformat(),
        "cohort_before": over[-2][0].isoformat(),
        "before": ends[0],
        "after": ends[1],
        "contribution": float(contribution),
        "customers": customers,
        "row": row,
    }


def steps_of(product: Product) -> list[str]:
    """The stages before that of the goal, then the goal, of a journey's funnel."""
    settings = product.truth.settings
    if product.goal.is_main:
        return settings.steps
    places = [
        settings.stage_names.index(stage) for stage in map(settings.stage_of, product.goal.goal["steps"]) if stage
    ]
    last = max(places, default=len(settings.stage_names))
    return [*settings.stage_names[:last], product.goal.goal["name"]]


def _depth(product: Product, journey: Journey) -> int:
    """How many rows after all that entered a journey gets to: the furthest stage counts, and the goal is the last."""
    rows = steps_of(product)
    if product.won(journey) is not None:
        return len(rows)
    near_ = [touch for touch in journey.touches if touch.at - journey.begin <= product.goal.horizon]
    depth = max((touch.stage for touch in near_ if touch.stage is not None), default=-1)
    return min(depth, len(rows) - 2) + 1


def _segment(product: Product, text: str | None) -> tuple[str, str | None]:
    """The column and the value of a segment as a page names it."""
    if text is None:
        return "", None
    settings = product.truth.settings
    for column in product.asked.get("by") or settings.segments:
        label = settings.report.get("segment_names", {}).get(column, column)
        if text.startswith(f"{label} "):
            return column, text.removeprefix(f"{label} ")
    raise KeyError(text)


def _is_true(cause: dict[str, Any], name: str, k: int, found: Any) -> bool:
    """Whether a number of a row is the true one, rounded so that its step covers `k` customers."""
    row, customers = cause["row"], cause["customers"]
    if name in ("contribution_low", "contribution_high"):
        low, high = row["contribution_low"], row["contribution_high"]
        return low <= row["contribution"] <= high and not low <= 0 <= high
    if name not in ("before", "after", "contribution"):
        return bool(found == cause[name])
    step = coarse(min(customers), k) or 0.05
    return abs(found - cause[name]) <= max(step, 0.002)


def hashes_of(rows: list[Row]) -> dict[tuple[Any, ...], str]:
    """The digest of every target, as the site says it: one for all cohorts."""
    found: dict[tuple[Any, ...], set[str]] = defaultdict(set)
    for row in rows:
        found[row["journey"], row["measure"], row["period"], row["direction"]].add(row["hash"])
    return {key: hashes.pop() for key, hashes in found.items() if len(hashes) == 1}


def told_earlier(site_index: dict[str, Any] | None) -> dict[tuple[Any, ...], float | None]:
    """The values of cohorts that were over in an earlier report, by target and cohort."""
    parts = [part for page in (site_index or {}).get("pages", []) for part in page["parts"]]
    frame = next((part["frame"] for part in parts if part["id"] == "target-cohorts"), None)
    if frame is None:
        return {}
    rows = [dict(zip(frame, values, strict=True)) for values in zip(*frame.values(), strict=True)]
    keys = ("journey", "measure", "period", "direction", "cohort")
    return {tuple(row[name] for name in keys): row["value"] for row in rows if row["status"] != "open"}


DOMAINS = ("listening", "understanding", "designing", "connecting", "acting")
LEVELS = ((1.8, "by chance"), (2.6, "started"), (3.4, "repeatable"), (4.2, "managed"), (9, "a habit"))


def maturity(truth: Truth) -> Expected | None:
    """The domains of maturity, as the file of answers has them; what the questions say is no number."""
    file = truth.settings.folder / "maturity.toml"
    if not file.exists() or not truth.settings.report.get("maturity", True):
        return None
    answers = sorted(tomllib.loads(file.read_text(encoding="utf-8")).get("answers", []), key=lambda each: each["on"])
    now, before = (
        {one["by"]: one for one in answers if is_now or one["on"] < answers[-1]["on"]}.values()
        for is_now in (True, False)
    )
    rows: dict[tuple[str], dict[str, Allowed]] = {}
    means: list[list[float | None]] = []
    everything: list[int] = []
    for place, domain in enumerate(DOMAINS):
        given, earlier = ([_given(people, domain, n) for n in range(3)] for people in (now, before))
        means.append([_mean([statistics.median(one) for one in each if one], 2) for each in (given, earlier)])
        known = [answer for one in given for answer in one]
        everything += known
        open_ = [(statistics.median(one), 3 * place + n + 1) for n, one in enumerate(given) if one]
        begin = min((one for one in open_ if one[0] < 5), default=None)
        text = Allowed("a text", lambda value: isinstance(value, str)) if begin else nothing()
        rows[(domain,)] = _domain(means[-1], known) | {"number": exact(begin and begin[1])}
        rows[(domain,)] |= dict.fromkeys(("question", "next_step", "help"), text)
    rows[("all",)] = _domain([_mean([*each], len(DOMAINS)) for each in zip(*means, strict=True)], everything)
    rows[("all",)] |= dict.fromkeys(("number", "question", "next_step", "help"), nothing())
    return Expected(("domain",), rows, in_order=True)


def _given(people: Iterable[dict[str, Any]], domain: str, place: int) -> list[int]:
    """What everybody answered to a question of a domain."""
    found = [one[domain][place] for one in people if domain in one]
    return [answer for answer in found if answer != "-"]


def _mean(values: list[float | None], least: int) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) >= least else None


def _domain(means: list[float | None], answers: list[int]) -> dict[str, Allowed]:
    value, last = means
    level = None if value is None else next(name for limit, name in LEVELS if round(value, 1) < limit)
    ends = {name: exact(of(answers, default=None)) for name, of in (("low", min), ("high", max))}
    return {"value": rounded(value, 4), "last": rounded(last, 4), **ends, "level": exact(level)}


def owned(truth: Truth) -> Expected | None:
    """Who is responsible for the journeys and the watched funnels, as the configuration says."""
    rows = {}
    watched = {asked.get("funnel") for asked in truth.settings.watches}
    funnels = [asked for asked in truth.settings.funnels if asked["name"] in watched]
    for kind, asked in [
        *(("journey", each) for each in truth.settings.journeys),
        *(("funnel", each) for each in funnels),
    ]:
        reviewed = asked.get("reviewed")
        rows[(kind, asked["name"])] = {
            "version": exact(asked.get("version", 1) if kind == "journey" else None),
            "owner": exact(asked.get("owner")),
            "reviewed": exact(None if reviewed is None else str(reviewed)),
            "says": exact(asked.get("says") or asked.get("purpose")),
        }
    return Expected(("kind", "name"), rows, in_order=True) if rows else None
