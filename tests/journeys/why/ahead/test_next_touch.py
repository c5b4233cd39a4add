"""`journeys next`: the rows of the function, a table that says what was seen, and words that nobody has."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import journeys.commands  # noqa: F401 - registers the commands
from analytics import next_touch, next_touch_quality
from expectations.errors import DefinitionError
from journeys.app import app
from journeys.terminal import plain
from tests.journeys.why.two_stages import configured, saved

VISITS = {
    "ann": "look@0m[device=phone] cart@1m[device=phone] look@2d[device=desk]",
    "bo": "look@0m[device=phone] cart@1m[device=phone] buy@2m[device=phone]",
    "cy": "look@0m[device=desk] buy@3d[device=desk]",
}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return configured(tmp_path, monkeypatch)


def asked(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["next", *arguments, "--config", str(config)], catch_exceptions=False)


def test_the_rows_are_those_of_the_function(config: Path) -> None:
    paths = saved(config, VISITS)
    for arguments, table in (
        ([], next_touch(paths)),
        (["look", "cart"], next_touch(paths, ["look", "cart"])),
        (["look", "cart", "--order", "1", "--by", "device"], next_touch(paths, "cart", by="device")),
        (["look", "--unit", "customer"], next_touch(paths, "look", unit="customer")),
    ):
        done = asked(config, "--json", *arguments)
        assert done.exit_code == 0 and json.loads(done.stdout) == json.loads(plain(table).write_json())


def test_the_table_says_how_often_the_context_was_seen(config: Path) -> None:
    saved(config, VISITS)
    out = asked(config, "look", "cart", "--by", "device").stdout
    assert out.startswith("After look > cart: seen 2 times, of 2 customers") and "phone" in out and "all" in out
    never = asked(config, "buy", "look").stdout
    assert never.startswith("After look: seen 4 times, of 3 customers\nbuy > look was never seen")
    assert asked(config).stdout.startswith("After any touch, or at the beginning: seen 13 times, of 3 customers")
    assert asked(config, "look", "--order", "0").stdout.startswith("After any touch")


def test_how_well_the_last_sessions_are_told(config: Path) -> None:
    """Of the 13 touches and leavings, those of sessions that begin after 40 hours are held back."""
    paths = saved(config, VISITS)
    assert paths.end_of_data is not None
    table = next_touch_quality(paths, paths.end_of_data - timedelta(days=58, hours=8), order=1)
    done = asked(config, "--held-back", "1400h", "--order", "1", "--json")
    assert len(table) == 2 and json.loads(done.stdout) == json.loads(plain(table).write_json())
    out = asked(config, "--held-back", "1400h").stdout
    assert out.startswith(f"Held back: {table['touches'][0]} touches") and "Bits: that a touch takes" in out
    assert "nothing to check" in asked(config, "--held-back", "900d").stdout


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["look", "--held-back", "14d"], "without touches"),
        (["--held-back", "0s"], "above 0"),
        (["--held-back", "soon"], "soon"),
        (["lok"], "look"),
        (["--unit", "sesion"], "did you mean 'session'"),
        (["--order", "-1"], "A context"),
    ],
)
def test_what_nobody_has_is_refused_with_the_nearest_name(config: Path, arguments: list[str], match: str) -> None:
    saved(config, VISITS)
    with pytest.raises(DefinitionError, match=match):
        asked(config, *arguments)
