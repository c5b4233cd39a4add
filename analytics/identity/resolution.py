"""Who is one customer? Identities that occur on one event belong together; customers are the connected components.

Words: an *identity* is a kind with a value (`device_id`, `d1`). A *login* is an identity of a kind that names a
person; all other kinds name a device. A *link* joins two identities of one event.

Three guards keep strangers apart. A value on the deny list never links. A customer has at most one value of a *unique*
kind: see `unique`. A value linked to more than `max_degree` others (a kiosk, a shared card) is *shared*: it stops
linking. For a login only other logins count: a person may well own thirty cookies, but a card used by thirty people
identifies none of them. An event that carries only shared values goes to the customer of the nearest login on that
value before it, else after it, within the session of the value.

The result is a function of the set of events: order, batches and repetition do not change it.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import polars as pl

from analytics.identity.columns import CODE, COMBINATION, HASH, LINKED_TYPE, NodeNumbers
from analytics.identity.graph import (
    assign_combinations,
    components,
    links_of,
    nodes_of,
    with_nodes,
    without_removed,
)
from analytics.identity.rules import LinkRules
from analytics.identity.shared_devices import nearest_logins, on_shared
from analytics.identity.sources import Source, combinations_of, distinct_rows, hash_of, kinds_in, sources_of, with_hash
from analytics.store.columns import CUSTOMER, LINKED
from expectations import contract
from expectations.lake.tables import conform

ARRIVED: Final = pl.coalesce(contract.RECEIVED_AT, contract.OCCURRED_AT)


@dataclass(frozen=True)
class Identities:
    """All identities of a set of events, and the customer of each.

    - `nodes`: kind, value, customer (UInt32, the row of the customer's smallest identity), login, and what `components`
      adds; sorted by trust and value.
    - `links`: the pairs of rows that join customers.
    - `seen`: one row per combination of identities on an event, with its number `_combination` and its hash `_hash`, as
      `hash_of(sources, seed)` computes it.
    - `on_shared`: the events on shared values. `logins`: the customer of each time of each shared value.
    - `other_kinds`: kind and events (Int64) of the identities left out because no setting names their kind.
    - `alone`: the events without any usable identity.
    - `keys`: the customer keys by code, first of the nodes, then of the events in `alone`.
    """

    sources: tuple[Source, ...]
    nodes: pl.DataFrame
    links: NodeNumbers
    seen: pl.DataFrame
    seed: int
    on_shared: pl.DataFrame
    logins: pl.DataFrame
    other_kinds: pl.DataFrame
    alone: pl.DataFrame
    keys: pl.Series

    @cached_property
    def combinations(self) -> Callable[[pl.Series], pl.Series]:
        """Looks up the rows of combinations in `seen` by their hashes."""
        return _row_lookup(self.seen[HASH])


def customers(
    events: pl.DataFrame | pl.LazyFrame, rules: LinkRules | None = None, removed: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Adds `customer` (String) and `linked` (String) to every event; rows and their order are kept.

    A customer is named after its smallest identity by the order of kinds, then of values: `customer_id:c123`. `linked`
    says how the event was linked to its customer: `login` (it carries a login), `device` (its device belongs to a known
    customer), `session` (a shared device, near a login), `anonymous` (no known customer). An event without a usable
    identity is a customer of its own, `event_id:...`. `removed` holds links that must not join: kind, value,
    other_kind, other_value. No events give no rows.

    >>> seen = {"anonymous_id": ["a", "a", "b"], "customer_id": [None, "ann", None], "occurred_at": [1, 2, 3]}
    >>> customers(pl.DataFrame(seen).cast({"occurred_at": pl.Datetime("us")}))["customer"].to_list()
    ['customer_id:ann', 'customer_id:ann', 'anonymous_id:b']
    """
    frame = conform(events).with_row_index("_row").collect().lazy()
    identities = identify(frame, rules or LinkRules(), removed)
    assigned = with_customers(frame, identities).collect().sort("_row")
    return assigned.with_columns(customer_keys(assigned[CODE], identities), pl.col(LINKED).cast(pl.String)).drop(
        CODE, COMBINATION, "_row"
    )


def identify(
    events: pl.LazyFrame,
    rules: LinkRules,
    removed: pl.DataFrame | None = None,
    repeated: pl.LazyFrame | None = None,
) -> Identities:
    """Reads the identities of events and joins them into customers.

    `removed` holds links that must not join: kind, value, other_kind, other_value. `repeated` are the same events with
    their duplicates, for callers to whom these are cheaper to read.
    """
    settings = rules.identities
    readable = events if repeated is None or settings.as_of else repeated
    kinds = kinds_in(readable)
    is_known = pl.col("kind").is_in(settings.known_kinds)
    sources = sources_of(kinds.filter(is_known)["kind"].to_list(), settings)
    had_arrived = pl.lit(True) if settings.as_of is None else settings.as_of >= ARRIVED
    values = [(source, distinct_rows(readable, source.value.alias(source.column)).to_series()) for source in sources]
    nodes = nodes_of(values, settings)
    seed, seen = combinations_of(readable, sources, had_arrived, [column for _, column in values])
    seen = with_nodes(seen, sources, nodes.with_columns(pl.col("value").hash(seed).alias("hash")))
    seen = seen.drop(source.column for source in sources)
    hashed = hash_of(sources, seed)
    links = without_removed(links_of(seen.filter("evidence"), sources), nodes, removed, settings)
    nodes, links = components(nodes, links, settings)
    seen = assign_combinations(seen, sources, nodes).sort(HASH).with_row_index(COMBINATION)
    shared_events = on_shared(
        with_hash(_events_with_shared(events, sources, nodes), sources, hashed), seen, nodes, had_arrived
    )
    logins = nearest_logins(shared_events, rules.session_gap, settings.shared)
    alone = _events_without_identity(with_hash(events, sources, hashed), seen, len(nodes))
    names = pl.concat(
        [node_keys(nodes), alone.select(pl.concat_str(pl.lit("event_id:"), contract.EVENT_ID).alias(CUSTOMER))]
    )
    return Identities(
        sources=sources,
        nodes=nodes,
        links=links,
        seen=seen,
        seed=seed,
        on_shared=shared_events,
        logins=logins,
        other_kinds=kinds.filter(~is_known),
        alone=alone,
        keys=salted(names.to_series(), settings.salt),
    )


def with_customers(events: pl.LazyFrame, identities: Identities) -> pl.LazyFrame:
    """Adds `_customer` (UInt32, a row of `identities.keys`), `linked` (Enum) and `_combination` to events.

    `_combination` is the row in `identities.seen`. Events keep no order. Joins always build on the side that is already
    in memory: left to itself, the engine first collects millions of events to find out which side is smaller.
    """
    joined = with_hash(events, identities.sources, hash_of(identities.sources, identities.seed))
    seen = identities.seen.select(COMBINATION, CODE, LINKED, "shared")

    def looked_up(hashes: pl.Series) -> pl.Series:
        return seen[identities.combinations(hashes)].to_struct(HASH)

    joined = joined.with_columns(
        pl.col(HASH).map_batches(looked_up, return_dtype=pl.Struct(seen.schema), is_elementwise=True)
    ).unnest(HASH)
    if len(identities.logins):
        default = identities.nodes["customer"].gather(identities.logins["shared"]).alias("own")
        logins, key = identities.logins.with_columns(default).lazy(), ["shared", contract.OCCURRED_AT]
        session = pl.col("shared").is_not_null() & pl.col("login").is_not_null()
        joined = joined.join(logins, on=key, how="left", build_side="force_right").with_columns(
            pl.coalesce(CODE, "login", "own").alias(CODE),
            pl.when(session).then(pl.lit("session", LINKED_TYPE)).otherwise(LINKED).alias(LINKED),
        )
    if len(identities.alone):
        joined = joined.join(identities.alone.lazy(), on=contract.EVENT_ID, how="left", build_side="force_right")
        joined = joined.with_columns(pl.coalesce(CODE, "alone").alias(CODE)).drop("alone")
    return joined.drop("shared", "login", "own", strict=False)


def _row_lookup(known: pl.Series) -> Callable[[pl.Series], pl.Series]:
    """A function that looks up the rows of hashes (UInt64) in `known`, which is sorted and contains all of them.

    Hashes are evenly distributed, so their leading bits give the row up to a few steps. For millions of hashes this
    takes a tenth of the memory of a join, and less time.
    """
    sorted_hashes = known.to_numpy()
    shift = np.uint64(64 - max(1, len(sorted_hashes).bit_length() - 1))
    first = np.searchsorted(sorted_hashes, np.arange(2 ** (64 - int(shift)), dtype=np.uint64) << shift).astype(
        np.uint32
    )

    def lookup(hashes: pl.Series) -> pl.Series:
        wanted = hashes.to_numpy()
        rows = first[wanted >> shift]
        wrong = np.flatnonzero(sorted_hashes[rows] != wanted)
        while len(wrong):
            rows[wrong] += 1
            wrong = wrong[sorted_hashes[rows[wrong]] != wanted[wrong]]
        return pl.Series(rows)

    return lookup


def customer_keys(codes: pl.Series, identities: Identities) -> pl.Series:
    """The customer keys of codes."""
    return identities.keys.gather(codes)


def _events_with_shared(events: pl.LazyFrame, sources: Sequence[Source], nodes: pl.DataFrame) -> pl.LazyFrame:
    """The events that carry a shared value."""
    shared = nodes.filter("shared")
    values = [shared.filter(pl.col("rank") == source.rank)["value"].implode() for source in sources]
    return events.filter(pl.any_horizontal(s.value.is_in(v) for s, v in zip(sources, values, strict=True)))


def _events_without_identity(events: pl.LazyFrame, seen: pl.DataFrame, nodes: int) -> pl.DataFrame:
    """The events without a usable identity: event_id and `alone`, the code of their own customer."""
    unusable = seen.filter(pl.col(CODE).is_null(), pl.col("shared").is_null())[HASH]
    if unusable.is_empty():
        return pl.DataFrame(schema={contract.EVENT_ID: pl.String, "alone": pl.UInt32})
    ids = events.filter(pl.col(HASH).is_in(unusable.implode())).select(pl.col(contract.EVENT_ID).unique().sort())
    return (
        ids.with_row_index("alone", offset=nodes)
        .select(contract.EVENT_ID, pl.col("alone").cast(pl.UInt32))
        .collect(engine="streaming")
    )


def node_keys(nodes: pl.DataFrame) -> pl.DataFrame:
    """The key of every node that names a customer, null for other nodes: `customer`, one row per node."""
    own = pl.when(pl.col("node") == pl.col("customer")).then(pl.concat_str("kind", pl.lit(":"), "value"))
    return nodes.select(own.alias(CUSTOMER))


def salted(keys: pl.Series, salt: str | None) -> pl.Series:
    """The keys as they are or, with a salt, as pseudonyms: keyed hashes (HMAC-SHA-256)."""
    if salt is None:
        return keys
    names = [key and f"customer:{hmac.digest(salt.encode(), key.encode(), 'sha256')[:16].hex()}" for key in keys]
    return pl.Series(CUSTOMER, names, pl.String)
