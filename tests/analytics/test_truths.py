"""Stitching finds again whom the simulated shop's identities belong to."""

from __future__ import annotations

from typing import Any

import orjson
import polars as pl
import pytest

from analytics.duplicates import deduplicate
from analytics.events import conform
from analytics.identity import identify
from analytics.rules import PathRules
from expectations import contract
from ingest.simulator import Simulation, simulate

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


def pairs(frame: pl.DataFrame, *by: str) -> int:
    size = frame.group_by(by).len()["len"].cast(pl.Int64)
    return int((size * (size - 1) // 2).sum())


def test_the_planted_identities_are_joined_and_strangers_are_not(shop: Simulation) -> None:
    rows = [{name: event.get(name) for name in READ} for m in shop.messages() if (event := readable(m.value))]
    schema = {name: contract.EVENTS[name] for name in READ} | {"occurred_at": pl.String}
    time = pl.col("occurred_at").str.to_datetime(time_unit="us", time_zone="UTC", strict=False)
    events = pl.DataFrame(rows, schema=schema, strict=False).with_columns(time).drop_nulls("occurred_at")
    found = identify(deduplicate(conform(events)), PathRules())
    truth = shop.identities.select(kind="identity_kind", value="identity", truth="customer")
    both = found.nodes.join(truth, on=["kind", "value"])
    together = pairs(both, "customer", "truth")
    precision, recall = together / pairs(both, "customer"), together / pairs(both, "truth")
    print(f"pairs of identities: precision {precision:.4f}, recall {recall:.4f}")  # noqa: T201
    assert precision >= 0.999
    assert recall >= 0.98
