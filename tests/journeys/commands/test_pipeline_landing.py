"""The landing commands as an operator runs them: stopping a service, refused messages, maintenance."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

import analytics
from expectations.errors import ConfigurationError, InputError
from expectations.lake import layout
from expectations.lake.layout import Lake
from ingest.kafka.producer import produce
from ingest.kafka.topics import create_topics
from ingest.landing.commit import scan
from ingest.message import Message
from ingest.samples.broker import EmbeddedBroker
from journeys import start
from journeys.commands import steps
from journeys.commands.funnel import named_question, question
from journeys.settings import Settings
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


VISITS = "ts;who;what;amount\n" + "".join(
    f"{1_700_000_000 + 60 * n};u{n % 7};{name};{n}.50\n"
    for n, name in enumerate(["view", "cart", "purchase", "view"] * 10)
)


@pytest.fixture
def visits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a CSV file of another product, which is the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "visits.csv").write_text(VISITS)
    return tmp_path


def landed(folder: Path) -> pl.DataFrame:
    return scan(Lake(str(folder / "lake")), layout.EVENTS).collect()


def test_a_proposal_from_a_file_loads_it(visits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start.propose_configuration(["visits.csv"], Path("journeys.toml"), start.named("who", "", "what"), force=False)
    told = capsys.readouterr().out
    assert "who" in told and "Stages: Interest > Desire > Action; goal: Purchase" in told and "# REVIEW" in told
    settings = Settings(Path("journeys.toml"))
    assert (settings.paths.goal, settings.main_goal.value) == (["Purchase"], "revenue")
    assert [rows.match for rows in settings.ingest.files] == [["visits.csv*"]]
    start.land_files(settings, ["visits.csv"], None)
    events = landed(visits)
    assert events.height == 40 and events["customer_id"].n_unique() == 7
    assert events.filter(pl.col("revenue").is_not_null())["event_name"].unique().to_list() == ["purchase"]
    with pytest.raises(ConfigurationError, match="exists already"):
        start.propose_configuration(["visits.csv"], Path("journeys.toml"), start.named("", "", ""), force=False)


def test_a_table_that_says_too_little_is_named_as_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pl.DataFrame({"u": ["a", "b"], "ts": [1_780_000_000] * 2, "what": ["x", "y"]}).write_delta("log")
    with pytest.raises(InputError) as error:
        start.propose_configuration(["log"], Path("journeys.toml"), start.named("", "", "what"), force=False)
    assert error.value.where == "log" and "--from log --customer COLUMN" in error.value.do


@pytest.mark.parametrize(("drop", "question"), [("who", "customer"), ("ts", "at")])
def test_what_nothing_says_is_an_error_that_names_the_columns_and_the_option(
    drop: str, question: str, visits: Path
) -> None:
    pl.read_csv("visits.csv", separator=";").drop(drop).write_csv("visits.csv")
    columns = start.named("who" if question == "at" else "", "", "")
    with pytest.raises(InputError) as error:
        start.propose_configuration(["visits.csv"], Path("journeys.toml"), columns, force=False)
    assert f"--{question} COLUMN" in error.value.do and "columns" in error.value.found
    assert not Path("journeys.toml").exists()


def test_without_a_configuration_the_command_that_writes_one_is_named(visits: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"journeys init --from visits\.csv, or load them with --init"):
        start.without_configuration(["visits.csv"], Path("journeys.toml"), is_wanted=False)


def test_mostly_refused_rows_are_an_error_with_the_mend_after_which_the_same_file_lands(visits: Path) -> None:
    config = Path("journeys.toml")
    start.propose_configuration(["visits.csv"], config, start.named("who", "", "what"), force=False)
    right = config.read_text()
    config.write_text(right.replace('time = "seconds"', 'time = "milliseconds"').replace('"36500d"', '"400d"'))
    with pytest.raises(InputError) as error:
        start.land_files(Settings(config), ["visits.csv"], None)
    assert "40 of 40 rows refused" in error.value.found and "oldest" in error.value.do and error.value.exit_code == 6
    config.write_text(right.replace('{ path = "ts", time = "seconds" }', '"ts"'))
    with pytest.raises(InputError) as error:
        start.land_files(Settings(config), ["visits.csv"], None)
    assert 'occurred_at = { path = "ts", time = "seconds" }' in error.value.do
    config.write_text(right)
    start.land_files(Settings(config), ["visits.csv"], None)
    assert landed(visits).height == 40
    start.land_files(Settings(config), ["visits.csv"], None)
    assert landed(visits).height == 40


def test_without_a_mapping_the_mend_is_a_proposal(visits: Path) -> None:
    Path("journeys.toml").write_text('[[ingest.streams]]\ntopic = "clicks"\nkind = "clickstream"\n')
    with pytest.raises(InputError, match=r"journeys init proposed\.toml --from visits\.csv"):
        start.land_files(Settings(Path("journeys.toml")), ["visits.csv"], None)


@pytest.fixture
def exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an export of PostHog: eight people, every second of whom buys; the time is that of the day."""
    monkeypatch.chdir(tmp_path)
    events = [
        {
            "uuid": f"{person}{name}",
            "event": name,
            "timestamp": f"2026-01-0{1 + person} 12:0{minute}:00+00:00",
            "distinct_id": f"p{person}",
            "properties": {"$device_id": f"d{person}"},
        }
        for person in range(8)
        for minute, name in enumerate(["Viewed plan", "Purchase"][: 1 + person % 2])
    ]
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    return tmp_path


def test_an_export_of_a_tool_lands_by_its_mapping_and_rules(exported: Path) -> None:
    with pytest.raises(InputError, match="There is no mapping for this tool"):
        start.propose_configuration(
            ["events.jsonl"], Path("journeys.toml"), start.named("", "", ""), force=False, tool="posthgo"
        )
    start.without_configuration(["events.jsonl"], Path("journeys.toml"), is_wanted=True, tool="posthog")
    settings = Settings(Path("journeys.toml"))
    start.land_files(settings, ["events.jsonl"], None, tool="posthog")
    assert landed(exported).height == 12
    assert settings.paths.identities.unique == ["customer_id"]
    assert settings.funnels["As in Posthog"].profile == "posthog"
    steps.stitch_lake(settings)
    definition = question(settings, *named_question(settings, ["As in Posthog"], {}))
    assert (definition.maturity, definition.attribution) == ("clip", "first")
    assert analytics.funnel(analytics.Paths.open("lake"), definition)["reached"].to_list() == [8, 4]


def test_a_tool_is_read_beside_a_configuration_that_corrects_it(
    exported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = '[[ingest.files]]\nmatch = "*.jsonl"\ntool = "posthog"\nchannel = "app"\n'
    limits = '[ingest.limits]\noldest = "36500d"\n[paths.identities]\nunique = []\n'
    Path("journeys.toml").write_text(own.replace("posthog", "mixpanel") + own + limits)
    fields = "[ingest.files.fields]\nchannel = { value = 'app' }\n"
    Path("journeys.toml").write_text(
        Path("journeys.toml").read_text().replace("[ingest.limits]", fields + "[ingest.limits]")
    )
    start.land_files(Settings(Path("journeys.toml")), ["events.jsonl"], None, tool="posthog")
    assert landed(exported)["channel"].unique().to_list() == ["app"]
    assert 'unique = ["customer_id"]' in " ".join(capsys.readouterr().out.split())
    with pytest.raises(ConfigurationError, match="--from-tool says how"):
        start.land_files(Settings(Path("journeys.toml")), ["events.jsonl"], "order", tool="posthog")
