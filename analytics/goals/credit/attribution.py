"""Which channels get the credit for the goals: by rules, by Shapley values and by a Markov chain, with intervals.

Credit shares out what happened. It does not say what would have happened without a channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any, ClassVar, Final, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.analysis import Cells, answer, measured_by
from analytics.engine.conditions import ANY, Step, fill
from analytics.engine.distributions import DISTRIBUTION, distributions, quantiles
from analytics.engine.goals import GoalTouches, GoalWords, goal_touches, marked
from analytics.engine.local.money import Amounts
from analytics.engine.matching import Matcher
from analytics.engine.notices.unknown_words import unknown_words, warn_of_unknown
from analytics.engine.partials import add_up
from analytics.engine.run import on_parts, run
from analytics.engine.sequences import Ints
from analytics.goals.credit.credit_paths import credit_paths
from analytics.goals.credit.credit_rows import credit_rows
from analytics.goals.credit.credit_sums import KEYS, SUMS, CreditSums, PartRead, Worth
from analytics.goals.credit.definition import Attribution, Model
from analytics.paths.view import REST, Breakdown, By, node_names
from analytics.store.columns import AT
from analytics.store.encoding import Dictionaries
from analytics.store.frames import as_utc, micros
from analytics.store.parts import Part
from analytics.store.paths import MAX_TIME, Paths
from expectations.errors import DefinitionError

MAX_VALUES: Final = 200
CUT_AT: Final = 0.99
"""Intervals of a value are from values cut at this quantile."""


@dataclass(frozen=True, eq=False)
class CreditCounts:
    """Counts the credits of a store by value and replicate, in integers that add up, and the moves of the chain.

    The rows of a partial are those of `CreditSums`.
    """

    SCHEMA: ClassVar[pl.Schema] = answer(
        model=pl.String,
        credited=pl.String,
        credit=pl.Float64,
        credit_low=pl.Float64,
        credit_high=pl.Float64,
        share=pl.Float64,
        value=pl.Float64,
        value_low=pl.Float64,
        value_high=pl.Float64,
        removal=pl.Float64,
        adds=pl.Boolean,
        conversions=pl.Int64,
        truncated=pl.Int64,
        nulls=pl.Int64,
        open=pl.Int64,
        customers=pl.Int64,
        value_left_out=pl.Int64,
        share_cut=pl.Float64,
        enough=pl.Boolean,
    )
    CELLS: ClassVar[Cells | None] = None
    BOUND: ClassVar[int] = 1 << 22

    asked: Attribution
    by: Breakdown
    goal: GoalTouches | Matcher
    eligible: Matcher | None
    names: tuple[str, ...]
    codes: NDArray[np.int64] = field(repr=False)
    """The number of the name of each stored code of the column; -1 after them, for touches without a value."""
    amounts: Amounts | None
    span: tuple[int, int]
    """When goals count: from the first time to before the second."""
    data: tuple[int, int]
    """The times of the first touch, and of the end of the data."""
    point: int | None = None
    """Where values are cut for their intervals, in millionths; null without values."""

    @classmethod
    def of(
        cls,
        paths: Paths,
        definition: Attribution | GoalWords | Step,
        *,
        by: By = (),
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> Self:
        """The measure of the arguments of `attribution`."""
        asked = definition if isinstance(definition, Attribution) else Attribution(definition)
        paths.require(asked.on, *([] if asked.only is None else asked.only.meta.root_names()))
        words = paths.values_of(asked.on)
        warn_of_unknown(unknown_words(paths, asked.on, asked.ignore))
        eligible = None if asked.only is None else Matcher((Step(ANY, asked.only),))
        codes, names = _named(paths, asked, words, eligible)
        measure = cls(
            asked,
            Breakdown.of(paths, by, [*cls.SCHEMA, *KEYS, *SUMS]),
            goal_touches(paths, asked.goal),
            eligible,
            names,
            codes,
            Amounts.of(paths, asked.value) if asked.value is not None else None,
            (-MAX_TIME if start is None else micros(as_utc(start)), MAX_TIME if end is None else micros(as_utc(end))),
            (_first_touch(paths), micros(paths.end_of_data) if paths.end_of_data else 0),
        )
        if measure.amounts is None:
            return measure
        spread = add_up(on_parts(paths, measure._spread), [], {"values": DISTRIBUTION})
        point = quantiles(spread["values"], [CUT_AT])[0][0] if len(spread) else None
        return replace(measure, point=round(point or 0))

    def _spread(self, part: Part, words: Dictionaries) -> pl.DataFrame:
        """The values of the goals of a part that are above 0."""
        assert self.amounts is not None, "there are values"
        part = part.held()
        times = part.times()
        inside = (times >= self.span[0]) & (times < self.span[1])
        goals = np.flatnonzero(marked(self.goal, part, words) & inside)
        worth = Worth.of(part, self.amounts, goals).millionths
        worth = worth[worth > 0]
        return pl.DataFrame({"values": distributions(np.zeros(len(worth), np.int64), worth, 1)})

    def alone(self, model: Model) -> Self:
        """The same with one model."""
        asked = copy(self.asked)
        fill(asked, models=(model,))
        return replace(self, asked=asked)

    @property
    def columns(self) -> tuple[str, ...]:
        """The stored columns that are read."""
        conditions = [] if self.eligible is None else self.eligible.columns
        amounts = () if self.amounts is None else self.amounts.columns
        return tuple(dict.fromkeys([AT, self.asked.on, *self.goal.columns, *conditions, *self.by.columns, *amounts]))

    @property
    def schema(self) -> dict[str, Any]:
        """The columns of a partial."""
        return {**self.by.types, **KEYS, **dict.fromkeys(SUMS, pl.Int64)}

    def partial(self, part: Part, words: Dictionaries) -> pl.DataFrame:
        """The credits of one part."""
        part = part.held()
        read, eligible, is_goal = self.reading(part, words)
        times, lookback = read.times, micros(self.asked.lookback)
        found = credit_paths(
            times,
            part.bounds(),
            eligible,
            is_goal,
            lookback=lookback,
            end_of_data=self.data[1],
            reset=self.asked.reset,
        ).among(times, *self.span)
        touches = read.path_touches(found, self.asked, self.ignored)
        goals = found.end[: found.converted]
        groups = self.by.at(part, words, np.concatenate([found.end, found.opened]))
        sums = CreditSums.of(read, found, touches, Worth.of(part, self.amounts, goals, self.point), groups)
        tables = [*sums.counted(times[goals] - lookback < self.data[0]), *sums.credits(self.asked)]
        if "markov" in self.asked.models:
            tables.append(sums.chain(self.asked, len(self.names)))
        return pl.concat([pl.DataFrame(schema=self.schema), *tables])

    def reading(self, part: Part, words: Dictionaries) -> tuple[PartRead, NDArray[np.bool_], NDArray[np.bool_]]:
        """A part that is held, which of its touches may lie on a path, and which are the goal."""
        stored = part.read([self.asked.on])[self.asked.on]
        codes = np.asarray(self.codes[stored.cast(pl.Int64).fill_null(len(self.codes) - 1).to_numpy()])
        eligible = codes >= 0
        if self.eligible is not None:
            eligible = eligible & self.eligible.marked(part, words)
        return PartRead(part, part.times(), codes), eligible, marked(self.goal, part, words)

    @property
    def ignored(self) -> Ints:
        """The numbers of the values that are ignored."""
        return np.flatnonzero([name in self.asked.ignore for name in self.names])

    def merge(self, partials: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Adds up the counts of parts."""
        return add_up(partials, [*self.by.names, *KEYS], self.schema)

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `attribution`."""
        return credit_rows(merged, self.asked, self.names, self.by.names, self.SCHEMA)

    def exactly(self, _: pl.DataFrame) -> Self:
        """The same: nothing here is a quantile."""
        return self


def _named(
    paths: Paths, asked: Attribution, words: pl.Series, eligible: Matcher | None
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """The number of the name of each stored code, and the names: the most common ones, and `REST`."""
    codes = np.append(np.arange(len(words)), -1)
    if asked.top is None or asked.top >= len(words):
        if len(words) > MAX_VALUES:
            raise DefinitionError(
                f"Column {asked.on!r} has too many values to share credit among.",
                expected=f"at most {MAX_VALUES}",
                found=f"{len(words):,}",
                do="name the most common with top (50, say): the others are one",
            )
        return codes, tuple(words.cast(pl.String))
    counts = sum(on_parts(paths, partial(_touches_of, asked.on, len(words), eligible)), np.zeros(len(words), np.int64))
    common = np.argsort(-counts, kind="stable")[: asked.top]
    codes[:-1] = len(common)
    codes[common] = np.arange(len(common))
    return codes, tuple(node_names(words.gather(common), [REST]))


def _touches_of(on: str, size: int, eligible: Matcher | None, part: Part, words: Dictionaries) -> Ints:
    """How many eligible touches of a part have each value."""
    part = part.held()
    column = part.read([on])[on]
    kept = column if eligible is None else column.filter(pl.Series(eligible.marked(part, words)))
    return np.bincount(kept.drop_nulls().to_numpy(), minlength=size)


def _first_touch(paths: Paths) -> int:
    """The time of the first touch, from which on data could be there."""
    return min(on_parts(paths, _first_time), default=0)


def _first_time(part: Part, _: Dictionaries) -> int:
    return int(part.times().min(initial=MAX_TIME))


@measured_by(CreditCounts)
def attribution(
    paths: Paths,
    definition: Attribution | GoalWords | Step,
    *,
    by: By = (),
    start: datetime | None = None,
    end: datetime | None = None,
) -> pl.DataFrame:
    """How the credit for a goal is shared among the channels, or other values, of the touches before it.

    `definition` is an `Attribution`, or a goal alone, with what that takes by default. A **conversion** is a goal touch
    from `start` (inclusive) to `end` (exclusive). A path without the goal is **null** when its last touch, which lies
    in the range, is longer ago than the lookback, and open before that; only the Markov chain reads null paths. With
    `by` a conversion belongs to the value at its goal touch, a null path to that at its last touch.

    Columns: those of `by`; `is_total` Boolean (rows over all groups come first, with null in `by`); `model` String;
    `credited` String (the value; null: goals without an eligible touch, whom nobody earns); `credit` Float64 (in goals:
    the credits of a model add up to the conversions, except those of `participation`, where `adds` is false);
    `credit_low`, `credit_high` (95 %, from replicates of customers, of the share, times the conversions; null unless
    `enough`); `share` Float64 (of the conversions); `value` Float64 (the credit for the value of the goals, null
    without one), `value_low`, `value_high` (approximate: from values cut at their 99 % point; null below 200 customers
    with a value); `removal` Float64 (of `markov`: the share of the attributed conversions that the chain loses without
    the value; null without a conversion); `adds` Boolean; `conversions`, `truncated` Int64 (conversions less than the
    lookback after the first touch of all: they may have lost touches), `nulls`, `open`, `customers` Int64 (with a
    conversion), `value_left_out` Int64 (amounts that cannot be converted), `share_cut` Float64 (how much of the value
    of the goals its intervals leave out; null without one above 0) of the group, the same in all of its rows; `enough`
    Boolean (30 such customers, in 20 replicates). Models in the order asked, the largest credit first, null last.

    Known flaws of Markov: without a channel customers might have come another way, so the effects add up to more than 1
    and are scaled; order 1 mixes unlike paths; a channel that everybody passes gets nearly all. With more than 500
    states of a chain of order 2 or more there is no interval.

    No touches, or no path at all, give no rows. Raises `DefinitionError` for an unknown column, more than 200 values
    without `top`, a value without numbers, and as `Attribution` does; warns of a goal that no touch has
    (`UnknownWordWarning`).

    >>> from analytics import Paths
    >>> shop = Paths.from_text({"ann": "see@0d[channel=ad] see@1d[channel=mail] pay@2d", "bo": "see@0d[channel=mail]"})
    >>> found = attribution(shop, Attribution("pay", models=["first", "linear"]))
    >>> found["model", "credited", "credit"].drop_nulls().rows()
    [('first', 'ad', 1.0), ('first', 'mail', 0.0), ('linear', 'ad', 0.5), ('linear', 'mail', 0.5)]
    """
    return run(paths, CreditCounts.of(paths, definition, by=by, start=start, end=end))
