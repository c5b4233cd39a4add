"""The largest customers are those that a count by hand finds."""

from __future__ import annotations

import polars as pl

from analytics.identity.largest import largest_customers
from analytics.identity.resolution import identify
from analytics.touches.rules import PathRules
from expectations.lake.tables import conform
from tests.analytics.identity.test_resolution import as_frame, story


def test_the_customers_with_the_most_identities_and_events_are_found() -> None:
    """bob has three identities, ann and cid two each; cid and dan have the most events, and cid comes first."""
    text = "0 c=ann a=1; 1 c=bob a=2; 2 c=bob a=3; 3 c=cid a=4; 4 a=4; 5 a=4; 6 c=dan; 7 c=dan; 8 c=dan"
    events = conform(as_frame(story(text)))
    found = identify(events, PathRules())
    counts = pl.Series("events", [1] * len(found.seen), pl.UInt32)
    carried = {"4": 2}
    for row, combination in enumerate(found.seen.select(pl.col("^.*_node$")).rows()):
        values = [found.nodes["value"][node] for node in combination if node is not None]
        if values in (["4"], ["dan"]):
            counts[row] = carried.get(values[0], 3)
    largest = largest_customers(found.nodes, found.seen.with_columns(counts), None)
    assert largest == {
        "identities": {"customer": "customer_id:bob", "identities": 3, "events": 2},
        "events": {"customer": "customer_id:cid", "identities": 2, "events": 3},
    }
    salted = largest_customers(found.nodes, found.seen.with_columns(counts), "a secret of the shop")
    assert salted["events"]["customer"].startswith("customer:") and "cid" not in str(salted)


def test_no_identities_have_no_largest_customer() -> None:
    nothing = identify(conform(as_frame([])), PathRules())
    assert largest_customers(nothing.nodes, nothing.seen, None) == {}
