"""`journeys export customer` writes JSON lines that only their owner can read."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
from typer.testing import CliRunner

import journeys.commands.export
import journeys.commands.pipeline  # noqa: F401 - registers the commands
from expectations.lake.tables import conform
from journeys.app import app
from journeys.commands.export import write_lines
from tests.written import at


def test_a_customer_is_exported_as_json_lines(tmp_path: Path) -> None:
    rows = [
        {"event_id": f"e{n}", "event_name": "home", "occurred_at": at(f"{n}m"), "customer_id": who, "offset": n}
        | {"topic": "t", "partition": 0, "identities": {"device_id": f"d{who}"}}
        for n, who in enumerate(("ann", "bob"))
    ]
    schema = {"identities": pl.Map(pl.String, pl.String)}
    conform(pl.DataFrame(rows, schema_overrides=schema)).collect().write_delta(tmp_path / "lake" / "events")
    config, file = tmp_path / "journeys.toml", tmp_path / "ann.ndjson"
    config.write_text('[lake]\naddress = "lake"\n')
    CliRunner().invoke(app, ["stitch", "--config", str(config)])
    words = ["export", "customer", "device_id:dann", "--to", str(file), "--config", str(config)]
    output = CliRunner().invoke(app, words).output
    assert "2 identities, 1 events, 0 profiles, 0 links, 1 touches, 0 quarantine" in output
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["table"] for line in lines] == ["identities", "identities", "events", "touches"]
    assert lines[2]["identities"] == {"device_id": "dann"} and lines[2]["occurred_at"] == at("0m").isoformat()
    assert lines[3]["customer"] == "customer_id:ann" and "bob" not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert CliRunner().invoke(app, words).exit_code != 0, "an existing file is kept"


def test_bytes_are_written_as_text_or_digits(tmp_path: Path) -> None:
    write_lines({"q": pl.DataFrame({"raw": [b"ann", b"\xff"], "headers": [[{"value": b"a"}], None]})}, tmp_path / "f")
    lines = [json.loads(line) for line in (tmp_path / "f").read_text().splitlines()]
    assert lines == [{"table": "q", "raw": "ann", "headers": [{"value": "a"}]}, {"table": "q", "raw": "hex:ff"}]
