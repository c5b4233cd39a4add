"""Reads identities from events, and lists the combinations of identities that occur.

A *source* is a column of the event, or a key of its map `identities`, that holds identities of one kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

import polars as pl

from analytics.identity.columns import HASH
from analytics.identity.rules import IdentityRules
from expectations import contract


@dataclass(frozen=True)
class Source:
    """A field of the event that holds identities of one kind; `key` is its name in the map of identities, else None."""

    kind: str
    rank: int
    column: str
    value: pl.Expr
    key: str | None = None


EVENTS_AT_ONCE: Final = 15_000_000
"""Events that `distinct_rows` reads at a time."""


def with_hash(events: pl.LazyFrame, sources: Sequence[Source], hashed: pl.Expr) -> pl.LazyFrame:
    """Adds `_hash`, the hash of the combination of identities, to events."""
    names = [source.column for source in sources]
    with_values = events.with_columns(source.value.alias(source.column) for source in sources)
    return with_values.with_columns(hashed.alias(HASH)).drop(names)


def hash_of(sources: Sequence[Source], seed: int) -> pl.Expr:
    """The hash of a combination: integers join faster than text."""
    return pl.struct(pl.col(source.column).hash(seed) for source in sources).hash(seed)


def distinct_rows(events: pl.LazyFrame, *columns: pl.Expr) -> pl.DataFrame:
    """The distinct rows of some columns of events.

    Reads a share of the events at a time: the engine may hold all that it has read until it is done.
    """
    count = int(events.select(pl.len()).collect(engine="streaming").item())
    shares = [events.slice(start, EVENTS_AT_ONCE) for start in range(0, max(1, count), EVENTS_AT_ONCE)]
    parts = [share.select(columns).unique().collect(engine="streaming") for share in shares]
    if len(parts) == 1:
        return parts[0]
    key = pl.struct(pl.all()).hash() % len(parts)
    groups = [pl.concat([part.lazy().filter(key == number) for part in parts]) for number in range(len(parts))]
    return pl.concat(part.unique().collect(engine="streaming") for part in groups)


def kinds_in(events: pl.LazyFrame) -> pl.DataFrame:
    """How many events carry each key of the map of identities: kind, events (Int64), sorted by kind."""
    keys = events.select(pl.col(contract.IDENTITIES).map.keys().explode().alias("kind")).drop_nulls()
    counts = keys.group_by("kind").agg(pl.len().cast(pl.Int64).alias("events"))
    return counts.collect(engine="streaming").sort("kind")


def sources_of(keys: Sequence[str], settings: IdentityRules) -> tuple[Source, ...]:
    """The sources of identities, the most trusted kind first; kinds without a place in the order come last, by name.

    `keys` are keys of the map `identities`. Sources whose values are hashed have the kind of the hash.
    """
    own = (contract.CUSTOMER_ID, contract.ANONYMOUS_ID)
    fields: list[tuple[str, pl.Expr, str | None]] = [(kind, pl.col(kind), None) for kind in own]
    fields += [(key, pl.col(contract.IDENTITIES).map.get(key), key) for key in keys]
    normalized = [(settings.hashed.get(kind, kind), settings.normal(value, kind), key) for kind, value, key in fields]
    order = settings.kinds + sorted({kind for kind, _, _ in normalized} - set(settings.kinds))
    normalized.sort(key=lambda field: order.index(field[0]))
    return tuple(
        Source(kind, order.index(kind), f"_identity{number}", value, key)
        for number, (kind, value, key) in enumerate(normalized)
    )


def combinations_of(
    events: pl.LazyFrame, sources: Sequence[Source], had_arrived: pl.Expr, values: Sequence[pl.Series]
) -> tuple[int, pl.DataFrame]:
    """Every combination of identities that occurs on an event, and a hash seed without collisions.

    Columns: `_hash`, the hash of each source's value, `evidence` (whether an event with it had arrived by `as_of`).
    """
    for seed in count():
        if all(column.hash(seed).n_unique() == len(column) for column in values):
            seen = _hashed_combinations(events, sources, had_arrived, seed)
            if seen[HASH].n_unique() == len(seen):
                return seed, seen
    raise AssertionError("there is always one more seed")


def _hashed_combinations(
    events: pl.LazyFrame, sources: Sequence[Source], had_arrived: pl.Expr, seed: int
) -> pl.DataFrame:
    names = [source.column for source in sources]
    seen = distinct_rows(events, had_arrived.alias("evidence"), *(s.value.hash(seed).alias(s.column) for s in sources))
    if seen["evidence"].n_unique() > 1:
        seen = seen.sort("evidence").unique(names, keep="last")
    return seen.with_columns(pl.struct(names).hash(seed).alias(HASH))
