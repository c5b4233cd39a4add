"""Writes a new generation of a path store, part by part."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import polars as pl

from analytics.store.columns import AT, CUSTOMER, TIME, TOUCHES, TOUCHPOINT
from analytics.store.definition import JourneyDefinition
from analytics.store.encoding import DictionaryBuilder, encoded, narrow_time
from analytics.store.frames import as_utc, standard_columns
from analytics.store.manifest import (
    STORE_FORMAT,
    PathsReplacedError,
    current_generation,
    entry_of,
    generations,
    plain_address,
    publish,
)
from analytics.store.parts import Part
from expectations.errors import DefinitionError, StorageError
from expectations.lake import files


class StoreWriter:
    """Writes a new generation of a path store, one part per call; it becomes visible when `finish` returns.

    It replaces the generation `base` (see `current_generation`), by default the current one. Raises
    `PathsReplacedError` if another process has replaced that meanwhile.
    """

    def __init__(self, address: str | Path, base: str | None = None) -> None:
        self.folder: Final = plain_address(address)
        self.base: Final = current_generation(self.folder) if base is None else base
        self.generation: Final = f"generation-{uuid.uuid4().hex}"
        self.home: Final = f"{self.folder}/{self.generation}"
        self.words: Final = DictionaryBuilder()
        self.schema: Mapping[str, pl.DataType] = {CUSTOMER: pl.String(), AT: TIME, TOUCHPOINT: pl.String()}
        self.parts: list[Part] = []
        self._count = 0
        self._last: datetime | None = None
        self._finished = False
        self._thread: Final = ThreadPoolExecutor(1)
        self._writing: Future[object] | None = None

    def __enter__(self) -> StoreWriter:
        try:
            files.make(self.home)
        except OSError as error:
            raise StorageError("The path store cannot be written.", where=self.folder, found=str(error)) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown()
        if self._finished:
            return
        now = current_generation(self.folder)
        if now == self.generation:
            return  # interrupted after it became visible
        with suppress(OSError, StorageError):
            files.remove(self.home)
        if isinstance(error, OSError | StorageError) and now != self.base:
            raise self._overtaken() from error  # who published has removed the files of this generation

    def add(self, touches: pl.DataFrame) -> None:
        """Writes the touches of some customers, sorted by (customer, at), as the next part.

        Every call has the same columns: customer, at, touchpoint, and any others. Each customer occurs in one call
        only. Raises `DefinitionError` for other columns than before, or touches that are not sorted.
        """
        touches = standard_columns(touches, {})
        if self.parts and touches.schema != self.schema:
            raise DefinitionError(
                "The parts of a path store must have the same columns.",
                where=self.folder,
                expected=str(dict(self.schema)),
                found=str(dict(touches.schema)),
            )
        self.schema = touches.schema
        runs = touches[CUSTOMER].rle().struct.unnest()
        customers = pl.DataFrame({CUSTOMER: runs["value"], TOUCHES: runs["len"].cast(pl.UInt32)})
        if customers[CUSTOMER].n_unique() != len(customers):
            raise DefinitionError(
                "The touches of a part are not sorted by customer and time.", where=self.folder, do="sort them"
            )
        table = encoded(touches.drop(CUSTOMER), self.words).with_columns(narrow_time(touches[AT]))
        self.add_part(Part(len(self.parts), len(table), len(customers), frames=(table, customers)))
        if len(touches):
            last = as_utc(touches[AT].max())
            self._last = last if self._last is None else max(last, self._last)

    def add_part(self, part: Part) -> None:
        """Writes a part whose codes belong to this writer's dictionaries, in the background."""
        address = self._next()
        self.write_in_background(lambda: part.save(address))
        self.parts.append(Part(len(self.parts), part.touches, part.customers, address))

    def write_in_background(self, write: Callable[[], object]) -> None:
        """Runs one write in the background; waits for the previous one first."""
        self.wait()
        self._writing = self._thread.submit(write)

    def wait(self) -> None:
        """Waits until everything is written."""
        if self._writing:
            self._writing.result()
        self._writing = None

    def reuse_part(self, part: Part) -> Part:
        """Takes over a part of an older generation unchanged."""
        self.parts.append(part.copied(len(self.parts), self._next()))
        return self.parts[-1]

    def _next(self) -> str:
        """The address of the next part."""
        self._count += 1
        return f"{self.home}/part-{self._count - 1:05d}"

    def finish(
        self,
        *,
        end_of_data: datetime | None = None,
        built_from: Mapping[str, Any] | None = None,
        definition: JourneyDefinition | None = None,
        objected: Iterable[str] = (),
    ) -> None:
        """Makes the generation visible in one step, then removes generations older than the one it replaced.

        `definition` is what journeys were cut by.

        Raises `PathsReplacedError`, with nothing changed, if another process has replaced the base.
        """
        if not self.parts:
            self.add(pl.DataFrame(schema=dict(self.schema)))
        self.wait()
        pl.DataFrame(schema=dict(self.schema)).write_parquet(f"{self.home}/schema.parquet")
        words = [
            s.alias("word").to_frame().select(pl.lit(n).alias("column"), "word")
            for n, s in self.words.dictionaries.items()
        ]
        empty = pl.DataFrame(schema={"column": pl.String, "word": pl.String})
        pl.concat([empty, *words]).write_parquet(f"{self.home}/dictionaries.parquet")
        end = end_of_data or self._last
        manifest = {
            "format": STORE_FORMAT,
            "generation": self.generation,
            "end_of_data": end and as_utc(end).isoformat(),
            "built_from": dict(built_from or {}),
            "journeys": definition and definition.as_plain(),
            "objected": sorted(objected),
            "text": list(self.words.dictionaries),
            "parts": [entry_of(replace(part, number=number)) for number, part in enumerate(self.parts)],
        }
        earlier = set(generations(self.folder)) - {self.generation, self.base}
        self._check_complete()
        if not publish(self.folder, self.base, manifest):
            raise self._overtaken()
        self._finished = True
        with suppress(OSError, StorageError):
            for name in earlier:  # old, or of a writer that can no longer publish: it began before this one did
                files.remove(f"{self.folder}/{name}")

    def _check_complete(self) -> None:
        """A process that published may have removed files; in an object store nothing else would notice."""
        written = {name.partition(".")[0] for name in files.names(self.home)}
        if not written.issuperset(part.address.rpartition("/")[2] for part in self.parts):
            raise StorageError("Files of the path store are gone.", where=self.home, do="run the command again")

    def _overtaken(self) -> PathsReplacedError:
        return PathsReplacedError(
            "The paths were replaced by another process meanwhile; those of this one are dropped.",
            where=self.folder,
            expected="one process at a time that stitches, or forgets a customer",
            found=f"generation {current_generation(self.folder) or 'none'} instead of {self.base or 'none'}",
            do="run the command again if the newest events are missing",
        )
