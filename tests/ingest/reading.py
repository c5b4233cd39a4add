"""Decodes messages of a format for tests, in the same way as landing: typed events, and refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ingest.decoding.decode import Decoded, decode
from ingest.decoding.formats.registry import FindSchema
from ingest.message import Partition
from ingest.settings.ingest import Limits, Stream
from tests.ingest.streams import Sent

FIXTURES = Path(__file__).parent / "fixtures"
Headers = tuple[tuple[str, bytes], ...]


def fixture(name: str) -> Any:
    """A parsed JSON fixture."""
    return json.loads((FIXTURES / name).read_text())


def sent(value: Any, offset: int = 0, headers: Headers = ()) -> Sent:
    """A record with bytes as they are, or any other value as JSON."""
    raw = value if isinstance(value, bytes | None) else json.dumps(value).encode()
    return Sent(offset, raw, headers=headers)


def read(form: str, *values: Any, headers: Headers = (), find: FindSchema | None = None, **stream: Any) -> Decoded:
    """Decode messages of a stream in this format; the first has offset 0."""
    settings = Stream.model_validate({"topic": "t", "kind": "clickstream", "channel": "web", "format": form} | stream)
    records = [sent(value, offset, headers) for offset, value in enumerate(values)]
    return decode(records, Partition("t", 0), settings, Limits(), find)


def rows(found: Decoded) -> list[dict[str, Any]]:
    """The events in order of offset and part, with parsed properties and identities; nothing may be refused."""
    assert found.refused == []
    return events(found)


def events(found: Decoded) -> list[dict[str, Any]]:
    """The events in order of offset and part, with parsed properties and identities; parts may be refused."""
    return [
        row | {"properties": json.loads(row["properties"] or "{}"), "identities": dict(row["identities"] or {})}
        for row in found.events.sort("offset", "part").iter_rows(named=True)
    ]


def refused(found: Decoded) -> list[tuple[int, int | None, str, str | None]]:
    """Offset, part, reason and field of every refusal."""
    return [(refusal.offset, refusal.part, refusal.reason, refusal.field) for refusal in found.refused]
