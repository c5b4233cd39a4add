"""`journeys goals` and `[[goals]]`: one row per goal; what cannot be meant is refused with its place."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

import journeys.commands.funnel
import journeys.commands.goals  # noqa: F401 - registers the command
from analytics import Goal, Paths, UnknownWordWarning, goal_attainment, goal_routes, stage_funnel
from expectations.errors import ConfigurationError, DefinitionError
from journeys.app import app
from journeys.settings import Settings
from journeys.terminal import plain
from tests.written import at

PATHS = """
[lake]
address = "lake"
[paths]
values = ["properties.worth"]
after = ["review"]
[[paths.stages]]
name = "Look"
touchpoints = ["look"]
[report]
window = "20d"
"""
GOALS = """
[[goals]]
name = "First order"
steps = ["buy"]
value = "worth"
horizon = "7d"
for_customer = "Has the right product"
owner = "Mara"
reviewed = 2026-11-02
says = "An order of any size"
[[goals]]
name = "Review written"
steps = ["review"]
value = 4
[[goals]]
name = "Second look"
steps = ["stage:Look", "lok"]
"""
VISITS = {
    "ann": "look@0d[device=phone] buy@1d[worth=5] review@3d",
    "bo": "look@0d[device=desk] buy@9d[worth=7]",
    "cy": "look@0d[device=phone]",
    "di": "look@39d[device=phone]",
}


def written(folder: Path, text: str) -> Path:
    (folder / "journeys.toml").write_text(text)
    return folder / "journeys.toml"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = written(tmp_path, PATHS + GOALS)
    Paths.from_text(VISITS, end="40d", rules=Settings(file).paths).save(tmp_path / "lake" / "paths")
    return file


def asked(config: Path, *arguments: str) -> str:
    done = CliRunner().invoke(app, [*arguments, "--config", str(config)], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_the_first_goal_ends_journeys_and_has_the_window_of_the_report(config: Path) -> None:
    settings = Settings(config)
    assert settings.paths.goal == ["buy"] and settings.main_goal.name == "First order"
    assert settings.report.window == "604800s"
    assert [goal.horizon for goal in settings.goals] == [timedelta(days=days) for days in (7, 20, 20)]
    assert settings.main_goal.reviewed == "2026-11-02"


@pytest.mark.parametrize(
    ("options", "rules", "names"),
    [
        ([], {}, [0, 1, 2]),
        (["Review written", "First order"], {}, [1, 0]),
        (["--by", "device"], {"by": ["device"]}, [0, 1, 2]),
        (["--from", "2024-01-02", "--to", "2024-03-01"], {"start": at("1d"), "end": at("60d")}, [0, 1, 2]),
    ],
)
def test_the_rows_are_those_of_the_function(
    config: Path, options: list[str], rules: dict[str, Any], names: list[int]
) -> None:
    goals = [Settings(config).goals[index] for index in names]
    expected = goal_attainment(Paths.open(config.parent / "lake" / "paths"), goals, **rules)
    assert json.loads(asked(config, "goals", *options, "--json")) == json.loads(plain(expected).write_json())
    assert pl.read_csv(asked(config, "goals", *options, "--csv").encode()).height == expected.height


def test_a_table_has_rate_interval_value_and_words_for_the_customer(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("journeys.terminal.out.width", 200)
    shown = asked(config, "goals")
    for text in ("First order", "Has the right product", "33.3 %", "too few", "5.00", "7 d", "Late:"):
        assert text in shown
    assert "Second look: no touchpoint is called 'lok'." in shown
    assert "phone" in asked(config, "goals", "--by", "device") and "all" in asked(config, "goals", "--by", "device")


def test_the_routes_are_those_of_the_goal_and_of_the_function(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("journeys.terminal.out.width", 200)
    text = config.read_text().replace("says =", 'routes = [{name = "By air", through = ["plane"]}]\nsays =', 1)
    config.write_text(text)
    goal = Settings(config).goals[0]
    with pytest.warns(UnknownWordWarning, match="plane"):
        expected = goal_routes(Paths.open(config.parent / "lake" / "paths"), goal)
        rows = json.loads(asked(config, "goals", "First order", "--routes", "--json"))
        shown = asked(config, "goals", "First order", "--routes")
    assert rows == json.loads(plain(expected.select(pl.lit("First order").alias("goal"), pl.all())).write_json())
    assert [row["family"] for row in rows] == ["By air", "other"]
    assert "Nothing fits: By air." in shown and "too few" in shown


def test_the_funnel_of_a_goal_has_its_name_and_its_horizon(config: Path) -> None:
    paths, goals = Paths.open(config.parent / "lake" / "paths"), Settings(config).goals
    for goal, options in ((goals[0], []), (goals[1], ["--goal", "Review written"])):
        rows = json.loads(asked(config, "funnel", *options, "--json"))
        assert rows == json.loads(plain(stage_funnel(paths, goal=goal)).write_json())
        assert (rows[-1]["name"], rows[-1]["reached"]) == (goal.name, 1)
    assert "within 20 d" in " ".join(asked(config, "funnel", "--goal", "Review written").split())
    with pytest.raises(DefinitionError, match="no goal 'Revew written'"):
        asked(config, "funnel", "--goal", "Revew written")
    with pytest.raises(DefinitionError, match="--goal is an option of the funnel of stages"):
        asked(config, "funnel", "look", "buy", "--goal", "First order")


def test_without_goals_there_is_the_one_of_paths_named_after_its_touchpoint(tmp_path: Path) -> None:
    file = written(tmp_path, PATHS.replace("[paths]", '[paths]\ngoal = ["buy"]'))
    settings = Settings(file)
    Paths.from_text(VISITS, end="40d", rules=settings.paths).save(tmp_path / "lake" / "paths")
    assert settings.goals == () and settings.report.window == "20d"
    (row,) = json.loads(asked(file, "goals", "--json"))
    assert (row["goal"], row["mature"], row["reached"]) == ("buy", 3, 2)


def test_the_same_goal_may_stand_in_both_places(tmp_path: Path) -> None:
    file = written(tmp_path, PATHS.replace("[paths]", '[paths]\ngoal = ["buy"]') + GOALS)
    assert Settings(file).paths.goal == ["buy"]


def test_the_environment_may_name_the_same_goal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNEYS_PATHS__GOAL", '["sell"]')
    with pytest.raises(ConfigurationError, match="are different"):
        _ = Settings(written(tmp_path, PATHS + GOALS)).paths


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"Review written"', '"First order"', r"(?s)called 'First order'.*line {Review written}"),
        ('steps = ["review"]', "steps = []", "line .*goals.1.steps: .*at least 1 item"),
        ('steps = ["buy"]', 'steps = ["stage:Look"]', r"(?s)first goal ends a journey.*line {steps = \[.buy}"),
        ('"stage:Look", "lok"', '"stage:Lok"', r"(?s)names a stage .*'Lok'.*line {stage:Look}.*did you mean 'Look'"),
        ("value = 4", "value = -4", r"line {value = 4}: goals.1.value: the value of a goal is an amount from 0"),
        ('value = "worth"', 'value = "wroth"', r"(?s)no numeric column.*line {value = .worth}.*did you mean 'worth'"),
        ('value = "worth"', 'value = "device"', r"(?s)no numeric column.*found: device"),
        ('horizon = "7d"', 'horizon = "31d"', r"(?s)longer than the journey gap.*line {horizon}.*raise journey_gap"),
        ('horizon = "7d"', "horizon = 7", r"line {horizon}: goals.0.horizon: .*not a duration"),
        ("owner =", "ownr =", r"line {owner}: goals.0.ownr: unknown key; did you mean 'owner'"),
        ("says =", "routes = [{name = 'Any'}]\nsays =", r"goals.0.routes.0: .*a route names entered"),
        ("says =", "routes = [{name = 'A', vists = 2}]\nsays =", r"goals.0.routes.0.vists: unknown key.*'visits'"),
        (
            "says =",
            "routes = [{name = 'A', visits = 1}, {name = 'A', visits = 2}]\nsays =",
            "two routes are called 'A'",
        ),
        ("[paths]", '[paths]\ngoal = ["sell"]', r"(?s)are different.*expected: buy.*found: sell.*do: leave goal out"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = PATHS + GOALS
    lines = text.splitlines()
    if "{" in message:
        mark = message[message.index("{") + 1 : message.index("}")]
        found = mark.replace("\\", "").replace(".buy", '"buy').replace(".worth", '"worth')
        line = next(number for number, each in enumerate(lines, 1) if found in each)
        message = message.replace("{" + mark + "}", str(line))
    file = written(tmp_path, text.replace(old, new, 1))
    with pytest.raises(ConfigurationError, match=message):
        _ = Settings(file).goals


def test_one_table_is_no_array_of_tables(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"(?s)array of tables.*\[\[goals\]\]"):
        _ = Settings(written(tmp_path, '[goals]\nname = "x"\n')).goals


def test_two_funnels_of_one_name_are_refused(tmp_path: Path) -> None:
    twice = '[[funnels]]\nname = "x"\nsteps = ["a"]\n' * 2
    with pytest.raises(ConfigurationError, match=r"(?s)called 'x'.*line 5"):
        _ = Settings(written(tmp_path, twice)).funnels


def test_a_goal_alone_is_as_written() -> None:
    assert Goal(name="Order", steps=["buy"]).horizon is None
