"""How many personas there are, and which group of a new fit is which persona of the old one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import polars as pl

from expectations.errors import DefinitionError

FEWEST, MOST = 2, 8
"""Personas are looked for in these numbers."""
MIN_PLACED: Final = 500
"""With fewer placed customers there are no clusters."""
STABLE: Final = 0.75
"""The mean resampled Jaccard that every group has at least."""
ABOVE_CHANCE: Final = 0.2
"""How much lower the same number is on shuffled columns, at least."""
TOLD_BY_HALF: Final = 0.3
"""How far half of a customer's sessions tell the group of the other half, at least."""
SMALLEST_SHARE: Final = 0.05
MIN_CUSTOMERS: Final = 100
"""Ten times the fewest customers of a published count (10): the smallest group that gets a card."""
SAME: Final = 0.5
"""A group of a new fit is an old persona where their Jaccard over customers placed in both is above this."""
_ROUNDING: Final = 1e-9


def persona_count(candidates: pl.DataFrame | Sequence[Mapping[str, Any]], placed: int) -> int | None:
    """The largest number of personas that is stable; None where no number is.

    `candidates` has one row per number: `k`, `min_jaccard` (of the least stable group), `shuffled_jaccard` (the same of
    columns shuffled independently; null where it was not asked), `smallest_share` (of the smallest group), and if known
    `split_half` (the correlation of a customer's group by half of the sessions with that by the others, of the two
    groups where it is lowest). A number from 2 to 8 is stable when every group's Jaccard is 0.75 or more, that of
    shuffled columns is at least 0.2 lower, the correlation is 0.3 or more where it is known, and the smallest group has
    5 % of the `placed` customers and 100 of them, or more. Fewer than 500 placed customers have no stable groups.

    >>> rows = [{"k": 2, "min_jaccard": 0.9, "shuffled_jaccard": 0.3, "smallest_share": 0.4},
    ...         {"k": 3, "min_jaccard": 0.7, "shuffled_jaccard": 0.3, "smallest_share": 0.2}]
    >>> persona_count(rows, 5000), persona_count(rows, 200)
    (2, None)
    """
    rows = candidates.to_dicts() if isinstance(candidates, pl.DataFrame) else candidates
    stable = [row["k"] for row in rows if FEWEST <= row["k"] <= MOST and is_stable(row, placed)]
    return max(stable, default=None) if placed >= MIN_PLACED else None


def is_stable(row: Mapping[str, Any], placed: int) -> bool:
    """Whether a candidate is stable, and its smallest group large enough."""
    shuffled, half = row["shuffled_jaccard"], row.get("split_half")
    return (
        large_enough(row, placed)
        and row["min_jaccard"] >= STABLE - _ROUNDING
        and shuffled is not None
        and row["min_jaccard"] - shuffled >= ABOVE_CHANCE - _ROUNDING
        and (half is None or half >= TOLD_BY_HALF - _ROUNDING)
    )


def large_enough(row: Mapping[str, Any], placed: int) -> bool:
    """Whether the smallest group of a candidate gets a card."""
    share = row["smallest_share"]
    return bool(share >= SMALLEST_SHARE - _ROUNDING and share * placed >= MIN_CUSTOMERS - _ROUNDING)


def match_personas(
    old: Mapping[str, Iterable[Any]] | pl.DataFrame, new: Mapping[str, Iterable[Any]] | pl.DataFrame
) -> pl.DataFrame:
    """Which group of a new fit is which persona of the old one, by the members that they share.

    `old` and `new` have the customers of each persona and each group, or are frames with `customer` and `persona`. Only
    customers placed in both count. A group is a persona where their Jaccard over these is above 0.5, which holds of one
    pair at most.

    One row per group, in the order given: `group` String, `persona` String (null: a new one), `jaccard` Float64 (null
    for a new one). Then one row per persona that no group is, in order: `persona` is `retired`, with null in `group`.
    Raises `DefinitionError` for a customer in two groups of one portfolio.

    >>> match_personas({"p1": "abcd", "p2": "ef"}, {"g1": "efg", "g2": "abc"}).rows()
    [('g1', 'p2', 1.0), ('g2', 'p1', 1.0)]
    >>> match_personas({"p1": "ab", "p2": "cd"}, {"g1": "abcd"}).rows()
    [('g1', None, None), (None, 'p1', None), (None, 'p2', None)]
    """
    (old_names, was), (new_names, now) = _members(old, "persona"), _members(new, "group")
    both = was.join(now, on="customer")
    shared = both.group_by("persona", "group").agg(pl.len().alias("shared"))
    sizes = [both.group_by(name).agg(pl.len().alias(f"of {name}")) for name in ("persona", "group")]
    joined = shared.join(sizes[0], on="persona").join(sizes[1], on="group")
    jaccard = pl.col("shared") / (pl.col("of persona") + pl.col("of group") - pl.col("shared"))
    pairs = joined.with_columns(jaccard.alias("jaccard")).filter(pl.col("jaccard") > SAME)
    found = {row["group"]: (row["persona"], row["jaccard"]) for row in pairs.iter_rows(named=True)}
    kept = {persona for persona, _ in found.values()}
    rows: list[tuple[Any, ...]] = [(name, *found.get(name, (None, None))) for name in new_names]
    rows += [(None, name, None) for name in old_names if name not in kept]
    schema = {"group": pl.String, "persona": pl.String, "jaccard": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _members(given: Mapping[str, Iterable[Any]] | pl.DataFrame, name: str) -> tuple[list[str], pl.DataFrame]:
    """The names of groups in order, and the group of each customer."""
    if isinstance(given, pl.DataFrame):
        table = given.select(pl.col("customer").cast(pl.String), pl.col("persona").cast(pl.String).alias(name))
        names = table[name].unique().sort().to_list()
    else:
        names = list(given)
        rows = [(str(customer), group) for group, own in given.items() for customer in own]
        table = pl.DataFrame(rows, schema={"customer": pl.String, name: pl.String}, orient="row").unique()
    if twice := int(table["customer"].is_duplicated().sum()):
        raise DefinitionError(
            "A customer is in two groups of one portfolio.",
            expected="groups that do not overlap",
            found=f"{twice:,} rows of customers with several groups",
        )
    return names, table
