"""Files in the published shapes of other products: what a proposal takes for the customer, the time and the touchpoint.

A few rows each, written after the documentation of the product. In doubt the proposal asks; nothing is wrong in silence.
"""

# ruff: noqa: E501 - a row of a file is a line
from __future__ import annotations

import gzip
import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import polars as pl
import pytest

from expectations.errors import InputError
from ingest.files.guess.proposal import proposal_of, sources_of
from ingest.files.guess.roles import Choice, Named

ASKED: Final = "asked"


class Shape(NamedTuple):
    """A file: its name, its content, the columns of who, when and what, and whether the proposal is to ask."""

    name: str
    content: str | list[dict[str, Any]]
    who: str
    when: str
    what: str
    asked: bool = False


def table(header: str, *rows: str, by: str = ",") -> str:
    return "\n".join(line.replace("|", by) for line in (header, *rows)) + "\n"


def ga4(name: str, micros: int, user: str) -> dict[str, Any]:
    page = {"key": "page_location", "value": {"string_value": "https://shop.example/p/1"}}
    session = {"key": "ga_session_id", "value": {"int_value": "1700000000"}}
    return {
        "event_date": "20231114", "event_timestamp": str(micros), "event_name": name, "event_params": [page, session],
        "user_id": None, "user_pseudo_id": user, "user_first_touch_timestamp": str(micros - 10**9),
        "device": {"category": "mobile"}, "geo": {"country": "France"}, "platform": "WEB", "items": [],
    }  # fmt: skip


def call(kind: str, at: str, event: str | None = None) -> dict[str, Any]:
    base = {
        "type": kind, "messageId": f"m{at}", "anonymousId": "a1", "userId": "u1", "timestamp": f"2024-02-01T10:0{at}:00.000Z",
        "originalTimestamp": f"2024-02-01T10:0{at}:00.100Z", "sentAt": f"2024-02-01T10:0{at}:01.000Z", "context": {}, "channel": "web",
        "receivedAt": f"2024-02-01T10:0{at}:01.100Z", "properties": {"path": "/"},
    }  # fmt: skip
    return base | ({"event": event} if event else {})


