"""Which paths contain a pattern of touches, where in the path, and after how long?

A pattern is a regular expression over whole touches. `analytics.paths.pattern_grammar` describes the syntax,
`analytics.paths.pattern_search` the search. Matches do not overlap: the search goes on after the end of each match.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar, Final, Self

import numpy as np
import polars as pl

from analytics.engine.analysis import SMALL, Cells, answer, measured_by
from analytics.engine.conditions import Step
from analytics.engine.distributions import DISTRIBUTION, distributions, durations, quantiles
from analytics.engine.partials import sums_by_customer
from analytics.engine.run import on_parts, run
from analytics.engine.units import ENDS, Unit
from analytics.paths.measure import PathMeasure
from analytics.paths.pattern_search import Search
from analytics.paths.sequences import UnitSequences, sequences_of, sorted_answer, with_total
from analytics.paths.view import By, Selection, View
from analytics.statistics.shares import share_columns, square_columns
from analytics.store.columns import AT, CUSTOMER, TOUCHPOINT
from analytics.store.encoding import Dictionaries
from analytics.store.parts import Part
from analytics.store.paths import Paths

SPREADS: Final = ("position", "delay", "duration")
SHARES: Final = (("matching", "units"), ("matching reached", "matching mature"), ("other reached", "other mature"))
RATES: Final = ("share_of_units", "goal_rate", "goal_rate_without")
"""The answer's rates, and the counts that each is a share of."""


@dataclass(frozen=True, eq=False)
class Match(PathMeasure):
    """Counts units with and without a match; of the first match of each unit, where it is and how long it takes.

    A partial has one row per group, with three distributions.
    """

    SCHEMA: ClassVar[pl.Schema] = answer(
        units=pl.Int64,
        matching=pl.Int64,
        share_of_units=pl.Float64,
        share_of_units_low=pl.Float64,
        share_of_units_high=pl.Float64,
        customers=pl.Int64,
        matches=pl.Int64,
        median_position=pl.Float64,
        median_delay=pl.Duration("us"),
        median_duration=pl.Duration("us"),
        goal_rate=pl.Float64,
        goal_rate_low=pl.Float64,
        goal_rate_high=pl.Float64,
        goal_rate_without=pl.Float64,
        goal_rate_without_low=pl.Float64,
        goal_rate_without_high=pl.Float64,
    )
    CELLS: ClassVar[Cells | None] = Cells(())
    BOUND: ClassVar[int] = 3 * SMALL
    COUNTS: ClassVar[Mapping[str, Any]] = {
        **dict.fromkeys(("customers", "matches", *(name for share in SHARES for name in share)), pl.Int64),
        **dict.fromkeys((name for share in SHARES for name in square_columns(*share)), pl.Int64),
        **dict.fromkeys(SPREADS, DISTRIBUTION),
    }
    QUANTILES: ClassVar[Mapping[str, Sequence[float]]] = dict.fromkeys(SPREADS, (0.5,))

    search: Search = field(kw_only=True)

    @classmethod
    def of(cls, paths: Paths, *, pattern: str = "", steps: Mapping[str, Step] | None = None, **options: Any) -> Self:
        """The measure of the arguments of `match`."""
        search = Search.of(paths, pattern, steps or {}, options.get("on", TOUCHPOINT))
        return super().of(paths, search=search, **options)

    @property
    def columns(self) -> tuple[str, ...]:
        """The stored columns that are read."""
        return tuple(dict.fromkeys([*self.view.columns, *self.search.matcher.columns]))

    def counts(self, sequences: UnitSequences) -> pl.DataFrame:
        """The units and matches of one part."""
        begin, last = self.search.hits(sequences)
        unit = np.searchsorted(sequences.bounds, begin, side="right") - 1
        there, first = np.unique(unit, return_index=True)
        start, stop, low = begin[first], last[first], sequences.bounds[:-1][there]
        values = {
            "position": start - low + 1,
            "delay": sequences.microseconds(start) - sequences.microseconds(low),
            "duration": sequences.microseconds(stop) - sequences.microseconds(start),
        }
        hit = np.isin(np.arange(len(sequences)), there)
        mature, reached = sequences.mature, sequences.reached
        counts = {
            "matching": hit,
            "units": np.ones(len(sequences)),
            "matches": np.bincount(unit, minlength=len(sequences)),
            "matching mature": hit & mature,
            "matching reached": hit & reached,
            "other mature": ~hit & mature,
            "other reached": ~hit & reached,
        }
        tables = []
        for keys, group in sequences.groupings():
            spread = {name: distributions(group[there], v, len(keys), exact=self.exact) for name, v in values.items()}
            counted = sums_by_customer(group, sequences.customer, counts, len(keys), shares=SHARES)
            tables.append(pl.concat([keys, counted, pl.DataFrame(spread)], how="horizontal").select(*self.schema))
        return pl.concat(tables)

    def cell_rows(self, sequences: UnitSequences) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Every unit with a match; the whole is all units."""
        begin, _ = self.search.hits(sequences)
        matching = np.unique(np.searchsorted(sequences.bounds, begin, side="right") - 1)
        return pl.DataFrame({"unit": matching}), pl.DataFrame({"unit": np.arange(len(sequences))})

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `match`."""
        table = with_total(merged, self.view)
        rates = zip(RATES, SHARES, strict=True)
        answered = table.with_columns(
            *(column for name, share in rates for column in share_columns(table, name, *share)),
            quantiles(table["position"], [0.5])[0].alias("median_position"),
            *durations(table["delay"], {"median_delay": 0.5}),
            *durations(table["duration"], {"median_duration": 0.5}),
        )
        return sorted_answer(answered, self.view).select(*self.view.groups, *self.SCHEMA)


