"""What is older than the lake keeps it is removed from every table, in time from every file, and nothing else is."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import time
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from subprocess import PIPE
from typing import Any

import polars as pl
import pytest

from analytics import PathRules, Paths, build_paths, refresh_paths, verify_paths
from expectations import contract
from expectations.audit import results
from expectations.config.file import ConfigFile
from expectations.config.retention import Retention
from expectations.errors import ConfigurationError
from expectations.lake import layout
from expectations.lake.layout import Lake
from expectations.lake.lease import Lease
from expectations.lake.tables import added, landed, scan
from ingest.decoding.decode import decode
from ingest.landing.commit import SCHEMAS, Table
from ingest.landing.offsets import Claim
from ingest.message import Partition
from ingest.service.counters import Counters
from ingest.settings.ingest import Limits, MaintenanceSettings, Stream
from ingest.upkeep.maintenance import MaintenanceResult, maintain
from ingest.upkeep.schedule import MaintenanceScheduler
from tests.ingest.streams import RECEIVED, Sent, event, places

SETTINGS = MaintenanceSettings(most_files=3)
NOW = datetime(2026, 1, 1, 15, tzinfo=UTC)
EDGE = datetime(2025, 10, 3, tzinfo=UTC)
"""The beginning of the first day that is kept: 90 days before now it was already three in the afternoon."""
NINETY = Retention(keep_events=timedelta(days=90))
TEXTS = Retention(keep_texts=timedelta(days=90))
LEAST = timedelta(milliseconds=1)
DAY = timedelta(days=1)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def land(lake: Lake, **events: datetime | tuple[datetime, datetime]) -> None:
    """Land an event of each name, at a time or at (occurred, received), with a text that names it."""
    table = Table(lake, layout.EVENTS)
    first = table.decided("ingest/t/0")
    sent = []
    for offset, (name, when) in enumerate(events.items(), first or 0):
        occurred, received = when if isinstance(when, tuple) else (when, when)
        fields: dict[str, Any] = {"event_id": name, "occurred_at": millis(occurred), "customer_id": name}
        sent.append(Sent(offset, event(offset, feedback_text=f"text of {name}", **fields), millis(received)))
    rows = decode(sent, Partition("t", 0), Stream(topic="t", kind="feedback"), Limits()).events
    assert table.append(rows, [Claim("ingest/t/0", first, (first or 0) + len(sent))])


def millis(when: datetime) -> int:
    return int(when.timestamp() * 1000)


def tidy(lake: Lake, keep: Retention, now: datetime = NOW, **options: Any) -> MaintenanceResult:
    return maintain(lake, SETTINGS, keep, now=now.timestamp(), **options)


def names(lake: Lake) -> set[str]:
    return set(landed(lake).select("event_id").collect()["event_id"])


def texts(lake: Lake) -> set[str]:
    return set(landed(lake).select("feedback_text").collect()["feedback_text"].drop_nulls())


def append(lake: Lake, name: str, *rows: dict[str, Any]) -> None:
    Table(lake, name).append(pl.DataFrame(rows, schema=SCHEMAS[name]), [])


def test_days_whose_last_event_is_too_old_go_and_the_day_at_the_edge_stays(lake: Lake) -> None:
    land(lake, before=EDGE - LEAST, at=EDGE, after=EDGE + LEAST, today=NOW)
    done = tidy(lake, NINETY)
    assert names(lake) == {"at", "after", "today"} and done.expired == {layout.EVENTS: 1}
    assert tidy(lake, NINETY, NOW + timedelta(hours=8)).expired == {}
    assert tidy(lake, NINETY, NOW + DAY).expired == {layout.EVENTS: 2} and names(lake) == {"today"}


def test_by_default_everything_is_kept(lake: Lake) -> None:
    land(lake, ancient=datetime(1990, 1, 1, tzinfo=UTC), today=NOW)
    done = tidy(lake, Retention())
    assert names(lake) == {"ancient", "today"} and (done.expired, done.expired_texts) == ({}, 0)


def test_an_event_is_as_old_as_the_earlier_of_its_times_says(lake: Lake) -> None:
    old, future = EDGE - DAY, datetime(2099, 1, 1, tzinfo=UTC)
    land(lake, dated_too_late=(future, old), dated_early=(old, NOW), dated_to_come=(future, NOW), edge=(future, EDGE))
    assert tidy(lake, NINETY).expired == {layout.EVENTS: 2}
    assert names(lake) == {"dated_to_come", "edge"}


def test_an_event_both_of_whose_times_are_in_the_future_counts_from_when_it_was_first_seen(lake: Lake) -> None:
    future = datetime(2099, 1, 1, tzinfo=UTC)
    land(lake, wrong=future, received_today=(future, NOW))
    assert tidy(lake, NINETY).expired == {}
    land(lake, later=future)
    assert tidy(lake, NINETY, NOW + 90 * DAY).expired == {}
    assert tidy(lake, NINETY, NOW + 91 * DAY).expired == {layout.EVENTS: 3} and names(lake) == set()
    land(lake, again=future)
    assert tidy(lake, NINETY, NOW + 92 * DAY).expired == {} and names(lake) == {"again"}
    assert tidy(lake, NINETY, NOW + 184 * DAY).expired == {layout.EVENTS: 1}


def test_of_texts_only_the_texts_go(lake: Lake) -> None:
    future = datetime(2099, 1, 1, tzinfo=UTC)
    land(lake, before=EDGE - LEAST, at=EDGE, too_late=(future, EDGE - DAY), today=NOW)
    before = landed(lake).drop("feedback_text").collect().sort("event_id")
    done = tidy(lake, TEXTS)
    assert texts(lake) == {"text of at", "text of today"}
    assert (done.expired, done.expired_texts) == ({}, 2)
    assert landed(lake).drop("feedback_text").collect().sort("event_id").equals(before)
    assert tidy(lake, TEXTS).expired_texts == 0


def test_texts_of_the_future_go_like_their_rows(lake: Lake) -> None:
    land(lake, wrong=datetime(2099, 1, 1, tzinfo=UTC))
    tidy(lake, TEXTS)
    assert tidy(lake, TEXTS, NOW + 91 * DAY).expired_texts == 1 and names(lake) == {"wrong"}


def test_the_shorter_of_both_durations_holds_for_texts(lake: Lake) -> None:
    land(lake, old=EDGE - 10 * DAY, middle=EDGE - DAY, today=NOW)
    done = tidy(lake, Retention(keep_events=timedelta(days=95), keep_texts=timedelta(days=90)))
    assert (done.expired, done.expired_texts) == ({layout.EVENTS: 1}, 1)
    assert names(lake) == {"middle", "today"} and texts(lake) == {"text of today"}
    land(lake, old=EDGE - DAY)
    tidy(lake, Retention(keep_events=timedelta(days=90), keep_texts=timedelta(days=1000)))
    assert names(lake) == {"today"}


@pytest.mark.parametrize("keep", [NINETY, TEXTS])
def test_refused_messages_go_as_they_may_hold_a_text(lake: Lake, keep: Retention) -> None:
    for offset, when in enumerate((EDGE - LEAST, EDGE)):
        place = {"topic": "t", "partition": 0, "offset": offset}
        append(lake, layout.QUARANTINE, {"received_date": when.date(), "received_at": when, "raw": b"secret", **place})
    assert tidy(lake, keep).expired == {layout.QUARANTINE: 1}
    assert places(lake, layout.QUARANTINE) == [("t", 0, 1)]


def test_a_refused_message_of_the_future_counts_from_when_it_was_first_seen(lake: Lake) -> None:
    future = datetime(2099, 1, 1, tzinfo=UTC)
    place = {"topic": "t", "partition": 0, "offset": 0}
    append(lake, layout.QUARANTINE, {"received_date": future.date(), "received_at": future, "raw": b"secret", **place})
    assert tidy(lake, NINETY).expired == {} and tidy(lake, NINETY, NOW + 90 * DAY).expired == {}
    assert tidy(lake, NINETY, NOW + 91 * DAY).expired == {layout.QUARANTINE: 1}


@pytest.mark.parametrize("keep", [{"keep_events": "90d"}, {"keep_texts": "90d"}])
def test_customer_attributes_that_hold_texts_go_and_the_others_stay(lake: Lake, keep: dict[str, str]) -> None:
    rows = itertools.product(("note's", "region"), (EDGE - LEAST, EDGE))
    for attribute, since in rows:
        append(lake, layout.PROFILES, {"attribute": attribute, "value": "x", "valid_from": since, "identity": "ann"})
    unnamed = Retention.model_validate(keep)
    assert tidy(lake, unnamed).expired == {}
    assert tidy(lake, unnamed.model_copy(update={"text_attributes": ["note's"]})).expired == {layout.PROFILES: 1}
    left = scan(lake, layout.PROFILES, contract.PROFILES).select("attribute", "valid_from").collect().sort(pl.all())
    assert left.rows() == [("note's", EDGE), ("region", EDGE - LEAST), ("region", EDGE)]


def test_what_the_checks_know_of_days_that_are_gone_goes_too(lake: Lake) -> None:
    days = [EDGE.date() - DAY, EDGE.date(), None]
    found = pl.DataFrame({"day": [*days, None], "checked_at": [NOW, NOW, NOW, EDGE - LEAST], "columns": [[]] * 4})
    results.add_results(lake, found.select(*found.columns, *missing(results.RESULTS, found)).cast(results.RESULTS))
    measured = pl.DataFrame({"day": days[:2], "measure": "name", "key": "secret", "count": 1}, schema=results.MEASURES)
    seen = pl.DataFrame({"table": "touches", "day": days, "mark": "1/1"}, schema=results.SEEN)
    results.keep(lake, seen, measured)
    land(lake, today=NOW)
    assert tidy(lake, TEXTS).expired == {}
    assert tidy(lake, NINETY).expired == {layout.RESULTS: 2}
    assert set(results.results(lake)["day"]) == {EDGE.date(), None} and results.results(lake).height == 2
    assert results.measures(lake)["day"].to_list() == [EDGE.date()]
    assert results.seen(lake)["day"].to_list() == [EDGE.date(), None]
    assert tidy(lake, NINETY).expired == {}


def missing(schema: pl.Schema, frame: pl.DataFrame) -> list[pl.Expr]:
    return [pl.lit(None, dtype).alias(name) for name, dtype in schema.items() if name not in frame.columns]


def test_a_refresh_afterwards_equals_a_build(lake: Lake) -> None:
    rules = PathRules(context=["feedback_text"])
    land(lake, ann=EDGE - LEAST, bob=EDGE - LEAST, carl=NOW)
    land(lake, bob2=EDGE)
    build_paths(lake, rules)
    tidy(lake, Retention(keep_events=timedelta(days=90), keep_texts=timedelta(days=30)))
    refresh_paths(lake, rules)
    paths = Paths.open(lake)
    assert sorted(paths.touches.collect()["customer"]) == ["customer_id:bob2", "customer_id:carl"]
    assert paths.touches.collect()["feedback_text"].drop_nulls().to_list() == ["text of carl"]
    assert verify_paths(lake, rules).holds and verify_paths(lake, rules).current


@pytest.mark.parametrize(("keep", "what"), [(NINETY, "before"), (TEXTS, "text of before")])
def test_it_is_gone_from_every_file_once_old_versions_are(lake: Lake, keep: Retention, what: str) -> None:
    rules = PathRules(context=["feedback_text"])
    land(lake, before=EDGE - LEAST, after=EDGE)
    build_paths(lake, rules)
    tidy(lake, keep)
    assert {"events", "paths"} <= traces(lake, what), "readers of older versions still need it"
    for number in range(2):  # a stitch leaves the paths that it replaced to whoever reads them
        land(lake, **{f"more{number}": NOW})
        refresh_paths(lake, rules)
    assert traces(lake, what) == {"events"}
    age(lake, 8 * DAY)
    tidy(lake, keep)
    assert traces(lake, what) == set() and traces(lake, "text of after") == {"events", "paths"}


def age(lake: Lake, by: timedelta) -> None:
    """Make all files of a lake older, and the times in its logs."""
    for entry in Path(lake.address).rglob("_delta_log/*"):
        if entry.suffix == ".json":
            entry.write_text(re.sub(r'(?<=imestamp":)\d+', lambda at: str(int(at[0]) - by // LEAST), entry.read_text()))
        else:
            entry.unlink()  # checkpoints repeat the entries
    before = time.time() - by.total_seconds()
    for file in Path(lake.address).rglob("*"):
        os.utime(file, (before, before))


def traces(lake: Lake, text: str) -> set[str]:
    """The tables that have a file, of data or of the log, with this text: in its bytes, or in its decoded rows."""
    files = [file for file in Path(lake.address).rglob("*") if file.is_file()]
    contents = {file: file.read_bytes() for file in files}
    for file in files:
        contents[file] += repr(pl.read_parquet(file).to_dicts()).encode() if file.suffix == ".parquet" else b""
    return {file.relative_to(lake.address).parts[0] for file in files if text.encode() in contents[file]}


_KILLED = """
import os, signal, sys
from expectations.config.retention import Retention
from expectations.lake.layout import Lake
from ingest.settings.ingest import MaintenanceSettings
from ingest.upkeep.maintenance import maintain
def killed(done, _):
    if done == 3:
        os.kill(os.getpid(), signal.SIGKILL)
