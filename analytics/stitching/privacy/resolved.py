"""Resolves all identities: from what the last stitching remembers, or from all events when that is not current."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import polars as pl

from analytics.identity.assignment import assign_shared
from analytics.identity.columns import CODE, COMBINATION, HASH
from analytics.identity.links import tombstones
from analytics.identity.resolution import identify, salted, with_customers
from analytics.identity.sources import hash_of, sources_of, with_hash
from analytics.identity.update import UpdatedIdentities
from analytics.stitching.refresh_state import RefreshState, load_state
from analytics.stitching.verify import is_current
from analytics.store.columns import CUSTOMER
from analytics.store.manifest import current_generation
from analytics.touches.rules import PathRules
from expectations import contract
from expectations.lake.layout import Lake
from expectations.lake.tables import landed

_NEAR: Final = "_near"


@dataclass(frozen=True)
class Resolved:
    """The customer of every identity, and the events of customers.

    `nodes` has kind, value and customer, the row of the identity that names it. `events_of` returns the landed events
    of some customers with the column `_customer`. `state` is what the last stitching remembers and `base` its
    generation, where the customers come from there.
    """

    nodes: pl.DataFrame
    events_of: Callable[[pl.Series], pl.LazyFrame]
    salt: str | None
    state: RefreshState | None = None
    base: str = ""

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
    events = with_hash(landed(lake), sources, hash_of(sources, state.seed))
    shared = assign_shared(state.on_shared, UpdatedIdentities(nodes, seen), rules)
    shared = shared.with_columns(seen[HASH].gather(shared[COMBINATION]))

    def events_of(customers: pl.Series) -> pl.LazyFrame:
        """Reads the events once: those with a combination of the customers, of which some are theirs at some times."""
        theirs, at = pl.col(CODE).is_in(customers.implode()), contract.OCCURRED_AT
        linked = seen.select(HASH, CODE).filter(theirs)
        near = shared.select(HASH, at, CODE).filter(theirs).rename({CODE: _NEAR})
        rows = events.filter(pl.col(HASH).is_in(pl.concat([linked[HASH], near[HASH]]).unique().implode()))
        rows = rows.join(linked.lazy(), on=HASH, how="left").join(near.lazy(), on=[HASH, at], how="left")
        return rows.with_columns(pl.coalesce(CODE, _NEAR).alias(CODE)).drop(_NEAR).filter(pl.col(CODE).is_not_null())

    return Resolved(nodes, events_of, rules.identities.salt, state, base)
