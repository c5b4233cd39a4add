"""Every question of docs/questions.md is answered by the command beside it, in the words of the demo; so are those of
the guides."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

import analytics
import journeys.commands  # noqa: F401 - registers the commands
from analytics import Paths
from ingest.samples.simulator import simulate
from journeys.app import app
from tests.docs.notebooks import shown_by
from tests.reports.questions.stories import stitched

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "questions.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if "`journeys " in line]
COMMANDS = [text.replace("\\|", "|") for text in re.findall(r"`journeys ([^`]*)`", PAGE)]
GUIDES = "\n".join(page.read_text(encoding="utf-8") for page in [DOCS / "start.md", *sorted(DOCS.glob("guides/*.md"))])
SHOWN = sorted(set(re.findall(r"^\$ journeys (.+)$", GUIDES, re.MULTILINE)))
NEED_MORE = {"init", "load", "run", "doctor", "brief", "explore", "forget", "stitch", "check"}
"""Verbs that need a file, a broker, a report or a browser, or write to the lake: tests of their own run them."""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    stitched(folder, simulate(customers=800, seed=7))
    return folder / "journeys.toml"


def test_every_question_of_the_page_is_answered(config: Path) -> None:
    assert len(COMMANDS) == len(ROWS) > 20
    for command in COMMANDS:
        done = CliRunner().invoke(app, [*shlex.split(command), "--config", str(config)])
        assert done.exit_code == 0 and done.stdout.strip(), (command, done.output)


def test_every_question_of_the_guides_is_answered(config: Path) -> None:
    asked = [command for command in SHOWN if command.split()[0] not in NEED_MORE and command not in COMMANDS]
    assert len(asked) > 8
    for command in asked:
        done = CliRunner().invoke(app, [*shlex.split(command), "--config", str(config)])
        assert done.exit_code == 0 and done.stdout.strip(), (command, done.output)


@pytest.mark.parametrize("name", ["analyst", "cx_lead", "data_engineer"])
def test_a_notebook_runs_and_shows_no_key_of_a_customer(config: Path, name: str) -> None:
    shown = shown_by(DOCS / "notebooks" / f"{name}.ipynb", {"../../demo/lake": str(config.parent / "lake")})
    assert len(shown) > 5 and all(shown), name
    assert sum(each.startswith("<svg") for each in shown) >= 1
    keys = Paths.open(config.parent / "lake").touches.select("customer").unique().collect()["customer"]
    assert len(keys) > 500 and not re.search("|".join(map(re.escape, keys)), "\n".join(shown))


def test_every_command_of_the_guides_exists_with_its_options() -> None:
    spoken = re.findall(r"`journeys ([a-z][^`]*)`", GUIDES)
    assert len(spoken) > 10
    for line in {*SHOWN, *spoken}:
        command: Any = get_command(app)
        given = shlex.split(line)
        while given and given[0] in getattr(command, "commands", {}):
            command = command.commands[given.pop(0)]
        options = {option for parameter in command.params for option in parameter.opts}
        assert command.name != "journeys" and {word for word in given if word.startswith("--")} <= options, line


def test_every_question_names_calls_that_are_there() -> None:
    for row in ROWS:
        calls = re.findall(r"`([A-Za-z_]+)", row.rsplit("|", 2)[1])
        assert calls and all(hasattr(analytics, name) for name in calls), row
