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
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from analytics.components import Codes, Source, components, links_of, nodes_of, placed, with_nodes, without
from analytics.events import conform
from analytics.parts import CUSTOMER
from analytics.rules import IdentityRules, PathRules
from analytics.shared import CODE, COMBINATION, HASH, LINKED, LINKS, nearest_logins, on_shared
from expectations import contract

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
    links: Codes
    seen: pl.DataFrame
    seed: int
    on_shared: pl.DataFrame
    logins: pl.DataFrame
    alone: pl.DataFrame
    keys: pl.Series


def customers(
    events: pl.DataFrame | pl.LazyFrame, rules: PathRules | None = None, removed: pl.DataFrame | None = None
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
    found = identify(frame, rules or PathRules(), removed)
    known = with_customers(frame, found).collect().sort("_row")
    return known.with_columns(keys_of(known[CODE], found), pl.col(LINKED).cast(pl.String)).drop(
        CODE, COMBINATION, "_row"
    )


def identify(events: pl.LazyFrame, rules: PathRules, removed: pl.DataFrame | None = None) -> Identities:
    """Read the identities of events and join them into customers.

    `removed` holds links that no longer hold, with the columns kind, value, other_kind, other_value.
    """
    settings = rules.identities
    kinds = events.select(pl.col(contract.IDENTITIES).map.keys().explode().unique())
    keys = kinds.collect(engine="streaming").to_series()
    sources = sources_of(sorted(keys.drop_nulls()), settings)
    known = pl.lit(True) if settings.as_of is None else settings.as_of >= ARRIVED
    seen = _combinations(events, sources, known)
    seed = _seed_without_collision(seen, sources)
    nodes = nodes_of(seen, sources, settings)
    hashed = hash_of(sources, seed)
    seen = with_nodes(seen.with_columns(hashed.alias(HASH)), sources, nodes)
    seen = seen.drop(source.column for source in sources)
    links = without(links_of(seen.filter("evidence"), sources), nodes, removed, settings)
    nodes, links = components(nodes, links, settings)
    seen = placed(seen, sources, nodes).with_row_index(COMBINATION)
    touched = on_shared(with_hash(events, sources, hashed), seen, nodes, known)
    logins = nearest_logins(touched, rules.session_gap, settings.shared)
    alone = _alone(with_hash(events, sources, hashed), seen, len(nodes))
    names = pl.concat([names_of(nodes), alone.select(pl.format("event_id:{}", contract.EVENT_ID).alias(CUSTOMER))])
    return Identities(
        sources, nodes, links, seen, seed, touched, logins, alone, salted(names.to_series(), settings.salt)
    )


def with_customers(events: pl.LazyFrame, found: Identities) -> pl.LazyFrame:
    """Events, in any order, with `_customer` (u32, the place of its key in `found.keys`) and `linked` (Enum).

    `_combination` is the row of their identities in `found.seen`.
    """
    known = with_hash(events, found.sources, hash_of(found.sources, found.seed)).join(
        found.seen.lazy().select(HASH, COMBINATION, CODE, LINKED, "shared"), on=HASH, how="left"
    )
    if len(found.logins):
        where = ["shared", contract.OCCURRED_AT]
        own = found.nodes.lazy().select(pl.col("node").alias("shared"), pl.col("customer").alias("own"))
        known = known.join(found.logins.lazy(), on=where, how="left").join(own, on="shared", how="left")
        session = pl.col("shared").is_not_null() & pl.col("login").is_not_null()
        known = known.with_columns(
            pl.coalesce(CODE, "login", "own").alias(CODE),
            pl.when(session).then(pl.lit("session", LINKS)).otherwise(LINKED).alias(LINKED),
        ).drop("login", "own")
    if len(found.alone):
        known = known.join(found.alone.lazy(), on=contract.EVENT_ID, how="left")
        known = known.with_columns(pl.coalesce(CODE, "alone").alias(CODE)).drop("alone")
    return known.drop(HASH, "shared")


def keys_of(codes: pl.Series, found: Identities) -> pl.Series:
    """The customer keys of codes."""
    return found.keys.gather(codes)


def with_hash(events: pl.LazyFrame, sources: Sequence[Source], hashed: pl.Expr) -> pl.LazyFrame:
    """Events with the hash of their identities."""
    names = [source.column for source in sources]
    known = events.with_columns(source.value.alias(source.column) for source in sources)
    return known.with_columns(hashed.alias(HASH)).drop(names)


def hash_of(sources: Sequence[Source], seed: int) -> pl.Expr:
    """The hash of a combination: whole numbers join faster than texts."""
    return pl.struct(source.column for source in sources).hash(seed)


def _seed_without_collision(seen: pl.DataFrame, sources: Sequence[Source]) -> int:
    """The first seed by which all combinations have hashes of their own."""
    seed = 0
    while seen.select(hash_of(sources, seed).n_unique()).item() < len(seen):
        seed += 1
    return seed


def _alone(events: pl.LazyFrame, seen: pl.DataFrame, nodes: int) -> pl.DataFrame:
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


def names_of(nodes: pl.DataFrame) -> pl.DataFrame:
    """The key of every node that is a customer (null for other nodes): `customer`, a row a node."""
    own = pl.when(pl.col("node") == pl.col("customer")).then(pl.concat_str("kind", pl.lit(":"), "value"))
    return nodes.select(own.alias(CUSTOMER))


def salted(keys: pl.Series, salt: str | None) -> pl.Series:
    """Keys as they are, or with a salt as pseudonyms: keyed hashes."""
    if salt is None:
        return keys
    names = [key and f"customer:{hmac.digest(salt.encode(), key.encode(), 'sha256')[:16].hex()}" for key in keys]
    return pl.Series(CUSTOMER, names, pl.String)


def sources_of(keys: Sequence[str], settings: IdentityRules) -> tuple[Source, ...]:
    """Where identities are, the most trusted kind first; kinds that the settings do not name come last, by name.

    `keys` are the kinds that the map `identities` has.
    """
    own = (contract.CUSTOMER_ID, contract.ANONYMOUS_ID)
    places: list[tuple[str, pl.Expr, str | None]] = [(kind, pl.col(kind), None) for kind in own]
    places += [(kind, pl.col(contract.IDENTITIES).map.get(kind), kind) for kind in keys]
    order = settings.kinds + sorted({kind for kind, _, _ in places} - set(settings.kinds))
    places.sort(key=lambda place: order.index(place[0]))
    return tuple(
        Source(kind, order.index(kind), f"_identity{number}", settings.normal(value, kind), key)
        for number, (kind, value, key) in enumerate(places)
    )


def _combinations(events: pl.LazyFrame, sources: Sequence[Source], known: pl.Expr) -> pl.DataFrame:
    """Each combination of identities that occurs on an event, and whether it is evidence: one had arrived in time."""
    wide = events.select(known.alias("evidence"), *(source.value.alias(source.column) for source in sources))
    names = [source.column for source in sources]
    distinct = wide.unique().collect(engine="streaming")
    if distinct["evidence"].n_unique() < 2:
        return distinct
    return distinct.sort("evidence").unique(names, keep="last")
