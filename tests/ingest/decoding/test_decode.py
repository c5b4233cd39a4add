"""Decoding refuses a bad message alone, with its reason, and gives the same rows however often it is repeated."""

from __future__ import annotations

import json
import random
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from expectations.contract import EVENTS
from expectations.gate import contract_rules, judge
from ingest.decoding.decode import Decoded, decode
from ingest.message import Partition
from ingest.settings.ingest import Limits, Stream
from tests.ingest.streams import RECEIVED, Sent

STREAM = Stream(topic="clicks", kind="clickstream", channel="web")
NO_TIMES = [
    *(-(2**63), -2, -1, 0, 1),
    *(RECEIVED // 1000, RECEIVED * 1000, RECEIVED * 1_000_000),  # seconds, microseconds, nanoseconds
    *(946_684_799_999, 4_102_444_800_000, 253_402_300_799_999, 253_402_300_800_000),
    *(2**53, 9_223_372_036_854_775, 9_223_372_036_854_776, 2**62, 2**63 - 1, 2**64),
]
BEYOND_THE_CALENDAR = ["+57879-01-01T00:00:00Z", "-0001-01-01T00:00:00Z", "9999-12-31T23:59:59-10:00"]
GOOD = {"event_name": "search", "occurred_at": "2026-01-01T00:00:00Z", "anonymous_id": "a1"}


def decoded(*values: bytes | dict[str, Any] | None) -> Decoded:
    raw = [json.dumps(value).encode() if isinstance(value, dict) else value for value in values]
    return decode([Sent(offset, value) for offset, value in enumerate(raw)], Partition("clicks", 3), STREAM, Limits())


def only(**fields: Any) -> dict[str, Any]:
    """The one event of a message with these fields."""
    found = decoded(GOOD | fields)
    assert found.refused == []
    return found.events.row(0, named=True)


def test_a_message_becomes_a_row_of_the_contract() -> None:
    row = only(
        event_id="e1",
        channel="app",
        occurred_at="2026-01-01T02:00:00.123456+02:00",
        identities={"email_hash": "h1", "loyalty_id": "l1"},
        order_id="o1",
        revenue="12.50",
        currency="EUR",
        items=[{"sku": "s1", "quantity": 2, "price": "6.25"}],
        properties={"page": "home", "depth": 2},
        schema_version=1,
    )
    assert row["event_id"] == "e1" and not row["id_generated"]
    assert row["occurred_at"] == datetime(2026, 1, 1, 0, 0, 0, 123456, UTC)
    assert row["event_date"] == date(2026, 1, 1)
    assert row["received_at"] == datetime(2026, 1, 1, tzinfo=UTC)
    assert dict(row["identities"]) == {"email_hash": "h1", "loyalty_id": "l1"}
    assert row["revenue"] == Decimal("12.50")
    assert row["items"] == [{"sku": "s1", "quantity": 2, "price": Decimal("6.25")}]
    assert row["properties"] == '{"depth":2,"page":"home"}'
    assert (row["topic"], row["partition"], row["offset"]) == ("clicks", 3, 0)


def test_the_frame_has_the_schema_of_the_contract_for_any_fields() -> None:
    for found in (decoded(), decoded(GOOD), decoded(b"{}"), decoded(b"nonsense"), decoded(None)):
        assert found.events.schema == EVENTS


def test_absent_fields_get_the_defaults_of_the_stream() -> None:
    row = only()
    assert (row["kind"], row["channel"], row["schema_version"]) == ("clickstream", "web", 1)
    assert row["event_id"] == "k:clicks:3:0" and row["id_generated"]
    assert only(event_id="")["event_id"] == "k:clicks:3:0"


def test_unknown_fields_are_kept_as_properties() -> None:
    row = only(page="home", offset=7, properties={"page": "checkout"})
    assert row["properties"] == '{"offset":7,"page":"checkout"}'
    assert row["offset"] == 0


def test_an_empty_text_is_none_in_every_column() -> None:
    names = [name for name, dtype in EVENTS.items() if dtype == pl.String]
    texts = [name for name in names if name not in ("properties", "topic", "event_name", "occurred_at")]
    given, absent = only(**dict.fromkeys(texts, "")), only(anonymous_id=None)
    assert given == absent and {"device", "campaign", "country", "feedback_text"} < set(texts)
    assert only(device=" ")["device"] == " "


def test_blank_identities_are_left_out() -> None:
    row = only(customer_id="", identities={"email_hash": "", "login": None, "card": "c1"})
    assert row["customer_id"] is None
    assert dict(row["identities"]) == {"card": "c1"}


@pytest.mark.parametrize(
    ("given", "amount"),
    [("12.5", "12.50"), (12.5, "12.50"), (3, "3.00"), (0.1, "0.10"), ("2.675", "2.68"), ("-1", "-1.00"), (1e3, "1000")],
)
def test_money_is_read_from_its_text(given: object, amount: str) -> None:
    assert only(revenue=given)["revenue"] == Decimal(amount)


@pytest.mark.parametrize(
    ("given", "instant"),
    [
        (1_767_225_600_123, datetime(2026, 1, 1, 0, 0, 0, 123000, UTC)),
        ("2026-01-01T00:00:00Z", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2025-12-31 19:00:00.5-05:00", datetime(2026, 1, 1, 0, 0, 0, 500000, UTC)),
    ],
)
def test_times_are_text_with_a_zone_or_epoch_milliseconds(given: object, instant: datetime) -> None:
    assert only(occurred_at=given)["occurred_at"] == instant


BAD: list[tuple[str, bytes | None, str, str | None]] = [
    ("tombstone", None, "tombstone", None),
    ("empty", b"", "not_json", None),
    ("blank", b"  ", "not_json", None),
    ("half an object", b'{"event_name": "x"', "not_json", None),
    ("two objects", b'{"a":1}{"b":2}', "not_json", None),
    ("two lines", b'{"a":1}\n{"b":2}', "not_json", None),
    ("trailing comma", b'{"a":1,}', "not_json", None),
    ("NaN", b'{"score": NaN}', "not_json", None),
    ("infinity", b'{"score": 1e400}', "not_json", None),
    ("control character", b'{"a":"\x01"}', "not_json", None),
    ("lone surrogate", rb'{"event_name": "\ud800"}', "not_json", None),
    ("byte order mark", b"\xef\xbb\xbf{}", "not_json", None),
    ("nested too deep to read", b'{"a":' + b"[" * 1100 + b"]" * 1100 + b"}", "not_json", None),
    ("nested too deep to write", b'{"a":' + b"[" * 900 + b"]" * 900 + b"}", "too_large", "properties"),
    ("not UTF-8", b'{"event_name": "\xff\xfe"}', "not_utf8", None),
    ("half a character", b'{"event_name": "\xc3"}', "not_utf8", None),
    ("number", b"5", "not_object", None),
    ("list", b"[1, 2]", "not_object", None),
    ("null", b"null", "not_object", None),
    ("text", b'"page_view"', "not_object", None),
    ("large", b'{"a": "' + b"x" * (1 << 20) + b'"}', "too_large", None),
]


@pytest.mark.parametrize(("value", "reason", "field"), [bad[1:] for bad in BAD], ids=[bad[0] for bad in BAD])
def test_an_unreadable_message_is_refused_with_its_reason(value: bytes | None, reason: str, field: str | None) -> None:
    found = decoded(value)
    assert found.events.height == 0
    assert [(refusal.offset, refusal.reason, refusal.field) for refusal in found.refused] == [(0, reason, field)]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("event_name", 5),
        ("customer_id", 42),
        ("channel", True),
        ("url", ["x"]),
        ("identities", "c1"),
        ("identities", {"card": 5}),
        ("identities", {"card": ["c1"]}),
        ("revenue", "much"),
        ("revenue", True),
        ("revenue", "99999999999999999.00"),
        ("revenue", {"amount": 5}),
        ("items", {"sku": "s"}),
        ("items", ["s"]),
        ("items", [{"sku": 5}]),
        ("items", [{"sku": "s", "quantity": 1.5}]),
        ("items", [{"sku": "s", "quantity": 2**31}]),
        ("items", [{"sku": "s", "price": "cheap"}]),
        ("score", "9"),
        ("score", True),
        ("properties", "page"),
        ("properties", [1]),
        ("occurred_at", 1767225600.5),
        ("occurred_at", {}),
        ("schema_version", "1"),
        ("schema_version", 2**40),
    ],
)
def test_a_field_of_the_wrong_type_is_named(field: str, value: object) -> None:
    found = decoded(GOOD | {field: value})
    assert found.events.height == 0
    assert [(refusal.reason, refusal.field) for refusal in found.refused] == [("wrong_type", field)]


