"""Runs the consumer process: poll, decode, judge, commit, until it is caught up or stopped.

One process reads several topics. If the Kafka client raises, it is replaced by a new one, and buffered records are read
again, since the offsets are in the lake. SIGTERM and SIGINT stop the loop in order: flush, leave the group, return. A
second signal, or a flush that takes too long, ends the process at once, which is safe as well.
"""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta
from threading import Event
from typing import Final

from expectations.config.retention import FOR_EVER, Retention
from expectations.errors import BrokerError, ConfigurationError, RegistryError, StorageError
from expectations.gate import Rule, contract_rules
from expectations.lake import layout
from expectations.lake.layout import Lake
from ingest.decoding.traits import has_traits
from ingest.kafka.consumer import Source
from ingest.kafka.topics import describe
from ingest.landing.commit import Table
from ingest.landing.landing import Landing
from ingest.landing.marks import Marks
from ingest.logs import error_fields
from ingest.service.counters import Counters
from ingest.service.metrics import serve_metrics
from ingest.service.signals import stop_on_signals
from ingest.service.watchdog import Watchdog, count_restarts
from ingest.service.worker import Patience, Worker
from ingest.settings.ingest import IngestSettings
from ingest.source_protocol import PermanentBrokerError, SourceFailed
from ingest.upkeep.schedule import MaintenanceScheduler

log = logging.getLogger(__name__)

