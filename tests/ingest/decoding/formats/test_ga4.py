"""Rows of the GA4 export become events: parameters and user properties as objects, purchases as orders."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ingest.decoding.formats.test_segment import anything
from tests.ingest.reading import events, fixture, read, refused, rows

ROWS: list[dict[str, Any]] = fixture("ga4_rows.json")
VIEW, PURCHASE, REFUND = ROWS


def one(row: dict[str, Any], **fields: Any) -> dict[str, Any]:
    (event,) = rows(read("ga4", row | fields))
    return event


def test_a_page_view_has_its_page_session_campaign_and_device() -> None:
    event = one(VIEW)
    assert (event["event_name"], event["kind"], event["channel"]) == ("page_view", "clickstream", "web")
    assert event["occurred_at"] == datetime(2026, 1, 1, 10, 0, 0, 123456, UTC)
    assert (event["customer_id"], event["anonymous_id"]) == (None, "1010.2020")
    assert event["session_id"] == "1010.2020.1767261500"
    assert (event["url"], event["referrer"]) == ("https://shop.example/teapots?x=1", "https://search.example/")
    assert (event["campaign"], event["source"], event["medium"]) == ("spring", "letter", "email")
    assert (event["device"], event["country"], event["identities"]) == ("mobile", "Germany", {})


def test_parameters_and_user_properties_become_plain_objects() -> None:
    properties = one(VIEW)["properties"]
    assert (properties["page_title"], properties["ga_session_number"], properties["scroll_share"]) == (
        "Teapots",
        3,
        0.5,
    )
    assert properties["debug_mode"] is None
    assert properties["user_properties"] == {"tier": "club"}
    assert properties["traffic_source"] == {"name": "(organic)", "medium": "organic", "source": "search"}
    assert "event_params" not in properties


def test_ids_are_the_same_on_every_export_and_unique_per_row() -> None:
    again = copy.deepcopy(VIEW) | {"batch_event_index": "2"}
    first, second, third = rows(read("ga4", VIEW, VIEW, again))
    assert first["event_id"] == second["event_id"] != third["event_id"]
    assert not first["id_generated"]
    assert one(PURCHASE)["id_generated"]


def test_a_purchase_is_an_order_in_its_own_currency() -> None:
    event = one(PURCHASE)
    assert (event["kind"], event["customer_id"], event["order_id"]) == ("order", "u-1001", "T-77")
    assert (event["revenue"], event["currency"]) == (Decimal("60.00"), "EUR")
    assert event["items"] == [
        {"sku": "TP-BLUE", "quantity": 1, "price": Decimal("40.00")},
        {"sku": "CUP-1", "quantity": 2, "price": Decimal("10.00")},
    ]
    assert event["properties"]["items"][0]["item_name"] == "Teapot"


@pytest.mark.parametrize(
    ("commerce", "params", "revenue", "currency"),
    [
        ({"purchase_revenue": 5}, [], "5.00", None),
        ({"purchase_revenue": 0.0, "purchase_revenue_in_usd": 3}, [], "0.00", None),
        ({}, [{"key": "value", "value": {"int_value": "7"}}], "7.00", None),
        ({"purchase_revenue_in_usd": 8.25}, [], "8.25", "USD"),
    ],
)
def test_revenue_is_in_the_orders_currency_or_else_in_dollars(
    commerce: dict[str, Any], params: list[Any], revenue: str, currency: str | None
) -> None:
    event = one(PURCHASE, ecommerce=commerce, event_params=params)
    assert (event["revenue"], event["currency"]) == (Decimal(revenue), currency)


def test_a_refund_names_the_order_and_has_no_revenue() -> None:
    event = one(REFUND)
    assert (event["kind"], event["order_id"], event["revenue"], event["channel"]) == ("order", "T-77", None, "app")
    assert event["identities"] == {"device_id": "VEND-1", "advertising_id": "AD-1"}
    assert event["items"] == [{"sku": "TP-BLUE", "quantity": 1, "price": None}]


def test_a_survey_event_becomes_feedback_by_a_rule() -> None:
    params = [
        {"key": "rating", "value": {"int_value": "4"}},
        {"key": "comment", "value": {"string_value": "fine"}},
    ]
    fields = {"survey": {"value": "csat"}, "score": "properties.rating"}
    rules = [{"events": "csat_answer", "kind": "feedback", "fields": fields}]
    found = read("ga4", VIEW | {"event_name": "csat_answer", "event_params": params}, rules=rules)
    (event,) = rows(found)
    assert (event["kind"], event["survey"], event["score"]) == ("feedback", "csat", 4.0)


def test_a_message_may_be_a_list_of_rows() -> None:
    assert [event["part"] for event in rows(read("ga4", ROWS))] == [0, 1, 2]


BAD: list[tuple[str, dict[str, Any], str, str | None]] = [
    ("time is text", {"event_timestamp": "noon"}, "bad_timestamp", "occurred_at"),
    ("time is a fraction", {"event_timestamp": 1.5}, "bad_timestamp", "occurred_at"),
    ("time beyond the calendar", {"event_timestamp": 10**20}, "bad_timestamp", "occurred_at"),
    ("params are an object", {"event_params": {}}, "wrong_type", "event_params"),
    ("a param is text", {"event_params": ["x"]}, "wrong_type", "event_params"),
    ("a param without key", {"event_params": [{"value": {"int_value": 1}}]}, "wrong_type", "event_params"),
    ("a value is text", {"event_params": [{"key": "k", "value": "v"}]}, "wrong_type", "value"),
    ("user properties are text", {"user_properties": "x"}, "wrong_type", "user_properties"),
    ("device is text", {"device": "mobile"}, "wrong_type", "device"),
    ("geo is a list", {"geo": []}, "wrong_type", "geo"),
    ("ecommerce is text", {"event_name": "purchase", "ecommerce": "x"}, "wrong_type", "ecommerce"),
    ("items are text", {"event_name": "purchase", "items": "x"}, "wrong_type", "items"),
    ("an item is text", {"event_name": "purchase", "items": ["x"]}, "wrong_type", "items"),
    ("name is a number", {"event_name": 4}, "wrong_type", "event_name"),
    ("user is true", {"user_id": True}, "wrong_type", "customer_id"),
]


@pytest.mark.parametrize(("fields", "reason", "field"), [bad[1:] for bad in BAD], ids=[bad[0] for bad in BAD])
def test_a_bad_row_of_a_list_is_refused_alone(fields: dict[str, Any], reason: str, field: str | None) -> None:
    found = read("ga4", [PURCHASE, VIEW | fields, REFUND])
    assert refused(found) == [(0, 1, reason, field)]
    assert [event["part"] for event in events(found)] == [0, 2]


def test_a_row_without_a_time_is_left_to_the_gate() -> None:
    (event,) = events(read("ga4", {name: held for name, held in VIEW.items() if name != "event_timestamp"}))
    assert event["occurred_at"] is None


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(ROWS), st.dictionaries(st.sampled_from(list(VIEW)), anything, min_size=1, max_size=3))
def test_a_row_with_any_column_value_lands_or_is_refused(row: dict[str, Any], fields: dict[str, Any]) -> None:
    found = read("ga4", [PURCHASE, row | fields, PURCHASE])
    places = sorted([event["part"] for event in events(found)] + [refusal.part or 0 for refusal in found.refused])
    assert places == [0, 1, 2] or [refusal.reason for refusal in found.refused] == ["not_json"]
