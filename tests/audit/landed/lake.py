"""Reads the landed tables of a lake: events without repetitions, attributes, quarantine, and results of checks."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import deltalake
import duckdb

from tests.audit.landed.settings import DAY, Settings

ARRIVAL = ("received_at", "topic", "partition", "offset", "part", "id_generated", "schema_version", "event_date")
"""Columns of how an event arrived: not part of what it says."""
MINUTE = 60_000_000
Profile = tuple[int, int, str | None]
"""From when, in microseconds; the number of the row in order of landing; the value."""


@dataclass
class Event:
    """A landed event, with its own columns as text or number; times in microseconds since 1970."""

    id: str
    name: str
    kind: str
    channel: str | None
    at: int
    identities: list[tuple[str, str]]
    columns: dict[str, Any]


@dataclass
class Landed:
    """What has landed, as far as a report reads it."""

    events: list[Event]
    rows: int
    end: int
    arrived: int
    late: float | None
    late_rows: int
    profiles: dict[tuple[str, str], dict[str, list[Profile]]]
    refused: dict[str, int]
    checks: list[dict[str, Any]]


def read(lake: str, settings: Settings, version: int | None, known_at: int | None = None) -> Landed:
    """The lake as of a version of its events; with a time only those that had happened before, and arrived by it."""
    database = duckdb.connect()
    database.execute("SET TimeZone = 'UTC'")
    table = _table(lake, "events", version)
    assert table is not None, f"{lake} has no events"
    names = [field.name for field in table.schema().fields]
    source = _source(table)
    if known_at is not None:
        source = (
            f"(SELECT * FROM {source} WHERE epoch_us(occurred_at) < {known_at} "
            f"AND epoch_us(coalesce(received_at, occurred_at)) <= {known_at})"
        )
    own = [f"list_sort(map_entries({name}))" if name == "identities" else name for name in names if name not in ARRIVAL]
    first = (
        f"SELECT * FROM {source} QUALIFY row_number() OVER (PARTITION BY {', '.join(own)} "
        'ORDER BY received_at, topic, "partition", "offset", part) = 1'
    )
    wanted = _wanted(settings, names)
    columns = ", ".join(["event_id", "event_name", "kind", "channel", "epoch_us(occurred_at)", "customer_id",
                         "anonymous_id", "map_entries(identities)", *(f'"{name}"' for name in wanted)])  # fmt: skip
    events = [_event(row, wanted) for row in database.execute(f"SELECT {columns} FROM ({first})").fetchall()]
    rows, arrived, late_rows, streamed = database.execute(
        "SELECT count(*), max(epoch_us(received_at)), "
        f"count(*) FILTER (epoch_us(received_at) - epoch_us(occurred_at) > {DAY} AND NOT starts_with(topic, 'file:')), "
        f"count(*) FILTER (NOT starts_with(topic, 'file:')) FROM {source}"
    ).fetchone()
    return Landed(
        events, rows, _end_of_data(database, source), arrived, late_rows / streamed if streamed else None, late_rows,
        _profiles(database, lake), _refused(database, lake), _checks(database, lake),
    )  # fmt: skip


def _table(lake: str, name: str, version: int | None = None) -> deltalake.DeltaTable | None:
    address = f"{lake.rstrip('/')}/{name}"
    if not deltalake.DeltaTable.is_deltatable(address):
        return None
    return deltalake.DeltaTable(address, version=version)


def _source(table: deltalake.DeltaTable) -> str:
    files = ", ".join("'" + file.replace("'", "''") + "'" for file in table.file_uris())
    return f"read_parquet([{files}], hive_partitioning=true, union_by_name=true)"


def _wanted(settings: Settings, names: Iterable[str]) -> list[str]:
    """The columns of an event that rules, breakdowns and measures read."""
    paths = settings.paths
    read_ones = [*paths.get("context", ["device", "campaign", "country"]), *paths.get("values", ["revenue", "score"])]
    read_ones += [rule.get("column", "event_name") for rule in paths.get("touchpoints", [])]
    tables = {name.partition(".")[0] for name in read_ones} | {"url", "survey", "score", "currency", "feedback_text"}
    tables |= {"properties"} if settings.tables.get("voice", {}).get("questions") else set()
    return [name for name in names if name in tables]


def _event(row: tuple[Any, ...], wanted: list[str]) -> Event:
    event_id, name, kind, channel, at, customer, anonymous, others, *values = row
    identities = [(kind_, value) for kind_, value in (("customer_id", customer), ("anonymous_id", anonymous)) if value]
    identities += [(entry["key"], entry["value"]) for entry in others or [] if entry["value"] is not None]
    return Event(event_id, name, kind, channel, at, identities, dict(zip(wanted, values, strict=True)))


def value_of(event: Event, column: str) -> str | None:
    """A column of the event as text, or a property by its path."""
    table, _, path = column.partition(".")
    if not path:
        found = {"event_name": event.name, "kind": event.kind, "channel": event.channel, **event.columns}[table]
        return None if found is None else str(found)
    text = event.columns[table]
    value = None if text is None else json.loads(text)
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) or value is None else json.dumps(value)


def address_pattern(template: str) -> re.Pattern[str]:
    """A template of the path of an address, such as /c/{category}."""
    parts = [
        "[^/?#]+" if re.fullmatch(r"\{[^}]*\}", part) else re.escape(part)
        for part in re.split(r"(\{[^}]*\})", template.rstrip("/"))
    ]
    return re.compile(rf"(?:[a-zA-Z][a-zA-Z0-9+.-]*://[^/]*)?{''.join(parts)}/?(?:[?#].*)?", re.DOTALL)


def _end_of_data(database: duckdb.DuckDBPyConnection, source: str) -> int:
    """The time up to which all partitions have been read.

    A partition is behind when it has been silent for longer than ever before, counted from the first event of all, but
    not longer than seven days; a file is never behind.
    """
    rows = database.execute(
        'SELECT topic, "partition", least(epoch_us(occurred_at), epoch_us(coalesce(received_at, occurred_at))) '
        f"FROM {source}"
    ).fetchall()
    streams: dict[tuple[str, int], list[int]] = defaultdict(list)
    for topic, partition, at in rows:
        streams[topic, partition].append(at)
    end, first = max(map(max, streams.values())), min(map(min, streams.values()))
    behind = []
    for (topic, _), times in streams.items():
        minutes = sorted({at // MINUTE for at in times})
        gaps = [later - earlier for earlier, later in pairwise(minutes)]
        quiet = max([*gaps, minutes[0] - first // MINUTE])
        silent = (end - max(times)) // MINUTE
        if quiet < silent <= 7 * 24 * 60 and not topic.startswith("file:"):
            behind.append(max(times))
    return min(behind, default=end)


def _profiles(database: duckdb.DuckDBPyConnection, lake: str) -> dict[tuple[str, str], dict[str, list[Profile]]]:
    """The values of attributes over time, by identity and attribute."""
    found: dict[tuple[str, str], dict[str, list[Profile]]] = {}
    table = _table(lake, "profiles")
    if table is None:
        return found
    rows = database.execute(
        "SELECT identity_kind, identity, attribute, epoch_us(valid_from), value FROM "
        f'{_source(table)} WHERE valid_from IS NOT NULL ORDER BY topic, "partition", "offset"'
    ).fetchall()
    for number, (kind, identity, attribute, since, value) in enumerate(rows):
        of_one = found.setdefault((kind, identity.strip()), {})
        of_one.setdefault(attribute, []).append((since, number, value))
    return found


def _refused(database: duckdb.DuckDBPyConnection, lake: str) -> dict[str, int]:
    table = _table(lake, "quarantine")
    if table is None or not table.file_uris():
        return {}
    return dict(database.execute(f"SELECT reason, count(*) FROM {_source(table)} GROUP BY reason").fetchall())


def _checks(database: duckdb.DuckDBPyConnection, lake: str) -> list[dict[str, Any]]:
    table = _table(lake, "checks/results")
    if table is None or not table.file_uris():
        return []
    cursor = database.execute(f"SELECT * FROM {_source(table)}")
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
