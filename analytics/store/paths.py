"""The path store: every customer's touches in time order, in parts that analyses scan one by one.

`Paths` is what every analysis asks. It is opened from a lake (`Paths.open`) or made from any frame
(`Paths.from_frame`). A store on disk is a folder, of this machine or of an object store:

    manifest.json            which generation holds, its parts, the end of the data; replaced in one atomic step
    <generation>/            part-00000.touches.parquet, part-00000.customers.parquet, ..., and where refreshes changed
                             a part part-00000.changes.parquet, which of its touches are kept, and
                             part-00000.later.parquet, those that follow them;
                             dictionaries.parquet, schema.parquet

A new generation is written beside the old one and becomes visible when the manifest is replaced, so that a writer
that dies half-way leaves the old store as it was.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import polars as pl
from polars.io.plugins import register_io_source

from analytics.store.ordering import sorted_touches, split_at_customers
from analytics.store.parts import AT, CUSTOMER, TIME, TOUCHES, TOUCHPOINT, Part, Words, decoded, narrow_time
from expectations.errors import DefinitionError, InputError, StorageError, nearest
from expectations.lake import files
from expectations.lake.layout import PATHS, Lake

MANIFEST: Final = "manifest.json"
FORMAT: Final = 2
TEXT: Final = (pl.String, pl.Categorical, pl.Enum)


class Paths:
    """The touches of all customers, ready to be asked."""

    def __init__(
        self,
        parts: Sequence[Part],
        schema: Mapping[str, pl.DataType],
        dictionaries: Mapping[str, pl.Series],
        end_of_data: datetime | None,
        built_from: Mapping[str, Any] | None = None,
    ) -> None:
        self.parts: Final = tuple(parts)
        self.schema: Final = pl.Schema(schema)
        self.dictionaries: Final = dict(dictionaries)
        self.end_of_data: Final = end_of_data
        self.built_from: Final = dict(built_from or {})

    @classmethod
    def open(cls, lake: str | Path | Lake) -> Paths:
        """The stitched store of a lake, or a folder that `save` wrote.

        Raises `StorageError` when there is none, or when it was written in another format.

        >>> Paths.open("nowhere")
        Traceback (most recent call last):
        expectations.errors.StorageError: There is no path store.
          where: nowhere
          expected: manifest.json of a path store, or of a lake with one in its folder paths
          do: run `journeys stitch`, or save one with Paths.save
        """
        folder = _store_folder(lake)
        manifest = _read_manifest(folder)
        home = f"{folder}/{manifest['generation']}"
        schema = pl.read_parquet_schema(f"{home}/schema.parquet")
        words = pl.read_parquet(f"{home}/dictionaries.parquet").partition_by(
            "column", as_dict=True, maintain_order=True
        )
        dictionaries = {str(column): frame["word"].alias(str(column)) for (column,), frame in words.items()}
        empty = pl.Series([], dtype=pl.String)
        dictionaries |= {name: empty.alias(name) for name in manifest["text"] if name not in dictionaries}
        parts = [
            Part(p["number"], p["touches"], p["customers"], f"{home}/{p['name']}", changed=p["changed"])
            for p in manifest["parts"]
        ]
        end = manifest["end_of_data"]
        return cls(parts, schema, dictionaries, end and datetime.fromisoformat(end), manifest["built_from"])

    @classmethod
    def from_frame(
        cls,
        frame: pl.DataFrame | pl.LazyFrame,
        *,
        customer: str = CUSTOMER,
        at: str = AT,
        touchpoint: str = TOUCHPOINT,
        end_of_data: datetime | None = None,
        sequence: str | None = None,
    ) -> Paths:
        """Paths of any frame: one row a touch, in any order, every other column kept.

        `customer` may be of any type. `at` is a Datetime or Date; without a zone it is taken as UTC. `touchpoint` is
        text, or is turned into it. Touches of one instant keep the order of column `sequence`, or else of the frame.
        The end of the data is the last touch unless `end_of_data` is given. A frame without rows gives empty paths.
        Raises `DefinitionError` for a column that is not there, `InputError` for a touch without customer or time.

        >>> from datetime import datetime
        >>> frame = pl.DataFrame({"user": [1, 1], "t": [datetime(2024, 1, 1), datetime(2024, 1, 2)], "e": ["a", "b"]})
        >>> Paths.from_frame(frame, customer="user", at="t", touchpoint="e")
        Paths(2 touches of 1 customers, to 2024-01-02 00:00 UTC)
        """
        touches = _standard(frame.lazy().collect(), {customer: CUSTOMER, at: AT, touchpoint: TOUCHPOINT}, sequence)
        ordered, keys, counts = sorted_touches(touches, sequence)
        words = Words()
        end = end_of_data or (ordered[AT].max() if len(ordered) else None)
        table = _encode(ordered.drop(CUSTOMER), words)
        parts = []
        for number, (rows, people) in enumerate(split_at_customers(counts)):
            customers = pl.DataFrame({CUSTOMER: keys[people], TOUCHES: counts[people]})
            frame_ = table[rows].with_columns(narrow_time(ordered[AT][rows]))
            parts.append(Part(number, len(frame_), len(customers), frames=(frame_, customers)))
        return cls(parts, touches.schema, words.dictionaries, _utc(end))

    def save(self, folder: str | Path | Lake) -> None:
        """Write the same parts to `folder`; `Paths.open(folder)` gives equal paths. Replaces a store that is there."""
        address = folder.paths if isinstance(folder, Lake) else folder
        with StoreWriter(address) as writer:
            for part in self.parts:
                writer.keep(part)
            writer.words.dictionaries.update(self.dictionaries)
            writer.schema = self.schema
            writer.finish(end_of_data=self.end_of_data, built_from=self.built_from)

    @property
    def columns(self) -> list[str]:
        """Names of the columns of a touch; `customer`, `at` and `touchpoint` first."""
        return self.schema.names()

    @property
    def customers(self) -> int:
        """How many customers there are."""
        return sum(part.customers for part in self.parts)

    def __len__(self) -> int:
        return sum(part.touches for part in self.parts)

    def __repr__(self) -> str:
        end = f", to {self.end_of_data:%Y-%m-%d %H:%M} UTC" if self.end_of_data else ""
        return f"Paths({len(self)} touches of {self.customers} customers{end})"

    def values_of(self, column: str) -> pl.Series:
        """The words that occur in a text column, in the order of their codes."""
        self.require(column)
        if column not in self.dictionaries:
            raise DefinitionError(f"Column {column!r} has no dictionary.", expected="a text column")
        return self.dictionaries[column]

    def require(self, *columns: str) -> None:
        """Raise `DefinitionError` naming the nearest column when one of `columns` is not there."""
        for column in columns:
            if column not in self.schema:
                raise DefinitionError(
                    f"There is no column {column!r}.",
                    expected=f"one of {', '.join(self.columns)}",
                    do=nearest(column, self.columns),
                )

    def read(self, part: Part, columns: Sequence[str]) -> pl.DataFrame:
        """Columns of one part, decoded: Enum for text, Datetime(us, UTC) for `at`; sorted by customer and time."""
        self.require(*columns)
        return decoded(part, columns, self.dictionaries)

    @property
    def touches(self) -> pl.LazyFrame:
        """All touches, sorted by customer within a part and by time, text as String; read part by part."""

        def rows(
            columns: list[str] | None, predicate: pl.Expr | None, limit: int | None, _: int | None
        ) -> Iterator[pl.DataFrame]:
            wanted, left = columns or self.columns, limit
            for part in self.parts:
                frame = decoded(part, wanted, self.dictionaries)
                text = [name for name in wanted if name in self.dictionaries]
                frame = frame.with_columns(pl.col(text).cast(pl.String))
                if left is not None:
                    frame = frame.head(left)
                    left -= len(frame)
                yield frame if predicate is None else frame.filter(predicate)

        return register_io_source(rows, schema=self.schema)


class StoreWriter:
    """Writes a new generation of a path store, one part a call; readers see it when `finish` returns."""

    def __init__(self, address: str | Path) -> None:
        self.folder: Final = _plain(address)
        self.generation: Final = f"generation-{uuid.uuid4().hex}"
        self.home: Final = f"{self.folder}/{self.generation}"
        self.words: Final = Words()
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
        if not self._finished:
            with suppress(OSError, StorageError):
                files.remove(self.home)

    def add(self, touches: pl.DataFrame) -> None:
        """Write the touches of one bucket of customers, sorted by (customer, at), as the next part.

        All calls bring the same columns: customer, at, touchpoint, and any others. A customer comes in one call only.
        """
        touches = _standard(touches, {})
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
        table = _encode(touches.drop(CUSTOMER), self.words).with_columns(narrow_time(touches[AT]))
        self.keep(Part(len(self.parts), len(table), len(customers), frames=(table, customers)))
        if len(touches):
            last = _utc(touches[AT].max())
            self._last = last if self._last is None or (last and last > self._last) else self._last

    def keep(self, part: Part) -> None:
        """Write a part whose codes belong to this writer's dictionaries; meanwhile the next can be made."""
        address = self._next()
        self.meanwhile(lambda: part.save(address))
        self.parts.append(Part(len(self.parts), part.touches, part.customers, address))

    def meanwhile(self, write: Callable[[], object]) -> None:
        """Write something on the side, one thing at a time."""
        self.settle()
        self._writing = self._thread.submit(write)

    def settle(self) -> None:
        """Wait until all is written."""
        if self._writing:
            self._writing.result()
        self._writing = None

    def adopt(self, part: Part) -> Part:
        """Take over a part of an older generation as it is."""
        self.parts.append(part.linked(len(self.parts), self._next()))
        return self.parts[-1]

    def _next(self) -> str:
        """An address for one more part."""
        self._count += 1
        return f"{self.home}/part-{self._count - 1:05d}"

    def finish(self, *, end_of_data: datetime | None = None, built_from: Mapping[str, Any] | None = None) -> None:
        """Make the generation visible in one step, then remove generations older than the one replaced."""
        if not self.parts:
            self.add(pl.DataFrame(schema=dict(self.schema)))
        self.settle()
        pl.DataFrame(schema=dict(self.schema)).write_parquet(f"{self.home}/schema.parquet")
        words = [
            s.alias("word").to_frame().select(pl.lit(n).alias("column"), "word")
            for n, s in self.words.dictionaries.items()
        ]
        empty = pl.DataFrame(schema={"column": pl.String, "word": pl.String})
        pl.concat([empty, *words]).write_parquet(f"{self.home}/dictionaries.parquet")
        before = None
        with suppress(StorageError):
            before = generation_of(self.folder)
        end = _utc(end_of_data or self._last)
        manifest = {
            "format": FORMAT,
            "generation": self.generation,
            "end_of_data": end and end.isoformat(),
            "built_from": dict(built_from or {}),
            "text": list(self.words.dictionaries),
            "parts": [_entry(replace(part, number=number)) for number, part in enumerate(self.parts)],
        }
        files.write(f"{self.folder}/{MANIFEST}", json.dumps(manifest, indent=1).encode())
        self._finished = True
        with suppress(OSError):
            remove_generations(self.folder, self.generation, before)


