"""`journeys drivers`: the rows of the function, and only what is clear is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import journeys.why.drivers  # noqa: F401 - registers the command
from analytics import Funnel, Paths, drivers
from expectations.errors import DefinitionError
from journeys.app import app
from journeys.terminal import plain
from tests.analytics.segments.test_drivers import several, shop


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("journeys.terminal.out.width", 160)
    (tmp_path / "journeys.toml").write_text('[lake]\naddress = "lake"\n')
    people = [
        person
        for week, device, dropped in (("a", "x", 40), ("a", "y", 50), ("b", "x", 52), ("b", "y", 130))
        for plan in ("gold", "tin")
        for person in several(100, dropped // 2, days=week, device=device, plan=plan)
    ]
    shop(people).save(tmp_path / "lake" / "paths")
    return tmp_path / "journeys.toml"


def asked(config: Path, *arguments: str) -> str:
    done = CliRunner().invoke(app, ["drivers", *arguments, "--config", str(config)], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_the_rows_are_those_of_the_function(config: Path) -> None:
    paths = Paths.open(config.parent / "lake" / "paths")
    for options, rules in (
        ([], {}),
        (["--factor", "device", "--adjust", "plan"], {"factors": ["device"], "adjust": ["plan"]}),
    ):
        expected = drivers(paths, Funnel(["cart", "pay"], "2d"), **rules)
        rows = json.loads(asked(config, "cart", "pay", "--window", "2d", *options, "--json"))
        assert rows == json.loads(plain(expected).write_json()) and len(rows) == len(expected)


def test_a_table_names_what_is_clear_and_keeps_the_rest_for_all(config: Path) -> None:
    shown = " ".join(asked(config, "cart", "pay", "--window", "2d").split())
    for text in (
        "cart → pay: 272 of 800 dropped (34.0 %)",
        "device y 45.0 % +22.0",
        "together days b, device y 65.0 % alone 26.0 % and 25.0 %",
        "Associations, not causes. 6 levels were tested",
        "2 more with --all",
    ):
        assert text in shown
    assert "plan gold" not in shown
    assert "not clear plan gold" in " ".join(asked(config, "cart", "pay", "--window", "2d", "--all").split())


def test_a_step_that_loses_nobody_is_refused(config: Path) -> None:
    with pytest.raises(DefinitionError, match="first step"):
        asked(config, "cart", "pay", "--step", "1")