@pytest.mark.parametrize(
    "value",
    [
        "yesterday",
        "",
        "2026-01-01T00:00:00",
        "2026-02-30T00:00:00Z",
        "2026-01-01",
        10**18,
        -(10**18),
        *BEYOND_THE_CALENDAR,
    ],
)
def test_an_invalid_time_or_one_without_a_zone_is_refused(value: object) -> None:
    found = decoded(GOOD | {"occurred_at": value})
    assert [(refusal.reason, refusal.field) for refusal in found.refused] == [("bad_timestamp", "occurred_at")]


def test_only_the_first_invalid_field_is_reported() -> None:
    found = decoded(GOOD | {"event_name": 1, "url": 2, "score": "x"})
    assert [(refusal.reason, refusal.field) for refusal in found.refused] == [("wrong_type", "event_name")]


def test_no_refusal_contains_a_value() -> None:
    secret = "4111111111111111"
    found = decoded(
        GOOD | {"revenue": secret + "x"},
        GOOD | {"occurred_at": secret},
        GOOD | {"identities": {"card": [secret]}},
        GOOD | {"event_name": {secret: 1}},
        b'{"card": "' + secret.encode() + b'" ',
        b'"' + secret.encode() + b'"',
    )
    assert len(found.refused) == 6
    assert not any(secret in refusal.message for refusal in found.refused)


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.01, 0.5, 1.0])
def test_a_bad_message_is_refused_alone_in_any_proportion(share: float) -> None:
    draw = random.Random(7)
    values, bad = [], {}
    for offset in range(5_000):
        if draw.random() < share:
            _, value, reason, _ = BAD[draw.randrange(len(BAD) - 1)]
            bad[offset] = reason
        else:
            fields = (
                {"event_id": f"e{offset}"} | ({"url": "/"} if offset % 3 else {}) | ({"x": 1} if offset % 7 else {})
            )
            value = json.dumps(GOOD | fields).encode()
        values.append(value)
    found = decoded(*values)
    assert {refusal.offset: refusal.reason for refusal in found.refused} == bad
    assert [refusal.offset for refusal in found.refused] == sorted(bad)
    rows = found.events.select("offset", "event_id").sort("offset").rows()
    assert rows == [(offset, f"e{offset}") for offset in range(5_000) if offset not in bad]


