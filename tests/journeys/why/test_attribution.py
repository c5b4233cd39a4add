"""`journeys attribution`: the rows of the function, and a table with a column per model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import journeys.why.attribution  # noqa: F401 - registers the command
from analytics import Attribution, Goal, Paths, attribution, touch_effects
from expectations.errors import DefinitionError, InputError
from journeys.app import app
from journeys.terminal import plain

TOML = '[lake]\naddress = "lake"\n[[goals]]\nname = "Paid"\nsteps = ["pay"]\n'


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("journeys.terminal.out.width", 100)
    (tmp_path / "journeys.toml").write_text(TOML)
    visits = {f"a{n}": "see@0d[channel=ad] see@1d[channel=mail] pay@2d[worth=10]" for n in range(40)}
    visits |= {f"b{n}": "see@0d[channel=ad]" for n in range(25)} | {"c": "pay@3d[worth=7]"}
    Paths.from_text(visits, end="90d").save(tmp_path / "lake" / "paths")
    return tmp_path / "journeys.toml"


def asked(config: Path, *arguments: str) -> str:
    done = CliRunner().invoke(app, ["attribution", *arguments, "--config", str(config)], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_the_rows_are_those_of_the_function(config: Path) -> None:
    paths = Paths.open(config.parent / "lake" / "paths")
    goal = Goal(name="Paid", steps=("pay",))
    for options, definition in (
        ([], {}),
        (["--models", "first,markov", "--lookback", "36h"], {"models": ["first", "markov"], "lookback": "36h"}),
        (["--order", "2", "--models", "markov"], {"models": "markov", "order": 2}),
        (["--ignore", "mail", "--on", "channel"], {"ignore": ["mail"]}),
    ):
        rows = json.loads(asked(config, "Paid", *options, "--json"))
        assert rows == json.loads(plain(attribution(paths, Attribution(goal, **definition))).write_json())
    assert json.loads(asked(config, "pay", "--json")) == json.loads(asked(config, "--json"))


def test_effects_are_those_of_the_function_and_stand_beside_credit(config: Path) -> None:
    paths = Paths.open(config.parent / "lake" / "paths")
    wanted = touch_effects(paths, Attribution(Goal(name="Paid", steps=("pay",))), adjust="touchpoint")
    rows = json.loads(asked(config, "Paid", "--effects", "--adjust", "touchpoint", "--json"))
    assert rows == json.loads(plain(wanted).write_json())
    shown = " ".join(asked(config, "Paid", "--adjust", "touchpoint").split())
    for text in (
        "ad 65 61.5 % ",
        "mail 40 100.0 % 0.0 % +100.0 too few",
        "of all that are followed for so long (65; 0 are not yet). Compared where touchpoint is alike.",
    ):
        assert text in shown


COSTS = '[[costs]]\nof = "ad"\nfirst = 2024-01-01\nlast = 2024-03-30\na_day = 2.0\n[[costs]]\nfile = "costs.csv"\n'


def test_costs_of_the_file_stand_beside_credit_and_what_is_missing_is_said(config: Path) -> None:
    config.write_text(TOML + COSTS)
    (config.parent / "costs.csv").write_text("day,credited,amount\n2024-01-01,tv,50\n2024-01-01,ad,20\n")
    shown = " ".join(asked(config, "Paid", "--models", "first").split())
    for text in ("Cost per goal, by model", "ad 200.00 5.00", "tv 50.00", "tv: 89 of these days have no cost"):
        assert text in shown
    assert "50.00 of 250.00 is the cost of what first credits with no goal." in shown
    rows = json.loads(asked(config, "Paid", "--models", "first", "--json"))
    assert [(row["credited"], row["cost"]) for row in rows] == [
        ("ad", 200.0),
        ("mail", None),
        (None, None),
        ("tv", 50.0),
    ]
    (config.parent / "costs.csv").write_text("day,credited,amount\n2024-01-01,tv,much\n")
    with pytest.raises(InputError) as refused:
        asked(config, "Paid")
    assert "row 1 below its header" in refused.value.where


def test_a_table_has_a_column_per_model_and_says_what_credit_is_not(config: Path) -> None:
    shown = " ".join(asked(config, "Paid", "--models", "first,linear").split())
    for text in (
        "Paid: 41 goals of 41 customers, by channel",
        "credit first linear",
        "ad 40",
        "(no touch before) 1",
        "25 paths ended without the goal, 0 are open.",
        "41 goals lie less than the lookback after the data begin",
        "It does not say what would have happened without the channel",
    ):
        assert text in shown


def test_many_models_leave_the_intervals_to_json(config: Path) -> None:
    shown = " ".join(asked(config, "Paid", "--models", "first,last,linear,shapley").split())
    assert "Intervals are in --json and --csv." in shown
    assert "ad 40 0 20 20" in shown


def test_an_unknown_goal_is_refused_with_the_nearest_word(config: Path) -> None:
    with pytest.raises(DefinitionError, match="no goal and no touchpoint 'Piad'") as refused:
        asked(config, "Piad")
    assert "Paid" in refused.value.do
