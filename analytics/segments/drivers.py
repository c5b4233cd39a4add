"""Who drops off at a step of a funnel, compared with customers who are otherwise alike?

A level of a factor is compared with everyone else at the step whose level is known; the **adjusted** difference
compares within strata, where both are alike in another factor. Two tables hold everything, and add up over parts: how
many entrants have each pair of levels, and how many of these dropped. Associations, not causes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np
import polars as pl

from analytics.engine.analysis import IS_TOTAL, answer, measured_by
from analytics.engine.partials import add_up
from analytics.engine.run import counted, run
from analytics.engine.sequences import Ints
from analytics.funnels.counts import FunnelMeasure
from analytics.funnels.definition import Funnel
from analytics.funnels.entrants import latest_mature
from analytics.funnels.funnel import funnel
from analytics.funnels.members import check_step
from analytics.funnels.scan import Reading, bound
from analytics.segments.driver_rows import ALL, DRIVER_ROWS, JOINT, NEXT, PAIR, Tables, driver_rows
from analytics.segments.factors import DAYS, MET, AtStep, check_factor, context_columns
from analytics.store.columns import LINKED, SESSION, TOUCHPOINT
from analytics.store.encoding import Dictionaries
from analytics.store.parts import Part
from analytics.store.paths import Paths
from expectations.config.durations import duration
from expectations.errors import DefinitionError

MAX_MET: Final = 30
"""Touchpoints met before that are factors by default: the most common of those met by 1 to 99 %."""
MET_BY: Final = (0.01, 0.99)
LEFT: Final = "(left)"
SEPARATOR: Final = "\x1f"
"""What stands between the levels of a joint stratum."""
KEYS: Final = ("kind", "factor", "level", "other", "other_level")


@dataclass(frozen=True, eq=False)
class DriverCounts(FunnelMeasure):
    """Counts, for every pair of levels of the factors, the entrants at a step and those who dropped.

    Kinds of rows: `pair` (of two levels, also of one with itself), `joint` (of a level and a stratum of `adjust`),
    `next` (of the next touchpoint of those who did not go on at once), `all`.
    """

    SCHEMA: ClassVar[pl.Schema] = answer(**DRIVER_ROWS)
    BOUND: ClassVar[int] = 1 << 19
    KEYS: ClassVar[Mapping[str, Any]] = dict.fromkeys(KEYS, pl.String)

    step: int = 2
    factors: tuple[str, ...] = ()
    adjust: tuple[str, ...] = ()
    before: timedelta = timedelta(days=7)
    together: bool = True
    floor: float = 0.05
    top: int | None = None
    by_default: bool = False
    days: tuple[str, ...] = ()
    linked: bool = False
    sessions: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The stored columns that are read."""
        own = [name for name in (*self.factors, *self.adjust) if not name.startswith(MET) and name not in self.days]
        beside = {SESSION: self.sessions, LINKED: self.linked, TOUCHPOINT: True}
        return tuple(dict.fromkeys([*self.scan.columns, *own, *(name for name, is_read in beside.items() if is_read)]))

    @property
    def count_types(self) -> Mapping[str, Any]:
        """The columns of counts."""
        return dict.fromkeys(("customers", "dropped", "goals"), pl.Int64)

    def counts(self, part: Part, words: Dictionaries) -> pl.DataFrame:
        """The counts of one part."""
        at, dropped, goals = self.at_step(self.scan.read(part, words))
        extra = [LINKED] if self.linked else []
        coded = [_Coded.of(name, at.levels(name, self.before)) for name in (*self.factors, *extra)]
        tables = [_all(dropped, goals)]
        for number, one in enumerate(coded):
            tables += [_pairs(PAIR, one, other, dropped) for other in coded[number:]]
        if self.adjust:
            strata = pl.DataFrame([at.levels(name, self.before).alias(name) for name in self.adjust])
            joint = _Coded.of(JOINT, strata.select(pl.concat_str(pl.all(), separator=SEPARATOR)).to_series())
            tables += [_pairs(JOINT, one, joint, dropped) for one in coded]
        if self.sessions:
            tables.append(self._next(at, dropped))
        return pl.concat(tables).with_columns(pl.lit(False).alias(IS_TOTAL)).select(*self.schema)

    def at_step(self, reading: Reading) -> tuple[AtStep, Ints, Ints]:
        """The mature entrants at the step before, whether they dropped, and whether they reached the last step."""
        found, previous = reading.found, self.definition.previous(self.step) - 1
        mature = reading.times[found.firsts] <= latest_mature(self.scan, reading)
        here = np.flatnonzero((found.chains[:, previous] >= 0) & mature)
        dropped = (found.chains[here, self.step - 1] < 0).astype(np.int64)
        goals = (found.chains[here, -1] >= 0).astype(np.int64)
        return AtStep(reading, found.chains[here, previous].astype(np.int64), self.days), dropped, goals

    def _next(self, at: AtStep, dropped: Ints) -> pl.DataFrame:
        """The next touchpoint in the session, of those for whom it is not the next step."""
        step = self.definition.steps[self.step - 1]
        words = at.next_words()
        here = (
            ~words.is_in(list(step.any_of)).fill_null(False)
            if step.on == TOUCHPOINT
            else pl.Series([True] * len(words))
        )
        level = words.fill_null(LEFT).filter(here)
        rows = pl.DataFrame({"level": level.cast(pl.String), "dropped": dropped[here.to_numpy()]})
        table = rows.group_by("level").agg(pl.len().cast(pl.Int64).alias("customers"), pl.col("dropped").sum())
        return _keyed(table, NEXT, "next touch")

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `drivers`."""
        total = merged.filter(pl.col("kind") == ALL)
        if total.is_empty() or not total["customers"][0]:
            return pl.DataFrame(schema=self.SCHEMA)
        tables = Tables.of(merged, self.factors, linked=LINKED if self.linked else None, by_default=self.by_default)
        rows = driver_rows(tables, self.step, together=self.together, floor=self.floor, top=self.top)
        return rows.select(*self.SCHEMA)


class _Coded(NamedTuple):
    """A factor in a part: its name, the level of each entrant as a number, and the names of the levels."""

    factor: str
    codes: Ints
    levels: pl.Series

    @classmethod
    def of(cls, factor: str, levels: pl.Series) -> _Coded:
        """The levels, given as text, as numbers."""
        names = levels.unique().sort()
        return cls(factor, levels.cast(pl.Enum(names)).to_physical().cast(pl.Int64).to_numpy(), names)


def _pairs(kind: str, one: _Coded, other: _Coded, dropped: Ints) -> pl.DataFrame:
    """How many entrants have each pair of levels of two factors, and how many of them dropped."""
    width = max(1, len(other.levels))
    pair, size = one.codes * width + other.codes, len(one.levels) * width
    customers, lost = np.bincount(pair, minlength=size), np.bincount(pair[dropped > 0], minlength=size)
    met = np.flatnonzero(customers)
    table = {
        "level": one.levels.gather(met // width),
        "other_level": other.levels.gather(met % width),
        "customers": customers[met],
        "dropped": lost[met],
    }
    return _keyed(pl.DataFrame(table), kind, one.factor, other.factor)


def _all(dropped: Ints, goals: Ints) -> pl.DataFrame:
    """The entrants at the step, those who dropped, and those who reached the last step."""
    table = pl.DataFrame({"customers": [len(dropped)], "dropped": [int(dropped.sum())], "goals": [int(goals.sum())]})
    return _keyed(table, ALL, "")


def _keyed(table: pl.DataFrame, kind: str, factor: str, other: str = "") -> pl.DataFrame:
    """Rows of counts with all their keys."""
    absent = [pl.lit("").alias(name) for name in ("level", "other_level") if name not in table.columns]
    goals = [] if "goals" in table.columns else [pl.lit(0, pl.Int64).alias("goals")]
    keys = {"kind": kind, "factor": factor, "other": other}
    named = [pl.lit(value).alias(name) for name, value in keys.items()]
    return table.with_columns(*absent, *named, *goals).select(
        *KEYS, pl.col("customers", "dropped", "goals").cast(pl.Int64)
    )


@dataclass(frozen=True)
class MetBefore:
    """How many entrants at a step met each touchpoint before, of the drivers of a funnel."""

    drivers: DriverCounts

    def partial(self, part: Part, words: Dictionaries) -> pl.DataFrame:
        """The counts of one part; the word null counts all entrants."""
        at, *_ = self.drivers.at_step(self.drivers.scan.read(part, words))
        _, codes = at.words_before(self.drivers.before)
        names = words[TOUCHPOINT]
        customers = np.bincount(codes, minlength=len(names))
        counts = pl.DataFrame({"word": names.cast(pl.String), "customers": customers.astype(np.int64)})
        everyone = pl.DataFrame({"word": [None], "customers": [len(at.rows)]}, schema=counts.schema)
        return pl.concat([counts.filter(pl.col("customers") > 0), everyone])

    def merge(self, partials: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Adds up the counts of parts."""
        return add_up(partials, ["word"], {"word": pl.String, "customers": pl.Int64})

    def factors(self, merged: pl.DataFrame) -> list[str]:
        """The touchpoints that are factors, the most common first; those of the funnel's own steps are none."""
        everyone = int(merged.filter(pl.col("word").is_null())["customers"].sum())
        low, high = (share * everyone for share in MET_BY)
        own = {word for step in self.drivers.definition.steps if step.on == TOUCHPOINT for word in step.any_of}
        met = merged.filter(pl.col("word").is_not_null(), pl.col("customers").is_between(low, high))
        found = met.filter(~pl.col("word").is_in(list(own))).sort("customers", "word", descending=[True, False])
        return [f"{MET}{word}" for word in found["word"].head(MAX_MET)]


