"""A message that ends every process that reads it is found, and put into quarantine; its neighbours land."""

from __future__ import annotations

import multiprocessing
import os
import random
import runpy
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from expectations import contract
from expectations.errors import StorageError
from expectations.lake import files, layout
from expectations.lake.layout import Lake
from ingest.kafka.producer import produce
from ingest.kafka.topics import create_topics
from ingest.landing import landing as landing_module
from ingest.landing import marks as module
from ingest.landing.commit import Table, scan
from ingest.landing.landing import Landing
from ingest.landing.marks import Mark, Marks
from ingest.landing.offsets import Claim
from ingest.landing.trial import Outcome
from ingest.message import Chunk, Message, Partition, Record
from ingest.quarantine.replay import replay
from ingest.samples.broker import EmbeddedBroker
from ingest.service.service import run
from ingest.settings.ingest import IngestSettings
from tests.ingest.streams import RECEIVED, Sent, event, places

HERE = Partition("clicks", 0)
START = multiprocessing.get_context("forkserver")
START.set_forkserver_preload(["ingest.service.service", "ingest.kafka.consumer"])


POISON = Path(__file__).parent / "poison"
ENDS = {"kill": -9, "crash": -11, "fail": 1}


def consume(given: str, lake: str) -> None:
    """A consumer that ends when it reads poison, as do the processes that it starts."""
    sys.path.insert(0, str(POISON))
    runpy.run_path(str(POISON / "sitecustomize.py"))
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


def fill(broker: str, topic: str, count: int, poisoned: dict[int, str]) -> IngestSettings:
    create_topics([broker], {topic: 1, f"{topic}-other": 1})
    sent = [event(n, url=f"poison: {poisoned[n]}" if n in poisoned else "/") for n in range(count)]
    produce([broker], [Message(topic, b"k", value, RECEIVED) for value in sent])
    produce([broker], [Message(f"{topic}-other", b"k", event(n), RECEIVED) for n in range(20)])
    return settings(broker, topic)


def starts(given: IngestSettings, lake: Lake) -> list[int | None]:
    """Start consumers that die of the poison until one lives; returns how each ended."""
    codes: list[int | None] = []
    while 0 not in codes and len(codes) < 4:
        consumer = START.Process(target=consume, args=(given.model_dump_json(exclude={"security"}), lake.address))
        consumer.start()
        consumer.join(60)
        codes.append(consumer.exitcode)
    return codes


@pytest.mark.broker
@pytest.mark.parametrize("how", ENDS)
def test_after_two_deaths_the_third_start_quarantines_the_culprit_and_lands_all_others(
    broker: str, lake: Lake, how: str
) -> None:
    topic, code = f"poison-{how}", ENDS[how]
    given = fill(broker, topic, 200, {117: how})
    assert starts(given, lake) == [code] * 2 + [0]
    found = scan(lake, layout.QUARANTINE).collect()
    assert found.select("topic", "offset", "reason").rows() == [(topic, 117, "stops_consumer")]
    assert b"poison" in found["raw"][0] and found["message"][0].startswith("2 processes died of this message")
    assert len(places(lake)) == 219
    assert list(Path(lake.table("landing/journeys")).glob("*.json")) != [], "a process that died left its marks"


@pytest.mark.broker
def test_several_culprits_among_many_records_are_found(broker: str, lake: Lake) -> None:
    given = fill(broker, "several", 300, {5: "kill", 290: "crash"})
    assert starts(given, lake) == [-9, -9, 0]
    refused = scan(lake, layout.QUARANTINE).collect().sort("offset")
    assert refused.select("offset", "reason").rows() == [(5, "stops_consumer"), (290, "stops_consumer")]
    assert len(places(lake)) == 318
    assert run(given, lake, until_caught_up=True).polled == 0
    assert replay(given, lake).read == 0, "a replay would die of it as well"
    assert replay(given, lake, reasons=["stops_consumer"]).landed == 2


def landing(lake: Lake, marks: Marks) -> Landing:
    given = IngestSettings.model_validate({"streams": [{"topic": "clicks", "kind": "clickstream"}]})
    return Landing(Table(lake, layout.EVENTS), Table(lake, layout.QUARANTINE), given, [], marks=marks)


