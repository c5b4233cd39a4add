"""What share of journeys reaches each goal of `[[goals]]`, what it is worth, and what it means."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.audit.certainty import Share
from tests.audit.expected.stages import open_or_direct, people
from tests.audit.expected.withholding import Allowed, Expected, exact, nothing, rounded, small
from tests.audit.landed.paths import Journey, Touch
from tests.audit.landed.settings import SECOND, microseconds
from tests.audit.truth import Truth


class Goal:
    """The journeys of a goal, by what has become of them."""

    def __init__(self, truth: Truth, goal: dict[str, Any], *, main: bool) -> None:
        self.goal, self.stages = goal, truth.settings.stage_names
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
