"""Resolves all identities: from what the last stitching remembers, or from all events when that is not current."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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
from analytics.store.manifest import generation_of
from analytics.touches.rules import PathRules
from expectations import contract
from expectations.lake.layout import Lake
from expectations.lake.tables import landed


@dataclass(frozen=True)
class Resolved:
    """The customer of every identity, and the events of customers.

    `nodes` has kind, value and customer, the row of the identity that names it. `events_of` returns the landed events
    of some customers with the column `_customer`.
    """

    nodes: pl.DataFrame
    events_of: Callable[[pl.Series], pl.LazyFrame]
    salt: str | None

    def keys(self, customers: pl.Series) -> pl.Series:
        """The keys of customers in the paths."""
        key = pl.concat_str("kind", pl.lit(":"), "value").alias(CUSTOMER)
        names = customers.unique()
        table = self.nodes[names].select(key.alias(CUSTOMER)).to_series()
        by_code = pl.DataFrame({CODE: names, CUSTOMER: salted(table, self.salt)})
        return customers.alias(CODE).to_frame().join(by_code, on=CODE, how="left", maintain_order="left")[CUSTOMER]


def resolve(lake: Lake, rules: PathRules) -> Resolved:
    """Resolves the identities of all landed events as stitching does."""
    state = load_state(lake, generation_of(lake)) if is_current(lake, rules) and not rules.identities.as_of else None
    return _from_events(lake, rules) if state is None else _from_state(lake, rules, state)


def _from_events(lake: Lake, rules: PathRules) -> Resolved:
    events = landed(lake)
    identities = identify(events, rules, tombstones(lake))

    def events_of(customers: pl.Series) -> pl.LazyFrame:
        return with_customers(events, identities).filter(pl.col(CODE).is_in(customers.implode()))

    return Resolved(identities.nodes, events_of, rules.identities.salt)


def _from_state(lake: Lake, rules: PathRules, state: RefreshState) -> Resolved:
    """A combination with an identity that links belongs to one customer, one with only shared ones by its time."""
    nodes, seen = state.nodes.with_row_index("node"), state.seen
    sources = sources_of(state.kinds, rules.identities)
    events = with_hash(landed(lake), sources, hash_of(sources, state.seed))
    shared = assign_shared(state.on_shared, UpdatedIdentities(nodes, seen), rules)
    shared = shared.with_columns(seen[HASH].gather(shared[COMBINATION]))

    def events_of(customers: pl.Series) -> pl.LazyFrame:
        theirs = pl.col(CODE).is_in(customers.implode())
        linked = seen.lazy().select(HASH, CODE).filter(theirs)
        near = shared.lazy().select(HASH, contract.OCCURRED_AT, CODE).filter(theirs)
        return pl.concat([events.join(linked, on=HASH), events.join(near, on=[HASH, contract.OCCURRED_AT])])

    return Resolved(nodes, events_of, rules.identities.salt)
