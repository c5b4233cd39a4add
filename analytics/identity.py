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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from analytics.events import conform
from analytics.parts import CUSTOMER
from analytics.rules import IdentityRules, PathRules
from analytics.shared import CODE, HASH, LINKED, LINKS, nearest_logins, on_shared
from expectations import contract

ARRIVED: Final = pl.coalesce(contract.RECEIVED_AT, contract.OCCURRED_AT)
Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Source:
    """A place of the event that holds identities of one kind."""

    kind: str
    rank: int
    column: str
    value: pl.Expr


@dataclass(frozen=True)
class Identities:
    """All identities of a set of events, and the customer of each.

    `nodes` has kind, value, customer (u32, the row of the customer's smallest identity), login, shared, known (the
    customer has a login), sorted by trust and value. `links` are the pairs of rows that join customers. `seen` has one
    row for each combination of identities on an event, with the hash `_hash` that `hashed` gives to it; `logins` says
    whose each time of each shared value is; `alone` are the events without any usable identity. `keys` are the
    customer keys by code: first of the nodes, then of the events alone.
    """

    sources: tuple[Source, ...]
    nodes: pl.DataFrame
    links: Codes
    seen: pl.DataFrame
    hashed: pl.Expr
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
    return known.with_columns(keys_of(known[CODE], found), pl.col(LINKED).cast(pl.String)).drop(CODE, "_row")


def identify(events: pl.LazyFrame, rules: PathRules, removed: pl.DataFrame | None = None) -> Identities:
    """Read the identities of events and join them into customers.

    `removed` holds links that no longer hold, with the columns kind, value, other_kind, other_value.
    """
    settings = rules.identities
    sources = tuple(_sources(events, settings))
    known = pl.lit(True) if settings.as_of is None else settings.as_of >= ARRIVED
    seen = _combinations(events, sources, known)
    hashed = _hash_without_collision(seen, sources)
    nodes = _nodes(seen, sources, settings)
    seen = _coded(seen, sources, nodes)
    links = _links(seen.filter("evidence"), sources)
    if removed is not None and len(removed):
        links = _without(links, nodes, removed, settings)
    nodes, links = _components(nodes, links, settings)
    seen = _placed(seen, sources, nodes).with_columns(hashed.alias(HASH))
    touched = on_shared(_hashed(events, sources, hashed), seen, nodes, known)
    logins = nearest_logins(touched, rules.session_gap, settings.shared)
    alone = _alone(_hashed(events, sources, hashed), seen, len(nodes))
    keys = _keys(nodes, alone, settings.salt)
    return Identities(sources, nodes, links, seen, hashed, logins, alone, keys)


