"""`journeys contacts`: the rows of the functions, a table, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import journeys.commands  # noqa: F401 - registers the commands
from analytics import Paths, contact_rate, contacts
from expectations.errors import ConfigurationError, DefinitionError
from journeys.app import app
from journeys.settings import Settings
from journeys.terminal import plain

TOML = """
[lake]
address = "lake"
[contacts]
touchpoints = ["Call", "Chat"]
chats = ["Chat"]
reason = "why"
repeat = "3d"
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("journeys.terminal.out.width", 160)
    (tmp_path / "journeys.toml").write_text(TOML)
    people = {
        f"c{n}": f"look@0h[channel=web] Call@{n % 4 + 1}h[channel=phone,why=bill]"
        + (f" Chat@{n % 5 + 1}d[channel=web,why=bill]" if n % 2 else "")
        for n in range(40)
    }
    Paths.from_text(people, end="60d").save(tmp_path / "lake" / "paths")
    return tmp_path / "journeys.toml"


def asked(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["contacts", *arguments, "--config", str(config)], catch_exceptions=False)


def test_the_rows_are_those_of_the_functions(config: Path) -> None:
    paths = Paths.open(config.parent / "lake" / "paths")
    own = {"chats": "Chat", "reason": "why", "repeat": "3d"}
    for arguments, table in (
        ([], contacts(paths, ["Call", "Chat"], **own)),
        (["Call", "--by", "channel"], contacts(paths, "Call", by="channel", **own)),
        (["--rate"], contact_rate(paths, ["Call", "Chat"])),
    ):
        done = asked(config, "--json", *arguments)
        assert done.exit_code == 0 and json.loads(done.stdout) == json.loads(plain(table).write_json())


def test_a_table_says_what_is_settled_and_how_many_journeys_needed_help(config: Path) -> None:
    out = asked(config, "--by", "channel").stdout
    assert "100.0 % (91.2 to 100.0) of 40 mature journeys needed a contact: Call, Chat." in out
    assert "all" in out and "phone" in out and "within 3 d, in any channel, of the same why where both have one" in out
    assert "transferred" not in out.split("\n\n")[1], "without sessions it is not known"
    assert "contacted" in asked(config, "--rate").stdout


def test_what_cannot_be_asked_is_refused(config: Path, tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="no touchpoint 'Cal'"):
        asked(config, "Cal")
    config.write_text('[lake]\naddress = "lake"\n')
    with pytest.raises(DefinitionError, match="contacts is not known"):
        asked(config)
    config.write_text('[contacts]\nrepeat = "0d"\n')
    with pytest.raises(ConfigurationError, match="longer than 0"):
        _ = Settings(config).contacts
