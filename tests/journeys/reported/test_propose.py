"""`journeys propose`: the numbers of a proposal beside those of now, small counts withheld, nothing changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import journeys.commands  # noqa: F401 - registers the commands
from expectations.errors import ConfigurationError, DefinitionError
from journeys.app import app
from tests.analytics.monitoring.runs.histories import History

TOML = """[lake]
address = "lake"
[[goals]]
name = "Bought"
steps = ["buy"]
horizon = "7d"
[[funnels]]
name = "To the order"
steps = ["look", "buy"]
[[segments]]
name = "Seen"
all = [{ did = ["look"], within = "60d" }]
[report]
window = "7d"
"""
CUSTOMERS, WHO_ASK, WHO_CALL, WHO_BUY = 200, 120, 4, 80


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All look on day 1; some ask, four call, some buy."""
    folder = tmp_path_factory.mktemp("propose")
    (folder / "journeys.toml").write_text(TOML)
    shop = History(folder / "lake")
    touches = {"look": CUSTOMERS, "ask": WHO_ASK, "call|us": WHO_CALL, "buy": WHO_BUY}
    shop.land(
        *((name, day, f"c{one}", None) for day, (name, many) in enumerate(touches.items(), 1) for one in range(many)),
        ("look", 50, "zed", None),
    )
    done = CliRunner().invoke(app, ["stitch", "--config", str(folder / "journeys.toml")], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return folder / "journeys.toml"


def proposed(config: Path, text: str, *options: str) -> Result:
    file = config.parent / "proposal.toml"
    file.write_text(text)
    return CliRunner().invoke(app, ["propose", str(file), *options, "--config", str(config)], catch_exceptions=False)


def test_a_changed_funnel_stands_beside_the_one_of_now(config: Path) -> None:
    before = config.read_text()
    found = proposed(config, '[[funnels]]\nname = "To the order"\nsteps = ["look", "ask", "buy"]\n')
    assert found.exit_code == 0
    assert "### Funnel To the order: changed" in found.stdout
    assert "| | now | proposed |" in found.stdout
    assert "| ask | – | 120 of 200: 60 % (" in found.stdout
    assert "| buy | 80 of 200: 40 % (" in found.stdout
    assert config.read_text() == before


def test_a_new_goal_and_a_new_segment_are_counted(config: Path) -> None:
    asked = '[[goals]]\nname = "Asked"\nsteps = ["ask"]\n'
    askers = '[[segments]]\nname = "Askers"\nall = [{ did = ["ask"], within = "60d" }]\n'
    rows = json.loads(proposed(config, asked + askers, "--json").stdout)
    goal, segment = rows
    assert (goal["kind"], goal["change"], goal["version"]) == ("goal", "new", "proposed")
    assert (goal["count"], goal["of"], goal["share"]) == (WHO_ASK, CUSTOMERS, 0.6)
    assert (segment["kind"], segment["count"]) == ("segment", WHO_ASK)


def test_few_customers_are_withheld_and_names_are_data(config: Path) -> None:
    found = proposed(config, '[[funnels]]\nname = "<b>"\nsteps = ["look", "\\"call|us\\""]\n')
    assert "| call\\|us | withheld |" in found.stdout and "### Funnel \\<b\\>: new" in found.stdout
    [goal] = json.loads(proposed(config, '[[goals]]\nname = "Called"\nsteps = ["call|us"]\n', "--json").stdout)
    assert goal["count"] is None and goal["share"] is None and goal["share_low"] is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[funnels]]\nname = "x"\nsteps = ["loko", "buy"]\n', "(?s)'loko'.*proposal.toml"),
        ('[[goals]]\nname = "x"\nsteps = ["bu"]\n', "(?s)'bu'.*proposal.toml.*did you mean 'buy'"),
        ('[[goals]]\nname = "Bought"\nsteps = ["ask"]\n', "(?s)ends a journey.*proposal.toml"),
        ('[[segments]]\nname = "Seen"\nall = [{ did = ["ask"], within = "60d" }]\n', "same version"),
        ('\n[[funnels]]\nname = "x"\nstep = ["look"]\n', "proposal.toml, line 4"),
        ("[report]\nk = 1\n", r"Unknown table \[report\]"),
        ("[goals]\n", r"\[\[goals\]\]"),
        ('[[goals]]\nname = "x"\nsteps = ["ask"]\n[[goals]]\nname = "x"\nsteps = ["buy"]\n', "Two of"),
        ("", "Nothing is proposed"),
    ],
)
def test_what_cannot_be_accepted_is_one_message(config: Path, text: str, words: str) -> None:
    with pytest.raises((ConfigurationError, DefinitionError), match=words):
        proposed(config, text)
