"""A lake in Azure, through the commands that write, read and repair it; skipped without an emulator of its store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError
from typer.testing import CliRunner

import journeys.commands.funnel
import journeys.commands.identity
import journeys.commands.pipeline
import journeys.commands.report  # noqa: F401 - commands are registered on import
from expectations import contract
from expectations.lake import files
from expectations.lake.layout import Lake
from expectations.lake.tables import scan
from journeys.app import app
from tests.services.object_store import BUCKET, azure_store

pytestmark = pytest.mark.azure


@pytest.fixture(params=["az", "abfs"])
def address(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with azure_store() as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield f"{request.param}://{BUCKET}/lake"


def test_a_lake_in_azure_is_filled_stitched_queried_and_repaired(address: str, tmp_path: Path) -> None:
    config = tmp_path / "journeys.toml"
    config.write_text(f'[lake]\naddress = "{address}"\n')

    def say(*words: str) -> str:
        done = CliRunner().invoke(app, [*words, "--config", str(config)])
        assert done.exit_code == 0, done.output
        return done.output

    def visits(first: int) -> bytes:
        each = ({"anonymous_id": f"x{n % 4}"} | ({"customer_id": f"buyer-{n % 2}"} if n % 3 else {}) for n in range(12))
        events = [
            {
                "event_id": f"e{first + n}",
                "event_name": "home",
                "channel": "web",
                "occurred_at": f"2026-01-01T00:{n:02}:00Z",
            }
            | who
            for n, who in enumerate(each)
        ]
        return "\n".join(map(json.dumps, events)).encode()

    old = f"{address.rpartition('/')[0]}/old"
    for first in (0, 100):
        files.write(f"{old}/{first}.ndjson", visits(first))
        assert "12 rows landed" in say("load", f"{old}/{first}.ndjson", "--kind", "clickstream")
        say("stitch")
        assert "0 missing, 0 too many" in say("stitch", "--verify")
    assert "1. anonymous_id:x0  and  customer_id:buyer-0" in say(
        "identity", "why", "anonymous_id:x0", "anonymous_id:x2"
    )
    assert "home" in say("funnel", "home", "home")
    site = f"{address.rpartition('/')[0]}/site"
    say("report", "--site", site)
    assert b"<html" in (files.read(f"{site}/index.html") or b"") and len(files.names(f"{site}/runs")) == 1
    say("forget", "customer_id:buyer-1", "--yes")
    assert "0 missing, 0 too many" in say("stitch", "--verify")
    lake = Lake(address)
    assert set(scan(lake, "events", contract.EVENTS).collect()["anonymous_id"]) == {"x0", "x2"}
    held = [files.read(f"{address}/{name}") or b"" for name in files.listing(address)]
    assert held and not any(b"buyer-1" in each for each in held if not each.startswith(b"PAR1"))


def test_azure_refuses_a_second_commit_of_one_place(address: str) -> None:
    lake = Lake(address)
    rows = scan(lake, "events", contract.EVENTS).collect().to_arrow()
    write_deltalake(lake.table("events"), rows)
    zombie, owner = DeltaTable(lake.table("events")), DeltaTable(lake.table("events"))
    for number, table in enumerate((owner, zombie)):
        claim = CommitProperties(app_transactions=[Transaction("ingest/t/0", 1 + number)])
        if table is owner:
            write_deltalake(table, rows, mode="append", commit_properties=claim)
        else:
            with pytest.raises(CommitFailedError):
                write_deltalake(table, rows, mode="append", commit_properties=claim)
