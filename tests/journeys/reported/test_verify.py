"""`journeys verify`: a page, a number and a forged page, with exit codes, and clear messages for what is no receipt."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import journeys.commands  # noqa: F401 - registers the commands
from expectations.errors import JourneysError
from journeys.app import app
from tests.journeys.reported.published import publish_a_shop


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish_a_shop(tmp_path_factory.mktemp("verify"))


def asked(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["verify", *arguments, "--config", str(config)], catch_exceptions=False)


def test_a_page_is_as_published_until_a_number_is_changed(config: Path, tmp_path: Path) -> None:
    (page,) = config.parent.glob("site/runs/*/report.html")
    found = asked(config, str(page))
    assert found.exit_code == 0 and "are as published in" in found.stdout and "offsets: web 0: 119" in found.stdout
    forged = tmp_path / "forged.html"
    forged.write_text(page.read_text().replace("of 120 events", "of 121 events"))
    found = asked(config, str(forged), "--json")
    (difference,) = json.loads(found.stdout)["differences"]
    assert found.exit_code == 1 and difference["where"] == "foot of the page" and "121" in difference["found"]


def test_a_number_is_shown_with_what_it_was_made_from(config: Path) -> None:
    (run,) = (each.name for each in config.parent.glob("site/runs/*"))
    found = asked(config, f"{run}/linked/1/share=0.7")
    assert found.exit_code == 1 and "0.7" in found.stdout and "1 of 1 is not as published" in found.stdout
    assert "definitions" in found.stdout


@pytest.mark.parametrize("receipt", ["nothing.html", "yesterday", "a/b/c", "a/b/first/d"])
def test_what_is_no_receipt_is_refused(config: Path, receipt: str) -> None:
    with pytest.raises(JourneysError):
        asked(config, receipt)
