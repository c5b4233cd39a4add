"""`journeys retention`: the rows of each function, and tables that a terminal can show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

import journeys.commands  # noqa: F401 - registers the commands
from analytics import Paths, ReturnRules, comeback, lapse, lifecycle, retention, stickiness
from expectations.errors import DefinitionError
from journeys.app import app
from journeys.terminal import plain

TOML = '[lake]\naddress = "lake"\n[report]\ntimezone = "Europe/Berlin"\n'


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("journeys.terminal.out.width", 120)
    (tmp_path / "journeys.toml").write_text(TOML)
    visits = {
        f"a{n}": f"look@{n % 20}d[device=phone] look@{n % 20 + 8}d[device=phone] buy@{n % 20 + 9}d[device=phone]"
        for n in range(60)
    } | {f"b{n}": f"look@{n % 9}d[device=desk]" for n in range(30)}
    Paths.from_text(visits, end="60d").save(tmp_path / "lake" / "paths")
    return tmp_path / "journeys.toml"


def asked(config: Path, *arguments: str) -> str:
    done = CliRunner().invoke(app, ["retention", *arguments, "--config", str(config)], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def answers(paths: Paths) -> list[tuple[list[str], pl.DataFrame]]:
    zone: dict[str, Any] = {"timezone": "Europe/Berlin"}
    rules = ReturnRules(clock="elapsed", least=2)
    return [
        (["look", "buy", "--periods", "3"], retention(paths, "look", "buy", periods=3, **zone)),
        (
            ["--clock", "elapsed", "--least", "2", "--cohort", "every", "--period", "day", "--by", "device"],
            retention(paths, periods=8, period="day", cohort="every", by="device", rules=rules, **zone),
        ),
        (["--returns", "on_or_after"], retention(paths, periods=8, returns="on_or_after", **zone)),
        (["--lifecycle", "--period", "day"], lifecycle(paths, period="day", **zone)),
        (["look", "--stickiness", "--by", "device"], stickiness(paths, "look", by="device", **zone)),
        (["--lapse", "5d", "--by", "device"], lapse(paths, gap="5d", by="device")),
        (["look", "--comeback", "5d"], comeback(paths, "look", gap="5d")),
    ]


def test_the_rows_are_those_of_the_functions(config: Path) -> None:
    for arguments, expected in answers(Paths.open(config.parent / "lake" / "paths")):
        assert len(expected)
        assert json.loads(asked(config, *arguments, "--json")) == json.loads(plain(expected).write_json())
        assert asked(config, *arguments).strip()


def test_a_table_has_a_row_per_cohort_and_a_column_per_period(config: Path) -> None:
    shown = asked(config, "look", "buy", "--periods", "2")
    head, whole, *rest = [line.split() for line in shown.splitlines() if line.strip()]
    assert head == ["cohort", "customers", "1", "2"]
    assert whole == ["all", "90", "50.0", "%", "16.7", "%"]
    assert rest[0][:2] == ["2024-01-01", "45"]
    assert "A cell is shown once its period is over" in " ".join(shown.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["lok"], "No touch has the touchpoint 'lok'"),
        (["--lifecycle", "--lapse", "3d"], "several questions"),
        (["--lapse", "30"], "length of time"),
        (["--period", "year"], "period"),
    ],
)
def test_what_cannot_be_meant_is_refused(config: Path, arguments: list[str], words: str) -> None:
    with pytest.raises(DefinitionError, match=words):
        asked(config, *arguments)


def test_data_of_which_nothing_is_over_say_so(config: Path, tmp_path: Path) -> None:
    Paths.from_text({"ann": "look@0d"}, end="1d").save(tmp_path / "lake" / "paths")
    assert "Nothing is over yet" in " ".join(asked(config).split())
