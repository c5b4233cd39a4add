"""`journeys why`: eight sentences at most, as text and JSON, and one clear message for what cannot be asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import journeys.commands  # noqa: F401 - registers the commands
from analytics import Paths
from expectations.errors import DefinitionError
from journeys.app import app
from tests.analytics.monitoring.test_why import shop

TOML = """
[lake]
address = "lake"
[[goals]]
name = "Order"
steps = ["buy"]
[report]
segments = ["device", "plan"]
[report.segment_names]
device = "Device"
[[funnels]]
name = "checkout"
steps = ["cart", "buy"]
window = "7d"
[[journeys]]
name = "First order"
owner = "Mara"
goal = "Order"
targets = [{ measure = "goal_rate", at_least = 0.3 }]
changes = [{ on = 2024-01-15, what = "a new [payment] page" }]
[releases]
marks = [{ on = 2024-01-16, name = "form 2" }, { on = 2024-03-01, name = "later" }]
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("why")
    (folder / "journeys.toml").write_text(TOML)
    shop(0.3).save(folder / "lake" / "paths")
    return folder / "journeys.toml"


def asked(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["why", *arguments, "--config", str(config)], catch_exceptions=False)


def test_a_week_is_told_in_sentences_and_as_rows(config: Path) -> None:
    lines = asked(config, "Order", "--week", "2024-W03", "--against", "2").stdout.splitlines()
    assert lines[0] == "Order: 15 Jan to 21 Jan 2024 against 1 Jan to 14 Jan 2024, by day of beginning"
    assert len(lines) <= 9
    assert lines[1].startswith("- The rate of 'Order' went from 80.0")
    assert lines[2].startswith("- Device phone, at Order")
    noted = "Noted then, which is no proof of a cause: 15 Jan 2024, a new [payment] page; 16 Jan 2024, form 2."
    assert f"- {noted}" in lines
    given = ["--before", "2024-01-01..2024-01-14", "--after", "2024-01-15..2024-01-21"]
    rows = json.loads(asked(config, "Order", *given, "--json").stdout)
    assert [f"- {row['sentence']}".replace("\u202f", " ") for row in rows] == lines[1:]
    assert {key for row in rows for key in row} >= {"kind", "sentence", "numbers", "interval", "source"}
    step = rows[1]
    assert (step["kind"], step["source"], step["by"], step["group"]) == ("step", "goal_change", "device", ["phone"])
    assert step["interval"][0] < step["numbers"]["difference"] < step["interval"][1] < 0


def test_a_funnel_is_told_by_its_name(config: Path) -> None:
    lines = asked(config, "checkout", "--week", "2024-W03", "--against", "2", "--by", "device").stdout.splitlines()
    assert lines[0].startswith("checkout: 15 Jan to 21 Jan 2024")
    assert lines[1].startswith("- The rate of 'checkout' went from 80.0")
    assert lines[2].startswith("- At buy: ") and lines[3].startswith("- Device phone, at buy: 30.0")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["Ordr", "--week", "2024-W03"], "(?s)no goal or funnel 'Ordr'.*Order, checkout.*'Order'"),
        (["look", "bye", "--week", "2024-W03"], "(?s)bye.*buy"),
        (["Order", "--week", "2024-W60"], "week cannot be read"),
        (["Order", "--week", "soon"], "week cannot be read"),
        (["Order", "--week", "2030-W03"], "behind the end of the data"),
        (["Order", "--week", "2024-W03", "--before", "2024-01-01..2024-01-02"], "Two periods"),
        (["Order"], "Two periods"),
        (["Order", "--before", "2024-01-01", "--after", "2024-01-15..2024-01-21"], "cannot be read"),
        (["Order", "--week", "2023-W03"], "No journey begins in the period before"),
    ],
)
def test_what_cannot_be_asked_is_one_message(config: Path, arguments: list[str], words: str) -> None:
    with pytest.raises(DefinitionError, match=words):
        asked(config, *arguments)


def test_a_lake_without_touches_is_told(tmp_path: Path) -> None:
    (tmp_path / "journeys.toml").write_text(TOML)
    Paths.from_text({}).save(tmp_path / "lake" / "paths")
    with pytest.raises(DefinitionError):
        asked(tmp_path / "journeys.toml", "Order", "--week", "2024-W03")
