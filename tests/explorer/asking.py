"""Random questions, and their rows where they are copied to."""

from __future__ import annotations

import json
import random
import shlex
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

import journeys.commands  # noqa: F401 - registers the commands
from analytics import StepCondition, StepText
from journeys.app import app
from tests.explorer.shop import DEVICES, WORDS

COUNTS = ("step", "name", "entered", "reached", "dropped", "open", "share_of_entered", "share_of_previous_high")


def drawn(draw: random.Random) -> dict[str, Any]:
    """A random question."""

    def step() -> str:
        if draw.random() < 0.15:
            return draw.choice(["stage:Look", "stage:Look | stage:Want"])
        conditions = [
            StepCondition("device", draw.choice(["is", "is not"]), (draw.choice(DEVICES[:3]),)),
            StepCondition("revenue", draw.choice([">=", "<"]), ("20",)),
        ]
        where = tuple(one for one in conditions if draw.random() < 0.2)
        return str(StepText(tuple(draw.sample(WORDS, draw.choice([1, 1, 2]))), where=where))

    question: dict[str, Any] = {
        "steps": [step() for _ in range(draw.randrange(1, 4))],
        "window": draw.choice(["2h", "3d"]),
    }
    options = {
        "order": draw.choice(["strict", "unordered"]),
        "count": draw.choice(["journeys", "entries"]),
        "by": draw.choice([["device"], ["segment:On a phone"], ["country", "device"]]),
        "exclude": [draw.choice(WORDS)] if len(question["steps"]) > 1 else [],
        "segment": ["On a phone"],
        "start": "2026-01-19",
        "end": "2026-02-16",
    }
    return question | {name: value for name, value in options.items() if draw.random() < 0.3}


def counts(rows: list[dict[str, Any]], by: list[str]) -> list[tuple[Any, ...]]:
    return sorted((tuple(row[name] for name in (*by, *COUNTS)) for row in rows), key=repr)


def commanded(command: str, *more: str) -> list[dict[str, Any]]:
    """The rows that a command prints."""
    _, *words = shlex.split(command.replace("\\\n", " "))
    options = next((at for at, word in enumerate(words) if word.startswith("-")), len(words))
    done = CliRunner().invoke(app, [*words[:options], *more, *words[options:]])
    if done.exception is not None:
        raise done.exception
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def options(question: dict[str, Any]) -> list[str]:
    """The options of a question as the command takes them."""
    given = [
        (name, value if isinstance(value, list) else [value]) for name, value in question.items() if name != "steps"
    ]
    return [f"--{name}={one}" for name, values in given for one in values]


def rows_elsewhere(written: dict[str, str], config: Path, folder: Path) -> tuple[list[dict[str, Any]], ...]:
    """The rows of a question as Python, as a command, and as a funnel of the configuration, which lies in `folder`."""
    space: dict[str, Any] = {}
    exec(written["python"], space)
    saved = folder / "journeys.toml"
    settings = config.read_text().replace('"lake"', json.dumps(str(config.parent / "lake")))
    saved.write_text(f"{settings}\n{written['toml']}\n")
    [name] = {line for line in written["toml"].splitlines() if line.startswith("name = ")}
    named = f"journeys funnel --config={saved} -- {shlex.quote(json.loads(name[7:]))}"
    return space["answer"].to_dicts(), commanded(written["command"], "--json"), commanded(named, "--json")
