"""Messages framed for a Schema Registry are read with schemas from a folder or over HTTP, or go to quarantine."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expectations.errors import RegistryError
from ingest.decoding.formats.registry import FindSchema
from ingest.decoding.schemas import schema_finder
from ingest.settings.ingest import SchemaSettings
from tests.ingest.reading import FIXTURES, events, read, refused, rows

FOLDER = FIXTURES / "schemas"
SALE = fastavro.parse_schema(json.loads((FOLDER / "7.avsc").read_text()))
VALUE: dict[str, Any] = {
    "event_id": UUID("0f1e2d3c-0000-4000-8000-000000000001"),
    "event_name": "order_placed",
    "occurred_at": datetime(2026, 1, 1, 10, 0, 0, 123456, UTC),
    "customer_id": "u-1001",
    "revenue": Decimal("49.50"),
    "currency": "EUR",
    "items": [{"sku": "TP-BLUE", "quantity": 1, "price": 39.5}],
    "picture": b"\x00\xff",
    "day": date(2026, 1, 2),
    "tags": {"gift": "yes"},
}
PLAIN = {"event_name": "search", "occurred_at": "2026-01-01T00:00:00Z", "anonymous_id": "a1"}


def framed(number: int, value: bytes) -> bytes:
    return b"\0" + number.to_bytes(4, "big") + value


def avro(**fields: Any) -> bytes:
    out = BytesIO()
    fastavro.schemaless_writer(out, SALE, VALUE | fields)
    return out.getvalue()


def folder(where: Path = FOLDER) -> FindSchema:
    find = schema_finder(SchemaSettings(folder=str(where)))
    assert find is not None
    return find


def test_an_avro_value_becomes_an_event_with_its_types() -> None:
    (event,) = rows(read("json", framed(7, avro()), find=folder()))
    assert event["event_id"] == "0f1e2d3c-0000-4000-8000-000000000001"
    assert event["occurred_at"] == datetime(2026, 1, 1, 10, 0, 0, 123456, UTC)
    assert (event["revenue"], event["currency"]) == (Decimal("49.50"), "EUR")
    assert event["items"] == [{"sku": "TP-BLUE", "quantity": 1, "price": Decimal("39.50")}]
    assert event["properties"] == {"picture": "AP8=", "day": "2026-01-02", "tags": {"gift": "yes"}}


def test_a_json_schema_value_is_read_as_json() -> None:
    (event,) = rows(read("json", framed(8, json.dumps(PLAIN).encode()), find=folder()))
    assert event["event_name"] == "search"


def test_framed_and_bare_messages_may_be_mixed() -> None:
    found = read("json", PLAIN, framed(7, avro()), framed(8, json.dumps(PLAIN).encode()), PLAIN, find=folder())
    assert [event["offset"] for event in events(found)] == [0, 1, 2, 3]


def test_every_format_may_be_framed() -> None:
    call = {"type": "track", "event": "Cart Viewed", "userId": "u", "timestamp": "2026-01-01T00:00:00Z"}
    (track,) = rows(read("segment", framed(8, json.dumps(call).encode()), find=folder()))
    assert track["event_name"] == "cart_viewed"
    (sale,) = rows(read("json", framed(7, avro()), find=folder(), fields={"event_name": "event_name"}))
    assert sale["event_name"] == "order_placed"
    view = {"event": "page_view", "domain_userid": "d", "derived_tstamp": "2026-01-01T00:00:00Z"}
    (seen,) = rows(read("snowplow", framed(8, json.dumps(view).encode()), find=folder()))
    assert seen["event_name"] == "page_view"
    headers = tuple((f"ce_{name}", b"1.0") for name in ("id", "source", "type", "specversion"))
    (event,) = rows(read("cloudevents", framed(7, avro()), find=folder(), headers=headers))
    assert event["event_name"] == "order_placed"


@pytest.mark.parametrize("form", ["json", "segment", "ga4", "snowplow", "cloudevents"])
def test_without_schemas_a_framed_message_goes_to_quarantine(form: str) -> None:
    found = read(form, framed(7, avro()))
    assert refused(found) == [(0, None, "schema_unknown", None)]
    assert "schema 7" in found.refused[0].message


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (framed(9, avro()), "schema_unknown"),
        (b"\0\0\0", "not_json"),
        (framed(7, b""), "not_avro"),
        (framed(7, avro()[:-3]), "not_avro"),
        (framed(7, avro() + b"x"), "not_avro"),
        (framed(7, b"\xff" * 40), "not_avro"),
        (framed(8, b"{"), "not_json"),
        (framed(8, b"\xff"), "not_utf8"),
        (framed(8, b"5"), "not_object"),
    ],
)
def test_a_bad_framed_message_is_refused_alone(value: bytes, reason: str) -> None:
    found = read("json", PLAIN, value, PLAIN, find=folder())
    assert [(refusal.offset, refusal.part, refusal.reason) for refusal in found.refused] == [(1, None, reason)]
    assert [event["offset"] for event in events(found)] == [0, 2]


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=80), st.integers(0, 60), st.binary(max_size=4))
def test_framed_random_bytes_land_or_are_refused(noise: bytes, at: int, middle: bytes) -> None:
    whole = avro()
    found = read("json", framed(7, noise), framed(7, whole[:at] + middle + whole[at + 1 :]), find=folder())
    assert sorted([e["offset"] for e in events(found)] + [r.offset for r in found.refused]) == [0, 1]


def test_a_schema_added_later_is_found(tmp_path: Path) -> None:
    find = folder(tmp_path)
    assert find(7) is None
    (tmp_path / "7.avsc").write_bytes((FOLDER / "7.avsc").read_bytes())
    (event,) = rows(read("json", framed(7, avro()), find=find))
    assert event["event_name"] == "order_placed"


@pytest.mark.parametrize(
    "text", ["", "{", "5", '{"type": "record"}', '{"type": "dream"}', '["null", "example.Missing"]']
)
def test_an_invalid_schema_refuses_its_messages_only(tmp_path: Path, text: str) -> None:
    (tmp_path / "7.avsc").write_text(text)
    assert refused(read("json", framed(7, avro()), find=folder(tmp_path))) == [(0, None, "schema_unknown", None)]


@contextmanager
def registry(answers: dict[str, tuple[int, Any]]) -> Iterator[tuple[FindSchema, list[str]]]:
    """A registry on loopback, and the requested paths."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            status, body = answers.get(self.path, (404, {"error_code": 40403, "message": "Schema not found"}))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        address = f"http://127.0.0.1:{server.server_port}/registry/"
        find = schema_finder(SchemaSettings(address=address, timeout=timedelta(seconds=2)))
        assert find is not None
        yield find, asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_each_schema_is_requested_from_the_registry_once() -> None:
    answers = {
        "/registry/schemas/ids/7": (200, {"schema": (FOLDER / "7.avsc").read_text()}),
        "/registry/schemas/ids/8": (200, {"schemaType": "JSON", "schema": "{}"}),
        "/registry/schemas/ids/6": (200, {"schemaType": "PROTOBUF", "schema": 'syntax = "proto3";'}),
    }
    sent = [framed(7, avro()), framed(8, json.dumps(PLAIN).encode()), framed(6, b"\0"), framed(5, b"")]
    with registry(answers) as (find, asked):
        found = read("json", *sent, *sent, find=find)
    assert [event["offset"] for event in events(found)] == [0, 1, 4, 5]
    assert {refusal.reason for refusal in found.refused} == {"schema_unknown"}
    assert sorted(asked) == [f"/registry/schemas/ids/{number}" for number in (5, 6, 7, 8)]


