"""Finds the customers who object to profiling: those with the identities that `objected` of `[paths]` lists.

Their touches stay in the paths, and all counts contain them. What is about single customers leaves them out
(`Paths.without_objectors`).
"""

from __future__ import annotations

import polars as pl

from analytics.identity.resolution import salted
from analytics.stitching.refresh_state import stored_nodes
from analytics.touches.rules import PathRules
from expectations.lake.layout import Lake


def objectors(nodes: pl.DataFrame, rules: PathRules) -> frozenset[str]:
    """The keys of the customers who object, among the resolved identities: kind, value, and customer, a row of them."""
    codes = _listed(nodes, rules)["customer"].drop_nulls().unique()
    named = nodes[codes].select(pl.concat_str("kind", pl.lit(":"), "value")).to_series()
    return frozenset(salted(named, rules.identities.salt))


def unknown_objectors(lake: Lake, rules: PathRules) -> list[str]:
    """The listed identities that no stitched event carries, as they are written; without paths, none is known."""
    listed = _listed(stored_nodes(lake), rules)
    return listed.filter(pl.col("customer").is_null())["listed"].to_list()


def _listed(nodes: pl.DataFrame, rules: PathRules) -> pl.DataFrame:
    """The listed identities: listed (as written), kind, value, customer."""
    rows = [(text, *rules.identities.known(*text.split(":", 1))) for text in dict.fromkeys(rules.objected)]
    listed = pl.DataFrame(rows, schema=dict.fromkeys(("listed", "kind", "value"), pl.String), orient="row")
    known = nodes.select("kind", "value", "customer")
    return listed.join(known, on=["kind", "value"], how="left", maintain_order="left")
