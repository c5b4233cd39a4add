"""Where do real paths deviate from a designed path, how often, and what does it do to the goal?

Deviations are those of the cheapest alignment of a path with the design (`analytics.paths.designed.conformance`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.analysis import Cells, answer, measured_by
from analytics.engine.conditions import Words
from analytics.engine.partials import densely, sums_by_customer
from analytics.engine.run import run
from analytics.engine.units import Unit
from analytics.paths.designed.alignment import KINDS, SKIP, Aligned, alignments
from analytics.paths.designed.design import Design, DesignStep
from analytics.paths.sequences import UnitSequences, sorted_answer
from analytics.paths.view import By, Indices, Selection
from analytics.statistics.corrections import benjamini_hochberg
from analytics.statistics.intervals import newcombe
from analytics.statistics.shares import effective, share_columns, square_columns
from analytics.statistics.tests import two_proportions_z
from analytics.store.columns import TOUCHPOINT
from analytics.store.parts import rows_of_runs
from analytics.store.paths import Paths

COUNTED: Final = ("units", "mature", "reached")
GOAL: Final = ("reached", "mature")
OTHER_GOAL: Final = ("other reached", "other mature")
ALL_GOAL: Final = ("all reached", "all mature")
OTHERS: Final = tuple(zip(square_columns(*OTHER_GOAL), square_columns(*ALL_GOAL), strict=True))
SHARES: Final = (("units", "all units"), GOAL, OTHER_GOAL)
"""The shares of a deviation: units with it, and goal rates with and without it; `square_columns` of each are kept."""

Counts: TypeAlias = dict[str, NDArray[np.int64]]


@dataclass(frozen=True, eq=False)
class Deviations(Aligned):
    """Counts units by deviation: a partial has one row per deviation, and one for all units, with a null `code`.

    The sums by customer of the units without a deviation (`other mature`, `other reached`) are those of the customers
    who have it, less the same sums of all their units: added to the sums of all units they are right.
    """

    SCHEMA: ClassVar[pl.Schema] = answer(
        kind=pl.String,
        step=pl.UInt32,
        name=pl.String,
        deviations=pl.Int64,
        units=pl.Int64,
        share_of_units=pl.Float64,
        share_of_units_low=pl.Float64,
        share_of_units_high=pl.Float64,
        goal_rate=pl.Float64,
        goal_rate_without=pl.Float64,
        difference=pl.Float64,
        difference_low=pl.Float64,
        difference_high=pl.Float64,
        p_value=pl.Float64,
        p_corrected=pl.Float64,
    )
    CELLS: ClassVar[Cells | None] = Cells(("kind", "step", "name"))
    BOUND: ClassVar[int] = 1 << 22
    KEYS: ClassVar[Mapping[str, Any]] = {"code": pl.Int64}
    COUNTS: ClassVar[Mapping[str, Any]] = dict.fromkeys(
        ("deviations", *COUNTED, *(name for pair in SHARES for name in square_columns(*pair))), pl.Int64
    )

    def counts(self, sequences: UnitSequences) -> pl.DataFrame:
        """The deviations of one part, and all its units."""
        units, codes, code = self._entries(sequences)
        own = {
            "units": np.ones(len(sequences), np.int64),
            "mature": sequences.mature.astype(np.int64),
            "reached": sequences.reached.astype(np.int64),
        }
        tables = []
        for keys, group in sequences.groupings():
            of_all = {**own, "all units": own["units"]}
            wholes = sums_by_customer(group, sequences.customer, of_all, len(keys), shares=SHARES[:2])
            cells, cell = densely(group[units] * len(codes) + code, len(keys) * len(codes))
            number, taken = np.divmod(cells, max(len(codes), 1))
            values, before = _beside(sequences.customer, group, own)
            sums = sums_by_customer(
                cell,
                sequences.customer,
                values,
                len(cells),
                shares=[*SHARES, ALL_GOAL],
                units=units,
                before=before,
            )
            tables += [
                pl.concat([keys, wholes], how="horizontal"),
                keys[number].with_columns(
                    *sums.with_columns(pl.col(other) - pl.col(of_all) for other, of_all in OTHERS),
                    pl.Series("code", codes[taken]),
                    pl.Series("deviations", np.bincount(cell, minlength=len(cells))),
                ),
            ]
        table = pl.concat([pl.DataFrame(schema=self.schema), *tables], how="diagonal")
        return table.select(*self.view.keys, *self.KEYS, pl.col(list(self.COUNTS)).fill_null(0))

    def _entries(self, sequences: UnitSequences) -> tuple[Indices, Indices, Indices]:
        """The unit of every deviation of every unit, unit by unit; all codes, and the position of each one's code."""
        aligned = alignments(sequences, self.view.names, self.designed)
        found = aligned.deviations.select("path", self._code.alias("code")).sort("path", maintain_order=True)
        kinds = (len(self.view.names) + 1) * len(KINDS) * (len(self.designed.steps) + 1)
        codes, code = densely(found["code"].to_numpy(), kinds)
        sizes = np.bincount(found["path"].to_numpy(), minlength=len(aligned.cost))
        counts, begins = sizes[aligned.path], (np.cumsum(sizes) - sizes)[aligned.path]
        return np.repeat(np.arange(len(sequences)), counts), codes, code[rows_of_runs(begins, counts)]

    @property
    def _code(self) -> pl.Expr:
        """The number of a deviation, from its kind, step and value."""
        steps = len(self.designed.steps) + 1
        return (pl.col("value") * len(KINDS) + pl.col("kind")) * steps + pl.col("step")

    def cell_rows(self, sequences: UnitSequences) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Every deviation of every unit, once; the whole is all units."""
        aligned = alignments(sequences, self.view.names, self.designed)
        units = pl.DataFrame({"path": aligned.path, "unit": np.arange(len(sequences))})
        deviations = self._named(aligned.deviations.select("path", self._code.alias("code")).unique())
        return units.join(deviations, on="path").select("kind", "step", "name", "unit"), units.select("unit")

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `deviations`."""
        keys, is_whole = self.view.keys, pl.col("code").is_null()
        wholes = (
            merged.filter(is_whole)
            .drop(*self.KEYS, "deviations")
            .rename({name: f"all {name}" for name in self.COUNTS if name != "deviations"})
        )
        table = merged.filter(~is_whole).join(wholes, on=keys, nulls_equal=True)
        squares, goal, others = (square_columns(*pair) for pair in SHARES)
        table = table.with_columns(
            *_without(),
            *(pl.col(f"all {name}").alias(name) for name in (squares[0], squares[3])),
            *(pl.col(other) + pl.col(f"all {name}") for other, name in zip(others, goal, strict=True)),
        )
        ordered = sorted_answer(self._named(table), self.view, "-units", "kind", "step", "name")
        return _with_effects(ordered, keys).select(*self.view.groups, *self.SCHEMA)

    def _named(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Adds `kind`, `step`, and the `name` of the skipped step, or of the touch, to rows with a `code`."""
        values, steps = self.view.names.cast(pl.String).sort(), pl.Series(self.designed.names, dtype=pl.String)
        rest, step = np.divmod(rows["code"].to_numpy(), len(steps) + 1)
        value, kind = np.divmod(rest, len(KINDS))
        skipped = kind == SKIP
        every = pl.concat([steps, values])
        return rows.with_columns(
            pl.Series("kind", KINDS).gather(kind),
            pl.Series("step", step, pl.UInt32),
            every.gather(np.where(skipped, step - 1, len(steps) + value)).alias("name"),
        )


@measured_by(Deviations)
def deviations(
    paths: Paths,
    designed: Design | Sequence[Words | DesignStep],
    *,
    unit: Unit = "journey",
    by: By = (),
    where: pl.Expr | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    on: str = TOUCHPOINT,
    collapse: bool = False,
    among: Selection | None = None,
    window: str | timedelta | None = None,
) -> pl.DataFrame:
    """Where paths deviate from the designed one, how often, and how the goal rate differs with the deviation.

    Columns: those of `by`; `is_total` Boolean (rows over all groups come first, with null in `by`); `kind` String
    (skip, insert, repeat); `step` UInt32 (the skipped step, or the last one done before the touch, 0 before the first);
    `name` String (of the skipped step, or the touch); `deviations` Int64 (all), `units` Int64 (with at least one),
    `share_of_units` Float64 of the units of the group with its Wilson interval; `goal_rate`, `goal_rate_without`
    Float64 (units with the goal within the `window`, of the mature ones, with and without it); their `difference` with
    its Newcombe interval, `p_value` (two proportions) and `p_corrected` (Benjamini-Hochberg over the rows of the
    group). Intervals and tests are judged by customers. Most frequent first. No touches, or no deviations, give no
    rows. Takes the arguments of `conformance`.

    >>> from analytics import Paths
    >>> shop = Paths.from_text({"bo": "home@0m home@1m pay@2m"})
    >>> deviations(shop, ["home", "cart", "pay"])["kind", "step", "name"].rows()
    [('repeat', 1, 'home'), ('skip', 2, 'cart')]
    """
    return run(
        paths,
        Deviations.of(
            paths,
            designed=designed,
            unit=unit,
            by=by,
            where=where,
            start=start,
            end=end,
            on=on,
            collapse=collapse,
            among=among,
            window=window,
        ),
    )


def _beside(people: Indices, group: Indices, own: Mapping[str, Indices]) -> tuple[Counts, Counts]:
    """What every unit adds to the counts of its deviations, and what the customer's units in its group come to."""
    customers = int(people.max(initial=0)) + 1
    pairs, pair = densely(group * customers + people, (int(group.max(initial=0)) + 1) * customers)
    nothing = np.zeros(len(people), np.int64)
    values, before = dict(own), dict.fromkeys(own, nothing)
    for name, counts in own.items():
        values[f"all {name}"] = nothing
        before[f"all {name}"] = np.bincount(pair, counts, minlength=len(pairs)).astype(np.int64)[pair]
    for name in GOAL:
        values[f"other {name}"], before[f"other {name}"] = -own[name], before[f"all {name}"]
    return values, before


def _without() -> list[pl.Expr]:
    """The counts of the units without a deviation."""
    return [(pl.col(f"all {name}") - pl.col(name)).alias(f"other {name}") for name in ("mature", "reached")]


def _with_effects(table: pl.DataFrame, groups: list[str]) -> pl.DataFrame:
    """Adds the shares of units, the goal rates with and without a deviation, and their difference."""
    with_it, without = (effective(table, *pair) for pair in SHARES[1:])
    interval = newcombe(*with_it, *without)
    computed = {
        "difference_low": interval.low,
        "difference_high": interval.high,
        "p_value": two_proportions_z(*with_it, *without).p_value,
    }
    table = table.with_columns(
        *share_columns(table, "share_of_units", *SHARES[0]),
        (pl.col("reached") / pl.col("mature")).fill_nan(None).alias("goal_rate"),
        (pl.col("other reached") / pl.col("other mature")).fill_nan(None).alias("goal_rate_without"),
        *(pl.Series(name, values, pl.Float64).fill_nan(None) for name, values in computed.items()),
    )
    corrected = [
        benjamini_hochberg(rows["p_value"].fill_null(np.nan).to_numpy())
        for rows in table.partition_by(groups, maintain_order=True)
    ]
    return table.with_columns(
        (pl.col("goal_rate") - pl.col("goal_rate_without")).alias("difference"),
        pl.Series("p_corrected", np.concatenate([np.empty(0), *corrected])).fill_nan(None),
    )
