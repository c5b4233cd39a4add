"""How a part of the path store holds its touches: narrow columns that a scan reads without a hash, a sort or a string.

A part holds whole customers. Its touches lie customer after customer, each in time order, in one table; a second
table has one row a customer: the key and how many touches are theirs. So no touch repeats its customer.

- Text is a code: the place of the word in the column's dictionary, in the narrowest of u8, u16, u32.
- Times are whole seconds since 1970 in u32 when that loses nothing, else microseconds in i64.

The same part lies in memory (`Paths.from_frame`) or in two Parquet files, in a folder or an object store
(`Paths.open`). A part in files may have a third one that names customers who are gone: a later part has them anew.
Whatever is read of a part is without them.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.store.columns import AT, CUSTOMER, TOUCHES
from analytics.store.encoding import Dictionaries, as_enum, as_time
from expectations.lake import files

FILE_KINDS: Final = ("touches", "customers", "changes", "later")
KEPT: Final = "kept"
MORE: Final = "more"
PATH_END_COLUMNS: Final = ("last", "converted")


def bucket_of(customer: str, buckets: int) -> int:
    """Number of the part that customer `customer` belongs to: CRC-32 of the UTF-8 key, modulo `buckets`.

    The checksum is the one of zip files, so that other engines compute the same bucket, in any version.

    >>> bucket_of("ann", 16)
    3
    """
    return zlib.crc32(customer.encode()) % buckets


@dataclass(frozen=True, slots=True)
class Part:
    """Whole customers with their touches: an address of two files, or two frames in memory.

    A part that has `changed` has two files more: of each customer in the files how many of the first touches are kept,
    and how many later ones follow them, which lie in the other. Who has neither is no longer there.
    """

    number: int
    touches: int
    customers: int
    address: str = ""
    frames: tuple[pl.DataFrame, pl.DataFrame] | None = None
    changed: bool = False

    def read(self, columns: Sequence[str], some: NDArray[np.bool_] | None = None) -> pl.DataFrame:
        """The physical columns: codes for text, u32 seconds or i64 microseconds for `at`; one row a touch.

        Of `some` touches only, if given: a mark for each.
        """
        if self.frames is not None:
            table = self.frames[0][list(columns)]  # nothing to plan: `select` would wait for a thread of polars
            return table if some is None else table.filter(some)
        touches = self._file("touches", columns)
        if not self.changed:
            return touches if some is None else touches.filter(some)
        changes = self._file("changes", [KEPT, MORE])
        rows = interleaved_rows(self._held(), changes[KEPT].to_numpy(), changes[MORE].to_numpy())
        return concat_tables((touches, self._file("later", columns)))[rows if some is None else rows[some]]

    def people(self, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The customers' own columns, in the order in which their touches lie."""
        if self.frames is not None:
            return self.frames[1][list(columns)] if columns else self.frames[1]
        people = self._file("customers", columns)
        if not self.changed:
            return people
        changes = self._changes().with_columns((pl.col(KEPT) + pl.col(MORE)).alias(TOUCHES))
        there = changes[TOUCHES] > 0
        return people.with_columns(
            changes[name] for name in (TOUCHES, *PATH_END_COLUMNS) if name in people.columns
        ).filter(there)

    def keys(self) -> pl.Series:
        """The customer keys, in the order in which their touches lie."""
        return self.people([CUSTOMER])[CUSTOMER]

    def bounds(self) -> NDArray[np.int64]:
        """Where customers begin: customer `i` has the touches `bounds[i]` up to, not including, `bounds[i + 1]`."""
        counts = self.people([TOUCHES])[TOUCHES]
        bounds = np.zeros(len(counts) + 1, np.int64)
        np.cumsum(counts.to_numpy(), out=bounds[1:])
        return bounds

    def save(self, address: str) -> Part:
        """The same part as two files under the name `address`."""
        touches, customers = self.physical()
        touches.write_parquet(
            f"{address}.touches.parquet", compression="lz4", statistics=False, row_group_size=max(1, len(touches))
        )
        customers.write_parquet(f"{address}.customers.parquet", compression="lz4", statistics=False)
        return Part(self.number, self.touches, self.customers, address)

    def physical(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Both tables, whole."""
        if self.frames is not None:
            return self.frames
        return self.read(list(pl.read_parquet_schema(f"{self.address}.touches.parquet"))), self.people()

    def copied(self, number: int, address: str) -> Part:
        """The same files under another name, which costs no space where the file system has hard links."""
        for kind in self._kinds:
            files.copy(f"{self.address}.{kind}.parquet", f"{address}.{kind}.parquet")
        return Part(number, self.touches, self.customers, address, changed=self.changed)

    def with_changes(self, kept: NDArray[np.int64], places: NDArray[np.int64], later: Part) -> Part:
        """The part with the first `kept` touches of every customer who is there, and others after them.

        The customers at `places`, in their order, are those of `later`. Both large files stay as they are.
        """
        tail, people = later.physical()
        changes, held = self._changes(), self._held()
        was, more = changes[KEPT].to_numpy().astype(np.int64), changes[MORE].to_numpy().astype(np.int64)
        there = np.flatnonzero(was + more)
        stay, new = np.zeros(len(held), np.int64), np.zeros(len(held), np.int64)
        stay[there] = kept
        new[there[places]] = people[TOUCHES].to_numpy()
        first = np.minimum(stay, was)
        old = stay - first
        before = self._file("later", tail.columns) if self.changed else tail.clear()
        self._put("later", concat_tables((before, tail))[interleaved_rows(more, old, new)])
        changes = changes.with_columns(
            pl.Series(KEPT, first, pl.UInt32),
            pl.Series(MORE, old + new, pl.UInt32),
            *(changes[name].scatter(there[places], people[name]) for name in PATH_END_COLUMNS),
        )
        self._put("changes", changes)
        touches, customers = int(stay.sum() + new.sum()), int(np.count_nonzero(stay + new))
        return replace(self, touches=touches, customers=customers, changed=True)

    def remove(self) -> None:
        """Delete the files."""
        for kind in self._kinds:
            files.remove(f"{self.address}.{kind}.parquet")

    @property
    def _kinds(self) -> tuple[str, ...]:
        return FILE_KINDS if self.changed else FILE_KINDS[:2]

    def _file(self, kind: str, columns: Sequence[str] | None = None) -> pl.DataFrame:
        wanted = list(columns) if columns else None
        return pl.read_parquet(f"{self.address}.{kind}.parquet", columns=wanted, memory_map=False)

    def _put(self, kind: str, table: pl.DataFrame) -> None:
        """Write a file in place of one that other generations may still have under their name."""
        noted = io.BytesIO()
        table.write_parquet(noted, compression="lz4", statistics=False)
        files.write(f"{self.address}.{kind}.parquet", noted.getvalue())

    def _held(self) -> NDArray[np.int64]:
        """How many touches each customer has in the first file."""
        return self._file("customers", [TOUCHES])[TOUCHES].to_numpy().astype(np.int64)

    def _changes(self) -> pl.DataFrame:
        """Of each customer in the files: kept, more (u32), last, converted."""
        if self.changed:
            return self._file("changes")
        people = self._file("customers", [TOUCHES, *PATH_END_COLUMNS]).rename({TOUCHES: KEPT})
        return people.with_columns(pl.lit(0, pl.UInt32).alias(MORE))


def interleaved_rows(held: NDArray[Any], kept: NDArray[Any], more: NDArray[Any]) -> NDArray[np.uint32]:
    """The rows of two tables, one below the other: of each customer the first `kept` of the rows `held` in one table,
    then `more` rows in the other.

    >>> in_turn(np.array([2, 3]), np.array([2, 1]), np.array([1, 1])).tolist()
    [0, 1, 5, 2, 6]
    """
    held, more = held.astype(np.int64), more.astype(np.int64)
    starts = np.column_stack((np.cumsum(held) - held, held.sum() + np.cumsum(more) - more)).ravel()
    return rows_of_runs(starts, np.column_stack((kept, more)).ravel())


def rows_of_runs(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.uint32]:
    """The rows of runs one after the other, each a number of rows from its start on.

    >>> rows_of_runs(np.array([7, 0]), np.array([2, 3])).tolist()
    [7, 8, 0, 1, 2]
    """
    rows = np.repeat((starts - (np.cumsum(counts) - counts)).astype(np.uint32), counts)  # below 0 it wraps, and back
    rows += np.arange(len(rows), dtype=np.uint32)
    return rows


def split_part(part: Part, ends: NDArray[np.int64]) -> list[Part]:
    """A part in memory as several: the customers from one of these places to the next."""
    table, people = part.physical()
    pieces = zip(ends, ends[1:], part.bounds()[ends], part.bounds()[ends[1:]], strict=False)
    frames = ((table[start:end], people[one:other]) for one, other, start, end in pieces)
    return [Part(number, len(some[0]), len(some[1]), frames=some) for number, some in enumerate(frames)]


def concat_tables(tables: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Physical tables one below the other: codes as wide as the widest, times in seconds if all of them are."""
    if AT in tables[0].columns and len({table.schema[AT] for table in tables}) > 1:
        tables = [table.with_columns(as_time(table[AT]).to_physical()) for table in tables]
    return pl.concat([table.select(tables[0].columns) for table in tables], how="vertical_relaxed")


def decoded(part: Part, columns: Sequence[str], dictionaries: Dictionaries) -> pl.DataFrame:
    """Columns of a part as their owner knows them: Enum for text, Datetime(us, UTC) for `at`, keys for `customer`."""
    stored = [name for name in columns if name != CUSTOMER]
    return decode(part, part.read(stored or [AT]), columns, dictionaries)


def decode(part: Part, frame: pl.DataFrame, columns: Sequence[str], dictionaries: Dictionaries) -> pl.DataFrame:
    """The same of columns that were read already."""
    out: list[pl.Series] = []
    for name in columns:
        if name == CUSTOMER:
            out.append(key_per_touch(part.keys(), part.bounds()))
        elif name == AT:
            out.append(as_time(frame[AT]))
        elif name in dictionaries:
            out.append(as_enum(frame[name], dictionaries[name]))
        else:
            out.append(frame[name])
    return pl.DataFrame(out)


def key_per_touch(keys: pl.Series, bounds: NDArray[np.int64]) -> pl.Series:
    """The customer key of every touch."""
    return keys.gather(pl.Series(np.repeat(np.arange(len(keys), dtype=np.uint32), np.diff(bounds)), dtype=pl.UInt32))
