"""CloudEvents 1.0 in structured, batched and binary mode give the same event; the envelope completes the data."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ingest.decoding.formats.test_segment import anything
from tests.ingest.reading import Headers, events, fixture, read, refused, rows

ORDER, VIEW = fixture("cloudevents.json")
STRUCTURED: Headers = (("content-type", b"application/cloudevents+json; charset=UTF-8"),)
BATCHED: Headers = (("content-type", b"application/cloudevents-batch+json"),)


def binary(event: dict[str, Any], **attributes: str) -> Headers:
    """The headers of an event in binary mode."""
    named = {name: value for name, value in (event | attributes).items() if name not in ("data", "datacontenttype")}
    return (("content-type", b"application/json"), *((f"ce_{name}", value.encode()) for name, value in named.items()))


def test_a_structured_event_has_the_fields_of_its_data() -> None:
    (event,) = rows(read("cloudevents", ORDER, headers=STRUCTURED))
    assert (event["event_id"], event["event_name"], event["kind"]) == ("/shop/checkout A-1001", "order_placed", "order")
    assert event["occurred_at"] == datetime(2026, 1, 1, 10, 5, 0, 500000, UTC)
    assert (event["customer_id"], event["order_id"], event["revenue"]) == ("u-1001", "o-5001", Decimal("49.50"))
    assert event["items"] == [{"sku": "TP-BLUE", "quantity": 1, "price": Decimal("39.50")}]
    properties = event["properties"]
    assert (properties["gift"], properties["ce_subject"], properties["ce_traceparent"]) == (
        True,
        "o-5001",
        "00-aa-bb-01",
    )
    assert event["source"] is None  # the source of a CloudEvent is no campaign


def test_the_envelope_fills_in_fields_absent_from_the_data() -> None:
    (event,) = rows(read("cloudevents", VIEW))
    assert (event["event_name"], event["anonymous_id"]) == ("example_shop_page_seen", "7d02")
    assert event["properties"]["seconds"] == 3


def test_the_three_modes_give_the_same_event() -> None:
    (structured,) = rows(read("cloudevents", ORDER, headers=STRUCTURED))
    (batched,) = rows(read("cloudevents", [ORDER], headers=BATCHED))
    (in_binary,) = rows(read("cloudevents", ORDER["data"], headers=binary(ORDER)))
    del structured["properties"]["ce_datacontenttype"], batched["properties"]["ce_datacontenttype"]
    assert structured == batched == in_binary


def test_base64_data_is_read_if_it_is_json() -> None:
    encoded = base64.b64encode(json.dumps(VIEW["data"]).encode()).decode()
    given_so = {name: held for name, held in VIEW.items() if name != "data"} | {"data_base64": encoded}
    assert rows(read("cloudevents", given_so)) == rows(read("cloudevents", VIEW))
    picture = base64.b64encode(b"\x89PNG").decode()
    (event,) = rows(read("cloudevents", given_so | {"data_base64": picture}))
    assert event["properties"]["data"] == picture


def test_an_event_without_data_is_an_event() -> None:
    bare = {name: held for name, held in VIEW.items() if name != "data"}
    for found in (read("cloudevents", bare), read("cloudevents", None, headers=binary(VIEW))):
        (event,) = rows(found)
        assert event["event_name"] == "example_shop_page_seen"


def test_a_message_without_value_or_headers_is_a_tombstone() -> None:
    assert refused(read("cloudevents", None)) == [(0, None, "tombstone", None)]


def test_a_mapping_reads_fields_from_the_data() -> None:
    data = {"source": {"clashes": True}, "user": {"id": 7}, "amount": "5.00"}
    fields = {"customer_id": "data.user.id", "revenue": "data.amount", "channel": {"value": "till"}}
    (event,) = rows(read("cloudevents", VIEW | {"data": data}, fields=fields))
    assert (event["customer_id"], event["revenue"], event["channel"]) == ("7", Decimal("5.00"), "till")
    assert event["properties"]["source"] == {"clashes": True}


def test_events_with_the_same_id_differ_by_their_source() -> None:
    other = VIEW | {"source": "/shop/app"}
    first, second = rows(read("cloudevents", [VIEW, other]))
    assert first["event_id"] != second["event_id"]


def test_an_event_id_in_the_data_is_kept() -> None:
    (event,) = rows(read("cloudevents", VIEW | {"data": {"event_id": "own", "anonymous_id": "a"}}))
    assert event["event_id"] == "own"


BAD: list[tuple[str, dict[str, Any], str, str | None]] = [
    ("no id", {"id": None}, "missing_field", "id"),
    ("blank source", {"source": ""}, "missing_field", "source"),
    ("no type", {"type": None}, "missing_field", "type"),
    ("no version", {"specversion": None}, "missing_field", "specversion"),
    ("another version", {"specversion": "0.3"}, "unsupported_version", "specversion"),
    ("id is a number", {"id": 5}, "wrong_type", "id"),
    ("time is no time", {"time": "noon"}, "bad_timestamp", "occurred_at"),
    ("time is a list", {"time": []}, "wrong_type", "occurred_at"),
    ("customer is an object", {"data": {"customer_id": {}}}, "wrong_type", "customer_id"),
    ("properties are text", {"data": {"properties": "x"}}, "wrong_type", "properties"),
]


@pytest.mark.parametrize(("fields", "reason", "field"), [bad[1:] for bad in BAD], ids=[bad[0] for bad in BAD])
def test_a_bad_event_of_a_batch_is_refused_alone(fields: dict[str, Any], reason: str, field: str | None) -> None:
    found = read("cloudevents", [ORDER, VIEW | fields, VIEW], headers=BATCHED)
    assert refused(found) == [(0, 1, reason, field)]
    assert [row["part"] for row in events(found)] == [0, 2]


def test_an_event_with_invalid_base64_is_refused_alone() -> None:
    event = {name: held for name, held in VIEW.items() if name != "data"} | {"data_base64": "***"}
    assert refused(read("cloudevents", [VIEW, event])) == [(0, 1, "wrong_type", "data_base64")]


def test_another_event_format_is_refused_by_its_content_type() -> None:
    avro: Headers = (("content-type", b"application/cloudevents+avro"),)
    assert refused(read("cloudevents", b"Obj\x01", headers=avro)) == [(0, None, "not_json", "content-type")]


def test_binary_data_that_is_not_json_is_refused() -> None:
    assert refused(read("cloudevents", b"<xml/>", headers=binary(VIEW))) == [(0, None, "not_json", None)]


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(st.sampled_from([*ORDER, "data_base64", "properties"]), anything, max_size=3),
    st.dictionaries(st.sampled_from([*ORDER["data"], "properties", "identities"]), anything, max_size=2),
)
def test_an_event_with_any_attribute_lands_or_is_refused(fields: dict[str, Any], data: dict[str, Any]) -> None:
    event = ORDER | {"data": ORDER["data"] | data} | fields
    found = read("cloudevents", [VIEW, event, VIEW], headers=BATCHED)
    places = sorted([row["part"] for row in events(found)] + [refusal.part or 0 for refusal in found.refused])
    assert places == [0, 1, 2] or [refusal.reason for refusal in found.refused] == ["not_json"]
