"""`journeys moments`: the rows of the function, a table, and what is refused in journeys.toml."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import journeys.commands  # noqa: F401 - registers the commands
from analytics import Goal, Intent, Paths, moments
from expectations.errors import ConfigurationError
from journeys.app import app
from journeys.settings import Settings
from journeys.terminal import plain

TOML = """
[lake]
address = "lake"
[report]
window = "20d"
[[goals]]
name = "Ordered"
steps = ["buy"]
[moments]
longest = "2m"
entries = ["ad"]
[[moments.intents]]
name = "know"
touchpoints = ["look"]
useful = ["buy", "byu"]
within = "3d"
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("journeys.terminal.out.width", 160)
    (tmp_path / "journeys.toml").write_text(TOML)
    people = {
        f"c{n}": f"ad@{n}m[session=1,device=mobile] look@{n + 1}m[session=1,device=mobile]"
        f" buy@{n % 5 + 1}d[session=2,device=desktop]"
        for n in range(40)
    }
    Paths.from_text(people, end="60d").save(tmp_path / "lake" / "paths")
    return tmp_path / "journeys.toml"


def asked(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["moments", *arguments, "--config", str(config)], catch_exceptions=False)


def test_the_rows_are_those_of_the_function(config: Path) -> None:
    paths = Paths.open(config.parent / "lake" / "paths")
    know = Intent(name="know", touchpoints=["look"], useful=["buy", "byu"], within=timedelta(days=3))
    goal = Goal(name="Ordered", steps=["buy"], horizon="20d")
    table = moments(paths, [know], longest="2m", entries=["ad"], goal=goal, by="device")
    done = asked(config, "--json", "--by", "device")
    assert done.exit_code == 0 and json.loads(done.stdout) == json.loads(plain(table).write_json())


def test_a_table_has_the_rates_that_are_known_and_says_which_words_nothing_is_called(config: Path) -> None:
    out = asked(config).stdout
    assert "know" in out and "moment" in out and "60.0 %" in out and "quick" not in out.split("\n\n")[0]
    assert "a session in the hand of at most 2 min" in out and "know: no touchpoint is called 'byu'." in out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "No intent is named"),
        (
            '[moments]\nlongest = "3"\n[[moments.intents]]\nname = "a"\ntouchpoints = ["b"]',
            "write a number with a unit",
        ),
        ('[moments]\nlongest = "0s"', "longer than 0"),
        ("[moments]\nhandheld = []", "at least one value"),
        ('[[moments.intents]]\nname = "a"\ntouchpoints = []', "touchpoints"),
        ('[[moments.intents]]\nname = "unclear"\ntouchpoints = ["b"]', "name this one otherwise"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_the_file(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "journeys.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=words):
        _ = Settings(tmp_path / "journeys.toml").moments