@pytest.mark.parametrize("answer", [(500, {}), (401, {}), (200, b"<html>")])
def test_a_failing_registry_raises_and_refuses_nothing(answer: tuple[int, Any]) -> None:
    with registry({"/registry/schemas/ids/7": answer}) as (find, _), pytest.raises(RegistryError):
        read("json", PLAIN, framed(7, avro()), find=find)


def test_an_unreachable_registry_raises() -> None:
    with registry({}) as (find, _):
        pass
    with pytest.raises(RegistryError, match="does not answer"):
        read("json", framed(7, avro()), find=find)


def test_the_folder_is_searched_before_the_registry() -> None:
    find = schema_finder(SchemaSettings(folder=str(FOLDER), address="http://127.0.0.1:9"))
    assert len(rows(read("json", framed(7, avro()), find=find))) == 1


GUID = "0f1e2d3c-0000-4000-8000-00000000000a"
BY_NUMBER = (("__value_schema_id", b"\0\0\0\0\7"),)
BY_GUID = (("trace", b"1"), ("__value_schema_id", b"\1" + UUID(GUID).bytes))


@pytest.mark.parametrize("headers", [BY_NUMBER, BY_GUID])
@pytest.mark.parametrize("fields", [{}, {name: name for name in ("event_name", "occurred_at", "customer_id")}])
def test_the_schema_may_be_named_in_a_header(headers: Any, fields: dict[str, str], tmp_path: Path) -> None:
    for name in ("7", GUID):
        (tmp_path / f"{name}.avsc").write_text((FOLDER / "7.avsc").read_text())
    (event,) = rows(read("json", avro(), find=folder(tmp_path), headers=headers, fields=fields))
    assert (event["event_name"], event["customer_id"]) == ("order_placed", "u-1001")


def test_json_beside_a_header_needs_no_schema_and_other_headers_are_left_alone() -> None:
    found = read("json", PLAIN, json.dumps(PLAIN).encode()[:-1], find=None, headers=BY_NUMBER)
    assert found.events.height == 1
    assert [(one.reason, one.message) for one in found.refused] == [
        ("schema_unknown", "schema 7: [ingest.schemas] is not configured")
    ]
    [other] = read("json", avro(), find=folder(), headers=(("__value_schema_id", b"7"),)).refused
    assert other.reason == "not_utf8"


def test_a_guid_is_asked_for_at_its_own_address() -> None:
    address = f"/registry/schemas/guids/{GUID}"
    with registry({address: (200, {"schema": (FOLDER / "7.avsc").read_text()})}) as (find, asked):
        assert len(rows(read("json", avro(), avro(), find=find, headers=BY_GUID))) == 2
        assert asked == [address]
