"""Recency, frequency and money of customers who have reached the goal, each scored from 1 to 5.

Scores are those of the first instant of a month (UTC), over customers with a goal in the `lookback` before it: the time
since the last goal, the number of goals, the sum of their value. A score is 1 + floor(5 * customers with a strictly
smaller value / all); recency is scored from the other side. Equal values have equal scores.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.conditions import Step, Words, fill, one_of
from analytics.engine.local.money import MILLION, Amounts, Money
from analytics.engine.run import on_parts
from analytics.segments.named.conditions import (
    check_steps,
    micros_of,
    text_of_length,
    text_of_steps,
    touches_named,
    window,
    with_fields,
)
from analytics.segments.named.states import IN, OUT, UNKNOWN, Customers, Ints, States
from analytics.store.columns import CUSTOMER, TIME
from analytics.store.encoding import Dictionaries
from analytics.store.frames import as_utc, micros
from analytics.store.parts import Part
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

YEAR: Final = "365d"
SCORES: Final = ("r", "f", "m")
HIGHEST: Final = 5
RFM_SEGMENTS: Final = ("champions", "loyal", "promising", "at risk", "lost", "others")
"""The named groups of scores, of which the first that fits counts."""
_RATED: Final = {"recency": pl.Int64(), "frequency": pl.Int64(), "money": pl.Int64()}
"""What is scored: microseconds since the last goal, goals, and millionths of their value."""

Scores = NDArray[np.int64]


@dataclass(frozen=True)
class GoalHistory:
    """The goal touches of a part: person, time in microseconds and value in millionths, sorted by person and time."""

    person: Ints
    times: Ints
    amounts: Ints

    def before(self, instant: int, lookback: int) -> tuple[Ints, Scores]:
        """The persons with a goal in the `lookback` before an instant, and a column of each of `_RATED` for them."""
        rows = np.flatnonzero((self.times >= instant - lookback) & (self.times < instant))
        person = self.person[rows]
        first = np.flatnonzero(np.append(True, person[1:] != person[:-1])[: len(person)])
        if not len(first):
            return person, np.zeros((3, 0), np.int64)
        last = np.append(first[1:], len(person)) - 1
        recency = instant - self.times[rows[last]]
        return person[first], np.stack((recency, last - first + 1, np.add.reduceat(self.amounts[rows], first)))


@dataclass(frozen=True)
class Goals:
    """Which touches are the goal, what each is worth, and how far back they count."""

    steps: tuple[Step, ...]
    amounts: Amounts | None
    lookback: int

    @classmethod
    def of(cls, paths: Paths, steps: tuple[Step, ...] | None, value: str | Money | None, lookback: timedelta) -> Goals:
        """The goal given, or the one that ends journeys. Raises `DefinitionError` where there is neither."""
        if steps is None and paths.definition is None:
            raise DefinitionError("These paths have no goal.", expected="a goal", do="name its touchpoints as `goal`")
        steps = steps or touches_named(paths.definition.goal if paths.definition else ())
        check_steps(paths, steps)
        return cls(steps, None if value is None else Amounts.of(paths, value), micros_of(lookback))

    def history(self, customers: Customers) -> GoalHistory:
        """The goal touches of a part."""
        rows = customers.matching(self.steps)
        amounts = np.zeros(len(rows), np.int64)
        if self.amounts is not None:
            amounts, _ = self.amounts.at_rows(customers.part.read(self.amounts.columns), rows)
        return GoalHistory(customers.of_rows(rows), customers.times[rows], amounts)


@dataclass(frozen=True, eq=False, init=False)
class Rfm:
    """The scores of recency, frequency and money lie among these; all that are given must.

    `segments` are names of `RFM_SEGMENTS`, of which one must fit; `r`, `f` and `m` a score or several. Scores hold from
    the first instant of a month (UTC) to that of the next; not known before the first, and of customers without a goal
    in the `lookback`. `goal` is by default the one that ends journeys; `m` needs the `value` of a goal: a numeric
    column, or `Money`. Raises `DefinitionError` for no score at all, one outside 1 to 5, or an unknown name.

    >>> Rfm(r=(4, 5), f=5).text
    'rfm r 4, 5 f 5 within 365d'
    """

    segments: tuple[str, ...]
    scores: tuple[tuple[int, ...], ...]
    goal: tuple[Step, ...] | None
    value: str | Money | None
    lookback: timedelta
    scale: Scale | None

    def __init__(
        self,
        *segments: str,
        r: int | Iterable[int] = (),
        f: int | Iterable[int] = (),
        m: int | Iterable[int] = (),
        goal: Words | Step | None = None,
        value: str | Money | None = None,
        lookback: str | timedelta = YEAR,
    ) -> None:
        scores = tuple((given,) if isinstance(given, int) else tuple(given) for given in (r, f, m))
        wrong = [score for own in scores for score in own if score not in range(1, HIGHEST + 1)]
        if wrong or not (segments or any(scores)):
            found = str(wrong[0]) if wrong else "none"
            raise DefinitionError("Scores are from 1 to 5.", expected="r, f or m, or the name of a group", found=found)
        if scores[2] and value is None:
            raise DefinitionError("A score of money needs a value.", expected="value, a numeric column")
        fill(
            self,
            segments=tuple(one_of("group of scores", name, RFM_SEGMENTS) for name in segments),
            scores=scores,
            goal=None if goal is None else touches_named(goal),
            value=value,
            lookback=window(lookback),
            scale=None,
        )

    @property
    def text(self) -> str:
        """The condition in words."""
        asked = [f"{name} {', '.join(map(str, own))}" for name, own in zip(SCORES, self.scores, strict=True) if own]
        goal = [f"of {text_of_steps(self.goal)}"] if self.goal is not None else []
        value = self.value.column if isinstance(self.value, Money) else self.value
        worth = [f"value {value!r}"] if value else []
        names = [" or ".join(self.segments)] if self.segments else []
        return " ".join(["rfm", *names, *asked, *goal, *worth, f"within {text_of_length(self.lookback)}"])

    @property
    def steps(self) -> tuple[Step, ...]:
        """The goal: the one given, or once the condition is bound the one that ends journeys."""
        return self.scale.goals.steps if self.scale is not None else self.goal or ()

    def checked(self, paths: Paths) -> Self:
        """The condition, bound to a store: what the scores of every month are is counted over all customers."""
        goals = Goals.of(paths, self.goal, self.value, self.lookback)
        return with_fields(self, scale=Scale.of(paths, goals))

    def states(self, customers: Customers) -> States:
        """The states from month to month."""
        assert self.scale is not None, "checked"
        history, state = self.scale.goals.history(customers), np.full(len(customers), UNKNOWN, np.int8)
        entries = []
        for month, cuts in self.scale.months:
            person, rated = history.before(month, self.scale.goals.lookback)
            now = np.full(len(customers), UNKNOWN, np.int8)
            now[person] = np.where(self._holds(scores_of(rated, cuts)), IN, OUT)
            changed = np.flatnonzero(now != state)
            entries.append(np.stack((changed, np.full(len(changed), month), now[changed])))
            state = now
        every = np.concatenate([np.zeros((3, 0), np.int64), *entries], axis=1)
        person, since, value = every[:, np.lexsort((every[1], every[0]))]
        return States.of(customers, person, since, value, UNKNOWN)

    def _holds(self, scores: Scores) -> NDArray[np.bool_]:
        holds = np.ones(scores.shape[1], np.bool_)
        for own, asked in zip(scores, self.scores, strict=True):
            holds &= np.isin(own, asked) if asked else True
        return holds & np.isin(named_group(scores), self.segments) if self.segments else holds


@dataclass(frozen=True)
class Scale:
    """From which value on each score begins, at the first instant of every month up to the end of the data."""

    goals: Goals
    months: tuple[tuple[int, Scores], ...]

    @classmethod
    def of(cls, paths: Paths, goals: Goals) -> Scale:
        """Counts the values of all customers, month by month."""
        end = None if paths.end_of_data is None else micros(paths.end_of_data)
        tables = [] if end is None else on_parts(paths, partial(_values_by_month, goals, end), _added_up)
        table = _added_up(tables)
        if end is None or not len(table):
            return cls(goals, ())
        by_month = {int(str(month)): own for (month,), own in table.partition_by("month", as_dict=True).items()}
        months = _months(min(by_month) - 1, end)
        return cls(goals, tuple((month, _all_cuts(by_month.get(month, table.clear()))) for month in months))


def scores_of(rated: Scores, cuts: Scores) -> Scores:
    """The scores of customers: 1, and one more for each cut that their value reaches."""
    signs = np.array([[-1], [1], [1]])
    return 1 + sum((signs * rated >= cuts[:, [place]] for place in range(HIGHEST - 1)), np.zeros(rated.shape, np.int64))


def named_group(scores: Scores) -> NDArray[np.str_]:
    """The first of `RFM_SEGMENTS` that fits the scores of each customer.

    >>> named_group(np.array([[5, 1, 5, 3], [5, 4, 1, 3], [1, 1, 1, 1]])).tolist()
    ['champions', 'loyal', 'promising', 'others']
    """
    r, f = scores[0], scores[1]
    fits = [(r >= 4) & (f >= 4), f >= 4, (r >= 4) & (f <= 2), (r <= 2) & (f >= 3), (r <= 2) & (f <= 2)]
    return np.select(fits, RFM_SEGMENTS[:-1], RFM_SEGMENTS[-1])


def rfm(
    paths: Paths,
    goal: Words | Step | None = None,
    *,
    value: str | Money | None = None,
    at: datetime | None = None,
    lookback: str | timedelta = YEAR,
) -> pl.DataFrame:
    """The recency, frequency and money of every customer with a goal in the `lookback` before `at`, with scores.

    One row per customer, by key: `customer`; `recency` Duration (since the last goal), `frequency` Int64 (goal touches
    with `at - lookback <= t < at`), `money` Float64 (the sum of their `value`; 0 without one); the scores `r`, `f`, `m`
    Int64 from 1 to 5: 1 + floor(5 * customers with a strictly smaller value / all), of recency with a longer one;
    `segment` String, the first of `RFM_SEGMENTS` that fits. `goal` is by default the one that ends journeys, `at` the
    first instant (UTC) of the month in which the data end. Customers without such a goal have no row, nor have those
    who object to profiling; these count in the scores of the others. No touches give no rows.

    These are rows about single customers: they are never published. Raises `DefinitionError` for no goal, an unknown
    column, a value that cannot be added up, and a `lookback` that is no time above 0; warns of words no touch has.

    >>> from datetime import UTC, datetime
    >>> shop = Paths.from_text({"ann": "buy@0d[price=10]", "bo": "buy@3d[price=30] buy@4d[price=5]"}, end="40d")
    >>> rfm(shop, "buy", value="price", at=datetime(2024, 1, 11, tzinfo=UTC))["customer", "r", "f", "m"].rows()
    [('ann', 1, 1, 1), ('bo', 3, 3, 3)]
    """
    length = window(lookback)
    assert length is not None
    goals = Goals.of(paths, None if goal is None else touches_named(goal), value, length)
    end = paths.end_of_data
    instant = as_utc(at) if at is not None else end and end.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    schema = pl.Schema({CUSTOMER: paths.schema[CUSTOMER], **_RATED})
    tables = [] if instant is None else on_parts(paths, partial(_values_at, goals, micros(instant)))
    table = pl.concat([pl.DataFrame(schema=schema), *tables]).sort(CUSTOMER)
    rated = np.stack([table[name].to_numpy() for name in _RATED])
    scores = scores_of(rated, _all_cuts(table.with_columns(pl.lit(1).alias("customers"))))
    scored = table.select(
        CUSTOMER,
        pl.col("recency").cast(pl.Duration("us")),
        "frequency",
        pl.col("money") / MILLION,
        *(pl.Series(name, own, dtype=pl.Int64) for name, own in zip(SCORES, scores, strict=True)),
        pl.Series("segment", named_group(scores), dtype=pl.String),
    )
    return paths.without_objectors(scored)


def _values_at(goals: Goals, instant: int, part: Part, words: Dictionaries) -> pl.DataFrame:
    """What is scored of the customers of a part at an instant."""
    customers = Customers(part.whole.held(), words, instant)
    person, rated = goals.history(customers).before(instant, goals.lookback)
    return pl.DataFrame([part.whole.keys()[person].alias(CUSTOMER), *map(pl.Series, _RATED, rated)])


def _values_by_month(goals: Goals, end: int, part: Part, words: Dictionaries) -> pl.DataFrame:
    """How many customers of a part have which values at the first instant of every month."""
    history = goals.history(Customers(part.whole.held(), words, end))
    tables = []
    for month in _months(int(history.times.min()), end) if len(history.times) else ():
        _, rated = history.before(month, goals.lookback)
        tables.append(
            pl.DataFrame(list(map(pl.Series, _RATED, rated))).select(
                pl.lit(month).alias("month"), *_RATED, pl.lit(1).alias("customers")
            )
        )
    return _added_up(tables)


def _added_up(tables: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The customers by month and values, over several parts."""
    schema = pl.Schema({"month": pl.Int64(), **_RATED, "customers": pl.Int64()})
    table = pl.concat([pl.DataFrame(schema=schema), *(own.cast(schema) for own in tables)])
    return table.group_by("month", *_RATED).agg(pl.col("customers").sum()).sort("month", *_RATED)


