"""A mapping reads event fields from any path of a message; an invalid mapping is explained."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from expectations.config.file import ConfigFile
from expectations.errors import ConfigurationError
from expectations.hashing import email_hash, phone_hash
from ingest.decoding.decode import decode
from ingest.decoding.formats.envelope import InvalidPart
from ingest.decoding.formats.times import parse_epoch, parse_time
from ingest.message import Partition
from ingest.settings.ingest import IngestSettings, Limits, Stream
from tests.ingest.decoding.formats.test_segment import anything
from tests.ingest.reading import events, read, refused, rows
from tests.ingest.streams import RECEIVED, Sent

BERLIN = ZoneInfo("Europe/Berlin")
TILL = {
    "receipt": 90001,
    "type": "SaleClosed",
    "at": "31.01.2026 13:00:00",
    "store": {"no": 7, "country": "DE"},
    "card": {"loyalty": "L-5", "e.mail": "hash-1"},
    "sum": "59.40",
    "cur": "eur",
    "lines": [{"art": 501, "n": "2", "unit": {"gross": "29.70"}}],
    "source": {"system": "till"},
}
FIELDS: dict[str, Any] = {
    "event_id": "receipt",
    "event_name": "type",
    "occurred_at": {"path": "at", "time": "%d.%m.%Y %H:%M:%S", "zone": "Europe/Berlin"},
    "kind": {"value": "order"},
    "channel": {"value": "store"},
    "identities.loyalty_id": "card.loyalty",
    "identities.email_hash": 'card."e.mail"',
    "order_id": "receipt",
    "revenue": "sum",
    "currency": "cur",
    "items": {"path": "lines", "each": {"sku": "art", "quantity": "n", "price": "unit.gross"}},
    "country": {"path": ["shipping.country", "store.country"], "default": "XX"},
    "properties.store": "store.no",
}


def one(message: dict[str, Any], fields: dict[str, Any], **stream: Any) -> dict[str, Any]:
    (event,) = rows(read("json", message, fields=fields, **stream))
    return event


def test_a_mapping_converts_a_foreign_message_to_an_order() -> None:
    event = one(TILL, FIELDS)
    assert (event["event_id"], event["event_name"], event["kind"], event["channel"]) == (
        "90001",
        "sale_closed",
        "order",
        "store",
    )
    assert event["occurred_at"] == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert event["identities"] == {"loyalty_id": "L-5", "email_hash": "hash-1"}
    assert (event["order_id"], event["revenue"], event["currency"], event["country"]) == (
        "90001",
        Decimal("59.40"),
        "EUR",
        "DE",
    )
    assert event["items"] == [{"sku": "501", "quantity": 2, "price": Decimal("29.70")}]


def test_fields_moved_as_a_whole_are_removed_and_the_rest_is_kept() -> None:
    properties = one(TILL, FIELDS)["properties"]
    assert set(properties) == {"store", "card", "source"}
    assert (properties["store"], properties["source"]) == (7, {"system": "till"})


def test_only_mapped_values_become_fields() -> None:
    event = one(TILL | {"channel": "ignored"}, FIELDS)
    assert event["source"] is None and event["channel"] == "store"
    assert event["properties"]["channel"] == "ignored"


def test_the_rest_may_be_dropped() -> None:
    assert one(TILL, FIELDS, rest="drop")["properties"] == {"store": 7}
    plain = {"event_name": "x", "occurred_at": RECEIVED, "anonymous_id": "a", "secret": 1, "properties": {"other": 2}}
    assert one(plain, {}, rest="drop")["properties"] == {}


def test_paths_can_refer_to_key_time_and_headers_of_the_record() -> None:
    fields = {"event_name": "what", "customer_id": "@key", "occurred_at": "@timestamp", "channel": "@header.via"}
    stream = Stream.model_validate({"topic": "t", "kind": "clickstream", "fields": fields})
    records = [
        Sent(0, b'{"what": "ping"}', RECEIVED, b"c9", (("via", b"app"),)),
        Sent(1, b'{"what": "ping"}', RECEIVED, b"\xff", (("via", b"\xff"),)),
    ]
    first, second = decode(records, Partition("t", 0), stream, Limits()).events.sort("offset").iter_rows(named=True)
    assert (first["event_name"], first["customer_id"], first["channel"]) == ("ping", "c9", "app")
    assert first["occurred_at"] == datetime(2026, 1, 1, tzinfo=UTC)
    assert (second["customer_id"], second["channel"]) == (None, "unknown")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"path": "a", "default": "d"}, "x"),
        ({"path": "missing", "default": "d"}, "d"),
        ({"path": "blank", "default": "d"}, "d"),
        ({"path": "null", "default": "d"}, "d"),
        ({"path": ["null", "list.1.k"]}, "second"),
        ({"path": "list.9.k"}, None),
        ({"path": "a.deeper"}, None),
        ({"value": "constant"}, "constant"),
    ],
)
def test_paths_defaults_and_constants(fields: dict[str, Any], expected: str | None) -> None:
    message = {"a": "x", "blank": "", "null": None, "list": [{"k": "first"}, {"k": "second"}], "t": RECEIVED}
    assert one(message, {"occurred_at": "t", "url": fields})["url"] == expected


def test_only_the_first_rule_for_a_name_is_applied() -> None:
    rules = [
        {"events": ["Umfrage", "survey"], "kind": "feedback", "fields": {"survey": {"value": "ces"}, "score": "s"}},
        {"events": "survey", "fields": {"survey": {"value": "nps"}}},
        {"events": "search", "fields": {"event_name": {"value": "search_performed"}}},
    ]
    base = {"occurred_at": RECEIVED, "customer_id": "c"}
    sent = [base | {"event_name": name, "s": "6.5"} for name in ("survey", "search", "other")]
    survey, search, other = rows(read("json", *sent, rules=rules))
    assert (survey["kind"], survey["survey"], survey["score"]) == ("feedback", "ces", 6.5)
    assert (search["event_name"], other["event_name"], other["kind"]) == ("search_performed", "other", "clickstream")


@pytest.mark.parametrize(
    ("value", "unit", "instant"),
    [
        (1_767_225_600, "seconds", "2026-01-01T00:00:00+00:00"),
        (1_767_225_600.25, "seconds", "2026-01-01T00:00:00.250000+00:00"),
        ("1767225600000", "milliseconds", "2026-01-01T00:00:00+00:00"),
        (1_767_225_600_000_001, "microseconds", "2026-01-01T00:00:00.000001+00:00"),
        (-1, "seconds", "1969-12-31T23:59:59+00:00"),
    ],
)
def test_epoch_times(value: Any, unit: str, instant: str) -> None:
    assert parse_epoch(value, unit) == instant


@pytest.mark.parametrize("value", ["", "soon", "NaN", "Infinity", 1e300, None, True, [], {}, "1e999"])
def test_an_invalid_epoch_is_refused(value: Any) -> None:
    with pytest.raises(InvalidPart) as invalid:
        parse_epoch(value, "seconds")
    assert invalid.value.fault[:2] == ("bad_timestamp", "occurred_at")


@pytest.mark.parametrize(
    ("value", "ambiguous", "instant"),
    [
        ("2026-07-01T12:00:00", "refuse", "2026-07-01T10:00:00+00:00"),
        ("2026-10-25T02:30:00", "earlier", "2026-10-25T00:30:00+00:00"),
        ("2026-10-25T02:30:00", "later", "2026-10-25T01:30:00+00:00"),
        ("2026-10-25T02:30:00", "refuse", None),
        ("2026-03-29T02:30:00", "refuse", None),
        ("2026-03-29T02:30:00", "earlier", None),
        ("2026-10-25T02:30:00+01:00", "refuse", "2026-10-25T01:30:00+00:00"),
        ("0001-01-01T00:00:00+14:00", "refuse", None),
    ],
)
def test_local_times_in_repeated_and_skipped_hours(value: str, ambiguous: Any, instant: str | None) -> None:
    if instant is None:
        with pytest.raises(InvalidPart):
            parse_time(value, "iso", BERLIN, ambiguous)
    else:
        assert parse_time(value, "iso", BERLIN, ambiguous) == instant


@settings(max_examples=200, deadline=None)
@given(st.datetimes(datetime(1990, 1, 1), datetime(2050, 1, 1)))  # noqa: DTZ001 - a clock on a wall
def test_a_local_time_round_trips_through_its_zone(moment: datetime) -> None:
    try:
        instant = datetime.fromisoformat(parse_time(moment.isoformat(), "iso", BERLIN, "refuse"))
    except InvalidPart:
        hour = moment.replace(minute=0, second=0, microsecond=0)
        changes = {(hour + timedelta(hours=step)).replace(tzinfo=BERLIN).utcoffset() for step in (-3, 3)}
        assert len(changes) == 2
    else:
        assert instant.astimezone(BERLIN).replace(tzinfo=None) == moment


def test_a_time_without_a_zone_is_refused_if_the_mapping_has_none() -> None:
    found = read(
        "json", TILL | {"at": "2026-01-01T00:00:00"}, fields=FIELDS | {"occurred_at": {"path": "at", "time": "iso"}}
    )
    assert refused(found) == [(0, 0, "bad_timestamp", "occurred_at")]


@pytest.mark.parametrize(
    ("message", "reason", "field"),
    [
        ({"at": "2026-01-31"}, "bad_timestamp", "occurred_at"),
        ({"at": 5}, "bad_timestamp", "occurred_at"),
        ({"sum": "much"}, "wrong_type", "revenue"),
        ({"sum": [1]}, "wrong_type", "revenue"),
        ({"lines": "none"}, "wrong_type", "items"),
        ({"lines": [{"art": 1, "n": 1.5}]}, "wrong_type", "items"),
        ({"card": {"loyalty": ["L"]}}, "wrong_type", "identities"),
        ({"receipt": {"no": 1}}, "wrong_type", "event_id"),
        ({"type": None}, None, None),
    ],
)
def test_a_bad_message_is_refused_alone(message: dict[str, Any], reason: str | None, field: str | None) -> None:
    found = read("json", TILL, TILL | message, TILL, fields=FIELDS)
    if reason:
        assert refused(found) == [(1, 0, reason, field)]
        assert [event["offset"] for event in events(found)] == [0, 2]
    else:
        assert events(found)[1]["event_name"] is None


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(list(TILL)), anything, min_size=1, max_size=4))
def test_a_message_with_any_field_value_lands_or_is_refused(message: dict[str, Any]) -> None:
    found = read("json", TILL, TILL | message, fields=FIELDS)
    assert sorted([e["offset"] for e in events(found)] + [r.offset for r in found.refused]) == [0, 1]


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        ({"fields": {"colour": "c"}}, "'colour' is not an event field"),
        ({"fields": {"identities.": "c"}}, "is not an event field"),
        ({"fields": {"url": {}}}, "either path or value"),
        ({"fields": {"url": {"path": "a", "value": "b"}}}, "either path or value"),
        ({"fields": {"occurred_at": {"path": "t", "time": "epoch"}}}, "expected one of rfc3339"),
        ({"fields": {"occurred_at": {"path": "t", "time": "%H:%M%.f", "zone": "UTC"}}}, "a strptime format"),
        ({"fields": {"occurred_at": {"path": "t", "time": "%d.%m.%Y"}}}, "needs a zone"),
        ({"fields": {"occurred_at": {"path": "t", "zone": "Europe/Bremen"}}}, "expected a time zone"),
        ({"fields": {"items": {"path": "l", "each": {"name": "n"}}}}, "'name' is not an item field"),
        ({"rules": [{"events": []}]}, "at least 1"),
        ({"format": "avro"}, "json"),
    ],
)
def test_an_invalid_mapping_is_explained(stream: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Stream.model_validate({"topic": "t", "kind": "order"} | stream)


TOML = """
[[ingest.streams]]
topic = "till"
kind = "order"

