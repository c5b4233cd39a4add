"""A step that fails is told and noted; the others go on, but those that would tell the same again."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

import journeys.commands.steps
import journeys.why.products
import journeys.why.watch
import reports.site.publish
from expectations.errors import BrokerError, ReportError, StorageError
from expectations.lake.commands import command_runs
from journeys.reported.briefs import BRIEF_SENT, is_due, send_brief
from journeys.runs.steps import Ended, Round, first_exit_code
from journeys.settings import Settings

TAKE = "import sys; open('page.html', 'ab').write(sys.stdin.buffer.read())"
TOML = f"""
[lake]
address = "lake"
[[ingest.streams]]
topic = "web"
kind = "clickstream"
[watch]
files = "alerts"
[[journeys]]
name = "First order"
owner = "Mara"
goal = "buy"
[[journeys.targets]]
measure = "goal_rate"
at_least = 0.3
[brief]
command = {json.dumps([sys.executable, "-c", TAKE])}
"""
ONLY_FILES = """
[lake]
address = "lake"
[[ingest.files]]
match = ["*.csv"]
kind = "clickstream"
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "lake").mkdir()
    (tmp_path / "journeys.toml").write_text(TOML)
    return Settings(tmp_path / "journeys.toml")


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Steps that do nothing, but for those that are given."""
    targets = pl.DataFrame(
        {"status": ["missed", "met", "met"], "overdue": [False] * 3, "on_course": [True, True, None]}
    )
    published = SimpleNamespace(run="r1", address="site", headline="12 of 20", failures=(), is_empty=False)
    usual: dict[str, tuple[Any, Any]] = {
        "land_events": (journeys.commands.steps, SimpleNamespace(landed=7, quarantined={"bad": 2}, waiting=0)),
        "stitch_lake": (journeys.commands.steps, SimpleNamespace(touches=9, customers=3)),
        "check_lake": (journeys.commands.steps, SimpleNamespace(suites=(), rows=7, passed=True)),
        "publish_report": (journeys.commands.steps, published),
        "tell_new": (journeys.why.watch, 2),
        "show_products": (journeys.why.products, targets),
        "newest_brief": (reports.site.publish, (b"<h1>12</h1>", {})),
    }

    def give(**other: Any) -> None:
        for name, (module, result) in usual.items():
            found = other.get(name, result)

            def step(*_: Any, found: Any = found, **__: Any) -> Any:
                if isinstance(found, Exception):
                    raise found
                return found

            monkeypatch.setattr(module, name, step)

    return give


def ended(settings: Settings, **options: Any) -> dict[str, Ended]:
    return {step.name: step for step in Round(settings, **options).ended()}


def statuses(found: dict[str, Ended]) -> list[str]:
    return [step.status for step in found.values()]


def test_every_step_says_what_it_did_and_notes_it(settings: Settings, steps: Callable[..., None]) -> None:
    steps()
    found = ended(settings)
    assert list(found) == ["ingest", "stitch", "check", "report", "watch", "products", "brief"]
    assert statuses(found) == ["done"] * 7 and first_exit_code([*found.values()]) == 0
    assert found["ingest"].facts == {"landed": 7, "refused": 2, "waiting": 0}
    assert found["products"].facts == {"targets": 3, "met": 2, "missed": 1, "failed": ["missed"]}
    assert found["brief"].facts == {"bytes": 11, "sent": True}
    assert (settings.folder / "page.html").read_bytes() == b"<h1>12</h1>"
    assert {run.command: run.rows for run in command_runs(settings.lake)} == {
        "ingest": 7,
        "watch": 2,
        "products": 3,
        "brief": None,
    }


def test_without_brokers_the_others_go_on_and_the_exit_code_is_that_of_the_first_failure(
    settings: Settings, steps: Callable[..., None]
) -> None:
    steps(land_events=BrokerError("No broker answers."), tell_new=ReportError("The command failed."))
    found = ended(settings, fail_on=["missed"])
    assert statuses(found) == ["failed", "done", "done", "done", "failed", "failed", "done"]
    assert [step.exit_code for step in found.values()] == [3, 0, 0, 0, 9, 11, 0]
    assert first_exit_code([*found.values()]) == 3
    assert {run.command: run.exit_code for run in command_runs(settings.lake)}["watch"] == 9


def test_without_new_paths_nothing_is_told_again(settings: Settings, steps: Callable[..., None]) -> None:
    steps(stitch_lake=StorageError("The disk is full."))
    found = ended(settings)
    assert statuses(found) == ["done", "failed", "done", "skipped", "skipped", "skipped", "skipped"]
    assert [step.reason for step in found.values()][3:] == ["stitch failed"] * 3 + ["report was left out"]


def test_a_report_with_parts_missing_is_sent_and_one_that_failed_is_not(
    settings: Settings, steps: Callable[..., None]
) -> None:
    part = SimpleNamespace(run="r1", address="site", headline="", failures=("a chart",), is_empty=False)
    steps(publish_report=part, check_lake=SimpleNamespace(suites=(), rows=7, passed=False))
    found = ended(settings)
    assert (found["check"].exit_code, found["report"].exit_code, found["brief"].status) == (1, 9, "done")
    assert found["report"].facts["failures"] == ["a chart"]
    steps(publish_report=ZeroDivisionError())
    found = ended(settings)
    assert found["report"].exit_code == 70 and found["brief"].reason == "report failed"
    assert found["products"].status == "done"


def test_what_is_not_asked_for_is_off_and_a_signal_ends_the_round(tmp_path: Path, steps: Callable[..., None]) -> None:
    (tmp_path / "journeys.toml").write_text(ONLY_FILES)
    steps()
    stop = threading.Event()
    rounds = Round(Settings(tmp_path / "journeys.toml"), stop=stop).ended()
    found = [next(rounds).status for _ in range(4)]
    assert found == ["off", "done", "done", "done"]
    stop.set()
    assert list(rounds) == []
    found = statuses(ended(Settings(tmp_path / "journeys.toml")))
    assert found == ["off", "done", "done", "done", "off", "off", "off"]


def test_a_brief_is_sent_once_and_no_more_often_than_asked(settings: Settings) -> None:
    at = datetime(2026, 3, 1, 6, tzinfo=UTC)
    assert is_due(settings, b"one", at)
    send_brief(settings, b"one", at)
    assert not is_due(settings, b"one", at + timedelta(days=9)) and is_due(settings, b"two", at)
    (settings.folder / "journeys.toml").write_text(TOML + 'every = "1d"\n')
    daily = Settings(settings.file.path)
    assert not is_due(daily, b"two", at + timedelta(hours=21)) and is_due(daily, b"two", at + timedelta(hours=23))
    (settings.folder / "journeys.toml").write_text(TOML.replace("page.html", "no/page.html"))
    with pytest.raises(ReportError, match=r"(?s)command of \[brief\] failed.*line \d+"):
        send_brief(Settings(settings.file.path), b"two", at)
    assert json.loads((settings.folder / "lake" / BRIEF_SENT).read_text())["at"] == at.isoformat()
