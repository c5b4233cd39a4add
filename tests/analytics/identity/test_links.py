from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from analytics.identity.links import EVIDENCE, EVIDENCE_APART, PAIR, split, tombstones, why_apart, why_joined
from analytics.identity.resolution import customers
from analytics.identity.rules import IdentityRules
from analytics.stitching.build import build
from analytics.store.paths import Paths
from analytics.touches.rules import PathRules
from expectations.errors import DefinitionError
from expectations.lake.layout import Lake
from tests.written import START, at


def events(*identities: dict[str, Any]) -> pl.DataFrame:
    rows = [
        {
            "event_id": f"e{n}",
            "event_name": "visit",
            "occurred_at": at(f"{n}m"),
            "received_at": at(f"{n}m"),
            "customer_id": ids.get("customer_id"),
            "anonymous_id": ids.get("anonymous_id"),
            "identities": {k: v for k, v in ids.items() if k not in ("customer_id", "anonymous_id")},
            "topic": "t",
            "partition": 0,
            "offset": n,
            "event_date": START.date(),
        }
        for n, ids in enumerate(identities)
    ]
    return pl.DataFrame(rows, schema_overrides={"identities": pl.Map(pl.String, pl.String), "customer_id": pl.String})


STORY = events(
    {"anonymous_id": "x", "device_id": "phone"},
    {"device_id": "phone", "customer_id": "ann"},
    {"customer_id": "ann", "device_id": "phone"},
    {"customer_id": "ann", "anonymous_id": "y"},
    {"anonymous_id": "z"},
)


def test_the_shortest_chain_is_returned_with_its_evidence() -> None:
    chain = why_joined(STORY, "anonymous_id:x", "anonymous_id:y")
    assert chain.select("step", "value", "other_value", "events", "event_id").rows() == [
        (1, "x", "phone", 1, "e0"),
        (2, "phone", "ann", 2, "e1"),
        (3, "ann", "y", 1, "e3"),
    ]
    assert chain["last_at"].to_list() == [at("0m"), at("2m"), at("3m")]


def test_strangers_have_no_chain() -> None:
    assert why_joined(STORY, "anonymous_id:x", "anonymous_id:z").is_empty()
    assert why_apart(STORY, "anonymous_id:x", "anonymous_id:z").is_empty()


def test_an_identity_has_no_chain_to_itself() -> None:
    for asked in (why_joined, why_apart):
        with pytest.raises(DefinitionError, match="same identity"):
            asked(STORY, "anonymous_id:x", "anonymous_id: x")


def test_links_that_do_not_count_are_shown_with_their_reason() -> None:
    gone = pl.DataFrame([("device_id", "phone", "customer_id", "ann")], schema=PAIR, orient="row")
    broken = why_apart(STORY, "anonymous_id:x", "anonymous_id:y", removed=gone)
    assert broken.select("value", "other_value", "shared", "other_shared", "removed").rows() == [
        ("x", "phone", False, False, False),
        ("phone", "ann", False, False, True),
        ("ann", "y", False, False, False),
    ]
    users = events(*({"device_id": "kiosk", "customer_id": who} for who in ("ann", "bob", "cid")))
    rules = PathRules(identities=IdentityRules(max_degree=2, unique=[]))
    broken = why_apart(users, "customer_id:ann", "customer_id:bob", rules)
    assert broken.select("value", "shared", "other_value", "other_shared", "removed").rows() == [
        ("ann", False, "kiosk", True, False),
        ("kiosk", True, "bob", False, False),
    ]
    joined = why_apart(STORY, "anonymous_id:x", "anonymous_id:y")
    assert joined.select(EVIDENCE.names()).equals(why_joined(STORY, "anonymous_id:x", "anonymous_id:y"))
    assert not joined.select(pl.any_horizontal(EVIDENCE_APART.names()[len(EVIDENCE) :]).any()).item()


