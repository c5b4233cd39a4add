"""Poll, decode, gate, commit, for as long as it is wanted: the consumer process.

One process reads several topics. An exception out of the client throws the client away and builds a new one; what was
held is read again, since offsets live in the lake. SIGTERM and SIGINT end the loop in order: flush, leave the group,
return. A second signal, or a flush that takes too long, ends the process at once, which is safe as well.
"""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Final

from expectations import layout
from expectations.errors import BrokerError, ConfigurationError
from expectations.gate import Rule, contract_rules
from expectations.layout import Lake
from ingest.commit import Table
from ingest.decode import TOMBSTONE
from ingest.landing import Landing
from ingest.settings import IngestSettings
from ingest.signals import stopped_by_signals
from ingest.source import Source, SourceFailed, describe
from ingest.worker import Tally, Worker

log = logging.getLogger(__name__)

_BACKOFF_SECONDS: Final = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
_PATIENCE_SECONDS: Final = 60.0
"""How long a run that is to end waits for a broker that has nothing to say, though the end is not reached."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: counts of records since it began.

    `lag` is how many are still to be read, `expected` how many there will have been then; None while it is not known.
    """

    polled: int
    landed: int
    quarantined: int
    lag: int | None
    expected: int | None
    seconds: float


@dataclass(frozen=True, slots=True)
class IngestSummary:
    """What a run did. `quarantined` and `warned` count records by reason and by rule; `tombstones` are kept nowhere.

    `fenced` counts partitions that another process had moved, `restarts` the times the client was built anew.
    """

    polled: int
    landed: int
    quarantined: dict[str, int]
    warned: dict[str, int]
    tombstones: int
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
    stop: Event | None = None,
) -> IngestSummary:
    """Land the streams of `settings` in the lake, until a signal or `stop`, or until all is read that is there now.

    `rules` are judged after the contract's. `accept_gap` goes on where the broker has deleted records that were not
    landed, `new_generation` reads a topic that was made anew from its beginning; without them either stops the run.
    Raises BrokerError, LandingError, StorageError or ConfigurationError; what was committed until then stays.
    """
    if not settings.streams:
        raise _nothing_to_read()
    if settings.assignment is None:
        settings = settings.model_copy(update={"assignment": "all" if until_caught_up else "group"})
    gc.set_threshold(100_000, 50, 50)  # records are many, small and free of cycles: looking for cycles costs a third
    describe(settings.brokers, list(settings.by_topic), timeout=settings.connect_timeout)  # before the lake is touched
    events, refused = (
        Table(lake, name, reload_every=settings.reload_every) for name in (layout.EVENTS, layout.QUARANTINE)
    )
    limits = settings.limits
    every_rule = (*contract_rules(oldest=limits.oldest, newest=limits.newest), *rules)
    loop = _Loop(settings, Landing(events, refused, settings, every_rule), accept_gap, new_generation, on_progress)
    with stopped_by_signals(stop or Event(), settings.stop_timeout) as stopping:
        loop.supervise(stopping, until_caught_up=until_caught_up)
    return loop.summary(events.version)


class _Loop:
    """The consumers of one run, one after the other, over one landing."""

    def __init__(
        self,
        settings: IngestSettings,
        landing: Landing,
        accept_gap: bool,
        new_generation: bool,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        self._settings, self._landing = settings, landing
        self._accept_gap, self._new_generation = accept_gap, new_generation
        self._on_progress = on_progress
        self._tally = Tally()
        self._polled = 0
        self._began = self._moved = time.monotonic()

    def supervise(self, stopping: Event, *, until_caught_up: bool) -> None:
        """Work until the end; a consumer that failed is thrown away, and the next one begins where the lake says."""
        failures = 0
        while True:
            before = self._tally.landed
            try:
                with Source(self._settings) as source:
                    self._work(source, stopping, until_caught_up)
                return
            except (SourceFailed, BrokerError) as failed:
                failures = 1 if self._tally.landed > before else failures + 1
                if not self._goes_on(failed, failures, until_caught_up):
                    raise
                log.warning("the consumer failed, a new one is built: %s", failed)
            self._landing.drop_all()
            self._tally.restarts += 1
            if stopping.wait(_BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS)) - 1]):
                return

    def _goes_on(self, failed: Exception, failures: int, until_caught_up: bool) -> bool:
        """A run that is to end gives up in time; a service goes on, but does not begin without a broker."""
        if isinstance(failed, BrokerError) and not self._tally.restarts:
            return False
        return not until_caught_up or failures <= len(_BACKOFF_SECONDS)

    def _work(self, source: Source, stopping: Event, until_caught_up: bool) -> None:
        for topic, topic_id in source.topic_ids.items():
            self._landing.remember(topic, topic_id, new_generation=self._new_generation)
        worker = Worker(source, self._landing, self._tally, wait=self._settings.poll_wait, accept_gap=self._accept_gap)
        while not stopping.is_set():
            worker.step()
            self._tell(worker, until_caught_up)
            if until_caught_up and worker.is_caught_up():
                worker.flush()
                if worker.is_caught_up():  # a flush that lost a partition's race goes back and reads again
                    break
        worker.flush()
        self._tell(worker, until_caught_up=False)

    def _tell(self, worker: Worker, until_caught_up: bool) -> None:
        now, tally = time.monotonic(), self._tally
        if tally.polled != self._polled:
            self._moved, self._polled = now, tally.polled
        elif until_caught_up and now - self._moved > _PATIENCE_SECONDS:
            raise _silent(self._settings, worker.lag())
        if self._on_progress:
            quarantined = tally.refused.total() - tally.refused[TOMBSTONE]
            lag = worker.lag()
            expected = None if lag is None else tally.polled + lag
            self._on_progress(Progress(tally.polled, tally.landed, quarantined, lag, expected, now - self._began))

    def summary(self, version: int) -> IngestSummary:
        """What the run did."""
        tally = self._tally
        return IngestSummary(
            polled=tally.polled,
            landed=tally.landed,
            quarantined={reason: count for reason, count in tally.refused.most_common() if reason != TOMBSTONE},
            warned=dict(tally.warned.most_common()),
            tombstones=tally.refused[TOMBSTONE],
            commits=tally.commits,
            fenced=tally.fenced,
            restarts=tally.restarts,
            events_version=version,
            seconds=time.monotonic() - self._began,
        )


def _nothing_to_read() -> ConfigurationError:
    return ConfigurationError(
        "No stream is named, so there is nothing to read.",
        where="[[ingest.streams]]",
        expected="at least one topic with its kind",
        do='add to journeys.toml: [[ingest.streams]], topic = "clickstream", kind = "clickstream"',
    )


def _silent(settings: IngestSettings, lag: int | None) -> BrokerError:
    return BrokerError(
        "The broker has given no record for a minute, though the end is not reached.",
        where=", ".join(settings.brokers),
        expected="the records up to the end of each partition",
        found=f"{lag} records to go" if lag is not None else "no answer to our fetches",
        do="check the broker, and that no producer holds a transaction open",
    )
