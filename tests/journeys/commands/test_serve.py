"""`journeys serve` shows the report to this machine's browsers, and nothing else to nobody else."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from journeys.commands.serve import server


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    site, outside = tmp_path / "site", tmp_path / "outside"
    (site / "runs" / "a").mkdir(parents=True)
    outside.mkdir()
    (outside / "secret.txt").write_text("secret")
    (site / "index.html").write_text("front")
    (site / "runs" / "a" / "summary.html").write_text("summary")
    (site / "link.html").symlink_to(outside / "secret.txt")
    (site / "folder").symlink_to(outside)
    (site / "inside.html").symlink_to(site / "index.html")
    with server(site, 0) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running.server_port
        running.shutdown()
        thread.join()


def ask(port: int, path: str, host: str | None = None, method: str = "GET") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, headers={} if host is None else {"Host": host})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "localhost:8000", "LOCALHOST"])
def test_this_machine_is_answered_by_its_own_names(port: int, host: str) -> None:
    assert ask(port, "/", host) == (200, "front")
    assert ask(port, "/runs/a/summary.html", host) == (200, "summary")
    assert ask(port, "/inside.html", host) == (200, "front")


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8000", "evil.example@", "", "0.0.0.0"]
)
def test_another_host_is_refused(port: int, host: str) -> None:
    status, text = ask(port, "/", host)
    assert status == 421 and "front" not in text


@pytest.mark.parametrize(
    "path",
    [
        *("/link.html", "/folder/secret.txt", "/../outside/secret.txt", "/%2e%2e/outside/secret.txt"),
        *("/runs/..%2f..%2foutside/secret.txt", "/folder/../secret.txt", "//outside/secret.txt"),
    ],
)
def test_nothing_outside_the_site_is_served(port: int, path: str) -> None:
    status, text = ask(port, path)
    assert status == 404 and "secret" not in text


def test_folders_are_not_listed_and_nothing_is_changed(port: int) -> None:
    assert ask(port, "/runs/")[0] == ask(port, "/runs/a/")[0] == 404
    assert {ask(port, "/", method=method)[0] for method in ("POST", "PUT", "DELETE", "OPTIONS")} == {501}