keep = Retention(keep_events="90d", keep_texts="30d")
maintain(Lake(sys.argv[1]), MaintenanceSettings(), keep, now=float(sys.argv[2]), on_progress=killed)
"""


def test_a_run_that_is_killed_between_is_continued_by_the_next_at_once(lake: Lake) -> None:
    land(lake, **{f"old{day}": EDGE - (1 + day) * DAY for day in range(3)}, today=NOW)
    land(lake, **{f"middle{day}": NOW - (32 + day) * DAY for day in range(5)})
    command = [sys.executable, "-c", _KILLED, lake.address, str(NOW.timestamp())]
    assert subprocess.run(command, check=False).returncode == -9
    assert len(names(lake)) == 6 and len(texts(lake)) == 6 - 2, "three steps: the rows, and the texts of two days"
    done = tidy(lake, Retention(keep_events=timedelta(days=90), keep_texts=timedelta(days=30)))
    assert (done.left, done.expired, done.expired_texts) == (set(), {}, 3)
    assert len(names(lake)) == 6 and texts(lake) == {"text of today"}


_PROCESS = """
import sys
from expectations.config.retention import Retention
from expectations.lake.layout import Lake
from ingest.settings.ingest import MaintenanceSettings
from ingest.upkeep.maintenance import maintain
lake, now, keep = Lake(sys.argv[1]), float(sys.argv[2]), Retention(keep_events="90d", keep_texts="30d")
print("ready", flush=True)
for _ in sys.stdin:
    maintain(lake, MaintenanceSettings(), keep, now=now)
