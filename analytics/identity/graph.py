"""Joins identities into customers: the connected components of the graph of links.

A *node* is one identity. A *combination* is the set of identities on one event; many events carry the same one, so
identities are resolved once per combination, not once per event. A *link* joins two nodes of one combination. Nodes
are numbered by trust, then by value: the smallest node of a component names the customer.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import polars as pl
from scipy.sparse.csgraph import connected_components

from analytics.identity.columns import CODE, LINKED_TYPE, Mask, NodeNumbers
from analytics.identity.rules import IdentityRules
from analytics.identity.sources import Source
from analytics.identity.unique import Labels, adjacency_matrix, split_by_unique
from analytics.store.columns import LINKED


def nodes_of(values: Sequence[tuple[Source, pl.Series]], settings: IdentityRules) -> pl.DataFrame:
    """One row per identity that is not denied, sorted by trust, then value; `values` holds those of each source."""
    ranks = sorted({(source.rank, source.kind) for source, _ in values})
    tables = [
        pl.concat([column.alias("value") for source, column in values if source.rank == rank])
        .drop_nulls()
        .unique()
        .sort()
        .to_frame()
        .filter(~settings.denied(pl.col("value"), kind))
        .select(
            pl.lit(rank, pl.UInt8).alias("rank"),
            pl.lit(kind).alias("kind"),
            "value",
            pl.lit(kind in settings.logins).alias("login"),
        )
        for rank, kind in ranks
    ]
    return pl.concat(tables).with_row_index("node")


def with_nodes(seen: pl.DataFrame, sources: Sequence[Source], nodes: pl.DataFrame) -> pl.DataFrame:
    """Adds the node of every identity of a combination, in columns named `<column>_node`.

    Identities are matched by the column of `nodes` that has their type: `value` for text, else `hash`.
    """
    for source in sources:
        key = "value" if seen.schema[source.column] == pl.String else "hash"
        candidates = nodes.filter(pl.col("rank") == source.rank).select(
            pl.col(key).alias(source.column), pl.col("node").alias(f"{source.column}_node")
        )
        seen = seen.join(candidates, on=source.column, how="left", maintain_order="left")
    return seen


def links_of(seen: pl.DataFrame, sources: Sequence[Source]) -> NodeNumbers:
    """Every pair of identities that occurs on one event, once: row 0 is the smaller node, row 1 the larger."""
    pairs = [
        seen.select(pl.min_horizontal(a, b).cast(pl.UInt64) * 2**32 + pl.max_horizontal(a, b).cast(pl.UInt64)).filter(
            seen[a].is_not_null() & seen[b].is_not_null() & (seen[a] != seen[b])
        )
        for a, b in combinations([f"{source.column}_node" for source in sources], 2)
    ]
    keys = pl.concat([pair.to_series().alias("key") for pair in pairs]).unique().sort().to_numpy()
    return np.stack([(keys >> np.uint64(32)).astype(np.int32), (keys & np.uint64(2**32 - 1)).astype(np.int32)])


def without_removed(
    links: NodeNumbers, nodes: pl.DataFrame, removed: pl.DataFrame | None, settings: IdentityRules
) -> NodeNumbers:
    """The links without those that have a tombstone in `removed`: kind, value, other_kind, other_value."""
    if removed is None or removed.is_empty():
        return links
    tombstones = tombstone_nodes(nodes, removed, settings).drop_nulls()
    keys = tombstones.select(pl.min_horizontal("a", "b").cast(pl.Int64) * 2**32 + pl.max_horizontal("a", "b"))
    return links[:, ~np.isin((links[0].astype(np.int64) << 32) + links[1], keys.to_series().to_numpy())]


def tombstone_nodes(nodes: pl.DataFrame, removed: pl.DataFrame, settings: IdentityRules) -> pl.DataFrame:
    """The nodes `a` and `b` of each tombstone; null where no event carries the identity."""
    ends = []
    for kind, value in (("kind", "value"), ("other_kind", "other_value")):
        end = removed.select(
            pl.col(kind).replace(settings.hashed).alias("kind"),
            settings.normal(pl.col(value), pl.col(kind)).alias("value"),
        )
        ends.append(end.join(nodes, on=["kind", "value"], how="left", maintain_order="left")["node"])
    return pl.DataFrame(ends, schema=["a", "b"])


def components(
    nodes: pl.DataFrame, links: NodeNumbers, settings: IdentityRules, fixed: Mask | None = None
) -> tuple[pl.DataFrame, NodeNumbers]:
    """Finds shared nodes, connected components, and the customers in them.

    Returns the nodes with `component` and `customer` (the smallest node of each), `known` (the customer has a login),
    `shared` and `tied` (shared because it is as near to one value of a unique kind as to another), and the links that
    join customers. A component is one customer unless it has two values of a unique kind. Nodes marked in `fixed` are
    shared whatever their links.
    """
    count, login = len(nodes), nodes["login"].to_numpy()
    counts = [~login[a] | login[b] for a, b in (links, links[::-1])]
    degree = sum(np.bincount(end[which], minlength=count) for end, which in zip(links, counts, strict=True))
    shared = np.asarray(degree > settings.max_degree)
    shared = shared if fixed is None else shared | fixed
    links = links[:, ~shared[links].any(axis=0)]
    label = connected_components(adjacency_matrix(links, count), directed=False)[1] if count else np.zeros(0, np.int32)
    split = Labels(label, links, np.zeros(count, np.bool_))
    for kind in settings.unique_kinds:
        split = split_by_unique(split, (nodes["kind"] == kind).to_numpy() & ~shared & ~split.tied)
    shared = shared | split.tied
    has_login = np.bincount(split.label, weights=login & ~shared, minlength=1) > 0
    component = _smallest_by(label)
    return nodes.with_columns(
        pl.Series("component", component, dtype=pl.UInt32),
        pl.Series("customer", component if split.label is label else _smallest_by(split.label), dtype=pl.UInt32),
        pl.Series("known", has_login[split.label], dtype=pl.Boolean),
        pl.Series("shared", shared, dtype=pl.Boolean),
        pl.Series("tied", split.tied, dtype=pl.Boolean),
    ), split.links


def _smallest_by(label: NodeNumbers) -> NodeNumbers:
    """For every node the smallest node with its label."""
    smallest = np.zeros(label.max(initial=-1) + 1, np.uint32)
    smallest[label[::-1]] = np.arange(len(label), dtype=np.uint32)[::-1]
    return smallest[label]


def assign_combinations(seen: pl.DataFrame, sources: Sequence[Source], nodes: pl.DataFrame) -> pl.DataFrame:
    """Adds `_customer`, `linked` and `shared` to combinations.

    The customer is that of the most trusted identity that links. `shared` is the most trusted shared identity of a
    combination in which no identity links, else null.
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
        .cast(LINKED_TYPE)
        .alias(LINKED),
        pl.select(pl.when(first.is_null()).then(on_shared)).to_series().alias("shared"),
    )
