"""Which paths contain a pattern of touches, where in the path, and after how long?

A pattern is a regular expression over whole touches. `analytics.paths.pattern_grammar` describes the syntax,
`analytics.paths.pattern_search` the search. Matches do not overlap: the search goes on after the end of each match.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

import numpy as np
import polars as pl

from analytics.engine.conditions import Step
from analytics.engine.units import CONVERTED, ENDS, OPEN
from analytics.paths.pattern_search import Search
from analytics.paths.sequences import UnitSequences, each, together
from analytics.paths.view import By, Selection, View, words_of
from analytics.statistics.intervals import wilson
from analytics.store.columns import AT, CUSTOMER, TOUCHPOINT
from analytics.store.encoding import as_text
from analytics.store.parts import Part, decoded
from analytics.store.paths import Paths

COUNTED: Final = (
    "units",
    "matching",
    "share",
    "share_low",
    "share_high",
    "customers",
    "matches",
    "median_position",
    "median_delay",
    "median_duration",
    "goal_rate",
    "goal_rate_without",
)
FOUND: Final = ("customer", "unit", "match", "position", "touches", "at", "until", "end")


def match(
    paths: Paths,
    pattern: str,
    *,
    unit: str = "journey",
    by: By = (),
    on: str = TOUCHPOINT,
    steps: Mapping[str, Step] | None = None,
    collapse: bool = False,
    among: Selection | None = None,
) -> pl.DataFrame:
    """How many units and customers match a pattern, where and when in the path, and how many reach the goal.

    Columns: those of `by` (the value at the unit's first touch); `units`, `matching` (units with a match) Int64;
    `share` Float64 with its Wilson interval `share_low`, `share_high`; `customers` (with a match), `matches` Int64;
    of the first match of each unit `median_position` Float64 (of its first touch, from 1), `median_delay` (since the
    unit's first touch), `median_duration` (from its first touch to its last) Duration(us), null without a match;
    `goal_rate`, `goal_rate_without` Float64 (converted of the units that are over, with and without a match). One row,
    or one per group. `steps` defines names of the pattern as steps; other names are values of `on`. No touches give a
    row of zeros, or no rows with `by`. Raises `DefinitionError` for a pattern that cannot be parsed.

    >>> from analytics import Paths
    >>> shop = Paths.from_text({"ann": "home@0m cart@1m look@2m", "bo": "home@0m cart@1m buy@2m"})
    >>> match(shop, "home .* cart (?!buy)* $")["units", "matching", "matches"].rows()
    [(2, 1, 1)]
    """
    view = View(unit, on, by, collapse=collapse, among=among).checked(paths, COUNTED)
    search = Search.of(paths, pattern, steps or {}, view)
    partials = each(paths, view, words_of(paths, on), partial(_counts, search))
    numbers = dict.fromkeys(("matches", "position", "delay", "lasts"), pl.Int64)
    return _finish(together(paths, view, {"person": pl.UInt64, "end": pl.UInt8, **numbers}, partials), view)


def matches(
    paths: Paths,
    pattern: str,
    *,
    unit: str = "journey",
    on: str = TOUCHPOINT,
    steps: Mapping[str, Step] | None = None,
    collapse: bool = False,
    among: Selection | None = None,
) -> pl.DataFrame:
    """One row per match of a pattern, sorted by customer and time.

    Columns: `customer` as in the paths; `unit` UInt32 (the number of the unit among the customer's, from 1), `match`
    UInt32 (the number of the match in its unit, from 1), `position` UInt32 (of its first touch in the unit, from 1),
    `touches` UInt32, `at`, `until` Datetime(us, UTC) (of its first and last touch), `end` String (how the unit ends).
    Takes the arguments of `match`. Units are numbered among the selected ones.

    >>> from analytics import Paths
    >>> matches(Paths.from_text({"ann": "a@0m b@1m a@2m"}), "a")["customer", "match", "position"].rows()
    [('ann', 1, 1), ('ann', 2, 3)]
    """
    view = View(unit, on, collapse=collapse, among=among).checked(paths, ())
    search = Search.of(paths, pattern, steps or {}, view)
    partials = each(paths, view, words_of(paths, on), partial(_rows, search))
    numbers = dict.fromkeys(("unit", "match", "position", "touches"), pl.UInt32)
    times = {"at": pl.Datetime("us", "UTC"), "until": pl.Datetime("us", "UTC"), "end": pl.String}
    return together(paths, view, {CUSTOMER: paths.schema[CUSTOMER], **numbers, **times}, partials).sort(
        CUSTOMER, "at", "match"
    )


def _counts(search: Search, sequences: UnitSequences, part: Part) -> pl.DataFrame:
    """One row per unit: groups, `person`, `end`, `matches`, and of the first match `position`, `delay`, `lasts`."""
    begin, last = search.hits(sequences, part)
    units = np.searchsorted(sequences.bounds, begin, side="right") - 1
    there, first = np.unique(units, return_index=True)
    start, stop = begin[first], last[first]
    low = sequences.bounds[:-1][there]
    values = {
        "position": start - low + 1,
        "delay": sequences.microseconds(start) - sequences.microseconds(low),
        "lasts": sequences.microseconds(stop) - sequences.microseconds(start),
    }
    each_unit = pl.int_range(len(sequences), eager=True)
    firsts = pl.DataFrame({"unit": there, **values})
    rows = sequences.groups.with_columns(
        pl.Series("person", sequences.people(part)),
        pl.Series("end", sequences.ends),
        pl.Series("matches", np.bincount(units, minlength=len(sequences))),
        each_unit.alias(" unit"),
    )
    return rows.join(firsts, left_on=" unit", right_on="unit", how="left", maintain_order="left").drop(" unit")


def _finish(units: pl.DataFrame, view: View) -> pl.DataFrame:
    """Aggregates units into the columns of `match`."""
    hit, over, won = pl.col("matches") > 0, pl.col("end") != OPEN, pl.col("end") == CONVERTED
    aggregates = [
        pl.len().cast(pl.Int64).alias("units"),
        hit.sum().cast(pl.Int64).alias("matching"),
        pl.col("person").filter(hit).n_unique().cast(pl.Int64).alias("customers"),
        pl.col("matches").sum(),
        pl.col("position").median().alias("median_position"),
        *(
            pl.col(column).median().round().cast(pl.Duration("us")).alias(name)
            for name, column in (("median_delay", "delay"), ("median_duration", "lasts"))
        ),
        won.filter(hit & over).mean().alias("goal_rate"),
        won.filter(~hit & over).mean().alias("goal_rate_without"),
    ]
    table = (
        units.group_by(view.groups).agg(aggregates).sort(view.groups, nulls_last=True)
        if view.by
        else units.select(aggregates)
    )
    low, high = wilson(table["matching"].to_numpy(), table["units"].to_numpy())
    counted = pl.col("units") > 0
    return table.with_columns(
        pl.when(counted).then(pl.col("matching") / pl.col("units")).alias("share"),
        *(pl.when(counted).then(pl.Series(b)).alias(f"share_{n}") for n, b in (("low", low), ("high", high))),
    ).select(*view.groups, *COUNTED)


def _rows(search: Search, sequences: UnitSequences, part: Part) -> pl.DataFrame:
    """The matches of one part, with the columns of `matches`."""
    begin, last = search.hits(sequences, part)
    units = np.searchsorted(sequences.bounds, begin, side="right") - 1
    people = sequences.customer
    first_of_person = np.searchsorted(people, people, side="left")
    first_of_unit = np.searchsorted(units, units, side="left")
    keys = as_text(decoded(part, [CUSTOMER], search.paths.dictionaries)[sequences.rows[begin]])
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
