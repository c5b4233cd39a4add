"""Idle and slow connections keep nobody out, and take no more threads and files than a few."""

from __future__ import annotations

import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from ingest.service import listening
from ingest.service.listening import MAX_CONNECTIONS, BoundedServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"here")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with BoundedServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def ask(port: int) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
        content: bytes = answer.read()
        return content


def test_230_idle_connections_take_few_threads_and_keep_nobody_out(port: int) -> None:
    before = threading.active_count()
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(230)]
    assert ask(port) == b"here"
    assert threading.active_count() - before <= MAX_CONNECTIONS + 3
    for each in idle:
        each.close()


def test_a_connection_that_sends_a_byte_now_and_then_ends_at_its_deadline(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "TIMEOUT_SECONDS", 1.0)
    slow, began = socket.create_connection(("127.0.0.1", port)), time.monotonic()
    slow.settimeout(0.2)
    while time.monotonic() - began < 10:
        try:
            slow.sendall(b"G")
            if slow.recv(10) == b"":
                break
        except TimeoutError:
            continue
        except OSError:
            break
    slow.close()
    assert time.monotonic() - began < 5
    assert ask(port) == b"here"
