"""Enriched events of Snowplow give the same events from tab separated values and JSON; e-commerce becomes orders."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.decoding.formats.atomic import COLUMNS
from tests.ingest.decoding.formats.test_segment import anything
from tests.ingest.reading import events, fixture, read, refused, rows

VIEW: dict[str, Any] = fixture("snowplow_page_view.json")
COMMERCE = "iglu:com.snowplowanalytics.snowplow.ecommerce"
TIME = {"derived_tstamp": "2026-01-01 10:00:00.123", "collector_tstamp": "2026-01-01 10:00:01.000"}


def described(*data: tuple[str, Any], wrap: str = "contexts") -> str:
    """Self-describing JSON in the form of the enriched stream."""
    inner: Any = [{"schema": schema, "data": held} for schema, held in data]
    if wrap == "unstruct_event":
        (inner,) = inner
    return json.dumps({"schema": f"iglu:com.snowplowanalytics.snowplow/{wrap}/jsonschema/1-0-0", "data": inner})


def line(**cells: Any) -> bytes:
    """One event as tab separated values."""
    assert set(cells) <= set(COLUMNS)
    return "\t".join(str(cells.get(column, "")) for column in COLUMNS).encode()


CONTEXTS = described(("iglu:com.acme-shop/pageInfo/jsonschema/1-2-0", {"section": "catalogue", "position": 4}))
DERIVED = described(("iglu:com.iab.snowplow/spiders_and_robots/jsonschema/1-0-0", {"spiderOrRobot": False}))
AS_TEXT = {True: "1", False: "0"}
VIEW_LINE = line(
    **{
        column: AS_TEXT.get(held, held)
        if isinstance(held, bool)
        else str(held).replace("T", " ").rstrip("Z")
        if column.endswith("tstamp")
        else held
        for column, held in VIEW.items()
        if held is not None and not column.startswith("contexts_")
    },
    contexts=CONTEXTS,
    derived_contexts=DERIVED,
)


def one(value: Any) -> dict[str, Any]:
    (event,) = rows(read("snowplow", value))
    return event


def test_the_columns_are_those_of_atomic_events() -> None:
    assert len(COLUMNS) == 131 == len(set(COLUMNS))
    places = {name: COLUMNS.index(name) for name in ("app_id", "event_id", "contexts", "unstruct_event", "tr_orderid")}
    assert places == {"app_id": 0, "event_id": 6, "contexts": 52, "unstruct_event": 58, "tr_orderid": 59}
    assert (COLUMNS.index("derived_contexts"), COLUMNS.index("derived_tstamp"), COLUMNS[130]) == (
        122,
        124,
        "true_tstamp",
    )


@pytest.mark.parametrize("value", [VIEW, VIEW_LINE], ids=["json", "tsv"])
def test_a_page_view_has_its_ids_time_page_and_campaign(value: Any) -> None:
    event = one(value)
    assert (event["event_id"], event["event_name"]) == ("0f1e2d3c-0000-4000-8000-000000000001", "page_view")
    assert (event["kind"], event["channel"]) == ("clickstream", "web")
    assert event["occurred_at"] == datetime(2026, 1, 1, 10, 0, 1, 700000, UTC)
    assert (event["customer_id"], event["anonymous_id"], event["session_id"]) == (None, "d0a1-anon", "5e55-0003")
    assert event["identities"] == {"network_userid": "n-55aa", "user_fingerprint": "2161814971"}
    assert event["url"] == "https://shop.example/teapots?utm_source=letter"
    assert (event["campaign"], event["source"], event["medium"]) == ("spring", "letter", "email")
    assert (event["device"], event["country"], event["referrer"]) == ("mobile", "DE", "https://search.example/")


def test_tsv_and_json_give_the_same_event() -> None:
    from_json, from_tsv = one(VIEW), one(VIEW_LINE)
    assert from_tsv == from_json
    properties = from_tsv["properties"]
    assert properties["contexts_com_acme_shop_page_info_1"] == [{"section": "catalogue", "position": 4}]
    assert (properties["br_viewwidth"], properties["br_cookies"], properties["geo_latitude"]) == (390, True, 53.07)


def test_a_self_describing_event_is_named_by_its_schema_and_kept() -> None:
    search = described(("iglu:com.acme/site_search/jsonschema/2-0-1", {"terms": ["tea"]}), wrap="unstruct_event")
    event = one(line(event="unstruct", event_name="site_search", unstruct_event=search, domain_userid="d", **TIME))
    assert event["event_name"] == "site_search"
    assert event["properties"]["unstruct_event_com_acme_site_search_2"] == {"terms": ["tea"]}


def test_a_structured_event_is_named_by_its_action() -> None:
    cells = {"event": "struct", "event_name": "event", "se_category": "video", "se_action": "Play Trailer"}
    event = one(line(**cells, se_value="2.5", domain_userid="d", **TIME))
    assert (event["event_name"], event["properties"]["se_value"]) == ("play_trailer", 2.5)


ACTION = described(
    (f"{COMMERCE}/snowplow_ecommerce_action/jsonschema/1-0-2", {"type": "transaction"}), wrap="unstruct_event"
)
TRANSACTION = (
    f"{COMMERCE}/transaction/jsonschema/1-0-0",
    {"transaction_id": "T-77", "revenue": 60.0, "currency": "EUR", "payment_method": "card", "total_quantity": 3},
)
PRODUCTS = [
    (f"{COMMERCE}/product/jsonschema/1-0-0", {"id": "TP-BLUE", "category": "t", "price": 40, "quantity": 1}),
    (f"{COMMERCE}/product/jsonschema/1-0-0", {"id": "CUP-1", "category": "c", "price": 10.0, "quantity": 2}),
]


def test_an_ecommerce_transaction_is_an_order_with_its_products() -> None:
    cells = {"event": "unstruct", "event_name": "snowplow_ecommerce_action", "unstruct_event": ACTION}
    event = one(line(**cells, contexts=described(TRANSACTION, *PRODUCTS), user_id="u-1001", **TIME))
    assert (event["event_name"], event["kind"], event["customer_id"]) == ("transaction", "order", "u-1001")
    assert (event["order_id"], event["revenue"], event["currency"]) == ("T-77", Decimal("60.00"), "EUR")
    assert event["items"] == [
        {"sku": "TP-BLUE", "quantity": 1, "price": Decimal("40.00")},
        {"sku": "CUP-1", "quantity": 2, "price": Decimal("10.00")},
    ]


def test_a_refund_names_the_order_and_has_no_revenue() -> None:
    refund = (f"{COMMERCE}/refund/jsonschema/1-0-0", {"transaction_id": "T-77", "refund_amount": 40, "currency": "EUR"})
    event = one(line(event="unstruct", event_name="e", contexts=described(refund), domain_userid="d", **TIME))
    assert (event["kind"], event["order_id"], event["revenue"]) == ("order", "T-77", None)


def test_older_ecommerce_tracking_gives_one_order_and_its_items_one_by_one() -> None:
    order = line(event="transaction", tr_orderid="T-9", tr_total="12.345", tr_currency="eur", domain_userid="d", **TIME)
    item = line(
        event="transaction_item",
        ti_orderid="T-9",
        ti_sku="CUP-1",
        ti_price="6.17",
        ti_quantity="2",
        domain_userid="d",
        **TIME,
    )
    first, second = rows(read("snowplow", order, item))
    assert (first["kind"], first["order_id"], first["revenue"], first["currency"]) == (
        "order",
        "T-9",
        Decimal("12.34"),
        "EUR",
    )
    assert (second["kind"], second["order_id"], second["revenue"]) == ("order", "T-9", None)
    assert second["items"] == [{"sku": "CUP-1", "quantity": 2, "price": Decimal("6.17")}]


def test_a_mobile_session_sets_session_and_device() -> None:
    session = {"sessionId": "s-1", "userId": "dev-1", "sessionIndex": 4}
    schema = "iglu:com.snowplowanalytics.snowplow/client_session/jsonschema/1-0-2"
    event = one(line(platform="mob", event="page_view", contexts=described((schema, session)), **TIME))
    assert (event["channel"], event["session_id"], event["identities"]) == ("app", "s-1", {"device_id": "dev-1"})


def test_without_a_derived_time_the_collector_time_is_used() -> None:
    event = one(line(event="page_view", domain_userid="d", collector_tstamp="2026-01-01 10:00:01.000"))
    assert event["occurred_at"] == datetime(2026, 1, 1, 10, 0, 1, tzinfo=UTC)


def test_a_survey_answer_becomes_feedback_by_a_rule() -> None:
    answer = described(("iglu:com.acme/nps/jsonschema/1-0-0", {"score": 9, "why": "tea"}), wrap="unstruct_event")
    found = "properties.unstruct_event_com_acme_nps_1"
    fields = {"survey": {"value": "nps"}, "score": f"{found}.score", "feedback_text": f"{found}.why"}
    rules = [{"events": ["nps"], "kind": "feedback", "fields": fields}]
    value = line(event="unstruct", event_name="nps", unstruct_event=answer, domain_userid="d", **TIME)
    (event,) = rows(read("snowplow", value, rules=rules))
    assert (event["kind"], event["score"], event["feedback_text"]) == ("feedback", 9.0, "tea")


BAD: list[tuple[str, Any, str, str | None]] = [
    ("truncated", VIEW_LINE[:200], "not_tsv", None),
    ("one column short", VIEW_LINE.rsplit(b"\t", 1)[0], "not_tsv", None),
    ("one column more", VIEW_LINE + b"\tx", "not_tsv", None),
    ("empty", b"", "not_tsv", None),
    ("not UTF-8", VIEW_LINE.replace(b"Teapots", b"Teap\xff"), "not_utf8", None),
    ("half an object", b'{"event": "page_view"', "not_json", None),
]
BAD_CELLS: list[tuple[str, dict[str, Any], str, str]] = [
    ("width is text", {"br_viewwidth": "wide"}, "wrong_type", "br_viewwidth"),
    ("latitude is text", {"geo_latitude": "north"}, "wrong_type", "geo_latitude"),
    ("cookies are 2", {"br_cookies": "2"}, "wrong_type", "br_cookies"),
    ("contexts are half", {"contexts": CONTEXTS[:40]}, "wrong_type", "contexts"),
    ("contexts are one", {"contexts": '{"schema": "s", "data": {}}'}, "wrong_type", "contexts"),
    ("contexts without schema", {"contexts": '{"data": [{"data": {}}]}'}, "wrong_type", "contexts"),
    ("event without iglu", {"unstruct_event": '{"data": {"schema": "x", "data": {}}}'}, "wrong_type", "unstruct_event"),
    ("event is a number", {"unstruct_event": "5"}, "wrong_type", "unstruct_event"),
    ("time is no time", {"derived_tstamp": "2026-13-01 00:00:00"}, "bad_timestamp", "occurred_at"),
    ("total is text", {"event": "transaction", "tr_total": "much"}, "wrong_type", "revenue"),
]


@pytest.mark.parametrize(("value", "reason", "field"), [bad[1:] for bad in BAD], ids=[bad[0] for bad in BAD])
def test_an_unreadable_message_is_refused_alone(value: bytes, reason: str, field: str | None) -> None:
    found = read("snowplow", VIEW_LINE, value, VIEW)
    assert refused(found) == [(1, None, reason, field)]
    assert [event["offset"] for event in events(found)] == [0, 2]


@pytest.mark.parametrize(
    ("cells", "reason", "field"), [bad[1:] for bad in BAD_CELLS], ids=[bad[0] for bad in BAD_CELLS]
)
def test_an_invalid_cell_is_named(cells: dict[str, Any], reason: str, field: str) -> None:
    found = read("snowplow", VIEW_LINE, line(**({"domain_userid": "d", "event": "page_view"} | TIME | cells)))
    assert refused(found) == [(1, 0, reason, field)]


def test_a_batch_of_objects_gives_its_events() -> None:
    found = read("snowplow", [VIEW, 5, VIEW])
    assert refused(found) == [(0, 1, "not_object", None)]
    assert [event["part"] for event in events(found)] == [0, 2]


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from([*COLUMNS, "contexts_com_acme_x_1"]), anything, min_size=1, max_size=4))
def test_an_event_with_any_json_value_lands_or_is_refused(fields: dict[str, Any]) -> None:
    found = read("snowplow", [VIEW, VIEW | fields, VIEW])
    places = sorted([event["part"] for event in events(found)] + [refusal.part or 0 for refusal in found.refused])
    assert places == [0, 1, 2] or [refusal.reason for refusal in found.refused] == ["not_json"]


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(COLUMNS), st.text(max_size=8), max_size=4), st.integers(0, 2000))
def test_a_line_with_any_cell_lands_or_is_refused(cells: dict[str, str], length: int) -> None:
    value = line(**({"event": "page_view"} | TIME | cells)) if length > 1000 else VIEW_LINE[:length]
    found = read("snowplow", VIEW_LINE, value)
    places = [event["offset"] for event in events(found)] + [refusal.offset for refusal in found.refused]
    assert sorted(places) == [0, 1]
