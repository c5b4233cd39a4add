"""The command starts fast, reports errors clearly, and returns the right exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.text import Text
from typer.testing import CliRunner

import journeys.commands  # noqa: F401 - registers the commands
from expectations.config.durations import duration
from expectations.errors import ConfigurationError, RegistryError
from journeys import terminal
from journeys.app import ORDER, Commands, app, known
from journeys.settings import Settings
from tests.expectations.events import days_of, frame

ROOMS = ("journeys", "explorer", "expectations", "ingest", "analytics", "reports")


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


def _said_in_help(command: Any, name: str) -> Iterator[tuple[str, str]]:
    yield name, command.help or ""
    yield from ((name, parameter.help or "") for parameter in command.params if hasattr(parameter, "help"))
    for verb, each in getattr(command, "commands", {}).items():
        yield from _said_in_help(each, f"{name} {verb}")


def test_help_shows_the_names_of_tables() -> None:
    """A word in brackets would be taken for a style, and left out."""
    texts = list(_said_in_help(typer.main.get_command(app), "journeys"))
    shown = [Text.from_markup(text).plain for _, text in texts]
    assert any("[[ingest.files]]" in each for each in shown) and any("`[lake]`" in each for each in shown)
    for (name, text), each in zip(texts, shown, strict=True):
        assert each == text.replace("\\[", "["), name


def test_help_loads_no_room_and_no_heavy_library() -> None:
    statement = (
        "from typer.testing import CliRunner; import journeys; "
        "import journeys.commands.funnel, journeys.commands.paths, journeys.commands.report, journeys.commands.serve; "
        "import journeys.commands.pipeline, journeys.commands.lake, journeys.commands.identity; "
        "from journeys.app import app; CliRunner().invoke(app, ['--help'])"
    )
    heavy = {"polars", "pyarrow", "kafka", "deltalake", "altair", "numba", "pandas", "great_expectations", "scipy"}
    assert not loaded_by(statement) & (heavy | {"ingest", "analytics", "explorer", "reports", "pydantic"})


@pytest.mark.parametrize(
    "room",
    [
        "ingest.service.service",
        "ingest.files.load",
        "analytics.stitching.build",
        "analytics",
        "journeys.commands.funnel",
        "expectations.audit.audit",
    ],
)
def test_no_room_loads_great_expectations(room: str) -> None:
    assert not loaded_by(f"import {room}") & {"great_expectations", "pandas", "altair", "numba"}


def test_the_verbs_themselves_never_load_a_heavy_library_that_they_do_not_use(tmp_path: Path) -> None:
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
    partitioned = {"partition_by": ["event_date"]}
    frame(days_of(2)).write_delta(str(tmp_path / "lake" / "events"), delta_write_options=partitioned)
    funnel = ["funnel", "page_viewed", "order_placed"]
    verbs = [["check"], ["stitch"], funnel, ["report"], ["ingest", "--until-caught-up"]]
    code = (
        "import os, sys; from typer.testing import CliRunner\n"
        "import journeys.commands.pipeline, journeys.commands.funnel, journeys.commands.report\n"
        f"from journeys.app import app; os.chdir({str(tmp_path)!r})\n"
        f"print([type(CliRunner().invoke(app, verb).exception).__name__ for verb in {verbs!r}])\n"
        "print(*({'great_expectations', 'pandas', 'scipy.stats', 'polars', 'kafka', 'altair'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=600)
    ended, loaded = done.stdout.splitlines()[-2:]
    assert ended == "['NoneType', 'NoneType', 'NoneType', 'NoneType', 'BrokerError']"
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


def run_as(code: str, *arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command after `code`, as a program of its own."""
    program = f"import sys; sys.argv = ['journeys', *{arguments!r}]\n{code}\nfrom journeys import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
        timeout=300,
        env={**os.environ, **environment},
    )


