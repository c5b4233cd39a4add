"""What is true of each customer of a part, and from when on: in, out or not known, from the first touch on.

Times are whole microseconds, so a closed interval ends one microsecond before the next state begins. Kleene's logic is
the order out < not known < in: `all` takes the lowest state, `any` the highest, `none` turns the order round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.conditions import Step
from analytics.engine.matching import Matcher
from analytics.store.columns import AT
from analytics.store.encoding import Dictionaries, as_time
from analytics.store.parts import Part

OUT, UNKNOWN, IN = 0, 1, 2
FOREVER: Final = 1 << 61
"""Longer than any time between two touches, in microseconds."""

Ints = NDArray[np.int64]
Values = NDArray[np.int8]


@dataclass(frozen=True)
class Customers:
    """The customers of a whole part, with all their touches, as conditions read them.

    `end` is the end of the data, in microseconds; no state is told of a later time than that and the last touch.
    """

    part: Part
    words: Dictionaries
    end: int

    @cached_property
    def bounds(self) -> Ints:
        """Where customers begin, and the end."""
        return self.part.bounds()

    @cached_property
    def times(self) -> Ints:
        """When each touch is, in microseconds."""
        return as_time(self.part.read([AT])[AT]).to_physical().to_numpy()

    @cached_property
    def first(self) -> Ints:
        """When each customer's first touch is."""
        return self.times[self.bounds[:-1]]

    @cached_property
    def horizon(self) -> int:
        """The last instant of which a state is told."""
        return max(self.end, int(self.times.max())) if len(self.times) else self.end

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def matching(self, steps: Sequence[Step]) -> Ints:
        """The rows of the touches that are any of the steps."""
        matcher = Matcher(tuple(steps))
        codes, bits = matcher.match(self.part, self.part.read(matcher.columns), self.words)
        return np.flatnonzero((bits != 0)[codes])

    def of_rows(self, rows: Ints) -> Ints:
        """The customer of each of these rows, as their number in the part."""
        return np.searchsorted(self.bounds, rows, side="right") - 1

    def of_keys(self, keys: pl.Series) -> pl.Series:
        """The number of each of these customers in the part; null for those of other parts."""
        numbers = self.part.people(["customer"]).with_row_index(" number")
        asked = keys.cast(numbers.schema["customer"], strict=False).alias("customer").to_frame()
        return asked.join(numbers, on="customer", how="left", maintain_order="left")[" number"].cast(pl.Int64)


@dataclass(frozen=True)
class States:
    """The states of customers: entry `i` says that `person[i]` has the state `value[i]` from `since[i]` on.

    Entries are sorted by person and time; the first of every person is at their first touch, and two neighbouring ones
    of a person differ.
    """

    person: Ints
    since: Ints
    value: Values

    @classmethod
    def of(
        cls, customers: Customers, person: Ints, since: Ints, value: Any, before: int | NDArray[Any] = OUT
    ) -> States:
        """The states that begin at these times, sorted by person and time; `before` holds from the first touch on.

        A state that begins before the first touch holds from there on. Of several that begin at once the last holds.
        """
        size = len(customers)
        place = np.arange(len(person)) + person + 1
        added = np.ones(size + len(person), np.bool_)
        added[place] = False
        people, times = np.empty(len(added), np.int64), np.empty(len(added), np.int64)
        values = np.empty(len(added), np.int8)
        people[added], times[added], values[added] = np.arange(size), customers.first, before
        people[place], times[place], values[place] = person, np.maximum(since, customers.first[person]), value
        return _tidy(people, times, values, customers.horizon)

    @classmethod
    def during(cls, customers: Customers, person: Ints, since: Ints, until: Ints) -> States:
        """In during these closed intervals, else out; intervals of a person neither overlap nor meet."""
        changes = np.column_stack((since, until + 1)).ravel()
        return cls.of(customers, np.repeat(person, 2), changes, np.tile((IN, OUT), len(person)))

    def __invert__(self) -> States:
        return States(self.person, self.since, (IN - self.value).astype(np.int8))

    @property
    def after(self) -> Ints:
        """When each state ends: the beginning of the person's next one, `FOREVER` for the last."""
        after = np.append(self.since[1:], FOREVER)
        after[np.append(self.person[1:] != self.person[:-1], True)] = FOREVER
        return after

    def masked(self, hidden: NDArray[np.bool_]) -> States:
        """The same, but nothing is known of these persons."""
        value = np.where(hidden[self.person], UNKNOWN, self.value).astype(np.int8)
        return _tidy(self.person, self.since, value, FOREVER)

    def at_touches(self, customers: Customers) -> Values:
        """The state at each touch."""
        rows = _first_rows(customers, self.person, self.since)
        return np.repeat(self.value, np.diff(np.append(rows, customers.bounds[-1])))

    def at(self, instant: int, size: int) -> Values:
        """The state of each of the `size` persons at an instant; -1 before the first touch."""
        found = np.full(size, -1, np.int8)
        holds = (self.since <= instant) & (instant < self.after)
        found[self.person[holds]] = self.value[holds]
        return found

    def at_once(self, instants: Ints) -> tuple[Ints, Ints]:
        """The positions of the first instant in each state, and of the first after it."""
        return np.searchsorted(instants, self.since), np.searchsorted(instants, self.after)


