"""Landing from Apache Kafka, where the embedded broker behaves differently.

Covers rebalances of groups, transactions and the gaps that their markers leave, retention, recreated topics, TLS and
login, and a broker that is killed and comes back with its data. One node serves all tests; every test has its own
topics, group and lake.
"""

from __future__ import annotations

import gc
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from expectations.errors import BrokerError, JourneysError, LandingError
from expectations.lake.layout import EVENTS, Lake
from ingest.kafka.consumer import Source
from ingest.message import Partition
from ingest.service.service import IngestSummary, run
from ingest.settings.ingest import IngestSettings
from tests.services.apache_kafka import USER, ApacheKafka, unsecured_token

pytestmark = pytest.mark.kafka

FAST = {
    "flush_age": "300ms",
    "poll_wait": "100ms",
    "session_timeout": "3s",
    "heartbeat": "500ms",
    "connect_timeout": "5s",
}


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    with ApacheKafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture
def topic(request: pytest.FixtureRequest) -> str:
    name: str = request.node.name
    return "".join(letter if letter.isalnum() else "-" for letter in name)[:80]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def settings(kafka: ApacheKafka, topic: str, **other: Any) -> IngestSettings:
    streams = [{"topic": topic, "kind": "clickstream", "channel": "web"}]
    return IngestSettings.model_validate(
        {"brokers": [kafka.address], "group": topic, "streams": streams, **FAST} | other
    )


def event(number: int) -> bytes:
    now = int(time.time() * 1000)
    return json.dumps(
        {"event_id": f"e{number}", "event_name": "page_viewed", "occurred_at": now, "anonymous_id": f"a{number % 7}"}
    ).encode()


def send(kafka: ApacheKafka, topic: str, numbers: Iterable[int], partitions: int = 1) -> None:
    from kafka import KafkaProducer

    producer = KafkaProducer(bootstrap_servers=kafka.address, acks="all")
    try:
        for number in numbers:
            producer.send(topic, event(number), partition=number % partitions)
        producer.flush()
    finally:
        producer.close()


@contextmanager
def transactions(kafka: ApacheKafka, topic: str) -> Iterator[Callable[[Iterable[int], bool | None], None]]:
    """Send events in a transaction that is then committed (True), aborted (False) or left open (None)."""
    from kafka import KafkaProducer

    producer = KafkaProducer(bootstrap_servers=kafka.address, transactional_id=topic)
    producer.init_transactions()
    is_open = False

    def send(numbers: Iterable[int], commit: bool | None) -> None:
        nonlocal is_open
        if not is_open:
            producer.begin_transaction()
        for number in numbers:
            producer.send(topic, event(number))
        producer.flush()
        is_open = commit is None
        if commit is not None:
            (producer.commit_transaction if commit else producer.abort_transaction)()

    try:
        yield send
    finally:
        producer.close()


def caught_up(settings: IngestSettings, lake: Lake, **how: bool) -> IngestSummary:
    """Land everything; a run that has not ended after 40 s is stopped."""
    stop = threading.Event()
    patience = threading.Timer(40, stop.set)
    patience.start()
    try:
        summary = run(settings, lake, until_caught_up=True, stop=stop, **how)
    finally:
        patience.cancel()
    assert not stop.is_set(), "not caught up within 40 s"
    return summary


def landed(lake: Lake) -> pl.DataFrame:
    return pl.read_delta(lake.table(EVENTS)).sort("topic", "partition", "offset")


def assert_exactly(lake: Lake, numbers: Iterable[int]) -> None:
    """Assert that every event has landed once, and no offset twice."""
    rows = landed(lake)
    assert sorted(rows["event_id"]) == sorted(f"e{number}" for number in numbers)
    assert rows.select("topic", "partition", "offset").is_unique().all()


def wait_for(condition: Callable[[], object], seconds: float = 45.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s"
        time.sleep(0.1)


def count(lake: Lake) -> int:
    """The number of events in the lake; 0 before there is a table."""
    with suppress(Exception):
        return pl.scan_delta(lake.table(EVENTS)).select(pl.len()).collect().item()
    return 0


class Running:
    """The loop in a thread of this process while the `with` block runs; `error` is the exception that ended it."""

    def __init__(self, settings: IngestSettings, lake: Lake) -> None:
        self.error: JourneysError | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(settings, lake))

    def _run(self, settings: IngestSettings, lake: Lake) -> None:
        try:
            run(settings, lake, stop=self._stop)
        except JourneysError as error:
            self.error = error

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def __enter__(self) -> Running:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(45)
        assert self.ended


