"""Finds the events that landed since the last stitching, and whether a refresh can add them.

Some changes cannot be added and need a build: deleted rows, a new kind of identity, rules that read how an event
arrived, or more new events than a refresh is worth.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import polars as pl

from analytics.engine.run import on_threads
from analytics.identity.columns import COMBINATION, HASH
from analytics.identity.sources import Source, hash_of, kinds_in, sources_of, with_hash
from analytics.stitching.refresh_state import RefreshState
from analytics.store.parts import Part
from analytics.touches.assembly import EVENT_HASH
from analytics.touches.deduplication import ARRIVAL_COLUMNS, drop_known
from analytics.touches.rules import PathRules
from expectations import contract

_ID: Final = "_id"


@dataclass(frozen=True)
class NewEvents:
    """New events without duplicates, with `_hash` and `_combination`, their unknown combinations, and other kinds.

    `landed` counts all new rows, `conflicts` the events that share an id with another event; `known` holds the hashes
    of the ids that old events have.
    """

    events: pl.DataFrame
    landed: int
    conflicts: int
    known: pl.Series
    sources: tuple[Source, ...]
    unknown: pl.DataFrame
    other_kinds: pl.DataFrame


def find_new_events(
    fresh: pl.DataFrame, landed: pl.LazyFrame, parts: Iterable[Part], state: RefreshState, rules: PathRules
) -> NewEvents | None:
    """What is new in `fresh`, compared with the old events in the parts and the state; None when it cannot be added.

    `landed` are all events, old and fresh.
    """
    ids = fresh.select(pl.col(contract.EVENT_ID).hash().alias(_ID)).to_series()
    known = _known_ids(ids.unique(), parts, state)
    repeated = fresh.filter(ids.is_in(known.implode()))
    old_events = events_at_times(landed, repeated[contract.OCCURRED_AT], known)
    events = drop_known(fresh, old_events.join(fresh, on=contract.PLACE, how="anti", nulls_equal=True))
    kinds, is_known = kinds_in(fresh.lazy()), pl.col("kind").is_in(rules.identities.known_kinds)
    if set(kinds.filter(is_known)["kind"]) - set(state.kinds):
        return None
    sources = sources_of(state.kinds, rules.identities)
    events = with_hash(events.lazy(), sources, hash_of(sources, state.seed)).collect()
    distinct = _distinct_combinations(events, sources)
    seen = state.seen.with_row_index(COMBINATION).filter(pl.col(HASH).is_in(distinct[HASH].implode()))
    if not _hashes_are_unique(distinct, sources, (state.nodes, seen), rules):
        return None
    unknown = distinct.join(seen, on=HASH, how="anti", maintain_order="left")
    new_combinations = unknown.select(HASH).with_row_index(COMBINATION, offset=len(state.seen))
    numbers = pl.concat([seen.select(COMBINATION, HASH), new_combinations])
    events = events.join(numbers, on=HASH, how="left", maintain_order="left")
    new_ids = events[contract.EVENT_ID].hash()
    conflicts = len(events) - len(new_ids.unique().filter(~new_ids.unique().is_in(known.implode())))
    return NewEvents(events, len(fresh), conflicts, known, sources, unknown, kinds.filter(~is_known))


def reads_arrival_columns(rules: PathRules) -> bool:
    """Whether touches show how an event arrived, so that it matters which duplicate was kept."""
    read = {*rules.context, *rules.values, rules.sequence, *(rule.column for rule in rules.touchpoints)}
    return bool(read & set(ARRIVAL_COLUMNS))


def events_at_times(events: pl.LazyFrame, times: pl.Series, ids: pl.Series) -> pl.DataFrame:
    """The events at one of these times with one of these id hashes; few files cover these times."""
    if ids.is_empty() or times.is_empty():
        return events.head(0).collect()
    at, wanted = pl.col(contract.OCCURRED_AT), ids.implode()
    near = events.filter(at >= times.min(), at <= times.max(), at.is_in(times.unique().implode()))
    return near.filter(pl.col(contract.EVENT_ID).hash().is_in(wanted)).collect()


def _known_ids(ids: pl.Series, parts: Iterable[Part], state: RefreshState) -> pl.Series:
    """The id hashes among `ids` that old events have."""
    wanted = pl.col(EVENT_HASH).is_in(ids.implode())

    def there(part: Part) -> pl.DataFrame:
        return part.read([EVENT_HASH]).filter(wanted)

    stored = on_threads(there, parts)
    return pl.concat([state.dropped.select(EVENT_HASH).filter(wanted), *stored])[EVENT_HASH].unique()


def _distinct_combinations(events: pl.DataFrame, sources: tuple[Source, ...]) -> pl.DataFrame:
    """One row per combination of identities of the new events; `events` is 0, as none is counted yet."""
    wide = events.select(HASH, *(source.value.alias(source.column) for source in sources))
    return wide.unique(maintain_order=True).with_columns(pl.lit(0, pl.UInt32).alias("events"))


def _hashes_are_unique(
    distinct: pl.DataFrame, sources: tuple[Source, ...], known: tuple[pl.DataFrame, pl.DataFrame], rules: PathRules
) -> bool:
    """Whether equal hashes mean equal combinations, among the new ones and between new and old.

    `known` holds all nodes, and the known combinations with one of these hashes.
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
