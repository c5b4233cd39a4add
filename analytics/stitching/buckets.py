"""Groups events by customer when they do not fit in memory: temporary buckets, on disk if large.

Every event goes to the bucket of its customer. Buckets are kept in memory up to a budget, then moved to temporary
files that are removed on exit. A bucket is read back whole. A process that is killed leaves its files behind, and
they contain customer data: the next stitching on the machine removes them. A lock file, which the operating system
releases with its process, protects the folders of running processes.
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
    """Takes frames with a column `_bucket` in any order, and returns their rows bucket by bucket."""

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
        """Adds the rows of a frame to their buckets."""
        for (bucket,), rows in frame.partition_by(BUCKET, as_dict=True, include_key=False).items():
            self._frames[int(bucket)].append(rows)
            self._bytes += int(rows.estimated_size())
            self.rows += len(rows)
        if self._bytes > self.budget:
            self._write()

    def read(self) -> Iterator[pl.DataFrame]:
        """The rows of every bucket, in the order of bucket numbers; a bucket is released once it is returned."""
        for number, frames in enumerate(self._frames):
            files = sorted(self._folder.path.glob(f"{number}-*.parquet")) if self._folder else []
            spilled = [pl.read_parquet(file, memory_map=False, glob=False) for file in files]
            self._frames[number] = []
            yield pl.concat([*spilled, *frames]) if spilled or frames else pl.DataFrame(schema=self.schema)
            for file in files:
                file.unlink()

    def _write(self) -> None:
        """Moves all rows from memory to disk."""
        self._folder = self._folder or _LockedFolder()
        for number, frames in enumerate(self._frames):
            if frames:
                target = self._folder.path / f"{number}-{self._files}.parquet"
                pl.concat(frames).write_parquet(target, compression="lz4", statistics=False)
            self._frames[number] = []
        self._files += 1
        self._bytes = 0


class _LockedFolder:
    """A temporary folder that stays locked while this process runs."""

    def __init__(self) -> None:
        self._lock: IO[str] | None = None
        while self._lock is None or not self.path.exists():  # again if another process removed it before it was locked
            self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
            with suppress(BlockingIOError, FileNotFoundError):
                self._lock = _locked(self.path, "x")

    def remove(self) -> None:
        """Removes the folder and its content."""
        shutil.rmtree(self.path)
        if self._lock:
            self._lock.close()


def remove_orphans() -> int:
    """Removes the folders that killed processes left behind; returns how many were removed.

    The folder of a running process is locked by it, or briefly by another process that removes orphans.
    """
    removed = 0
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError), _locked(folder, "r"):
            shutil.rmtree(folder)
            removed += 1
    return removed


def _locked(folder: Path, mode: str) -> IO[str]:
    """Opens and holds the lock of a folder. Raises `OSError` when there is none or another process holds it."""
    lock = (folder / _LOCK).open(mode)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise
    return lock
