"""Traits of identify and group calls become customer attributes, and land once."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from expectations import contract
from expectations.lake import layout
from expectations.lake.layout import Lake
from ingest.decoding.decode import decode
from ingest.decoding.traits import attributes
from ingest.files.load import file_stream, load_events
from ingest.landing import commit
from ingest.landing.commit import Table, scan
from ingest.landing.landing import Landing
from ingest.message import Chunk, Partition
from ingest.quarantine.replay import replay
from ingest.settings.ingest import IngestSettings, Limits, Stream
from tests.ingest.files.test_load import ndjson
from tests.ingest.landing.test_landing import Crash, Handle, Store
from tests.ingest.reading import read
from tests.ingest.streams import BAD, Sent

HERE = Partition("calls", 0)
AT = datetime(2026, 1, 1, tzinfo=UTC)


def call(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "userId": "u1", "timestamp": "2026-01-01T00:00:00Z"} | fields


def extracted(*calls: dict[str, Any], traits: list[str] | None = None) -> list[tuple[Any, ...]]:
    stream = Stream(topic="t", kind="clickstream", format="segment", traits=traits)
    rows = attributes(read("segment", *calls).events, stream)
    assert rows.schema == contract.PROFILES
    return rows.select("identity_kind", "identity", "attribute", "value", "offset").rows()


def test_traits_are_attributes_from_the_time_of_the_call() -> None:
    traits = {
        "plan": "gold",
        "loginCount": 7,
        "isMember": True,
        "left": None,
        "address": {"city": "Ulm"},
        "tags": ["a"],
    }
    assert extracted(call("page"), call("identify", traits=traits)) == [
        ("customer_id", "u1", "is_member", "true", 1),
        ("customer_id", "u1", "left", None, 1),
        ("customer_id", "u1", "login_count", "7", 1),
        ("customer_id", "u1", "plan", "gold", 1),
    ]
    rows = attributes(read("segment", call("identify", traits=traits)).events, settings().streams[0])
    assert set(rows["valid_from"]) == {AT}


def test_contact_data_is_extracted_only_if_the_stream_lists_it() -> None:
    identify = call("identify", traits={"email": "a@b.de", "firstName": "Ann", "plan": "gold"})
    assert [row[2] for row in extracted(identify)] == ["plan"]
    assert [row[2] for row in extracted(identify, traits=["firstName"])] == ["first_name"]
    assert extracted(identify, traits=[]) == []


def test_traits_of_a_group_become_group_attributes_of_the_member() -> None:
    group = call("group", groupId="g1", traits={"plan": "enterprise", "name": "Initech", "employees": 40})
    assert [row[2:4] for row in extracted(group)] == [
        ("group_employees", "40"),
        ("group_id", "g1"),
        ("group_plan", "enterprise"),
    ]


def test_attributes_without_a_user_id_belong_to_the_anonymous_id() -> None:
    identify = call("identify", userId=None, anonymousId="a1", traits={"plan": "free"})
    assert extracted(identify) == [("anonymous_id", "a1", "plan", "free", 0)]


def test_no_events_and_calls_without_traits_give_no_attributes() -> None:
    assert extracted() == [] and extracted(call("identify"), call("group"), call("track", event="Signed Up")) == []


def settings(**other: Any) -> IngestSettings:
    return IngestSettings(streams=[Stream(topic="calls", kind="clickstream", format="segment", **other)])


def profiles(lake: Lake) -> list[tuple[Any, ...]]:
    return (
        scan(lake, layout.PROFILES).select("offset", "attribute", "value").sort("offset", "attribute").collect().rows()
    )


def identify(number: int) -> bytes:
    return ndjson(call("identify", messageId=f"m{number}", traits={"visits": number})).strip()


@pytest.mark.parametrize("seed", range(25))
def test_attributes_land_once_whatever_crashes(seed: int) -> None:
    draw, stores = random.Random(seed), [Store() for _ in range(3)]
    records = [Sent(n, identify(n) if n % 3 else BAD) for n in range(40)]
    crashes = 0.25

    def trouble() -> str:
        return "crash" if draw.random() < crashes else ""

    for attempt in range(60):
        crashes = 0.25 if attempt < 59 else 0.0
        events, refused, known = (Handle(store, trouble) for store in stores)
        landing = Landing(events, refused, settings(), [], profiles=known)
        at = landing.begin(HERE, "id", 0, accept_gap=False)
        upto = draw.randrange(at, 41) if crashes else 40
        if upto > at:
            landing.take(Chunk(HERE, records[at:upto], upto), 0.0)
        try:
            landing.flush()
        except Crash:
            continue
    good = [("calls", 0, n) for n in range(40) if n % 3]
    assert sorted(stores[0].rows) == sorted(stores[2].rows) == good


def test_attributes_of_files_and_of_replayed_messages_land_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, given = Lake(str(tmp_path / "lake")), settings()
    (tmp_path / "a.ndjson").write_bytes(ndjson(call("identify", traits={"plan": "gold"})))
    for _ in range(2):
        load_events(tmp_path / "a.ndjson", file_stream(given, topic="calls"), given, lake)
    assert profiles(lake) == [(0, "plan", "gold")]

    late = ndjson(call("identify", timestamp=(AT + timedelta(days=9)).isoformat(), traits={"plan": "free"}))
    known = Table(lake, layout.PROFILES)
    strict = settings().model_copy(update={"limits": given.limits.model_copy(update={"newest": timedelta(days=1)})})
    landing = Landing(
        Table(lake, layout.EVENTS), Table(lake, layout.QUARANTINE), strict, commit_rules(strict), profiles=known
    )
    landing.begin(HERE, "id", 0, accept_gap=False)
    landing.take(Chunk(HERE, [Sent(5, late.strip())], 6), 0.0)
    assert landing.flush().refused == {("calls", "time_out_of_range"): 1}
    mended = given.model_copy(update={"limits": given.limits.model_copy(update={"newest": timedelta(days=30)})})
    with monkeypatch.context() as patched:
        patched.setattr(Table, "remove", dies)
        with pytest.raises(Crash):
            replay(mended, lake)
    assert replay(mended, lake).left == 1
    assert profiles(lake) == [(0, "plan", "gold"), (5, "plan", "free")]
    assert commit.table_statistics(lake, layout.EVENTS)["rows"] == 2


def commit_rules(given: IngestSettings) -> Any:
    from expectations.gate import contract_rules

    return contract_rules(oldest=given.limits.oldest, newest=given.limits.newest)


def dies(*_: object) -> None:
    raise Crash


CRM: dict[str, Any] = {"topic": "crm", "profiles": True, "fields": {"customer_id": "id", "occurred_at": "at"}}
ANN = {"id": 17, "at": "2026-01-01T00:00:00Z", "tier": "gold", "visits": 3, "email": "a@x.example", "tags": [1]}


def test_a_topic_of_profiles_gives_attributes_and_no_events(tmp_path: Path) -> None:
    lake, stream = Lake(str(tmp_path / "lake")), Stream.model_validate(CRM)
    left = ANN | {"at": "2026-01-05T00:00:00Z", "tier": None}
    nobody = {"at": "2026-01-06T00:00:00Z", "tier": "gold"}
    (tmp_path / "crm.ndjson").write_bytes(ndjson(ANN, left, nobody))
    settings = IngestSettings.model_validate({"limits": {"oldest": "36500d"}})
    first, again = (load_events(tmp_path / "crm.ndjson", stream, settings, lake) for _ in range(2))
    assert (first.landed, first.quarantined, again.known) == (2, {"no_identity": 1}, True)
    assert scan(lake, layout.EVENTS).collect().is_empty()
    found = scan(lake, layout.PROFILES).sort("offset", "attribute").collect()
    assert found.select("identity_kind", "identity", "attribute", "value", "offset").rows() == [
        ("customer_id", "17", "tier", "gold", 0),
        ("customer_id", "17", "visits", "3", 0),
        ("customer_id", "17", "tier", None, 1),
        ("customer_id", "17", "visits", "3", 1),
    ]
    assert found["valid_from"].dt.day().to_list() == [1, 1, 5, 5]
    mended = stream.model_copy(
        update={
            "fields": stream.fields
            | Stream.model_validate(CRM | {"fields": {"customer_id": {"value": "c9"}, "occurred_at": "at"}}).fields
        }
    )
    assert replay(settings, lake, files=mended).landed == 1
    assert scan(lake, layout.EVENTS).collect().is_empty()
    assert scan(lake, layout.PROFILES).filter(identity="c9").select("attribute", "value").collect().rows() == [
        ("tier", "gold")
    ]


def test_a_profile_may_be_keyed_by_the_record_or_an_identity_and_dated_by_the_record() -> None:
    fields = {"identities.loyalty_id": "@key"}
    stream = Stream.model_validate(CRM | {"fields": fields, "traits": ["email"]})
    records = [Sent(4, b'{"tier": "gold", "email": "a@x.example"}', key=b"L-1"), Sent(5, None, key=b"L-1")]
    decoded = decode(records, HERE, stream, Limits())
    assert [refusal.reason for refusal in decoded.refused] == ["tombstone"]
    [row] = attributes(decoded.events, stream).rows(named=True)
    assert (row["identity_kind"], row["identity"], row["attribute"], row["value"]) == (
        "loyalty_id", "L-1", "email", "a@x.example"
    )  # fmt: skip
    assert row["valid_from"] == decoded.events["received_at"][0]


@pytest.mark.parametrize("wrong", [{"format": "segment"}, {"rest": "drop"}, {"fields": {}}])
def test_profiles_need_fields_of_json(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="profiles need"):
        Stream.model_validate({"kind": "clickstream"} | CRM | wrong)