def _entry(part: Part) -> dict[str, Any]:
    return {
        "name": part.address.rpartition("/")[2],
        "number": part.number,
        "touches": part.touches,
        "customers": part.customers,
        "changed": part.changed,
    }


def generation_of(lake: str | Path | Lake) -> str:
    """Name of the generation of a store that holds now, in whatever format it was written."""
    return str(_manifest(_store_folder(lake))["generation"])


def holds_paths(lake: str | Path | Lake) -> bool:
    """Whether there is a store."""
    return files.read(f"{_store_folder(lake)}/{MANIFEST}") is not None


def remove_generations(lake: str | Path | Lake, *kept: str | None) -> int:
    """Remove the generations of a store but those named; returns how many files went."""
    folder = _store_folder(lake)
    others = [name for name in files.names(folder) if name.startswith("generation-") and name not in kept]
    return sum(files.remove(f"{folder}/{name}") for name in others)


def _plain(address: str | Path) -> str:
    return str(address).rstrip("/") or "/"


def _store_folder(lake: str | Path | Lake) -> str:
    folder = _plain(lake.paths if isinstance(lake, Lake) else lake)
    if not isinstance(lake, Lake) and files.read(f"{folder}/{MANIFEST}") is None:
        inside = f"{folder}/{PATHS}"
        return inside if files.read(f"{inside}/{MANIFEST}") is not None else folder
    return folder


