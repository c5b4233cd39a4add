"""Serves the state of a consumer over HTTP, for Prometheus and for the platform's probes, on one port.

- `/metrics` gives the counters and gauges of the run.
- `/healthz` answers 200 while the loop runs, and 503 once it has been silent for longer than the watchdog allows.
- `/readyz` answers 200 while partitions are assigned, a broker has answered within the last minute and the lake accepts
  commits; otherwise 503 with what is missing.

Lag is the high watermark of the last fetch minus the landed offset. Names begin with `journeys_`; no label ever holds a
value of a message. Whoever reaches the port can read them: it listens on the loopback address unless `http_address`
names another one, as the image does. Connections are bounded and have a deadline (`ingest.service.listening`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from expectations.errors import ConfigurationError
from ingest.landing.flush_result import LATENESS_BOUNDS
from ingest.message import Partition
from ingest.service.commands import command_metrics
from ingest.service.counters import Counters, Histogram
from ingest.service.listening import BoundedServer
from ingest.service.watchdog import Watchdog

PREFIX: Final = "journeys_"
_HEARD_SECONDS: Final = 60.0
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class CountersCollector(Collector):
    """Reads the counters of a run at every scrape."""

    def __init__(self, counters: Counters, clock: Callable[[], float] = time.time) -> None:
        self._counters, self._clock = counters, clock

    def collect(self) -> Iterable[Metric]:
        """Yield all metrics with their current values."""
        yield from self._counter_metrics()
        yield from self._gauge_metrics()
        yield from self._partition_metrics()
        yield from self._histogram_metrics()
        yield from command_metrics(self._counters.command_runs)

    def _counter_metrics(self) -> Iterator[Metric]:
        counters = self._counters
        for name, text, counts in (
            ("records_polled", "Records read from the broker.", counters.polled),
            ("bytes_polled", "Bytes of records read: values, keys and headers.", counters.bytes),
            ("records_landed", "Events that became visible in the lake.", counters.landed),
            ("tombstones", "Records without a value; they are no events and are not quarantined.", counters.tombstones),
            ("records_redelivered", "Records that were delivered again and dropped.", counters.redelivered),
            ("duplicate_events", "Events that repeat an id within one flush.", counters.duplicates),
            ("id_conflicts", "Of these, events with a different content.", counters.conflicting),
        ):
            family = CounterMetricFamily(PREFIX + name, text, labels=["topic"])
            for topic, count in counts.copy().items():
                family.add_metric([topic], count)
            yield family
        family = CounterMetricFamily(PREFIX + "records_quarantined", "Records refused.", labels=["topic", "reason"])
        for labels, count in counters.refused.copy().items():
            family.add_metric(labels, count)
        yield family
        family = CounterMetricFamily(PREFIX + "records_warned", "Events that landed but fail a rule.", labels=["rule"])
        for rule, count in counters.warned.copy().items():
            family.add_metric([rule], count)
        yield family
        for name, text, value in (
            ("commits", "Commits of events.", counters.commits),
            ("commit_conflicts", "Commits lost to another process.", counters.conflicts),
            ("fenced", "Partitions found moved by another process and read again.", counters.fenced),
            ("restarts", "Consumers replaced after an error.", counters.restarts),
            ("registry_failures", "Failed look-ups in the schema registry.", counters.registry_failures),
            ("storage_failures", "Failed commits to the lake.", counters.storage_failures),
            ("rebalances", "Changes of the assigned partitions.", counters.rebalances),
            ("watchdog_restarts", "Processes on this machine ended by the watchdog.", counters.watchdog_restarts),
            ("maintenance_runs", "Maintenance runs of the tables.", counters.maintained),
            ("days_relieved", "Days with too many files, compacted at once.", counters.relieved),
            ("files_removed", "Removed files that no table used any more.", counters.removed_files),
            ("rows_expired", "Rows removed because they were older than the lake keeps them.", counters.expired_rows),
            ("texts_expired", "Free texts removed because of their age.", counters.expired_texts),
        ):
            yield CounterMetricFamily(PREFIX + name, text, value=value)

    def _gauge_metrics(self) -> Iterator[Metric]:
        counters = self._counters
        for name, text, value in (
            ("assigned_partitions", "Partitions assigned to this process.", counters.assigned),
            ("buffer_records", "Records read and not landed yet.", counters.buffered_rows),
            ("buffer_bytes", "Bytes of messages read and not landed yet.", counters.buffered_bytes),
            ("delta_version", "Version of the events table.", counters.events_version),
            ("files_per_open_day", "Files of the open day with the most files.", counters.files_per_open_day),
            ("surplus_rows", "Rows that equal another row of the same table.", counters.surplus_rows),
            (
                "maintenance_overdue_seconds",
                "By how much maintenance is overdue.",
                counters.overdue_seconds,
            ),
            ("last_successful_poll_timestamp_seconds", "When a broker last answered.", counters.last_poll),
            ("last_successful_commit_timestamp_seconds", "When a commit last succeeded.", counters.last_commit),
        ):
            yield GaugeMetricFamily(PREFIX + name, text, value=value)

    def _partition_metrics(self) -> Iterator[Metric]:
        labels = ["topic", "partition"]
        lag = GaugeMetricFamily(
            PREFIX + "lag_records", "Records between the landed offset and the end of the partition.", labels=labels
        )
        for partition, records in self._counters.lag.copy().items():
            lag.add_metric([partition.topic, str(partition.number)], records)
        yield lag
        waiting = GaugeMetricFamily(
            PREFIX + "open_transaction_records",
            "Records that cannot be read before an open transaction has ended; part of the lag.",
            labels=labels,
        )
        for partition, records in self._counters.waiting.copy().items():
            waiting.add_metric([partition.topic, str(partition.number)], records)
        yield waiting
        text = "Age of the newest record that has landed."
        fresh = GaugeMetricFamily(PREFIX + "landed_freshness_seconds", text, labels=labels)
        for partition, newest in self._counters.newest.copy().items():
            fresh.add_metric([partition.topic, str(partition.number)], self._clock() - newest)
        yield fresh
        text = "Time until the broker deletes records that have not landed; the whole retention if there are none."
        headroom = GaugeMetricFamily(PREFIX + "retention_headroom_seconds", text, labels=labels)
        for partition, seconds in _headroom(self._counters, self._clock()).items():
            headroom.add_metric([partition.topic, str(partition.number)], seconds)
        yield headroom

    def _histogram_metrics(self) -> Iterator[Metric]:
        counters = self._counters
        late = Histogram(LATENESS_BOUNDS)
        late.counts = [counters.lateness[bound] for bound in (*LATENESS_BOUNDS, float("inf"))]
        late.total = counters.lateness_seconds
        for name, text, histogram in (
            ("parse_seconds", "Decoding and judging one flush.", counters.decode_seconds),
            ("commit_seconds", "Making one flush visible, quarantine included.", counters.commit_seconds),
            ("flush_rows", "Records of one flush.", counters.flush_rows),
            ("event_lateness_seconds", "From an event to its receipt by the broker.", late),
        ):
            yield HistogramMetricFamily(PREFIX + name, text, buckets=_cumulative(histogram), sum_value=histogram.total)


def _headroom(counters: Counters, now: float) -> dict[Partition, float]:
    """Seconds by partition, a lower bound: waiting records are at most as old as the newest landed one."""
    headroom = {}
    for partition, waiting in counters.lag.copy().items():
        retention, newest = counters.retention.get(partition.topic), counters.newest.get(partition)
        if retention is None:
            continue
        if not waiting:
            headroom[partition] = retention
        elif newest is not None:
            headroom[partition] = max(retention - (now - newest), 0.0)
    return headroom


def _cumulative(histogram: Histogram) -> list[tuple[str, float]]:
    buckets, total = [], 0
    for bound, count in zip((*histogram.bounds, float("inf")), histogram.counts, strict=True):
        total += count
        buckets.append(("+Inf" if bound == float("inf") else f"{bound:g}", float(total)))
    return buckets


@contextmanager
def serve_metrics(counters: Counters, watchdog: Watchdog, address: str, port: int | None) -> Iterator[int | None]:
    """Serve the counters over HTTP while the `with` block runs; yields the port, which is chosen if it is 0.

    If `port` is None, nothing is served. Raises ConfigurationError when the address or port is not available.
    """
    if port is None:
        yield None
        return
    registry = CollectorRegistry()
    registry.register(CountersCollector(counters))
    try:
        server = BoundedServer((address, port), _handler(registry, counters, watchdog))
    except OSError as error:
        raise ConfigurationError(
            "The port for metrics cannot be opened.",
            where=f"[ingest] http_address {address}, http_port {port}",
            found=error.strerror or str(error),
            do="name another port, or stop the process that holds it",
        ) from error
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _missing(counters: Counters, now: float) -> str:
    """The reason why the consumer cannot land records; empty if it can."""
    if counters.lake_is_unavailable:
        return "the lake does not accept commits, trying again"
    if not counters.joined:
        return "the group has not assigned its partitions yet"
    return "no broker has answered for a minute" if now - counters.last_poll > _HEARD_SECONDS else ""


def _handler(registry: CollectorRegistry, counters: Counters, watchdog: Watchdog) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers `/metrics`, `/healthz` and `/readyz`."""

        def do_GET(self) -> None:
            """Answer one request."""
            if self.path == "/metrics":
                self._answer(200, generate_latest(registry), CONTENT_TYPE)
            elif self.path == "/healthz":
                self._answer_probe(watchdog.is_patient, f"last iteration of the loop {watchdog.silence:.0f} s ago")
            elif self.path == "/readyz":
                missing = _missing(counters, time.time())
                self._answer_probe(not missing, missing or f"{counters.assigned} partitions")
            else:
                self._answer(404, b"/metrics, /healthz, /readyz\n")

        def log_message(self, format: str, *args: object) -> None:
            """Do not log requests."""

        def _answer_probe(self, ok: bool, text: str) -> None:
            self._answer(200 if ok else 503, f"{'ok' if ok else 'no'}: {text}\n".encode())

        def _answer(self, status: int, body: bytes, content_type: str = "text/plain; charset=utf-8") -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
