"""The `segment` format: calls of the Segment spec (track, page, screen, identify, group, alias), alone or as a batch.

A call becomes one event. Its name is the track event's in lower case words; the others are called page_viewed,
screen_viewed, identify, group and alias. The call's `properties` are kept as they are; its `context`, its `traits`
and what else it carries lie beside them under their own names. What a batch says for all its calls holds for each.

Identify ties `userId` to `anonymousId`; alias ties `previousId`, read as an anonymous id, to `userId`. A group is not
a person: `groupId` identifies nobody.
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
_ORDERED: Final = frozenset({"order_completed", "completed_order"})
_ORDERS: Final = _ORDERED | {"order_updated", "order_refunded", "order_cancelled"}
_READ: Final = frozenset(
    {"anonymousId", "event", "messageId", "originalTimestamp", "previousId", "properties", "timestamp", "userId"}
)
_TRANSPORT: Final = frozenset(
    {"_metadata", "batch", "channel", "integrations", "receivedAt", "sentAt", "type", "version", "writeKey"}
)
_LEFT_OUT: Final = _READ | _TRANSPORT


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
        return read_parts([_inheriting(call, shared) for call in document["batch"]], _event)
    return read_parts([document], _event)


def _inheriting(call: Any, shared: dict[str, Any]) -> Any:
    """The call with what its batch says, where it does not say it itself; contexts are laid over one another."""
    if type(call) is not dict:
        return call
    joined = shared | call
    contexts = shared.get("context"), call.get("context")
    if all(type(context) is dict for context in contexts):
        joined["context"] = contexts[0] | contexts[1]  # type: ignore[operator] # both are objects
    return joined


def _event(call: dict[str, Any]) -> Event:
    kind = call.get("type")
    if kind not in _CALLS:
        reason = "missing_field" if kind is None else "not_allowed"
        raise InvalidPart(reason, "type", f"expected one of {', '.join(_CALLS)}")
    properties, context = child(call, "properties"), child(call, "context")
    page, campaign, machine = child(context, "page"), child(context, "campaign"), child(context, "device")
    event_name = _NAMES[kind] if kind in _NAMES else name(call.get("event"))
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
            device_id=text(machine.get("id")),
            advertising_id=text(machine.get("advertisingId")),
            anonymous_id=text(call.get("previousId")),
        ),
        **_order(event_name, properties),
        "url": page.get("url") or _page_field(kind, properties, "url"),
        "referrer": page.get("referrer") or _page_field(kind, properties, "referrer"),
        "campaign": campaign.get("name"),
        "source": campaign.get("source"),
        "medium": campaign.get("medium"),
        "device": device(machine.get("type")),
        "country": child(context, "location").get("country"),
        "properties": {field: value for field, value in call.items() if field not in _LEFT_OUT} | properties,
    }


def _channel(call: dict[str, Any], context: dict[str, Any]) -> Any:
    told = call.get("channel") or context.get("channel")
    known = _CHANNELS.get(told) if type(told) is str else None
    return known or ("app" if call["type"] == "screen" else None)


def _first(call: dict[str, Any], *fields: str) -> Any:
    return next((call[field] for field in fields if call.get(field) is not None), None)


def _page_field(kind: str, properties: dict[str, Any], field: str) -> Any:
    return properties.get(field) if kind == "page" else None


def _order(event_name: Any, properties: dict[str, Any]) -> dict[str, Any]:
    """The order of an order event. Only the event that completes it has revenue, so that each order counts once."""
    fields: dict[str, Any] = dict.fromkeys(("order_id", "revenue", "currency", "items"))
    if not is_one_of(event_name, _ORDERS):
        return fields
    fields["order_id"] = text(properties.get("order_id"))
    fields["currency"] = upper_case(properties.get("currency"))
    fields["items"] = _items(properties.get("products"))
    if is_one_of(event_name, _ORDERED):
        fields["revenue"] = _first(properties, "revenue", "total")
    return fields


def _items(products: Any) -> Any:
    if type(products) is not list:
        return products
    return [_item(product) if type(product) is dict else product for product in products]


def _item(product: dict[str, Any]) -> dict[str, Any]:
    sku = _first(product, "sku", "product_id", "id")
    return {"sku": text(sku), "quantity": whole(product.get("quantity")), "price": product.get("price")}
