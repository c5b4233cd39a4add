"""The landing commands as an operator runs them: stopping a service, refused messages, maintenance."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from deltalake import DeltaTable

from expectations.lake import layout
from expectations.lake.layout import Lake
from ingest.kafka.producer import produce
from ingest.kafka.topics import create_topics
from ingest.message import Message
from ingest.samples.broker import EmbeddedBroker
from tests.ingest.streams import BAD, RECEIVED, event, places

SECRET = b'{"customer_id": "Ann Smith", "event_name": 5}'


def command(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, "-m", "journeys", *arguments]
    return subprocess.run(arguments, capture_output=True, text=True, cwd=cwd, check=False, timeout=60)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with two events and two refused messages of one topic, landed from a file."""
    where = tmp_path_factory.mktemp("verbs")
    (where / "journeys.toml").write_text('[[ingest.streams]]\ntopic = "clicks"\nkind = "clickstream"\n')
    (where / "clicks.ndjson").write_bytes(b"\n".join([event(0), SECRET, BAD, event(1)]))
    assert command("load", "clicks.ndjson", cwd=where).returncode == 0
    return where


def test_the_list_counts_and_masks(folder: Path) -> None:
    done = command("quarantine", "list", "--examples", "2", cwd=folder)
    assert done.returncode == 0 and "wrong_type" in done.stdout and "not_json" in done.stdout
    assert "Ann" not in done.stdout and "Smith" not in done.stdout
    rows = json.loads(command("quarantine", "list", "--json", cwd=folder).stdout)
    assert sum(row["messages"] for row in rows) == 2


def test_a_message_is_masked_unless_raw_is_requested(folder: Path) -> None:
    [topic] = {row["topic"] for row in json.loads(command("quarantine", "list", "--json", cwd=folder).stdout)}
    shown = command("quarantine", "show", f"{topic}/0/1", cwd=folder)
    assert shown.returncode == 0 and '"customer_id":"xxx xxxxx"' in shown.stdout and "Ann" not in shown.stdout
    assert command("quarantine", "show", f"{topic}/0/1", "--raw", cwd=folder).stdout == SECRET.decode()
    assert command("quarantine", "show", f"{topic}/0/0", cwd=folder).returncode == 6
    assert "topic/partition/offset" in command("quarantine", "show", "nowhere", cwd=folder).stderr


def test_replay_reports_what_landed_and_what_is_still_refused(folder: Path) -> None:
    done = command("quarantine", "replay", "--kind", "clickstream", cwd=folder)
    assert done.returncode == 0 and "0 events landed" in done.stdout and "1 still refused: not_json" in done.stdout
    assert command("quarantine", "replay", "--kind", "click", cwd=folder).returncode == 6


def test_loading_a_file_with_refused_rows_prints_the_next_command(folder: Path) -> None:
    done = command("load", "clicks.ndjson", cwd=folder)
    assert "landed before; nothing added, 2 refused" in done.stdout
    assert "journeys quarantine replay --kind clickstream" in done.stdout
    assert "say how to read them with --stream or --kind" in command("quarantine", "replay", cwd=folder).stdout


def test_maintenance_runs_and_status_reports_when_it_is_due(folder: Path) -> None:
    done = command("maintain", cwd=folder)
    assert done.returncode == 0 and "1 days sorted" in done.stdout
    done = command("status", cwd=folder)
    assert done.returncode == 0 and "Maintenance is not due." in done.stdout
    assert "The lag at the brokers is unknown: The Kafka broker was not reached." in done.stdout


def test_maintenance_reports_what_it_has_removed_for_its_age(tmp_path: Path) -> None:
    (tmp_path / "journeys.toml").write_text(
        '[lake]\nkeep_events = "9d"\nkeep_texts = "4d"\n[[ingest.streams]]\ntopic = "said"\nkind = "feedback"\n'
    )
    now = int(time.time() * 1000)
    sent = [event(day, occurred_at=now - day * 86_400_000, feedback_text=f"text {day}") for day in (20, 6, 0)]
    (tmp_path / "said.ndjson").write_bytes(b"\n".join([*sent, BAD]))
    assert command("load", "said.ndjson", "--stream", "said", cwd=tmp_path).returncode == 0
    done = command("maintain", cwd=tmp_path)
    assert "removed for their age: 1 rows of events, the texts of 1 events" in done.stdout
    assert "journeys stitch" in done.stdout and len(places(Lake(str(tmp_path / "lake")))) == 2
    assert "removed for their age" not in command("maintain", cwd=tmp_path).stdout


