from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from analytics.forget import forget
from analytics.links import split
from analytics.stitching import build
from analytics.store import Paths
from expectations import contract
from expectations.errors import DefinitionError
from expectations.layout import Lake
from tests.journeys import START, at


def land(lake: Lake, rows: list[dict[str, Any]]) -> None:
    known = [
        {
            "event_id": f"e{number}",
            "event_name": "home",
            "kind": "clickstream",
            "channel": "web",
            "occurred_at": at(f"{number}m"),
            "received_at": at(f"{number}m"),
            "event_date": START.date(),
            "topic": "it's",
            "partition": 0,
            "offset": number,
        }
        | row
        for number, row in enumerate(rows)
    ]
    schema = {"customer_id": pl.String, "anonymous_id": pl.String}
    pl.DataFrame(known, schema_overrides=schema, infer_schema_length=None).write_delta(
        lake.table("events"), mode="append"
    )


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(str(tmp_path))
    ann = {"anonymous_id": "secret-x", "customer_id": "secret-ann"}
    land(lake, [ann, {"anonymous_id": "secret-x", "customer_id": None}, {"anonymous_id": None, "customer_id": "bob"}])
    profile = {"attribute": "region", "value": "north", "valid_from": START, "topic": "p", "partition": 0, "offset": 0}
    people = [{"identity_kind": "customer_id", "identity": who} | profile for who in (" secret-ann ", "bob")]
    pl.DataFrame(people).cast(contract.PROFILES).write_delta(lake.table("profiles"))
    refused = {"topic": "t", "partition": 0, "raw": b'{"customer_id": "secret-ann"', "reason": "not_json"}
    other = refused | {"raw": b'{"customer_id": "secret-anna"'}
    rows = [refused | {"offset": 1}, other | {"offset": 2}]
    pl.DataFrame(rows).with_columns(partition=pl.lit(0, pl.Int32)).write_delta(lake.table("quarantine"))
    split(lake, "customer_id: secret-ann", "device_id:d", decided_at=at("1d"))
    build(lake)
    build(lake)
    return lake


def test_a_customer_is_gone_from_every_table_and_file(lake: Lake) -> None:
    done = forget(lake, "anonymous_id:secret-x")
    counts = {table: (before, after) for table, before, after, _, _ in done.iter_rows()}
    assert counts == {
        "events": (3, 1),
        "profiles": (2, 1),
        "links": (1, 0),
        "quarantine": (2, 1),
        "paths": (3, 1),
        "memory": (3, 1),
    }
    assert set(Paths.open(lake).touches.collect()["customer"]) == {"customer_id:bob"}
    for file in Path(lake.address).rglob("*.parquet"):
        if "quarantine" not in file.parts:
            assert b"secret" not in pl.read_parquet(file).write_csv().encode(), file
    for table in ("paths", "memory"):
        assert done.filter(table=table)["removed"].item() > 0


def test_the_same_identity_starts_afresh(lake: Lake) -> None:
    forget(lake, "customer_id:secret-ann")
    land(lake, [{"event_id": "new", "anonymous_id": "secret-x", "customer_id": None, "offset": 9}])
    build(lake)
    assert sorted(Paths.open(lake).touches.collect()["customer"]) == ["anonymous_id:secret-x", "customer_id:bob"]


def test_a_stranger_cannot_be_forgotten(lake: Lake) -> None:
    with pytest.raises(DefinitionError, match="No event carries this customer_id"):
        forget(lake, "customer_id:nobody")


def test_a_refused_message_whose_header_names_the_customer_goes_too(lake: Lake) -> None:
    """CloudEvents in binary mode have their subject in a header, and nothing of the customer in the message."""

    def refused(offset: int, name: str, value: bytes) -> dict[str, object]:
        headers = [{"name": "ce_type", "value": b"order.placed"}, {"name": name, "value": value}]
        return {"topic": "t", "partition": 0, "offset": offset, "raw": b"{", "headers": headers}

    rows = [
        refused(100, "ce_subject", b"secret-ann"),
        refused(101, "ce_customer", b'{"id": "secret-x"}'),
        refused(102, "ce_subject", b"secret-anna"),
        {"topic": "t", "partition": 0, "offset": 103, "raw": b"{", "headers": None},
    ]
    schema = {name: contract.QUARANTINE[name] for name in ("topic", "partition", "offset", "raw", "headers")}
    pl.DataFrame(rows, schema=schema).write_delta(
        lake.table("quarantine"), mode="append", delta_write_options={"schema_mode": "merge"}
    )
    forget(lake, "customer_id:secret-ann")
    left = set(pl.read_delta(lake.table("quarantine"))["offset"])
    assert left & {100, 101, 102, 103} == {102, 103}
