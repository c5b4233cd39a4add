"""What a run has done so far, and how it stands: plain numbers that the summary, progress and metrics are read from."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

from expectations.errors import RegistryError, StorageError
from ingest.decoding.decode import TOMBSTONE
from ingest.landing.flush_result import FlushResult
from ingest.message import Partition

SECONDS_BOUNDS: tuple[float, ...] = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
ROWS_BOUNDS: tuple[float, ...] = (1, 10, 100, 1_000, 5_000, 10_000, 25_000, 50_000, 100_000)


@dataclass(slots=True)
class Histogram:
    """How often a value fell at or below each bound, and above the last."""

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
    """Counts since the run began, over all its consumers, and the state at the last look. Times are Unix seconds."""

    polled: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    landed: Counter[str] = field(default_factory=Counter)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    warned: Counter[str] = field(default_factory=Counter)
    lateness: Counter[float] = field(default_factory=Counter)
    lateness_seconds: float = 0.0
    commits: int = 0
    conflicts: int = 0
    fenced: int = 0
    restarts: int = 0
    registry_failures: int = 0
    storage_failures: int = 0
    lake_is_away: bool = False
    rebalances: int = 0
    decode_seconds: Histogram = field(default_factory=lambda: Histogram(SECONDS_BOUNDS))
    commit_seconds: Histogram = field(default_factory=lambda: Histogram(SECONDS_BOUNDS))
    flush_rows: Histogram = field(default_factory=lambda: Histogram(ROWS_BOUNDS))
    newest: dict[Partition, float] = field(default_factory=dict)
    lag: dict[Partition, int] = field(default_factory=dict)
    retention: dict[str, float] = field(default_factory=dict)
    duplicates: Counter[str] = field(default_factory=Counter)
    redelivered: Counter[str] = field(default_factory=Counter)
    conflicting: Counter[str] = field(default_factory=Counter)
    watchdog_restarts: int = 0
    maintained: int = 0
    removed_files: int = 0
    relieved: int = 0
    files_per_open_day: int = 0
    assigned: int = 0
    joined: bool = False
    held_rows: int = 0
    held_bytes: int = 0
    events_version: int = 0
    last_poll: float = 0.0
    last_commit: float = 0.0

    def add_read(self, topic: str, records: int, size: int) -> None:
        """Count what was read: records, and bytes of their values."""
        self.polled[topic] += records
        self.bytes[topic] += size

    def add_failure(self, error: RegistryError | StorageError) -> None:
        """Count one attempt to land that failed."""
        if isinstance(error, RegistryError):
            self.registry_failures += 1
        else:
            self.storage_failures += 1
            self.lake_is_away = True

    def add_flush(self, flushed: FlushResult, now: float) -> None:
        """Count one flush."""
        self.lake_is_away = False
        self.landed += flushed.landed
        self.refused += flushed.refused
        self.warned += flushed.warned
        self.duplicates += flushed.duplicates
        self.conflicting += flushed.conflicting
        self.lateness += flushed.lateness
        self.lateness_seconds += flushed.lateness_seconds
        self.newest |= flushed.newest
        self.conflicts += flushed.conflicts
        self.fenced += len(flushed.rewound)
        if flushed.decided:
            self.commits += 1
            self.last_commit = now
            self.decode_seconds.observe(flushed.decode_seconds)
            self.commit_seconds.observe(flushed.commit_seconds)
            self.flush_rows.observe(flushed.rows)

    @property
    def quarantined(self) -> Counter[str]:
        """Records in quarantine by reason."""
        found: Counter[str] = Counter()
        for (_, reason), count in self.refused.items():
            if reason != TOMBSTONE:
                found[reason] += count
        return found

    @property
    def tombstones(self) -> int:
        """Records without a value."""
        return sum(count for (_, reason), count in self.refused.items() if reason == TOMBSTONE)
