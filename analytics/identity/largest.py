"""Finds the largest customers: one that is too large is often a bot, a test account or a shared id."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from analytics.identity.columns import CODE
from analytics.identity.resolution import node_keys, salted


def largest_customers(nodes: pl.DataFrame, seen: pl.DataFrame, salt: str | None) -> dict[str, dict[str, Any]]:
    """The customers with the most identities and with the most events of their own: customer, identities, events.

    `nodes` has node, rank, kind, value (null for an identity that is gone), customer; `seen` has the customer and the
    events of each combination. Events that reached a customer over a shared value are not counted. Of equals, the most
    trusted identity comes first. Empty without identities.
    """
    present = nodes.filter(pl.col("value").is_not_null())
    if present.is_empty():
        return {}
    own = seen.select(CODE, "events").drop_nulls()
    counts = {
        "identities": np.bincount(nodes["customer"].to_numpy(), minlength=len(nodes)),
        "events": np.bincount(own[CODE].to_numpy(), own["events"].to_numpy(), len(nodes)).astype(np.int64),
    }
    largest = {}
    for name, count in counts.items():
        most = count[present["node"].to_numpy()]
        first = present.filter(most == most.max()).sort("rank", "value").head(1)
        node = first["node"].item()
        key = salted(node_keys(first)["customer"], salt).item()
        largest[name] = {"customer": key} | {each: int(counts[each][node]) for each in counts}
    return largest