def as_if_dead(
    lake: Lake, mark: Mark, *names: str, host: str = "elsewhere", age: float = 60.0, process: int = 1
) -> None:
    marks = dict.fromkeys(names or ("ingest/journeys/id/0",), mark)
    left = module._Marks(host=host, process=process, at=time.time() - age, marks=marks)
    leave(lake, left.model_dump_json())


def leave(lake: Lake, text: str) -> None:
    file = Path(lake.table("landing/journeys"), "dead.json")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def begin(lake: Lake, url: str = "/") -> Landing:
    found = landing(lake, Marks(lake, "journeys"))
    found.reload()
    found.begin(HERE, "id", 0, accept_gap=False)
    take(found, 0, url)
    return found


def take(found: Landing, first: int, url: str = "/") -> None:
    records = [Sent(offset, event(offset, url=url)) for offset in range(first, 5)]
    found.take(Chunk(HERE, records, 5), 0.0)


class Trials:
    """Stand in for trials: offset 3 is a culprit. Keeps the offsets that each trial got."""

    def __init__(self) -> None:
        self.offsets: list[list[int]] = []
        self.untried: list[int | None] = []

    def try_records(self, _task: object, records: Sequence[Record], *_: object, **__: object) -> Outcome:
        self.offsets.append([record.offset for record in records])
        untried = self.untried.pop(0) if self.untried else None
        return Outcome({3: "died"} if 3 in self.offsets[-1] and untried is None else {}, untried)


@pytest.fixture
def trials(monkeypatch: pytest.MonkeyPatch) -> Trials:
    stand_in = Trials()
    monkeypatch.setattr(landing_module, "try_records", stand_in.try_records)
    return stand_in


TWO_DIED = Mark(start=0, last=5, deaths=1)


def test_a_record_that_is_in_the_quarantine_of_earlier_work_or_not_is_never_lost(lake: Lake, trials: Trials) -> None:
    claim = Claim("ingest/journeys/id/0", None, 4)
    Table(lake, layout.QUARANTINE).append(contract.QUARANTINE.to_frame(eager=True), [claim])
    as_if_dead(lake, TWO_DIED)
    assert begin(lake).flush().landed == {"clicks": 5}, "it was decoded before, without a refusal"
    assert trials.offsets == [[4]]


def test_after_two_deaths_records_are_tried_and_a_culprit_is_quarantined(lake: Lake, trials: Trials) -> None:
    as_if_dead(lake, TWO_DIED)
    assert begin(lake).flush().refused == {("clicks", "stops_consumer"): 1}
    assert [offset for _, _, offset in places(lake, layout.QUARANTINE)] == [3] and len(places(lake)) == 4
    assert trials.offsets == [[0, 1, 2, 3, 4]]


@pytest.mark.parametrize(
    ("mark", "tried"),
    [
        (TWO_DIED.model_copy(update={"start": 1}), []),  # the offset has moved since
        (TWO_DIED.model_copy(update={"deaths": 0}), []),
        (TWO_DIED.model_copy(update={"last": 3}), [[0, 1, 2]]),  # the others were not in work
    ],
)
def test_other_marks_accuse_no_record(lake: Lake, trials: Trials, mark: Mark, tried: list[list[int]]) -> None:
    as_if_dead(lake, mark)
    assert begin(lake).flush().landed == {"clicks": 5} and trials.offsets == tried


def test_marks_of_an_earlier_version_count_deaths_and_accuse_no_record(lake: Lake) -> None:
    mark = '{"start":0,"first":3,"last":4,"single":true,"deaths":4,"accused":[3],"culprits":[3]}'
    leave(lake, f'{{"host":"elsewhere","process":1,"at":{time.time() - 60},"marks":{{"ingest/journeys/id/0":{mark}}}}}')
    assert begin(lake).flush().landed == {"clicks": 5}


@pytest.mark.parametrize(
    ("host", "process", "age"),
    [("elsewhere", 1, 2.0), (os.uname().nodename, os.getppid(), 60.0), ("elsewhere", 1, 8 * 86_400.0)],
    ids=["young", "alive", "old"],
)
def test_marks_of_a_living_process_or_old_ones_count_no_death(
    lake: Lake, trials: Trials, host: str, process: int, age: float
) -> None:
    as_if_dead(lake, TWO_DIED, host=host, process=process, age=age)
    assert begin(lake).flush().landed == {"clicks": 5} and trials.offsets == []