AMPLITUDE = [
    {
        "$insert_id": f"i{n}", "amplitude_id": 9001 + n // 3, "app": 123, "user_id": user, "device_id": f"dev-{n // 3}",
        "event_id": n, "event_type": event, "event_time": f"2024-03-01 10:00:0{n}.120000", "session_id": 1709287200000,
        "client_event_time": f"2024-03-01 09:59:5{n}.000000", "server_upload_time": f"2024-03-01 10:00:1{n}.000000",
        "server_received_time": f"2024-03-01 10:00:1{n}.000000", "processed_time": f"2024-03-01 10:00:2{n}.000000",
        "client_upload_time": f"2024-03-01 10:00:1{n}.000000", "uuid": f"0000-{n}", "platform": "iOS", "country": "Spain",
        "device_type": "Apple iPhone", "event_properties": {"plan": "pro"}, "user_properties": {"email": "a@b.example"},
    }
    for n, (user, event) in enumerate([("ann", "Song Played"), ("ann", "Sign Up"), ("ann", "Song Played"), (None, "App Open"), ("bob", "Sign Up")])
]  # fmt: skip
MIXPANEL = [
    {"event": event, "properties": {"time": 1706780000 + n, "distinct_id": who, "$insert_id": f"x{n}", "$city": "Rome",
                                    "$current_url": "https://app.example/", "mp_processing_time_ms": 1706780999000 + n, "$browser": "Safari"}}
    for n, (event, who) in enumerate([("Viewed Plan", "u-1"), ("Upgraded", "u-1"), ("Viewed Plan", "u-2"), ("Viewed Plan", "u-2")])
]  # fmt: skip
POSTHOG = table(
    "uuid;event;properties;timestamp;distinct_id;elements_chain;created_at;person_id",
    *(
        f'018{n};{event};"{{""$current_url"": ""https://x.example/a"", ""$session_id"": ""s{n // 2}"", ""$lib"": ""web""}}";'
        f"2024-01-0{n + 1} 10:00:00.123000+00:00;d{n};;2024-01-0{n + 1} 10:00:05.000000+00:00;p{n // 2}"
        for n, event in enumerate(["$pageview", "sign up", "$pageview", "$pageview"])
    ),
).replace(";", ",")
STRIPE_EVENTS = [
    {"id": f"evt_{n}", "object": "event", "api_version": "2023-10-16", "created": 1701000000 + n, "type": kind, "livemode": True,
     "data": {"object": {"id": f"ch_{n}", "object": "charge", "amount": 2000 + n, "currency": "usd", "customer": f"cus_{n // 2}",
                         "created": 1700999990 + n, "status": "succeeded"}}}
    for n, kind in enumerate(["charge.succeeded", "charge.failed", "charge.succeeded", "charge.succeeded"])
]  # fmt: skip
SHOPIFY_JSON = [
    {"id": 450789469 + n, "admin_graphql_api_id": f"gid://shopify/Order/{n}", "created_at": f"2024-01-0{n + 1}T11:00:00-05:00",
     "processed_at": f"2024-01-0{n + 1}T11:00:00-05:00", "updated_at": f"2024-02-0{n + 1}T11:00:00-05:00", "currency": "USD",
     "order_number": 1001 + n, "total_price": "598.94", "subtotal_price": "590.00", "source_name": "web",
     "customer": {"id": 207119551 + n // 2, "email": f"b{n // 2}@mail.example", "created_at": "2023-01-01T00:00:00-05:00"},
     "line_items": [{"id": 1, "title": "IPod", "price": "199.00", "quantity": 1}]}
    for n in range(4)
]  # fmt: skip
WOO_JSON = [
    {"id": 727 + n, "number": str(727 + n), "status": "processing", "currency": "EUR", "date_created": f"2024-03-0{n + 1}T16:28:02",
     "date_created_gmt": f"2024-03-0{n + 1}T15:28:02", "date_modified": f"2024-03-1{n}T16:28:08", "total": "29.35", "customer_id": 25 + n // 2,
     "billing": {"email": "john@doe.example", "country": "US"}, "line_items": []}
    for n in range(4)
]  # fmt: skip
PENDO = [
    {"type": "load", "visitorId": f"v{n // 2}", "accountId": "acme", "browserTime": 1704448800000 + n, "receivedTime": 1704448801000 + n,
     "url": "https://app.example/home", "remoteIp": "10.0.0.1", "userAgent": "x"}
    for n in range(4)
]  # fmt: skip
MATOMO_VISITS = [
    {"idSite": 1, "idVisit": 100 + n, "visitorId": f"c0ffee{n // 2}", "serverTimestamp": 1704448800 + 60 * n, "serverDate": "2024-01-05",
     "firstActionTimestamp": 1704448700, "lastActionTimestamp": 1704448800 + 60 * n, "visitDuration": 60, "actions": 2,
     "actionDetails": [{"type": "action", "url": "https://x.example/", "timestamp": 1704448700}]}
    for n in range(4)
]  # fmt: skip
HEAP = table(
    "event_id|user_id|session_id|time|event_table_name|platform|country",
    "881|7001|501|2024-02-03 10:00:00|pageviews|web|US",
    "882|7001|501|2024-02-03 10:00:10|clicked_buy|web|US",
    "883|7002|502|2024-02-03 10:01:10|pageviews|web|US",
)

SHAPES: Final = [
    Shape("amplitude.json", AMPLITUDE, "user_id", "event_time", "event_type"),
    Shape("mixpanel.ndjson", MIXPANEL, "properties.distinct_id", "properties.time", "event"),
    Shape("posthog.csv", POSTHOG, "person_id", "timestamp", "event"),
    Shape("ga4.ndjson", [ga4("page_view", 1700000000000000, "1.1"), ga4("purchase", 1700000009000000, "1.1")], "user_id, user_pseudo_id", "event_timestamp", "event_name"),
    Shape("segment.ndjson", [call("track", "1", "Order Completed"), call("page", "2"), call("identify", "3")], "userId, anonymousId", "timestamp", "event, type"),
    Shape("rudderstack_tracks.csv", table(
        "id,anonymous_id,user_id,event,event_text,timestamp,original_timestamp,received_at,sent_at,context_page_url",
        "r1,an1,u1,product_viewed,Product Viewed,2024-01-05 10:00:00.000 UTC,2024-01-05 10:00:00.000 UTC,2024-01-05 10:00:02.000 UTC,2024-01-05 10:00:01.000 UTC,https://x.example/p",
        "r2,an1,u1,order_completed,Order Completed,2024-01-05 10:05:00.000 UTC,2024-01-05 10:05:00.000 UTC,2024-01-05 10:05:02.000 UTC,2024-01-05 10:05:01.000 UTC,https://x.example/c",
        "r3,an2,,product_viewed,Product Viewed,2024-01-05 11:00:00.000 UTC,2024-01-05 11:00:00.000 UTC,2024-01-05 11:00:02.000 UTC,2024-01-05 11:00:01.000 UTC,https://x.example/p",
    ), "user_id", "timestamp", "event"),
    Shape("matomo_log_link_visit_action.csv", table(
        "idlink_va,idsite,idvisitor,idvisit,server_time,idaction_url,idaction_name,time_spent_ref_action,url,event_action",
        "1,1,8a1f2b3c4d5e6f70,11,2024-01-05 09:00:00,1,2,0,https://shop.example/,",
        "2,1,8a1f2b3c4d5e6f70,11,2024-01-05 09:00:20,3,4,20,https://shop.example/p/1,",
        "3,1,0a1f2b3c4d5e6f71,12,2024-01-05 09:10:00,1,2,0,https://shop.example/,",
    ), "idvisitor", "server_time", "page_viewed"),
    Shape("matomo_visits.json", MATOMO_VISITS, "visitorId", "serverTimestamp", "visit", asked=True),
    Shape("shopify_orders.csv", table(
        "Name,Email,Financial Status,Paid at,Fulfilled at,Currency,Subtotal,Shipping,Taxes,Total,Discount Code,Created at,Lineitem quantity,Lineitem name,Billing Country,Id,Source",
        "#1001,ann@mail.example,paid,2024-01-02 10:12:00 +0100,2024-01-03 09:00:00 +0100,EUR,20.00,5.00,4.00,29.00,,2024-01-02 10:11:12 +0100,1,Mug,DE,5001,web",
        "#1002,bob@mail.example,paid,2024-01-02 11:12:00 +0100,2024-01-03 09:00:00 +0100,EUR,40.00,5.00,8.00,53.00,,2024-01-02 11:11:12 +0100,1,Cup,DE,5002,web",
        "#1003,ann@mail.example,pending,,,EUR,20.00,5.00,4.00,29.00,,2024-01-05 10:11:12 +0100,1,Mug,DE,5003,web",
    ), "Email", "Created at", "order_placed"),
    Shape("shopify_orders.json", SHOPIFY_JSON, "customer.id", "created_at", "order_placed"),
    Shape("stripe_payments.csv", table(
        "id,Created date (UTC),Amount,Amount Refunded,Currency,Captured,Converted Amount,Customer ID,Customer Email,Description,Status",
        "ch_1,2024-01-02 10:11:12,20.00,0.00,eur,true,20.00,cus_1,a@b.example,Sub,Paid",
        "ch_2,2024-01-02 10:31:12,20.00,0.00,eur,true,20.00,cus_2,c@b.example,Sub,Paid",
        "ch_3,2024-02-02 10:11:12,20.00,0.00,eur,true,20.00,cus_1,a@b.example,Sub,Failed",
    ), "Customer ID", "Created date (UTC)", "payment_made", asked=True),
    Shape("stripe_events.ndjson", STRIPE_EVENTS, "data.object.customer", "created", "type"),
    Shape("woocommerce_orders.json", WOO_JSON, "customer_id", "date_created_gmt", "order_placed"),
    Shape("snowplow_events.ndjson", [
        {"app_id": "web", "platform": "web", "collector_tstamp": f"2024-01-05T10:00:0{n}.000Z", "event": "page_view", "event_id": f"e{n}",
         "event_name": "page_view", "v_collector": "ssc-2.9", "domain_userid": "d1", "user_id": None, "derived_tstamp": f"2024-01-05T10:00:0{n}.000Z",
         "page_url": "https://x.example/"} for n in range(3)
    ], "user_id, domain_userid", "derived_tstamp, collector_tstamp", "event_name"),
    Shape("heap_all_events.csv", HEAP.replace("|", ","), "user_id", "time", "event_table_name"),
    Shape("pendo_events.ndjson", PENDO, "visitorId", "browserTime", "type"),
    Shape("adobe_hits.tsv", table(
        "hit_time_gmt|date_time|mcvisid|post_visid_high|visit_num|pagename|page_url|page_event|geo_country|post_event_list",
        "1704448800|2024-01-05 10:00:00|411|300|1|home|https://x.example/|0|usa|",
        "1704448830|2024-01-05 10:00:30|411|300|1|product:mug|https://x.example/p/mug|0|usa|2",
        "1704448900|2024-01-05 10:01:40|412|301|1|home|https://x.example/|0|usa|", by="\t",
    ), "mcvisid", "hit_time_gmt", "page_viewed"),
    Shape("2019-Oct.csv", table(
        "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session",
        "2019-10-01 00:00:00 UTC,view,44600062,2103807459595387724,,shiseido,35.79,541312140,72d76fde",
        "2019-10-01 00:00:01 UTC,cart,3900821,2053013552326770905,appliances,aqua,33.20,541312140,72d76fde",
        "2019-10-01 00:00:05 UTC,purchase,3900821,2053013552326770905,appliances,aqua,33.20,541312140,72d76fde",
        "2019-10-01 00:00:07 UTC,view,17200506,2053013559792632471,furniture,,543.10,519107250,566511c2",
    ), "user_id", "event_time", "event_type"),
    Shape("retailrocket_events.csv", table(
        "timestamp,visitorid,event,itemid,transactionid",
        "1433221332117,257597,view,355908,", "1433224214164,992329,view,248676,", "1433221999827,257597,addtocart,355908,",
        "1433222276276,257597,transaction,355908,4000",
    ), "visitorid", "timestamp", "event"),
    Shape("bpi_2012.csv", table(
        "case:concept:name,case:REG_DATE,case:AMOUNT_REQ,concept:name,lifecycle:transition,time:timestamp,org:resource",
        "173688,2011-10-01 00:38:44.546000+02:00,20000,A_SUBMITTED,COMPLETE,2011-10-01 00:38:44.546000+02:00,112",
        "173688,2011-10-01 00:38:44.546000+02:00,20000,A_PARTLYSUBMITTED,COMPLETE,2011-10-01 00:38:44.880000+02:00,112",
        "173691,2011-10-01 08:08:58.256000+02:00,5000,A_SUBMITTED,COMPLETE,2011-10-01 08:08:58.256000+02:00,112",
    ), "case:concept:name", "time:timestamp", "concept:name"),
    Shape("receipt_log.csv", table(
        "Case ID;Activity;Resource;Complete Timestamp;Variant;Variant index",
        "case-10011;Confirmation of receipt;Resource21;2011/10/11 13:45:40.276;Variant 5;5",
        "case-10011;T02 Check confirmation of receipt;Resource10;2011/10/12 08:26:25.398;Variant 5;5",
        "case-10017;Confirmation of receipt;Resource30;2011/10/18 13:46:39.679;Variant 2;2",
    ), "Case ID", "Complete Timestamp", "Activity"),
    Shape("dunnhumby_transaction_data.csv", table(
        "household_key,BASKET_ID,DAY,PRODUCT_ID,QUANTITY,SALES_VALUE,STORE_ID,RETAIL_DISC,TRANS_TIME,WEEK_NO",
        "2375,26984851472,1,1004906,1,1.39,364,-0.6,1631,1", "2375,26984851472,1,1033142,1,0.82,364,0,1631,1",
        "1364,26984896261,1,842930,1,2.19,31742,0,1520,1",
    ), "household_key", "", "order_placed", asked=True),
    Shape("olist_orders_dataset.csv", table(
        "order_id,customer_id,order_status,order_purchase_timestamp,order_approved_at,order_delivered_carrier_date,order_estimated_delivery_date",
        *(f"o{n},9ef432eb{n},delivered,2017-10-0{n} 10:56:33,2017-10-0{n} 11:07:15,2017-10-1{n} 19:55:00,2017-10-2{n} 00:00:00" for n in range(1, 7)),
    ), "customer_id", "order_purchase_timestamp", "order_placed", asked=True),
    Shape("online_retail.csv", table(
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country",
        "536365,85123A,HOLDER,6,12/1/2010 8:26,2.55,17850,United Kingdom", "536365,71053,LANTERN,6,12/1/2010 8:26,3.39,17850,United Kingdom",
        "536367,84879,ORNAMENT,32,12/1/2010 8:34,1.69,13047,United Kingdom",
    ), "CustomerID", "InvoiceDate", "order_placed", asked=True),
    Shape("yandex_metrica_hits.tsv", table(
        "ym:pv:watchID|ym:pv:clientID|ym:pv:dateTime|ym:pv:URL|ym:pv:referer|ym:pv:isPageView",
        "1001|16900|2024-01-05 10:00:00|https://x.example/|https://g.example/|1",
        "1002|16900|2024-01-05 10:00:30|https://x.example/price||1", "1003|16901|2024-01-05 10:02:30|https://x.example/||1", by="\t",
    ), "ym:pv:clientID", "ym:pv:dateTime", "page_viewed"),
    Shape("umami_website_event.csv", table(
        "event_id,website_id,session_id,visit_id,created_at,url_path,url_query,referrer_domain,page_title,event_type,event_name",
        "u1,w1,s1,v1,2024-01-05T10:00:00.000Z,/,,,Home,1,", "u2,w1,s1,v1,2024-01-05T10:00:30.000Z,/pricing,,,Pricing,1,",
        "u3,w1,s2,v2,2024-01-05T11:00:00.000Z,/,,,Home,1,",
    ), "session_id", "created_at", "page_viewed", asked=True),
    Shape("fullstory_export.ndjson", [
        {"UserId": f"{n // 2}", "SessionId": f"s{n // 2}", "EventStart": f"2024-01-05T10:00:0{n}.000Z", "EventType": kind, "PageUrl": "https://x.example/",
         "PageDuration": 100} for n, kind in enumerate(["navigate", "click", "navigate", "click"])
    ], "UserId", "EventStart", "EventType"),
    Shape("braze_clicks.parquet", [
        {"id": f"b{n}", "user_id": f"braze{n // 2}", "external_user_id": f"ext{n // 2}", "time": 1704448800 + n, "campaign_name": "Spring",
         "event_type": "users.messages.email.Click", "timezone": "Europe/Paris"} for n in range(4)
    ], "external_user_id", "time", "event_type"),
    Shape("magento_sales_order.csv", table(
        "entity_id,increment_id,customer_id,customer_email,status,created_at,updated_at,base_grand_total,order_currency_code",
        "1,000000001,11,a@b.example,complete,2024-01-05 10:00:00,2024-01-07 10:00:00,29.90,EUR",
        "2,000000002,12,c@b.example,complete,2024-01-05 12:00:00,2024-01-07 10:00:00,19.90,EUR",
        "3,000000003,11,a@b.example,canceled,2024-02-05 10:00:00,2024-02-07 10:00:00,9.90,EUR",
    ), "customer_id", "created_at", "order_placed"),
    Shape("criteo_attribution.tsv", table(
        "timestamp|uid|campaign|conversion|conversion_timestamp|conversion_id|click|cost",
        "0|20073966|22589171|0|-1|-1|0|1.0", "2|20073966|9100689|0|-1|-1|1|1.0", "30|28372671|884761|1|1449193|3063962|1|0.3", by="\t",
    ), "uid", "", "criteo_attribution", asked=True),
    Shape("zendesk_tickets.json", [
        {"id": 35436 + n, "created_at": f"2024-01-0{n + 1}T10:00:00Z", "updated_at": f"2024-01-0{n + 2}T10:00:00Z", "type": kind, "subject": "Help",
         "status": "open", "requester_id": 20978 + n // 2, "submitter_id": 76872, "via": {"channel": "web"}}
        for n, kind in enumerate(["incident", "question", "question", "incident"])
    ], "requester_id", "created_at", "type"),
    Shape("taobao_user_behavior.csv.gz", table(
        "user_id,item_id,category_id,behavior_type,timestamp",
        "1,2268318,2520377,pv,1511544070", "1,2333346,2520771,cart,1511561733", "2,2576651,149192,pv,1511572885", "2,2576651,149192,buy,1511572999",
    ), "user_id", "timestamp", "behavior_type"),
]  # fmt: skip


def write(shape: Shape, folder: Path) -> Path:
    file = folder / shape.name
    content = shape.content
    if file.suffix == ".parquet":
        pl.DataFrame(content).write_parquet(file)
    elif file.suffix == ".gz":
        file.write_bytes(gzip.compress(str(content).encode()))
    elif not isinstance(content, str):
        lines = "".join(json.dumps(row) + "\n" for row in content)
        file.write_text(json.dumps(content, indent=1) if file.suffix == ".json" else lines)
    else:
        file.write_text(content)
    return file


def found(choices: Sequence[Choice], *fields: str) -> Choice | None:
    return next((choice for choice in choices if choice.field in fields), None)


def told(choice: Choice | None) -> str:
    return "" if choice is None else choice.column.path if choice.column else choice.constant


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_who_when_and_what_are_right_or_asked(shape: Shape, tmp_path: Path) -> None:
    [source] = sources_of({shape.name: write(shape, tmp_path)})
    choices = source.guess.choices
    people = ("customer_id", "anonymous_id", "identities.email_hash")
    answers = [found(choices, *people), found(choices, "occurred_at"), found(choices, "event_name")]
    wrong = [
        (told(answer), right, answer.doubt if answer else "lacking")
        for answer, right in zip(answers, (shape.who, shape.when, shape.what), strict=True)
        if told(answer) != right and answer is not None and not answer.doubt
    ]
    assert wrong == []
    asked = bool(source.guess.lacking) or any(answer is None or answer.doubt for answer in answers)
    assert asked == shape.asked, [(told(answer), answer and answer.doubt) for answer in answers]
    if not shape.asked:
        made = proposal_of([source])
        assert made.refused == {} and made.events.height >= len(source.sample.records)


def test_nine_of_ten_shapes_are_read_rightly_and_few_are_asked_for(tmp_path: Path) -> None:
    """A time that the file lacks cannot be right; what is right may be marked for review."""
    right = 0
    for shape in SHAPES:
        [source] = sources_of({shape.name: write(shape, tmp_path)})
        people = found(source.guess.choices, "customer_id", "anonymous_id", "identities.email_hash")
        answers = [people, *(found(source.guess.choices, field) for field in ("occurred_at", "event_name"))]
        right += bool(shape.when) and [told(answer) for answer in answers] == [shape.who, shape.when, shape.what]
    assert len(SHAPES) >= 30 and right / len(SHAPES) >= 0.9
    assert sum(not shape.asked for shape in SHAPES) / len(SHAPES) >= 0.75


def test_a_time_that_lies_in_two_orders_of_day_and_month_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text(
        "user_id,event,timestamp\n1,a,01/02/2026 10:00\n1,b,02/02/2026 10:00\n2,a,03/02/2026 10:00\n"
    )
    [source] = sources_of({"e.csv": tmp_path / "e.csv"})
    at = found(source.guess.choices, "occurred_at")
    assert at is not None and "%m/%d/%Y" in at.doubt


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("e.csv", "", "no header"),
        ("e.csv", "user_id,event,timestamp\n", "no row that can be read"),
        ("e.csv", "1,2268318,pv,1511544070\n1,2333346,pv,1511561733\n", "a row and no header"),
        ("e.json", '{\n"data": [\n{\n"id": 1\n}\n]\n}', "jq '.data' e.json"),
        ("e.ndjson", '{"user_id": "a", "event": 5, "time": 1700000000}\n' * 3, "No row could land"),
        ("e.xlsx", "x", "cannot be read"),
    ],
)
def test_a_file_without_events_is_one_clear_error(name: str, content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=said):
        proposal_of(sources_of({name: tmp_path / name}, Named(touchpoint="event" if "5" in content else "")))


