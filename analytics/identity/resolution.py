"""Who is one customer? Identities that occur on one event belong together; customers are the connected components.

Words: an *identity* is a kind with a value (`device_id`, `d1`). A *login* is an identity of a kind that names a person,
the others name a device. A *link* joins two identities of one event.

Two guards keep strangers apart. A value on the deny list never links. A value linked to more than `max_degree` others
(a kiosk, a shared card) is *shared*: it stops linking. For a login only other logins count: a person may well own
thirty cookies, but a card that belongs to thirty people belongs to nobody. An event that has nothing but shared values
goes to the customer of the nearest login on that value before it, else after it, within the session of the value.

Every answer is a function of the set of events: their order, batches and repetition change nothing.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import polars as pl

from analytics.identity.columns import CODE, COMBINATION, HASH, LINKED_TYPE
from analytics.identity.graph import (
    NodeNumbers,
    assign_combinations,
    components,
    links_of,
    nodes_of,
    with_nodes,
    without_removed,
)
from analytics.identity.rules import LinkRules
from analytics.identity.shared_devices import nearest_logins, on_shared
from analytics.identity.sources import Source, combinations_of, distinct_rows, hash_of, sources_of, with_hash
from analytics.store.columns import CUSTOMER, LINKED
from expectations import contract
from expectations.lake.tables import conform

ARRIVED: Final = pl.coalesce(contract.RECEIVED_AT, contract.OCCURRED_AT)


@dataclass(frozen=True)
class Identities:
    """All identities of a set of events, and the customer of each.

    `nodes` has kind, value, customer (u32, the row of the customer's smallest identity), login, shared, known (the
    customer has a login), sorted by trust and value. `links` are the pairs of rows that join customers. `seen` has one
    row for each combination of identities on an event, with its number `_combination` and the hash `_hash` that
    `hash_of(sources, seed)` gives to it; `on_shared` are the events on shared values, `logins` says whose each time of
    each shared value is; `alone` are the events without any usable identity. `keys` are the customer keys by code:
    first of the nodes, then of the events alone.
    """

    sources: tuple[Source, ...]
    nodes: pl.DataFrame
    links: NodeNumbers
    seen: pl.DataFrame
    seed: int
    on_shared: pl.DataFrame
    logins: pl.DataFrame
    alone: pl.DataFrame
    keys: pl.Series

    @cached_property
    def combinations(self) -> Callable[[pl.Series], pl.Series]:
        """Tells of hashes of combinations their places in `seen`."""
        return _row_lookup(self.seen[HASH])


def customers(
    events: pl.DataFrame | pl.LazyFrame, rules: LinkRules | None = None, removed: pl.DataFrame | None = None
) -> pl.DataFrame:
    """The customer of every event: the rows as given, with `customer` (String) and `linked` (String) added.

    A customer is named after its smallest identity by the order of kinds, then of values: `customer_id:c123`.
    `linked` tells how the event found its customer: `login` it carries one, `device` its device belongs to somebody
    known, `session` a shared device between logins, `anonymous` nobody known. An event without any usable identity
    is a customer of its own, `event_id:...`. `removed` holds links that must not join: kind, value, other_kind,
    other_value.

    >>> seen = {"anonymous_id": ["a", "a", "b"], "customer_id": [None, "ann", None], "occurred_at": [1, 2, 3]}
    >>> customers(pl.DataFrame(seen).cast({"occurred_at": pl.Datetime("us")}))["customer"].to_list()
    ['customer_id:ann', 'customer_id:ann', 'anonymous_id:b']
    """
    frame = conform(events).with_row_index("_row").collect().lazy()
    found = identify(frame, rules or LinkRules(), removed)
    known = with_customers(frame, found).collect().sort("_row")
    return known.with_columns(customer_keys(known[CODE], found), pl.col(LINKED).cast(pl.String)).drop(
        CODE, COMBINATION, "_row"
    )


def identify(
    events: pl.LazyFrame,
    rules: LinkRules,
    removed: pl.DataFrame | None = None,
    repeated: pl.LazyFrame | None = None,
) -> Identities:
    """Read the identities of events and join them into customers.

    `removed` holds links that no longer hold, with the columns kind, value, other_kind, other_value. `repeated` are the
    same events with their duplicates, if that is less to read.
    """
    settings = rules.identities
    every = events if repeated is None or settings.as_of else repeated
    kinds = every.select(pl.col(contract.IDENTITIES).map.keys().explode().unique())
    keys = kinds.collect(engine="streaming").to_series()
    sources = sources_of(sorted(keys.drop_nulls()), settings)
    known = pl.lit(True) if settings.as_of is None else settings.as_of >= ARRIVED
    values = [(source, distinct_rows(every, source.value.alias(source.column)).to_series()) for source in sources]
    nodes = nodes_of(values, settings)
    seed, seen = combinations_of(every, sources, known, [column for _, column in values])
    seen = with_nodes(seen, sources, nodes.with_columns(pl.col("value").hash(seed).alias("hash")))
    seen = seen.drop(source.column for source in sources)
    hashed = hash_of(sources, seed)
    links = without_removed(links_of(seen.filter("evidence"), sources), nodes, removed, settings)
    nodes, links = components(nodes, links, settings)
    seen = assign_combinations(seen, sources, nodes).sort(HASH).with_row_index(COMBINATION)
    touched = on_shared(with_hash(_events_with_shared(events, sources, nodes), sources, hashed), seen, nodes, known)
    logins = nearest_logins(touched, rules.session_gap, settings.shared)
    alone = _events_without_identity(with_hash(events, sources, hashed), seen, len(nodes))
    names = pl.concat([node_keys(nodes), alone.select(pl.format("event_id:{}", contract.EVENT_ID).alias(CUSTOMER))])
    return Identities(
        sources, nodes, links, seen, seed, touched, logins, alone, salted(names.to_series(), settings.salt)
    )


def with_customers(events: pl.LazyFrame, found: Identities) -> pl.LazyFrame:
    """Events, in any order, with `_customer` (u32, the place of its key in `found.keys`) and `linked` (Enum).

    `_combination` is the row of their identities in `found.seen`. What is joined to events is always what is held in
    memory: left to itself, the engine first holds millions of events to find out which side is smaller.
    """
    known = with_hash(events, found.sources, hash_of(found.sources, found.seed))
    seen = found.seen.select(COMBINATION, CODE, LINKED, "shared")

    def looked_up(hashes: pl.Series) -> pl.Series:
        return seen[found.combinations(hashes)].to_struct(HASH)

    known = known.with_columns(
        pl.col(HASH).map_batches(looked_up, return_dtype=pl.Struct(seen.schema), is_elementwise=True)
    ).unnest(HASH)
    if len(found.logins):
        own = found.nodes["customer"].gather(found.logins["shared"]).alias("own")
        logins, where = found.logins.with_columns(own).lazy(), ["shared", contract.OCCURRED_AT]
        session = pl.col("shared").is_not_null() & pl.col("login").is_not_null()
        known = known.join(logins, on=where, how="left", build_side="force_right").with_columns(
            pl.coalesce(CODE, "login", "own").alias(CODE),
            pl.when(session).then(pl.lit("session", LINKED_TYPE)).otherwise(LINKED).alias(LINKED),
        )
    if len(found.alone):
        known = known.join(found.alone.lazy(), on=contract.EVENT_ID, how="left", build_side="force_right")
        known = known.with_columns(pl.coalesce(CODE, "alone").alias(CODE)).drop("alone")
    return known.drop("shared", "login", "own", strict=False)


def _row_lookup(known: pl.Series) -> Callable[[pl.Series], pl.Series]:
    """Tells the places of hashes (u64) among the known ones, which are sorted and have all of them.

    Hashes are spread evenly, so that their leading bits tell the place but for a few steps. For millions of hashes that
    takes a tenth of the memory of a join, and less time.
    """
    numbers = known.to_numpy()
    shift = np.uint64(64 - max(1, len(numbers).bit_length() - 1))
    first = np.searchsorted(numbers, np.arange(2 ** (64 - int(shift)), dtype=np.uint64) << shift).astype(np.uint32)

    def places(hashes: pl.Series) -> pl.Series:
        asked = hashes.to_numpy()
        found = first[asked >> shift]
        wrong = np.flatnonzero(numbers[found] != asked)
        while len(wrong):
            found[wrong] += 1
            wrong = wrong[numbers[found[wrong]] != asked[wrong]]
        return pl.Series(found)

    return places


def customer_keys(codes: pl.Series, found: Identities) -> pl.Series:
    """The customer keys of codes."""
    return found.keys.gather(codes)


def _events_with_shared(events: pl.LazyFrame, sources: Sequence[Source], nodes: pl.DataFrame) -> pl.LazyFrame:
    """The events that carry a shared value."""
    shared = nodes.filter("shared")
    values = [shared.filter(pl.col("rank") == source.rank)["value"].implode() for source in sources]
    return events.filter(pl.any_horizontal(s.value.is_in(v) for s, v in zip(sources, values, strict=True)))


def _events_without_identity(events: pl.LazyFrame, seen: pl.DataFrame, nodes: int) -> pl.DataFrame:
    """The events without any usable identity: event_id and, above the nodes, the code of their own customer."""
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
    """The key of every node that is a customer (null for other nodes): `customer`, a row a node."""
    own = pl.when(pl.col("node") == pl.col("customer")).then(pl.concat_str("kind", pl.lit(":"), "value"))
    return nodes.select(own.alias(CUSTOMER))


def salted(keys: pl.Series, salt: str | None) -> pl.Series:
    """Keys as they are, or with a salt as pseudonyms: keyed hashes."""
    if salt is None:
        return keys
    names = [key and f"customer:{hmac.digest(salt.encode(), key.encode(), 'sha256')[:16].hex()}" for key in keys]
    return pl.Series(CUSTOMER, names, pl.String)
