"""How a consumer stands, for Prometheus and for who keeps it running: `/metrics`, `/healthz`, `/readyz` on one port.

- `/healthz` answers 200 while the loop turns, 503 when it has been silent for longer than the watchdog allows;
- `/readyz` answers 200 while partitions are handed out, a broker has answered within the last minute and the lake takes
  what is read, else 503 with what is missing.

Lag is counted from what has landed to the highwater of the last fetch. Names begin with `journeys_`; no label ever
holds a value of a message.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from expectations.errors import ConfigurationError
from ingest.landing.flush_result import LATENESS
from ingest.message import Partition
from ingest.service.counters import Histogram, Tally
from ingest.service.watchdog import Watchdog

PREFIX: Final = "journeys_"
_HEARD_SECONDS: Final = 60.0
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class TallyCollector(Collector):
    """Reads a tally whenever it is scraped."""

    def __init__(self, tally: Tally, clock: Callable[[], float] = time.time) -> None:
        self._tally, self._clock = tally, clock

    def collect(self) -> Iterable[Metric]:
        """All metrics, as they are now."""
        yield from self._counters()
        yield from self._gauges()
        yield from self._by_partition()
        yield from self._histograms()

    def _counters(self) -> Iterator[Metric]:
        tally = self._tally
        for name, text, counts in (
            ("records_polled", "Records read from the broker.", tally.polled),
            ("bytes_polled", "Bytes of message values read.", tally.bytes),
            ("records_landed", "Events that became visible in the lake.", tally.landed),
            ("records_redelivered", "Records that came again and were dropped.", tally.redelivered),
            ("duplicate_events", "Events with the id of another in their flush; readers count one.", tally.duplicates),
            ("id_conflicts", "Of these, events that say something else than the other.", tally.conflicting),
        ):
            family = CounterMetricFamily(PREFIX + name, text, labels=["topic"])
            for topic, count in counts.copy().items():
                family.add_metric([topic], count)
            yield family
        family = CounterMetricFamily(PREFIX + "records_quarantined", "Records refused.", labels=["topic", "reason"])
        for labels, count in tally.refused.copy().items():
            family.add_metric(labels, count)
        yield family
        family = CounterMetricFamily(PREFIX + "records_warned", "Events landed in spite of a rule.", labels=["rule"])
        for rule, count in tally.warned.copy().items():
            family.add_metric([rule], count)
        yield family
        for name, text, value in (
            ("commits", "Commits of events.", tally.commits),
            ("commit_conflicts", "Commits that another process was faster with.", tally.conflicts),
            ("fenced", "Partitions found moved by another process and read again.", tally.fenced),
            ("restarts", "Consumers thrown away after an error.", tally.restarts),
            ("registry_failures", "Look-ups that the schema registry did not answer.", tally.registry_failures),
            ("storage_failures", "Attempts to land that the lake did not take.", tally.storage_failures),
            ("rebalances", "Changes of the assignment.", tally.rebalances),
            ("watchdog_restarts", "Processes of this machine that the watchdog has ended.", tally.watchdog_restarts),
            ("maintenance_runs", "Times that the tables' files were looked after.", tally.maintained),
            ("days_relieved", "Days that had too many files and were compacted at once.", tally.relieved),
            ("files_removed", "Files removed that no table needs any more.", tally.removed_files),
        ):
            yield CounterMetricFamily(PREFIX + name, text, value=value)

    def _gauges(self) -> Iterator[Metric]:
        tally = self._tally
        for name, text, value in (
            ("assigned_partitions", "Partitions that this process reads.", tally.assigned),
            ("buffer_records", "Records read and not landed yet.", tally.held_rows),
            ("buffer_bytes", "Bytes of messages read and not landed yet.", tally.held_bytes),
            ("delta_version", "Version of the table of events.", tally.events_version),
            ("files_per_open_day", "Files of the open day that has the most.", tally.files_per_open_day),
            ("last_successful_poll_timestamp_seconds", "When a broker last answered.", tally.last_poll),
            ("last_successful_commit_timestamp_seconds", "When a commit last succeeded.", tally.last_commit),
        ):
            yield GaugeMetricFamily(PREFIX + name, text, value=value)

    def _by_partition(self) -> Iterator[Metric]:
        labels = ["topic", "partition"]
        lag = GaugeMetricFamily(PREFIX + "lag_records", "Records between what landed and the end.", labels=labels)
        for partition, records in self._tally.lag.copy().items():
            lag.add_metric([partition.topic, str(partition.number)], records)
        yield lag
        text = "Age of the newest record that has landed."
        fresh = GaugeMetricFamily(PREFIX + "landed_freshness_seconds", text, labels=labels)
        for partition, newest in self._tally.newest.copy().items():
            fresh.add_metric([partition.topic, str(partition.number)], self._clock() - newest)
        yield fresh
        text = "Time until the broker deletes what has not landed; all of the retention where nothing waits."
        headroom = GaugeMetricFamily(PREFIX + "retention_headroom_seconds", text, labels=labels)
        for partition, seconds in _headroom(self._tally, self._clock()).items():
            headroom.add_metric([partition.topic, str(partition.number)], seconds)
        yield headroom

    def _histograms(self) -> Iterator[Metric]:
        tally = self._tally
        late = Histogram(LATENESS)
        late.counts = [tally.lateness[bound] for bound in (*LATENESS, float("inf"))]
        late.total = tally.lateness_seconds
        for name, text, histogram in (
            ("parse_seconds", "Decoding and judging one flush.", tally.decode_seconds),
            ("commit_seconds", "Making one flush visible, quarantine included.", tally.commit_seconds),
            ("flush_rows", "Records of one flush.", tally.flush_rows),
            ("event_lateness_seconds", "From an event to its receipt by the broker.", late),
        ):
            yield HistogramMetricFamily(PREFIX + name, text, buckets=_cumulative(histogram), sum_value=histogram.total)


def _headroom(tally: Tally, now: float) -> dict[Partition, float]:
    """Seconds by partition. What waits is not older than what has landed last, so the truth is not below this."""
    found = {}
    for partition, waiting in tally.lag.copy().items():
        retention, newest = tally.retention.get(partition.topic), tally.newest.get(partition)
        if retention is None:
            continue
        if not waiting:
            found[partition] = retention
        elif newest is not None:
            found[partition] = max(retention - (now - newest), 0.0)
    return found


def _cumulative(histogram: Histogram) -> list[tuple[str, float]]:
    buckets, total = [], 0
    for bound, count in zip((*histogram.bounds, float("inf")), histogram.counts, strict=True):
        total += count
        buckets.append(("+Inf" if bound == float("inf") else f"{bound:g}", float(total)))
    return buckets


@contextmanager
def served(tally: Tally, watchdog: Watchdog, address: str, port: int | None) -> Iterator[int | None]:
    """Serve a tally over HTTP for as long as the `with` block lasts; gives the port, which is chosen when it is 0.

    Without a port nothing is served. Raises ConfigurationError when the address or the port cannot be had.
    """
    if port is None:
        yield None
        return
    registry = CollectorRegistry()
    registry.register(TallyCollector(tally))
    try:
        server = ThreadingHTTPServer((address, port), _handler(registry, tally, watchdog))
    except OSError as error:
        raise ConfigurationError(
            "The port for metrics cannot be opened.",
            where=f"[ingest] http_address {address}, http_port {port}",
            found=error.strerror or str(error),
            do="name another port, or stop the process that holds it",
        ) from error
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _missing(tally: Tally, now: float) -> str:
    """What keeps the consumer from landing what comes; empty when nothing does."""
    if tally.lake_is_away:
        return "the lake does not take what is read, it is tried again"
    if not tally.joined:
        return "the group has not handed out its partitions yet"
    return "no broker has answered for a minute" if now - tally.last_poll > _HEARD_SECONDS else ""


def _handler(registry: CollectorRegistry, tally: Tally, watchdog: Watchdog) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers the three paths."""

        def do_GET(self) -> None:
            """Answer one request."""
            if self.path == "/metrics":
                self._answer(200, generate_latest(registry), CONTENT_TYPE)
            elif self.path == "/healthz":
                self._say(watchdog.is_patient, f"the loop turned {watchdog.silence:.0f} s ago")
            elif self.path == "/readyz":
                missing = _missing(tally, time.time())
                self._say(not missing, missing or f"{tally.assigned} partitions")
            else:
                self._answer(404, b"/metrics, /healthz, /readyz\n")

        def log_message(self, format: str, *args: object) -> None:
            """Scrapes are not worth a line."""

        def _say(self, well: bool, text: str) -> None:
            self._answer(200 if well else 503, f"{'ok' if well else 'no'}: {text}\n".encode())

        def _answer(self, status: int, body: bytes, kind: str = "text/plain; charset=utf-8") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
