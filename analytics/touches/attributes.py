"""Which attributes did a customer have at the time of a touch? The value with the latest `valid_from` up to then.

A profile row names one identity of a customer. When several identities of one customer have an attribute, the latest
value counts; at the same time that of the most trusted identity, and of one identity the row that landed last. A row
without a value makes the attribute unknown from then on.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from analytics.identity.columns import CODE
from analytics.store.columns import AT
from analytics.touches.rules import PathRules
from expectations import contract

_SINCE: Final = "valid_from"
_UNKNOWN: Final = "\x00"


def attribute_versions(profiles: pl.LazyFrame, nodes: pl.DataFrame, rules: PathRules) -> pl.DataFrame:
    """Every state of every customer's attributes: `_customer`, `valid_from`, one Categorical column per attribute."""
    attributes = rules.attributes
    kind = pl.col("identity_kind")
    identity = rules.identities.normal(pl.col("identity"), kind)
    identities = nodes.lazy().select(
        pl.col("kind").alias("identity_kind"), pl.col("value").alias("identity"), "node", pl.col("customer").alias(CODE)
    )
    changes = (
        profiles.filter(pl.col("attribute").is_in(attributes), pl.col(_SINCE).is_not_null())
        .with_columns(identity.alias("identity"), kind.replace(rules.identities.hashed).alias("identity_kind"))
        .join(identities, on=["identity_kind", "identity"])
        .sort(CODE, _SINCE, -pl.col("node").cast(pl.Int64), *contract.POSITION)
    )
    value = pl.col("value").fill_null(_UNKNOWN)
    state = changes.group_by(CODE, _SINCE, maintain_order=True).agg(
        value.filter(pl.col("attribute") == name).last().alias(name) for name in attributes
    )
    filled = state.with_columns(pl.col(name).forward_fill().over(CODE) for name in attributes)
    return filled.with_columns(pl.col(attributes).replace(_UNKNOWN, None).cast(pl.Categorical)).collect()


def with_attributes(touches: pl.DataFrame, states: pl.DataFrame) -> pl.DataFrame:
    """Adds the attributes as of each touch, null if unknown; touches must be sorted by customer and time."""
    return touches.join_asof(
        states, left_on=AT, right_on=_SINCE, by=CODE, strategy="backward", check_sortedness=False, coalesce=True
    ).drop(_SINCE, strict=False)