_BACKOFF_SECONDS: Final = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
_SWEEP_SECONDS: Final = 60.0
_PATIENCE_SECONDS: Final = 60.0
"""How long a run until caught up waits for records before it gives up."""


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a run: counts of records since it began.

    `lag` is the number of records still to be read, `expected` the total once they are; None while unknown.
    """

    polled: int
    landed: int
    quarantined: int
    lag: int | None
    expected: int | None
    seconds: float


@dataclass(frozen=True, slots=True)
class IngestSummary:
    """The result of a run. `quarantined` and `warned` count records by reason and by rule; `tombstones` are
    records without a value, which are kept nowhere. `waiting` records cannot be read before an open transaction has
    ended: they are in it, or behind its first record.

    `fenced` counts partitions that another process had moved, `restarts` how often the client was replaced.
    """

    polled: int
    landed: int
    quarantined: dict[str, int]
    warned: dict[str, int]
    tombstones: int
    waiting: int
    commits: int
    fenced: int
    restarts: int
    events_version: int
    seconds: float


def run(
    settings: IngestSettings,
    lake: Lake,
    *,
    until_caught_up: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
    accept_gap: bool = False,
    new_generation: bool = False,
    rules: Sequence[Rule] = (),
    keep: Retention = FOR_EVER,
    stop: Event | None = None,
) -> IngestSummary:
    """Land the streams of `settings` in the lake until a signal or `stop`, or (`until_caught_up`) to their current end.

    `rules` are judged after the contract's. `keep` says how long rows and texts are kept. `accept_gap` continues where
    the broker has deleted records that were not landed; `new_generation` reads a recreated topic from its beginning.
    Without them either case stops the run.
    Raises BrokerError, LandingError, StorageError, RegistryError or ConfigurationError; earlier commits stay.
    """
    if not settings.streams:
        raise _nothing_to_read()
    if settings.assignment is None:
        settings = settings.model_copy(update={"assignment": "all" if until_caught_up else "group"})
    gc.set_threshold(100_000, 50, 50)  # records form no cycles: searching for them takes a third of the time
    describe(settings)  # fail before the lake is touched
    events, refused = (
        Table(lake, name, reload_every=settings.reload_every) for name in (layout.EVENTS, layout.QUARANTINE)
    )
    limits = settings.limits
    every_rule = (*contract_rules(oldest=limits.oldest, newest=limits.newest), *rules)
    profiles = Table(lake, layout.PROFILES) if any(map(has_traits, settings.streams)) else None
    landing = Landing(events, refused, settings, every_rule, profiles=profiles, marks=Marks(lake, settings.pipeline))
    loop = _Loop(settings, landing, events, _Accepted(accept_gap, new_generation), on_progress)
    scheduler = MaintenanceScheduler(lake, settings.maintenance, loop.counters, keep)
    with (
        stop_on_signals(stop or Event(), settings.stop_timeout) as stopping,
        loop.watchdog,
        serve_metrics(loop.counters, loop.watchdog, settings.http_address, settings.http_port),
        nullcontext() if until_caught_up else scheduler,
    ):
        loop.supervise(stopping, until_caught_up=until_caught_up)
    landing.close()
    if until_caught_up and not stopping.is_set():
        scheduler.run_once()
    return loop.summary()


@dataclass(frozen=True, slots=True)
class _Accepted:
    """The losses that the operator has accepted for this run."""

    gap: bool
    new_generation: bool


class _Loop:
    """Runs one consumer after another over the same landing."""

    def __init__(
        self,
        settings: IngestSettings,
        landing: Landing,
        events: Table,
        accepted: _Accepted,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        self._settings, self._landing, self._events = settings, landing, events
        self._accepted, self._on_progress = accepted, on_progress
        self.counters = Counters()
        self.watchdog = Watchdog(settings.watchdog)
        self.counters.watchdog_restarts = count_restarts()
        self._polled = 0
        self._began = self._moved = self._swept = time.monotonic()

    def supervise(self, stopping: Event, *, until_caught_up: bool) -> None:
        """Consume until the end. A failed consumer is replaced; the next one resumes at the lake's offsets."""
        failures = 0
        while True:
            before = self.counters.landed.total()
            try:
                self._consume(stopping, until_caught_up)
                return
            except (SourceFailed, BrokerError, RegistryError, StorageError) as failed:
                failures = 1 if self.counters.landed.total() > before else failures + 1
                if not self._may_retry(failed, failures, until_caught_up):
                    if isinstance(failed, SourceFailed):
                        raise _keeps_failing(self._settings, failed) from failed
                    raise
                if isinstance(failed, StorageError | RegistryError):
                    self.counters.add_failure(failed)
                log.warning("the consumer failed, creating a new one", extra=error_fields(failed))
            self._landing.drop_all()
            self.counters.restarts += 1
            gc.collect()  # the old client is part of reference cycles that hold its sockets
            if self._pause(_BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS)) - 1], stopping):
                return

    def _pause(self, seconds: float, stopping: Event) -> bool:
        """Wait before the next consumer; returns whether to stop."""
        self.watchdog.beat()
        return stopping.wait(seconds)

    def _may_retry(self, failed: Exception, failures: int, until_caught_up: bool) -> bool:
        """Whether to try again: a run until caught up gives up after a while; a service only if it cannot start."""
        if isinstance(failed, PermanentBrokerError) or (isinstance(failed, BrokerError) and not self.counters.restarts):
            return False
        if isinstance(failed, StorageError) and until_caught_up:
            return False
        return not until_caught_up or failures <= len(_BACKOFF_SECONDS)

    def _consume(self, stopping: Event, until_caught_up: bool) -> None:
        if self.counters.lake_is_unavailable:  # do not join the group before the lake is back
            self._landing.reload()
        with Source(self._settings) as source:
            self._work(source, stopping, until_caught_up)

    def _work(self, source: Source, stopping: Event, until_caught_up: bool) -> None:
        for topic, topic_id in source.topic_ids.items():
            self._landing.remember(topic, topic_id, new_generation=self._accepted.new_generation)
        if not until_caught_up:
            self.counters.retention = source.retentions()
        worker = Worker(
            source,
            self._landing,
            self.counters,
            patience=self._patience(until_caught_up),
            accept_gap=self._accepted.gap,
            beat=self.watchdog.beat,
            rest=stopping.wait,
        )
        while not stopping.is_set():
            worker.step()
            self._sweep()
            self._report(worker, until_caught_up)
            if until_caught_up and worker.is_caught_up():
                worker.flush()
                if worker.is_caught_up():  # a flush that lost a partition has rewound it
                    break
        worker.flush()
        self._report(worker, until_caught_up=False)

    def _patience(self, until_caught_up: bool) -> Patience:
        """A service stays in its group while the lake or registry is unavailable; a run until caught up does not."""
        settings = self._settings
        away = timedelta(0) if until_caught_up else min(settings.max_poll_interval, settings.watchdog) / 2
        return Patience(settings.poll_wait, max(3 * settings.session_timeout, timedelta(seconds=10)), away)

    def _sweep(self) -> None:
        """Collect garbage on a quiet stream, where refused connections pile up but too little else triggers it."""
        now = time.monotonic()
        if now - self._swept > _SWEEP_SECONDS and self._landing.is_idle:
            gc.collect()
            self._swept = now

    def _report(self, worker: Worker, until_caught_up: bool) -> None:
        now, polled = time.monotonic(), self.counters.polled.total()
        self.counters.events_version = self._events.version
        if polled != self._polled:
            self._moved, self._polled = now, polled
        elif until_caught_up and now - self._moved > _PATIENCE_SECONDS:
            raise _no_records(self._settings, worker.lag())
        if self._on_progress:
            landed, quarantined = self.counters.landed.total(), self.counters.quarantined.total()
            lag = worker.lag()
            expected = None if lag is None else polled + lag
            self._on_progress(Progress(polled, landed, quarantined, lag, expected, now - self._began))

    def summary(self) -> IngestSummary:
        """The result of the run so far."""
        counters = self.counters
        return IngestSummary(
            polled=counters.polled.total(),
            landed=counters.landed.total(),
            quarantined=dict(counters.quarantined.most_common()),
            warned=dict(counters.warned.most_common()),
            tombstones=counters.tombstones.total(),
            waiting=sum(counters.waiting.values()),
            commits=counters.commits,
            fenced=counters.fenced,
            restarts=counters.restarts,
            events_version=self._events.version,
            seconds=time.monotonic() - self._began,
        )


def _nothing_to_read() -> ConfigurationError:
    return ConfigurationError(
        "No stream is configured, so there is nothing to read.",
        where="[[ingest.streams]]",
        expected="at least one topic with its kind",
        do='add to journeys.toml: [[ingest.streams]], topic = "clickstream", kind = "clickstream"',
    )


def _keeps_failing(settings: IngestSettings, failed: Exception) -> BrokerError:
    return BrokerError(
        "Reading from the broker keeps failing.",
        where=", ".join(settings.brokers),
        expected="records that can be read",
        found=str(failed),
        do="check the broker's log, and with `journeys doctor` that the compressions in use can be read",
    )


def _no_records(settings: IngestSettings, lag: int | None) -> PermanentBrokerError:
    return PermanentBrokerError(
        "The broker has returned no record for a minute, although the end has not been reached.",
        where=", ".join(settings.brokers),
        expected="the records up to the end of each partition",
        found=f"{lag} records to go" if lag is not None else "no response to fetches",
        do="check the broker, and that no producer holds a transaction open",
    )
