"""The conditions of a segment. Each is true, false or not known of a customer at every instant from the first touch on.

A condition uses the touches up to and including the instant, never later ones. Windows include both edges: a touch
exactly `within` ago counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, Self, TypeVar

import numpy as np

from analytics.engine.conditions import ANY, STAGE_PREFIX, Step, Words, fill, several
from analytics.engine.local.money import MILLION, Amounts, Money
from analytics.engine.notices.unknown_words import unknown_steps, warn_of_unknown
from analytics.segments.named.states import (
    FOREVER,
    IN,
    OUT,
    UNKNOWN,
    Customers,
    Ints,
    States,
    merged_runs,
    time_order,
)
from analytics.store.columns import STAGE
from analytics.store.paths import Paths
from expectations.config.durations import duration
from expectations.errors import DefinitionError

_C = TypeVar("_C")


class Condition(Protocol):
    """What a segment asks of customers. Frozen and picklable."""

    @property
    def text(self) -> str:
        """The condition in words; equal texts mean equal conditions."""

    def checked(self, paths: Paths) -> Self:
        """The condition, bound to a store. Raises `DefinitionError` for a column that is not there or cannot be used;
        warns of words that no touch has.
        """

    def states(self, customers: Customers) -> States:
        """The states of the customers of a part."""


@dataclass(frozen=True, eq=False, init=False)
class Did:
    """At least `at_least` touches of any of these, at most `within` ago; without `within` ever.

    `what` are touchpoints, stages written `stage:NAME`, or a `Step`. Raises `DefinitionError` for `at_least` below 1,
    and for a `within` that is no time above 0.

    >>> Did("Order placed", at_least=2, within="60d").text
    "did 'Order placed' at least 2 within 60d"
    """

    steps: tuple[Step, ...]
    at_least: int
    within: timedelta | None

    def __init__(self, what: Words | Step, *, at_least: int = 1, within: str | timedelta | None = None) -> None:
        if isinstance(at_least, bool) or not isinstance(at_least, int) or at_least < 1:
            raise DefinitionError("Touches are counted from 1.", expected="at_least of 1 or more", found=str(at_least))
        fill(self, steps=touches_named(what), at_least=at_least, within=window(within))

    @property
    def text(self) -> str:
        """The condition in words."""
        least = f" at least {self.at_least}" if self.at_least > 1 else ""
        return f"did {text_of_steps(self.steps)}{least}{text_within(self.within)}"

    def checked(self, paths: Paths) -> Self:
        """The condition, bound to a store."""
        check_steps(paths, self.steps)
        return self

    def states(self, customers: Customers) -> States:
        """In while the touch that is `at_least` touches back is at most `within` ago."""
        return States.during(customers, *_runs(customers, self.steps, self.at_least, self.within))

    def counting(self, customers: Customers, instant: int) -> Ints:
        """The rows of the touches that count at an instant."""
        return _in_window(customers, self.steps, self.within, instant)


@dataclass(frozen=True, eq=False, init=False)
class DidNot:
    """No touch of any of these at most `within` ago, of a customer who has been seen for that long.

    Not known while there is none and the first touch is less than `within` ago: a new customer is not a lapsed one.
    `what` is as of `Did`. For never at all, use `NoneOf(Did(...))`.

    >>> DidNot("Order placed", within="60d").text
    "did not 'Order placed' within 60d"
    """

    steps: tuple[Step, ...]
    within: timedelta

    def __init__(self, what: Words | Step, *, within: str | timedelta | None = None) -> None:
        if within is None:
            raise DefinitionError(
                "What customers did not do needs a time.",
                expected='within, such as "60d"',
                do="for never at all, say none of `did`",
            )
        fill(self, steps=touches_named(what), within=window(within))

    @property
    def text(self) -> str:
        """The condition in words."""
        return f"did not {text_of_steps(self.steps)}{text_within(self.within)}"

    def checked(self, paths: Paths) -> Self:
        """The condition, bound to a store."""
        check_steps(paths, self.steps)
        return self

    def states(self, customers: Customers) -> States:
        """Out while `Did` is in, else not known until the customer has been seen for `within`, then in.

        Who did it once has been seen for `within` when that is over.
        """
        person, since, until = _runs(customers, self.steps, 1, self.within)
        long = customers.first + microseconds(self.within)
        begin = np.full(len(customers), FOREVER)
        begin[person[::-1]] = since[::-1]  # the first run of a person is written last
        early = np.flatnonzero(begin > long)
        place = np.arange(2 * len(person)) + np.repeat(np.searchsorted(early, person, side="right"), 2)
        people, times = (
            np.empty(len(early) + 2 * len(person), np.int64),
            np.empty(len(early) + 2 * len(person), np.int64),
        )
        values = np.full(len(people), IN)
        is_run = np.zeros(len(people), np.bool_)
        is_run[place] = True
        people[~is_run], times[~is_run] = early, long[early]
        people[place], times[place] = np.repeat(person, 2), np.column_stack((since, until + 1)).ravel()
        values[place[::2]] = OUT
        return States.of(customers, people, times, values, UNKNOWN)

    def counting(self, customers: Customers, instant: int) -> Ints:
        """The rows of the touches that keep a customer out at an instant."""
        return _in_window(customers, self.steps, self.within, instant)


@dataclass(frozen=True, eq=False, init=False)
class Total:
    """The sum of a numeric column over touches at most `within` ago is `at_least` so much; without `within` ever.

    `value` is a column, or `Money`; a missing amount, and one that cannot be converted, adds 0. `of` are the touches
    that count, as of `Did`; all by default. Raises `DefinitionError` for an amount that is no number.

    >>> Total("revenue", at_least=500, within="365d").text
    "total 'revenue' at least 500 within 365d"
    """

    value: str | Money
    at_least: float
    steps: tuple[Step, ...]
    within: timedelta | None
    amounts: Amounts | None

    def __init__(
        self,
        value: str | Money,
        *,
        at_least: float,
        within: str | timedelta | None = None,
        of: Words | Step = ANY,
    ) -> None:
        if isinstance(at_least, bool) or not isinstance(at_least, int | float) or not abs(at_least) < FOREVER / MILLION:
            raise DefinitionError("A total is at least an amount.", expected="a number", found=str(at_least))
        fill(self, value=value, at_least=at_least, steps=touches_named(of), within=window(within), amounts=None)

    @property
    def text(self) -> str:
        """The condition in words."""
        column = repr(self.value.column if isinstance(self.value, Money) else self.value)
        of = "" if _is_any(self.steps) else f" of {text_of_steps(self.steps)}"
        return f"total {column}{of} at least {self.at_least:.15g}{text_within(self.within)}"

    def checked(self, paths: Paths) -> Self:
        """The condition, bound to a store."""
        check_steps(paths, self.steps)
        return with_fields(self, amounts=Amounts.of(paths, self.value))

    def states(self, customers: Customers) -> States:
        """In while the sum is high enough: every amount is added at its touch, and taken off after `within`."""
        assert self.amounts is not None, "checked"
        rows = customers.matching(self.steps)
        amount, _ = self.amounts.at_rows(customers.part.read(self.amounts.columns), rows)
        rows, amount = rows[amount != 0], amount[amount != 0]
        person, times = customers.of_rows(rows), customers.times[rows]
        since, change = times, amount
        if self.within is not None:
            gone = times + microseconds(self.within) + 1
            person, since, change = np.tile(person, 2), np.append(times, gone), np.append(amount, -amount)
            order = time_order(person, since)
            person, since, change = person[order], since[order], change[order]
        sums = np.cumsum(change) - np.repeat(*_before(person, change))
        least = round(self.at_least * MILLION)
        before = IN if least <= 0 else OUT
        return States.of(customers, person, since, np.where(sums >= least, IN, OUT), before)

    def counting(self, customers: Customers, instant: int) -> Ints:
        """The rows of the touches whose amounts are in the sum at an instant."""
        assert self.amounts is not None, "checked"
        rows = _in_window(customers, self.steps, self.within, instant)
        amount, _ = self.amounts.at_rows(customers.part.read(self.amounts.columns), rows)
        counting: Ints = rows[amount != 0]
        return counting


def _before(person: Ints, change: Ints) -> tuple[Ints, Ints]:
    """The sum of all changes before each person's first one, and how many changes the person has."""
    first = np.flatnonzero(np.append(True, person[1:] != person[:-1])[: len(person)])
    return (np.cumsum(change) - change)[first], np.diff(np.append(first, len(person)))


