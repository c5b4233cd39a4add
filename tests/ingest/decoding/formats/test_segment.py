"""Calls of the Segment spec become events, orders and identity links; a bad call of a batch is refused alone."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ingest.reading import events, fixture, read, refused, rows

CALLS: list[dict[str, Any]] = fixture("segment_calls.json")
PAGE, IDENTIFY, ORDER, SCREEN, GROUP, ALIAS = CALLS
TRACK = {"type": "track", "event": "Cart Viewed", "userId": "u1", "timestamp": "2026-01-01T00:00:00Z"}


def one(call: dict[str, Any]) -> dict[str, Any]:
    (row,) = rows(read("segment", call))
    return row


def test_a_page_call_is_a_page_viewed_with_its_campaign() -> None:
    row = one(PAGE)
    assert (row["event_id"], row["event_name"], row["kind"], row["channel"]) == (
        "ajs-9b1f",
        "page_viewed",
        "clickstream",
        "web",
    )
    assert row["occurred_at"] == datetime(2026, 1, 1, 9, 59, 59, 420000, UTC)
    assert (row["customer_id"], row["anonymous_id"]) == (None, "7d02a1c4-anon")
    assert (row["url"], row["referrer"]) == ("https://shop.example/teapots", "https://search.example/")
    assert (row["campaign"], row["source"], row["medium"], row["country"]) == ("spring", "letter", "email", "Germany")
    assert row["properties"]["title"] == "Teapots"
    assert (row["properties"]["name"], row["properties"]["category"]) == ("Teapots", "Catalogue")
    assert row["properties"]["context"]["locale"] == "de-DE"
    assert "integrations" not in row["properties"]


def test_identify_links_user_anonymous_id_and_device_and_keeps_the_traits() -> None:
    row = one(IDENTIFY)
    assert row["event_name"] == "identify"
    assert (row["customer_id"], row["anonymous_id"]) == ("u-1001", "7d02a1c4-anon")
    assert row["identities"] == {"device_id": "dev-77", "advertising_id": "ad-77"}
    assert row["properties"]["traits"] == IDENTIFY["traits"]
    assert row["device"] == "mobile"


def test_alias_links_the_previous_id_to_the_user() -> None:
    row = one(ALIAS)
    assert (row["event_name"], row["customer_id"]) == ("alias", "u-1001")
    assert row["identities"] == {"anonymous_id": "old-anon-3"}


def test_a_group_identifies_nobody() -> None:
    row = one(GROUP)
    assert (row["event_name"], row["identities"]) == ("group", {})
    assert row["properties"]["groupId"] == "company-9"


def test_a_screen_is_seen_in_the_app() -> None:
    row = one(SCREEN)
    assert (row["event_name"], row["channel"], row["device"]) == ("screen_viewed", "app", "mobile")
    assert row["properties"]["name"] == "Basket"


def test_a_completed_order_has_its_revenue_and_items() -> None:
    row = one(ORDER)
    assert (row["event_name"], row["kind"]) == ("order_completed", "order")
    assert (row["order_id"], row["revenue"], row["currency"]) == ("o-5001", Decimal("49.50"), "EUR")
    assert row["items"] == [
        {"sku": "TP-BLUE", "quantity": 1, "price": Decimal("39.50")},
        {"sku": "p-2", "quantity": 2, "price": Decimal("5.00")},
    ]
    assert row["properties"]["coupon"] == "TEA"


def test_without_a_revenue_the_total_is_used() -> None:
    call = copy.deepcopy(ORDER)
    del call["properties"]["revenue"]
    assert one(call)["revenue"] == Decimal("59.40")


@pytest.mark.parametrize("event", ["Order Updated", "Order Refunded", "Order Cancelled"])
def test_only_the_completed_order_has_revenue(event: str) -> None:
    row = one(ORDER | {"event": event})
    assert (row["kind"], row["order_id"], row["revenue"]) == ("order", "o-5001", None)


def test_a_survey_answer_becomes_feedback_by_a_rule() -> None:
    call = TRACK | {"event": "NPS Submitted", "properties": {"score": "9", "comment": "good tea"}}
    fields = {"survey": {"value": "nps"}, "score": "properties.score", "feedback_text": "properties.comment"}
    rules = [{"events": ["NPS Submitted"], "kind": "feedback", "fields": fields}]
    (feedback, cart) = rows(read("segment", call, TRACK, rules=rules))
    assert (feedback["kind"], feedback["survey"], feedback["score"]) == ("feedback", "nps", 9.0)
    assert feedback["feedback_text"] == "good tea"
    assert (cart["kind"], cart["survey"]) == ("clickstream", None)


def test_a_batch_gives_its_calls_in_order_with_the_batch_fields_as_defaults() -> None:
    batch = {
        "batch": [TRACK | {"messageId": "m0"}, PAGE, TRACK | {"context": {"locale": "fr-FR"}}],
        "context": {"locale": "nl-NL", "timezone": "Europe/Amsterdam"},
        "sentAt": "2026-01-01T13:00:00Z",
        "writeKey": "k",
    }
    found = rows(read("segment", batch))
    assert [(row["offset"], row["part"]) for row in found] == [(0, 0), (0, 1), (0, 2)]
    assert [row["properties"]["context"]["locale"] for row in found] == ["nl-NL", "de-DE", "fr-FR"]
    assert found[2]["properties"]["context"]["timezone"] == "Europe/Amsterdam"
    assert "writeKey" not in found[0]["properties"]


def test_events_without_an_id_get_one_from_their_position() -> None:
    ids = [row["event_id"] for row in rows(read("segment", {"batch": [TRACK, TRACK, TRACK]}))]
    assert ids == ["k:t:0:0", "k:t:0:0:1", "k:t:0:0:2"]


def test_a_numeric_id_becomes_text() -> None:
    assert one(TRACK | {"userId": 42})["customer_id"] == "42"


BAD: list[tuple[str, dict[str, Any], str, str | None]] = [
    ("no type", {"type": None}, "missing_field", "type"),
    ("unknown type", {"type": "dream"}, "not_allowed", "type"),
    ("type is a list", {"type": ["track"]}, "not_allowed", "type"),
    ("properties are text", {"properties": "x"}, "wrong_type", "properties"),
    ("context is a list", {"context": []}, "wrong_type", "context"),
    ("campaign is text", {"context": {"campaign": "spring"}}, "wrong_type", "campaign"),
    ("page is a number", {"context": {"page": 5}}, "wrong_type", "page"),
    ("user is an object", {"userId": {"id": 1}}, "wrong_type", "customer_id"),
    ("user is true", {"userId": True}, "wrong_type", "customer_id"),
    ("device id is a list", {"context": {"device": {"id": ["d"]}}}, "wrong_type", "identities"),
    ("event is a number", {"event": 7}, "wrong_type", "event_name"),
    ("time is no time", {"timestamp": "soon"}, "bad_timestamp", "occurred_at"),
    ("time without zone", {"timestamp": "2026-01-01T00:00:00"}, "bad_timestamp", "occurred_at"),
    ("time is a float", {"timestamp": 1.5}, "wrong_type", "occurred_at"),
    ("revenue is a list", {"event": "Order Completed", "properties": {"revenue": [1]}}, "wrong_type", "revenue"),
    ("products are text", {"event": "Order Completed", "properties": {"products": "p"}}, "wrong_type", "items"),
    ("a product is text", {"event": "Order Completed", "properties": {"products": ["p"]}}, "wrong_type", "items"),
]


@pytest.mark.parametrize(("fields", "reason", "field"), [bad[1:] for bad in BAD], ids=[bad[0] for bad in BAD])
def test_a_bad_call_of_a_batch_is_refused_alone(fields: dict[str, Any], reason: str, field: str | None) -> None:
    found = read("segment", {"batch": [TRACK, TRACK | fields, TRACK]})
    assert refused(found) == [(0, 1, reason, field)]
    assert [row["part"] for row in events(found)] == [0, 2]


def test_a_call_that_is_not_an_object_is_refused_alone() -> None:
    found = read("segment", {"batch": [None, TRACK, 5]})
    assert refused(found) == [(0, 0, "not_object", None), (0, 2, "not_object", None)]
    assert [row["part"] for row in events(found)] == [1]


def test_an_unreadable_message_is_refused_as_a_whole() -> None:
    found = read("segment", b"{", b"\xff", None, b"5", {"batch": []})
    assert refused(found) == [
        (0, None, "not_json", None),
        (1, None, "not_utf8", None),
        (2, None, "tombstone", None),
        (3, 0, "not_object", None),
    ]
    assert events(found) == []


def test_a_call_without_a_timestamp_has_the_time_of_the_device() -> None:
    call = {name: held for name, held in TRACK.items() if name != "timestamp"}
    assert one(call | {"originalTimestamp": "2026-01-01T00:00:07Z"})["occurred_at"].second == 7
    (row,) = events(read("segment", call))
    assert row["occurred_at"] is None  # the gate names it as missing


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(CALLS),
    st.dictionaries(st.sampled_from([*ORDER, *PAGE, "traits", "previousId"]), anything, min_size=1, max_size=3),
)
def test_a_call_with_any_field_value_lands_or_is_refused(call: dict[str, Any], fields: dict[str, Any]) -> None:
    found = read("segment", {"batch": [TRACK, call | fields, TRACK]})
    places = sorted([row["part"] for row in events(found)] + [refusal.part or 0 for refusal in found.refused])
    assert places == [0, 1, 2] or [refusal.reason for refusal in found.refused] == ["not_json"]
    assert all(refusal.part in (None, 1) and refusal.reason for refusal in found.refused)