[ingest.streams.fields]
event_name = "type"
occurred_at = { path = "at", time = "%d.%m.%Y %H:%M:%S", zone = "Europe/Berlin" }
"identities.loyalty_id" = "card.loyalty"

[[ingest.streams.rules]]
events = "survey"
fields = { score = "score" }
"""


def test_the_error_for_an_invalid_mapping_names_the_line(tmp_path: Path) -> None:
    file = tmp_path / "journeys.toml"
    file.write_text(TOML)
    stream = ConfigFile.open(file, ("ingest",)).section("ingest", IngestSettings).streams[0]
    assert stream.fields["occurred_at"].zone == "Europe/Berlin"
    file.write_text(TOML.replace("Europe/Berlin", "Europe/Bremen"))
    with pytest.raises(ConfigurationError, match="line 8"):
        ConfigFile.open(file, ("ingest",)).section("ingest", IngestSettings)


MEMBER = {
    "event_name": "sale_closed",
    "occurred_at": "2026-01-31T12:00:00Z",
    "member": {"id": "m1", "mail": " Ann@Example.com", "phone": "030 123456", "notes": ["ann@example.com", "gold"]},
    "contact": "ann@example.com ",
}
HASHED: dict[str, Any] = {
    "event_name": "event_name",
    "occurred_at": "occurred_at",
    "customer_id": "member.id",
    "identities.email_hash": {"path": ["mail", "member.mail"], "hash": "email"},
    "identities.phone_hash": {"path": "member.phone", "hash": "phone", "calling_code": "49"},
}


def test_a_hashed_address_is_stored_nowhere_else() -> None:
    event = one(MEMBER, HASHED)
    assert event["identities"] == {
        "email_hash": email_hash("ann@example.com"),
        "phone_hash": phone_hash("+4930123456"),
    }
    assert event["properties"] == {"member": {"id": "m1", "notes": ["gold"]}}
    assert "example" not in json.dumps(event, default=str)


def test_a_value_that_is_not_an_address_is_neither_hashed_nor_stored() -> None:
    event = one(MEMBER | {"member": {"id": "m1", "mail": "ann at home", "phone": 7}}, HASHED)
    assert event["identities"] == {} and event["properties"]["member"] == {"id": "m1"}


def test_hashes_work_with_other_formats() -> None:
    call = {"type": "identify", "userId": "u1", "timestamp": "2026-01-01T00:00:00Z", "traits": {"email": "a@b.de"}}
    fields = {"identities.email_hash": {"path": "traits.email", "hash": "email"}}
    (event,) = rows(read("segment", call, fields=fields))
    assert event["identities"] == {"email_hash": email_hash("a@b.de")} and event["properties"] == {"traits": {}}


@pytest.mark.parametrize(
    ("origin", "message"),
    [({"path": "a", "hash": "md5"}, "email, phone"), ({"value": "a@b.de", "hash": "email"}, "needs a path")],
)
def test_an_invalid_hash_is_explained(origin: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Stream.model_validate({"topic": "t", "kind": "order", "fields": {"identities.email_hash": origin}})


def test_of_several_forms_of_a_time_the_first_that_fits_is_used() -> None:
    fields = {"occurred_at": {"path": "at", "time": ["rfc3339", "%d.%m.%Y %H:%M", "seconds"], "zone": "UTC"}}
    good = ["2026-01-01T00:00:00Z", "01.01.2026 00:00", "1767225600", 1_767_225_600_000]
    found = read(
        "json", *({"event_name": "a", "at": at} for at in [*good, "soon"]), fields={"event_name": "event_name"} | fields
    )
    assert found.events["occurred_at"].unique().to_list() == [datetime(2026, 1, 1, tzinfo=UTC)]
    assert [(refusal.offset, refusal.reason) for refusal in found.refused] == [(4, "bad_timestamp")]


def test_amounts_are_scaled_by_a_number_or_by_their_currency() -> None:
    fields = {"event_name": "event_name", "occurred_at": "at", "currency": "currency"}
    base = {"event_name": "a", "at": "2026-01-01T00:00:00Z"}
    money = [(2000, "eur"), ("2000", "JPY"), (2000, "kwd"), (2000, None)]
    messages = [base | {"amount": amount, "currency": currency} for amount, currency in money]
    minor = read("json", *messages, fields=fields | {"revenue": {"path": "amount", "scale": "minor_units"}})
    assert [str(value) for value in minor.events["revenue"]] == ["20.00", "2000.00", "2.00", "20.00"]
    cents = read(
        "json", *messages, base | {"amount": "x"}, fields=fields | {"revenue": {"path": "amount", "scale": 0.01}}
    )
    assert {str(value) for value in cents.events["revenue"]} == {"20.00"}
    assert [(refusal.offset, refusal.field) for refusal in cents.refused] == [(4, "revenue")]


def test_a_path_enters_a_text_that_is_json_and_a_hash_leaves_it() -> None:
    fields = {
        "event_name": "event_name",
        "occurred_at": "at",
        "customer_id": "user.id",
        "identities.email_hash": {"path": "user.mails.0", "hash": "email"},
    }
    user = json.dumps({"id": 7, "mails": ["Ann@shop.example"]})
    message = {"event_name": "a", "at": "2026-01-01T00:00:00Z", "user": user}
    [event, plain] = rows(read("json", message, message | {"user": "{no json"}, fields=fields))
    assert (event["customer_id"], set(event["identities"])) == ("7", {"email_hash"})
    assert json.loads(event["properties"]["user"]) == {"id": 7, "mails": []}
    assert (plain["customer_id"], plain["properties"]) == (None, {"user": "{no json"})


@pytest.mark.parametrize(
    "fields",
    [
        {"revenue": {"path": "amount", "scale": "cents"}},
        {"revenue": {"path": "amount", "scale": -1}},
        {"country": {"path": "amount", "scale": 0.01}},
        {"occurred_at": {"path": "at", "time": []}},
        {"occurred_at": {"path": "at", "time": ["iso", "%d.%m.%Y"]}},
    ],
)
def test_a_scale_or_a_time_without_a_meaning_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Stream.model_validate({"topic": "t", "kind": "clickstream", "fields": fields})


VISIT: dict[str, Any] = {
    "visitor": 17,
    "site": {"currency": "eur"},
    "actions": [
        {"kind": "view", "at": 1767225600, "address": "https://shop.example/", "title": "Home"},
        {"kind": "sale", "at": 1767225660, "sum": 12.5},
    ],
}
OF_ACTIONS: dict[str, Any] = {
    "customer_id": "@message.visitor",
    "event_name": "kind",
    "occurred_at": {"path": "at", "time": "seconds"},
    "url": "address",
    "revenue": "sum",
    "currency": "@message.site.currency",
}


def test_each_element_of_a_list_is_an_event_that_can_reach_its_message() -> None:
    view, sale = rows(read("json", VISIT, fields=OF_ACTIONS, elements="actions"))
    assert (view["event_name"], view["url"], view["properties"]) == ("view", "https://shop.example/", {"title": "Home"})
    assert (sale["customer_id"], sale["revenue"], sale["currency"]) == ("17", Decimal("12.50"), "EUR")
    assert [view["event_id"], sale["event_id"]] == ["k:t:0:0", "k:t:0:0:1"]
    assert (view["part"], sale["part"]) == (0, 1)


def test_a_list_may_lie_deeper_and_in_a_text() -> None:
    message = {"data": json.dumps({"visits": [VISIT]})}
    found = rows(read("json", message, fields=OF_ACTIONS, elements="data.visits.0.actions"))
    assert [event["event_name"] for event in found] == ["view", "sale"]
    assert {event["customer_id"] for event in found} == {None}


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        (None, ("missing_field", "actions", None)),
        ("view", ("wrong_type", "actions", None)),
        ([5], ("not_object", None, 0)),
        ([{"kind": "view", "at": "yesterday"}], ("bad_timestamp", "occurred_at", 0)),
    ],
)
def test_an_element_that_is_no_event_is_refused_alone(
    actions: Any, expected: tuple[str, str | None, int | None]
) -> None:
    found = read("json", VISIT | {"actions": actions}, VISIT, fields=OF_ACTIONS, elements="actions")
    [refusal] = found.refused
    assert (refusal.reason, refusal.field, refusal.part) == expected
    assert found.events.height == 2


def test_an_empty_list_has_no_event() -> None:
    found = read("json", VISIT | {"actions": []}, fields=OF_ACTIONS, elements="actions")
    assert (found.events.height, found.refused) == (0, [])


@pytest.mark.parametrize("stream", [{"fields": {}}, {"format": "segment", "fields": OF_ACTIONS}])
def test_elements_need_fields_of_json(stream: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="elements need"):
        Stream.model_validate({"topic": "t", "kind": "clickstream", "elements": "actions"} | stream)
