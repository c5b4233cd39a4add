"""Which whole paths do customers take, how common is each, and does it reach the goal?

A variant is the sequence of all values of a unit, from its first touch to its last.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.units import CONVERTED, OPEN
from analytics.paths.sequences import UnitSequences, each, together
from analytics.paths.view import By, Selection, View, words_of
from analytics.statistics.intervals import wilson
from analytics.store.columns import TOUCHPOINT
from analytics.store.parts import Part
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

COUNTED: Final = (
    "path",
    "units",
    "share",
    "cumulative_share",
    "customers",
    "share_of_customers",
    "over",
    "converted",
    "goal_rate",
    "goal_rate_low",
    "goal_rate_high",
    "median_duration",
)


def variants(
    paths: Paths,
    *,
    unit: str = "journey",
    by: By = (),
    on: str = TOUCHPOINT,
    collapse: bool = False,
    among: Selection | None = None,
    top: int | None = None,
    least: int = 1,
) -> pl.DataFrame:
    """Whole paths with the number of units that took each, their goal rate, and their duration.

    Columns: those of `by` (the value at the unit's first touch); `path` List(String); `units` Int64; `share` Float64 of
    all units of the group (including units of variants that are left out), `cumulative_share`; `customers` Int64 (with
    at least one such unit), `share_of_customers` Float64 of all customers of the group (a customer with several
    variants counts in each, so the shares may sum to more than 1); `over` Int64 (units that are not open), `converted`
    Int64, `goal_rate` Float64 (converted of those that are over, null without one) with its Wilson interval
    `goal_rate_low`, `goal_rate_high`; `median_duration` Duration(us) from the first touch to the last. Most frequent
    first, ties by name; at most `top` per group, and only variants of at least `least` units. `collapse` joins repeats
    of one value, `among` selects units. No touches give no rows. Raises `DefinitionError` for an unknown unit or
    column.

    >>> from analytics import Paths
    >>> variants(Paths.from_text({"ann": "visit@0m pay@5m", "bo": "visit@0m pay@9m"}))["path", "units", "share"].rows()
    [(['visit', 'pay'], 2, 1.0)]
    """
    if least < 1 or (top is not None and top < 1):
        found = f"top {top}, least {least}"
        raise DefinitionError("No variant can be listed.", expected="top and least of 1 or more", found=found)
    view = View(unit, on, by, collapse=collapse, among=among).checked(paths, COUNTED)
    words = words_of(paths, on)
    units = unit_paths(paths, view, words)
    kept = _ranked(distinct_paths(units, view), view, top, least)
    keys = [*view.groups, "key"]
    measures = (
        units.join(kept, on=keys, how="semi", nulls_equal=True)
        .group_by(keys)
        .agg(
            pl.col("lasts").median().round().cast(pl.Duration("us")).alias("median_duration"),
            pl.col("person").n_unique().cast(pl.Int64).alias("customers"),
        )
    )
    named = kept.with_columns(decoded_paths(kept["key"], words))
    whole = named.join(measures, on=keys, how="left", nulls_equal=True, maintain_order="left")
    return _finish(_with_customers(whole, units, view), view)


def unit_paths(paths: Paths, view: View, words: pl.Series) -> pl.DataFrame:
    """One row per unit: groups, `key` Binary, `end`, `lasts` (microseconds), `person` (the customer's number).

    A key is the path as bytes: the rank of each of its values among all values, sorted. Keys therefore sort like paths
    sorted by name.
    """
    ranks = (words.rank("ordinal").to_numpy() - 1).astype(code_width(words))  # arithmetic yields native byte order
    partials = each(paths, view, words, partial(_units, ranks))
    return together(paths, view, {"key": pl.Binary, "end": pl.UInt8, "lasts": pl.Int64, "person": pl.UInt64}, partials)


def distinct_paths(units: pl.DataFrame, view: View) -> pl.DataFrame:
    """One row per distinct path: groups, `key`, `units`, `over` (not open), `converted`."""
    return units.group_by(*view.groups, "key").agg(
        pl.len().cast(pl.Int64).alias("units"),
        (pl.col("end") != OPEN).sum().cast(pl.Int64).alias("over"),
        (pl.col("end") == CONVERTED).sum().cast(pl.Int64).alias("converted"),
    )


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


def _units(ranks: NDArray[Any], sequences: UnitSequences, part: Part) -> pl.DataFrame:
    """The rows of `unit_paths` for one part."""
    lasts = sequences.microseconds(sequences.bounds[1:] - 1) - sequences.microseconds(sequences.bounds[:-1])
    keys = as_bytes(ranks[sequences.codes], sequences.bounds)
    person = sequences.people(part)
    rest = {"end": sequences.ends, "lasts": lasts, "person": person}
    return pl.DataFrame(
        [*sequences.groups.get_columns(), keys, *(pl.Series(name, each) for name, each in rest.items())]
    )


def _ranked(counted: pl.DataFrame, view: View, top: int | None, min_units: int) -> pl.DataFrame:
    """Variants of at least `min_units` units, the `top` of each group, sorted, with `share` and `cumulative_share`."""
    groups: Any = view.groups or pl.lit(1)
    whole = counted.with_columns(pl.col("units").sum().over(groups).alias("all")).filter(pl.col("units") >= min_units)
    if top is not None:
        whole = whole.filter(pl.col("units").rank("min", descending=True).over(groups) <= top)
        whole = whole if view.by else whole.bottom_k(top, by=[-pl.col("units"), "key"])
    order = [False] * len(view.groups) + [True, False]
    whole = whole.sort(*view.groups, "units", "key", descending=order, nulls_last=True)
    if top is not None:
        whole = whole.filter(pl.int_range(pl.len()).over(groups) < top)
    return whole.with_columns(
        (pl.col("units") / pl.col("all")).alias("share"),
        (pl.col("units").cum_sum().over(groups) / pl.col("all")).alias("cumulative_share"),
    )


def _with_customers(whole: pl.DataFrame, units: pl.DataFrame, view: View) -> pl.DataFrame:
    """Adds `share_of_customers` to variants."""
    people = pl.col("person").n_unique().alias("people")
    if view.by:
        every = units.group_by(view.groups).agg(people)
        whole = whole.join(every, on=view.groups, how="left", nulls_equal=True, maintain_order="left")
    else:
        whole = whole.with_columns(pl.Series("people", np.full(len(whole), units["person"].n_unique())))
    return whole.with_columns((pl.col("customers") / pl.col("people")).alias("share_of_customers"))


def _finish(counted: pl.DataFrame, view: View) -> pl.DataFrame:
    """Adds goal rates and selects the columns of `variants`."""
    low, high = wilson(counted["converted"].to_numpy(), counted["over"].to_numpy())
    over = pl.col("over") > 0
    return counted.with_columns(
        pl.when(over).then(pl.col("converted") / pl.col("over")).alias("goal_rate"),
        *(pl.when(over).then(pl.Series(b)).alias(f"goal_rate_{n}") for n, b in (("low", low), ("high", high))),
    ).select(*view.groups, *COUNTED)