class Processes:
    """Consumer processes of one group, each the command `journeys ingest`; those left at the end are killed."""

    def __init__(self, folder: Path, kafka: ApacheKafka, topic: str, **other: str) -> None:
        self.config = folder / "journeys.toml"
        fast = "\n".join(f'{key} = "{value}"' for key, value in (FAST | other).items())
        self.config.write_text(
            f'[lake]\naddress = "lake"\n[ingest]\nbrokers = ["{kafka.address}"]\ngroup = "{topic}"\n{fast}\n'
            f'[[ingest.streams]]\ntopic = "{topic}"\nkind = "clickstream"\nchannel = "web"\n'
        )
        self._log = folder / "said.txt"
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "journeys", "ingest", "--config", str(self.config)]
        with self._log.open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        self._started.append(process)
        return process

    def said(self) -> str:
        """The output of all processes."""
        return self._log.read_text()

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._started:
            process.kill()
            process.wait()


def members(kafka: ApacheKafka, group: str) -> int:
    """The number of members of a settled group with partitions; 0 before there is a group."""
    from kafka.errors import KafkaError

    with kafka.admin() as admin, suppress(KafkaError):
        found = admin.describe_groups([group])[group]
        if found["group_state"] != "Stable":
            return 0
        parts = [member["member_assignment"] for member in found["members"]]
        return sum(bool(part and part["assigned_partitions"]) for part in parts)
    return 0


