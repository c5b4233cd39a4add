"""What are the goals of journeys worth, and what is left of it after returns?

The **value** of a journey is what the touches of its goal bring; its **returns** are touches of its aftermath, and take
their amount off, whatever its sign: one source writes a return of 20 as 20, another as -20.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.conditions import Words
from analytics.engine.local.money import MILLION, Amounts, Money
from analytics.engine.notices.unknown_words import unknown_words, warn_of_unknown
from analytics.engine.partials import HIGHEST, densely
from analytics.paths.sequences import UnitSequences
from analytics.paths.view import Indices
from analytics.store.columns import AFTER_GOAL, JOURNEY, TOUCHPOINT
from analytics.store.paths import Paths
from expectations import contract

SUMS: Final = ("value sum", "left out", "net sum", "returned sum", "returns", "returns left out")
"""What is added up, by journey: amounts in millionths, and counts of touches."""
LARGEST: Final = (f"{HIGHEST}value", f"{HIGHEST}net", f"{HIGHEST}returned")
"""The most that one customer brings of each sum."""
PEOPLE: Final = {
    "customers_returned": "returns",
    "customers_left_out": "left out",
    "customers_returns_left_out": "returns left out",
}
"""The columns of distinct customers, and the counts of touches that they stand behind."""
ORDER: Final = "order"
"""The kind of an event that is an order, or a change of one."""


@dataclass(frozen=True, eq=False)
class StageValue:
    """The amounts of goals and returns, bound to a store. `returns` are the words of column `named_by` that name one.

    Whether a touch is a return is not known (`returns_known`) without aftermath, or without the column.
    """

    amounts: Amounts
    named_by: str
    returns: tuple[str, ...]
    returns_known: bool

    @classmethod
    def of(cls, paths: Paths, value: str | Money, returns: Words | None) -> StageValue:
        """The amounts of `value`; `returns` are touchpoints, by default all touches of kind order."""
        named = (returns,) if isinstance(returns, str) else tuple(returns or ())
        warn_of_unknown(unknown_words(paths, TOUCHPOINT, named))
        named_by, words = (contract.KIND, (ORDER,)) if returns is None else (TOUCHPOINT, named)
        known = {AFTER_GOAL, JOURNEY} <= set(paths.schema) and named_by in paths.dictionaries
        return cls(Amounts.of(paths, value), named_by, words, known)

    @property
    def columns(self) -> tuple[str, ...]:
        """The stored columns that are read."""
        return (*self.amounts.columns, *((AFTER_GOAL, JOURNEY, self.named_by) if self.returns_known else ()))

    def sums(self, sequences: UnitSequences, won: Indices, unit: Indices) -> dict[str, Indices]:
        """The `SUMS` of every journey of a part, of its returns and of its goal touches.

        `won` are the rows of the goal touches in the part, `unit` the journey of each. A goal touch is no return.
        """
        sums = {name: np.zeros(len(sequences), np.int64) for name in SUMS}
        frame = sequences.part.read(list(dict.fromkeys(self.columns)))
        millionths, left_out = self.amounts.at_rows(frame, won)
        np.add.at(sums["value sum"], unit, millionths)
        np.add.at(sums["left out"], unit, left_out)
        if self.returns_known:
            rows, of = self._returns(frame, sequences)
            rows, of = rows[~np.isin(rows, won)], of[~np.isin(rows, won)]
            millionths, left_out = self.amounts.at_rows(frame, rows)
            nothing = left_out | frame[self.amounts.column][rows].is_null().to_numpy()
            np.add.at(sums["returned sum"], of, np.abs(millionths))
            np.add.at(sums["returns"], of, 1)
            np.add.at(sums["returns left out"], of, nothing)
        sums["net sum"] = sums["value sum"] - sums["returned sum"]
        return sums

    def _returns(self, frame: pl.DataFrame, sequences: UnitSequences) -> tuple[Indices, Indices]:
        """The rows of the part that are returns in the aftermath of its journeys, and the unit of each.

        Aftermath follows the touches of its journey, so its journey is the last that begins before it.
        """
        words = sequences.words[self.named_by].to_list()
        codes = [code for code, word in enumerate(words) if word in self.returns]
        is_named = frame[self.named_by].to_physical().is_in(codes).fill_null(False)
        rows = (frame[AFTER_GOAL].fill_null(False) & is_named).arg_true().to_numpy().astype(np.int64)
        first, bounds = sequences.rows[sequences.bounds[:-1]], sequences.part.bounds()
        unit = np.searchsorted(first, rows, side="right") - 1
        rows, unit = rows[unit >= 0], unit[unit >= 0]
        journey = frame[JOURNEY].fill_null(0).to_numpy()
        own, other = (np.searchsorted(bounds, each, side="right") for each in (rows, first[unit]))
        same = (own == other) & (journey[rows] == journey[first[unit]])
        return rows[same], unit[same]


def sums_of_cells(worth: Mapping[str, Indices], cell: Indices, people: NDArray[Any], size: int) -> list[pl.Series]:
    """The columns `SUMS`, `LARGEST` and `PEOPLE` of every cell.

    `cell` and `people` have the cell and the customer of each unit.
    `worth` has the sums of every unit; without any all are 0. All units of a customer are in one part, so the largest
    of the parts is the largest of all.
    """
    columns = {name: np.zeros(size, np.int64) for name in (*SUMS, *LARGEST, *PEOPLE)}
    if worth:
        count = int(people.max(initial=0)) + 1
        pairs, pair = densely(cell * count + people, size * count)
        own = {name: np.zeros(len(pairs), np.int64) for name in worth}
        for name, sums in worth.items():
            np.add.at(own[name], pair, sums)
            np.add.at(columns[name], cell, sums)
        for name, of in zip(LARGEST, ("value sum", "net sum", "returned sum"), strict=True):
            np.maximum.at(columns[name], pairs // count, own[of])
        for name, of in PEOPLE.items():
            np.add.at(columns[name], pairs // count, own[of] > 0)
    return [pl.Series(name, values) for name, values in columns.items()]


def value_columns(rows: pl.Expr, *, known: bool) -> list[pl.Expr]:
    """The columns of money of an answer, in its `rows`; those of returns only where these are `known`."""
    net = rows & pl.lit(known)
    value, left, returned = (pl.col(name) for name in ("value sum", "net sum", "returned sum"))
    most, most_left, most_returned = (pl.col(name) for name in LARGEST)
    return [
        pl.when(rows).then(value / MILLION).alias("value"),
        pl.when(rows).then(pl.col("left out")).alias("value_left_out"),
        pl.when(rows).then(2 * most > value).alias("value_dominated"),
        pl.when(net).then(left / MILLION).alias("net_value"),
        pl.when(net).then((2 * most_left > left) | (2 * most_returned > returned)).alias("net_value_dominated"),
        pl.when(net).then(pl.col("returns")).alias("returns"),
        pl.when(net).then(pl.col("returns left out")).alias("returns_left_out"),
        pl.when(rows).then("customers_left_out").alias("customers_left_out"),
        *(pl.when(net).then(name).alias(name) for name in ("customers_returned", "customers_returns_left_out")),
    ]
