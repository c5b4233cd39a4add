"""How often do paths with a channel reach the goal, and paths without it, among customers who are otherwise alike?

Credit shares out the goals that were reached. This compares paths, so that it also counts those that reached none; it
is no experiment either: who meets a channel may differ in what no column says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.analysis import IS_TOTAL, Cells, answer, measured_by
from analytics.engine.conditions import Step
from analytics.engine.goals import GoalWords
from analytics.engine.partials import add_up
from analytics.engine.run import run
from analytics.engine.sequences import Ints
from analytics.goals.credit.attribution import CreditCounts
from analytics.goals.credit.credit_models import PathTouches
from analytics.goals.credit.credit_rows import MIN_CUSTOMERS
from analytics.goals.credit.definition import Attribution
from analytics.goals.credit.followed_paths import FollowedPaths, followed_paths
from analytics.paths.view import Breakdown, By
from analytics.statistics.intervals import Floats
from analytics.statistics.replicates import MIN_FILLED, REPLICATES, replicate_interval
from analytics.statistics.strata import MIN_OVERLAP
from analytics.store.columns import LINKED
from analytics.store.encoding import Dictionaries
from analytics.store.frames import micros
from analytics.store.parts import Part, decoded
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

ALL: Final = -1
"""The value of the rows that count every path."""
PATHS, OPEN, MET, ALWAYS = "paths", "open", "customers", "customers of no other path"
KEYS: Final[dict[str, Any]] = {"kind": pl.String, "stratum": pl.String, "replicate": pl.Int64, "value": pl.Int64}
SUMS: Final = ("count", "reached", "login")
"""A kind is `PATHS` (mature ones, by stratum, replicate and value), `OPEN` (those that are not), or counts customers:
with such a path (`MET`), and with none but such (`ALWAYS`). `login` are paths whose first touch is known by login.
"""
SEPARATOR, MISSING = "\x1f", "\x1e"
"""What stands between the values that make a stratum, and for one that is missing."""


@dataclass(frozen=True, eq=False)
class TouchEffects:
    """Counts mature paths by stratum and replicate, in all and with each value; integers that add up."""

    SCHEMA: ClassVar[pl.Schema] = answer(
        **{"credited": pl.String, "with": pl.Int64},
        reached_with=pl.Int64,
        rate_with=pl.Float64,
        without=pl.Int64,
        reached_without=pl.Int64,
        rate_without=pl.Float64,
        difference=pl.Float64,
        low=pl.Float64,
        high=pl.Float64,
        adjusted=pl.Float64,
        adjusted_low=pl.Float64,
        adjusted_high=pl.Float64,
        overlap=pl.Float64,
        incremental=pl.Float64,
        incremental_low=pl.Float64,
        incremental_high=pl.Float64,
        customers_with=pl.Int64,
        customers_without=pl.Int64,
        login_with=pl.Float64,
        login_without=pl.Float64,
        open=pl.Int64,
        enough=pl.Boolean,
    )
    CELLS: ClassVar[Cells | None] = None
    BOUND: ClassVar[int] = 1 << 22

    credit: CreditCounts
    """The attribution whose goal, values and lookback these are."""
    by: Breakdown
    adjust: Breakdown
    linked: bool

    @classmethod
    def of(
        cls,
        paths: Paths,
        definition: Attribution | GoalWords | Step,
        *,
        adjust: By = (),
        by: By = (),
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> Self:
        """The measure of the arguments of `touch_effects`."""
        credit = CreditCounts.of(paths, definition, start=start, end=end)
        strata = Breakdown.of(paths, adjust, [])
        if LINKED in strata.columns:
            raise DefinitionError(
                "Paths cannot be alike in how customers are known.",
                found=f"{LINKED!r} in adjust",
                do="leave it out: who comes back and signs in is known by login, so it follows from the outcome",
            )
        groups = Breakdown.of(paths, by, [*cls.SCHEMA, *KEYS, *SUMS])
        return cls(credit, groups, strata, LINKED in paths.schema)

    @property
    def columns(self) -> tuple[str, ...]:
        """The stored columns that are read."""
        linked = [LINKED] if self.linked else []
        return tuple(dict.fromkeys([*self.credit.columns, *self.by.columns, *self.adjust.columns, *linked]))

    @property
    def schema(self) -> dict[str, Any]:
        """The columns of a partial."""
        return {**self.by.keys, **KEYS, **dict.fromkeys(SUMS, pl.Int64)}

    def partial(self, part: Part, words: Dictionaries) -> pl.DataFrame:
        """The paths of one part."""
        part = part.held()
        read, eligible, is_goal = self.credit.reading(part, words)
        (start, end), (_, end_of_data) = self.credit.span, self.credit.data
        found = followed_paths(
            read.times,
            part.bounds(),
            eligible,
            is_goal,
            lookback=micros(self.credit.asked.lookback),
            end_of_data=end_of_data,
        )
        begin = read.times[found.first]
        found = found.only((begin >= start) & (begin < end))
        mature = found.only(found.mature)
        path, value = self._met(mature, read.codes)
        tables = [pl.DataFrame(schema=self.schema)]
        young = found.only(~found.mature).first
        for keys in self.by.keyed(part, words, young):
            tables.append(self._counted(keys, OPEN, []))
        people, replicate = read.replicates(mature.first)
        properties: dict[str, Any] = {
            "stratum": self._strata(part, words, mature.first),
            "replicate": replicate,
            "person": people,
            "reached": mature.reached,
            "login": self._by_login(part, words, mature.first),
        }
        for keys in self.by.keyed(part, words, mature.first):
            rows = keys.with_columns(pl.Series(name, each) for name, each in properties.items())
            met = rows[path].with_columns(pl.Series("value", value))
            tables += [self._counted(rows, PATHS, ["stratum", "replicate"])]
            tables += [self._counted(met, PATHS, ["stratum", "replicate", "value"])]
            tables += self._people(rows, met)
        return pl.concat(tables)

    def _met(self, paths: FollowedPaths, codes: Ints) -> tuple[Ints, Ints]:
        """The distinct values on each path, as the path and the number of the value."""
        rows, path = paths.rows()
        touches = PathTouches(path, codes[rows], np.zeros(len(rows), np.int64))
        if len(self.credit.ignored):
            touches = touches.without(self.credit.ignored)
        distinct = touches.distinct()
        return distinct.path, distinct.codes

    def _strata(self, part: Part, words: Dictionaries, rows: Ints) -> pl.Series:
        """In what paths are alike: the values of their first touches, as one text."""
        values = self.adjust.at(part, words, rows)
        if not values.width:
            return pl.Series(np.zeros(len(rows))).cast(pl.String)
        text = pl.all().cast(pl.String).fill_null(MISSING)
        return values.select(pl.concat_str(text, separator=SEPARATOR)).to_series()

    def _by_login(self, part: Part, words: Dictionaries, rows: Ints) -> pl.Series:
        """Whether the first touch of each path is known by login."""
        if not self.linked:
            return pl.Series(np.zeros(len(rows), np.bool_))
        return (decoded(part, [LINKED], words)[LINKED][rows].cast(pl.String) == "login").fill_null(False)

    def _people(self, rows: pl.DataFrame, met: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """How many customers have a path, a path with each value, and none but such."""
        names = [*self.by.keys, "person"]
        every = rows.group_by(names).len("paths")
        own = met.group_by([*names, "value"]).len("with").join(every, on=names, nulls_equal=True)
        yield self._counted(every, MET, [])
        yield self._counted(own, MET, ["value"])
        yield self._counted(own.filter(pl.col("with") == pl.col("paths")), ALWAYS, ["value"])

    def _counted(self, rows: pl.DataFrame, kind: str, keys: Sequence[str]) -> pl.DataFrame:
        """How many rows there are by key, and how many of them reached the goal, or are known by login."""
        sums = [pl.col(name).sum() for name in SUMS if name in rows.columns]
        table = rows.group_by(*self.by.keys, *keys, maintain_order=True).agg(pl.len().alias("count"), *sums)
        given = {"kind": kind, "stratum": "", "replicate": 0, "value": ALL} | dict.fromkeys(SUMS, 0)
        rest = [pl.lit(value).alias(name) for name, value in given.items() if name not in table.columns]
        types = {name: dtype for name, dtype in self.schema.items() if name not in self.by.keys}
        return table.with_columns(rest).cast(types).select(*self.schema)  # type: ignore[arg-type]

    def merge(self, partials: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Adds up the paths of parts."""
        return add_up(partials, [*self.by.keys, *KEYS], self.schema)

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `touch_effects`."""
        names = list(self.by.keys)
        schema = {**self.by.types, **self.SCHEMA}
        rows = [
            dict(zip(names, key, strict=True)) | row
            for key, own in merged.partition_by(names, as_dict=True, maintain_order=True).items()
            for row in _Group(own, self.credit.names, self.linked).rows()
        ]
        table = pl.DataFrame(rows, schema=schema, orient="row").with_columns(pl.col(pl.Float64).fill_nan(None))
        order = [~pl.col(IS_TOTAL), *self.by.names, -pl.col("with"), "credited"]
        return table.sort(order, nulls_last=True)

    def exactly(self, _: pl.DataFrame) -> Self:
        """The same: nothing here is a quantile."""
        return self


@dataclass(frozen=True)
class _Group:
    """The counts of a group."""

    merged: pl.DataFrame
    names: Sequence[str]
    linked: bool

    def rows(self) -> Iterator[dict[str, Any]]:
        """One row per value that is on a mature path."""
        paths = self.merged.filter(kind=PATHS)
        strata = paths["stratum"].unique().sort()
        everything = _Sums.of(paths.filter(value=ALL), strata)
        opened = self._count(OPEN, ALL)
        for (value,), own in paths.filter(pl.col("value") != ALL).partition_by("value", as_dict=True).items():
            met = _Sums.of(own, strata)
            others = everything.less(met)
            people = self._count(MET, value), self._count(MET, ALL) - self._count(ALWAYS, value)
            is_enough = min(people) >= MIN_CUSTOMERS and min(met.filled, others.filled) >= MIN_FILLED
            yield {
                **_compared(met, others, is_enough=is_enough),
                "credited": self.names[value],
                **dict(zip(("customers_with", "customers_without"), people, strict=True)),
                **dict(zip(("login_with", "login_without"), map(self._login, (met, others)), strict=True)),
                "open": opened,
            }

    def _login(self, paths: _Sums) -> float | None:
        """The share of paths known by login."""
        return paths.login / paths.total[0] if self.linked and paths.total[0] else None

    def _count(self, kind: str, value: int) -> int:
        return int(self.merged.filter(kind=kind, value=value)["count"].sum())


@dataclass(frozen=True)
class _Sums:
    """Paths, and those that reached the goal, by replicate and stratum; those known by login, of all."""

    count: NDArray[np.int64]
    reached: NDArray[np.int64]
    login: int

    @classmethod
    def of(cls, rows: pl.DataFrame, strata: pl.Series) -> Self:
        """The sums of rows that have distinct strata and replicates."""
        place = rows["replicate"].to_numpy(), strata.search_sorted(rows["stratum"]).to_numpy()
        tables = []
        for name in ("count", "reached"):
            table = np.zeros((REPLICATES, len(strata)), np.int64)
            table[place] = rows[name].to_numpy()
            tables.append(table)
        return cls(tables[0], tables[1], int(rows["login"].sum()))

    def less(self, other: _Sums) -> _Sums:
        """Those that are not among the others."""
        return _Sums(self.count - other.count, self.reached - other.reached, self.login - other.login)

    @property
    def total(self) -> tuple[int, int]:
        """All paths, and those that reached the goal."""
        return int(self.count.sum()), int(self.reached.sum())

    @property
    def filled(self) -> int:
        """In how many replicates a path is."""
        return int(self.count.any(axis=1).sum())


def _compared(met: _Sums, others: _Sums, *, is_enough: bool) -> dict[str, Any]:
    """The rates of both, their difference and the adjusted one, with intervals where there are enough customers."""
    (paths, reached), (without, reached_without) = met.total, others.total
    sums = np.concatenate([met.reached, met.count, others.reached, others.count], axis=1)
    found = _differences(sums.sum(axis=0))
    low, high = np.full((2, 2), np.nan)
    if is_enough:
        low, high = replicate_interval(sums, _differences, low=-1.0, high=1.0)
    overlap = float(met.count.sum(axis=0)[others.count.any(axis=0)].sum()) / paths
    if MIN_OVERLAP[1] * overlap < MIN_OVERLAP[0]:
        found[1] = low[1] = high[1] = np.nan
    return {
        "with": paths,
        "reached_with": reached,
        "rate_with": reached / paths,
        "without": without,
        "reached_without": reached_without,
        "rate_without": reached_without / without if without else None,
        "overlap": overlap,
        **dict(zip(("difference", "low", "high"), (found[0], low[0], high[0]), strict=True)),
        **dict(zip(("adjusted", "adjusted_low", "adjusted_high"), (found[1], low[1], high[1]), strict=True)),
        **{f"incremental{end}": paths * each[1] for end, each in (("", found), ("_low", low), ("_high", high))},
        "enough": is_enough,
    }


def _differences(sums: NDArray[np.int64]) -> Floats:
    """The difference of the rates, and its mean over strata with both kinds, weighted by the paths with the value."""
    reached, paths, reached_without, without = sums.reshape(4, -1)
    both = (paths > 0) & (without > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        plain = reached.sum() / paths.sum() - reached_without.sum() / without.sum()
        own, other = paths[both], without[both]
        alike = (own * (reached[both] / own - reached_without[both] / other)).sum() / own.sum()
    return np.array([plain, alike])


@measured_by(TouchEffects)
def touch_effects(
    paths: Paths,
    definition: Attribution | GoalWords | Step,
    *,
    adjust: By = (),
    by: By = (),
    start: datetime | None = None,
    end: datetime | None = None,
) -> pl.DataFrame:
    """How often paths with a channel, or another value, reach the goal, and paths without it.

    `definition` is an `Attribution`, or a goal alone; of it count the goal, `on`, `lookback`, `only`, `ignore` and
    `top`. A path begins with a touch after the path before (from `start`, inclusive, to `end`, exclusive), and is over
    with a goal, or the lookback after its first touch. Only **mature** paths count, whose whole lookback lies before
    the end of the data, so that paths with and without a goal are followed for as long. That is why they are not the
    paths of `attribution`, which are cut by their goals. A value is **with** a path when a touch up to its goal, or its
    end, has it. `adjust` and `by` are columns at the first touch of a path: together, the columns of `adjust` make
    strata within which paths are compared.

    Columns: those of `by`; `is_total` Boolean (rows over all groups come first, with null in `by`); `credited` String
    (the value); `with`, `reached_with` Int64 (paths, and those of them that reached the goal), `rate_with` Float64;
    `without`, `reached_without`, `rate_without` (the same of all other paths; null without one); `difference` Float64
    (of the rates) with its interval `low`, `high`; `adjusted` (the mean difference over strata with both kinds,
    weighted by the paths with the value; null where these strata hold less than 0.9 of them) with `adjusted_low`,
    `adjusted_high`; `overlap` Float64 (the share that they hold); `incremental` Float64 (goals: `with` times
    `adjusted`) with `incremental_low`, `incremental_high`; `customers_with`, `customers_without` Int64; `login_with`,
    `login_without` Float64 (the share of paths whose first touch is known by login; null where paths do not say);
    `open` Int64 (paths of the group that are not mature); `enough` Boolean (30 customers, in 20 replicates, with such a
    path and without; else there are no intervals). Intervals are from replicates of customers, 95 %. The value on most
    paths comes first.

    A difference is no effect where customers choose the channel: those who come back often meet more channels, and
    reach the goal more often as well. Paths of today know more about customers who came back and signed in, so an
    attribute that only a login tells follows from the outcome.

    No mature path gives no rows. Raises `DefinitionError` for an unknown column, for `linked` in `adjust`, and as
    `attribution` does; warns of a goal that no touch has (`UnknownWordWarning`).

    >>> from analytics import Paths
    >>> visits = {"ann": "see@0d[channel=ad] see@1d[channel=mail] pay@2d", "bo": "see@0d[channel=mail]"}
    >>> found = touch_effects(Paths.from_text(visits, end="60d"), "pay")
    >>> found["credited", "with", "rate_with", "without", "rate_without", "difference"].rows()
    [('mail', 2, 0.5, 0, None, None), ('ad', 1, 1.0, 1, 0.0, 1.0)]
    """
    return run(paths, TouchEffects.of(paths, definition, adjust=adjust, by=by, start=start, end=end))
