"""A small lake with hostile names, and the explorer on it."""

from __future__ import annotations

import http.client
import json
import random
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from analytics import PathRules, Paths
from explorer.proxy.settings import ExploreSettings
from explorer.server import listener, server_of
from journeys.explore import source_of

START = datetime(2026, 1, 5, tzinfo=UTC)
HOSTILE = '</script><img src=x onerror="window.pwned=1"> | a [b is c]'
QUOTED = '-it\'s "on" sale'
WORDS = ("Home", "Search", "Cart", HOSTILE, QUOTED, "Order")
DEVICES = ("phone", "desktop", 'tab, "let" and more', None)
NO_ANSWER = (None, None)
CONFIG = """
[lake]
address = "lake"
[paths]
goal = ["Order"]
context = ["device", "country"]
values = ["revenue"]
[report]
segments = ["device", "country"]
[report.segment_names]
device = "Device"
[[segments]]
name = "On a phone"
all = [{ attribute = "device", is = ["phone"] }]
"""


def written(folder: Path, customers: int = 300) -> Path:
    """Writes a lake of random customers, and its configuration; returns the file."""
    rows, draw, asking = [], random.Random(7), random.Random(8)
    for number in range(customers):
        at, device, likes = START + timedelta(hours=draw.randrange(70 * 24)), draw.choice(DEVICES), draw.random()
        for _ in range(draw.randrange(1, 9)):
            word = draw.choices(WORDS, (6, 4, 3 if likes < 0.6 else 1, 2, 2, 2))[0]
            country = draw.choice(("DE", "FR", None))
            survey, score = (
                (asking.choice(("csat", "nps", "ces")), float(asking.randrange(1, 6)))
                if word == "Search"
                else NO_ANSWER
            )
            revenue = draw.choice((None, 5.0, 20.0))
            rows.append((f"secret-key-{number}", at, word, device, country, revenue, survey, score))
            at += timedelta(minutes=draw.choice((0, 1, 30, 600, 4000)))
    names = ["customer", "at", "touchpoint", "device", "country", "revenue", "survey", "score"]
    frame = pl.DataFrame(rows, schema=names, orient="row")
    rules = PathRules.model_validate(
        {
            "goal": ["Order"],
            "stages": [{"name": "Look", "touchpoints": ["Home", "Search"]}, {"name": "Want", "touchpoints": ["Cart"]}],
        }
    )
    Paths.from_frame(frame, rules=rules).save(folder / "lake" / "paths")
    (folder / "journeys.toml").write_text(CONFIG)
    return folder / "journeys.toml"


@contextmanager
def explored(config: Path, proxy: ExploreSettings | None = None) -> Iterator[int]:
    """The port on which the explorer of a configuration answers; an address of the proxy with port 0 gets this one."""
    with listener("127.0.0.1", 0) as listening:
        number = int(listening.getsockname()[1])
        if proxy is not None and proxy.address.endswith(":0"):
            proxy = proxy.model_copy(update={"address": f"{proxy.address.removesuffix('0')}{number}"})
        server = server_of(source_of(config, is_shared=proxy is not None), proxy)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield number
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive(), "the server does not end"


def asked(port: int, question: Any, **headers: str) -> tuple[int, dict[str, Any]]:
    """Status and answer of a question."""
    given = {"Content-Type": "application/json", **{name.replace("_", "-"): text for name, text in headers.items()}}
    body = question if isinstance(question, bytes) else json.dumps(question).encode()
    status, _, text = got(port, "/api/ask", method="POST", body=body, headers=given)
    return status, json.loads(text) if text.startswith("{") else {"what": text}


def got(port: int, path: str, **request: Any) -> tuple[int, dict[str, str], str]:
    """Status, headers and text of a request."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=120)) as connection:
        connection.request(request.pop("method", "GET"), path, **request)
        answer = connection.getresponse()
        return answer.status, {name.lower(): text for name, text in answer.getheaders()}, answer.read().decode()