@measured_by(Match)
def match(
    paths: Paths,
    pattern: str,
    *,
    unit: Unit = "journey",
    by: By = (),
    where: pl.Expr | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    steps: Mapping[str, Step] | None = None,
    on: str = TOUCHPOINT,
    collapse: bool = False,
    among: Selection | None = None,
    window: str | timedelta | None = None,
    exact: bool = False,
) -> pl.DataFrame:
    """How many units and customers match a pattern, where and when in the path, and how many reach the goal.

    Columns: those of `by` (the value at the unit's first touch); `is_total` Boolean (the row over all groups comes
    first, with null in `by`); `units`, `matching` (units with a match) Int64; `share_of_units` Float64 with its Wilson
    interval, judged by customers, `share_of_units_low`, `share_of_units_high`; `customers` (with a match), `matches`
    Int64; of the first match of each unit `median_position` Float64 (of its first touch, from 1), `median_delay` (since
    the unit's first touch), `median_duration` (from its first touch to its last) Duration(us), null without a match; of
    more than 1,000 matching units they are right to 1 in 1,000, or with `exact` exact, for twice the time; `goal_rate`,
    `goal_rate_without` Float64 (units with the goal within the `window`, of the mature ones, with and without a match),
    each with its Wilson interval, judged by customers. One row, and with `by` one per group. `steps` defines names of
    the pattern as steps; other names are values of `on`. Only units count that begin from `start` (inclusive) to `end`
    (exclusive). No touches give a row of zeros, or no rows with `by`. Raises `DefinitionError` for a pattern that
    cannot be parsed.

    >>> from analytics import Paths
    >>> shop = Paths.from_text({"ann": "home@0m cart@1m look@2m", "bo": "home@0m cart@1m buy@2m"})
    >>> match(shop, "home .* cart (?!buy)* $")["units", "matching", "matches"].rows()
    [(2, 1, 1)]
    """
    return run(
        paths,
        Match.of(
            paths,
            pattern=pattern,
            unit=unit,
            by=by,
            where=where,
            start=start,
            end=end,
            steps=steps,
            on=on,
            collapse=collapse,
            among=among,
            window=window,
        ),
        exact=exact,
    )


def matches(
    paths: Paths,
    pattern: str,
    *,
    unit: Unit = "journey",
    where: pl.Expr | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    steps: Mapping[str, Step] | None = None,
    on: str = TOUCHPOINT,
    collapse: bool = False,
    among: Selection | None = None,
) -> pl.DataFrame:
    """One row per match of a pattern, sorted by customer and time, but for customers who object to profiling.

    Columns: `customer` as in the paths; `unit` UInt32 (the number of the unit among the customer's, from 1), `match`
    UInt32 (the number of the match in its unit, from 1), `position` UInt32 (of its first touch in the unit, from 1),
    `touches` UInt32, `at`, `until` Datetime(us, UTC) (of its first and last touch), `end` String (how the unit ends).
    Takes the arguments of `match`. Units are numbered among the selected ones.

    >>> from analytics import Paths
    >>> matches(Paths.from_text({"ann": "a@0m b@1m a@2m"}), "a")["customer", "match", "position"].rows()
    [('ann', 1, 1), ('ann', 2, 3)]
    """
    view = View(unit, on, collapse=collapse, among=among, where=where, start=start, end=end).checked(paths, ())
    search = Search.of(paths, pattern, steps or {}, on)
    rows = on_parts(paths, partial(_rows, search, view))
    numbers: dict[str, Any] = dict.fromkeys(("unit", "match", "position", "touches"), pl.UInt32)
    times: dict[str, Any] = {AT: pl.Datetime("us", "UTC"), "until": pl.Datetime("us", "UTC"), "end": pl.String}
    empty = pl.DataFrame(schema={CUSTOMER: paths.schema[CUSTOMER], **numbers, **times})
    return paths.without_objectors(pl.concat([empty, *rows])).sort(CUSTOMER, AT, "match")


def _rows(search: Search, view: View, part: Part, words: Dictionaries) -> pl.DataFrame:
    """The matches of one part, with the columns of `matches`."""
    sequences = sequences_of(part, view, words)
    begin, last = search.hits(sequences)
    units = np.searchsorted(sequences.bounds, begin, side="right") - 1
    people = sequences.customer
    first_of_person = np.searchsorted(people, people, side="left")
    first_of_unit = np.searchsorted(units, units, side="left")
    keys = sequences.read([CUSTOMER], begin)
    counts = {
        "unit": np.arange(len(sequences))[units] - first_of_person[units] + 1,
        "match": np.arange(len(begin)) - first_of_unit + 1,
        "position": begin - sequences.bounds[:-1][units] + 1,
        "touches": last - begin + 1,
    }
    times = {
        name: pl.Series(sequences.microseconds(rows)).cast(pl.Datetime("us", "UTC"))
        for name, rows in ((AT, begin), ("until", last))
    }
    return keys.with_columns(
        *(pl.Series(name, values, pl.UInt32) for name, values in counts.items()),
        *(values.alias(name) for name, values in times.items()),
        pl.Series("end", pl.Series(ENDS).gather(sequences.ends[units])),
    )
