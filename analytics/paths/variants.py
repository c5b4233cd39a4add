"""Which whole paths do customers take, how common is each, and does it reach the goal?

A variant is the sequence of all values of a unit, from its first touch to its last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.analysis import Cells, answer, measured_by
from analytics.engine.distributions import DISTRIBUTION, distributions, durations
from analytics.engine.notices.renamed import renamed
from analytics.engine.partials import densely, numbered, sums_by_customer
from analytics.engine.run import run
from analytics.engine.units import Unit
from analytics.paths.measure import PathMeasure
from analytics.paths.sequences import UnitSequences, sorted_answer
from analytics.paths.view import By, Indices, Selection
from analytics.statistics.shares import customers_of, share_columns, square_columns
from analytics.store.columns import TOUCHPOINT
from analytics.store.paths import Paths
from expectations.errors import DefinitionError


@dataclass(frozen=True, eq=False)
class Variants(PathMeasure):
    """Counts units by path: a partial has one row per distinct path, and one for all units, with a null `key`.

    A path is a row of its own, so a partial grows with the number of distinct paths in a part.
    """

    SCHEMA: ClassVar[pl.Schema] = answer(
        path=pl.List(pl.String),
        units=pl.Int64,
        share_of_units=pl.Float64,
        cumulative_share_of_units=pl.Float64,
        customers=pl.Int64,
        customers_reached=pl.Int64,
        customers_lost=pl.Int64,
        share_of_customers=pl.Float64,
        mature=pl.Int64,
        reached=pl.Int64,
        goal_rate=pl.Float64,
        goal_rate_low=pl.Float64,
        goal_rate_high=pl.Float64,
        median_duration=pl.Duration("us"),
    )
    CELLS: ClassVar[Cells | None] = Cells(("path",))
    BOUND: ClassVar[int] = 1 << 25
    KEYS: ClassVar[Mapping[str, Any]] = {"key": pl.Binary}
    COUNTS: ClassVar[Mapping[str, Any]] = {
        **dict.fromkeys(("units", "mature", "reached", "customers"), pl.Int64),
        **dict.fromkeys(square_columns("reached", "mature"), pl.Int64),
        **dict.fromkeys(map(customers_of, ("reached", "lost")), pl.Int64),
        "durations": DISTRIBUTION,
    }
    QUANTILES: ClassVar[Mapping[str, Sequence[float]]] = {"durations": (0.5,)}

    top: int | None = None
    min_units: int = 1

    def __post_init__(self) -> None:
        if self.min_units < 1 or (self.top is not None and self.top < 1):
            found = f"top {self.top}, min_units {self.min_units}"
            raise DefinitionError("No variant can be listed.", expected="top and min_units of 1 or more", found=found)

    def counts(self, sequences: UnitSequences) -> pl.DataFrame:
        """The paths of one part, and all its units."""
        paths, path = numbered(path_keys(sequences, self.view.names).to_frame())
        lasts = sequences.lasts()
        rows = []
        for keys, group in sequences.groupings():
            cells, cell = densely(group * len(paths) + path, len(keys) * len(paths))
            own, taken = np.divmod(cells, len(paths))
            spread = distributions(cell, lasts, len(cells), exact=self.exact)
            rows.append(_table(keys[own], paths["key"].gather(taken), _counted(sequences, cell, len(cells)), spread))
            nothing = distributions(lasts[:0], lasts[:0], len(keys))
            rows.append(
                _table(
                    keys,
                    pl.repeat(None, len(keys), dtype=pl.Binary, eager=True),
                    _counted(sequences, group, len(keys)),
                    nothing,
                )
            )
        return pl.concat(row.select(*self.schema) for row in rows)

    def cell_rows(self, sequences: UnitSequences) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The path of every unit; the whole is all units."""
        paths, path = numbered(path_keys(sequences, self.view.names).to_frame())
        rows = pl.DataFrame(
            {"path": decoded_paths(paths["key"], self.view.names).gather(path), "unit": np.arange(len(sequences))}
        )
        return rows, rows.select("unit")

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `variants`."""
        keys, is_whole = self.view.keys, pl.col("key").is_null()
        wholes = merged.filter(is_whole).select(
            *keys, pl.col("units").alias(" all units"), pl.col("customers").alias(" all customers")
        )
        listed = merged.filter(~is_whole, pl.col("units") >= self.min_units)
        if self.top is not None:  # before sorting, since sorting by path takes long
            listed = listed.filter(pl.col("units").rank("min", descending=True).over(keys) <= self.top)
        ordered = sorted_answer(listed.join(wholes, on=keys, nulls_equal=True), self.view, "-units", "key")
        if self.top is not None:
            ordered = ordered.filter(pl.int_range(pl.len()).over(keys) < self.top)
        return ordered.with_columns(
            decoded_paths(ordered["key"], self.view.names),
            (pl.col("units") / pl.col(" all units")).alias("share_of_units"),
            (pl.col("units").cum_sum().over(keys) / pl.col(" all units")).alias("cumulative_share_of_units"),
            *(pl.col(customers_of(name)).alias(f"customers_{name}") for name in ("reached", "lost")),
            (pl.col("customers") / pl.col(" all customers")).alias("share_of_customers"),
            *share_columns(ordered, "goal_rate", "reached", "mature"),
            *durations(ordered["durations"], {"median_duration": 0.5}),
        ).select(*self.view.groups, *self.SCHEMA)


@measured_by(Variants)
@renamed(least="min_units")
def variants(
    paths: Paths,
    *,
    unit: Unit = "journey",
    by: By = (),
    where: pl.Expr | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    top: int | None = None,
    min_units: int = 1,
    on: str = TOUCHPOINT,
    collapse: bool = False,
    among: Selection | None = None,
    window: str | timedelta | None = None,
    exact: bool = False,
) -> pl.DataFrame:
    """Whole paths with the number of units that took each, their goal rate, and their duration.

    Columns: those of `by` (the value at the unit's first touch); `is_total` Boolean (rows over all groups come first,
    with null in `by`); `path` List(String); `units` Int64; `share_of_units` Float64 (of all units of the group,
    including those of variants that are left out), `cumulative_share_of_units`; `customers` Int64 (with at least one
    such unit), `customers_reached`, `customers_lost` Int64 (with a mature one that reaches the goal within the window,
    with one that does not), `share_of_customers` Float64 of all customers of the group (a customer with several
    variants counts in each, so the shares may sum to more than 1); `mature` Int64 (units that begin a whole `window`
    before the end of the data, direct ones aside), `reached` Int64 (of these, with the goal within the window),
    `goal_rate` Float64 (reached / mature, null without a mature one) with its Wilson interval, judged by customers,
    `goal_rate_low`, `goal_rate_high`; `median_duration` Duration(us) from the first touch to the last, where a variant
    has more than 1,000 units right to 1 in 1,000, or with `exact` exact, for twice the time. Most frequent first, ties
    by name; at most `top` per group, and only variants of at least `min_units` units. Only units count that begin from
    `start` (inclusive) to `end` (exclusive). `where` is a condition on touches, `collapse` joins repeats of one value,
    `among` selects units; touches without a value are skipped. No touches give no rows. Raises `DefinitionError` for an
    unknown unit or column.

    >>> from analytics import Paths
    >>> shop = Paths.from_text({"ann": "visit@0m pay@5m", "bo": "visit@0m pay@9m"})
    >>> variants(shop)["path", "units", "share_of_units"].rows()
    [(['visit', 'pay'], 2, 1.0)]
    """
    return run(
        paths,
        Variants.of(
            paths,
            unit=unit,
            by=by,
            where=where,
            start=start,
            end=end,
            on=on,
            collapse=collapse,
            among=among,
            window=window,
            top=top,
            min_units=min_units,
        ),
        exact=exact,
    )


def path_keys(sequences: UnitSequences, words: pl.Series) -> pl.Series:
    """The `key` of every sequence: its path as bytes, the rank of each of its values among all values, sorted.

    Keys therefore sort like paths sorted by name.
    """
    ranks = (words.rank("ordinal").to_numpy() - 1).astype(code_width(words))  # arithmetic yields native byte order
    return as_bytes(ranks[sequences.codes], sequences.bounds)


def code_width(words: pl.Series) -> str:
    """The numpy type of the codes in a key; big-endian, so that bytes sort like codes."""
    return ">u1" if len(words) <= 0xFF else ">u2" if len(words) <= 0xFFFF else ">u4"


def decoded_paths(keys: pl.Series, words: pl.Series) -> pl.Series:
    """Paths as lists of values, decoded from their keys."""
    from arro3.core import ChunkedArray, list_array

    flat, offsets = ranks_of(keys, words)
    names = ChunkedArray(words.cast(pl.String).sort().gather(flat)).combine_chunks()
    return pl.Series(list_array(offsets, names)).cast(pl.List(pl.String)).alias("path")


def ranks_of(keys: pl.Series, words: pl.Series) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The ranks of values in all keys, concatenated, and the offset at which each key begins (and the last ends)."""
    width = np.dtype(code_width(words))
    flat = np.frombuffer(b"".join(keys.to_list()), width).astype(np.int64)
    lengths = keys.bin.size().to_numpy().astype(np.int64) // width.itemsize
    return flat, np.append(0, np.cumsum(lengths))