@measured_by(DriverCounts)
def drivers(
    paths: Paths,
    definition: Funnel,
    *,
    step: int | None = None,
    factors: Sequence[str] | None = None,
    adjust: str | Sequence[str] = (),
    before: str | timedelta = "7d",
    together: bool = True,
    floor: float = 0.05,
    top: int | None = None,
) -> pl.DataFrame:
    """Who drops off between two steps of a funnel, compared with customers who are otherwise alike.

    Counted are mature customers who reached the step before `step` (by default the step with the largest loss); who
    does not reach `step` **dropped**. A factor is a column of their touch at the step before; `weekday` or `week` of
    it (UTC); or `met:NAME`: whether they met that touchpoint within `before` their touch (not at its very instant).
    Each level is compared with everyone else whose level is known; "(unknown)" is a level of its own. Without `factors`
    all attributes and context columns of 2 to 50 values, weekday and week are, and the 30 most common touchpoints that
    1 to 99 % met, but for those of the funnel's steps. `adjust` names factors that make strata jointly; without it,
    each level is adjusted by every other factor in turn, and shown is the adjusted difference nearest to 0 with the
    factor that did it, `explained_by`.

    Columns: `is_total` Boolean (the row of all at the step comes first); `step` UInt32; `factor`, `level` String;
    `kind` String (`total`, `attribute`, `met`, `together`, `after`); `customers`, `dropped` Int64; `rate` Float64
    (dropped / customers); `rate_other` (that of the others), `difference` with Newcombe's interval `low`, `high`;
    `p_value` (Cochran-Mantel-Haenszel over the strata of the adjusted difference; with one factor alone that of two
    proportions), `p_corrected` (Benjamini-Hochberg, over all levels); `adjusted` with its interval `adjusted_low`,
    `adjusted_high`, null where strata with both kinds hold less than 0.9 of the level's customers; `explained_by`
    String; `same_as` String (a factor by which more than half of the difference goes, and that loses more than half of
    its own by this one: these data cannot tell them apart); `overlap` Float64 (the share of the level's customers in
    strata with both kinds); `at_stake` Float64 (`customers * adjusted`: drops more than of customers alike; not to be
    added up over factors), `share_of_drops` (of all who dropped), `goals_at_stake` (times the share of those at `step`
    who reach the last); `rate_first`, `rate_second` (of `together`); `enough` Boolean: at least 30 dropped and 30 went
    on, and 30 customers are in the level and 30 among the others; else there is no p-value; `login_of_dropped`,
    `login_of_others` Float64 (of the total: which share of both is known by login).

    Rows of `together` are two levels of different factors that do more than the sum of both: `difference` is the
    interaction, `rate_first` and `rate_second` the rates of each without the other, `rate_other` the larger. Tested are
    pairs with 30 customers, 10 drops and 10 others in each of the four cells; shown those that are clear (corrected
    over all pairs) and whose rate lies `floor` above `rate_other`. Rows of `after` are the next touchpoints, in the
    session, of those who did not go on at once, and what became of them: no factors, never compared. Levels come by the
    size of `at_stake`; `top` limits each kind.

    No entrants give no rows. Raises `DefinitionError` for a funnel of one step, a step that is not from 2 to the last
    or is optional, another `count` than customers, another `maturity` than mature, an unknown column, and a factor that
    follows from the outcome or from the steps.

    >>> from analytics import Paths
    >>> visits = {"ann": "cart@1d[device=phone]", "bo": "cart@1d[device=desk] pay@2d", "cy": "cart@1d[device=desk]"}
    >>> found = drivers(Paths.from_text(visits, end="60d"), Funnel(["cart", "pay"]), factors=["device"])
    >>> found["factor", "level", "customers", "dropped", "difference"].rows()
    [(None, None, 3, 2, None), ('device', 'desk', 2, 1, -0.5), ('device', 'phone', 1, 1, 0.5)]
    """
    _check(definition, step)
    definition = replace(definition, by=(), attribution="at_entry", value=None)
    strata = (adjust,) if isinstance(adjust, str) else tuple(adjust)
    named = [factors] if isinstance(factors, str) else factors
    for factor in (*(named or ()), *strata):
        check_factor(paths, definition, factor)
    paths, scan = bound(paths, definition)
    asked = DriverCounts(
        scan,
        step=step or _weakest(paths, definition),
        factors=tuple(dict.fromkeys(named or ())),
        adjust=strata,
        before=duration(before),
        together=together,
        floor=floor,
        top=top,
        by_default=named is None,
        days=tuple(name for name in DAYS if name not in paths.schema),
        linked=LINKED in paths.schema,
        sessions=SESSION in paths.schema,
    )
    if named is None:
        own = {each.on for each in definition.steps}
        columns = [name for name in context_columns(paths) if name not in own] + list(DAYS)
        met = MetBefore(asked)
        asked = replace(asked, factors=(*dict.fromkeys(columns), *met.factors(counted(paths, met))))
    return run(paths, asked)


def _check(definition: Funnel, step: int | None) -> None:
    """Check that somebody can drop at the step, and that customers are counted."""
    if len(definition.steps) < 2:
        raise DefinitionError("A funnel of one step loses nobody.", expected="two steps or more")
    if step is not None:
        check_step(definition, step)
        if step == 1 or definition.steps[step - 1].optional:
            raise DefinitionError(
                "Nobody drops at the first step, or at an optional one.",
                expected="a later step that must be reached",
                found=f"step {step}",
            )
    if definition.count != "customers":
        raise DefinitionError("Drivers are of customers.", expected="count 'customers'", found=definition.count)
    if definition.maturity != "mature":
        raise DefinitionError(
            "Drivers are of mature entrants.", expected="maturity 'mature'", found=definition.maturity
        )


def _weakest(paths: Paths, definition: Funnel) -> int:
    """The step with the largest loss; the first of equal ones."""
    steps = funnel(paths, definition).filter(IS_TOTAL)
    later = [
        row for row in steps.iter_rows(named=True) if row["step"] > 1 and not definition.steps[row["step"] - 1].optional
    ]
    return int(max(later, key=lambda row: row["dropped"])["step"])
