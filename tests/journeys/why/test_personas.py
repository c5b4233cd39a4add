"""`journeys personas`: what is kept of a fit, and of the texts that people write, and what is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import analytics
import journeys.commands  # noqa: F401 - registers the commands
from analytics import PathRules, Paths, erasures, fit_in_force
from analytics.stitching.privacy.journal import record_erasure
from analytics.stitching.privacy.kept.persona_members import member_files
from expectations.errors import StorageError
from expectations.lake.layout import Lake
from journeys.app import app
from journeys.segmented import people_of_report
from journeys.settings import Settings
from journeys.why.personas import with_texts


def found(config: Path) -> Any:
    arguments = ["personas", "fit", "--k", "2", "--yes", "--config", str(config)]
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_nothing_is_kept_of_personas_that_were_found_while_a_customer_was_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "journeys.toml").write_text('[lake]\naddress = "lake"\n')
    lake = Lake(str(tmp_path / "lake"))
    saved(lake, 20, looking=10)
    named = analytics.persona_members

    def meanwhile(*arguments: Any) -> Any:
        record_erasure(lake)
        return named(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(analytics, "persona_members", meanwhile)
        with pytest.raises(StorageError, match="removed while personas were found"):
            found(tmp_path / "journeys.toml")
    assert erasures(lake) == 1 and fit_in_force(lake) is None and member_files(lake) == []
    assert found(tmp_path / "journeys.toml").exit_code == 0
    assert fit_in_force(lake) is not None and len(member_files(lake)) == 1


def test_a_text_is_kept_with_the_numbers_that_it_is_written_for(tmp_path: Path) -> None:
    rules = [{"name": "Lookers", "share": "touchpoint", "is": ["look"], "at_least": 0.5}, {"name": "Others"}]
    named = {"id": "Lookers", "text": "Buys on the sofa"}
    config: dict[str, Any] = {"lake": {"address": "lake"}, "personas": {"rules": rules, "named": [named]}}
    settings, lake = written(tmp_path, config), Lake(str(tmp_path / "lake"))

    def asked() -> Any:
        return with_texts(settings, people_of_report(settings)).written

    saved(lake, 12, looking=6)
    first = asked()
    assert first["Lookers"]["numbers"]["share"]["value"] == 0.5 and first["Lookers"]["fit"] is None
    saved(lake, 12, looking=1)
    told = CliRunner().invoke(app, ["personas", "--config", str(tmp_path / "journeys.toml")]).stdout
    assert "The text of 'Lookers' was written earlier: size was 50.0" in told
    assert asked() == first
    named["text"] = "Buys at the desk"
    settings = written(tmp_path, config)
    assert asked()["Lookers"]["numbers"]["share"]["value"] == pytest.approx(1 / 12)


def saved(lake: Lake, customers: int, looking: int) -> None:
    people = {}
    for number in range(customers):
        word = "look" if number < looking else "read"
        people[f"c{number}"] = f"{word}@0d {word}@1d {word}@2d" + (" buy@3d" if number % 4 == 0 else "")
    Paths.from_text(people, end="60d", rules=PathRules(goal=["buy"])).save(lake.paths)


def written(folder: Path, config: dict[str, Any]) -> Settings:
    lines = [f"[lake]\naddress = {json.dumps(config['lake']['address'])}\n[personas]\n"]
    for kind, tables in config["personas"].items():
        for table in tables:
            lines.append(
                f"[[personas.{kind}]]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in table.items())
            )
    (folder / "journeys.toml").write_text("".join(lines))
    return Settings(folder / "journeys.toml")
