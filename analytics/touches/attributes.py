"""What was known about a customer at the time? Attributes hold as of the event: the value with the latest `valid_from`.

A profile row names one identity of a customer. When several identities of one customer give an attribute, the latest
value holds; at the same time the most trusted identity's does, and of one identity the one that landed last. A row
without a value says that the attribute is unknown from then on.
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
    """Every state of every customer's attributes: `_customer`, `valid_from`, a Categorical column an attribute."""
    attributes = rules.attributes
    kind = pl.col("identity_kind")
    identity = rules.identities.normal(pl.col("identity"), kind)
    who = nodes.lazy().select(
        pl.col("kind").alias("identity_kind"), pl.col("value").alias("identity"), "node", pl.col("customer").alias(CODE)
    )
    changes = (
        profiles.filter(pl.col("attribute").is_in(attributes), pl.col(_SINCE).is_not_null())
        .with_columns(identity.alias("identity"), kind.replace(rules.identities.hashed).alias("identity_kind"))
        .join(who, on=["identity_kind", "identity"])
        .sort(CODE, _SINCE, -pl.col("node").cast(pl.Int64), *contract.POSITION)
    )
    value = pl.col("value").fill_null(_UNKNOWN)
    state = changes.group_by(CODE, _SINCE, maintain_order=True).agg(
        value.filter(pl.col("attribute") == name).last().alias(name) for name in attributes
    )
    held = state.with_columns(pl.col(name).forward_fill().over(CODE) for name in attributes)
    return held.with_columns(pl.col(attributes).replace(_UNKNOWN, None).cast(pl.Categorical)).collect()


def with_attributes(touches: pl.DataFrame, states: pl.DataFrame) -> pl.DataFrame:
    """Touches, sorted by customer and time, with the attributes that held at the time; null where none is known."""
    return touches.join_asof(
        states, left_on=AT, right_on=_SINCE, by=CODE, strategy="backward", check_sortedness=False, coalesce=True
    ).drop(_SINCE, strict=False)
