"""Updates customers after new identity evidence; only the affected components are resolved again.

New evidence is a combination of identities that was not seen before, or a changed tombstone. It may join customers
or split them: an identity that becomes shared no longer links. All that can change lies in the components of the
identities that the evidence names: an identity that is shared because of its many links connects nothing, while one
that is tied, or a link between two customers, still decides which value of a unique kind is the nearest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import polars as pl

from analytics.identity.columns import CODE, HASH, LINKED_TYPE, Mask, NodeNumbers
from analytics.identity.graph import (
    assign_combinations,
    components,
    links_of,
    nodes_of,
    tombstone_nodes,
    with_nodes,
    without_removed,
)
from analytics.identity.rules import IdentityRules
from analytics.identity.sources import Source
from analytics.store.columns import LINKED

_NODE_KEY = ["rank", "value"]


class KnownIdentities(Protocol):
    """The identities of earlier events, their combinations, and the links that were removed."""

    @property
    def nodes(self) -> pl.DataFrame:
        """One row per identity."""

    @property
    def seen(self) -> pl.DataFrame:
        """One row per combination of identities."""

    @property
    def tombstones(self) -> pl.DataFrame:
        """One row per removed link."""


@dataclass(frozen=True)
class UpdatedIdentities:
    """All identities and combinations after new evidence; old ones keep their numbers, new ones come last."""

    nodes: pl.DataFrame
    seen: pl.DataFrame


def update_identities(
    known: KnownIdentities,
    unknown: pl.DataFrame,
    sources: Sequence[Source],
    removed: pl.DataFrame,
    settings: IdentityRules,
) -> UpdatedIdentities:
    """Resolves identities again where unknown combinations or changed tombstones affect them.

    `unknown` has `_hash`, the identities in the columns of the sources, and `events`. `removed` holds all tombstones.
    """
    named = [(source, unknown[source.column]) for source in sources]
    nodes = _with_new_nodes(known.nodes.with_row_index("node"), nodes_of(named, settings))
    names = [f"{source.column}_node" for source in sources]
    new_seen = with_nodes(unknown, sources, _candidate_nodes(nodes, unknown, sources)).drop(
        source.column for source in sources
    )
    blank = [pl.lit(None, pl.UInt32).alias(CODE), pl.lit("anonymous", LINKED_TYPE).alias(LINKED)]
    new_seen = new_seen.with_columns(*blank, pl.lit(None, pl.UInt32).alias("shared"))
    seen = pl.concat([known.seen, new_seen.select(known.seen.columns)])
    changed = _changed_ends(known.tombstones, removed, nodes, settings)
    columns = [seen[name].cast(pl.Int64).fill_null(-1).to_numpy() for name in names]
    is_new = np.arange(len(seen)) >= len(known.seen)
    hit, reopened = _affected_combinations(nodes, columns, is_new, changed)
    if not hit.any():
        return UpdatedIdentities(nodes, seen)
    return _resolve_again(nodes, seen, hit, reopened, (sources, removed, settings))


def without_combinations(
    known: KnownIdentities,
    gone: Mask,
    sources: Sequence[Source],
    removed: pl.DataFrame,
    settings: IdentityRules,
) -> UpdatedIdentities:
    """Resolves identities again where the combinations marked in `gone` no longer occur.

    Numbers stay. What is gone keeps an empty row: of a combination without hash, identities and events, of an identity
    without kind and value. `removed` holds all tombstones.
    """
    names = [f"{source.column}_node" for source in sources]
    nodes, seen = known.nodes.with_row_index("node"), known.seen
    before = pl.concat([seen[name].filter(pl.Series(gone)).alias("node") for name in names]).drop_nulls().unique()
    nothing = {name: pl.lit(None, seen.schema[name]) for name in (HASH, *names, CODE, "shared")}
    nothing |= {LINKED: pl.lit("anonymous", LINKED_TYPE), "events": pl.lit(0, seen.schema["events"])}
    seen = seen.with_columns(
        pl.when(pl.Series(gone)).then(empty).otherwise(pl.col(name)).alias(name) for name, empty in nothing.items()
    )
    left = pl.concat([seen[name].alias("node") for name in names]).drop_nulls().unique()
    columns = [seen[name].cast(pl.Int64).fill_null(-1).to_numpy() for name in names]
    hit, reopened = _affected_combinations(nodes, columns, np.zeros(len(seen), np.bool_), before.to_numpy())
    is_gone = pl.col("node").is_in(before.filter(~before.is_in(left.implode())).implode())
    own = {name: pl.col("node") for name in ("component", "customer")}
    blank = {"kind": None, "value": None, "login": False, "known": False, "shared": False, "tied": False}
    nodes = nodes.with_columns(
        pl.when(is_gone).then(empty).otherwise(pl.col(name)).alias(name) for name, empty in (own | blank).items()
    )
    if not hit.any():
        return UpdatedIdentities(nodes, seen)
    return _resolve_again(nodes, seen, hit, reopened, (sources, removed, settings))


def _with_new_nodes(nodes: pl.DataFrame, named: pl.DataFrame) -> pl.DataFrame:
    """Appends the nodes that are new, each a customer of its own so far."""
    candidates = nodes.filter(pl.col("value").is_in(named["value"].implode()))
    new = (
        named.drop("node")
        .join(candidates, on=_NODE_KEY, how="anti")
        .sort(_NODE_KEY)
        .with_row_index("node", offset=len(nodes))
    )
    own = {name: pl.col("node") for name in ("component", "customer")}
    return pl.concat([nodes, new.with_columns(**own, known=False, shared=False, tied=False).select(nodes.columns)])


def _candidate_nodes(nodes: pl.DataFrame, seen: pl.DataFrame, sources: Sequence[Source]) -> pl.DataFrame:
    """The nodes that have a value of these combinations."""
    values = pl.concat([seen[source.column].alias("value") for source in sources]).unique()
    return nodes.filter(pl.col("value").is_in(values.implode()))


def _changed_ends(before: pl.DataFrame, now: pl.DataFrame, nodes: pl.DataFrame, settings: IdentityRules) -> NodeNumbers:
    """The nodes of tombstones that were added or taken back."""
    both = pl.concat([before.join(now, on=now.columns, how="anti"), now.join(before, on=now.columns, how="anti")])
    if both.is_empty():
        return np.zeros(0, np.int64)
    ends = tombstone_nodes(nodes, both, settings)
    return pl.concat([ends["a"], ends["b"].alias("a")]).drop_nulls().unique().cast(pl.Int64).to_numpy()


def _affected_combinations(
    nodes: pl.DataFrame, columns: Sequence[NodeNumbers], is_new: Mask, ends: NodeNumbers
) -> tuple[Mask, Mask]:
    """The combinations to resolve again, and the nodes of many links whose links must be counted again."""
    component, shared = nodes["component"].to_numpy(), _connects_nothing(nodes)
    reopened = np.zeros(len(nodes), np.bool_)
    reopened[ends] = shared[ends]
    touched = np.zeros(len(nodes), np.bool_)
    touched[component[ends]] = ~shared[ends]
    hit = is_new.copy()
    while True:
        for column in columns:
            named = column[hit & (column >= 0)]
            touched[component[named[~shared[named]]]] = True
        open_nodes = np.append((touched[component] & ~shared) | reopened, False)
        extended = np.logical_or.reduce([open_nodes[column] for column in columns]) | hit
        if (extended == hit).all():
            return hit, reopened
        hit = extended


def _connects_nothing(nodes: pl.DataFrame) -> Mask:
    """The nodes that are shared because of their many links."""
    return nodes.select(pl.col("shared") & ~pl.col("tied")).to_series().to_numpy()


def _resolve_again(
    nodes: pl.DataFrame,
    seen: pl.DataFrame,
    hit: Mask,
    reopened: Mask,
    context: tuple[Sequence[Source], pl.DataFrame, IdentityRules],
) -> UpdatedIdentities:
    """Resolves the combinations marked in `hit` on their own, and writes the result back."""
    sources, removed, settings = context
    names = [f"{source.column}_node" for source in sources]
    rows = np.flatnonzero(hit)
    subset = seen[rows].drop(CODE, LINKED, "shared")
    own = pl.concat([subset[name].alias("own") for name in names]).drop_nulls().unique().to_numpy()
    fixed = _connects_nothing(nodes) & ~reopened
    sub_nodes = nodes[own].rename({"node": "own"}).with_columns(pl.Series("fixed", fixed[own]))
    sub_nodes = (
        sub_nodes.select("own", "rank", "kind", "value", "login", "fixed").sort(_NODE_KEY).with_row_index("node")
    )
    position = np.zeros(len(nodes), np.uint32)
    position[sub_nodes["own"].to_numpy()] = np.arange(len(sub_nodes))
    positions = pl.Series(position)
    subset = subset.with_columns(positions.gather(subset[name]).alias(name) for name in names)
    links = without_removed(links_of(subset, sources), sub_nodes, removed, settings)
    sub_nodes, _ = components(sub_nodes, links, settings, sub_nodes["fixed"].to_numpy())
    subset = assign_combinations(subset, sources, sub_nodes)
    node_of = sub_nodes["own"]
    rows_of_nodes, free = sub_nodes["own"], sub_nodes.filter(~pl.col("fixed"))
    nodes = nodes.with_columns(
        *(nodes[name].scatter(free["own"], node_of.gather(free[name])) for name in ("component", "customer")),
        *(nodes[name].scatter(rows_of_nodes, sub_nodes[name]) for name in ("known", "shared", "tied")),
    )
    seen = seen.with_columns(
        seen[CODE].scatter(rows, node_of.gather(subset[CODE])),
        seen[LINKED].to_physical().scatter(rows, subset[LINKED].to_physical()).cat.to(LINKED_TYPE),
        seen["shared"].scatter(rows, node_of.gather(subset["shared"])),
    )
    return UpdatedIdentities(nodes, seen)
