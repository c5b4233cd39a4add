"""Defines an experiment: who is assigned, to which variant, and what is compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, get_args

from analytics.engine.conditions import Step, Words, fill, one_of, several
from analytics.engine.goals import Goal, GoalWords, as_goal
from analytics.statistics.experiments import PLANNED_CUSTOMERS, check_planned
from analytics.store.frames import as_utc
from expectations.config.durations import duration
from expectations.errors import DefinitionError, nearest

Counted = Literal["share", "goals"]
Better = Literal["more", "fewer"]
COUNTED: Final = get_args(Counted)
BETTER: Final = get_args(Better)


@dataclass(frozen=True, eq=False, init=False)
class Metric:
    """What an experiment compares: the share of customers who reach a `goal`, or the number of `goals` of each.

    `goal` is one touchpoint or several, a `Goal`, or a `Step` with a condition. `better` says whether `more` of it is
    good (default), or `fewer`. Raises `DefinitionError` for other words.

    >>> Metric("Order placed", of="goals").name
    'Order placed'
    """

    goal: Goal | Step
    of: Counted
    better: Better
    name: str

    def __init__(
        self, goal: GoalWords | Step, *, of: Counted = "share", better: Better = "more", name: str = ""
    ) -> None:
        named = goal if isinstance(goal, Step) else as_goal(goal)
        fill(
            self,
            goal=named,
            of=one_of("of", of, COUNTED),
            better=one_of("better", better, BETTER),
            name=name or named.name,
        )


OneMetric = str | Goal | Step | Metric


@dataclass(frozen=True, eq=False, init=False)
class Experiment:
    """Compares customers by the variant that they were first shown.

    An **exposure** is a touch that meets `assignment` (a touchpoint, several, or a `Step`), at `start` (inclusive) to
    `end` (exclusive); the text column `variant` says which variant it was. `planned` are the shares that customers were
    to be assigned by; without them, all variants that occur alike. `metrics` are goals or `Metric`s, looked for in the
    `window` after the exposure, and for means also in the time `before` it. `expected` is the planned number of
    customers, by which the sequence of intervals is tuned.

    Raises `DefinitionError` for no name or no metric, two metrics of one name, planned shares of fewer than two
    variants, without the control, or that do not add up to 1, a window that is not above 0, no expected customers, and
    an end that is not after the start.

    >>> Experiment("button", "Page seen", metrics="Order placed").window.days
    14
    """

    name: str
    assignment: Step
    variant: str
    control: str
    planned: Mapping[str, float] | None
    metrics: tuple[Metric, ...]
    window: timedelta
    before: timedelta
    start: datetime | None
    end: datetime | None
    expected: int

    def __init__(
        self,
        name: str,
        assignment: Words | Step,
        *,
        metrics: OneMetric | Sequence[OneMetric],
        variant: str = "variant",
        control: str = "A",
        planned: Mapping[str, float] | None = None,
        window: str | timedelta = "14d",
        before: str | timedelta = "30d",
        start: datetime | None = None,
        end: datetime | None = None,
        expected: int = PLANNED_CUSTOMERS,
    ) -> None:
        if planned is not None:
            check_planned(planned)
            if control not in planned:
                found = ", ".join(planned)
                raise DefinitionError(
                    f"The control {control!r} has no planned share.", found=found, do=nearest(control, planned)
                )
        each = [metrics] if isinstance(metrics, str | Goal | Step | Metric) else list(metrics)
        fill(
            self,
            name=name,
            assignment=assignment if isinstance(assignment, Step) else Step(several("An assignment", assignment)),
            variant=variant,
            control=control,
            planned=None if planned is None else dict(planned),
            metrics=tuple(one if isinstance(one, Metric) else Metric(one) for one in each),
            window=duration(window),
            before=duration(before),
            start=None if start is None else as_utc(start),
            end=None if end is None else as_utc(end),
            expected=expected,
        )
        self._check()

    def within(self, start: datetime, end: datetime) -> Experiment:
        """The same from another `start` to another `end`."""
        changed = object.__new__(Experiment)
        fill(changed, **{**vars(self), "start": start, "end": end})
        return changed

    def _check(self) -> None:
        names = [metric.name for metric in self.metrics]
        if not self.name or not names or len(set(names)) < len(names):
            expected = "a name, and one metric or more with names of their own"
            raise DefinitionError("An experiment compares metrics.", expected=expected, found=", ".join(names))
        if self.window <= timedelta():
            raise DefinitionError("A window takes some time.", expected="above 0, such as 14d", found=str(self.window))
        if self.expected < 1:
            raise DefinitionError("No customers are expected.", expected="1 or more", found=str(self.expected))
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise DefinitionError(
                "An experiment ends after its start.", expected=f"after {self.start}", found=str(self.end)
            )