def test_a_proposal_survives_names_of_any_kind(tmp_path: Path) -> None:
    names = ['say "no"', "back\\slash", "two\nlines", "\x1b[31m", "日本", "x" * 300, "# REVIEW", "a*b", "'''"]
    rows = [
        {"user.id": f"u{n}", "event": name, "time": 1700000000 + n, "odd\nkey": n} for n, name in enumerate(names * 2)
    ]
    (tmp_path / "e.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))
    made = proposal_of(sources_of({"e.ndjson": tmp_path / "e.ndjson"}, Named(customer='"user.id"')))
    read = tomllib.loads(made.text)
    assert made.refused == {} and made.events.height == 18
    assert read["ingest"]["files"][0]["fields"]["customer_id"] == '"user.id"'


def test_files_of_one_shape_are_one_source_and_numbers_in_names_are_any(tmp_path: Path) -> None:
    text = "user_id,event,timestamp\n1,a,2026-01-01T10:00:00Z\n"
    names = ("events_2026-01.csv", "events_2026-02.csv", "other.csv", "7.csv")
    for name in names:
        (tmp_path / name).write_text(text if name != "other.csv" else text.replace("event", "action"))
    sources = sources_of({name: tmp_path / name for name in names})
    assert [source.match for source in sources] == [["events_*.csv*", "7.csv*"], ["other.csv*"]]
    assert len(tomllib.loads(proposal_of(sources).text)["ingest"]["files"]) == 2