def test_the_broker_is_apache_kafka(kafka: ApacheKafka, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        sys.stdout.write(f"\nApache Kafka {kafka.version}, one KRaft node on {kafka.address}\n")
    assert kafka.version.split(".")[0].isdigit()


def test_a_group_lands_everything_once_while_members_come_are_killed_and_leave(
    kafka: ApacheKafka, topic: str, tmp_path: Path
) -> None:
    kafka.create_topic(topic, 4)
    lake = Lake(str(tmp_path / "lake"))
    with Processes(tmp_path, kafka, topic) as processes:
        first, second = processes.start(), processes.start()
        send(kafka, topic, range(2000), 4)
        wait_for(lambda: members(kafka, topic) == 2 and count(lake) == 2000)
        first.kill()
        send(kafka, topic, range(2000, 3000), 4)
        third = processes.start()
        wait_for(lambda: members(kafka, topic) == 2 and count(lake) == 3000)
        second.terminate()
        send(kafka, topic, range(3000, 4000), 4)
        assert second.wait(45) == 0
        wait_for(lambda: count(lake) == 4000)
        third.terminate()
        assert third.wait(45) == 0
    assert_exactly(lake, range(4000))


def test_the_offsets_of_the_group_follow_the_landed_offsets(kafka: ApacheKafka, topic: str, lake: Lake) -> None:
    from kafka.structs import TopicPartition

    kafka.create_topic(topic)
    send(kafka, topic, range(100))
    caught_up(settings(kafka, topic), lake)
    with kafka.admin() as admin:
        offsets = admin.list_group_offsets({topic: None})[topic]
    assert offsets[TopicPartition(topic, 0)].offset == 100


def test_only_committed_transactions_land_and_markers_are_not_gaps(kafka: ApacheKafka, topic: str, lake: Lake) -> None:
    kafka.create_topic(topic)
    with transactions(kafka, topic) as send_all:
        for number in range(6):
            send_all(range(number * 10, number * 10 + 10), number % 2 == 0)
    summary = caught_up(settings(kafka, topic), lake)
    assert summary.landed == 30
    assert_exactly(lake, [number * 10 + n for number in (0, 2, 4) for n in range(10)])
    offsets = landed(lake)["offset"]
    assert offsets.max() > offsets.len()
    assert caught_up(settings(kafka, topic), lake).landed == 0


def test_a_run_does_not_wait_for_an_open_transaction(kafka: ApacheKafka, topic: str, lake: Lake) -> None:
    kafka.create_topic(topic)
    with transactions(kafka, topic) as send_all:
        send_all(range(10), True)
        send_all(range(10, 20), None)
        send(kafka, topic, range(100, 105))
        began = time.monotonic()
        summary = caught_up(settings(kafka, topic), lake)
        assert (summary.landed, summary.waiting) == (10, 15), "ten are in the transaction, five come after"
        assert time.monotonic() - began < 15
        send_all(range(20, 30), True)
    summary = caught_up(settings(kafka, topic), lake)
    assert (summary.landed, summary.waiting) == (25, 0)
    assert_exactly(lake, [*range(30), *range(100, 105)])


@pytest.mark.parametrize("assignment", ["all", "group"])
def test_partitions_that_a_topic_gains_are_read(kafka: ApacheKafka, topic: str, lake: Lake, assignment: str) -> None:
    kafka.create_topic(topic, partitions=1)
    send(kafka, topic, range(10))
    stop, results = threading.Event(), list[IngestSummary]()
    given = settings(kafka, topic, assignment=assignment, metadata_max_age="1s", flush_age="100ms")
    service = threading.Thread(target=lambda: results.append(run(given, lake, stop=stop)))
    service.start()
    try:
        await_rows(lake, 10)
        with kafka.admin() as admin:
            admin.create_partitions({topic: 3})
        time.sleep(1)
        send(kafka, topic, range(10, 40), partitions=3)
        await_rows(lake, 40)
    finally:
        stop.set()
        service.join(30)
    assert_exactly(lake, range(40))
    assert results[0].restarts == 0 and set(landed(lake)["partition"]) == {0, 1, 2}


def await_rows(lake: Lake, count: int) -> None:
    """Wait until the lake has this number of events, for half a minute."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with suppress(Exception):
            if landed(lake).height >= count:
                return
        time.sleep(0.1)


def test_records_deleted_before_they_landed_stop_the_run(kafka: ApacheKafka, topic: str, lake: Lake) -> None:
    kafka.create_topic(topic)
    send(kafka, topic, range(10))
    caught_up(settings(kafka, topic), lake)
    send(kafka, topic, range(10, 30))
    kafka.forget_before(topic, 0, 15)
    with pytest.raises(LandingError, match="--accept-gap"):
        caught_up(settings(kafka, topic), lake)
    assert_exactly(lake, range(10))
    assert caught_up(settings(kafka, topic), lake, accept_gap=True).landed == 15
    assert_exactly(lake, [*range(10), *range(15, 30)])


def test_deleted_transaction_markers_do_not_count_as_deleted_records(
    kafka: ApacheKafka, topic: str, lake: Lake
) -> None:
    kafka.create_topic(topic)
    with transactions(kafka, topic) as send_all:
        send_all(range(10), True)
        caught_up(settings(kafka, topic), lake)
        send_all(range(10, 20), False)
        caught_up(settings(kafka, topic), lake)
        kafka.forget_before(topic, 0, -1)
        caught_up(settings(kafka, topic), lake)
        send_all(range(20, 30), True)
    caught_up(settings(kafka, topic), lake)
    assert_exactly(lake, [*range(10), *range(20, 30)])


def test_records_deleted_by_retention_during_a_run_stop_it(kafka: ApacheKafka, topic: str, tmp_path: Path) -> None:
    kafka.create_topic(topic)
    send(kafka, topic, range(10))
    lake = Lake(str(tmp_path / "lake"))
    with Processes(tmp_path, kafka, topic) as processes:
        reader = processes.start()
        wait_for(lambda: count(lake) == 10)
        reader.send_signal(signal.SIGSTOP)
        time.sleep(0.7)  # the fetch that is under way comes back empty
        send(kafka, topic, range(10, 30))
        kafka.forget_before(topic, 0, 20)
        reader.send_signal(signal.SIGCONT)
        assert reader.wait(45) == LandingError.exit_code
        assert "--accept-gap" in processes.said()
    assert_exactly(lake, range(10))


def test_a_recreated_topic_stops_the_run_until_it_is_accepted(kafka: ApacheKafka, topic: str, lake: Lake) -> None:
    kafka.create_topic(topic)
    send(kafka, topic, range(10))
    caught_up(settings(kafka, topic), lake)
    kafka.delete_topic(topic)
    kafka.create_topic(topic)
    send(kafka, topic, range(10, 40))
    with pytest.raises(LandingError, match="--new-generation"):
        caught_up(settings(kafka, topic), lake)
    assert count(lake) == 10
    assert caught_up(settings(kafka, topic), lake, new_generation=True).landed == 30
    assert sorted(landed(lake)["event_id"]) == sorted(f"e{number}" for number in range(40))


@pytest.mark.parametrize("after", [5, 30], ids=["shorter", "longer"])
def test_a_topic_recreated_during_a_run_stops_it(kafka: ApacheKafka, topic: str, lake: Lake, after: int) -> None:
    kafka.create_topic(topic)
    send(kafka, topic, range(10))
    with Running(settings(kafka, topic), lake) as running:
        wait_for(lambda: count(lake) == 10)
        kafka.delete_topic(topic)
        kafka.create_topic(topic)
        send(kafka, topic, range(100, 100 + after))
        wait_for(lambda: running.ended)
    assert isinstance(running.error, LandingError)
    assert_exactly(lake, range(10))


# The client leaves the sockets of connections that were refused to the garbage collector, which then warns.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_restarted_broker_loses_and_duplicates_nothing(kafka: ApacheKafka, topic: str, lake: Lake) -> None:
    kafka.create_topic(topic, 2)
    send(kafka, topic, range(500), 2)
    with Running(settings(kafka, topic), lake) as running:
        wait_for(lambda: count(lake) == 500)
        kafka.kill()
        time.sleep(1)
        kafka.start()
        send(kafka, topic, range(500, 1000), 2)
        wait_for(lambda: count(lake) == 1000)
        assert not running.ended
    assert running.error is None
    assert_exactly(lake, range(1000))
    gc.collect()


def test_the_retention_of_a_topic_is_read_from_the_broker(kafka: ApacheKafka, topic: str) -> None:
    kafka.create_topic(topic, retention_ms="3600000")
    with Source(settings(kafka, topic, assignment="all")) as source:
        assert source.retentions() == {topic: 3600.0}


def test_what_a_fetch_said_of_the_end_is_forgotten_where_reading_begins_elsewhere(
    kafka: ApacheKafka, topic: str
) -> None:
    """Another consumer may have landed more since that fetch: its offset then lies beyond the end that we knew."""
    kafka.create_topic(topic)
    send(kafka, topic, range(3))
    partition = Partition(topic, 0)

    def end_after_polling(source: Source) -> int | None:
        source.poll(timedelta(milliseconds=100))
        return source.highwater(partition)

    with Source(settings(kafka, topic, assignment="all")) as source:
        wait_for(lambda: partition in source.assigned())
        source.begin(partition, 0)
        wait_for(lambda: end_after_polling(source) == 3)
        send(kafka, topic, range(3, 7))
        source.begin(partition, 7)
        assert source.highwater(partition) is None and source.last_stable(partition) is None
        wait_for(lambda: end_after_polling(source) == 7)


@pytest.mark.parametrize("codec", ["gzip", "lz4", "zstd"])
def test_compressed_batches_are_read(kafka: ApacheKafka, topic: str, lake: Lake, codec: str) -> None:
    kafka.create_topic(topic, compression_type=codec)
    send(kafka, topic, range(50))
    assert caught_up(settings(kafka, topic), lake).landed == 50


LISTENERS = [
    ("SASL_PLAINTEXT", "PLAIN"),
    ("SASL_PLAINTEXT", "SCRAM-SHA-256"),
    ("SASL_PLAINTEXT", "SCRAM-SHA-512"),
    ("SASL_PLAINTEXT", "OAUTHBEARER"),
    ("SSL", None),
    ("SASL_SSL", "PLAIN"),
    ("SASL_SSL", "SCRAM-SHA-512"),
    ("SASL_SSL", "OAUTHBEARER"),
]


def secured(kafka: ApacheKafka, topic: str, listener: str, mechanism: str | None, folder: Path) -> IngestSettings:
    """Settings for a listener, with every secret in a file."""
    (folder / "password").write_text(kafka.password + "\n")
    (folder / "token").write_text(unsecured_token() + "\n")
    said = {"protocol": listener}
    if mechanism == "OAUTHBEARER":
        said |= {"mechanism": mechanism, "token_file": str(folder / "token")}
    elif mechanism:
        said |= {"mechanism": mechanism, "username": USER, "password_file": str(folder / "password")}
    if listener.endswith("SSL"):
        said |= {"ca": str(kafka.certificate)}
    return settings(kafka, topic, brokers=[kafka.addresses[listener]], security=said, assignment="group")


@pytest.mark.parametrize(("listener", "mechanism"), LISTENERS)
def test_every_kind_of_listener_accepts_the_login(
    kafka: ApacheKafka, topic: str, lake: Lake, tmp_path: Path, listener: str, mechanism: str | None
) -> None:
    kafka.create_topic(topic)
    send(kafka, topic, range(10))
    assert caught_up(secured(kafka, topic, listener, mechanism, tmp_path), lake).landed == 10


# The client leaves the sockets of connections that were refused to the garbage collector, which then warns.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "OAUTHBEARER"])
def test_a_wrong_secret_is_one_clear_error_that_does_not_show_it(
    kafka: ApacheKafka, topic: str, lake: Lake, tmp_path: Path, mechanism: str
) -> None:
    kafka.create_topic(topic)
    wrong = secured(kafka, topic, "SASL_PLAINTEXT", mechanism, tmp_path)
    for file in ("password", "token"):
        (tmp_path / file).write_text("hunter2")
    with pytest.raises(BrokerError, match="security") as raised:
        caught_up(wrong.model_copy(update={"connect_timeout": timedelta(seconds=1.5)}), lake)
    assert "hunter2" not in str(raised.value)
    gc.collect()


def test_an_untrusted_certificate_is_one_clear_error(
    kafka: ApacheKafka, topic: str, lake: Lake, tmp_path: Path
) -> None:
    kafka.create_topic(topic)
    trusting = secured(kafka, topic, "SSL", None, tmp_path)
    with pytest.raises(BrokerError, match="certificate"):
        caught_up(trusting.model_copy(update={"security": trusting.security.model_copy(update={"ca": None})}), lake)
