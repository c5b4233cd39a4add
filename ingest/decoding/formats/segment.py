"""The `segment` format: calls of the Segment spec (track, page, screen, identify, group, alias), alone or as a batch.

Each call becomes one event. A track call is named by its `event`, in lower case words; the others are named
page_viewed, screen_viewed, identify, group and alias. `properties` contains the call's own properties, and its
`context`, `traits` and other fields under their names. The fields of a batch are defaults for its calls.

Identify links `userId` to `anonymousId`; alias links `previousId`, read as an anonymous id, to `userId`. `groupId` does
not identify a person.
"""

from __future__ import annotations

from typing import Any, Final

from ingest.decoding.formats.envelope import Event, InvalidPart, Outcome, read_parts
from ingest.decoding.formats.values import child, device, is_one_of, name, text, upper_case, whole, without_blanks

_NAMES: Final = {
    "page": "page_viewed",
    "screen": "screen_viewed",
    "identify": "identify",
    "group": "group",
    "alias": "alias",
}
_CALLS: Final = ("track", *_NAMES)
_CHANNELS: Final = {"browser": "web", "web": "web", "mobile": "app"}
_COMPLETED: Final = frozenset({"order_completed", "completed_order"})
_ORDERS: Final = _COMPLETED | {"order_updated", "order_refunded", "order_cancelled"}
_MOVED: Final = frozenset(
    {"anonymousId", "event", "messageId", "originalTimestamp", "previousId", "properties", "timestamp", "userId"}
)
_TRANSPORT: Final = frozenset(
    {"_metadata", "batch", "channel", "integrations", "receivedAt", "sentAt", "type", "version", "writeKey"}
)
_LEFT_OUT: Final = _MOVED | _TRANSPORT


def segment(document: Any) -> list[Outcome]:
    """The events of one message: a call, a list of calls, or an object with a `batch` of calls.

    >>> call = {"type": "track", "event": "Cart Viewed", "userId": "u1", "timestamp": "2026-01-01T00:00:00Z"}
    >>> segment(call)[0].event["event_name"]
    'cart_viewed'
    """
    if type(document) is list:
        return read_parts(document, _event)
    if type(document) is dict and type(document.get("batch")) is list:
        shared = {field: value for field, value in document.items() if field != "batch"}
        return read_parts([_with_defaults(call, shared) for call in document["batch"]], _event)
    return read_parts([document], _event)


def _with_defaults(call: Any, shared: dict[str, Any]) -> Any:
    """The call with the fields of its batch as defaults; the two contexts are merged."""
    if type(call) is not dict:
        return call
    merged = shared | call
    contexts = shared.get("context"), call.get("context")
    if all(type(context) is dict for context in contexts):
        merged["context"] = contexts[0] | contexts[1]  # type: ignore[operator] # both are objects
    return merged


def _event(call: dict[str, Any]) -> Event:
    call_type = call.get("type")
    if call_type not in _CALLS:
        reason = "missing_field" if call_type is None else "not_allowed"
        raise InvalidPart(reason, "type", f"expected one of {', '.join(_CALLS)}")
    properties, context = child(call, "properties"), child(call, "context")
    page, campaign, device_info = child(context, "page"), child(context, "campaign"), child(context, "device")
    page_properties = properties if call_type == "page" else {}
    event_name = _NAMES[call_type] if call_type in _NAMES else name(call.get("event"))
    return {
        "event_id": call.get("messageId"),
        "event_name": event_name,
        "kind": "order" if is_one_of(event_name, _ORDERS) else None,
        "channel": _channel(call, context),
        "occurred_at": _first(call, "timestamp", "originalTimestamp", "sentAt"),
        "customer_id": text(call.get("userId")),
        "anonymous_id": text(call.get("anonymousId")),
        "session_id": text(context.get("sessionId")),
        "identities": without_blanks(
            device_id=text(device_info.get("id")),
            advertising_id=text(device_info.get("advertisingId")),
            anonymous_id=text(call.get("previousId")),
        ),
        **_order(event_name, properties),
        "url": page.get("url") or page_properties.get("url"),
        "referrer": page.get("referrer") or page_properties.get("referrer"),
        "campaign": campaign.get("name"),
        "source": campaign.get("source"),
        "medium": campaign.get("medium"),
        "device": device(device_info.get("type")),
        "country": child(context, "location").get("country"),
        "properties": {field: value for field, value in call.items() if field not in _LEFT_OUT} | properties,
    }


def _channel(call: dict[str, Any], context: dict[str, Any]) -> Any:
    sent = call.get("channel") or context.get("channel")
    channel = _CHANNELS.get(sent) if type(sent) is str else None
    return channel or ("app" if call["type"] == "screen" else None)


def _first(call: dict[str, Any], *fields: str) -> Any:
    return next((call[field] for field in fields if call.get(field) is not None), None)


def _order(event_name: Any, properties: dict[str, Any]) -> dict[str, Any]:
    """The fields of an order. Only the event that completes it has revenue, so that each order counts once."""
    fields: dict[str, Any] = dict.fromkeys(("order_id", "revenue", "currency", "items"))
    if not is_one_of(event_name, _ORDERS):
        return fields
    fields["order_id"] = text(properties.get("order_id"))
    fields["currency"] = upper_case(properties.get("currency"))
    fields["items"] = _items(properties.get("products"))
    if is_one_of(event_name, _COMPLETED):
        fields["revenue"] = _first(properties, "revenue", "total")
    return fields


def _items(products: Any) -> Any:
    if type(products) is not list:
        return products
    return [_item(product) if type(product) is dict else product for product in products]


def _item(product: dict[str, Any]) -> dict[str, Any]:
    sku = _first(product, "sku", "product_id", "id")
    return {"sku": text(sku), "quantity": whole(product.get("quantity")), "price": product.get("price")}