def test_a_crash_has_a_code_of_its_own_and_no_traceback(tmp_path: Path) -> None:
    broken = "import journeys.settings; journeys.settings.template = lambda name: 1 // 0"
    done = run_as(broken, "init", cwd=tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (70, False)
    assert "[INTERNAL]" in done.stderr and "ZeroDivisionError" in done.stderr
    assert "Traceback" in run_as(broken, "init", cwd=tmp_path, JOURNEYS_TRACEBACK="1").stderr


@pytest.mark.parametrize(
    ("error", "code", "word"),
    [
        (OSError(28, "No space left on device", "lake/x"), 5, "No space left"),
        (PermissionError(13, "Permission denied", "lake/x"), 5, "lake/x"),
        (RuntimeError("write failed: No space left on device (os error 28)"), 5, "No space left"),
        (MemoryError(), 70, "not enough memory"),
        (KeyError("customer_id:ann"), 70, "KeyError"),
        (RegistryError("none"), 8, "none"),
    ],
)
def test_every_failure_has_words_and_the_code_of_its_kind(error: Exception, code: int, word: str) -> None:
    found = known(error)
    assert (found.exit_code, word in found.message, "customer_id" in found.message) == (code, True, False)


def test_a_full_disk_ends_a_load_with_words(tmp_path: Path) -> None:
    """No file of this process may have more than 2,000 bytes."""
    (tmp_path / "journeys.toml").write_text('[paths]\ngoal = ["pay"]\n', encoding="utf-8")
    rows = '{"event_name": "visit", "anonymous_id": "u", "occurred_at": "2026-05-01T00:00:00Z"}\n' * 500
    (tmp_path / "a.ndjson").write_text(rows, encoding="utf-8")
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))"
    done = run_as(limit, "load", "--kind", "clickstream", "a.ndjson", cwd=tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (5, False), done.stderr


def test_output_that_cannot_be_written_is_said_and_a_reader_that_left_is_no_failure() -> None:
    done = run_as("sys.stdout = open('/dev/full', 'w')", "schema", "--json")
    assert (done.returncode, "No space left" in done.stderr, "Traceback" in done.stderr) == (5, True, False)
    left = "import os; r, w = os.pipe(); os.close(r); os.dup2(w, 1)"
    done = run_as(left, "schema", "--json")
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_not_confirmed_is_no_failed_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask() -> None:
        typer.confirm("Sure?", abort=True)

    asking = typer.Typer(cls=Commands, name="x")
    asking.command()(ask)
    asking.command(name="other")(lambda: None)
    assert CliRunner().invoke(asking, ["ask"], input="n\n").exit_code == 130


def test_a_terminal_of_ascii_shows_everything(tmp_path: Path) -> None:
    (tmp_path / "journeys.toml").write_text('[paths]\ngoal = ["pay"]\n', encoding="utf-8")
    ascii_only = {"PYTHONIOENCODING": "ascii", "LANG": "C", "LC_ALL": "C"}
    done = run_as("", "doctor", cwd=tmp_path, **ascii_only)
    assert done.returncode == 1 and done.stdout.startswith("+ Python") and "\\u" not in done.stdout
    code = "import polars as pl; from journeys import terminal; frame = pl.DataFrame({'name': ['é\\u202e🎉 \\x1b']});"
    show = "terminal.show_every_character(); terminal.show(frame, terminal.As(how)); sys.exit()"
    for how in terminal.As:
        done = run_as(f"how = {how.value!r}; {code} {show}", **ascii_only)
        assert done.returncode == 0 and "\x1b" not in done.stdout and "\u202e" not in done.stdout, how
    assert done.stdout == "name\né�🎉 �\n"


def test_what_a_command_makes_is_hidden_from_others(tmp_path: Path) -> None:
    masked = "import os; os.umask(0o022)"
    assert run_as(masked, "init", cwd=tmp_path).returncode == 0
    assert (tmp_path / "journeys.toml").stat().st_mode & 0o777 == 0o600
    (tmp_path / "a.ndjson").write_text(
        '{"event_name": "visit", "anonymous_id": "u", "occurred_at": "2026-05-01T00:00:00Z"}\n', encoding="utf-8"
    )
    assert run_as(masked, "load", "--kind", "clickstream", "a.ndjson", cwd=tmp_path).returncode == 0
    lake = tmp_path / "lake"
    assert not [each for each in (lake, *lake.rglob("*")) if each.stat().st_mode & 0o077]
    assert run_as(masked, "init", "two.toml", cwd=tmp_path, JOURNEYS_UMASK="027").returncode == 0
    assert (tmp_path / "two.toml").stat().st_mode & 0o777 == 0o640
    assert run_as(masked, "init", "three.toml", cwd=tmp_path, JOURNEYS_UMASK="9").returncode == 2


def test_no_print_shows_a_hidden_character(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.out.print("a\x1b[31m\u202eb", markup=False)
    terminal.print_check("x\x1b[2J", "found\x9b", "do\u2066", passed=True)
    with terminal.step("Loading \x1b[2J[/]"):
        pass
    printed = capsys.readouterr()
    assert "a�" in printed.out and "Loading" in printed.err
    assert not {"\x1b", "\u202e", "\x9b", "\u2066"} & set(printed.out + printed.err)
