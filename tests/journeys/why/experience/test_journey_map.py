"""`journeys map`: each lane has the numbers of its measure, of all and of a group; a file has the rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner, Result

import journeys.commands  # noqa: F401 - registers the commands
from analytics import moments_of_truth, pains, stage_funnel, usage, voice
from expectations.errors import DefinitionError, StorageError
from journeys.app import app
from tests.journeys.why.two_stages import TOML, configured, saved

LINES = """
[paths]
goal = ["buy"]
[report.stage_goals]
Interest = "[red]Find it"
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = configured(tmp_path, monkeypatch)
    file.write_text(TOML + LINES)
    return file


def asked(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["map", *arguments, "--config", str(config)], catch_exceptions=False)


def rows(config: Path, *arguments: str) -> dict[tuple[str, str, str], dict[str, Any]]:
    told = json.loads(asked(config, "--json", *arguments).stdout)
    return {(row["stage"], row["lane"], row["name"]): row for row in told}


def shop() -> dict[str, str]:
    """Of twelve customers a third are in the app; half go on, one in four meets an error and tells a score."""
    return {
        f"c{n}": f"look@0h[channel={'web' if n % 3 else 'app'}]"
        + (f" cart@1h[channel={'web' if n % 3 else 'app'}]" if n % 2 else "")
        + (" error@2h tell@3h[survey=csat,score=2]" if n % 4 == 1 else " tell@3h[survey=csat,score=5]")
        for n in range(12)
    }


def test_each_lane_has_the_numbers_of_its_measure(config: Path) -> None:
    paths = saved(config, shop())
    told = rows(config)
    assert told["Interest", "want", "[red]Find it"]["evidence"] == "written"
    used = usage(paths.of_journeys(), by="stage").filter(stage="Desire", touchpoint="cart").row(0, named=True)
    assert told["Desire", "do", "cart"]["part"] == used["customers"] == 6
    felt = voice(paths).filter(stage="Interest").row(0, named=True)
    own = told["Interest", "feel", "satisfied"]
    assert [own[name] for name in ("share", "share_low", "whole")] == [felt["csat"], felt["csat_low"], felt["csat_n"]]
    (met,) = pains(paths).filter(pl.col("is_total") & (pl.col("touchpoint") == "error")).to_dicts()
    assert told["Desire", "meet", "error"]["part"] == met["with_it"]
    funnel = stage_funnel(paths).to_dicts()
    left = told["Interest", "leave", "do not go on"]
    assert (left["part"], left["whole"]) == (funnel[0]["reached"] - funnel[1]["reached"], funnel[0]["reached"])
    assert told["Interest", "time", "to the next stage"]["wait_seconds"] == 3600


def test_a_moment_of_truth_stands_at_its_stage_with_the_difference_it_makes(config: Path) -> None:
    people = {}
    for n in range(160):
        place = f"[channel={'app' if n % 2 else 'web'}]"
        bad, won = n < 80, n % 8 < 2 if n < 80 else n % 8 < 6
        people[f"c{n}"] = f"look@0h{place} cart@1h{place}" + " error@2h" * bad + " buy@3h" * won
    paths = saved(config, people)
    (row,) = moments_of_truth(paths).filter("is_total", "is_moment").to_dicts()
    told = rows(config)["Desire", "decide", "cart"]
    names = ("share", "difference", "difference_low", "difference_high")
    assert [told[name] for name in names] == [row[name] for name in names]
    assert (told["part"], told["whole"]) == (row["with_it"], row["journeys"]) == (160, 160)
    assert row["difference"] == pytest.approx(-0.5)
    beside = rows(config, "--beside", "channel:app")["Desire", "decide", "cart"]
    (own,) = moments_of_truth(paths, by="channel").filter(channel="app", is_moment=True).to_dicts()
    assert (beside["difference"], beside["group_difference"]) == (row["difference"], own["difference"])
    assert "-50.0 (" in asked(config).stdout


def test_a_group_stands_beside_all(config: Path) -> None:
    paths = saved(config, shop())
    app_people = rows(config, "--beside", "channel:app")["Interest", "leave", "do not go on"]
    alone = stage_funnel(paths, by="channel").filter(pl.col("channel") == "app").to_dicts()
    assert (app_people["whole"], app_people["group_whole"]) == (12, alone[0]["reached"])
    members = rows(config, "--beside", "segment:Carts")
    assert members["Desire", "do", "cart"]["group_part"] == 6
    out = asked(config, "--beside", "channel:app").stdout
    assert "[red]Find it" in out and "channel:app" in out and "of these" in out


def test_a_file_has_the_rows(config: Path) -> None:
    saved(config, shop())
    for name in ("map.json", "map.csv"):
        file = config.parent / name
        assert f"{len(rows(config))} rows in" in asked(config, "--to", str(file)).stdout.replace("\n", " ")
        assert "[red]Find it" in file.read_text(encoding="utf-8")
    told = json.loads((config.parent / "map.json").read_text(encoding="utf-8"))
    assert told == json.loads(asked(config, "--json").stdout)


def test_what_cannot_be_shown_is_told(config: Path) -> None:
    saved(config, shop())
    with pytest.raises(DefinitionError, match="That is no group"):
        asked(config, "--beside", "app")
    with pytest.raises(DefinitionError, match="There is no channel 'appp'"):
        asked(config, "--beside", "channel:appp")
    with pytest.raises(DefinitionError, match="written as JSON or CSV"):
        asked(config, "--to", "map.png")
    with pytest.raises(StorageError, match="cannot be written"):
        asked(config, "--to", str(config.parent / "nowhere" / "map.json"))