"""


def test_two_processes_at_once_remove_the_same_once_while_events_land(lake: Lake) -> None:
    land(lake, **{f"old{day}": EDGE - (1 + day) * DAY for day in range(2)})
    land(lake, **{f"middle{day}": NOW - (32 + day) * DAY for day in range(2)})
    command = [sys.executable, "-c", _PROCESS, lake.address, str(NOW.timestamp())]
    fresh = {f"fresh{number}": NOW - number * LEAST for number in range(4)}
    with ExitStack() as stack:
        processes = [stack.enter_context(subprocess.Popen(command, stdin=PIPE, stdout=PIPE)) for _ in range(2)]
        for process in processes:
            assert process.stdin and process.stdout and process.stdout.readline() == b"ready\n"
        for process in processes:
            process.stdin.write(b"\n" * 2)  # type: ignore[union-attr]
            process.stdin.close()  # type: ignore[union-attr]
        for name, when in fresh.items():
            land(lake, **{name: when})
        assert [process.wait(60) for process in processes] == [0, 0]
    tidy(lake, Retention(keep_events=timedelta(days=90), keep_texts=timedelta(days=30)))
    rows = landed(lake).select("event_id", "feedback_text").collect().sort("event_id")
    middle = [(f"middle{day}", None) for day in range(2)]
    assert rows.rows() == [*((name, f"text of {name}") for name in sorted(fresh)), *middle]


def test_what_another_process_rewrites_is_left_to_the_next_run(lake: Lake) -> None:
    land(lake, old=EDGE - DAY)
    with Lease(lake.table(layout.EVENTS)) as other:
        assert other.table() is not None
        assert tidy(lake, NINETY).left == {layout.EVENTS} and names(lake) == {"old"}
    assert tidy(lake, NINETY).expired == {layout.EVENTS: 1}


def test_a_check_afterwards_reads_only_what_has_landed(lake: Lake) -> None:
    land(lake, old=EDGE - DAY, middle=EDGE)
    version = Table(lake, layout.EVENTS).version
    tidy(lake, Retention(keep_events=timedelta(days=90), keep_texts=timedelta(days=30)))
    land(lake, fresh=NOW)
    until = Table(lake, layout.EVENTS).version
    rows = added(lake, layout.EVENTS, contract.EVENTS, version, until, after_retention=True)
    assert rows is not None and rows.collect()["event_id"].to_list() == ["fresh"]
    assert added(lake, layout.EVENTS, contract.EVENTS, version, until) is None, "the paths must be built again"


def test_a_service_removes_it_and_counts(lake: Lake) -> None:
    now = datetime.now(UTC)
    land(lake, old=now - 92 * DAY, middle=now - 32 * DAY, today=now)
    table, counters = Table(lake, layout.EVENTS), Counters()
    table.append(SCHEMAS[layout.EVENTS].to_frame(), [Claim("maintenance/began", None, int(time.time()) - 7200)])
    keep = Retention(keep_events=timedelta(days=90), keep_texts=timedelta(days=30))
    MaintenanceScheduler(lake, SETTINGS, counters, keep).run_once()
    assert (counters.expired_rows, counters.expired_texts) == (1, 1) and texts(lake) == {"text of today"}


@pytest.mark.parametrize("value", ["400", "23h", "never", "50000000d"])
def test_a_duration_that_makes_no_sense_is_refused_with_its_line(tmp_path: Path, value: str) -> None:
    file = tmp_path / "journeys.toml"
    file.write_text(f'[lake]\n\nkeep_events = "{value}"\n')
    with pytest.raises(ConfigurationError, match="line 3"):
        ConfigFile.open(file, ("lake",)).section("lake", Retention)


def test_the_first_day_kept_is_a_day_of_utc() -> None:
    keep = Retention.model_validate({"keep_events": "90d", "keep_texts": "400d"})
    assert keep.first_day(datetime.fromtimestamp(RECEIVED / 1000, UTC)) == date(2025, 10, 3)
    assert keep.first_day_of_texts(NOW.astimezone()) == keep.first_day(NOW) == EDGE.date()
