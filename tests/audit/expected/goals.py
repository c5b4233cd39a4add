"""What share of journeys reaches each goal of `[[goals]]`, by which routes, what it is worth, and what it means."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any

from tests.audit.certainty import Share
from tests.audit.expected.credit import in_steps, to_step
from tests.audit.expected.stages import open_or_direct, people, quantile_of
from tests.audit.expected.withholding import Allowed, Expected, between, coarse, exact, near, nothing, rounded, small
from tests.audit.landed.groups import Portfolio
from tests.audit.landed.lake import value_of
from tests.audit.landed.paths import Journey, Touch
from tests.audit.landed.settings import DAY, SECOND, microseconds
from tests.audit.truth import Truth

HELP = {"branch", "call", "call_center", "call_centre", "chat", "phone", "store"}
"""Channels in which a person helps."""


class Goal:
    """The journeys of a goal, by what has become of them."""

    def __init__(self, truth: Truth, goal: dict[str, Any], *, main: bool) -> None:
        self.goal, self.stages, self.is_main = goal, truth.settings.stage_names, main
        asked = goal.get("horizon")
        self.horizon = truth.settings.window if asked is None else microseconds(asked)
        self.open: list[Journey] = []
        self.direct: list[Journey] = []
        self.mature: list[Journey] = []
        self.reached: list[Journey] = []
        self.late: list[Journey] = []
        self.worth: Counter[Any] = Counter()
        self.left_out: Counter[Any] = Counter()
        self.money = truth.money
        for journey in truth.paths.journeys:
            touches = journey.touches if main else [*journey.touches, *journey.aftermath]
            hits = [touch for touch in touches if self.counts(touch)]
            if hits and self._is_direct(journey, touches, hits[0].at):
                self.direct.append(journey)
            elif journey.begin + self.horizon > truth.paths.end:
                self.open.append(journey)
            else:
                self.mature.append(journey)
                soon = [touch for touch in hits if touch.at - journey.begin <= self.horizon]
                if hits:
                    (self.reached if soon else self.late).append(journey)
                self._add_worth(journey, soon)

    def counts(self, touch: Touch) -> bool:
        """Whether a touch is one of the goal's steps."""
        stage = None if touch.stage is None else f"stage:{self.stages[touch.stage]}"
        return touch.touchpoint in self.goal["steps"] or stage in self.goal["steps"]

    def _is_direct(self, journey: Journey, touches: list[Touch], at: int) -> bool:
        others = (touch for touch in touches if touch.at <= at and not self.counts(touch))
        return not any(touch.stage is not None or not journey.staged for touch in others)

    def _add_worth(self, journey: Journey, soon: list[Touch]) -> None:
        value = self.goal.get("value")
        if isinstance(value, str):
            amounts = [self.money.amount(touch, value) for touch in soon]
            self.worth[journey.customer] += sum(amount for amount in amounts if amount is not None)
            self.left_out[journey.customer] += amounts.count(None)
        elif value is not None and soon:
            self.worth[journey.customer] += value

    @property
    def never(self) -> list[Journey]:
        """The mature journeys that have it neither in time nor late."""
        there = set(map(id, (*self.reached, *self.late)))
        return [journey for journey in self.mature if id(journey) not in there]

    @property
    def lost(self) -> int:
        """Customers with a mature journey that has not reached it."""
        reached = set(map(id, self.reached))
        return people(journey for journey in self.mature if id(journey) not in reached)