def test_decoding_in_other_batches_gives_the_same_rows() -> None:
    draw = random.Random(11)
    fields = [
        {},
        {"url": "/a"},
        {"revenue": "1.5"},
        {"score": 3},
        {"identities": {"card": "c"}},
        {"page": "x"},
        {"score": "x"},
    ]
    sent = [
        Sent(offset, json.dumps(GOOD | draw.choice(fields) | draw.choice(fields)).encode()) for offset in range(3_000)
    ]
    whole = decode(sent, Partition("clicks", 3), STREAM, Limits())
    parts = [
        decode(sent[start : start + 41], Partition("clicks", 3), STREAM, Limits()) for start in range(0, 3_000, 41)
    ]
    joined = pl.concat([part.events for part in parts])
    assert joined.sort("offset").equals(whole.events.sort("offset"))
    assert [refusal for part in parts for refusal in part.refused] == whole.refused


def test_every_message_may_have_different_fields() -> None:
    found = decoded(*[GOOD | {f"field_{number}": number} for number in range(500)])
    assert found.events.height == 500
    assert json.loads(found.events.sort("offset")["properties"][499]) == {"field_499": 499}


@pytest.mark.parametrize("time", NO_TIMES)
@pytest.mark.parametrize("fields", [{}, {name: {"path": name} for name in GOOD}])
def test_an_event_whose_record_has_no_usable_time_is_received_when_it_occurred(
    time: int, fields: dict[str, Any]
) -> None:
    records = [Sent(n, json.dumps(GOOD).encode(), timestamp=stamp) for n, stamp in enumerate((time, RECEIVED))]
    stream = Stream.model_validate(STREAM.model_dump() | {"fields": fields})
    found = decode(records, Partition("clicks", 3), stream, Limits())
    odd, usual = found.events.sort("offset").iter_rows(named=True)
    assert odd["received_at"] == odd["occurred_at"] and usual["received_at"].timestamp() * 1000 == RECEIVED
    assert judge(found.events, contract_rules()).accepted.height == 2


@pytest.mark.parametrize("time", NO_TIMES)
def test_a_mapping_does_not_take_an_unusable_time_of_a_record(time: int) -> None:
    fields = {name: {"path": name} for name in GOOD} | {"occurred_at": {"path": ["@timestamp", "occurred_at"]}}
    stream = Stream.model_validate(STREAM.model_dump() | {"fields": fields})
    sent = Sent(0, json.dumps(GOOD).encode(), timestamp=time)
    assert decode([sent], Partition("clicks", 3), stream, Limits()).events["occurred_at"].to_list() == [
        datetime(2026, 1, 1, tzinfo=UTC)
    ]


@pytest.mark.parametrize("stream", [{}, {"fields": {name: {"path": name} for name in GOOD}}])
def test_a_message_of_exactly_the_maximum_size_is_read(stream: dict[str, Any]) -> None:
    value = json.dumps(GOOD).encode()
    records, given = [Sent(0, value), Sent(1, value + b" ")], Stream.model_validate(STREAM.model_dump() | stream)
    found = decode(records, Partition("clicks", 3), given, Limits(largest_message=len(value)))
    assert found.events["offset"].to_list() == [0]
    assert [(refusal.offset, refusal.reason) for refusal in found.refused] == [(1, "too_large")]