def test_rows_that_are_there_twice_are_shown_and_removed_after_confirmation(folder: Path) -> None:
    events, lake = str(folder / "lake" / "events"), Lake(str(folder / "lake"))
    assert "no table holds a row more than once" in command("maintain", "--repair", cwd=folder).stdout
    before = places(lake)
    one, other = DeltaTable(events), DeltaTable(events)
    one.optimize.z_order(["customer_id"])
    other.optimize.z_order(["customer_id"])
    assert len(places(lake)) == 2 * len(before)
    assert command("maintain", "--repair", cwd=folder).returncode == 130 and len(places(lake)) == 2 * len(before)
    done = command("maintain", "--repair", "--yes", cwd=folder)
    assert done.returncode == 0 and f"{len(before)} rows removed" in done.stdout and "events" in done.stdout
    assert places(lake) == before


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with EmbeddedBroker() as embedded:
        yield embedded.address


@pytest.mark.broker
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_service_logs_lines_and_exits_with_0_on_sigterm(tmp_path: Path, broker: str, form: str) -> None:
    topic = f"service-{form}"
    create_topics([broker], {topic: 1})
    produce([broker], [Message(topic, b"k", event(number), RECEIVED) for number in range(20)])
    stream = f'[[ingest.streams]]\ntopic = "{topic}"\nkind = "clickstream"\n'
    ingest = f'[ingest]\nbrokers = ["{broker}"]\nflush_age = "100ms"\nassignment = "all"\nhttp_port = 0\n'
    (tmp_path / "journeys.toml").write_text(ingest + stream)
    arguments = [sys.executable, "-m", "journeys", "ingest", "--log", form]
    service = subprocess.Popen(arguments, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    deadline, lake = time.monotonic() + 30, Lake(str(tmp_path / "lake"))
    while len(places(lake, layout.EVENTS)) < 20 and time.monotonic() < deadline:
        time.sleep(0.05)
    service.send_signal(signal.SIGTERM)
    output, complaints = service.communicate(timeout=20)
    assert service.returncode == 0 and "20 events landed" in output
    lines = [line for line in complaints.splitlines() if "✓" not in line]
    assert any("landed" in line for line in lines)
    if form == "json":
        assert {"time", "level", "logger", "message"} <= json.loads(lines[0]).keys()
    assert "\x1b" not in complaints


def test_files_are_loaded_as_the_messages_of_a_stream(tmp_path: Path) -> None:
    (tmp_path / "journeys.toml").write_text(
        '[[ingest.streams]]\ntopic = "calls"\nkind = "clickstream"\nchannel = "web"\nformat = "segment"\n'
    )
    (tmp_path / "old").mkdir()
    call = {"type": "page", "userId": "u1", "messageId": "m1", "timestamp": "2026-01-01T00:00:00Z"}
    (tmp_path / "old" / "a.ndjson").write_text(json.dumps({"batch": [call]}))
    done = command("load", "old", "--stream", "calls", cwd=tmp_path)
    assert done.returncode == 0 and "1 rows landed" in done.stdout
    assert "landed before; nothing added" in command("load", "old", "--format", "segment", cwd=tmp_path).stdout
    unknown = command("load", "old", "--stream", "other", cwd=tmp_path)
    assert unknown.returncode == 6 and "calls" in unknown.stderr


def test_tables_are_restored_to_an_earlier_time(folder: Path) -> None:
    lake = Lake(str(folder / "lake"))
    before = places(lake)
    asked = command("restore", "2020-01-01T00:00:00Z", cwd=folder)
    assert asked.returncode == 130 and "Restore 2 tables?" in asked.stdout and places(lake) == before
    done = command("restore", "2020-01-01T00:00:00Z", "--yes", cwd=folder)
    assert done.returncode == 0 and "events: version 0" in done.stdout and len(places(lake)) == 0
    assert "no table has changed" in command("restore", "2999-01-01T00:00:00Z", cwd=folder).stdout
    assert "2 rows landed" in command("load", "clicks.ndjson", cwd=folder).stdout
    assert command("restore", "2026-01-01T00:00:00", cwd=folder).returncode == 6
