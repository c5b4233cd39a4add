"""What leaves the lake: touches under pseudonyms, and the identities of chosen customers."""

from __future__ import annotations

from typing import Final

import polars as pl

from analytics.identity.resolution import salted
from analytics.stitching.privacy.resolved import resolve
from analytics.store.columns import CUSTOMER
from analytics.store.paths import Paths
from analytics.touches.rules import PathRules
from expectations.errors import DefinitionError
from expectations.lake.layout import Lake

PERSONAL: Final = ("linked",)
"""Columns about the identities of a customer, which stay in the lake."""


def pseudonyms(keys: pl.Series, salt: str) -> pl.Series:
    """Customers' keys as pseudonyms: hashes keyed with `salt` (HMAC-SHA-256), the same wherever the salt is.

    String, null for null, named `customer`. Whoever has the salt and a key can tell its pseudonym; nobody can tell the
    key from it.

    >>> names = pseudonyms(pl.Series(["ann", "bo", "ann", None]), "a secret of the shop")
    >>> names[0] == names[2] != names[1], names[3]
    (True, None)
    """
    return salted(keys, salt)


def touches_to_share(paths: Paths, salt: str | None) -> pl.LazyFrame:
    """All touches as text and numbers, for programs that read them: one row per touch, by customer and time.

    Columns are those of `paths.touches` but for `linked`. Customers who object to profiling are left out. `customer`
    is a pseudonym, a hash keyed with `salt`: the same for a customer wherever the salt is the same. Without a salt it
    is the key in the paths, which is one already where `[paths.identities] salt` is set.

    >>> shop = Paths.from_text({"ann": "visit@0m pay@2d", "bo": "visit@1m"})
    >>> shared = touches_to_share(shop, "a secret of the shop").collect()
    >>> shared["customer"].n_unique(), shared["customer"].str.contains("ann").any()
    (2, False)
    """
    kept = [name for name in paths.columns if name not in PERSONAL]

    def hashed(rows: pl.DataFrame) -> pl.DataFrame:
        rows = paths.without_objectors(rows)
        if salt is None:
            return rows
        keys = rows[CUSTOMER].unique()
        return rows.with_columns(pl.col(CUSTOMER).replace_strict(keys, salted(keys, salt), return_dtype=pl.String))

    return paths.touches.select(kept).map_batches(hashed, streamable=True)


def identities_of(lake: Lake, rules: PathRules, customers: pl.DataFrame, kind: str) -> pl.DataFrame:
    """The identities of one kind of some customers of the paths, for a program that addresses them.

    One row per identity, sorted by it: the column `kind` names (String), then the other columns of `customers`, which
    has one row per `customer`. A customer without an identity of the kind has no row; neither have values that several
    people share. A kind that is hashed on landing (e-mail addresses) is given as the hash. `rules` are those of the
    paths.

    Raises `DefinitionError` for a kind that no event has.
    """
    resolved = resolve(lake, rules)
    kinds = resolved.nodes["kind"].drop_nulls().unique().sort().to_list()
    if kind not in kinds:
        raise DefinitionError(f"No event has an identity of kind {kind!r}.", expected=", ".join(kinds) or "an event")
    known = resolved.nodes.filter(pl.col("kind") == kind, ~pl.col("shared"), pl.col("customer").is_not_null())
    named = known.select(resolved.keys(known["customer"]), pl.col("value").alias(kind))
    return named.join(customers, on=CUSTOMER).drop(CUSTOMER).sort(kind)
