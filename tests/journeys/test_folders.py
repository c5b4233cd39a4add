"""The lake may lie in a folder of any name that the libraries of its tables can use."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

import journeys.commands  # noqa: F401 - registers the commands
from analytics import Paths
from expectations import contract
from expectations.lake.layout import EVENTS, Lake
from expectations.lake.tables import added, landed, table_version
from ingest.settings.ingest import MaintenanceSettings
from ingest.upkeep.maintenance import maintain
from journeys.app import app

NAMES = ("My Projects", "Größe #100%", "a=b", "日本 {y}", "a&b;c~'\"")
CONFIG = '[paths]\ngoal = ["pay"]\n[[ingest.streams]]\ntopic = "clicks"\nkind = "clickstream"\nchannel = "web"\n'
BEGIN = datetime(2026, 5, 1, tzinfo=UTC)


def events(first: int) -> str:
    rows = [
        {
            "event_id": f"{number}-{name}",
            "event_name": name,
            "anonymous_id": f"u{number}",
            "occurred_at": (BEGIN + timedelta(hours=number, minutes=minute)).isoformat(),
        }
        for number in range(first, first + 10)
        for minute, name in enumerate(("visit", "pay"))
    ]
    return "".join(json.dumps(row) + "\n" for row in rows)


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, (arguments, done.output, done.exception)
    return done.output


@pytest.mark.parametrize("name", NAMES)
def test_events_land_and_paths_are_made_refreshed_and_asked(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "journeys.toml").write_text(CONFIG, encoding="utf-8")
    monkeypatch.chdir(folder)
    lake = Lake(str(folder / "lake"))
    for first in (0, 10):
        (folder / f"clicks{first}.ndjson").write_text(events(first), encoding="utf-8")
        run("load", "--kind", "clickstream", f"clicks{first}.ndjson")
        run("stitch")
        assert landed(lake).collect().height == Paths.open(lake).touches.collect().height == 2 * (first + 10)
    version = table_version(lake, EVENTS)
    assert version is not None
    new = added(lake, EVENTS, contract.EVENTS, version - 1, version)
    assert new is not None and new.collect().height == 20
    assert "pay" in run("paths") and '"rows":40' in run("status", "--json").replace(" ", "")
    maintain(lake, MaintenanceSettings(open_for="0s"), now=(BEGIN + timedelta(days=90)).timestamp())
    run("forget", "anonymous_id:u3", "--yes")
    assert landed(lake).collect().height == 38