def test_a_link_that_unique_kinds_keep_from_joining_is_shown_with_its_reason() -> None:
    """ann and bob share a phone; elsewhere one event carries a device of his and a cookie of hers."""
    guards = ("tied", "other_tied", "between_customers")
    home = events({"device_id": "phone", "customer_id": "ann"}, {"device_id": "phone", "customer_id": "bob"})
    broken = why_apart(home, "customer_id:ann", "customer_id:bob")
    assert broken.select("value", "other_value", *guards).rows() == [
        ("ann", "phone", False, True, False),
        ("phone", "bob", True, False, False),
    ]
    assert broken.select("shared", "other_shared").rows() == [(False, True), (True, False)]
    direct = events(
        {"device_id": "a", "customer_id": "ann"},
        {"anonymous_id": "b", "customer_id": "bob"},
        {"device_id": "a", "anonymous_id": "b"},
    )
    broken = why_apart(direct, "customer_id:ann", "customer_id:bob")
    assert broken.select("value", "other_value", *guards).rows() == [
        ("ann", "a", False, False, False),
        ("a", "b", False, False, True),
        ("b", "bob", False, False, False),
    ]


def test_a_denied_value_and_an_unknown_value_give_different_errors() -> None:
    with pytest.raises(DefinitionError, match="deny list"):
        why_joined(STORY, "customer_id:unknown", "anonymous_id:x")
    with pytest.raises(DefinitionError, match="No event carries"):
        why_joined(STORY, "customer_id:nobody", "anonymous_id:x")


def test_a_chain_does_not_lead_over_a_shared_value() -> None:
    users = [{"device_id": "kiosk", "customer_id": who} for who in ("ann", "bob", "cid")]
    rules, unlimited = (PathRules(identities=IdentityRules(max_degree=most, unique=[])) for most in (2, 20))
    assert why_joined(events(*users), "customer_id:ann", "customer_id:bob", rules).is_empty()
    assert len(why_joined(events(*users), "customer_id:ann", "customer_id:bob", unlimited)) == 2


@pytest.mark.parametrize("wrong", ["ann", "customer_id:", "customer_id:nobody", ":ann"])
def test_an_invalid_or_unknown_identity_raises_an_error(wrong: str) -> None:
    with pytest.raises(DefinitionError) as error:
        why_joined(STORY, wrong, "anonymous_id:x")
    assert "nobody" not in str(error.value)


def test_a_tombstone_splits_a_customer_until_it_is_removed(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    STORY.write_delta(lake.table("events"))

    def found() -> set[str]:
        build(lake)
        return set(Paths.open(lake).touches.collect()["customer"])

    assert found() == {"customer_id:ann", "anonymous_id:z"}
    split(lake, "customer_id:ann", "device_id:phone", decided_at=at("1d"), reason="sold")
    assert found() == {"customer_id:ann", "device_id:phone", "anonymous_id:z"}
    assert why_joined(STORY, "anonymous_id:x", "customer_id:ann", removed=tombstones(lake)).is_empty()
    assert tombstones(lake, as_of=at("0d")).is_empty()
    split(lake, "device_id:phone", "customer_id:ann", decided_at=at("2d"), removed=False)
    assert found() == {"customer_id:ann", "anonymous_id:z"}


def test_an_event_of_split_identities_goes_to_the_most_trusted_one() -> None:
    gone = pl.DataFrame(
        [("customer_id", "ann", "device_id", "phone")],
        schema=["kind", "value", "other_kind", "other_value"],
        orient="row",
    )
    found = customers(STORY, removed=gone)
    assert found["customer"].to_list() == ["device_id:phone", *["customer_id:ann"] * 3, "anonymous_id:z"]


def test_an_identity_is_not_split_from_itself(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="from itself"):
        split(Lake(str(tmp_path)), "a:1", "a:1", decided_at=START)


def test_no_table_means_no_tombstones(tmp_path: Path) -> None:
    assert tombstones(Lake(str(tmp_path))).is_empty()
