"""Finds the customers who object to profiling: those with the identities that `objected` of `[paths]` lists.

Their touches stay in the paths, and all counts contain them. What is about single customers leaves them out
(`Paths.without_objectors`).
"""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from analytics.identity.resolution import salted
from analytics.stitching.refresh_state import stored_nodes
from analytics.touches.rules import PathRules
from expectations.errors import DefinitionError
from expectations.lake.layout import Lake


def objectors(nodes: pl.DataFrame, rules: PathRules) -> frozenset[str]:
    """The keys of the customers who object, among the resolved identities: kind, value, and customer, a row of them."""
    if not rules.objected:
        return frozenset()
    codes = _listed(nodes, rules, rules.objected)["customer"].drop_nulls().unique()
    return frozenset(_keys(nodes, codes, rules))


def unknown_objectors(lake: Lake, rules: PathRules) -> list[str]:
    """The listed identities that no stitched event carries, as they are written; without paths, none is known."""
    listed = _listed(stored_nodes(lake), rules, rules.objected)
    return listed.filter(pl.col("customer").is_null())["listed"].to_list()


def customers_named(lake: Lake, rules: PathRules, identities: Iterable[str]) -> pl.DataFrame:
    """The customers who have these identities, written `kind:value`, by the identity rules.

    Columns: `listed` String (as written), `customer` String (the key in the paths; null where no event carries the
    identity). One row per different identity, in order. Raises `DefinitionError` for a text that is no identity.
    """
    texts = list(dict.fromkeys(identities))
    if wrong := [text for text in texts if not all(text.partition(":"))]:
        raise DefinitionError("This is no identity.", expected="kind:value, such as customer_id:c123", found=wrong[0])
    nodes = stored_nodes(lake)
    listed = _listed(nodes, rules, texts)
    codes = listed["customer"].drop_nulls()
    keys = pl.DataFrame({"customer": codes, "key": _keys(nodes, codes, rules)}).unique()
    found = listed.join(keys, on="customer", how="left", maintain_order="left")
    return found.select("listed", pl.col("key").alias("customer"))


def _keys(nodes: pl.DataFrame, codes: pl.Series, rules: PathRules) -> pl.Series:
    """The keys of customers, as the paths have them."""
    named = nodes[codes].select(pl.concat_str("kind", pl.lit(":"), "value")).to_series()
    return salted(named, rules.identities.salt)


def _listed(nodes: pl.DataFrame, rules: PathRules, identities: Iterable[str]) -> pl.DataFrame:
    """The listed identities: listed (as written), kind, value, customer."""
    rows = [(text, *rules.identities.known(*text.split(":", 1))) for text in dict.fromkeys(identities)]
    listed = pl.DataFrame(rows, schema=dict.fromkeys(("listed", "kind", "value"), pl.String), orient="row")
    known = nodes.select("kind", "value", "customer")
    return listed.join(known, on=["kind", "value"], how="left", maintain_order="left")
