"""A mapping of whole columns gives the same events and refusals as the mapping of the messages of the rows."""

# ruff: noqa: E501 - the words of the tests
from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from expectations import contract
from expectations.gate import contract_rules
from ingest.files.batches import Reading, batches
from ingest.files.mapped import table_mapping
from ingest.files.rows import rows
from ingest.landing.prepare import Prepared, Task, prepare
from ingest.message import ColumnBatch, Partition
from ingest.settings.ingest import Limits, Stream

NOW = 1_767_225_600_000
PARTITION = Partition("file:0", 0)
LIMITS = Limits(oldest=None, largest_message=400, largest_refused=500)
FIELDS: dict[str, Any] = {
    "customer_id": {"path": ["user", "guest"], "default": "nobody"},
    "identities.card": "card",
    "occurred_at": {"path": "at", "time": "%d.%m.%Y %H:%M:%S", "zone": "Europe/Berlin"},
    "event_name": "what",
    "currency": "money",
    "channel": {"value": "store"},
    "order_id": '"order.no"',
}
RULES = [
    {"events": ["Order Placed", "paid"], "kind": "order", "fields": {"revenue": "price", "country": {"value": "de"}}},
    {"events": "order_placed", "fields": {"medium": "more"}},
]
TIMES = st.sampled_from(
    ["01.02.2026 10:00:00", "1.2.2026 1:00:00", "29.03.2026 02:30:00", "25.10.2026 02:30:00", "31.02.2026 10:00:00", "", "soon",
     "01.02.2026 10:00:60", "01.02.0026 10:00:00", " 01.02.2026 10:00:00", "2026-02-01 10:00:00", "2026-02-01T10:00:00.5", "1767225600",
     "1767225600000", "1767225600.5", "2026-02-01T10:00:00Z", "2026-02-01", "99999999999999999"]
)  # fmt: skip
TEXTS = st.sampled_from(
    ["", "a", "7", " eur ", "ß", "Order Placed", "paid", "order_placed", "12.50", "1e3", 'a "b"', "x" * 450, "{}"]
)


def stream(fields: dict[str, Any], **more: Any) -> Stream:
    return Stream.model_validate({"topic": "file:0", "kind": "clickstream", "fields": fields} | more)


def prepared(found: Any, read_as: Stream) -> Prepared:
    items = list(found)
    records = [item for item in items if not isinstance(item, ColumnBatch)]
    columns = [item for item in items if isinstance(item, ColumnBatch)]
    return prepare(Task(PARTITION, read_as, LIMITS, contract_rules(oldest=None), False), records, None, columns)


def assert_the_same(file: Path, read_as: Stream) -> int:
    """Both ways land and refuse the same rows; returns how many landed."""
    by_rows = prepared(rows(file, 0, NOW, LIMITS), read_as)
    by_columns = prepared(batches(file, 0, read_as, Reading(NOW, LIMITS, 3)), read_as)
    order = [contract.OFFSET, contract.PART]
    assert_frame_equal(by_columns.events.sort(order), by_rows.events.sort(order))
    assert_frame_equal(by_columns.quarantined, by_rows.quarantined)
    return by_columns.events.height


ROWS = st.lists(
    st.fixed_dictionaries(
        dict.fromkeys(("user", "guest", "card", "what", "money", "price", "more", "order.no"), TEXTS) | {"at": TIMES}
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(found=ROWS, time=st.sampled_from(["%d.%m.%Y %H:%M:%S", "iso", "seconds", "milliseconds", "rfc3339"]))
def test_columns_and_messages_give_the_same(found: list[dict[str, str]], time: str) -> None:
    read_as = stream(FIELDS | {"occurred_at": FIELDS["occurred_at"] | {"time": time}}, rules=RULES)
    assert table_mapping(read_as) is not None
    with TemporaryDirectory() as folder:
        pl.DataFrame(found).write_csv(Path(folder) / "events.csv")
        pl.DataFrame(found).write_parquet(Path(folder) / "events.parquet")
        for name in ("events.csv", "events.parquet"):
            assert_the_same(Path(folder) / name, read_as)


@pytest.mark.parametrize(
    "header",
    [
        "user,what,at",
        "user,what,at,properties.x",
        "user,what,at,score",
        "user,what,at,occurred_at",
        "what,at",
        "user,at",
    ],
)
def test_odd_headers_are_read_as_messages_are(header: str, tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text(f"{header}\n{','.join('1767225600' for _ in header.split(','))}\n")
    landed = assert_the_same(
        tmp_path / "e.csv",
        stream({"customer_id": "user", "event_name": "what", "occurred_at": {"path": "at", "time": "seconds"}}),
    )
    assert landed == int("what" in header and "user" in header)


def test_whole_numbers_of_parquet_are_ids_and_epochs(tmp_path: Path) -> None:
    pl.DataFrame({"user": [1, 2], "what": ["a", "b"], "at": [1767225600, None], "n": [1.5, None]}).write_parquet(
        tmp_path / "e.parquet"
    )
    read_as = stream({"customer_id": "user", "event_name": "what", "occurred_at": {"path": "at", "time": "seconds"}})
    assert assert_the_same(tmp_path / "e.parquet", read_as) == 1


@pytest.mark.parametrize(
    "origin",
    [
        {"path": "a.b"},
        {"path": "@key"},
        {"path": "mail", "hash": "email"},
        {"path": "amount", "scale": 0.01},
        {"value": 7},
    ],
)
def test_a_mapping_that_is_more_than_columns_is_applied_to_messages(origin: dict[str, Any]) -> None:
    name = "revenue" if "scale" in origin else "identities.email_hash"
    assert table_mapping(stream({name: origin})) is None
