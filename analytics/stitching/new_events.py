"""Which events came since the paths were made, and can they be added to what is remembered of the others?

Some changes cannot be added and ask for paths built anew: rows that went, a kind of identity never seen, rules that
read how an event arrived, more events than a rebuild is worth.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import polars as pl

from analytics.engine.run import on_threads
from analytics.identity.columns import COMBINATION, HASH
from analytics.identity.sources import Source, hash_of, sources_of, with_hash
from analytics.stitching.refresh_state import RefreshState
from analytics.store.parts import Part
from analytics.touches.assembly import EVENT_HASH
from analytics.touches.deduplication import ARRIVAL_COLUMNS, drop_known
from analytics.touches.rules import PathRules
from expectations import contract

_ID: Final = "_id"


@dataclass(frozen=True)
class NewEvents:
    """New events without duplicates, with `_hash` and `_combination`, and the combinations that are not remembered.

    `landed` are all rows that came, `conflicts` those that share an id with another event, `known` the hashes of the
    ids that old events have.
    """

    events: pl.DataFrame
    landed: int
    conflicts: int
    known: pl.Series
    sources: tuple[Source, ...]
    unknown: pl.DataFrame


def find_new_events(
    fresh: pl.DataFrame, landed: pl.LazyFrame, parts: Iterable[Part], memory: RefreshState, rules: PathRules
) -> NewEvents | None:
    """What is new in `fresh`, beside the old events in the parts and in memory; None when it cannot be added.

    `landed` are all events, the old and the fresh ones.
    """
    ids = fresh.select(pl.col(contract.EVENT_ID).hash().alias(_ID)).to_series()
    known = _known_ids(ids.unique(), parts, memory)
    some = fresh.filter(ids.is_in(known.implode()))
    before = events_at_times(landed, some[contract.OCCURRED_AT], known)
    events = drop_known(fresh, before.join(fresh, on=contract.PLACE, how="anti", nulls_equal=True))
    kinds = fresh.select(pl.col(contract.IDENTITIES).map.keys().explode().unique()).to_series().drop_nulls()
    if set(kinds) - set(memory.kinds):
        return None
    sources = sources_of(memory.kinds, rules.identities)
    events = with_hash(events.lazy(), sources, hash_of(sources, memory.seed)).collect()
    distinct = _distinct_combinations(events, sources)
    seen = memory.seen.with_row_index(COMBINATION).filter(pl.col(HASH).is_in(distinct[HASH].implode()))
    if not _hashes_are_unique(distinct, sources, (memory.nodes, seen), rules):
        return None
    unknown = distinct.join(seen, on=HASH, how="anti", maintain_order="left")
    more = unknown.select(HASH).with_row_index(COMBINATION, offset=len(memory.seen))
    numbers = pl.concat([seen.select(COMBINATION, HASH), more])
    events = events.join(numbers, on=HASH, how="left", maintain_order="left")
    new_ids = events[contract.EVENT_ID].hash()
    conflicts = len(events) - len(new_ids.unique().filter(~new_ids.unique().is_in(known.implode())))
    return NewEvents(events, len(fresh), conflicts, known, sources, unknown)


def reads_arrival_columns(rules: PathRules) -> bool:
    """Whether touches show how an event arrived, so that it matters which of two duplicates was kept."""
    read = {*rules.context, *rules.values, rules.sequence, *(rule.column for rule in rules.touchpoints)}
    return bool(read & set(ARRIVAL_COLUMNS))


def events_at_times(events: pl.LazyFrame, times: pl.Series, ids: pl.Series) -> pl.DataFrame:
    """The events with one of these times and a hash of their ids among these: few files have those times."""
    if ids.is_empty() or times.is_empty():
        return events.head(0).collect()
    at, wanted = pl.col(contract.OCCURRED_AT), ids.implode()
    near = events.filter(at >= times.min(), at <= times.max(), at.is_in(times.unique().implode()))
    return near.filter(pl.col(contract.EVENT_ID).hash().is_in(wanted)).collect()


def _known_ids(ids: pl.Series, parts: Iterable[Part], memory: RefreshState) -> pl.Series:
    """Those of the hashes of ids that old events have."""
    wanted = pl.col(EVENT_HASH).is_in(ids.implode())

    def there(part: Part) -> pl.DataFrame:
        return part.read([EVENT_HASH]).filter(wanted)

    found = on_threads(there, parts)
    return pl.concat([memory.dropped.select(EVENT_HASH).filter(wanted), *found])[EVENT_HASH].unique()


def _distinct_combinations(events: pl.DataFrame, sources: tuple[Source, ...]) -> pl.DataFrame:
    """Each combination of identities of the new events once; `events` is 0, as none of them is counted yet."""
    wide = events.select(HASH, *(source.value.alias(source.column) for source in sources))
    return wide.unique(maintain_order=True).with_columns(pl.lit(0, pl.UInt32).alias("events"))


def _hashes_are_unique(
    distinct: pl.DataFrame, sources: tuple[Source, ...], known: tuple[pl.DataFrame, pl.DataFrame], rules: PathRules
) -> bool:
    """Whether equal hashes mean equal combinations, among the new ones and between new and old.

    `known` are all nodes and the combinations that are remembered under one of these hashes.
    """
    if distinct[HASH].n_unique() < len(distinct):
        return False
    nodes, seen = known
    both = distinct.join(seen, on=HASH, how="inner")
    for source in sources:
        node = both[f"{source.column}_node"].cast(pl.Int64)
        usable = ~rules.identities.denied(pl.col(source.column), source.kind)
        value = both.select(pl.when(usable).then(source.column)).to_series()
        if not (nodes["value"].gather(node).eq_missing(value)).all():
            return False
    return True
