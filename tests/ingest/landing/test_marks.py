"""A message that ends every process that reads it is found, and put into quarantine; its neighbours land."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from expectations import contract
from expectations.errors import StorageError
from expectations.lake import layout
from expectations.lake.layout import Lake
from ingest.kafka.producer import produce
from ingest.kafka.topics import create_topics
from ingest.landing import marks as module
from ingest.landing.commit import Table, scan
from ingest.landing.landing import Landing
from ingest.landing.marks import Mark, Marks
from ingest.landing.offsets import Claim
from ingest.message import Chunk, Message, Partition
from ingest.quarantine.replay import replay
from ingest.samples.broker import EmbeddedBroker
from ingest.service.service import run
from ingest.settings.ingest import IngestSettings
from tests.ingest.streams import RECEIVED, Sent, event, places

HERE = Partition("clicks", 0)
START = multiprocessing.get_context("forkserver")
START.set_forkserver_preload(["ingest.service.service", "ingest.kafka.consumer"])


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def crash() -> None:
    ctypes.string_at(0)


def fail() -> None:
    raise ZeroDivisionError


ENDS = {"killed": (kill, -9), "segmentation fault": (crash, -11), "an error that nobody expects": (fail, 1)}


def consume(given: str, lake: str, end: Callable[[], None]) -> None:
    """A consumer that ends when it reads poison."""

    def read(value: bytes, real: Callable[[bytes], Any] = orjson.loads) -> Any:
        if b"poison" in value:
            end()
        return real(value)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(orjson, "loads", read)
        run(IngestSettings.model_validate_json(given), Lake(lake), until_caught_up=True)


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with EmbeddedBroker() as embedded:
        yield embedded.address


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def settings(broker: str, topic: str) -> IngestSettings:
    streams = [{"topic": topic, "kind": "clickstream"}, {"topic": f"{topic}-other", "kind": "clickstream"}]
    return IngestSettings.model_validate({"brokers": [broker], "streams": streams, "connect_timeout": "3s"})


def fill(broker: str, topic: str, count: int, *poisoned: int) -> IngestSettings:
    create_topics([broker], {topic: 1, f"{topic}-other": 1})
    sent = [event(n, url="poison" if n in poisoned else "/") for n in range(count)]
    produce([broker], [Message(topic, b"k", value, RECEIVED) for value in sent])
    produce([broker], [Message(f"{topic}-other", b"k", event(n), RECEIVED) for n in range(20)])
    return settings(broker, topic)


def starts(given: IngestSettings, lake: Lake, end: Callable[[], None]) -> list[int | None]:
    """Start consumers that die of the poison until one lives; returns how each ended."""
    codes: list[int | None] = []
    while 0 not in codes and len(codes) < 12:
        text = given.model_dump_json(exclude={"security"})
        consumer = START.Process(target=consume, args=(text, lake.address, end), daemon=True)
        consumer.start()
        consumer.join(60)
        codes.append(consumer.exitcode)
    return codes


@pytest.mark.broker
@pytest.mark.parametrize("how", ENDS)
def test_after_two_deaths_a_start_goes_in_steps_and_a_message_that_two_died_of_is_quarantined(
    broker: str, lake: Lake, how: str
) -> None:
    topic = "poison-" + how.replace(" ", "-")
    given = fill(broker, topic, 200, 117)
    end, code = ENDS[how]
    assert starts(given, lake, end) == [code] * 4 + [0]
    found = scan(lake, layout.QUARANTINE).collect()
    assert found.select("topic", "offset", "reason").rows() == [(topic, 117, "stops_consumer")]
    assert b"poison" in found["raw"][0] and found["message"][0].startswith("4 processes died at this offset")
    assert len(places(lake)) == 219
    assert list(Path(lake.table("landing/journeys")).glob("*.json")) != [], "a process that died left its marks"


@pytest.mark.broker
def test_several_culprits_among_many_records_are_found(broker: str, lake: Lake) -> None:
    given = fill(broker, "several", 300, 5, 290)
    codes = starts(given, lake, ENDS["killed"][0])
    assert codes[-1] == 0 and len(codes) <= 10
    refused = scan(lake, layout.QUARANTINE).collect().sort("offset")
    assert refused.select("offset", "reason").rows() == [(5, "stops_consumer"), (290, "stops_consumer")]
    assert len(places(lake)) == 318
    assert run(given, lake, until_caught_up=True).polled == 0
    assert replay(given, lake).read == 0, "a replay would die of it as well"
    assert replay(given, lake, reasons=["stops_consumer"]).landed == 2


def landing(lake: Lake, marks: Marks) -> Landing:
    given = IngestSettings.model_validate({"streams": [{"topic": "clicks", "kind": "clickstream"}]})
    return Landing(Table(lake, layout.EVENTS), Table(lake, layout.QUARANTINE), given, [], marks=marks)


def as_if_dead(lake: Lake, *marks: Mark, host: str = "elsewhere", age: float = 60.0, process: int = 1) -> None:
    for mark in marks:
        left = module._Marks(host=host, process=process, at=time.time() - age, marks={"ingest/journeys/id/0": mark})
        file = Path(lake.table("landing/journeys"), f"{mark.first}-{mark.deaths}.json")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(left.model_dump_json())


def begin(lake: Lake) -> Landing:
    found = landing(lake, Marks(lake, "journeys"))
    found.reload()
    found.begin(HERE, "id", 0, accept_gap=False)
    found.take(Chunk(HERE, [Sent(offset, event(offset)) for offset in range(5)], 5), 0.0)
    return found


CULPRIT = Mark(start=0, first=3, last=4, single=True, deaths=3, accused=(3,))


def test_a_record_that_is_in_the_quarantine_of_earlier_work_or_not_is_never_lost(lake: Lake) -> None:
    claim = Claim("ingest/journeys/id/0", None, 4)
    Table(lake, layout.QUARANTINE).append(contract.QUARANTINE.to_frame(eager=True), [claim])
    as_if_dead(lake, CULPRIT)
    assert begin(lake).flush().landed == {"clicks": 5}, "it was decoded before, without a refusal"


def test_a_record_is_a_culprit_if_two_processes_died_while_they_decoded_it_alone(lake: Lake) -> None:
    as_if_dead(lake, CULPRIT)
    assert begin(lake).flush().refused == {("clicks", "stops_consumer"): 1}
    assert [offset for _, _, offset in places(lake, layout.QUARANTINE)] == [3] and len(places(lake)) == 4


@pytest.mark.parametrize(
    "mark",
    [
        CULPRIT.model_copy(update={"start": 1}),  # the offset has moved since
        CULPRIT.model_copy(update={"single": False}),
        CULPRIT.model_copy(update={"accused": ()}),  # it may have been killed by chance
        CULPRIT.model_copy(update={"deaths": 0, "single": False}),
    ],
)
def test_other_marks_accuse_no_record(lake: Lake, mark: Mark) -> None:
    as_if_dead(lake, mark)
    assert begin(lake).flush().landed == {"clicks": 5}


@pytest.mark.parametrize(
    ("host", "process", "age"),
    [("elsewhere", 1, 2.0), (os.uname().nodename, os.getppid(), 60.0), ("elsewhere", 1, 8 * 86_400.0)],
    ids=["young", "alive", "old"],
)
def test_marks_of_a_living_process_or_old_ones_accuse_no_record(
    lake: Lake, host: str, process: int, age: float
) -> None:
    as_if_dead(lake, CULPRIT, host=host, process=process, age=age)
    assert begin(lake).flush().landed == {"clicks": 5}


def test_marks_of_an_earlier_process_of_the_same_number_count(lake: Lake) -> None:
    as_if_dead(lake, CULPRIT, host=os.uname().nodename, process=os.getpid())
    assert begin(lake).flush().landed == {"clicks": 4}


def test_a_failure_that_the_process_survives_is_no_death(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise StorageError("The lake cannot be written.")

    found = begin(lake)
    monkeypatch.setattr(Table, "append", fails)
    with pytest.raises(StorageError):
        found.flush()
    assert list(Path(lake.table("landing/journeys")).glob("*.json")) == []


def test_an_end_in_order_leaves_no_marks(lake: Lake) -> None:
    found = begin(lake)
    found.flush()
    assert len(list(Path(lake.table("landing/journeys")).glob("*.json"))) == 1
    found.close()
    assert list(Path(lake.table("landing/journeys")).glob("*.json")) == []


def test_files_that_are_no_marks_are_ignored(lake: Lake) -> None:
    folder = Path(lake.table("landing/journeys"))
    folder.mkdir(parents=True)
    for name, text in (("a.json", "{"), ("b.json", "{}"), ("c.new", "x")):
        (folder / name).write_text(text)
    assert begin(lake).flush().landed == {"clicks": 5}
