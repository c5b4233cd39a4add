"""`make pin` writes the digests that a registry has, all of them or none."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DIGEST = "sha256:" + "ab" * 32


class Registry(BaseHTTPRequestHandler):
    """A registry that gives anonymous readers a token, as public ones do, and has one image."""

    def do_HEAD(self) -> None:
        if self.headers.get("Authorization") != "Bearer for-anyone":
            self.send_response(401)
            realm = f"http://127.0.0.1:{self.server.server_port}/token"  # type: ignore[attr-defined]
            self.send_header("WWW-Authenticate", f'Bearer realm="{realm}",service="here",scope="repository:a:pull"')
        elif self.path == "/v2/shop/tool/manifests/1.0":
            self.send_response(200)
            self.send_header("Docker-Content-Digest", DIGEST)
        else:
            self.send_response(404)
        self.end_headers()

    def do_GET(self) -> None:
        body = b'{"token": "for-anyone"}' if self.path == "/token?service=here&scope=repository%3Aa%3Apull" else b"{}"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def registry() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def pinned(folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "pin.py").write_text((ROOT / "deploy" / "pin.py").read_text())
    return subprocess.run([sys.executable, folder / "pin.py"], capture_output=True, text=True, check=False)


def test_digests_are_written_after_the_tags_and_again(tmp_path: Path, registry: str) -> None:
    dockerfile, compose = tmp_path / "Dockerfile", tmp_path / "compose.yaml"
    dockerfile.write_text(f"FROM {registry}/shop/tool:1.0 AS build\nFROM {registry}/shop/tool:1.0\n")
    compose.write_text(f"services:\n  tool:\n    image: {registry}/shop/tool:1.0\n  own:\n    image: journeys\n")
    for _ in range(2):
        assert pinned(tmp_path).returncode == 0
        image = f"{registry}/shop/tool:1.0@{DIGEST}"
        assert dockerfile.read_text() == f"FROM {image} AS build\nFROM {image}\n"
        assert compose.read_text() == f"services:\n  tool:\n    image: {image}\n  own:\n    image: journeys\n"


def test_nothing_is_written_and_it_says_so_where_a_registry_cannot_be_read(tmp_path: Path, registry: str) -> None:
    dockerfile = tmp_path / "Dockerfile"
    text = f"FROM {registry}/shop/tool:1.0\nFROM {registry}/shop/tool:2.0\nFROM 127.0.0.1:9/shop/tool:1.0\n"
    dockerfile.write_text(text)
    done = pinned(tmp_path)
    assert done.returncode == 3 and dockerfile.read_text() == text
    first, *images, advice = done.stderr.splitlines()
    assert first == "No digest was written: a registry cannot be read from here."
    assert [line.split(": ")[0].strip() for line in images] == [
        f"{registry}/shop/tool:2.0",
        "127.0.0.1:9/shop/tool:1.0",
    ]
    assert "404" in images[0] and "refused" in images[1] and advice.startswith("  do: ")