def attained(truth: Truth) -> Expected | None:
    """One row per goal, in order."""
    k, least, rows = truth.settings.k, truth.settings.least, {}
    named = truth.settings.named_goals
    shown: list[Goal] = []
    for place, one in enumerate(named):
        goal = Goal(truth, one, main=place == 0)
        share = Share.of((j.customer for j in goal.mature), (j.customer for j in goal.reached))
        enough = people(goal.mature) >= least
        secret = small(people(goal.reached), k) or small(goal.lost, k)
        secret = secret or any(_reveals(goal, other, k) for other in shown)
        if not secret:
            shown.append(goal)

        hidden = open_or_direct(people(goal.open), people(goal.direct), k)

        def counted(journeys: list[Journey], *others: list[Journey], fits: bool = True, of: Goal = goal) -> Allowed:
            known = fits and not any(small(people(own), k) for own in (of.mature, journeys, *others))
            return exact(len(journeys)) if known else nothing()

        low, high = share.ends or (None, None)
        rate: Callable[[float | None], Allowed] = lambda value: rounded(value, 4)  # noqa: E731
        if secret or not enough:
            rate = lambda _: nothing()  # noqa: E731
        total = sum(goal.worth.values())
        heavy = 2 * max(map(abs, goal.worth.values()), default=0.0) > abs(total)
        has_value = one.get("value") is not None and not secret and not heavy and not small(people(goal.mature), k)
        rows[(one["name"],)] = {
            "horizon_seconds": exact(goal.horizon / SECOND),
            "mature": counted(goal.mature),
            "open": counted(goal.open, fits="open" not in hidden),
            "direct": counted(goal.direct, fits="direct" not in hidden),
            "late": counted(goal.late, goal.never, fits=not secret),
            "reached": counted(goal.reached, fits=not secret),
            "goal_rate": rate(share.value),
            "goal_rate_low": rate(low),
            "goal_rate_high": rate(high),
            "value": rounded(total, 2) if has_value else nothing(),
            "value_left_out": exact(goal.left_out.total())
            if one.get("value") is not None
            and not secret
            and not any(small(count, k) for count in (people(goal.mature), sum(n > 0 for n in goal.left_out.values())))
            else nothing(),
            "for_customer": exact(one.get("for_customer", "")),
            "state": exact("withheld" if secret else "shown" if enough else "few"),
        }
    return Expected(("goal",), rows, in_order=True) if rows else None


def _reveals(goal: Goal, other: Goal, k: int) -> bool:
    """Whether two goals, one with the steps of the other and more, differ by few customers."""
    own, its = set(goal.goal["steps"]), set(other.goal["steps"])
    if goal.horizon != other.horizon:
        return small(abs(len(goal.mature) - len(other.mature)), k)
    return (own <= its or its <= own) and small(abs(people(goal.reached) - people(other.reached)), k)


def definitions(truth: Truth) -> Expected:
    """What the goals mean, as the configuration says."""
    asked = truth.settings
    named = asked.named_goals or [{"name": asked.goal, "steps": asked.goals}]
    rows = {}
    for one in named:
        horizon = microseconds(one["horizon"]) if one.get("horizon") else asked.window
        reviewed = one.get("reviewed")
        rows[(one["name"],)] = {
            "steps": exact(" or ".join(one["steps"])),
            "horizon_seconds": exact(horizon / SECOND),
            "owner": exact(one.get("owner")),
            "reviewed": exact(None if reviewed is None else str(reviewed)),
            "says": exact(one.get("says")),
        }
    return Expected(("goal",), rows, in_order=True)


@dataclass
class Taken:
    """A journey by its family, and whether it is mature and has the goal in time."""

    family: str
    journey: Journey
    before: list[Touch]
    mature: bool
    reached: bool


