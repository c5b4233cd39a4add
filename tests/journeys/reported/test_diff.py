"""`journeys diff`: causes in steps of k, as a table and as rows, and one clear message for what cannot be compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import journeys.commands  # noqa: F401 - registers the commands
from analytics import DIFF_CAUSES
from expectations.errors import DefinitionError
from journeys.app import app
from tests.analytics.monitoring.runs.histories import History

TOML = '[lake]\naddress = "lake"\n[paths]\ngoal = ["buy"]\n'


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty customers order on day 2, and forty more, whose orders land after the first report."""
    folder = tmp_path_factory.mktemp("diff")
    (folder / "journeys.toml").write_text(TOML)
    shop = History(folder / "lake")
    orders = [(name, 2, f"c{number}", None) for number in range(80) for name in ("look", "buy")]
    shop.land(*orders[:80], ("look", 30, "zed", None))
    shop.report()
    shop.land(*orders[80:], topic="file:late")
    shop.report()
    return folder / "journeys.toml"


def asked(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["diff", *arguments, "--config", str(config)], catch_exceptions=False)


def test_what_moved_is_told_with_its_cause(config: Path) -> None:
    found = asked(config)
    text = " ".join(found.stdout.split())
    assert found.exit_code == 0 and text.startswith("report-1 data to 4 Feb 2026")
    assert "Customers with “Order”," in text and "40 80 +40" in text and "restated" in text
    assert "late +40" in text and "in steps of 10" in text
    rows = json.loads(asked(config, "report-1", "report-2", "--json").stdout)
    order = next(row for row in rows if row["part"] == "goals")
    assert (order["then"], order["now"], order["late"], order["other"]) == (40, 80, 40, 0)
    assert not any(row[cause] % 10 for row in rows for cause in (*DIFF_CAUSES, "then", "now", "other"))
    assert not any(name.startswith("customers_") for name in rows[0])
    assert asked(config, "--csv").stdout.startswith("part,name,week,measure,then,now,difference,definitions,")


def test_a_restated_number_is_an_exit_code(config: Path) -> None:
    assert asked(config, "--fail-on", "restated").exit_code == 1
    same = asked(config, "report-2", "report-2", "--fail-on", "restated")
    assert same.exit_code == 0 and "Nothing moved." in same.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["report-7"], "report-1"),
        (["a", "b", "c"], "at most two"),
        (["--fail-on", "moved"], "restated"),
        (["../lake"], "keeps no report"),
    ],
)
def test_what_cannot_be_compared_is_one_message(config: Path, arguments: list[str], words: str) -> None:
    with pytest.raises(DefinitionError, match=words):
        asked(config, *arguments)
