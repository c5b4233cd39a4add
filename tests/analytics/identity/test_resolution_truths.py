"""Stitching finds the customers to which the identities of the simulated shop belong."""

from __future__ import annotations

from typing import Any

import orjson
import polars as pl
import pytest

from analytics.identity.resolution import identify
from analytics.touches.deduplication import deduplicate
from analytics.touches.rules import PathRules
from benchmarks.identities import agreement
from expectations import contract
from expectations.lake.tables import conform
from ingest.samples.simulator import Simulation, simulate

READ = ("event_id", "event_name", "occurred_at", "customer_id", "anonymous_id", "identities")


@pytest.fixture(scope="module")
def shop() -> Simulation:
    return simulate(customers=2000)


def readable(value: bytes | None) -> dict[str, Any] | None:
    """The event of a message, or None for the malformed ones that the gate refuses."""
    try:
        event = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return None
    plain = isinstance(event, dict) and all(isinstance(event.get(name), str) for name in READ[:3])
    return event if plain and isinstance(event.get("identities", {}), dict) else None


def test_pairs_are_counted_by_hand() -> None:
    """ann's three identities make three pairs, of which two customers hold one; bob's single one makes a wrong pair."""
    nodes = pl.DataFrame({"kind": "d", "value": ["a1", "a2", "a3", "b1", "new"], "customer": [0, 0, 1, 1, 1]})
    customers = {
        "identity_kind": "d",
        "identity": ["a1", "a2", "a3", "b1", "old"],
        "customer": [*["ann"] * 3, "bob", "bob"],
    }
    of = agreement(nodes, pl.DataFrame(customers))
    assert of == {"planted": 3, "found": 2, "right": 1, "precision": 1 / 2, "recall": 1 / 3}


def test_the_planted_identities_are_joined_and_strangers_are_not(shop: Simulation) -> None:
    rows = [{name: event.get(name) for name in READ} for m in shop.messages() if (event := readable(m.value))]
    schema = {name: contract.EVENTS[name] for name in READ} | {"occurred_at": pl.String}
    time = pl.col("occurred_at").str.to_datetime(time_unit="us", time_zone="UTC", strict=False)
    events = pl.DataFrame(rows, schema=schema, strict=False).with_columns(time).drop_nulls("occurred_at")
    found = identify(deduplicate(conform(events)), PathRules())
    of = agreement(found.nodes, shop.identities)
    assert of["precision"] >= 0.999
    assert of["recall"] >= 0.98
