"""`journeys change`: the rows of the function, a sentence that is true of them, and periods as days."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import journeys.why.change  # noqa: F401 - registers the command
from analytics import Funnel, Paths, change, day_start
from expectations.errors import DefinitionError
from journeys.app import app
from journeys.terminal import plain
from tests.analytics.monitoring.test_change import shop

CONFIG = """
[lake]
address = "lake"
[report]
timezone = "Europe/Oslo"
[[funnels]]
name = "buying"
steps = ["look", "cart", "pay"]
window = "2d"
"""
PERIODS = ["--before", "2024-01-01..2024-01-05", "--after", "2024-01-11..2024-01-15"]
BEFORE, AFTER = {"desk": (300, 200, 150), "phone": (300, 200, 140)}, {"desk": (300, 200, 148), "phone": (300, 100, 71)}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("journeys.terminal.out.width", 140)
    (tmp_path / "journeys.toml").write_text(CONFIG)
    shop(BEFORE, AFTER).save(tmp_path / "lake" / "paths")
    return tmp_path / "journeys.toml"


def asked(config: Path, *arguments: str) -> str:
    done = CliRunner().invoke(app, ["change", *arguments, "--config", str(config)], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


@pytest.mark.parametrize(
    ("options", "rules"),
    [
        ([], {}),
        (["--by", "device"], {"by": ["device"]}),
        (["--by", "device,touchpoint", "--of", "goals"], {"by": [("device", "touchpoint")], "of": "goals"}),
        (["--by", "*"], {"by": "*"}),
    ],
)
def test_the_rows_are_those_of_the_function_over_local_days(
    config: Path, options: list[str], rules: dict[str, Any]
) -> None:
    days = [[day_start(date(2024, 1, day), "Europe/Oslo") for day in pair] for pair in ((1, 6), (11, 16))]
    paths = Paths.open(config.parent / "lake" / "paths")
    expected = change(
        paths,
        Funnel(["look", "cart", "pay"], "2d"),
        before=(days[0][0], days[0][1]),
        after=(days[1][0], days[1][1]),
        **rules,
    )
    rows = json.loads(asked(config, "buying", *PERIODS, *options, "--json"))
    assert rows == json.loads(plain(expected).write_json()) and len(rows) == len(expected)


def test_a_table_says_what_the_change_comes_from(config: Path) -> None:
    shown = " ".join(asked(config, "buying", *PERIODS, "--by", "device").split())
    for text in (
        "look → pay: 48.3 % → 36.5 %, -11.8 points (",
        "2024-01-11 to 2024-01-15 against 2024-01-01 to 2024-01-05",
        "by device",
        "The rate fell by 11.8 points: 12.1 points of it at cart, 12.1 points of that where device is phone; the mix "
        "of device did not matter there.",
    ):
        assert text in shown
    goals = " ".join(asked(config, "look", "cart", *PERIODS, "--window", "1d", "--of", "goals").split())
    assert "look → cart: 400 → 300, -100 (" in goals and "volume" in goals


def test_a_change_that_may_be_chance_names_no_cause(tmp_path: Path) -> None:
    (tmp_path / "journeys.toml").write_text(CONFIG)
    shop({"a": (300, 150, 90)}, {"a": (300, 151, 89)}).save(tmp_path / "lake" / "paths")
    shown = asked(tmp_path / "journeys.toml", "buying", *PERIODS)
    assert "The rate fell by 0.3 points, which may be chance." in shown
    shop({"a": (9, 5, 4)}, {"a": (9, 5, 3)}).save(tmp_path / "lake" / "paths")
    assert "too few customers" in asked(tmp_path / "journeys.toml", "buying", *PERIODS)


def test_compare_takes_the_last_days_whose_windows_are_over(config: Path) -> None:
    """The data end on 1 March at 1 in Oslo: with a window of 2 days entries up to 28 February, 1, are over."""
    frame = Paths.open(config.parent / "lake" / "paths").touches.collect()
    shifted = frame.with_columns(
        at=frame["at"] + (datetime(2024, 2, 10, tzinfo=UTC) - datetime(2024, 1, 1, tzinfo=UTC))
    )
    Paths.from_frame(shifted, end_of_data=datetime(2024, 3, 1, tzinfo=UTC)).save(config.parent / "lake" / "paths")
    for options in (["--compare", "10d"], ["--compare", "1w3d"]):
        shown = asked(config, "buying", *options)
        assert "2024-02-18 to 2024-02-27 against 2024-02-08 to 2024-02-17" in shown


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--before", "2024-01-01..2024-01-05"], "--before and --after, or --compare alone"),
        ([*PERIODS, "--compare", "7d"], "--before and --after, or --compare alone"),
        (["--before", "2024-01-01", "--after", "2024-01-02..2024-01-03"], r"(?s)cannot be read.*--before"),
        (["--compare", "36h"], "whole days"),
        ([*PERIODS, "--of", "value"], "has no value"),
        ([*PERIODS, "--by", "devise"], "did you mean 'device'"),
    ],
)
def test_what_cannot_be_compared_is_refused(config: Path, options: list[str], message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        asked(config, "buying", *options)