def with_customers(events: pl.LazyFrame, found: Identities) -> pl.LazyFrame:
    """Events, in any order, with `_customer` (u32, the place of its key in `found.keys`) and `linked` (Enum)."""
    known = _hashed(events, found.sources, found.hashed).join(
        found.seen.lazy().select(HASH, CODE, LINKED, "shared"), on=HASH, how="left"
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


def _hashed(events: pl.LazyFrame, sources: Sequence[Source], hashed: pl.Expr) -> pl.LazyFrame:
    """Events with the hash of their identities."""
    names = [source.column for source in sources]
    known = events.with_columns(source.value.alias(source.column) for source in sources)
    return known.with_columns(hashed.alias(HASH)).drop(names)


def _hash_without_collision(seen: pl.DataFrame, sources: Sequence[Source]) -> pl.Expr:
    """A hash that tells all combinations apart: whole numbers join faster than texts."""
    whole = pl.struct(source.column for source in sources)
    seed = 0
    while seen.select(whole.hash(seed).n_unique()).item() < len(seen):
        seed += 1
    return whole.hash(seed)


def _alone(events: pl.LazyFrame, seen: pl.DataFrame, nodes: int) -> pl.DataFrame:
    """The events without any usable identity: event_id and, above the nodes, the code of their own customer."""
    unusable = seen.filter(pl.col(CODE).is_null(), pl.col("shared").is_null())[HASH]
    if unusable.is_empty():
        return pl.DataFrame(schema={contract.EVENT_ID: pl.String, "alone": pl.UInt32})
    ids = events.filter(pl.col(HASH).is_in(unusable.implode())).select(pl.col(contract.EVENT_ID).unique().sort())
    return (
        ids.with_row_index("alone", offset=nodes).select(contract.EVENT_ID, pl.col("alone").cast(pl.UInt32)).collect()
    )


def _keys(nodes: pl.DataFrame, alone: pl.DataFrame, salt: str | None) -> pl.Series:
    """The key of every code that is a customer (null for other nodes); with a salt its pseudonym, a keyed hash."""
    own = pl.when(pl.col("node") == pl.col("customer")).then(pl.concat_str("kind", pl.lit(":"), "value"))
    lone = alone.select(pl.format("event_id:{}", contract.EVENT_ID).alias(CUSTOMER))
    keys = pl.concat([nodes.select(own.alias(CUSTOMER)), lone]).to_series()
    if salt is None:
        return keys
    names = [key and f"customer:{hmac.digest(salt.encode(), key.encode(), 'sha256')[:16].hex()}" for key in keys]
    return pl.Series(CUSTOMER, names, pl.String)


def _sources(events: pl.LazyFrame, settings: IdentityRules) -> Iterator[Source]:
    """Where identities are, the most trusted kind first; kinds that the settings do not name come last, by name."""
    keys = events.select(pl.col(contract.IDENTITIES).map.keys().explode().unique()).collect().to_series()
    places = [(kind, pl.col(kind)) for kind in (contract.CUSTOMER_ID, contract.ANONYMOUS_ID)]
    places += [(kind, pl.col(contract.IDENTITIES).map.get(kind)) for kind in sorted(keys.drop_nulls())]
    order = settings.kinds + sorted({kind for kind, _ in places} - set(settings.kinds))
    places.sort(key=lambda place: order.index(place[0]))
    for number, (kind, value) in enumerate(places):
        yield Source(kind, order.index(kind), f"_identity{number}", settings.normal(value, kind))


def _combinations(events: pl.LazyFrame, sources: Sequence[Source], known: pl.Expr) -> pl.DataFrame:
    """Each combination of identities that occurs on an event, and whether it is evidence: one had arrived in time."""
    wide = events.select(known.alias("evidence"), *(source.value.alias(source.column) for source in sources))
    names = [source.column for source in sources]
    return wide.unique().collect(engine="streaming").sort("evidence").unique(names, keep="last")


def _nodes(seen: pl.DataFrame, sources: Sequence[Source], settings: IdentityRules) -> pl.DataFrame:
    """Every identity once, sorted by trust, then value, without the denied ones."""
    parts = [
        seen.select(
            pl.lit(source.rank, pl.UInt8).alias("rank"),
            pl.lit(source.kind).alias("kind"),
            pl.col(source.column).alias("value"),
        ).unique()
        for source in sources
    ]
    every = pl.concat(parts).filter(pl.col("value").is_not_null(), ~pl.col("value").is_in(settings.deny))
    return (
        every.unique()
        .sort("rank", "value")
        .select("rank", "kind", "value", pl.col("kind").is_in(settings.logins).alias("login"))
        .with_row_index("node")
    )


def _coded(seen: pl.DataFrame, sources: Sequence[Source], nodes: pl.DataFrame) -> pl.DataFrame:
    """The combinations, with the node of every identity in a column `<column>_node`."""
    for source in sources:
        kind = nodes.filter(pl.col("rank") == source.rank).select(
            pl.col("value").alias(source.column), pl.col("node").alias(f"{source.column}_node")
        )
        seen = seen.join(kind, on=source.column, how="left", maintain_order="left")
    return seen


def _links(seen: pl.DataFrame, sources: Sequence[Source]) -> Codes:
    """Every pair of identities that occurs on one event, once: the smaller node, the larger node."""
    pairs = [
        seen.select(pl.min_horizontal(a, b).cast(pl.UInt64) * 2**32 + pl.max_horizontal(a, b).cast(pl.UInt64)).filter(
            seen[a].is_not_null() & seen[b].is_not_null() & (seen[a] != seen[b])
        )
        for a, b in combinations([f"{source.column}_node" for source in sources], 2)
    ]
    keys = pl.concat([pair.to_series().alias("key") for pair in pairs]).unique().sort().to_numpy()
    return np.stack([keys >> np.uint64(32), keys & np.uint64(2**32 - 1)]).astype(np.int64)


def _without(links: Codes, nodes: pl.DataFrame, removed: pl.DataFrame, settings: IdentityRules) -> Codes:
    """The links that have no tombstone."""
    ends = []
    for kind, value in (("kind", "value"), ("other_kind", "other_value")):
        end = removed.select(pl.col(kind).alias("kind"), settings.normal(pl.col(value), pl.col(kind)).alias("value"))
        ends.append(end.join(nodes, on=["kind", "value"], how="left", maintain_order="left")["node"])
    gone = pl.DataFrame(ends, schema=["a", "b"]).drop_nulls()
    keys = gone.select(pl.min_horizontal("a", "b").cast(pl.Int64) * 2**32 + pl.max_horizontal("a", "b"))
    return links[:, ~np.isin((links[0] << 32) + links[1], keys.to_series().to_numpy())]


def _components(nodes: pl.DataFrame, links: Codes, settings: IdentityRules) -> tuple[pl.DataFrame, Codes]:
    """Which nodes are shared, for every node the smallest of its component, and the links that join components."""
    count, login = len(nodes), nodes["login"].to_numpy()
    counts = [~login[a] | login[b] for a, b in (links, links[::-1])]
    degree = sum(np.bincount(end[which], minlength=count) for end, which in zip(links, counts, strict=True))
    shared = np.asarray(degree > settings.max_degree)
    links = links[:, ~shared[links].any(axis=0)]
    number, label = (
        connected_components(graph_of(links, count), directed=False) if count else (0, np.zeros(0, np.int32))
    )
    smallest = np.zeros(number, np.uint32)
    smallest[label[::-1]] = np.arange(count, dtype=np.uint32)[::-1]
    known = np.bincount(label, weights=login & ~shared, minlength=number) > 0
    return nodes.with_columns(
        pl.Series("customer", smallest[label], dtype=pl.UInt32),
        pl.Series("known", known[label], dtype=pl.Boolean),
        pl.Series("shared", shared, dtype=pl.Boolean),
    ), links


def graph_of(links: Codes, count: int) -> coo_matrix:
    """The links as the matrix that scipy's graph routines take."""
    return coo_matrix((np.ones(links.shape[1], np.int8), (links[0], links[1])), shape=(count, count))


def _placed(seen: pl.DataFrame, sources: Sequence[Source], nodes: pl.DataFrame) -> pl.DataFrame:
    """The combinations with customer (of the most trusted identity that links), `linked`, and the shared identity.

    `shared` is the most trusted shared identity of a combination that has none that links.
    """
    columns = [f"{source.column}_node" for source in sources]
    is_shared = seen.select(nodes["shared"].gather(seen[name]).alias(name) for name in columns)
    links = seen.select(pl.when(~is_shared[name]).then(seen[name]).alias(name) for name in columns)
    logins = [nodes["login"].gather(links[name]).alias(name) for name in columns]
    first = links.select(pl.coalesce(columns)).to_series()
    on_shared = seen.select(pl.coalesce(pl.when(is_shared[name]).then(pl.col(name)) for name in columns)).to_series()
    return seen.with_columns(
        nodes["customer"].gather(first).alias(CODE),
        pl.select(
            pl.when(pl.DataFrame(logins).select(pl.any_horizontal(columns).fill_null(False)).to_series())
            .then(pl.lit("login"))
            .when(nodes["known"].gather(first))
            .then(pl.lit("device"))
            .otherwise(pl.lit("anonymous"))
        )
        .to_series()
        .cast(LINKS)
        .alias(LINKED),
        pl.select(pl.when(first.is_null()).then(on_shared)).to_series().alias("shared"),
    )
