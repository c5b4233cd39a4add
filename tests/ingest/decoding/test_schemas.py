"""Look-ups of schemas have budgets: endless unknown numbers, slow answers and other hosts do not hold up landing."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from expectations.errors import ConfigurationError, RegistryError
from ingest.decoding import schemas as module
from ingest.decoding.formats.registry import FindSchema, JsonSchema, UnusableSchema
from ingest.decoding.schemas import schema_finder
from ingest.settings.ingest import IngestSettings, SchemaSettings
from tests.ingest.reading import events, read, refused
from tests.ingest.streams import RECEIVED

KNOWN = {"schemaType": "JSON", "schema": "{}"}
PLAIN = {"event_name": "search", "occurred_at": RECEIVED, "anonymous_id": "a1"}
PASSWORD = "pass:wörd-17"


class Registry(ThreadingHTTPServer):
    """A registry on loopback that knows the schemas 7 and 8 and answers by `answer`, after `pause` seconds."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, str | None]] = []
        self.pause = 0.0
        self.answer: Callable[[_Handler], None] = usual
        self.address = f"http://127.0.0.1:{self.server_port}"

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]


class _Handler(BaseHTTPRequestHandler):
    server: Registry

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers["Authorization"]))
        time.sleep(self.server.pause)
        self.server.answer(self)

    def send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


def usual(handler: _Handler) -> None:
    known = handler.path.endswith(("/7", "/8"))
    handler.send(200 if known else 404, json.dumps(KNOWN).encode())


@pytest.fixture
def registry() -> Iterator[Registry]:
    yield from serve()


@pytest.fixture
def elsewhere() -> Iterator[Registry]:
    yield from serve()


def serve() -> Iterator[Registry]:
    server = Registry()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def finder(registry: Registry, **given: Any) -> FindSchema:
    settings = {"address": registry.address, "timeout": "2s"} | given
    find = schema_finder(SchemaSettings.model_validate(settings))
    assert find is not None
    return find


def framed(number: int) -> bytes:
    return b"\0" + number.to_bytes(4, "big") + json.dumps(PLAIN).encode()


def test_endless_unknown_numbers_cost_a_limited_number_of_requests_and_hold_up_nothing(registry: Registry) -> None:
    find = finder(registry, unknown_schemas=20)
    unknown = [framed(1_000 + number) for number in range(1_500)]
    found = read("json", framed(7), *unknown, framed(7), find=find)
    assert len(events(found)) == 2 and {reason for _, _, reason, _ in refused(found)} == {"schema_unknown"}
    assert len(registry.asked) == 21 and len(refused(found)) == 1_500
    read("json", *unknown, find=find)
    assert len(registry.asked) == 21, "answers that a schema is unknown are kept"
    assert "not looked up" in found.refused[-1].message


def test_look_ups_in_vain_have_a_time_in_all(registry: Registry) -> None:
    registry.pause = 0.1
    found = read("json", *map(framed, range(100, 150)), find=finder(registry, unknown_time="300ms"))
    assert 3 <= len(registry.asked) <= 4 and len(refused(found)) == 50


