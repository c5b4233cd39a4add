"""The `ga4` format: rows of the Google Analytics 4 export to BigQuery as JSON, one per message or a list of them.

BigQuery writes whole numbers as text in JSON; text and numbers are both read. `event_params` and `user_properties`,
lists of keys with a value of one of four types, become plain objects. A purchase is an order event; a refund is an
order event without revenue, so that each order counts once.

The export has no event ids. A row with batch numbers gets an id derived from them, so that a day that is exported again
lands as duplicates; a row without them gets an id from its position and the flag `id_generated`.

`traffic_source` is how the user was first acquired, not the source of this event, so it is kept in `properties`. The
campaign of the event comes from `collected_traffic_source` and the event's parameters.
"""

from __future__ import annotations

from typing import Any, Final

from ingest.decoding.columns import type_name
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
    params = _as_object(children(row, "event_params"), "event_params")
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


def _as_object(pairs: list[Any], field: str) -> dict[str, Any]:
    """A list of keys with a value of one of four types, as a plain object."""
    return dict(_pair(pair, field) for pair in pairs)


def _pair(pair: Any, field: str) -> tuple[str, Any]:
    if type(pair) is not dict or type(pair.get("key")) is not str:
        raise InvalidPart("wrong_type", field, f"expected objects with key and value, found {type_name(pair)}")
    typed = child(pair, "value")
    for type_ in _TYPES:
        value = typed.get(type_)
        if value is not None:
            return pair["key"], whole(value) if type_ == "int_value" else value
    return pair["key"], None


def _set(value: Any) -> Any:
    """The value; None when it is one of the texts that the export writes for a missing value."""
    return None if type(value) is str and value in _UNSET else value


def _id(row: dict[str, Any], event_name: Any, pseudo: Any) -> str | None:
    """An id of user, time, name and batch numbers, which identify an event; None when the row lacks one of them."""
    parts = [pseudo, row.get("event_timestamp"), event_name, *(row.get(field) for field in _BATCH)]
    return None if None in parts else "ga4:" + ":".join(map(str, parts))


def _session(params: dict[str, Any], pseudo: Any) -> str | None:
    """User and `ga_session_id`, which is the time the session began and unique only per user."""
    session = params.get("ga_session_id")
    return None if session is None or pseudo is None else f"{pseudo}.{session}"


def _identities(device_info: dict[str, Any]) -> dict[str, Any] | None:
    return without_blanks(
        device_id=text(device_info.get("vendor_id")), advertising_id=text(device_info.get("advertising_id"))
    )


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
    """The revenue in the currency of the order, or in US dollars when the export has nothing else."""
    revenue = commerce.get("purchase_revenue")
    revenue = params.get("value") if revenue is None else revenue
    in_dollars = commerce.get("purchase_revenue_in_usd")
    if revenue is None and in_dollars is not None:
        return {"revenue": in_dollars, "currency": "USD"}
    return {"revenue": revenue, "currency": currency}


def _item(item: Any) -> Any:
    if type(item) is not dict:
        return item
    return {"sku": text(item.get("item_id")), "quantity": whole(item.get("quantity")), "price": item.get("price")}


def _rest(row: dict[str, Any]) -> dict[str, Any]:
    """The fields without a column, under their own names, and the items, of which the column keeps three fields."""
    rest = {field: value for field, value in row.items() if field not in _MOVED and value is not None}
    user_properties = _as_object(children(row, "user_properties"), "user_properties")
    converted = {"user_properties": user_properties, "items": row.get("items")}
    return rest | {field: value for field, value in converted.items() if value}