def combined(states: Sequence[States], *, highest: bool) -> States:
    """The lowest state of several at every instant, or the highest."""
    if len(states) == 1:
        return states[0]
    person, since = (np.concatenate([getattr(one, name) for one in states]) for name in ("person", "since"))
    source = np.repeat(np.arange(len(states)), [len(one.person) for one in states])
    order = time_order(person, since)
    person, since, source = person[order], since[order], source[order]
    last = _is_last(person, since)
    found: Values | None = None
    for number, one in enumerate(states):
        value = one.value[(np.cumsum(source == number) - 1)[last]]
        found = value if found is None else (np.maximum if highest else np.minimum)(found, value)
    assert found is not None
    return _tidy(person[last], since[last], found, FOREVER)


def merged_runs(person: Ints, since: Ints, until: Ints) -> tuple[Ints, Ints, Ints]:
    """The union of closed intervals whose beginnings and ends both rise within a person; those that meet are one.

    >>> [one.tolist() for one in merged_runs(np.array([0, 0, 0]), np.array([1, 3, 9]), np.array([2, 6, 9]))]
    [[0, 0], [1, 9], [6, 9]]
    """
    begins = np.append(True, (person[1:] != person[:-1]) | (since[1:] > until[:-1] + 1))[: len(person)]
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(person)) - 1
    return person[first], since[first], until[last[: len(first)]]


def _tidy(person: Ints, since: Ints, value: Values, horizon: int) -> States:
    """States without those that nobody sees: that begin after the horizon, end at once, or change nothing."""
    kept = since <= horizon
    if not kept.all():
        person, since, value = person[kept], since[kept], value[kept]
    last = _is_last(person, since)
    if not last.all():
        person, since, value = person[last], since[last], value[last]
    news = np.append(True, (person[1:] != person[:-1]) | (value[1:] != value[:-1]))[: len(person)]
    return States(person[news], since[news], value[news])


def _is_last(person: Ints, since: Ints) -> NDArray[np.bool_]:
    """Whether each entry is the last of its person and time."""
    return np.append((person[1:] != person[:-1]) | (since[1:] != since[:-1]), True)[: len(person)]


def time_order(person: Ints, since: Ints) -> NDArray[np.intp]:
    """The order by person and time; equal entries stay as they are."""
    keys = as_keys(person, since, int(since.min()), int(since.max())) if len(since) else since
    return np.lexsort((since, person)) if keys is None else np.argsort(keys, kind="stable")


def as_keys(person: Ints, since: Ints, low: int, high: int) -> Ints | None:
    """One number per entry that sorts by person, then time from `low` to `high`; None where the numbers do not fit."""
    span = high - low + 1
    if (int(person.max(initial=0)) + 1) * span >= 1 << 63:
        return None
    return person * span + (since - low)


def _first_rows(customers: Customers, person: Ints, since: Ints) -> Ints:
    """The first row of each person at or after a time; where there is none, that of the next person."""
    low = int(customers.first.min()) if len(customers) else 0
    keys = as_keys(person, since, low, customers.horizon)
    of_touch = np.repeat(np.arange(len(customers)), np.diff(customers.bounds))
    own = as_keys(of_touch, customers.times, low, customers.horizon)
    if keys is None or own is None:
        return _searched_rows(customers, person, since)
    return np.searchsorted(own, keys)


def _searched_rows(customers: Customers, person: Ints, since: Ints) -> Ints:
    """The same by halving each person's touches, where no number says both the person and the time."""
    low, high = customers.bounds[person], customers.bounds[person + 1]
    while True:
        open_ = np.flatnonzero(low < high)
        if not len(open_):
            return low
        middle = (low[open_] + high[open_]) // 2
        later = customers.times[middle] >= since[open_]
        high[open_[later]] = middle[later]
        low[open_[~later]] = middle[~later] + 1
