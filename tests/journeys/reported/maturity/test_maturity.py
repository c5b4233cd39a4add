"""`journeys maturity`: answers of several people beside what the lake says, asked in the terminal or in a file."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import journeys.commands  # noqa: F401 - registers the commands
from analytics import refresh_paths
from expectations.errors import ConfigurationError, InputError, JourneysError
from journeys.app import app
from journeys.reported.maturity.evidence import evidence_of
from journeys.reported.maturity.maturity import add_answers, answers_in, maturity_of_report
from journeys.settings import Settings
from tests.analytics.monitoring.runs.histories import History

TODAY = date(2026, 11, 30)
TOML = """
[lake]
address = "lake"
[[goals]]
name = "Order"
steps = ["buy"]
for_customer = "Has the thing"
reviewed = 2026-11-02
[[journeys]]
name = "First order"
owner = "Mara"
goal = "Order"
designed = ["look", "buy"]
[[journeys.targets]]
measure = "goal_rate"
at_least = 0.3
by = 2027-03-31
[[journeys.changes]]
on = 2026-11-10
what = "New form"
[watch]
files = "alerts"
"""
ANSWERS = """
[[answers]]
by = "CX team"
on = 2026-11-02
listening = [3, 2, 1]
understanding = [2, 3, 5]
designing = [1, 2, 3]
connecting = [4, "-", 5]
acting = [2, 2, 3]
note = { 2 = "we started counting in October" }
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "journeys.toml").write_text(TOML)
    return tmp_path / "journeys.toml"


def asked(config: Path, *arguments: str, given: str | None = None) -> Result:
    command = ["maturity", *arguments, "--config", str(config)]
    return CliRunner().invoke(app, command, input=given, catch_exceptions=False)


def test_answers_stand_beside_what_is_measured(config: Path) -> None:
    (config.parent / "maturity.toml").write_text(ANSWERS)
    shop = History(config.parent / "lake")
    shop.land(("look", 0, "ann", None), ("buy", 1, "ann", None), ("look", 2, None, "b1"))
    refresh_paths(shop.lake, Settings(config).paths)
    found = asked(config)
    assert found.exit_code == 0, found.output
    text = found.stdout
    assert "Listening: 2.0, started" in text and "All: " in text and "Begin with" in text
    assert "differs: alerts go to a command or a folder" in text
    assert "differs: 1 of 1 journeys have an owner and a designed path" in text
    assert "measured: 66.7% of events by a login, 33.3% anonymous" in text
    assert "differs: nothing was checked yet" in text
    rows = {row["number"]: row for row in json.loads(asked(config, "--json").stdout)}
    assert len(rows) == 15 and rows[11]["answer"] is None and rows[10]["evidence"].endswith("33.3% anonymous")
    assert rows[13]["evidence"] == "1 targets with an owner, 1 of them with a date"


def test_a_lake_that_is_not_there_says_less(config: Path) -> None:
    config.write_text('[lake]\naddress = "lake"\n')
    facts = evidence_of(Settings(config), datetime(2026, 11, 30, tzinfo=UTC))
    assert {number: fact.most for number, fact in facts.items()} == {
        3: 4, 4: 4, 6: 3, 7: 4, 8: 4, 12: 4, 13: 4, 14: 4, 15: 4,
    }  # fmt: skip


def test_the_questions_are_asked_in_the_terminal_and_kept(config: Path) -> None:
    given = "\n".join(["3", "seven", "2", "", *["4"] * 12]) + "\n"
    found = asked(config, "--answer", 'Ann "x" \\', given=given)
    assert found.exit_code == 0 and "a whole number from 1 to 5" in found.stdout, found.output
    [kept] = answers_in(config.parent / "maturity.toml", datetime.now(UTC).date())
    assert kept.by == 'Ann "x" \\' and kept.listening == (3, 2, "-") and kept.acting == (4, 4, 4)
    add_answers(config.parent / "maturity.toml", "Ben", TODAY, [5] * 15)
    assert [each.by for each in answers_in(config.parent / "maturity.toml", date.max)] == ['Ann "x" \\', "Ben"]
    assert "Do you ask customers" in asked(config, "--questions").stdout


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("acting = [2, 2, 3]", "acting = [2, 2, 7]", r"line 9.*acting"),
        ("acting = [2, 2, 3]", "acting = [2, 2]", r"line 9.*acting"),
        ("acting = [2, 2, 3]", "actin = [2, 2, 3]", r"unknown key.*acting"),
        ("on = 2026-11-02", "on = 2031-11-02", r"(?s)line 4.*2031-11-02"),
        ("[[answers]]", "[answers]", r"\[\[answers\]\]"),
        ("note = { 2", "note = { 22", r"line 10.*note"),
    ],
)
def test_what_is_wrong_in_the_file_is_told_with_its_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    (tmp_path / "maturity.toml").write_text(ANSWERS.replace(old, new))
    with pytest.raises(ConfigurationError, match=words):
        answers_in(tmp_path / "maturity.toml", TODAY)


def test_without_answers_it_says_how_to_give_them(config: Path) -> None:
    with pytest.raises(InputError, match="--answer"):
        asked(config)
    with pytest.raises(JourneysError, match="One thing"):
        asked(config, "--questions", "--answer", "Ann")
    (config.parent / "folder").mkdir()
    with pytest.raises(InputError, match="cannot be added"):
        add_answers(config.parent / "folder", "Ann", TODAY, [1] * 15)


def test_the_report_has_the_domains_and_what_to_begin_with_and_no_name_of_who_answered(config: Path) -> None:
    assert maturity_of_report(Settings(config)) is None
    (config.parent / "maturity.toml").write_text(ANSWERS)
    found = maturity_of_report(Settings(config))
    assert found is not None and "CX team" not in found.write_csv()
    assert found.select("domain", "value", "low", "high", "number").rows()[:2] == [
        ("listening", 2.0, 1, 3, 3),
        ("understanding", 10 / 3, 2, 5, 4),
    ]
    assert found["domain"][-1] == "all" and found["number"][-1] is None
