"""Resolves all identities: from what the last stitching remembers, or from all events when that is not current."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from analytics.engine.run import on_threads
from analytics.identity.assignment import assign_shared, mask_of
from analytics.identity.columns import CODE, COMBINATION, HASH, Mask
from analytics.identity.links import tombstones
from analytics.identity.resolution import identify, salted, with_customers
from analytics.identity.sources import hash_of, sources_of, with_hash
from analytics.identity.update import UpdatedIdentities
from analytics.stitching.affected import Extract, ExtractedTouches, customer_codes
from analytics.stitching.refresh_state import RefreshState, load_state
from analytics.stitching.verify import is_current
from analytics.store.columns import AT, CUSTOMER
from analytics.store.manifest import current_generation
from analytics.store.paths import Paths
from analytics.touches.rules import PathRules
from expectations import contract
from expectations.errors import StorageError
from expectations.lake.layout import EVENTS, Lake
from expectations.lake.tables import landed, landed_files, landed_near

_NEAR: Final = "_near"


@dataclass(frozen=True)
class Resolved:
    """The customer of every identity, and the events of customers.

    `nodes` has kind, value and customer, the row of the identity that names it. `events_of` returns the landed events
    of some customers with the column `_customer`. Where the customers come from what the last
    stitching remembers, that is `state`, `base` is its generation, and `files` names the files that its events were in.
    """

    nodes: pl.DataFrame
    events_of: Callable[[pl.Series], pl.LazyFrame]
    salt: str | None
    state: RefreshState | None = None
    base: str = ""
    files: frozenset[str] = frozenset()

    def keys(self, customers: pl.Series) -> pl.Series:
        """The keys of customers in the paths."""
        key = pl.concat_str("kind", pl.lit(":"), "value").alias(CUSTOMER)
        names = customers.unique()
        table = self.nodes[names].select(key.alias(CUSTOMER)).to_series()
        by_code = pl.DataFrame({CODE: names, CUSTOMER: salted(table, self.salt)})
        return customers.alias(CODE).to_frame().join(by_code, on=CODE, how="left", maintain_order="left")[CUSTOMER]


def resolve(lake: Lake, rules: PathRules) -> Resolved:
    """Resolves the identities of all landed events as stitching does."""
    base = current_generation(lake)
    state = load_state(lake, base) if is_current(lake, rules) and not rules.identities.as_of else None
    return _from_events(lake, rules) if state is None else _from_state(lake, rules, state, base)


def _from_events(lake: Lake, rules: PathRules) -> Resolved:
    events = landed(lake)
    identities = identify(events, rules, tombstones(lake))

    def events_of(customers: pl.Series) -> pl.LazyFrame:
        return with_customers(events, identities).filter(pl.col(CODE).is_in(customers.implode()))

    return Resolved(identities.nodes, events_of, rules.identities.salt)


def _from_state(lake: Lake, rules: PathRules, state: RefreshState, base: str) -> Resolved:
    """A combination with an identity that links belongs to one customer, one with only shared ones by its time."""
    nodes, seen = state.nodes.with_row_index("node"), state.seen
    sources = sources_of(state.kinds, rules.identities)
    shared = assign_shared(state.on_shared, UpdatedIdentities(nodes, seen), rules)
    shared = shared.with_columns(seen[HASH].gather(shared[COMBINATION]))

    def events_of(customers: pl.Series) -> pl.LazyFrame:
        """Those with a combination of the customers, of which some are theirs at some times.

        The paths and the state know when all these events occurred: other files need not be read.
        """
        theirs, at = pl.col(CODE).is_in(customers.implode()), contract.OCCURRED_AT
        linked = seen.select(HASH, CODE).filter(theirs)
        near = shared.select(HASH, at, CODE).filter(theirs).rename({CODE: _NEAR})
        hashes = pl.concat([linked[HASH], near[HASH]]).unique()
        times = _times(lake, base, state, customers, hashes)
        events = landed(lake) if times is None else landed_near(lake, times).filter(pl.col(at).is_in(times.implode()))
        rows = with_hash(events, sources, hash_of(sources, state.seed)).filter(pl.col(HASH).is_in(hashes.implode()))
        rows = rows.join(linked.lazy(), on=HASH, how="left").join(near.lazy(), on=[HASH, at], how="left")
        return rows.with_columns(pl.coalesce(CODE, _NEAR).alias(CODE)).drop(_NEAR).filter(pl.col(CODE).is_not_null())

    files, version = frozenset[str](), Paths.open(lake).built_from[EVENTS]
    with suppress(StorageError):  # another erasure removes that version meanwhile: then no file is known
        files = landed_files(lake, version) if version is not None else files
    return Resolved(nodes, events_of, rules.identities.salt, state, base, files)


def _times(lake: Lake, base: str, state: RefreshState, customers: pl.Series, hashes: pl.Series) -> pl.Series | None:
    """When the events of some customers, and the dropped ones with their combinations, occurred; None if unknown."""
    stored = Paths.open(lake)
    if current_generation(lake) != base:
        return None  # replaced meanwhile: codes may be those of other customers
    theirs = np.append(mask_of(customers, len(state.nodes)), False)
    combinations = state.seen.select(pl.col(HASH).is_in(hashes.implode())).to_series()
    dropped = state.dropped.filter(combinations.gather(state.dropped[COMBINATION]))[contract.OCCURRED_AT]
    times = pl.concat([dropped, _touched(stored, theirs)]).unique()
    return None if times.has_nulls() else times


def _touched(stored: Paths, customers: Mask) -> pl.Series:
    """When the touches of the customers with these codes were."""
    masks = on_threads(lambda part: customers[customer_codes(part.people(["code"]))], stored.parts)
    extracts = [Extract.of(mask, np.zeros_like(mask)) for mask in masks]
    if not any(len(extract.positions) for extract in extracts):
        return pl.Series([], dtype=contract.TIME)
    return ExtractedTouches.from_parts(stored, extracts, [AT]).touches[AT]
