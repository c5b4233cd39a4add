"""Whose are events now that more evidence came? Only the components that new evidence touches are joined anew.

New evidence is a combination of identities that was not seen before, or a change of tombstones. It may join customers,
and part them: an identity that came to be shared no longer links. Everything that could change lies in the components
of the identities it names; a shared identity passes nothing on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import polars as pl

from analytics.identity.columns import CODE, LINKED_TYPE
from analytics.identity.graph import (
    Mask,
    NodeNumbers,
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
    """What is known of earlier events: identities, their combinations, and the links that were removed."""

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
    """All identities and combinations after new evidence, numbered as before, the new ones last."""

    nodes: pl.DataFrame
    seen: pl.DataFrame


def update_identities(
    memory: KnownIdentities,
    unknown: pl.DataFrame,
    sources: Sequence[Source],
    removed: pl.DataFrame,
    settings: IdentityRules,
) -> UpdatedIdentities:
    """Join again what combinations that are not remembered, and changed tombstones, touch.

    `unknown` has `_hash`, the identities in the columns of the sources, and `events`. `removed` are all tombstones.
    """
    named = [(source, unknown[source.column]) for source in sources]
    nodes = _with_new_nodes(memory.nodes.with_row_index("node"), nodes_of(named, settings))
    names = [f"{source.column}_node" for source in sources]
    coded = with_nodes(unknown, sources, _candidate_nodes(nodes, unknown, sources)).drop(
        source.column for source in sources
    )
    blank = [pl.lit(None, pl.UInt32).alias(CODE), pl.lit("anonymous", LINKED_TYPE).alias(LINKED)]
    coded = coded.with_columns(*blank, pl.lit(None, pl.UInt32).alias("shared"))
    seen = pl.concat([memory.seen, coded.select(memory.seen.columns)])
    ends = _changed_ends(memory.tombstones, removed, nodes, settings)
    columns = [seen[name].cast(pl.Int64).fill_null(-1).to_numpy() for name in names]
    fresh = np.arange(len(seen)) >= len(memory.seen)
    hit, reopened = _affected_combinations(nodes, columns, fresh, ends)
    if not hit.any():
        return UpdatedIdentities(nodes, seen)
    return _resolve_again(nodes, seen, hit, reopened, (sources, removed, settings))


def _with_new_nodes(nodes: pl.DataFrame, named: pl.DataFrame) -> pl.DataFrame:
    """The nodes with those that were not there before, each a customer of its own so far."""
    few = nodes.filter(pl.col("value").is_in(named["value"].implode()))
    new = (
        named.drop("node").join(few, on=_NODE_KEY, how="anti").sort(_NODE_KEY).with_row_index("node", offset=len(nodes))
    )
    own = pl.col("node").alias("customer")
    return pl.concat([nodes, new.with_columns(own, known=False, shared=False).select(nodes.columns)])


def _candidate_nodes(nodes: pl.DataFrame, seen: pl.DataFrame, sources: Sequence[Source]) -> pl.DataFrame:
    """The nodes that could be meant by these combinations."""
    values = pl.concat([seen[source.column].alias("value") for source in sources]).unique()
    return nodes.filter(pl.col("value").is_in(values.implode()))


def _changed_ends(before: pl.DataFrame, now: pl.DataFrame, nodes: pl.DataFrame, settings: IdentityRules) -> NodeNumbers:
    """The nodes of tombstones that are new or were taken back."""
    both = pl.concat([before.join(now, on=now.columns, how="anti"), now.join(before, on=now.columns, how="anti")])
    if both.is_empty():
        return np.zeros(0, np.int64)
    ends = tombstone_nodes(nodes, both, settings)
    return pl.concat([ends["a"], ends["b"].alias("a")]).drop_nulls().unique().cast(pl.Int64).to_numpy()


def _affected_combinations(
    nodes: pl.DataFrame, columns: Sequence[NodeNumbers], fresh: Mask, ends: NodeNumbers
) -> tuple[Mask, Mask]:
    """The combinations that must be joined again, and the shared nodes whose links must be counted again."""
    customer, shared = nodes["customer"].to_numpy(), nodes["shared"].to_numpy()
    reopened = np.zeros(len(nodes), np.bool_)
    reopened[ends] = shared[ends]
    touched = np.zeros(len(nodes), np.bool_)
    touched[customer[ends]] = ~shared[ends]
    hit = fresh.copy()
    while True:
        for column in columns:
            named = column[hit & (column >= 0)]
            touched[customer[named[~shared[named]]]] = True
        open_nodes = np.append((touched[customer] & ~shared) | reopened, False)
        more = np.logical_or.reduce([open_nodes[column] for column in columns]) | hit
        if (more == hit).all():
            return hit, reopened
        hit = more


def _resolve_again(
    nodes: pl.DataFrame,
    seen: pl.DataFrame,
    hit: Mask,
    reopened: Mask,
    how: tuple[Sequence[Source], pl.DataFrame, IdentityRules],
) -> UpdatedIdentities:
    """Join the combinations that are `hit` as if there were no others."""
    sources, removed, settings = how
    names = [f"{source.column}_node" for source in sources]
    rows = np.flatnonzero(hit)
    some = seen[rows].drop(CODE, LINKED, "shared")
    own = pl.concat([some[name].alias("own") for name in names]).drop_nulls().unique().to_numpy()
    fixed = nodes["shared"].to_numpy() & ~reopened
    few = nodes[own].rename({"node": "own"}).with_columns(pl.Series("fixed", fixed[own]))
    few = few.select("own", "rank", "kind", "value", "login", "fixed").sort(_NODE_KEY).with_row_index("node")
    place = np.zeros(len(nodes), np.uint32)
    place[few["own"].to_numpy()] = np.arange(len(few))
    places = pl.Series(place)
    some = some.with_columns(places.gather(some[name]).alias(name) for name in names)
    links = without_removed(links_of(some, sources), few, removed, settings)
    few, _ = components(few, links, settings, few["fixed"].to_numpy())
    some = assign_combinations(some, sources, few)
    back = few["own"]
    at, loose = few["own"], few.filter(~pl.col("fixed"))
    nodes = nodes.with_columns(
        nodes["customer"].scatter(loose["own"], back.gather(loose["customer"])),
        nodes["known"].scatter(at, few["known"]),
        nodes["shared"].scatter(at, few["shared"]),
    )
    seen = seen.with_columns(
        seen[CODE].scatter(rows, back.gather(some[CODE])),
        seen[LINKED].to_physical().scatter(rows, some[LINKED].to_physical()).cat.to(LINKED_TYPE),
        seen["shared"].scatter(rows, back.gather(some["shared"])),
    )
    return UpdatedIdentities(nodes, seen)
