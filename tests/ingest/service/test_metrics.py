"""The port serves the state of the consumer: metrics for Prometheus, health and readiness for probes."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from expectations.errors import ConfigurationError
from ingest.landing.flush_result import FlushResult
from ingest.message import Partition
from ingest.service.counters import Counters, Histogram
from ingest.service.metrics import CountersCollector, serve_metrics
from ingest.service.watchdog import Watchdog

HERE = Partition("clicks", 2)


def counters() -> Counters:
    state = Counters(joined=True, assigned=3, last_poll=time.time(), lag={HERE: 42}, storage_failures=2)
    state.retention["clicks"] = 3600.0
    state.duplicates["clicks"], state.watchdog_restarts, state.files_per_open_day = 4, 1, 12
    state.surplus_rows, state.waiting[HERE] = 40, 7
    state.add_read("clicks", 2, 5)
    flushed = FlushResult(rows=2, decided={HERE: 2}, newest={HERE: 90.0}, commit_seconds=0.2, lateness_seconds=61.0)
    flushed.landed["clicks"] += 1
    flushed.refused["clicks", "not_json"] += 1
    flushed.tombstones["clicks"] += 3
    flushed.lateness.update({60: 1, float("inf"): 2})
    state.add_flush(flushed, 100.0)
    return state


def sample(state: Counters, name: str, **labels: str) -> float | None:
    registry = CollectorRegistry()
    registry.register(CountersCollector(state, clock=lambda: 100.0))
    return registry.get_sample_value("journeys_" + name, labels)


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("records_polled_total", {"topic": "clicks"}, 2),
        ("bytes_polled_total", {"topic": "clicks"}, 5),
        ("records_landed_total", {"topic": "clicks"}, 1),
        ("records_quarantined_total", {"topic": "clicks", "reason": "not_json"}, 1),
        ("records_quarantined_total", {"topic": "clicks", "reason": "tombstone"}, None),
        ("tombstones_total", {"topic": "clicks"}, 3),
        ("open_transaction_records", {"topic": "clicks", "partition": "2"}, 7),
        ("lag_records", {"topic": "clicks", "partition": "2"}, 42),
        ("landed_freshness_seconds", {"topic": "clicks", "partition": "2"}, 10),
        ("assigned_partitions", {}, 3),
        ("retention_headroom_seconds", {"topic": "clicks", "partition": "2"}, 3590),
        ("duplicate_events_total", {"topic": "clicks"}, 4),
        ("watchdog_restarts_total", {}, 1),
        ("files_per_open_day", {}, 12),
        ("surplus_rows", {}, 40),
        ("commits_total", {}, 1),
        ("storage_failures_total", {}, 2),
        ("commit_seconds_bucket", {"le": "0.25"}, 1),
        ("commit_seconds_bucket", {"le": "0.1"}, 0),
        ("commit_seconds_sum", {}, 0.2),
        ("event_lateness_seconds_bucket", {"le": "60"}, 1),
        ("event_lateness_seconds_bucket", {"le": "604800"}, 1),
        ("event_lateness_seconds_bucket", {"le": "+Inf"}, 3),
        ("last_successful_commit_timestamp_seconds", {}, 100),
    ],
)
def test_a_scrape_returns_the_values_of_the_counters(name: str, labels: dict[str, str], value: float | None) -> None:
    assert sample(counters(), name, **labels) == value


def test_the_headroom_is_the_whole_retention_when_nothing_waits() -> None:
    state = counters()
    state.lag[HERE] = 0
    assert sample(state, "retention_headroom_seconds", topic="clicks", partition="2") == 3600
    state.retention = {}
    assert sample(state, "retention_headroom_seconds", topic="clicks", partition="2") is None


def test_a_histogram_counts_at_and_below_each_bound() -> None:
    seen = Histogram((1.0, 10.0))
    for value in (0.5, 1.0, 1.1, 10.0, 11.0):
        seen.observe(value)
    assert seen.counts == [2, 2, 1] and seen.total == 23.6


def get(port: int | None, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


def test_the_port_answers_scrapes_health_and_readiness() -> None:
    with Watchdog(timedelta(seconds=60)) as watchdog, serve_metrics(counters(), watchdog, "127.0.0.1", 0) as port:
        status, text = get(port, "/metrics")
        assert status == 200
        families = {family.name for family in text_string_to_metric_families(text)}
        assert {"journeys_lag_records", "journeys_records_landed", "journeys_commit_seconds"} <= families
        assert get(port, "/healthz")[0] == get(port, "/readyz")[0] == 200
        assert get(port, "/elsewhere")[0] == 404


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"joined": False}, "partitions"),
        ({"last_poll": time.time() - 90}, "no broker has answered"),
        ({"lake_is_unavailable": True}, "the lake does not accept"),
    ],
)
def test_a_consumer_that_cannot_land_is_not_ready_and_gives_the_reason(how: dict[str, Any], said: str) -> None:
    state = counters()
    for name, value in how.items():
        setattr(state, name, value)
    with Watchdog(timedelta(seconds=60)) as watchdog, serve_metrics(state, watchdog, "127.0.0.1", 0) as port:
        assert get(port, "/healthz")[0] == 200
        status, text = get(port, "/readyz")
    assert status == 503 and said in text


def test_a_stopped_loop_is_unhealthy_and_a_consumer_without_partitions_not_ready() -> None:
    barks: list[str] = []
    with (
        Watchdog(timedelta(seconds=0), bark=lambda: barks.append("!")) as watchdog,
        serve_metrics(Counters(), watchdog, "127.0.0.1", 0) as port,
    ):
        assert get(port, "/healthz")[0] == get(port, "/readyz")[0] == 503


def test_without_a_port_nothing_is_served() -> None:
    with serve_metrics(Counters(), Watchdog(timedelta(seconds=60)), "127.0.0.1", None) as port:
        assert port is None


def test_a_port_that_is_taken_is_one_clear_error() -> None:
    watchdog = Watchdog(timedelta(seconds=60))
    with (
        serve_metrics(Counters(), watchdog, "127.0.0.1", 0) as port,
        pytest.raises(ConfigurationError, match="cannot be opened"),
        serve_metrics(Counters(), watchdog, "127.0.0.1", port),
    ):
        pass