def test_marks_of_an_earlier_process_of_the_same_number_count(lake: Lake, trials: Trials) -> None:
    as_if_dead(lake, TWO_DIED, host=os.uname().nodename, process=os.getpid())
    assert begin(lake).flush().landed == {"clicks": 4} and len(trials.offsets) == 1


def test_records_untried_when_the_time_is_over_are_read_again_and_tried(lake: Lake, trials: Trials) -> None:
    as_if_dead(lake, TWO_DIED)
    trials.untried = [2]
    found = begin(lake)
    first = found.flush()
    assert first.landed == {"clicks": 2} and first.rewound == first.decided == {HERE: 2}
    take(found, 2)
    second = found.flush()
    assert second.landed == {"clicks": 2} and second.refused.total() == 1 and second.rewound == {}
    assert trials.offsets == [[0, 1, 2, 3, 4], [2, 3, 4]]


def test_records_untried_are_read_again_even_if_the_lake_is_unavailable_meanwhile(
    lake: Lake, trials: Trials, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_if_dead(lake, TWO_DIED)
    trials.untried = [2, None]
    found = begin(lake)
    with monkeypatch.context() as patch, pytest.raises(StorageError):
        patch.setattr(Table, "append", fails)
        found.flush()
    assert found.flush().rewound == {HERE: 2}


def test_a_partition_for_which_others_leave_no_time_is_read_again(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: object, until: float, **__: object) -> Outcome:
        if time.monotonic() >= until:
            return Outcome({}, 0)
        time.sleep(max(until - time.monotonic(), 0))
        return Outcome({})

    other = Partition("clicks", 1)
    as_if_dead(lake, TWO_DIED, "ingest/journeys/id/0", "ingest/journeys/id/1")
    given = IngestSettings.model_validate({"streams": [{"topic": "clicks", "kind": "clickstream"}], "watchdog": "1s"})
    found = Landing(
        Table(lake, layout.EVENTS), Table(lake, layout.QUARANTINE), given, [], marks=Marks(lake, "journeys")
    )
    found.reload()
    for partition in (HERE, other):
        found.begin(partition, "id", 0, accept_gap=False)
        found.take(Chunk(partition, [Sent(offset, event(offset)) for offset in range(5)], 5), 0.0)
    monkeypatch.setattr(landing_module, "try_records", slow)
    done = found.flush()
    assert done.decided == {HERE: 5} and done.rewound == {other: 0}


def test_records_of_which_none_can_be_tried_in_time_land_as_ever(lake: Lake, trials: Trials) -> None:
    as_if_dead(lake, TWO_DIED)
    trials.untried = [0]
    assert begin(lake).flush().landed == {"clicks": 5}


def test_records_are_tried_once_if_the_lake_is_unavailable(
    lake: Lake, trials: Trials, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_if_dead(lake, TWO_DIED)
    found = begin(lake)
    with monkeypatch.context() as patch, pytest.raises(StorageError):
        patch.setattr(Table, "append", fails)
        found.flush()
    assert found.flush().landed == {"clicks": 4} and len(trials.offsets) == 1


def land_slowly(address: str) -> None:
    """A process whose trial takes seconds, in a lake that is slow to write marks."""

    def write(*given: Any, real: Callable[..., None] = files.write) -> None:
        time.sleep(0.1)
        real(*given)

    files.write = write
    sys.path.insert(0, str(POISON))
    begin(Lake(address), "poison: wait").flush()


def test_processes_killed_at_random_accuse_no_record(lake: Lake) -> None:
    draw = random.Random(7)
    as_if_dead(lake, TWO_DIED)
    for _ in range(15):
        worker = START.Process(target=land_slowly, args=(lake.address,))
        worker.start()
        worker.join(draw.random())
        worker.kill()
        worker.join()
    assert begin(lake).flush().landed == {"clicks": 5}, "all were killed before they landed anything"


def fails(*_: object) -> None:
    raise StorageError("The lake cannot be written.")


def test_a_failure_that_the_process_survives_is_no_death(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
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
