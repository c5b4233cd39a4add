"""The command starts fast, reports errors clearly, and returns the right exit code."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import typer

import journeys.commands  # noqa: F401 - registers the commands
from expectations.config.durations import duration
from expectations.errors import ConfigurationError
from journeys.app import ORDER, Commands, app
from journeys.settings import Settings
from tests.expectations.events import days_of, frame

ROOMS = ("journeys", "expectations", "ingest", "analytics", "reports")


def command(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "journeys", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
        timeout=120,
    )


def loaded_by(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return {name.split(".")[0] for name in done.stdout.splitlines()[-1].split()}


def test_help_lists_every_command_in_the_order_of_work() -> None:
    commands = typer.main.get_command(app)
    assert isinstance(commands, Commands)
    listed = commands.list_commands(typer.Context(commands))
    assert listed[: len(ORDER)] == list(ORDER)
    assert sorted(listed) == sorted(commands.commands)


def test_help_loads_no_room_and_no_heavy_library() -> None:
    statement = (
        "from typer.testing import CliRunner; import journeys; "
        "import journeys.commands.funnel, journeys.commands.paths, journeys.commands.report, journeys.commands.serve; "
        "import journeys.commands.pipeline, journeys.commands.lake, journeys.commands.identity; "
        "from journeys.app import app; CliRunner().invoke(app, ['--help'])"
    )
    heavy = {"polars", "pyarrow", "kafka", "deltalake", "altair", "numba", "pandas", "great_expectations", "scipy"}
    assert not loaded_by(statement) & (heavy | {"ingest", "analytics", "reports", "pydantic"})


@pytest.mark.parametrize(
    "room",
    [
        "ingest.service.service",
        "ingest.files.load",
        "analytics.stitching.build",
        "analytics",
        "journeys.commands.funnel",
    ],
)
def test_only_the_audit_loads_great_expectations(room: str) -> None:
    assert not loaded_by(f"import {room}") & {"great_expectations", "pandas", "altair", "numba"}


def test_the_verbs_themselves_never_load_great_expectations_or_pandas(tmp_path: Path) -> None:
    """On a lake with its own suite and without a broker, so that `ingest` ends once everything is imported."""
    (tmp_path / "own.json").write_text(
        '{"expectations": [{"type": "expect_column_values_to_be_unique", "kwargs": {"column": "order_id"}}]}',
        encoding="utf-8",
    )
    (tmp_path / "journeys.toml").write_text(
        '[lake]\naddress = "lake"\n[ingest]\nbrokers = ["127.0.0.1:9"]\n[[ingest.streams]]\ntopic = "clicks"\n'
        'kind = "clickstream"\nchannel = "web"\n[paths]\ngoal = ["order_placed"]\n'
        '[expectations]\nsuites = ["own.json"]\n',
        encoding="utf-8",
    )
    frame(days_of(2)).write_delta(str(tmp_path / "lake" / "events"))
    verbs = [["stitch"], ["funnel", "page_viewed", "order_placed"], ["report"], ["ingest", "--until-caught-up"]]
    code = (
        "import os, sys; from typer.testing import CliRunner\n"
        "import journeys.commands.pipeline, journeys.commands.funnel, journeys.commands.report\n"
        f"from journeys.app import app; os.chdir({str(tmp_path)!r})\n"
        f"print([type(CliRunner().invoke(app, verb).exception).__name__ for verb in {verbs!r}])\n"
        "print(*({'great_expectations', 'pandas', 'polars', 'kafka', 'altair'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    ended, loaded = done.stdout.splitlines()[-2:]
    assert ended == "['NoneType', 'NoneType', 'NoneType', 'BrokerError']"
    assert set(loaded.split()) == {"polars", "kafka", "altair"}


def test_no_other_distribution_owns_our_names() -> None:
    owners = packages_distributions()
    assert {room: set(owners.get(room, ())) - {"journeys"} for room in ROOMS} == {room: set() for room in ROOMS}


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["status"], 2, "journeys init"),
        (["ingest", "--until-caught-up"], 2, "journeys init"),
        (["funnel", "a", "b"], 2, "journeys init"),
        (["init", "--template", "shp"], 2, "There is no such template"),
        (["demo", "--data", "shp"], 6, "There is no such example data"),
        (["demo", "--folder", "/proc/nowhere"], 5, "cannot be written"),
        (["no-such-verb"], 2, "No such command"),
    ],
)
def test_invalid_use_gives_one_clear_message(
    tmp_path: Path, arguments: list[str], exit_code: int, message: str
) -> None:
    done = command(*arguments, cwd=tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (exit_code, False)
    assert message in done.stderr


def test_init_writes_a_configuration_that_every_room_accepts(tmp_path: Path) -> None:
    assert command("init", cwd=tmp_path).returncode == 0
    from journeys.settings import Settings

    settings = Settings(tmp_path / "journeys.toml")
    assert settings.ingest.streams and settings.paths.stages and settings.report.title
    assert settings.lake.address == str(tmp_path / "lake")


def test_init_never_replaces_a_file_unasked(tmp_path: Path) -> None:
    (tmp_path / "journeys.toml").write_text("# mine\n")
    assert command("init", cwd=tmp_path).returncode == 2
    assert (tmp_path / "journeys.toml").read_text() == "# mine\n"


def test_an_unknown_key_is_reported_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "journeys.toml").write_text("[lake]\nadress = 'x'\n")
    done = command("status", cwd=tmp_path)
    assert done.returncode == 2
    assert "line 2: lake.adress: unknown key; did you mean 'address'?" in done.stderr


@pytest.mark.parametrize("name", ["window", "trend_window"])
def test_a_window_of_the_report_longer_than_the_journey_gap_is_reported_with_its_line(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "journeys.toml").write_text(f'[paths]\njourney_gap = "20d"\n[report]\n{name} = "21d"\n')
    with pytest.raises(ConfigurationError, match=r"line 4(.|\n)*at most 20 days(.|\n)*raise journey_gap"):
        _ = Settings(tmp_path / "journeys.toml").report
    (tmp_path / "journeys.toml").write_text(f'[paths]\njourney_gap = "20d"\n[report]\n{name} = "20d"\n')
    assert getattr(Settings(tmp_path / "journeys.toml").report, name) == "20d"


def test_weeks_of_the_report_wait_no_longer_than_a_short_journey_gap(tmp_path: Path) -> None:
    (tmp_path / "journeys.toml").write_text('[paths]\njourney_gap = "3d"\n')
    assert duration(Settings(tmp_path / "journeys.toml").report.trend_window) == timedelta(days=3)


def test_an_unreachable_broker_is_reported(tmp_path: Path) -> None:
    (tmp_path / "journeys.toml").write_text(
        '[ingest]\nbrokers = ["127.0.0.1:1"]\n[[ingest.streams]]\ntopic = "clickstream"\nkind = "clickstream"\n'
    )
    done = command("ingest", "--until-caught-up", cwd=tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (3, False)
    assert "127.0.0.1:1" in done.stderr


def test_the_demo_never_touches_a_folder_it_did_not_make(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    done = command("demo", "--folder", str(tmp_path))
    assert done.returncode == 5 and "something else than a demo" in done.stderr
    assert (tmp_path / "precious.txt").exists()