def _manifest(folder: str) -> dict[str, Any]:
    content = files.read(f"{folder}/{MANIFEST}")
    if content is None:
        raise StorageError(
            "There is no path store.",
            where=folder,
            expected=f"{MANIFEST} of a path store, or of a lake with one in its folder paths",
            do="run `journeys stitch`, or save one with Paths.save",
        )
    try:
        manifest: dict[str, Any] = json.loads(content)
    except ValueError as error:
        raise StorageError("The manifest of the path store is damaged.", where=folder, found=str(error)) from None
    return manifest


def _read_manifest(folder: str) -> dict[str, Any]:
    manifest = _manifest(folder)
    if manifest.get("format") != FORMAT:
        raise StorageError(
            "The path store has another format.",
            where=folder,
            expected=f"format {FORMAT}",
            found=f"format {manifest.get('format')}",
            do="run `journeys stitch` to build it anew",
        )
    return manifest


def _standard(frame: pl.DataFrame, names: Mapping[str, str], sequence: str | None = None) -> pl.DataFrame:
    """The frame under our names: customer, at as Datetime(us, UTC), touchpoint as text, then the other columns."""
    for given in [*(names or (CUSTOMER, AT, TOUCHPOINT)), *([sequence] if sequence else [])]:
        if given not in frame.columns:
            expected = f"one of {', '.join(frame.columns)}"
            raise DefinitionError(f"There is no column {given!r}.", expected=expected, do=nearest(given, frame.columns))
    renamed = {given: ours for given, ours in names.items() if given != ours}
    taken = [ours for ours in renamed.values() if ours in frame.columns]
    if taken:
        raise DefinitionError(f"Two columns would be called {taken[0]!r}.", do="rename one of them first")
    frame = frame.rename(renamed)
    if not frame.schema[AT].is_temporal() or frame.schema[AT] in (pl.Time, pl.Duration):
        raise DefinitionError("Times must be dates with a time.", expected="Datetime", found=str(frame.schema[AT]))
    zone = getattr(frame.schema[AT], "time_zone", None)
    time = pl.col(AT).cast(pl.Datetime("us", zone))
    time = time.dt.convert_time_zone("UTC") if zone else time.dt.replace_time_zone("UTC")
    text = [name for name, dtype in frame.schema.items() if isinstance(dtype, TEXT) or name == TOUCHPOINT]
    frame = frame.with_columns(pl.col(text).cast(pl.String), time)
    for column in (CUSTOMER, AT):
        if missing := frame[column].null_count():
            raise InputError(f"{missing} touches have no {column}.", do="remove or mend these rows")
    first = [CUSTOMER, AT, TOUCHPOINT]
    return frame.select(first + [name for name in frame.columns if name not in first])


def _encode(table: pl.DataFrame, words: Words) -> pl.DataFrame:
    text = [name for name, dtype in table.schema.items() if dtype == pl.String]
    return table.with_columns([words.encode(table[name]) for name in text])


def _utc(time: Any) -> datetime | None:
    """Any time of a caller as an aware time in UTC; without a zone it is taken as UTC."""
    if time is None:
        return None
    assert isinstance(time, datetime)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
