"""Addresses that arrive unhashed are hashed by stitching: they match those that were hashed before."""

from __future__ import annotations

import hashlib
from pathlib import Path

import polars as pl
import pytest

from analytics.identity.links import split, tombstones, why_joined
from analytics.identity.resolution import customers
from analytics.stitching.privacy.forget import forget
from analytics.stitching.refresh import refresh
from analytics.stitching.verify import verify
from analytics.store.paths import Paths
from analytics.touches.rules import PathRules
from expectations import contract
from expectations.errors import DefinitionError
from expectations.lake.layout import Lake
from tests.analytics.stitching.privacy.test_forget import traces
from tests.analytics.stitching.test_refresh import event, land
from tests.written import START, at

ANN = hashlib.sha256(b"ann@x.de").hexdigest()
PHONE = hashlib.sha256(b"+4930123456").hexdigest()
RULES = PathRules.model_validate(
    {
        "attributes": ["region"],
        "identities": {
            "hash_email": ["email", "mail"],
            "hash_phone": ["phone"],
            "calling_code": "49",
            "deny": ["test@x.de"],
        },
    }
)
EVENTS = [
    event("home", "0m", 0, identities={"email": " Ann@X.de "}),
    event("home", "1m", 1, identities={"email_hash": ANN.upper()}),
    event("home", "2m", 2, identities={"mail": "ann@x.de", "phone": "030 123456"}),
    event("home", "3m", 3, identities={"phone_hash": PHONE}),
    event("home", "4m", 4, identities={"email": "no address", "phone": "12"}),
    event("home", "5m", 5, identities={"email": "TEST@x.de"}),
    event("home", "6m", 6, identities={"email": "test@x.de"}),
    event("home", "7m", 7, customer_id="ann@x.de"),
]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(str(tmp_path / "lake"))
    place = {"valid_from": START, "topic": "p", "partition": 0, "offset": 0}
    row = {"identity_kind": "email", "identity": "ANN@x.de", "attribute": "region", "value": "north"} | place
    pl.DataFrame([row]).cast(contract.PROFILES).write_delta(lake.table("profiles"))
    refused = {"topic": "q", "partition": 0, "offset": 1, "raw": b"2024\tann@x.de\t", "reason": "not_json"}
    pl.DataFrame([refused], schema_overrides={"partition": pl.Int32}).write_delta(lake.table("quarantine"))
    return lake


def test_an_address_and_its_hash_are_one_identity_and_an_invalid_address_is_none() -> None:
    names = customers(pl.DataFrame(EVENTS), RULES)["customer"].to_list()
    assert names[:4] == [f"email_hash:{ANN}"] * 4
    assert names[4:] == ["event_id:home4", "event_id:home5", "event_id:home6", "customer_id:ann@x.de"]


def test_a_refresh_is_a_build_and_keeps_no_address(lake: Lake) -> None:
    for number in (0, 2, 4):
        land(lake, *EVENTS[number : number + 2])
        refresh(lake, RULES)
        assert verify(lake, RULES).holds
    touches = Paths.open(lake).touches.filter(pl.col("customer") == f"email_hash:{ANN}").collect()
    assert touches["region"].to_list() == ["north"] * 4
    assert traces(lake, "x.de") == {"events", "profiles", "quarantine"}, "as they came"


def test_an_address_can_be_looked_up_as_it_is_or_by_its_hash(lake: Lake) -> None:
    land(lake, *EVENTS)
    for one in ("email:ann@x.de", "mail: ANN@X.DE", f"email_hash:{ANN}"):
        chain = why_joined(pl.DataFrame(EVENTS), one, "phone:+49 30 123456", RULES)
        assert chain.select("value", "other_value").rows() == [(ANN, PHONE)]
    with pytest.raises(DefinitionError, match="No event carries this email_hash"):
        why_joined(pl.DataFrame(EVENTS), "email:nobody@x.de", "email:ann@x.de", RULES)
    split(lake, "email:ann@x.de", f"phone_hash:{PHONE}", decided_at=at("1d"))
    assert why_joined(pl.DataFrame(EVENTS), "email:ann@x.de", "phone:030123456", RULES, tombstones(lake)).is_empty()


def test_a_customer_forgotten_by_an_address_is_gone_however_it_was_written(lake: Lake) -> None:
    land(lake, *EVENTS[:4], event("home", "9m", 9, customer_id="bob"))
    split(lake, "email:ann@x.de", "device_id:d", decided_at=at("1d"))
    refresh(lake, RULES)
    done = forget(lake, f"phone_hash:{PHONE}", RULES)
    assert done["named"].sum() == 0
    after = dict(done.filter(pl.col("after") > 0).select("table", "after").iter_rows())
    assert after == {"events": 1, "paths": 1, "memory": 1}
    assert not traces(lake, "ann@") and not traces(lake, "Ann@") and not traces(lake, ANN) and not traces(lake, PHONE)


def test_an_invalid_address_cannot_be_looked_up(lake: Lake) -> None:
    land(lake, *EVENTS)
    with pytest.raises(DefinitionError, match="not a valid address"):
        forget(lake, "email:ann", RULES)


def test_a_customer_id_may_be_an_address_too() -> None:
    rules = PathRules.model_validate({"identities": {"hash_email": ["customer_id"]}})
    rows = [{"customer_id": "Ann@x.de", "anonymous_id": "a"}, {"identities": {"email_hash": ANN}, "anonymous_id": "b"}]
    events = pl.DataFrame([{"event_name": "home", "occurred_at": at(f"{n}m")} | row for n, row in enumerate(rows)])
    assert customers(events, rules)["customer"].to_list() == [f"email_hash:{ANN}"] * 2