def as_bytes(codes: NDArray[Any], bounds: NDArray[np.int64]) -> pl.Series:
    """Slices of `codes` as a Binary series; slice `i` is `codes[bounds[i] : bounds[i + 1]]`."""
    from arro3.core import list_array

    flat = np.ascontiguousarray(codes)
    slices = list_array(np.ascontiguousarray(bounds * flat.dtype.itemsize), flat.view(np.uint8))
    return pl.Series(slices).cast(pl.Binary).alias("key")


def _table(keys: pl.DataFrame, key: pl.Series, counts: pl.DataFrame, spread: pl.Series) -> pl.DataFrame:
    """Rows of a partial."""
    return pl.concat(
        [keys, key.alias("key").to_frame(), counts, spread.alias("durations").to_frame()], how="horizontal"
    )


def _counted(sequences: UnitSequences, cell: Indices, size: int) -> pl.DataFrame:
    """The counts of every cell, in the order of their numbers; `cell` is the number of every unit's."""
    values = {
        "units": np.ones(len(sequences), np.int64),
        "mature": sequences.mature,
        "reached": sequences.reached,
        "lost": sequences.mature & ~sequences.reached,
    }
    people_of = ("reached", "lost")
    return sums_by_customer(
        cell, sequences.customer, values, size, shares=[("reached", "mature")], people_of=people_of
    ).drop("lost")
