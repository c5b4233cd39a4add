"""The skill file is true: every call that it shows is one that the tools take, and is answered."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

import journeys.commands  # noqa: F401 - registers the commands
from journeys.app import app
from journeys.reported.agents.arguments import ARGUMENTS
from journeys.reported.agents.budget import tokens_of
from journeys.reported.agents.card_rows import SHOWN
from journeys.reported.agents.meanings import OF_CARD
from journeys.reported.agents.skill import skill_text
from journeys.reported.agents.tools import Tools

CALLS = re.findall(r"`(\w+\(.*?\))`", skill_text())
OTHER_SHOP = {"Cart page": "cart", "Order placed": "buy", "Desire": "Want", "mobile": "phone", "channel": "device"}
"""Words of the skill's examples, and those of the shop of the tests."""


LACKING = ("The report has no card", "what customers say")


def call_of(text: str) -> tuple[str, dict[str, Any]]:
    call = ast.parse(text, mode="eval").body
    assert isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and not call.args, text
    return call.func.id, {one.arg or "": ast.literal_eval(one.value) for one in call.keywords}


def test_every_tool_and_argument_exists() -> None:
    for name, arguments in map(call_of, CALLS):
        ARGUMENTS[name].model_validate(arguments)
    assert {name for name, _ in map(call_of, CALLS)} == {*ARGUMENTS}


def test_every_card_exists() -> None:
    cards = {arguments["of"] for name, arguments in map(call_of, CALLS) if name == "ask"}
    assert cards <= {*SHOWN, *OF_CARD, "retention", "walk"}


def test_every_call_is_answered_or_lacks_what_the_shop_has_not(published: Tools, mine: Tools) -> None:
    own = skill_text().partition("## Questions of your own")[2]
    for text in CALLS:
        name, arguments = call_of(text)
        if "before" in arguments:
            continue  # `test_why_compares_days` asks it
        words = json.dumps(arguments)
        for word, other in OTHER_SHOP.items():
            words = words.replace(word, other)
        found, failed = (mine if text in own else published).call(name, json.loads(words))
        assert not failed or any(known in found for known in LACKING), (text, found)


def test_it_is_short_and_written_where_it_is_asked_for(tmp_path: Path) -> None:
    assert tokens_of(skill_text()) <= 2_000
    assert skill_text().startswith("---\nname: journeys\ndescription: ")
    done = CliRunner().invoke(app, ["agents", "skill", "--to", str(tmp_path / "skills")])
    assert done.exit_code == 0 and (tmp_path / "skills" / "SKILL.md").read_text() == skill_text()
    assert CliRunner().invoke(app, ["agents", "skill"]).stdout == skill_text()
