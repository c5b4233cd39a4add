"""The `ga4` format: rows of the Google Analytics 4 export to BigQuery, as JSON, one row a message or a list of them.

BigQuery writes whole numbers as text in JSON; both are read. `event_params` and `user_properties`, lists of keys with
a value of one of four types, become plain objects. A purchase is an order, a refund is told as one without revenue,
so that each order counts once.

The export names no event. A row with its batch numbers gets an id made from them, so that a day which is exported
again lands as duplicates; a row without them gets an id from its place, and is flagged so.

`traffic_source` tells how the user was first acquired, not how this event came about: it is kept in `properties`, and
the campaign of the event is what was collected with it.
"""

from __future__ import annotations

from typing import Any, Final

from ingest.decoding.columns import name_of
from ingest.decoding.formats.envelope import Event, InvalidPart, Outcome, read_parts
from ingest.decoding.formats.values import (
    child,
    children,
    device,
    is_one_of,
    microseconds_to_time,
    name,
    text,
    upper_case,
    whole,
    without_blanks,
)

_TYPES: Final = ("string_value", "int_value", "double_value", "float_value")
_BATCH: Final = ("batch_page_id", "batch_ordering_id", "batch_event_index")
_ORDERS: Final = frozenset({"purchase", "in_app_purchase", "ecommerce_purchase", "refund"})
_CHANNELS: Final = {"WEB": "web", "IOS": "app", "ANDROID": "app"}
_MOVED: Final = frozenset({"event_date", "event_name", "event_params", "event_timestamp", "items", "user_id"}) | {
    "user_properties",
    "user_pseudo_id",
    *_BATCH,
}
_UNSET: Final = frozenset({"", "(not set)", "(none)"})


def ga4(document: Any) -> list[Outcome]:
    """The events of one message: an exported row, or a list of rows.

    >>> row = {"event_name": "page_view", "event_timestamp": "1767225600000000", "user_pseudo_id": "1.2"}
    >>> ga4(row)[0].event["occurred_at"]
    '2026-01-01T00:00:00+00:00'
    """
    return read_parts(document if type(document) is list else [document], _event)


def _event(row: dict[str, Any]) -> Event:
    params = _plain(children(row, "event_params"), "event_params")
    collected = child(row, "collected_traffic_source")
    event_name, pseudo = name(row.get("event_name")), text(row.get("user_pseudo_id"))
    return {
        "event_id": _id(row, event_name, pseudo),
        "event_name": event_name,
        "kind": "order" if is_one_of(event_name, _ORDERS) else None,
        "channel": _CHANNELS.get(str(row.get("platform")).upper()),
        "occurred_at": microseconds_to_time(row.get("event_timestamp")),
        "customer_id": text(row.get("user_id")),
        "anonymous_id": pseudo,
        "session_id": _session(params, pseudo),
        "identities": _identities(child(row, "device")),
        **_order(row, event_name, params),
        "url": params.get("page_location"),
        "referrer": params.get("page_referrer"),
        "campaign": _set(collected.get("manual_campaign_name")) or _set(params.get("campaign")),
        "source": _set(collected.get("manual_source")) or _set(params.get("source")),
        "medium": _set(collected.get("manual_medium")) or _set(params.get("medium")),
        "device": device(child(row, "device").get("category")),
        "country": _set(child(row, "geo").get("country")),
        "properties": _rest(row) | params,
    }


def _plain(pairs: list[Any], field: str) -> dict[str, Any]:
    """Keys with values of one of four types as a plain object."""
    return dict(_pair(pair, field) for pair in pairs)


def _pair(pair: Any, field: str) -> tuple[str, Any]:
    if type(pair) is not dict or type(pair.get("key")) is not str:
        raise InvalidPart("wrong_type", field, f"expected objects with key and value, found {name_of(pair)}")
    value = child(pair, "value")
    for kind in _TYPES:
        held = value.get(kind)
        if held is not None:
            return pair["key"], whole(held) if kind == "int_value" else held
    return pair["key"], None


def _set(value: Any) -> Any:
    """The value, unless it is one of the words that the export writes for nothing."""
    return None if type(value) is str and value in _UNSET else value


def _id(row: dict[str, Any], event_name: Any, pseudo: Any) -> str | None:
    """User, time, name and batch numbers name one event; None when a row lacks one of them."""
    parts = [pseudo, row.get("event_timestamp"), event_name, *(row.get(field) for field in _BATCH)]
    return None if None in parts else "ga4:" + ":".join(map(str, parts))


def _session(params: dict[str, Any], pseudo: Any) -> str | None:
    """`ga_session_id` is the time the session began, unique within one user only."""
    session = params.get("ga_session_id")
    return None if session is None or pseudo is None else f"{pseudo}.{session}"


def _identities(machine: dict[str, Any]) -> dict[str, Any] | None:
    return without_blanks(device_id=text(machine.get("vendor_id")), advertising_id=text(machine.get("advertising_id")))


def _order(row: dict[str, Any], event_name: Any, params: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = dict.fromkeys(("order_id", "revenue", "currency", "items"))
    if not is_one_of(event_name, _ORDERS):
        return fields
    commerce = child(row, "ecommerce")
    fields["order_id"] = text(_set(commerce.get("transaction_id")) or _set(params.get("transaction_id")))
    fields["items"] = [_item(item) for item in children(row, "items")] or None
    fields["currency"] = upper_case(params.get("currency"))
    if event_name != "refund":
        fields |= _revenue(commerce, params, fields["currency"])
    return fields


def _revenue(commerce: dict[str, Any], params: dict[str, Any], currency: Any) -> dict[str, Any]:
    """What was paid in the order's own currency; in US dollars when the export has nothing else."""
    own = commerce.get("purchase_revenue")
    own = params.get("value") if own is None else own
    in_dollars = commerce.get("purchase_revenue_in_usd")
    if own is None and in_dollars is not None:
        return {"revenue": in_dollars, "currency": "USD"}
    return {"revenue": own, "currency": currency}


def _item(item: Any) -> Any:
    if type(item) is not dict:
        return item
    return {"sku": text(item.get("item_id")), "quantity": whole(item.get("quantity")), "price": item.get("price")}


def _rest(row: dict[str, Any]) -> dict[str, Any]:
    """What has no column, under its own name; and the items whole, since a column keeps three of their fields."""
    rest = {field: value for field, value in row.items() if field not in _MOVED and value is not None}
    users = _plain(children(row, "user_properties"), "user_properties")
    return rest | {field: value for field, value in (("user_properties", users), ("items", row.get("items"))) if value}
