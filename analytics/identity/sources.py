"""Where an event carries identities, and the combinations of identities that occur."""

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
    """A place of the event that holds identities of one kind; `key` is its name in the map of identities, if there."""

    kind: str
    rank: int
    column: str
    value: pl.Expr
    key: str | None = None


EVENTS_AT_ONCE: Final = 15_000_000


def with_hash(events: pl.LazyFrame, sources: Sequence[Source], hashed: pl.Expr) -> pl.LazyFrame:
    """Events with the hash of their identities."""
    names = [source.column for source in sources]
    known = events.with_columns(source.value.alias(source.column) for source in sources)
    return known.with_columns(hashed.alias(HASH)).drop(names)


def hash_of(sources: Sequence[Source], seed: int) -> pl.Expr:
    """The hash of a combination: whole numbers join faster than texts."""
    return pl.struct(pl.col(source.column).hash(seed) for source in sources).hash(seed)


def distinct_rows(events: pl.LazyFrame, *columns: pl.Expr) -> pl.DataFrame:
    """What these columns of events say, each once.

    A share of the events at a time: the engine may hold all that it has read until it is through.
    """
    count = int(events.select(pl.len()).collect(engine="streaming").item())
    shares = [events.slice(at, EVENTS_AT_ONCE) for at in range(0, max(1, count), EVENTS_AT_ONCE)]
    found = [share.select(columns).unique().collect(engine="streaming") for share in shares]
    if len(found) == 1:
        return found[0]
    key = pl.struct(pl.all()).hash() % len(found)
    alike = [pl.concat([some.lazy().filter(key == number) for some in found]) for number in range(len(found))]
    return pl.concat(some.unique().collect(engine="streaming") for some in alike)


def sources_of(keys: Sequence[str], settings: IdentityRules) -> tuple[Source, ...]:
    """Where identities are, the most trusted kind first; kinds that the settings do not name come last, by name.

    `keys` are the kinds that the map `identities` has; those that are hashed are of the kind of their hash.
    """
    own = (contract.CUSTOMER_ID, contract.ANONYMOUS_ID)
    there: list[tuple[str, pl.Expr, str | None]] = [(kind, pl.col(kind), None) for kind in own]
    there += [(key, pl.col(contract.IDENTITIES).map.get(key), key) for key in keys]
    places = [(settings.hashed.get(kind, kind), settings.normal(value, kind), key) for kind, value, key in there]
    order = settings.kinds + sorted({kind for kind, _, _ in places} - set(settings.kinds))
    places.sort(key=lambda place: order.index(place[0]))
    return tuple(
        Source(kind, order.index(kind), f"_identity{number}", value, key)
        for number, (kind, value, key) in enumerate(places)
    )


def combinations_of(
    events: pl.LazyFrame, sources: Sequence[Source], known: pl.Expr, values: Sequence[pl.Series]
) -> tuple[int, pl.DataFrame]:
    """Each combination of identities that occurs on an event, and the seed by which no two hashes are the same.

    Columns: `_hash`, of each source the hash of the value, `evidence`: whether one had arrived in time.
    """
    for seed in count():
        if all(column.hash(seed).n_unique() == len(column) for column in values):
            seen = _hashed_combinations(events, sources, known, seed)
            if seen[HASH].n_unique() == len(seen):
                return seed, seen
    raise AssertionError("there is always one more seed")


def _hashed_combinations(events: pl.LazyFrame, sources: Sequence[Source], known: pl.Expr, seed: int) -> pl.DataFrame:
    names = [source.column for source in sources]
    seen = distinct_rows(events, known.alias("evidence"), *(s.value.hash(seed).alias(s.column) for s in sources))
    if seen["evidence"].n_unique() > 1:
        seen = seen.sort("evidence").unique(names, keep="last")
    return seen.with_columns(pl.struct(names).hash(seed).alias(HASH))
