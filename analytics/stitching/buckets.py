"""How do events larger than memory come together customer by customer? They wait in buckets, and on disk when many.

Every event goes to the bucket of its customer. Buckets are kept in memory up to a budget, then written to temporary
files that are gone when the spool is closed. A bucket is read back whole. A process that is killed leaves its files
behind, and they tell of customers: whoever stitches next on the machine removes them. A lock, which ends with its
process, tells the folders of the living.
"""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Final

import polars as pl

_BUDGET: Final = 250_000_000
BUCKET: Final = "_bucket"
_PREFIX: Final = "journeys-spool-"
_LOCK: Final = "lock"


class Buckets:
    """Frames with a column `_bucket`, in any order in, bucket by bucket out."""

    def __init__(self, buckets: int, schema: pl.Schema, budget: int = _BUDGET) -> None:
        self.schema: Final = schema
        self.budget: Final = budget
        self._frames: list[list[pl.DataFrame]] = [[] for _ in range(buckets)]
        self.rows = 0
        self._bytes = 0
        self._folder: _LockedFolder | None = None
        self._files = 0

    def __enter__(self) -> Buckets:
        remove_orphans()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._folder:
            self._folder.remove()

    def add(self, frame: pl.DataFrame) -> None:
        """Put the rows of a frame into their buckets."""
        for (bucket,), rows in frame.partition_by(BUCKET, as_dict=True, include_key=False).items():
            self._frames[int(bucket)].append(rows)
            self._bytes += int(rows.estimated_size())
            self.rows += len(rows)
        if self._bytes > self.budget:
            self._write()

    def read(self) -> Iterator[pl.DataFrame]:
        """The rows of every bucket, the first bucket first; what has been handed out is forgotten."""
        for number, frames in enumerate(self._frames):
            files = sorted(self._folder.path.glob(f"{number}-*.parquet")) if self._folder else []
            spilled = [pl.read_parquet(file, memory_map=False) for file in files]
            self._frames[number] = []
            yield pl.concat([*spilled, *frames]) if spilled or frames else pl.DataFrame(schema=self.schema)
            for file in files:
                file.unlink()

    def _write(self) -> None:
        """Move everything from memory to disk."""
        self._folder = self._folder or _LockedFolder()
        for number, frames in enumerate(self._frames):
            if frames:
                target = self._folder.path / f"{number}-{self._files}.parquet"
                pl.concat(frames).write_parquet(target, compression="lz4", statistics=False)
            self._frames[number] = []
        self._files += 1
        self._bytes = 0


class _LockedFolder:
    """A temporary folder, with a lock on it as long as this process lives."""

    def __init__(self) -> None:
        self._lock: IO[str] | None = None
        while self._lock is None or not self.path.exists():  # until nobody took it for an orphan before it was locked
            self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
            with suppress(BlockingIOError, FileNotFoundError):
                self._lock = _locked(self.path, "x")

    def remove(self) -> None:
        """Remove the folder with all in it."""
        shutil.rmtree(self.path)
        if self._lock:
            self._lock.close()


def remove_orphans() -> int:
    """Remove the files that killed processes left behind; returns how many folders went.

    A folder of a living process is locked, by it or, for the moment of removing, by another who removes.
    """
    removed = 0
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError), _locked(folder, "r"):
            shutil.rmtree(folder)
            removed += 1
    return removed


def _locked(folder: Path, mode: str) -> IO[str]:
    """The lock of a folder, opened and held. Raises `OSError` when there is none, or another process holds it."""
    lock = (folder / _LOCK).open(mode)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise
    return lock
