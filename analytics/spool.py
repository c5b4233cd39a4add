"""How do events larger than memory come together customer by customer? They wait in buckets, and on disk when many.

Every event goes to the bucket of its customer. Buckets are kept in memory up to a budget, then written to temporary
files that are gone when the spool is closed. A bucket is read back whole.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final

import polars as pl

BUDGET: Final = 250_000_000
BUCKET: Final = "_bucket"


class Spool:
    """Frames with a column `_bucket`, in any order in, bucket by bucket out."""

    def __init__(self, buckets: int, schema: pl.Schema, budget: int = BUDGET) -> None:
        self.schema: Final = schema
        self.budget: Final = budget
        self._frames: list[list[pl.DataFrame]] = [[] for _ in range(buckets)]
        self.rows = 0
        self._bytes = 0
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._files = 0

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._folder:
            self._folder.cleanup()

    def add(self, frame: pl.DataFrame) -> None:
        """Put the rows of a frame into their buckets."""
        for (bucket,), rows in frame.partition_by(BUCKET, as_dict=True, include_key=False).items():
            self._frames[int(bucket)].append(rows)
            self._bytes += int(rows.estimated_size())
            self.rows += len(rows)
        if self._bytes > self.budget:
            self._write()

    def buckets(self) -> Iterator[pl.DataFrame]:
        """The rows of every bucket, the first bucket first; what has been handed out is forgotten."""
        for number, frames in enumerate(self._frames):
            files = sorted(Path(self._folder.name).glob(f"{number}-*.parquet")) if self._folder else []
            spilled = [pl.read_parquet(file, memory_map=False) for file in files]
            self._frames[number] = []
            yield pl.concat([*spilled, *frames]) if spilled or frames else pl.DataFrame(schema=self.schema)
            for file in files:
                file.unlink()

    def _write(self) -> None:
        """Move everything from memory to disk."""
        self._folder = self._folder or tempfile.TemporaryDirectory(prefix="journeys-")
        for number, frames in enumerate(self._frames):
            if frames:
                target = Path(self._folder.name) / f"{number}-{self._files}.parquet"
                pl.concat(frames).write_parquet(target, compression="lz4", statistics=False)
            self._frames[number] = []
        self._files += 1
        self._bytes = 0