class Families:
    """The families of routes to the main goal, journey by journey."""

    def __init__(self, truth: Truth) -> None:
        self.truth, self.stages = truth, truth.settings.stage_names
        named = (truth.settings.named_goals or [{}])[0]
        self.value = named.get("value", truth.settings.report.get("value"))
        self.sessions = Portfolio(truth.paths, None).sessions
        self.rules: list[Mapping[str, Any]] = named.get("routes") or self._usual()
        if any("pattern" in rule for rule in self.rules):
            raise NotImplementedError("the audit does not know patterns of routes")
        self.taken = [self.taken_by(journey) for journey in truth.paths.journeys]

    @property
    def names(self) -> list[str]:
        """All families, in order."""
        return [*(rule["name"] for rule in self.rules), "other", "direct"]

    def _usual(self) -> list[Mapping[str, Any]]:
        """Helped or alone, one visit or several, one channel or several."""
        whole = self.truth.known.get("whole", self.truth)
        channels = {touch.event.channel for touch in whole.paths.all_touches} - {None}
        people_ = sorted(channel for channel in channels if channel.lower() in HELP)
        choices: list[list[tuple[str, dict[str, Any]]]] = [
            [("one visit", {"visits": 1}), ("several visits", {"visits": {"at_least": 2}})]
        ]
        if people_:
            choices.insert(0, [("helped", {"through": people_}), ("alone", {"without": people_})])
        if len(channels) > 1:
            choices.append([("several channels", {"crosses": 2}), ("one channel", {})])
        return [
            {"name": ", ".join(name for name, _ in one), **{k: v for _, rule in one for k, v in rule.items()}}
            for one in product(*choices)
        ]

    def taken_by(self, journey: Journey) -> Taken:
        won, goals = journey.won_at, self.truth.goals
        before = [t for t in journey.touches if t.touchpoint not in goals and (won is None or t.at <= won)]
        fitting = (rule["name"] for rule in self.rules if self._fits(rule, before))
        family = "direct" if journey.direct else next(fitting, "other")
        mature = journey.begin + self.truth.settings.window <= self.truth.paths.end
        soon = mature and won is not None and won - journey.begin <= self.truth.settings.window
        return Taken(family, journey, before, mature, soon)

    def _fits(self, rule: Mapping[str, Any], before: list[Touch]) -> bool:
        words = [
            {t.touchpoint, t.event.channel, None if t.stage is None else f"stage:{self.stages[t.stage]}"}
            for t in before
        ]
        channels = {t.event.channel for t in before} - {None}
        visits, seen = rule.get("visits"), len({self.sessions[id(t)] for t in before})
        asked = rule.get("entered"), rule.get("through"), rule.get("without", ())
        return (
            (not asked[0] or bool(words and words[0] & set(asked[0])))
            and (not asked[1] or any(own & set(asked[1]) for own in words))
            and not any(own & set(asked[2]) for own in words)
            and len(channels) >= rule.get("crosses", 0)
            and (visits is None or (seen >= visits["at_least"] if isinstance(visits, Mapping) else seen == visits))
        )

    def effort(self, journey: Journey) -> tuple[int, int]:
        """Hand-offs up to the goal, and all effort."""
        within = [touch for touch in journey.touches if journey.won_at is None or touch.at <= journey.won_at]
        moves = list(pairwise(within))
        handoffs = sum(
            None not in (a.event.channel, b.event.channel) and a.event.channel != b.event.channel for a, b in moves
        )
        staged = [touch.stage for touch in within if touch.stage is not None]
        repeats = sum(a.touchpoint == b.touchpoint for a, b in moves)
        errors = sum("error" in touch.touchpoint.lower() for touch in within)
        return handoffs, handoffs + repeats + errors + sum(b < a for a, b in pairwise(staged))

    def answers(self, journey: Journey) -> list[bool]:
        """Whether satisfied, of each CSAT answer up to a week after the goal."""
        until = (journey.won_at or 0) + 7 * DAY
        scores = [
            float(value_of(touch.event, "score") or 0)
            for touch in (*journey.touches, *journey.aftermath)
            if touch.at <= until and touch.event.columns.get("survey") == "csat"
        ]
        return [score >= 4 for score in scores if 1 <= score <= 5]

    def worth(self, journey: Journey) -> float:
        """What the goal touches within the window bring."""
        if not isinstance(self.value, str):
            return float(self.value or 0.0)
        until = journey.begin + self.truth.settings.window
        touches = [touch for touch in (*journey.touches, *journey.aftermath) if touch.at <= until]
        amounts = [self.truth.money.amount(t, self.value) for t in touches if t.touchpoint in self.truth.goals]
        return sum(amount for amount in amounts if amount is not None)


