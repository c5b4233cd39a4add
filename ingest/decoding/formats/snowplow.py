"""The `snowplow` format: enriched events of Snowplow, as tab separated values or as the JSON of its analytics SDKs.

`user_id` is the customer id and `domain_userid` the anonymous id; `network_userid` and `user_fingerprint` are further
identities. The time is `derived_tstamp`, or `collector_tstamp` if there is none. A structured event is named by its
action, an e-commerce action by its type, any other event by `event_name`. Columns without a field, contexts and the
self-describing event are kept in `properties`.

A transaction is an order with its revenue. In the older e-commerce tracking each item is an event of its own: an order
event with one item and without revenue, so that each order counts once.
"""

from __future__ import annotations

from typing import Any, Final

from ingest.decoding.formats.atomic import flatten, from_tsv
from ingest.decoding.formats.envelope import Document, Event, Fault, Outcomes, read_parts
from ingest.decoding.formats.values import device, name, text, upper_case, whole, without_blanks

_COMMERCE: Final = "com_snowplowanalytics_snowplow_ecommerce_"
_ACTION: Final = f"unstruct_event_{_COMMERCE}snowplow_ecommerce_action_1"
_TRANSACTION: Final = f"contexts_{_COMMERCE}transaction_1"
_REFUND: Final = f"contexts_{_COMMERCE}refund_1"
_PRODUCT: Final = f"contexts_{_COMMERCE}product_1"
_CLIENT_SESSION: Final = "contexts_com_snowplowanalytics_snowplow_client_session_1"
_CHANNELS: Final = {"web": "web", "mob": "app", "app": "app"}
_MOVED_COLUMNS: Final = """
    event_id derived_tstamp user_id domain_userid network_userid user_fingerprint domain_sessionid page_url
    page_referrer mkt_campaign mkt_source mkt_medium geo_country
"""
_MOVED: Final = frozenset(_MOVED_COLUMNS.split())


def is_tsv(value: bytes) -> bool:
    """Whether a message is tab separated values: neither JSON nor framed for a registry."""
    return value.lstrip()[:1] not in (b"{", b"[", b"\0")


def from_line(value: bytes) -> Outcomes:
    """The event in a line of tab separated values."""
    cells = from_tsv(value)
    return cells if isinstance(cells, Fault) else read_parts([cells], _event)


def snowplow(document: Any) -> Outcomes:
    """The event in an object of the SDKs, or the events in a list of such objects.

    >>> view = {"event": "page_view", "event_name": "page_view", "domain_userid": "d1", "event_id": "e1"}
    >>> snowplow(view)[0].event["anonymous_id"]
    'd1'
    """
    return read_parts(document if type(document) is list else [document], _event)


def _event(document: dict[str, Any]) -> Event:
    row = flatten(document)
    session = _entity(row, _CLIENT_SESSION)
    return {
        "event_id": row.get("event_id"),
        "event_name": _name(row),
        "channel": _CHANNELS.get(str(row.get("platform"))),
        "occurred_at": row.get("derived_tstamp") or row.get("collector_tstamp"),
        "customer_id": text(row.get("user_id")),
        "anonymous_id": row.get("domain_userid"),
        "session_id": row.get("domain_sessionid") or session.get("sessionId"),
        "identities": without_blanks(
            network_userid=row.get("network_userid"),
            user_fingerprint=text(row.get("user_fingerprint")),
            device_id=session.get("userId"),
        ),
        **_order(row),
        "url": row.get("page_url"),
        "referrer": row.get("page_referrer"),
        "campaign": row.get("mkt_campaign"),
        "source": row.get("mkt_source"),
        "medium": row.get("mkt_medium"),
        "device": device(row.get("dvce_type")),
        "country": row.get("geo_country"),
        "properties": {column: value for column, value in row.items() if column not in _MOVED},
    }


def _name(row: Document) -> Any:
    action = row.get(_ACTION)
    if type(action) is dict and action.get("type") is not None:
        return name(action["type"])
    if row.get("event") == "struct":
        return name(row.get("se_action"))
    return name(row.get("event_name") or row.get("event"))


def _entity(row: Document, column: str) -> dict[str, Any]:
    """The first entity in a column of contexts; an empty object when there is none."""
    value = row.get(column)
    first = value[0] if type(value) is list and value else value
    return first if type(first) is dict else {}


def _order(row: Document) -> dict[str, Any]:
    transaction, refund = _entity(row, _TRANSACTION), _entity(row, _REFUND)
    fields: dict[str, Any] = dict.fromkeys(("kind", "order_id", "revenue", "currency", "items"))
    if transaction or refund:
        entity = transaction or refund
        return {
            "kind": "order",
            "order_id": text(entity.get("transaction_id")),
            "revenue": transaction.get("revenue"),
            "currency": upper_case(entity.get("currency")),
            "items": _products(row.get(_PRODUCT)),
        }
    if row.get("event") == "transaction":
        currency = upper_case(row.get("tr_currency"))
        order = {"order_id": row.get("tr_orderid"), "revenue": row.get("tr_total"), "currency": currency}
        return fields | {"kind": "order"} | order
    if row.get("event") == "transaction_item":
        item = {"sku": row.get("ti_sku"), "quantity": row.get("ti_quantity"), "price": row.get("ti_price")}
        currency = upper_case(row.get("ti_currency"))
        return fields | {"kind": "order", "order_id": row.get("ti_orderid"), "currency": currency, "items": [item]}
    return fields


def _products(products: Any) -> Any:
    if type(products) is not list:
        return products
    return [_product(product) if type(product) is dict else product for product in products]


def _product(product: dict[str, Any]) -> dict[str, Any]:
    quantity = whole(product.get("quantity"))
    return {"sku": text(product.get("id")), "quantity": quantity, "price": product.get("price")}
