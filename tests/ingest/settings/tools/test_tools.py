"""The exports and webhooks of other tools, in the shapes that these publish, become events with the right people."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from analytics import PROFILES, PathRules
from analytics.identity.rules import FORMAT_KINDS, KINDS
from expectations.hashing import email_hash
from ingest.decoding.decode import Decoded, decode
from ingest.message import Partition
from ingest.settings.ingest import FileRows, Limits, Messages, Stream
from ingest.settings.tools.tools import TOOLS, tool_named
from tests.ingest.reading import Headers, rows, sent

AMPLITUDE: dict[str, Any] = {
    "server_received_time": "2026-01-31 12:00:03.000000", "app": 123456, "device_carrier": None, "city": "Lyon",
    "user_id": "ann", "uuid": "11111111-0000", "event_time": "2026-01-31 12:00:00.250000", "platform": "Web",
    "os_version": "128", "amplitude_id": 900100200, "processed_time": "2026-01-31 12:00:05.000000",
    "user_properties": {"plan": "pro"}, "$insert_id": "i-1", "event_type": "Order Completed",
    "library": "amplitude-ts/2.11", "device_type": "Mac OS X", "device_id": "dev-1", "language": "French",
    "country": "France", "session_id": 1769860800000, "device_family": "Mac OS X", "event_id": 17, "idfa": None,
    "event_properties": {"order_id": "o1", "$revenue": 19.5, "currency": "eur", "[Amplitude] Page URL": "https://x.example/"},
}  # fmt: skip
MIXPANEL: dict[str, Any] = {
    "event": "Signed up",
    "properties": {"time": 1769860800, "distinct_id": "ann", "$user_id": "ann", "$device_id": "dev-1",
                   "$insert_id": "i-1", "$current_url": "https://x.example/", "mp_country_code": "FR", "mp_lib": "web",
                   "mp_processing_time_ms": 1769860805000, "plan": "pro"},
}  # fmt: skip
POSTHOG: dict[str, Any] = {
    "uuid": "018-1", "event": "$pageview", "timestamp": "2026-01-31 12:00:00.123000+00:00", "distinct_id": "anon-1",
    "properties": json.dumps({"$device_id": "dev-1", "$session_id": "s-1", "$current_url": "https://x.example/a",
                              "$referrer": "$direct", "$lib": "web", "utm_source": "news", "colour": "red"}),
    "elements_chain": "", "created_at": "2026-01-31 12:00:01+00:00", "person_id": "p-1", "team_id": 2,
}  # fmt: skip
GA4: dict[str, Any] = {
    "event_date": "20260131", "event_timestamp": "1769860800000000", "event_name": "page_view", "user_id": None,
    "user_pseudo_id": "1234.5678", "device": {"category": "mobile"}, "geo": {"country": "France"}, "platform": "WEB",
    "event_params": [{"key": "page_location", "value": {"string_value": "https://x.example/p"}},
                     {"key": "ga_session_id", "value": {"int_value": "1769860000"}}],
}  # fmt: skip
MATOMO: dict[str, Any] = {
    "idSite": "1", "idVisit": "977", "visitIp": "203.0.113.0", "visitorId": "bb8a5f1c9d3e7a02", "userId": "ann",
    "siteCurrency": "EUR", "deviceType": "Desktop", "countryCode": "fr", "referrerType": "search",
    "referrerName": "Qwant", "referrerUrl": "https://qwant.example/", "serverTimestamp": 1769860860,
    "actionDetails": [
        {"type": "action", "url": "https://x.example/", "pageTitle": "Home", "pageId": "4001", "timestamp": 1769860800},
        {"type": "event", "eventCategory": "Video", "eventAction": "Play", "timestamp": 1769860820},
        {"type": "search", "siteSearchKeyword": "lamp", "timestamp": 1769860830},
        {"type": "ecommerceOrder", "orderId": "o1", "revenue": 39.9, "items": 1, "timestamp": 1769860860,
         "itemDetails": [{"itemSKU": "l-1", "itemName": "Lamp", "price": 39.9, "quantity": 1}]},
    ],
}  # fmt: skip
RUDDERSTACK: dict[str, Any] = {
    "anonymousId": "dev-1", "channel": "web", "event": "Product Added", "messageId": "m-1", "rudderId": "r-1",
    "context": {"page": {"url": "https://x.example/p"}, "sessionId": 1769860000, "traits": {}}, "type": "track",
    "originalTimestamp": "2026-01-31T12:00:00.000Z", "timestamp": "2026-01-31T12:00:00.000Z", "userId": "ann",
    "properties": {"sku": "l-1"}, "receivedAt": "2026-01-31T12:00:01.000Z", "request_ip": "203.0.113.0",
}  # fmt: skip
SHOPIFY: dict[str, Any] = {
    "id": 820982911946154508, "admin_graphql_api_id": "gid://shopify/Order/820982911946154508", "currency": "JPY",
    "created_at": "2026-01-31T13:00:00+01:00", "updated_at": "2026-01-31T13:00:09+01:00", "total_price": "40500",
    "email": "Ann@X.example", "source_name": "pos", "landing_site": "/lamps?utm_source=news", "checkout_token": "t-1",
    "customer": {"id": 115310627314723954, "email": "ann@x.example", "first_name": "Ann", "phone": None},
    "line_items": [{"id": 866550311766439020, "sku": "l-1", "quantity": 1, "price": "40500", "title": "Lamp"}],
    "shipping_address": {"name": "Ann", "address1": "1 Road", "country_code": "JP"}, "user_id": None,
}  # fmt: skip
STRIPE: dict[str, Any] = {
    "id": "evt_1", "object": "event", "api_version": "2024-06-20", "created": 1769860800, "type": "charge.succeeded",
    "livemode": True, "pending_webhooks": 1, "request": {"id": "req_1"},
    "data": {"object": {"id": "ch_1", "object": "charge", "amount": 2000, "currency": "eur", "customer": "cus_1",
                        "payment_intent": "pi_1", "status": "succeeded", "metadata": {"user_id": 7},
                        "billing_details": {"email": "ann@x.example", "name": "Ann", "address": {"line1": "1 Road"}},
                        "payment_method_details": {"card": {"last4": "4242"}}}},
}  # fmt: skip
SAMPLES: dict[str, dict[str, Any]] = {
    "amplitude": AMPLITUDE, "ga4": GA4, "matomo": MATOMO, "mixpanel": MIXPANEL, "posthog": POSTHOG,
    "rudderstack": RUDDERSTACK, "shopify": SHOPIFY, "stripe": STRIPE,
}  # fmt: skip
NOON = "2026-01-31 12:00:00"


def decoded(tool: str, *messages: dict[str, Any], headers: Headers = (), **stream: Any) -> Decoded:
    settings = Stream.model_validate({"topic": "t", "tool": tool} | stream)
    records = [sent(message, offset, headers) for offset, message in enumerate(messages)]
    return decode(records, Partition("t", 0), settings, Limits())


def read(tool: str, *messages: dict[str, Any], headers: Headers = (), **stream: Any) -> list[dict[str, Any]]:
    return rows(decoded(tool, *messages, headers=headers, **stream))


def with_object(**fields: Any) -> dict[str, Any]:
    return STRIPE | {"data": {"object": STRIPE["data"]["object"] | fields}}


def test_every_tool_has_a_sample_known_kinds_of_identity_and_valid_rules() -> None:
    assert set(TOOLS) == set(SAMPLES)
    for name in TOOLS:
        tool = tool_named(name)
        fields = Messages.model_validate({"tool": name}).fields
        kinds = {field.removeprefix("identities.") for field in fields if field.startswith("identities.")}
        assert kinds <= {*KINDS, *FORMAT_KINDS}
        PathRules.model_validate({"identities": tool.identities})
        assert tool.profile in ("", *PROFILES)


@pytest.mark.parametrize(
    ("tool", "name", "customer", "visitor"),
    [
        ("amplitude", "order_completed", "ann", "dev-1"),
        ("mixpanel", "signed_up", "ann", "dev-1"),
        ("posthog", "pageview", None, "dev-1"),
        ("ga4", "page_view", None, "1234.5678"),
        ("matomo", "page_viewed", "ann", "bb8a5f1c9d3e7a02"),
        ("rudderstack", "product_added", "ann", "dev-1"),
        ("shopify", "orders_create", "115310627314723954", None),
        ("stripe", "charge_succeeded", "7", None),
    ],
)
def test_who_when_and_what(tool: str, name: str, customer: str | None, visitor: str | None) -> None:
    event = read(tool, SAMPLES[tool])[0]
    assert (event["event_name"], event["customer_id"], event["anonymous_id"]) == (name, customer, visitor)
    assert f"{event['occurred_at']:%Y-%m-%d %H:%M:%S}" == NOON


def test_amplitude() -> None:
    [event] = read("amplitude", AMPLITUDE)
    assert (event["event_id"], event["kind"], event["order_id"]) == ("i-1", "order", "o1")
    assert (event["revenue"], event["currency"], event["url"]) == (Decimal("19.50"), "EUR", "https://x.example/")
    assert event["properties"]["order_id"] == "o1"
    assert event["session_id"] is None  # the same number for all who begin a session at one instant


@pytest.mark.parametrize(
    ("change", "customer", "visitor", "login"),
    [
        ({"distinct_id": "$device:dev-1", "$user_id": None}, None, "dev-1", None),
        ({"$user_id": None, "$device_id": None}, None, "ann", "ann"),
        ({}, "ann", "dev-1", "ann"),
    ],
)
def test_mixpanel_tells_devices_from_persons(
    change: dict[str, Any], customer: str | None, visitor: str, login: str | None
) -> None:
    [event] = read("mixpanel", MIXPANEL | {"properties": MIXPANEL["properties"] | change})
    found = (event["customer_id"], event["anonymous_id"], (event["identities"] or {}).get("login"))
    assert found == (customer, visitor, login)
    assert event["properties"]["plan"] == "pro"


def test_posthog_reads_properties_as_a_text_and_links_who_was_anonymous() -> None:
    found = {"$device_id": "dev-1", "$user_id": "ann", "$anon_distinct_id": "anon-1"}
    view, identify = read(
        "posthog", POSTHOG, POSTHOG | {"event": "$identify", "distinct_id": "ann", "properties": found}
    )
    assert view["properties"]["colour"] == "red"
    assert (view["session_id"], view["referrer"], view["source"]) == ("s-1", None, "news")
    assert view["identities"] == {"login": "anon-1"}
    assert identify["customer_id"] == "ann"
    assert identify["identities"] == {"login": "ann", "anonymous_id": "anon-1"}


def test_matomo_makes_an_event_of_each_action() -> None:
    events = read("matomo", MATOMO)
    assert [event["event_name"] for event in events] == ["page_viewed", "play", "site_search", "order_placed"]
    assert {(event["session_id"], event["source"], event["country"]) for event in events} == {("977", "Qwant", "fr")}
    assert (events[3]["kind"], events[3]["revenue"], events[3]["currency"]) == ("order", Decimal("39.90"), "EUR")
    assert events[3]["items"] == [{"sku": "l-1", "quantity": 1, "price": Decimal("39.90")}]


def test_shopify_keeps_hashes_of_contact_data_alone() -> None:
    [order] = read("shopify", SHOPIFY)
    assert (order["kind"], order["order_id"], order["channel"]) == ("order", "820982911946154508", "pos")
    assert (order["revenue"], order["currency"]) == (Decimal("40500.00"), "JPY")
    assert order["identities"] == {"email_hash": email_hash("ann@x.example")}
    assert order["properties"] == {"checkout": "t-1"}


def test_only_the_order_that_is_created_has_revenue_in_shopify() -> None:
    headers = (("X-Shopify-Topic", b"orders/updated"), ("X-Shopify-Webhook-Id", b"w-2"))
    [update] = read("shopify", SHOPIFY, headers=headers)
    assert (update["event_id"], update["event_name"], update["kind"]) == ("w-2", "orders_updated", "order")
    assert (update["revenue"], update["order_id"]) == (None, "820982911946154508")
    assert f"{update['occurred_at']:%S}" == "09"


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        (2000, "eur", "20.00"),
        (2000, "jpy", "2000.00"),
        (2000, "kwd", "2.00"),
        (2000, "ugx", "20.00"),
        (5, "mga", "5.00"),
    ],
)
def test_stripe_counts_in_the_smallest_unit(amount: int, currency: str, expected: str) -> None:
    [charge] = read("stripe", with_object(amount=amount, currency=currency))
    assert (charge["revenue"], charge["currency"]) == (Decimal(expected), currency.upper())
    assert charge["order_id"] == "pi_1"


def test_stripe_keeps_neither_card_nor_address_and_counts_a_payment_once() -> None:
    intent = with_object(object="payment_intent", id="pi_1", payment_intent=None) | {"type": "payment_intent.succeeded"}
    charge, paid = read("stripe", STRIPE, intent)
    assert charge["identities"] == {"login": "cus_1", "email_hash": email_hash("ann@x.example")}
    assert not {"4242", "Ann", "1 Road"} & set(json.dumps(charge["properties"]).replace('"', " ").split())
    assert (paid["revenue"], paid["order_id"]) == (None, "pi_1")


def test_an_event_of_no_customer_is_no_event_of_a_journey() -> None:
    payout = STRIPE | {"type": "payout.paid", "data": {"object": {"id": "po_1", "object": "payout"}}}
    [event] = rows(decoded("stripe", payout))
    assert (event["customer_id"], event["identities"]) == (None, {})  # which the gate refuses


def test_own_fields_and_rules_come_before_those_of_the_tool() -> None:
    rules = [{"events": "Signed up", "fields": {"event_name": {"value": "joined"}}}]
    [event] = read("mixpanel", MIXPANEL, channel="app", fields={"channel": {"value": "app"}}, rules=rules)
    assert (event["event_name"], event["channel"], event["customer_id"]) == ("joined", "app", "ann")
    table = FileRows.model_validate({"match": "*.jsonl", "tool": "stripe", "kind": "order"})
    assert (table.as_stream().kind, table.as_stream().rules) == ("order", table.rules)


def test_an_unknown_tool_is_explained() -> None:
    with pytest.raises(ValidationError, match="expected one of amplitude"):
        Stream.model_validate({"topic": "t", "tool": "omniture"})
