"""`journeys experiment`: the rows of the functions, a table, exit codes, and what is refused in journeys.toml."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner, Result

import journeys.commands  # noqa: F401 - registers the commands
from analytics import (
    Experiment,
    Goal,
    Metric,
    NamedExperiment,
    Paths,
    experiment,
    experiment_health,
    experiment_size,
)
from expectations.errors import ConfigurationError, DefinitionError
from journeys.app import app
from journeys.settings import Settings
from journeys.terminal import plain

TOML = """
[lake]
address = "lake"
[report]
timezone = "Europe/Berlin"
[[goals]]
name = "Ordered"
steps = ["buy"]
[[experiments]]
name = "button"
assignment = "see"
variant = "v"
metrics = ["Ordered", { goal = "back", of = "goals", better = "fewer", name = "returns" }]
window = "5d"
"""
BROKEN = TOML + "planned = { A = 0.9, B = 0.1 }\n"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("journeys.terminal.out.width", 120)
    (tmp_path / "journeys.toml").write_text(TOML)
    people = {
        f"{variant}{n}": f"see@{n % 9}d[v={variant},device={'phone' if n % 2 else 'desk'}]"
        + (f" buy@{n % 9 + 2}d[device=desk]" if n < buyers else "")
        + (f" back@{n % 9 + 3}d[device=desk]" if n < returned else "")
        for variant, buyers, returned in (("A", 60, 10), ("B", 110, 90))
        for n in range(200)
    }
    Paths.from_text(people, end="60d").save(tmp_path / "lake" / "paths")
    return tmp_path / "journeys.toml"


def asked(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["experiment", *arguments, "--config", str(config)], catch_exceptions=False)


def test_the_rows_are_those_of_the_functions(config: Path) -> None:
    paths = Paths.open(config.parent / "lake" / "paths")
    metrics = [Metric(Goal(name="Ordered", steps=["buy"])), Metric("back", of="goals", better="fewer", name="returns")]
    definition = Experiment("button", "see", variant="v", metrics=metrics, window="5d")
    for arguments, table in (
        ([], experiment(paths, definition)),
        (["--by", "device", "--horizon", "fixed"], experiment(paths, definition, by="device", horizon="fixed")),
        (["--health"], experiment_health(paths, definition)),
    ):
        done = asked(config, "button", "--json", *arguments)
        assert done.exit_code == 0 and json.loads(done.stdout) == json.loads(plain(table).write_json())


def test_a_table_says_what_is_better_and_worse_and_who_is_left_out(config: Path) -> None:
    text = asked(config, "button", "--by", "device").stdout
    for words in ("400 customers assigned (A 200, B 200)", "30.0 %", "+25.0 pts", "better", "worse", "all", "phone"):
        assert words in text
    assert "Sample ratio: p 1.000" in text and max(map(len, text.splitlines())) <= 120
    assert "without" in asked(config, "button", "--health").stdout


def test_a_segment_is_a_column_of_its_own(config: Path) -> None:
    config.write_text(TOML + '[[segments]]\nname = "Handheld"\nall = [{ first = "device", is = ["phone"] }]\n')
    rows = json.loads(asked(config, "button", "--by", "segment:Handheld", "--json").stdout)
    groups = {(row["Handheld"], row["customers"]) for row in rows if not row["is_total"]}
    assert groups == {("in", 100), ("out", 100)}


def test_it_fails_on_what_is_asked_for(config: Path) -> None:
    assert asked(config, "button", "--fail-on", "worse").exit_code == 1
    assert asked(config, "button", "--fail-on", "srm", "--json").exit_code == 0
    config.write_text(BROKEN)
    done = asked(config, "button", "--fail-on", "srm, worse")
    assert done.exit_code == 1 and "Do not decide on these" in done.stdout and "better" not in done.stdout
    assert asked(config, "button", "--fail-on", "worse").exit_code == 0
    with pytest.raises(DefinitionError, match="did you mean 'worse'"):
        asked(config, "button", "--fail-on", "worst")


def test_an_unknown_experiment_and_words_that_no_touch_has_are_refused(config: Path) -> None:
    with pytest.raises(DefinitionError, match="did you mean 'button'"):
        asked(config, "buton")
    for old, new, words in (
        ('assignment = "see"', 'assignment = "seen"', "such as see"),
        ('goal = "back"', 'goal = "backs"', "such as back"),
        ('variant = "v"', 'variant = "w"', "no column"),
    ):
        config.write_text(TOML.replace(old, new))
        with pytest.raises(DefinitionError, match=words):
            asked(config, "button")
    config.write_text(TOML.partition("[[experiments]]")[0])
    with pytest.raises(DefinitionError, match="which has none"):
        asked(config, "button")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('variant = "v"', 'variants = "v"', "line 12: .*unknown key; did you mean 'variant'"),
        ('of = "goals"', 'of = "goal"', "did you mean 'goals'"),
        ('window = "5d"', "window = 5", "line 14: .*not a duration"),
        ('window = "5d"', "planned = { A = 0.5, B = 0.6 }", "not those of all customers"),
        ('variant = "v"', 'control = "C"\nplanned = { A = 0.5, B = 0.5 }', "control 'C' has no planned share"),
        ('metrics = ["Ordered"', 'metrics = ["back"', ""),
    ],
)
def test_a_wrong_key_or_value_is_named_with_its_line(config: Path, old: str, new: str, words: str) -> None:
    config.write_text(TOML.replace(old, new))
    if not words:
        assert Settings(config).experiment("button").metrics[0] == "back"
        return
    with pytest.raises(ConfigurationError, match=words):
        Settings(config).experiment("button")


def test_days_begin_in_the_zone_of_the_report() -> None:
    named = NamedExperiment(
        name="x", assignment="see", metrics=["buy"], start=date(2024, 1, 2), end="2024-01-05T10:00Z"
    )
    definition = named.definition({}, ZoneInfo("Europe/Berlin"))
    assert definition.start == datetime(2024, 1, 1, 23, tzinfo=UTC)
    assert definition.end == datetime(2024, 1, 5, 10, tzinfo=UTC)


def test_a_plan_says_how_many_customers_and_days(config: Path) -> None:
    named = Settings(config).experiment("button")
    definition = named.definition({"Ordered": Goal(name="Ordered", steps=["buy"])}, ZoneInfo("Europe/Berlin"))
    own = experiment_size(Paths.open(config.parent / "lake" / "paths"), definition, lifts=[0.05], horizon="fixed")
    told = json.loads(asked(config, "button", "--plan", "--lift", "5", "--horizon", "fixed", "--json").output)
    assert [row["customers"] for row in told] == own["customers"].to_list()
    shown = asked(config, "button", "--plan").output
    assert "Nobody met the assignment" in shown, "all were exposed more than 33 days before the end"
    people = {f"c{n}": "see@20d buy@21d back@22d" if n < 40 else "see@20d" for n in range(100)}
    Paths.from_text(people, end="40d").save(config.parent / "lake" / "paths")
    shown = asked(config, "button", "--plan", "--lift", "-10").output
    assert "40.0 %" in shown and "-10 %" in shown and "of 5 days are over" in shown
    config.write_text(TOML.replace('assignment = "see"', 'assignment = "seen"'))
    with pytest.raises(DefinitionError, match="see"):
        asked(config, "button", "--plan")
    config.write_text(TOML)
    with pytest.raises(DefinitionError, match="add --plan"):
        asked(config, "button", "--lift", "5")
    with pytest.raises(DefinitionError, match="give it alone"):
        asked(config, "button", "--plan", "--health")
