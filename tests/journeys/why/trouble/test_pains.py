"""`journeys pains`: the rows of the function, a table, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import journeys.commands  # noqa: F401 - registers the commands
from analytics import pains
from expectations.errors import DefinitionError
from journeys.app import app
from journeys.terminal import plain
from tests.journeys.why.two_stages import configured, saved


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return configured(tmp_path, monkeypatch)


def asked(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["pains", *arguments, "--config", str(config)], catch_exceptions=False)


def shop() -> dict[str, str]:
    met = {
        f"m{n}": f'cart@0h[device=d{n % 2}] "[red]error"@1h[device=d0]' + (" buy@2h" if n < 10 else "")
        for n in range(40)
    }
    return met | {f"w{n}": f"look@0h[device=d{n % 2}] cart@1h" + (" buy@2h" if n < 60 else "") for n in range(80)}


def test_the_rows_are_those_of_the_function(config: Path) -> None:
    paths = saved(config, shop())
    for arguments, table in (
        ([], pains(paths)),
        (["--by", "device", "--alike", "device"], pains(paths, by="device", alike=["device"])),
        (["[red]error"], pains(paths, "[red]error")),
    ):
        done = asked(config, "--json", *arguments)
        assert done.exit_code == 0 and json.loads(done.stdout) == json.loads(plain(table).write_json())


def test_a_table_says_what_is_at_stake_and_what_it_means(config: Path) -> None:
    saved(config, shop())
    out = asked(config).stdout
    assert "[red]error" in out and "20 (" in out and "began with the same device" in out and "within 30 d" in out
    assert "began anywhere" not in out


def test_nothing_and_unknown_words_are_told(config: Path) -> None:
    saved(config, {"ann": "look@0d cart@1d buy@1d"})
    assert asked(config).stdout.startswith("No journey met a pain")
    with pytest.raises(DefinitionError, match="no touchpoint 'eror'"):
        asked(config, "eror")
    assert json.loads(asked(config, "--json", "--segment", "Carts").stdout) == []
