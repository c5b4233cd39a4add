"""Defines a journey as a product: who owns it, whom it is for, where it begins, its goal, its targets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, Literal, get_args

from analytics.engine.conditions import STAGE_PREFIX, Step, Words, fill, one_of
from analytics.engine.goals import Goal
from analytics.engine.local.calendar import Period
from analytics.paths.designed.design import Design, DesignStep
from analytics.segments.named.segment import Segment
from analytics.store.columns import STAGE, TOUCHPOINT
from expectations.config.digest import digest_of
from expectations.config.durations import as_text, duration
from expectations.errors import DefinitionError

TargetMeasure = Literal["goal_rate", "median_time", "conformance", "csat", "nps", "ces"]
TARGET_MEASURES: Final = get_args(TargetMeasure)
SECONDS: Final = "seconds"
TARGET_UNITS: Final = {
    "goal_rate": "share",
    "median_time": SECONDS,
    "conformance": "share",
    "csat": "share",
    "nps": "score",
    "ces": "score",
}
"""What the value of each measure is: a share from 0 to 1, a score, or a time in seconds."""
_SHARE: Final = (0.0, 1.0)
RANGES: Final = {
    "median_time": (0.0, math.inf),
    "goal_rate": _SHARE,
    "conformance": _SHARE,
    "csat": _SHARE,
    "nps": (-1.0, 1.0),
    "ces": (1.0, 7.0),
}
COHORT_PERIODS: Final = ("day", "week", "week_sunday", "month")


@dataclass(frozen=True, init=False)
class Target:
    """What a journey is to reach: a `measure`, one direction with its value, `by` when, and the `period` of cohorts.

    Measures: `goal_rate` (share of mature journeys with the goal), `median_time` (of those with the goal, from the
    first touch to it; the value is a duration such as `"5d"`), `conformance` (mean fitness to the designed path),
    `csat` (share satisfied), `nps` (-1 to 1), `ces` (mean of 1 to 7). Raises `DefinitionError` for another measure or
    period, for no direction or both, and for a value that the measure cannot have.

    >>> Target("goal_rate", at_least=0.33).key
    'goal_rate at_least month'
    """

    measure: str
    direction: str
    value: float
    by: date | None
    period: Period

    def __init__(
        self,
        measure: TargetMeasure,
        *,
        at_least: float | str | timedelta | None = None,
        at_most: float | str | timedelta | None = None,
        by: date | None = None,
        period: Period = "month",
    ) -> None:
        given = {name: value for name, value in (("at_least", at_least), ("at_most", at_most)) if value is not None}
        if len(given) != 1:
            found = " and ".join(given) or "none"
            raise DefinitionError("A target has one direction.", expected="at_least or at_most", found=found)
        direction, value = next(iter(given.items()))
        fill(
            self,
            measure=one_of("measure of a target", measure, TARGET_MEASURES),
            direction=direction,
            value=_number(measure, value),
            by=by,
            period=one_of("period of cohorts", period, COHORT_PERIODS),
        )

    @property
    def key(self) -> str:
        """What tells targets of a journey apart; two of one measure, direction and period would be one."""
        return f"{self.measure} {self.direction} {self.period}"


def _number(measure: str, value: float | str | timedelta) -> float:
    """The value of a target: a time in seconds, or a number that the measure can have."""
    if measure == "median_time":
        if isinstance(value, bool | int | float):
            raise DefinitionError("A target of time has a unit.", expected='such as "5d"', found=str(value))
        return duration(value).total_seconds()
    low, high = RANGES[measure]
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise DefinitionError(
            f"A target of {measure} is a number.", expected=f"between {low:g} and {high:g}", found=str(value)
        )
    return float(value)


@dataclass(frozen=True)
class JourneyNote:
    """A change that was made to a journey, on a day."""

    on: date
    what: str


@dataclass(frozen=True, eq=False, init=False)
class JourneyProduct:
    """A journey with an owner and targets.

    `members` are whom it is for: journeys count that begin as members of the segment; without one, all. `begins` is
    where it begins: one of the touches of the journey's first instant is of this touchpoint, or stage. `goal` is what
    is to be reached, within its horizon. `designed` is the path as meant: touchpoints, or stages written `stage:NAME`,
    in order, or as steps of a graph (`DesignStep`). `stages` are those that the change of the goal rate is split by; by
    default all. `notes` are changes that were made.

    Raises `DefinitionError` without a name, an owner or a target, for two targets of one measure, direction and period,
    a version below 1, a designed path of touchpoints and stages, and a target of conformance without a designed path.

    >>> order = Goal(name="Order", steps=["buy"])
    >>> JourneyProduct("First order", owner="Mara", goal=order, targets=[Target("goal_rate", at_least=0.3)]).version
    1
    """

    name: str
    owner: str
    goal: Goal
    targets: tuple[Target, ...]
    version: int
    purpose: str
    members: Segment | None
    begins: Step | None
    designed: Design | None
    designed_on: str
    stages: tuple[str, ...] | None
    notes: tuple[JourneyNote, ...]

    def __init__(
        self,
        name: str,
        *,
        owner: str,
        goal: Goal,
        targets: Sequence[Target],
        version: int = 1,
        purpose: str = "",
        members: Segment | None = None,
        begins: Step | str | None = None,
        designed: Sequence[Words | DesignStep] = (),
        stages: Sequence[str] | None = None,
        notes: Sequence[JourneyNote] = (),
    ) -> None:
        on, steps = _design(designed)
        fill(
            self,
            name=name,
            owner=owner,
            goal=goal,
            targets=tuple(targets),
            version=version,
            purpose=purpose,
            members=members,
            begins=Step(begins) if isinstance(begins, str) else begins,
            designed=Design(steps) if steps else None,
            designed_on=on,
            stages=None if stages is None else tuple(stages),
            notes=tuple(sorted(notes, key=lambda note: note.on)),
        )
        self._check()

    def _check(self) -> None:
        if not self.name.strip():
            raise DefinitionError("A journey has no name.", expected="a name")
        where = f"journey {self.name!r}"
        if not self.owner.strip():
            raise DefinitionError("A journey has no owner.", where=where, expected="who is responsible for it")
        if isinstance(self.version, bool) or self.version < 1:
            expected = "a whole number from 1"
            raise DefinitionError(
                "This is no version of a journey.", where=where, expected=expected, found=str(self.version)
            )
        keys = [target.key for target in self.targets]
        if not keys:
            raise DefinitionError("A journey has no target.", where=where, expected="one target or more")
        if twice := [key for key in keys if keys.count(key) > 1]:
            raise DefinitionError(
                "Two targets of a journey are of one measure, direction and period.", where=where, found=twice[0]
            )
        if self.designed is None and any(target.measure == "conformance" for target in self.targets):
            raise DefinitionError(
                "Conformance is to a designed path.", where=where, expected="designed, with the steps of the path"
            )
        if self.begins is not None and (self.begins.on not in (TOUCHPOINT, STAGE) or self.begins.where is not None):
            raise DefinitionError("A journey begins with a touchpoint or a stage.", where=where, found=self.begins.on)

    @property
    def following(self) -> dict[str, Any]:
        """How measures of whole paths read the designed path: several touches in a row of one stage are one step."""
        return {"designed": self.designed, "on": self.designed_on, "collapse": self.designed_on == STAGE}

    @property
    def meaning(self) -> list[Any]:
        """What the numbers mean: all of the definition but names, texts, owner and the values of targets."""
        horizon = None if self.goal.horizon is None else as_text(self.goal.horizon)
        design = self.designed
        return [
            None if self.members is None else self.members.hash,
            None if self.begins is None else [self.begins.on, *self.begins.any_of],
            [*self.goal.steps, horizon],
            None if design is None else [self.designed_on, *map(list, design.steps), *design.graph],
        ]

    @property
    def hash(self) -> str:
        """The digest of what the numbers mean: twelve hexadecimal digits."""
        return digest_of(self.meaning)


def _design(designed: Sequence[Words | DesignStep]) -> tuple[str, list[DesignStep]]:
    """The column of a designed path, and its steps without the prefix of stages."""
    steps = [step if isinstance(step, DesignStep) else DesignStep(step) for step in designed]
    words = [word for step in steps for word in step.any_of]
    stages = [word for word in words if word.startswith(STAGE_PREFIX)]
    if stages and len(stages) < len(words):
        raise DefinitionError(
            "A designed path is of touchpoints or of stages.", expected="not of both", found=", ".join(words)
        )
    return STAGE if stages else TOUCHPOINT, [step.of_stages() if stages else step for step in steps]
