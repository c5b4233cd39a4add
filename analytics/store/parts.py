"""Stores the touches of a part in narrow columns that a scan reads without hashing, sorting or decoding text.

A part holds whole customers. Its touches are stored customer after customer, each in time order, in one table; a second
table has one row per customer: the key and the number of touches. So touches do not repeat their customer.

- Text is a code: the row of the word in the column's dictionary, in the narrowest of UInt8, UInt16, UInt32.
- Times are whole seconds since 1970 in UInt32 if that is exact, else microseconds in Int64.

A part is either in memory (`Paths.from_frame`) or in two Parquet files, in a folder or an object store (`Paths.open`).
A part in files that a refresh changed has two more: `changes`, how many of each customer's first touches are kept and
how many follow, and `later`, the touches that follow. Readers see the part as if it had been rewritten.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.store.columns import AFTER_GOAL, AT, CUSTOMER, JOURNEY, TOUCHES
from analytics.store.encoding import Dictionaries, as_enum, as_time
from expectations.lake import files

FILE_KINDS: Final = ("touches", "customers", "changes", "later")
KEPT: Final = "kept"
MORE: Final = "more"
PATH_END_COLUMNS: Final = ("last", "settled")

_T = TypeVar("_T")


def bucket_of(customer: str, buckets: int) -> int:
    """The number of the part of a customer: CRC-32 of the UTF-8 key, modulo `buckets`.

    The checksum is that of zip files, so other engines can compute the same bucket, in any version.

    >>> bucket_of("ann", 16)
    3
    """
    return zlib.crc32(customer.encode()) % buckets


class DerivedColumn(Protocol):
    """A text column that is worked out from the others as a part is read. It must be picklable."""

    @property
    def name(self) -> str:
        """The name of the column."""

    @property
    def words(self) -> pl.Series:
        """The dictionary of the column."""

    @property
    def definition(self) -> str:
        """What the column means; equal texts mean equal columns."""

    @property
    def touchpoints(self) -> frozenset[str]:
        """The touchpoints that decide its value, and the stages, written `stage:NAME`."""

    def codes(self, part: Part) -> pl.Series:
        """The code of every touch of a whole part."""


@dataclass(frozen=True, slots=True)
class Part:
    """Whole customers with their touches: the address of two files, or two frames in memory.

    A `changed` part has two more files: `changes` (per customer: how many of the first touches are kept, how many later
    ones follow) and `later` (the touches that follow). Customers without any of these have left the part.

    A part may be cut to a `span` of times, to the touches `in_journeys`, to those of journeys `begun` in a span, or to
    units that begin with some value (`begun_with`: a column, its code, and the column of units, empty for customers).
    Columns that are `derived` are worked out from all touches of the customers, whatever the part is cut to.
    A part that is `held` keeps what was read of it, and what was made `once`; a copy of it keeps nothing.
    """

    number: int
    touches: int
    customers: int
    address: str = ""
    frames: tuple[pl.DataFrame, pl.DataFrame] | None = None
    changed: bool = False
    span: tuple[int, int] | None = None
    in_journeys: bool = False
    begun: tuple[int, int] | None = None
    begun_with: tuple[tuple[str, int, str], ...] = ()
    derived: tuple[DerivedColumn, ...] = ()
    _kept: dict[Hashable, Any] | None = field(default=None, init=False, repr=False, compare=False)

    def held(self) -> Part:
        """The same part, for several questions: each column is read once, and so is what they make of it alike."""
        if self._kept is not None:
            return self
        part = replace(self)
        object.__setattr__(part, "_kept", {})
        return part

    def once(self, key: Hashable, make: Callable[[], _T]) -> _T:
        """What `make` returns; of a part that is held, what it returned the first time for an equal key."""
        if self._kept is None:
            return make()
        if key not in self._kept:
            self._kept[key] = make()
        found: _T = self._kept[key]
        return found

    def read(self, columns: Sequence[str], mask: NDArray[np.bool_] | None = None) -> pl.DataFrame:
        """The stored columns: codes for text, UInt32 seconds or Int64 microseconds for `at`; one row per touch.

        With `mask`, only the touches that it marks.
        """
        if self._kept is None:
            return self._read(columns, mask)
        missing = [name for name in dict.fromkeys(columns) if ("column", name) not in self._kept]
        if missing:
            self._kept.update((("column", column.name), column) for column in self._read(missing))
        table = pl.DataFrame([self._kept["column", name] for name in columns])
        return table if mask is None else table.filter(mask)

    def _read(self, columns: Sequence[str], mask: NDArray[np.bool_] | None = None) -> pl.DataFrame:
        if self._is_cut:
            inside = self._inside()
            if mask is not None:
                inside = inside.copy()
                inside[np.flatnonzero(inside)[~mask]] = False
            return self.whole.read(columns, inside)
        if made := [column for column in self.derived if column.name in columns]:
            return self._with_derived(columns, made, mask)
        if self.frames is not None:
            table = self.frames[0][list(columns)]  # no query plan: `select` would wait for a thread of polars
            return table if mask is None else table.filter(mask)
        touches = self._file("touches", columns)
        if not self.changed:
            return touches if mask is None else touches.filter(mask)
        changes = self._file("changes", [KEPT, MORE])
        rows = interleaved_rows(self._held(), changes[KEPT].to_numpy(), changes[MORE].to_numpy())
        return concat_tables((touches, self._file("later", columns)))[rows if mask is None else rows[mask]]

    def _with_derived(
        self, columns: Sequence[str], made: Sequence[DerivedColumn], mask: NDArray[np.bool_] | None
    ) -> pl.DataFrame:
        """Stored columns beside those that are worked out."""
        stored = replace(self, derived=()).held()
        found = {column.name: column.codes(stored) for column in made}
        found |= {column.name: column for column in stored.read([name for name in columns if name not in found])}
        table = pl.DataFrame([found[name] for name in columns])
        return table if mask is None else table.filter(mask)

    def people(self, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The customer table, in the order of the touches: all columns, or those named."""
        if self._is_cut:
            return self._people_inside(columns)
        if self.frames is not None:
            return self.frames[1][list(columns)] if columns else self.frames[1]
        people = self._file("customers", columns)
        if not self.changed:
            return people
        changes = self._changes().with_columns((pl.col(KEPT) + pl.col(MORE)).alias(TOUCHES))
        present = changes[TOUCHES] > 0
        return people.with_columns(
            changes[name] for name in (TOUCHES, *PATH_END_COLUMNS) if name in people.columns
        ).filter(present)

    def keys(self) -> pl.Series:
        """The customer keys, in the order of their touches."""
        return self.people([CUSTOMER])[CUSTOMER]

    def bounds(self) -> NDArray[np.int64]:
        """Where customers begin: the touches of customer `i` are `bounds[i]` to `bounds[i + 1]`, end excluded."""
        return self.once("bounds", self._bounds)

    def _bounds(self) -> NDArray[np.int64]:
        counts = self.people([TOUCHES])[TOUCHES]
        bounds = np.zeros(len(counts) + 1, np.int64)
        np.cumsum(counts.to_numpy(), out=bounds[1:])
        return bounds

    def times(self) -> NDArray[np.int64]:
        """When the touches are, in microseconds since 1970."""
        return as_time(self.read([AT])[AT]).to_physical().to_numpy()

    def between(self, start: int, end: int) -> Part:
        """The part as if it had only the touches at `start <= t < end`, in microseconds; customers without one leave.

        Nothing is copied: reads leave the other touches out.
        """
        first, last = self.span or (start, end)
        return replace(self, span=(max(first, start), min(last, end)))._counted()

    def of_journeys(self) -> Part:
        """The part as if it had only the touches of journeys, without their aftermath; it reads like `between`."""
        return replace(self, in_journeys=True)._counted()

    def begun_between(self, start: int, end: int) -> Part:
        """The part as if it had only the journeys that begin at `start <= t < end`, in microseconds, with all their
        touches, and the touches of no journey in that time; it reads like `between`.
        """
        first, last = self.begun or (start, end)
        return replace(self, begun=(max(first, start), min(last, end)))._counted()

    def starting_with(self, column: str, code: int, unit: str) -> Part:
        """The part as if it had only the units that begin with a touch of this code in a column; it reads like
        `between`. `unit` is the column that numbers the units, empty for customers.
        """
        return replace(self, begun_with=(*self.begun_with, (column, code, unit)))._counted()

    def _counted(self) -> Part:
        """The part with the counts of the touches that it has left."""
        people = self.people([TOUCHES])
        return replace(self, touches=int(people[TOUCHES].sum()), customers=len(people))

    @property
    def _is_cut(self) -> bool:
        return self.span is not None or self.in_journeys or self.begun is not None or bool(self.begun_with)

    @property
    def whole(self) -> Part:
        """The part with all touches, not cut to any."""
        return replace(self, span=None, in_journeys=False, begun=None, begun_with=()) if self._is_cut else self

    def _inside(self) -> NDArray[np.bool_]:
        """Which of all touches the part has left."""
        return self.once("inside", self._those_inside)

    def _those_inside(self) -> NDArray[np.bool_]:
        if self.span is None:
            inside = np.ones(int(self.whole.bounds()[-1]), np.bool_)
        else:
            times = self.whole.times()
            inside = (times >= self.span[0]) & (times < self.span[1])
        if self.begun is not None:
            begin = self._beginnings()
            inside &= (begin >= self.begun[0]) & (begin < self.begun[1])
        for column, code, unit in self.begun_with:
            inside &= self._starts_with(column, code, unit)
        if self.in_journeys:
            journeys = self.whole.read([JOURNEY, AFTER_GOAL])
            inside &= (journeys[JOURNEY].is_not_null() & ~journeys[AFTER_GOAL].fill_null(False)).to_numpy()
        return inside

    def _beginnings(self) -> NDArray[np.int64]:
        """When the journey of every touch begins, in microseconds; of a touch of no journey, when it is."""
        frame, bounds = self.whole.read([AT, JOURNEY]), self.whole.bounds()
        times = as_time(frame[AT]).to_physical().to_numpy()
        journey = frame[JOURNEY].fill_null(0).to_numpy()
        return np.where(journey == 0, times, times[first_rows(journey, bounds)])

    def _starts_with(self, column: str, code: int, unit: str) -> NDArray[np.bool_]:
        """Which touches are of a unit whose first touch has this code; a touch of no unit stands for itself."""
        frame, bounds = self.whole.read([column, *([unit] if unit else [])]), self.whole.bounds()
        meets: NDArray[np.bool_] = (frame[column] == code).fill_null(False).to_numpy()
        units = frame[unit].fill_null(0).to_numpy() if unit else np.zeros(len(meets), np.uint32)
        begins = meets[first_rows(units, bounds)]
        return np.where(units == 0, meets, begins) if unit else begins

    def _people_inside(self, columns: Sequence[str] | None) -> pl.DataFrame:
        """The customer table with the touches that are left."""
        inside, bounds = np.append(0, np.cumsum(self._inside())), self.whole.bounds()
        counts = pl.Series(TOUCHES, np.diff(inside[bounds]), pl.UInt32)
        people = self.whole.people().with_columns(counts).filter(counts > 0)
        return people.select(columns) if columns else people

    def save(self, address: str) -> Part:
        """Writes the part as two files under the name `address`."""
        touches, customers = self.physical()
        touches.write_parquet(
            f"{address}.touches.parquet", compression="lz4", statistics=False, row_group_size=max(1, len(touches))
        )
        customers.write_parquet(f"{address}.customers.parquet", compression="lz4", statistics=False)
        return Part(self.number, self.touches, self.customers, address)

    def physical(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Both tables with all columns."""
        if self.frames is not None and not self._is_cut and not self.derived:
            return self.frames
        stored = self.frames[0].lazy() if self.frames else files.scan_rows(f"{self.address}.touches.parquet")
        names = [*stored.collect_schema().names(), *(column.name for column in self.derived)]
        return self.read(names), self.people()

    def copied(self, number: int, address: str) -> Part:
        """Copies the files to another name; free where the file system has hard links."""
        for file in self._file_kinds:
            files.copy(f"{self.address}.{file}.parquet", f"{address}.{file}.parquet")
        return Part(number, self.touches, self.customers, address, changed=self.changed)

    def with_changes(self, kept: NDArray[np.int64], positions: NDArray[np.int64], later: Part) -> Part:
        """The part with the first `kept` touches of each present customer, and the touches of `later` after them.

        `positions` are the customers that `later` holds, in its order. Both large files stay as they are.
        """
        tail, people = later.physical()
        changes, held = self._changes(), self._held()
        old_kept, more = changes[KEPT].to_numpy().astype(np.int64), changes[MORE].to_numpy().astype(np.int64)
        present = np.flatnonzero(old_kept + more)
        stay, new = np.zeros(len(held), np.int64), np.zeros(len(held), np.int64)
        stay[present] = kept
        new[present[positions]] = people[TOUCHES].to_numpy()
        first = np.minimum(stay, old_kept)
        old = stay - first
        before = self._file("later", tail.columns) if self.changed else tail.clear()
        self._put("later", concat_tables((before, tail))[interleaved_rows(more, old, new)])
        changes = changes.with_columns(
            pl.Series(KEPT, first, pl.UInt32),
            pl.Series(MORE, old + new, pl.UInt32),
            *(changes[name].scatter(present[positions], people[name]) for name in PATH_END_COLUMNS),
        )
        self._put("changes", changes)
        touches, customers = int(stay.sum() + new.sum()), int(np.count_nonzero(stay + new))
        return replace(self, touches=touches, customers=customers, changed=True)

    def remove(self) -> None:
        """Deletes the files."""
        for file in self._file_kinds:
            files.remove(f"{self.address}.{file}.parquet")

    @property
    def _file_kinds(self) -> tuple[str, ...]:
        return FILE_KINDS if self.changed else FILE_KINDS[:2]

    def _file(self, file: str, columns: Sequence[str] | None = None) -> pl.DataFrame:
        return files.read_rows(f"{self.address}.{file}.parquet", columns)

    def _put(self, file: str, table: pl.DataFrame) -> None:
        """Replaces a file; other generations may share the old one, which stays as it was for them."""
        buffer = io.BytesIO()
        table.write_parquet(buffer, compression="lz4", statistics=False)
        files.write(f"{self.address}.{file}.parquet", buffer.getvalue())

    def _held(self) -> NDArray[np.int64]:
        """How many touches each customer has in the first file."""
        return self._file("customers", [TOUCHES])[TOUCHES].to_numpy().astype(np.int64)

    def _changes(self) -> pl.DataFrame:
        """Per customer in the files: kept, more (UInt32), last, converted."""
        if self.changed:
            return self._file("changes")
        people = self._file("customers", [TOUCHES, *PATH_END_COLUMNS]).rename({TOUCHES: KEPT})
        return people.with_columns(pl.lit(0, pl.UInt32).alias(MORE))


def interleaved_rows(held: NDArray[Any], kept: NDArray[Any], more: NDArray[Any]) -> NDArray[np.uint32]:
    """The rows of two stacked tables, customer by customer.

    Each customer has the first `kept` of the `held` rows of the first table, then `more` rows of the second.

    >>> interleaved_rows(np.array([2, 3]), np.array([2, 1]), np.array([1, 1])).tolist()
    [0, 1, 5, 2, 6]
    """
    held, more = held.astype(np.int64), more.astype(np.int64)
    starts = np.column_stack((np.cumsum(held) - held, held.sum() + np.cumsum(more) - more)).ravel()
    return rows_of_runs(starts, np.column_stack((kept, more)).ravel())


def rows_of_runs(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.uint32]:
    """The rows of consecutive runs, each given by its start and its length.

    >>> rows_of_runs(np.array([7, 0]), np.array([2, 3])).tolist()
    [7, 8, 0, 1, 2]
    """
    # Negative offsets wrap around, and the addition below wraps them back.
    rows = np.repeat((starts - (np.cumsum(counts) - counts)).astype(np.uint32), counts)
    rows += np.arange(len(rows), dtype=np.uint32)
    return rows


def first_rows(units: NDArray[Any], bounds: NDArray[np.int64]) -> NDArray[np.int64]:
    """The row that begins the run of equal numbers of every row, within a customer."""
    first = np.append(True, units[1:] != units[:-1])[: len(units)]
    first[bounds[:-1]] = True
    starts = np.flatnonzero(first)
    return np.repeat(starts, np.diff(np.append(starts, len(units))))


def split_part(part: Part, ends: NDArray[np.int64]) -> list[Part]:
    """Splits a part in memory at the given customer positions."""
    table, people = part.physical()
    pieces = zip(ends, ends[1:], part.bounds()[ends], part.bounds()[ends[1:]], strict=False)
    frames = ((table[start:end], people[one:other]) for one, other, start, end in pieces)
    return [Part(number, len(pair[0]), len(pair[1]), frames=pair) for number, pair in enumerate(frames)]


def concat_tables(tables: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Stacks stored tables: codes as wide as the widest, times in seconds if all of them are."""
    if AT in tables[0].columns and len({table.schema[AT] for table in tables}) > 1:
        tables = [table.with_columns(as_time(table[AT]).to_physical()) for table in tables]
    return pl.concat([table.select(tables[0].columns) for table in tables], how="vertical_relaxed")


def decoded(part: Part, columns: Sequence[str], dictionaries: Dictionaries) -> pl.DataFrame:
    """Columns of a part with their own types: Enum for text, Datetime(us, UTC) for `at`, keys for `customer`."""
    stored = [name for name in columns if name != CUSTOMER]
    return decode(part, part.read(stored or [AT]), columns, dictionaries)


def decode(part: Part, frame: pl.DataFrame, columns: Sequence[str], dictionaries: Dictionaries) -> pl.DataFrame:
    """`decoded` for columns that were already read."""
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
