"""Everything may lie in a folder of any name; the lake in one of any that the library of its tables can use."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

import journeys.commands  # noqa: F401 - registers the commands
from analytics import Paths
from expectations import contract
from expectations.errors import StorageError
from expectations.lake.layout import EVENTS, Lake
from expectations.lake.tables import added, landed, table_version
from ingest.settings.ingest import MaintenanceSettings
from ingest.upkeep.maintenance import maintain
from journeys.app import app

NAMES = ("My Projects", "Größe #100%", "a=b", "日本 {y}", "a&b;c~'\"", "what? x*", "-x")
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


ODD = "[Old] 50%20 ^|\\ *?"
"""A name that no folder of a lake can have, because the library of its tables cannot; all other files can."""


def test_all_but_the_lake_may_have_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / ODD
    (folder / "site[1]" / "runs").mkdir(parents=True)
    rule = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "anonymous_id"}}
    (folder / "suite[1]*?.json").write_text(json.dumps({"name": "own", "expectations": [rule]}), encoding="utf-8")
    settings = (
        CONFIG
        + '[lake]\naddress = "../lake"\n[expectations]\nsuites = ["suite[1]*?.json"]\n[report]\nsite = "site[1]"\n'
    )
    (folder / "journeys.toml").write_text(settings, encoding="utf-8")
    monkeypatch.chdir(folder)
    for first, name in enumerate(("a[1].ndjson", "b*.ndjson", "c?%41.ndjson", "x=1.ndjson", "\\n.ndjson")):
        (folder / name).write_text(events(10 * first), encoding="utf-8")
        run("load", "--kind", "clickstream", "--", name)
    assert landed(Lake(str(tmp_path / "lake"))).collect().height == 100
    run("stitch")
    run("check")
    run("report")
    assert (folder / "site[1]" / "index.html").is_file()


def test_paths_are_saved_and_read_in_a_folder_of_any_name(tmp_path: Path) -> None:
    (tmp_path / "O").mkdir()  # what the pattern [Old] would find
    Paths.from_text({"ann": "visit@0m pay@1m"}).save(tmp_path / ODD / "paths")
    assert Paths.open(tmp_path / ODD / "paths").touches.collect().height == 2


def test_a_lake_in_a_folder_that_its_tables_cannot_have_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "[Old]").mkdir()
    (tmp_path / "[Old]" / "journeys.toml").write_text(CONFIG, encoding="utf-8")
    monkeypatch.chdir(tmp_path / "[Old]")
    (tmp_path / "[Old]" / "clicks.ndjson").write_text(events(0), encoding="utf-8")
    for verb in ("load --kind clickstream clicks.ndjson", "status", "stitch", "check"):
        done = CliRunner().invoke(app, verb.split())
        assert isinstance(done.exception, StorageError), (verb, done.output, done.exception)
        assert "Tables cannot lie in a folder of this name" in str(done.exception)
