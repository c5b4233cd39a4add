"""Which share of journeys needs help: a contact in the journey or after its goal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

import numpy as np
import polars as pl

from analytics.engine.analysis import answer, measured_by
from analytics.engine.conditions import Step, Words
from analytics.engine.goals import step_touches
from analytics.engine.matching import Matcher
from analytics.engine.partials import sums_by_customer
from analytics.engine.run import run
from analytics.engine.units import Unit
from analytics.experience.contacts import contact_step
from analytics.paths.measure import PathMeasure
from analytics.paths.sequences import UnitSequences, sorted_answer, with_total
from analytics.paths.view import By
from analytics.statistics.shares import customer_columns, customers_of, share_columns, square_columns
from analytics.store.paths import Paths

RATE: Final = ("contacted", "mature")
BEHIND: Final = {"customers_contacted": "contacted", "customers_not_contacted": "not contacted"}
"""The columns of distinct customers, and the counts that they stand behind."""


@dataclass(frozen=True, eq=False)
class ContactRate(PathMeasure):
    """Counts units, mature ones, and those with a contact within the window."""

    SCHEMA: ClassVar[pl.Schema] = answer(
        **dict.fromkeys(("units", "mature", "open", "direct", "contacted", "contacts", "customers"), pl.Int64),
        **dict.fromkeys(BEHIND, pl.Int64),
        contact_rate=pl.Float64,
        contact_rate_low=pl.Float64,
        contact_rate_high=pl.Float64,
        contacts_per_unit=pl.Float64,
    )
    COUNTS: ClassVar[Mapping[str, Any]] = dict.fromkeys(
        (
            *("units", "mature", "direct", "contacted", "contacts", "customers"),
            *(*square_columns(*RATE), *map(customers_of, BEHIND.values())),
        ),
        pl.Int64,
    )

    contact: Matcher = field(kw_only=True)

    @property
    def columns(self) -> tuple[str, ...]:
        """The stored columns that are read."""
        return tuple(dict.fromkeys([*super().columns, *self.contact.columns]))

    def counts(self, sequences: UnitSequences) -> pl.DataFrame:
        """The units of one part."""
        begin, after = sequences.microseconds(sequences.bounds[:-1]), sequences.aftermath
        unit = np.append(sequences.sequence_numbers(), after.unit)
        times = np.append(sequences.microseconds(np.arange(len(sequences.codes))), after.at)
        is_contact = self.contact.marked(sequences.part, sequences.words)[np.append(sequences.rows, after.rows)]
        counts = is_contact & (times - begin[unit] <= sequences.window) & sequences.mature[unit]
        found = np.bincount(unit[counts], minlength=len(sequences))
        values = {
            "units": ~sequences.direct,
            "mature": sequences.mature,
            "direct": sequences.direct,
            "contacted": found > 0,
            "contacts": found,
            "not contacted": sequences.mature & (found == 0),
        }
        asked: dict[str, Any] = {"shares": [RATE], "people_of": [*BEHIND.values()]}
        tables = []
        for keys, group in sequences.groupings():
            sums = sums_by_customer(group, sequences.customer, values, len(keys), **asked)
            tables.append(pl.concat([keys, sums], how="horizontal"))
        return pl.concat(tables).select(*self.schema)

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `contact_rate`."""
        table = with_total(merged, self.view)
        answered = table.with_columns(
            (pl.col("units") - pl.col("mature")).alias("open"),
            pl.when(pl.col("mature") > 0).then(pl.col("contacts") / pl.col("mature")).alias("contacts_per_unit"),
            *customer_columns(BEHIND),
            *share_columns(table, "contact_rate", *RATE),
        )
        return sorted_answer(answered, self.view).select(*self.view.groups, *self.SCHEMA)


@measured_by(ContactRate)
def contact_rate(
    paths: Paths,
    contact: Words | Step,
    *,
    unit: Unit = "journey",
    by: By = (),
    where: pl.Expr | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    window: str | timedelta | None = None,
) -> pl.DataFrame:
    """The share of journeys with a contact at most the `window` after they begin, over all mature ones.

    `contact` is as of `contacts`. Contacts after the goal of a journey, in its aftermath, count. A unit is mature when
    the whole window lies before the end of the data; the window is 30 days, or the journey gap where that is shorter.
    Direct journeys, of nothing but the goal, are in no rate. Columns: those of `by` (the value at the unit's first
    touch); `is_total` Boolean (the row over all groups comes first, with null in `by`); Int64: `units` (all but direct
    journeys), `mature`, `open` (the others), `direct`, `contacted` (mature, with a contact), `contacts` (theirs, within
    the window), `customers` (with such a unit), `customers_contacted`, `customers_not_contacted` (with a mature one
    that has a contact, with one that has none); `contact_rate` Float64 (contacted / mature, null without a mature unit)
    with its Wilson interval, judged by customers, `contact_rate_low`, `contact_rate_high`; `contacts_per_unit` Float64
    (contacts / mature). Only units count that begin from `start` (inclusive) to `end` (exclusive). No touches give a
    row of zeros, or no rows with `by`. Raises `DefinitionError` for an unknown unit or column, and for a window of
    journeys longer than their gap; warns of a word that no touch has (`UnknownWordWarning`).

    >>> from analytics import Paths
    >>> shop = Paths.from_text({"ann": "look@0d call@3d", "bo": "look@0d call@31d", "cy": "look@59d"}, end="60d")
    >>> contact_rate(shop, "call")["units", "mature", "contacted", "contact_rate"].row(0)
    (3, 2, 1, 0.5)
    """
    found = step_touches(paths, contact_step(contact))
    asked = ContactRate.of(
        paths, unit=unit, by=by, where=where, start=start, end=end, window=window, aftermath=True, contact=found
    )
    return run(paths, asked)