def _months(after: int, end: int) -> list[int]:
    """The first instants of months (UTC) later than `after`, up to the end of the data."""
    first, last = (pl.Series([time]).cast(TIME).dt.month_start().dt.truncate("1d")[0] for time in (after, end))
    return [time for time in pl.datetime_range(first, last, "1mo", eager=True).cast(TIME).to_physical() if time > after]


def _all_cuts(table: pl.DataFrame) -> Scores:
    """The cuts of every value: one row for each of `_RATED`."""
    return np.stack([_cuts(table, name) for name in _RATED])


def _cuts(table: pl.DataFrame, name: str) -> Ints:
    """The lowest value with each of the scores from 2 on, a value larger than all where none has it.

    The value of recency is turned round: the shortest is the largest.
    """
    signed = -pl.col(name) if name == "recency" else pl.col(name)
    counts = table.group_by(signed.alias("value")).agg(pl.col("customers").sum().cast(pl.Int64)).sort("value")
    size = int(counts["customers"].sum())
    smaller = counts["customers"].cum_sum().to_numpy() - counts["customers"].to_numpy()
    scores = 1 + HIGHEST * smaller // max(size, 1)
    values = np.append(counts["value"].to_numpy(), np.iinfo(np.int64).max)
    return values[np.searchsorted(scores, np.arange(2, HIGHEST + 1))]