def touches_named(what: Words | Step) -> tuple[Step, ...]:
    """The steps that touches may be: touchpoints, and stages written `stage:NAME`."""
    if isinstance(what, Step):
        return (what,)
    words = several("A condition", what)
    stages = [word.removeprefix(STAGE_PREFIX) for word in words if word.startswith(STAGE_PREFIX)]
    touchpoints = [word for word in words if not word.startswith(STAGE_PREFIX)]
    named = [Step(touchpoints)] if touchpoints else []
    return (*named, Step(stages, on=STAGE)) if stages else tuple(named)


def check_steps(paths: Paths, steps: Sequence[Step]) -> None:
    """Raises `DefinitionError` for a column that is not there; warns of words that no touch has."""
    conditions = [step.where for step in steps if step.where is not None]
    asked = [step.on for step in steps if ANY not in step.any_of]
    paths.require(*asked, *(name for where in conditions for name in where.meta.root_names()))
    warn_of_unknown(unknown_steps(paths, steps))


def window(within: str | timedelta | None) -> timedelta | None:
    """A length of time above 0; None is none."""
    length = None if within is None else duration(within)
    if length is not None and length <= timedelta(0):
        raise DefinitionError("A condition looks back over some time.", expected="within above 0", found=str(within))
    return length


def microseconds(within: timedelta | None) -> int:
    """A window in microseconds; none is `FOREVER`."""
    return FOREVER if within is None else min(micros_of(within), FOREVER)