def families(truth: Truth) -> Expected | None:
    """One row per family that enough customers took, the largest share of the goals first."""
    found, k, least = Families(truth), truth.settings.k, truth.settings.least
    of: dict[str, list[Taken]] = defaultdict(list)
    for one in found.taken:
        of[one.family].append(one)
    shown = [name for name in found.names if people(one.journey for one in of[name]) >= least]
    if len([name for name in shown if name != "direct"]) < 2:
        return None
    step, goals = coarse(truth.funnel[-1].people, k), sum(one.reached for one in found.taken)
    share_of = {name: sum(one.reached for one in of[name]) / goals if goals else None for name in shown}
    shown.sort(key=lambda name: -(to_step(share_of[name], step) or 0.0))
    late = truth.settings.goal_place - 1 if any(t.stage is not None for t in truth.paths.all_touches) else -1
    rows = {}
    for name in shown:
        mature, won = ([one.journey for one in of[name] if has(one)] for has in (_is_mature, _is_reached))
        rate = Share.of((j.customer for j in mature), (j.customer for j in won))
        given = [(j.customer, happy) for j in won for happy in found.answers(j)]
        felt = Share.of((who for who, _ in given), (who for who, happy in given if happy))
        near = [one.journey for one in of[name] if any(touch.stage == late for touch in one.before)]
        is_nothing = share_of[name] and to_step(share_of[name], step) == 0  # a share that is there is never told as 0
        row = {"share_of_goals": nothing() if is_nothing else in_steps(share_of[name], step)}
        for column, share, crowd in (("goal_rate", rate, people(mature)), ("csat", felt, len({w for w, _ in given}))):
            is_told = crowd >= least and not (column == "goal_rate" and name == "direct")
            values = (share.value, *(share.ends or (None, None)))
            for end, value in zip(("", "_low", "_high"), values, strict=True):
                allowed = in_steps(value, coarse(crowd, k)) if end == "" else _outwards(value, coarse(crowd, k), end)
                row[f"{column}{end}"] = allowed if is_told else nothing()
        everyone = people(one.journey for one in of[name])
        rated = late >= 0 and name != "direct"
        row["late_share"] = in_steps(len(near) / len(of[name]), coarse(everyone, k)) if rated else nothing()
        is_near = late >= 0 and len(near) >= 0.9 * len(of[name]) and everyone >= 30
        row["nearly_there"] = exact(is_near) if late >= 0 else nothing()
        rows[name,] = row | _takes(found, won, told=people(won) >= least)
    return Expected(("family",), rows, in_order=True)


def _outwards(value: float | None, step: float | None, end: str) -> Allowed:
    """The end of an interval, up to a step further out."""
    if value is None or step is None:
        return nothing()
    low, high = (value - step, value) if end == "_low" else (value, min(1.0, value + step))
    return between(low - 1e-6, high + 1e-6)


def _is_mature(one: Taken) -> bool:
    return one.mature


def _is_reached(one: Taken) -> bool:
    return one.reached


def _takes(found: Families, won: list[Journey], *, told: bool) -> dict[str, Allowed]:
    """What the journeys of a family took, and what their goals are worth."""
    names = ("median_time_seconds", "median_touches", "handoffs", "effort", "value_per_goal")
    if not told:
        return {name: nothing() for name in names}
    efforts = [found.effort(journey) for journey in won]
    touches = [len(found.taken_by(journey).before) + 1 for journey in won]
    worth: Counter[Any] = Counter()
    for journey in won:
        worth[journey.customer] += found.worth(journey)  # type: ignore[assignment]
    total = sum(worth.values())
    is_worth = found.value is not None and 2 * max(map(abs, worth.values())) <= abs(total)
    values = (
        quantile_of([(journey.won_at or 0) - journey.begin for journey in won], 0.5),
        quantile_of([many * SECOND for many in touches], 0.5),
        *(rounded(sum(one[place] for one in efforts) / len(won), 1) for place in (0, 1)),
        near(total / len(won), 0.0051) if is_worth else nothing(),
    )
    return dict(zip(names, values, strict=True))
