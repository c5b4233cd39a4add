"""Analysis and reporting need no package of landing or checks; a command that lacks one names the extra."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from expectations.lake.layout import Lake
from journeys.app import EXTRAS
from tests.analytics.stitching.test_refresh import event, land

BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {extras!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocked())
"""
RUN = "from journeys import main; sys.argv[0] = 'journeys'; main()"
CONFIG = """
[lake]
address = "lake"
[ingest]
brokers = ["127.0.0.1:9"]
streams = [{ topic = "clicks", kind = "clickstream" }]
"""


def in_base(code: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Python without the packages of any extra."""
    begun = BLOCKED.format(extras=set(EXTRAS)) + code
    command = [sys.executable, "-c", begun, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    visits = [event("visit", f"{n}m", n, customer_id=f"c{n % 20}") for n in range(40)]
    orders = [event("order_placed", f"{100 + n}m", 100 + n, customer_id=f"c{n}") for n in range(10)]
    land(Lake(str(folder / "lake")), *visits, *orders)
    (folder / "journeys.toml").write_text(CONFIG)
    return folder


def test_analyses_and_reports_need_no_extra(shop: Path) -> None:
    everything = """
from typer.testing import CliRunner
import analytics, reports, journeys.commands.funnel, journeys.commands.identity, journeys.commands.paths
import journeys.commands.pipeline, journeys.commands.report, journeys.commands.lake
from journeys.app import app
from journeys.commands.serve import server

for line in ("check", "stitch", "funnel visit order_placed", "paths variants", "report --site site", "identity --help"):
    done = CliRunner().invoke(app, line.split(), catch_exceptions=False)
    assert done.exit_code == 0, done.output
server(__import__("pathlib").Path("site"), 0).server_close()
"""
    done = in_base(everything, folder=shop)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("verb", "extra"),
    [
        ("ingest --until-caught-up", "landing"),
        ("quarantine list", "landing"),
        ("agents", "agents"),
    ],
)
def test_a_command_without_its_packages_names_the_extra_to_install(verb: str, extra: str, shop: Path) -> None:
    done = in_base(RUN, *verb.split(), folder=shop)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1 and f"pip install '.[{extra}]'" in done.stderr


def test_a_check_needs_great_expectations_only_for_what_polars_cannot_evaluate(tmp_path: Path) -> None:
    land(Lake(str(tmp_path / "lake")), event("order_placed", "1m", 1, customer_id="c1"))
    mean = {"type": "expect_column_mean_to_be_between", "kwargs": {"column": "revenue", "max_value": 100}}
    (tmp_path / "own.json").write_text(json.dumps({"name": "own", "expectations": [mean]}))
    (tmp_path / "journeys.toml").write_text("[lake]\naddress = 'lake'\n[expectations]\nsuites = ['own.json']\n")
    done = in_base(RUN, "check", folder=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1 and "pip install '.[checks]'" in done.stderr


def test_doctor_names_the_extra_for_landing(shop: Path) -> None:
    done = in_base(RUN, "doctor", folder=shop)
    assert done.returncode == 1 and "pip install '.[landing]'" in done.stdout and not done.stderr


def test_every_package_is_installed_by_the_extra_that_the_error_names() -> None:
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    for module, extra in EXTRAS.items():
        name = {"kafka": "kafka-python", "pptx": "python-pptx"}.get(module, module.replace("_", "-"))
        assert any(asked.startswith(name) for asked in project["optional-dependencies"][extra])
        assert not any(asked.startswith(name) for asked in project["dependencies"])