def test_a_number_that_was_not_looked_up_is_found_in_the_next_minute(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = finder(registry, unknown_schemas=1)
    assert find(100) is None
    assert isinstance(find(8), UnusableSchema) and registry.paths == ["/schemas/ids/100"]
    monkeypatch.setattr(module, "_RETRY_SECONDS", 0.0)
    assert find(8) == JsonSchema()


def drip(handler: _Handler) -> None:
    """One byte after the other, for ever: no single read takes long."""
    try:
        for _ in range(400):
            handler.wfile.write(b"H")
            handler.wfile.flush()
            time.sleep(0.02)
    except OSError:
        pass


def drip_body(handler: _Handler) -> None:
    handler.send(200, b"", **{"Content-Length": "100000"})
    drip(handler)


@pytest.mark.parametrize("answer", [drip, drip_body])
def test_a_request_ends_at_its_deadline_however_the_answer_drips(
    registry: Registry, answer: Callable[[_Handler], None]
) -> None:
    registry.answer = answer
    began = time.monotonic()
    with pytest.raises(RegistryError, match=r"no whole answer within 0\.3 s"):
        finder(registry, timeout=timedelta(seconds=0.3))(7)
    assert time.monotonic() - began < 2


def test_a_redirect_to_another_host_is_not_followed(registry: Registry, elsewhere: Registry) -> None:
    registry.answer = lambda handler: handler.send(302, b"", Location=f"{elsewhere.address}/schemas/ids/7")
    with pytest.raises(RegistryError, match="redirect to another address"):
        finder(registry, username="ann", password=PASSWORD)(7)
    assert elsewhere.asked == []


def test_a_redirect_within_the_registry_is_followed(registry: Registry) -> None:
    def once(handler: _Handler) -> None:
        handler.send(302, b"", Location="/moved/7") if "schemas" in handler.path else usual(handler)

    registry.answer = once
    assert finder(registry)(7) == JsonSchema() and registry.paths == ["/schemas/ids/7", "/moved/7"]


def test_a_schema_that_is_too_large_refuses_its_messages_alone(registry: Registry) -> None:
    large = json.dumps({"schemaType": "JSON", "schema": "x" * 3_000}).encode()
    registry.answer = lambda handler: handler.send(200, large) if handler.path.endswith("/7") else usual(handler)
    found = read("json", framed(7), framed(8), framed(7), find=finder(registry, largest_schema=2_000))
    assert [event["offset"] for event in events(found)] == [1] and len(registry.asked) == 2
    assert found.refused[0].message == "schema 7 is larger than 2000 bytes"


def test_the_login_is_sent_from_settings_or_files_and_files_may_be_renewed(registry: Registry, tmp_path: Path) -> None:
    basic = "Basic YW5uOnBhc3M6d8O2cmQtMTc="
    secret = tmp_path / "secret"
    secret.write_text(PASSWORD + "\n", encoding="utf-8")
    for given in ({"password": PASSWORD}, {"password_file": str(secret)}):
        finder(registry, username="ann", **given)(7)
        assert registry.asked.pop()[1] == basic
    finder(registry, token="abc")(7)
    assert registry.asked.pop()[1] == "Bearer abc"
    find = finder(registry, token_file=str(secret))
    for number, token in ((7, "first"), (8, "second")):
        secret.write_text(token)
        find(number)
        assert registry.asked.pop()[1] == f"Bearer {token}"
    finder(registry)(7)
    assert registry.asked.pop()[1] is None


def test_a_refused_login_says_so_without_the_secret(registry: Registry) -> None:
    registry.answer = lambda handler: handler.send(401, b"{}")
    settings = {"username": "ann", "password": PASSWORD}
    with pytest.raises(RegistryError, match="HTTP status 401: the login is refused") as failed:
        finder(registry, **settings)(7)
    assert PASSWORD not in failed.value.message and "YW5u" not in failed.value.message
    assert PASSWORD not in repr(SchemaSettings.model_validate({"address": registry.address} | settings))


def test_a_missing_secret_is_one_clear_error(registry: Registry) -> None:
    with pytest.raises(ConfigurationError, match=r"the registry needs") as failed:
        finder(registry, token_file="nowhere/token")(7)
    assert "[ingest.schemas] token_file" in failed.value.where and registry.asked == []


@pytest.mark.parametrize(
    "given",
    [
        {"username": "ann"},
        {"password": "x"},
        {"username": "ann", "token": "x"},
        {"username": "ann", "password": "x", "password_file": "f"},
        {"token": "x", "token_file": "f"},
    ],
)
def test_half_a_login_or_two_are_an_error(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match=r"set one of them|set both, or neither"):
        SchemaSettings.model_validate(given)


def test_files_of_the_login_lie_beside_the_configuration() -> None:
    settings = IngestSettings(schemas=SchemaSettings(folder="schemas", token_file="token"))
    found = settings.beside(lambda file: f"/etc/{file}").schemas
    assert (found.folder, found.token_file, found.password_file) == ("/etc/schemas", "/etc/token", None)
