"""Stitching finds the customers to which the identities of the simulated shop belong."""

from __future__ import annotations

from typing import Any

import orjson
import polars as pl
import pytest

from analytics.identity.resolution import customers, identify
from analytics.identity.rules import IdentityRules
from analytics.stitching.verify import Agreement, agreement
from analytics.touches.deduplication import deduplicate
from analytics.touches.rules import PathRules
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
    assert (of, of.precision, of.recall) == (Agreement(planted=3, found=2, right=1), 1 / 2, 1 / 3)


@pytest.fixture(scope="module")
def events(shop: Simulation) -> pl.LazyFrame:
    rows = [{name: event.get(name) for name in READ} for m in shop.messages() if (event := readable(m.value))]
    schema = {name: contract.EVENTS[name] for name in READ} | {"occurred_at": pl.String}
    time = pl.col("occurred_at").str.to_datetime(time_unit="us", time_zone="UTC", strict=False)
    events = pl.DataFrame(rows, schema=schema, strict=False).with_columns(time).drop_nulls("occurred_at")
    return deduplicate(conform(events)).collect().lazy()


def test_the_planted_identities_are_joined_and_strangers_are_not(shop: Simulation, events: pl.LazyFrame) -> None:
    found = identify(events, PathRules())
    of = agreement(found.nodes, shop.identities)
    assert of.precision == 1
    assert of.recall >= 0.98


def test_people_who_share_a_device_or_an_id_are_one_customer_without_unique_kinds(
    shop: Simulation, events: pl.LazyFrame
) -> None:
    """So the shop holds what the guard is for: households, and a chain of made-up ids."""
    of = agreement(identify(events, PathRules(identities=IdentityRules(unique=[]))).nodes, shop.identities)
    assert of.precision < 0.97


def test_visits_on_a_shared_tablet_go_to_who_made_them(shop: Simulation, events: pl.LazyFrame) -> None:
    """Where somebody logged in during the visit; the others stay nobody's."""
    tablets = [value for kind, value in shop.truths.shared_identities if kind == "anonymous_id"]
    own = shop.identities.select(person="customer", key=pl.format("{}:{}", "identity_kind", "identity"))
    there = customers(events.filter(pl.col("anonymous_id").is_in(tablets))).join(
        shop.owners, on="event_id", suffix="_true"
    )
    known = there.filter(pl.col("linked") != "anonymous").join(own, left_on="customer", right_on="key")
    assert len(tablets) == 20 and len(known) > 0.7 * len(there) > 100
    assert (known["person"] == known["customer_true"]).mean() > 0.95
