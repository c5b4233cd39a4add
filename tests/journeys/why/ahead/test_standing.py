"""`journeys standing`: the rows of the function, a table, and nobody under way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import journeys.commands  # noqa: F401 - registers the commands
from analytics import standing
from journeys.app import app
from journeys.terminal import plain
from tests.journeys.why.two_stages import configured, saved


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return configured(tmp_path, monkeypatch)


def asked(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["standing", *arguments, "--config", str(config)], catch_exceptions=False)


def test_the_rows_are_those_of_the_function(config: Path) -> None:
    old = {f"o{n}": f"look@0d[device=d{n % 2}] cart@{n}d[device=d0] buy@29d[device=d0]" for n in range(1, 11)}
    new = {f"n{n}": f"look@{59 - n}d[device=d{n % 2}]" for n in range(20)}
    paths = saved(config, old | new)
    for arguments, table in (([], standing(paths)), (["--by", "device"], standing(paths, by="device"))):
        done = asked(config, "--json", *arguments)
        assert done.exit_code == 0 and json.loads(done.stdout) == json.loads(plain(table).write_json())
    out = asked(config, "--by", "device").stdout
    assert "Interest" in out and "2024-03-01" in out and "unknown" not in out
    assert "Few have gone on from Interest" in out


def test_a_segment_keeps_the_journeys_that_its_members_begin(config: Path) -> None:
    saved(config, {"ann": "cart@50d look@51d", "bo": "look@50d"})
    found = json.loads(asked(config, "--json", "--segment", "Carts").stdout)
    assert [(row["stage"], row["journeys"], row["unknown"]) for row in found] == [("Desire", 1, 1)]
    assert "unknown" in asked(config).stdout


def test_nobody_under_way_is_told(config: Path) -> None:
    saved(config, {"ann": "look@0d buy@1d"})
    assert asked(config).stdout == "No journey is under way.\n"
    assert asked(config, "--json").stdout == "[]\n"
