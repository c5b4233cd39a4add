"""The counters and gauges of a run: plain numbers from which summary, progress and metrics are read."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

from expectations.errors import RegistryError, StorageError
from expectations.lake.commands import CommandRun
from ingest.landing.flush_result import FlushResult
from ingest.message import Partition

SECONDS_BOUNDS: tuple[float, ...] = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
ROWS_BOUNDS: tuple[float, ...] = (1, 10, 100, 1_000, 5_000, 10_000, 25_000, 50_000, 100_000)


@dataclass(slots=True)
class Histogram:
    """Counts values by the upper bound they fall under, and those above the last bound."""

    bounds: tuple[float, ...]
    counts: list[int] = field(init=False)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


@dataclass(slots=True)
class Counters:
    """Counts since the run began, over all its consumers, and its latest state. Times are Unix seconds."""

    polled: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    landed: Counter[str] = field(default_factory=Counter)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    tombstones: Counter[str] = field(default_factory=Counter)
    warned: Counter[str] = field(default_factory=Counter)
    lateness: Counter[float] = field(default_factory=Counter)
    lateness_seconds: float = 0.0
    commits: int = 0
    conflicts: int = 0
    fenced: int = 0
    restarts: int = 0
    registry_failures: int = 0
    storage_failures: int = 0
    lake_is_unavailable: bool = False
    rebalances: int = 0
    decode_seconds: Histogram = field(default_factory=lambda: Histogram(SECONDS_BOUNDS))
    commit_seconds: Histogram = field(default_factory=lambda: Histogram(SECONDS_BOUNDS))
    flush_rows: Histogram = field(default_factory=lambda: Histogram(ROWS_BOUNDS))
    newest: dict[Partition, float] = field(default_factory=dict)
    lag: dict[Partition, int] = field(default_factory=dict)
    waiting: dict[Partition, int] = field(default_factory=dict)
    retention: dict[str, float] = field(default_factory=dict)
    duplicates: Counter[str] = field(default_factory=Counter)
    redelivered: Counter[str] = field(default_factory=Counter)
    conflicting: Counter[str] = field(default_factory=Counter)
    watchdog_restarts: int = 0
    maintained: int = 0
    removed_files: int = 0
    expired_rows: int = 0
    expired_texts: int = 0
    relieved: int = 0
    files_per_open_day: int = 0
    surplus_rows: int = 0
    overdue_seconds: float = 0.0
    command_runs: list[CommandRun] = field(default_factory=list)
    assigned: int = 0
    joined: bool = False
    buffered_rows: int = 0
    buffered_bytes: int = 0
    events_version: int = 0
    last_poll: float = 0.0
    last_commit: float = 0.0

    def add_read(self, topic: str, records: int, size: int) -> None:
        """Count records read, and their bytes."""
        self.polled[topic] += records
        self.bytes[topic] += size

    def add_failure(self, error: RegistryError | StorageError) -> None:
        """Count a failed attempt to land."""
        if isinstance(error, RegistryError):
            self.registry_failures += 1
        else:
            self.storage_failures += 1
            self.lake_is_unavailable = True

    def add_flush(self, result: FlushResult, now: float) -> None:
        """Count one flush."""
        self.lake_is_unavailable = False
        self.landed += result.landed
        self.refused += result.refused
        self.tombstones += result.tombstones
        self.warned += result.warned
        self.duplicates += result.duplicates
        self.conflicting += result.conflicting
        self.lateness += result.lateness
        self.lateness_seconds += result.lateness_seconds
        self.newest |= result.newest
        self.conflicts += result.conflicts
        self.fenced += len(result.rewound)
        if result.decided:
            self.commits += 1
            self.last_commit = now
            self.decode_seconds.observe(result.decode_seconds)
            self.commit_seconds.observe(result.commit_seconds)
            self.flush_rows.observe(result.rows)

    @property
    def quarantined(self) -> Counter[str]:
        """The number of quarantined records by reason."""
        counts: Counter[str] = Counter()
        for (_, reason), count in self.refused.items():
            counts[reason] += count
        return counts