def micros_of(length: timedelta) -> int:
    """A length of time in microseconds."""
    return length // timedelta(microseconds=1)


def text_within(within: timedelta | None) -> str:
    """A window in words."""
    return "" if within is None else f" within {text_of_length(within)}"


def text_of_length(length: timedelta) -> str:
    """A length of time in its largest whole unit.

    >>> text_of_length(timedelta(hours=36)), text_of_length(timedelta(days=7))
    ('36h', '7d')
    """
    size = micros_of(length)
    units = {"d": 86_400_000_000, "h": 3_600_000_000, "m": 60_000_000, "s": 1_000_000, "ms": 1000, "µs": 1}
    unit = next(unit for unit, one in units.items() if size % one == 0)
    return f"{size // units[unit]}{unit}"


def text_of_steps(steps: Sequence[Step]) -> str:
    """What touches may be, in words."""
    return " or ".join(_text_of_step(step) for step in steps)


def _text_of_step(step: Step) -> str:
    on = {"touchpoint": "", STAGE: STAGE_PREFIX}.get(step.on, f"{step.on}=")
    words = " or ".join(f"{on}{value!r}" for value in step.any_of)
    first = f" first time {step.first_time}" if step.first_time else ""
    return words + first + (f" where {step.where}" if step.where is not None else "")


def _is_any(steps: Sequence[Step]) -> bool:
    return len(steps) == 1 and ANY in steps[0].any_of and steps[0].where is None


def _runs(
    customers: Customers, steps: Sequence[Step], at_least: int, within: timedelta | None
) -> tuple[Ints, Ints, Ints]:
    """When the matching touch that is `at_least` touches back is at most `within` ago: person, since, until."""
    rows, back = customers.matching(steps), at_least - 1
    person, times = customers.of_rows(rows), customers.times[rows]
    enough = person[back:] == person[: max(0, len(person) - back)]
    person, since = person[back:][enough], times[back:][enough]
    until = times[: max(0, len(times) - back)][enough] + microseconds(within)
    lasts = until >= since
    return merged_runs(person[lasts], since[lasts], until[lasts])


def _in_window(customers: Customers, steps: Sequence[Step], within: timedelta | None, instant: int) -> Ints:
    """The rows of the matching touches at most `within` before an instant."""
    rows = customers.matching(steps)
    times = customers.times[rows]
    return rows[(times <= instant) & (times >= instant - microseconds(within))]


def with_fields(condition: _C, **fields: Any) -> _C:
    """A copy of a frozen condition with other fields."""
    changed: _C = object.__new__(type(condition))
    fill(changed, **{**vars(condition), **fields})
    return changed
