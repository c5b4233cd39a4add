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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics import folders

CUSTOMER: Final = "customer"
AT: Final = "at"
TOUCHPOINT: Final = "touchpoint"
TOUCHES: Final = "touches"
TIME: Final = pl.Datetime("us", "UTC")
SECOND: Final = 1_000_000
KINDS_OF_FILE: Final = ("touches", "customers", "gone")

Dictionaries = Mapping[str, pl.Series]


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

    `gone` are the customers in the files that are no longer there, by their places in the files.
    """

    number: int
    touches: int
    customers: int
    address: str = ""
    frames: tuple[pl.DataFrame, pl.DataFrame] | None = None
    gone: bool = False

    def read(self, columns: Sequence[str]) -> pl.DataFrame:
        """The physical columns: codes for text, u32 seconds or i64 microseconds for `at`; one row a touch."""
        if self.frames is not None:
            return self.frames[0][list(columns)]  # nothing to plan: `select` would wait for a thread of polars
        touches = pl.read_parquet(f"{self.address}.touches.parquet", columns=list(columns), memory_map=False)
        if not self.gone:
            return touches
        counts = pl.read_parquet(f"{self.address}.customers.parquet", columns=[TOUCHES])[TOUCHES]
        return touches.filter(np.repeat(self._is_there(len(counts)), counts.to_numpy()))

    def people(self, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The customers' own columns, in the order in which their touches lie."""
        if self.frames is not None:
            return self.frames[1][list(columns)] if columns else self.frames[1]
        people = pl.read_parquet(
            f"{self.address}.customers.parquet", columns=list(columns) if columns else None, memory_map=False
        )
        return people.filter(self._is_there(len(people))) if self.gone else people

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

    def linked(self, number: int, address: str) -> Part:
        """The same files under another name, which costs no space where the file system has hard links."""
        for kind in KINDS_OF_FILE if self.gone else KINDS_OF_FILE[:2]:
            folders.copy(f"{self.address}.{kind}.parquet", f"{address}.{kind}.parquet")
        return Part(number, self.touches, self.customers, address, gone=self.gone)

    def without(self, places: NDArray[np.int64]) -> Part:
        """The part without the customers at these places; the files stay, and a third names who is gone."""
        counts = pl.read_parquet(f"{self.address}.customers.parquet", columns=[TOUCHES])[TOUCHES].to_numpy()
        there = self._is_there(len(counts))
        leaving = np.flatnonzero(there)[places]
        there[leaving] = False
        noted = io.BytesIO()
        pl.DataFrame({"gone": np.flatnonzero(~there).astype(np.uint32)}).write_parquet(noted, statistics=False)
        folders.write(f"{self.address}.gone.parquet", noted.getvalue())
        touches = self.touches - int(counts[leaving].sum())
        return replace(self, touches=touches, customers=self.customers - len(places), gone=True)

    def remove(self) -> None:
        """Delete the files."""
        for kind in KINDS_OF_FILE if self.gone else KINDS_OF_FILE[:2]:
            folders.remove(f"{self.address}.{kind}.parquet")

    def _is_there(self, customers: int) -> NDArray[np.bool_]:
        """Which of the customers in the files are not gone."""
        there = np.ones(customers, np.bool_)
        if self.gone:
            there[pl.read_parquet(f"{self.address}.gone.parquet")["gone"].to_numpy()] = False
        return there


def decoded(part: Part, columns: Sequence[str], dictionaries: Dictionaries) -> pl.DataFrame:
    """Columns of a part as their owner knows them: Enum for text, Datetime(us, UTC) for `at`, keys for `customer`."""
    stored = [name for name in columns if name != CUSTOMER]
    return decode(part, part.read(stored or [AT]), columns, dictionaries)


def decode(part: Part, frame: pl.DataFrame, columns: Sequence[str], dictionaries: Dictionaries) -> pl.DataFrame:
    """The same of columns that were read already."""
    out: list[pl.Series] = []
    for name in columns:
        if name == CUSTOMER:
            out.append(repeated(part.keys(), part.bounds()))
        elif name == AT:
            out.append(as_time(frame[AT]))
        elif name in dictionaries:
            out.append(as_enum(frame[name], dictionaries[name]))
        else:
            out.append(frame[name])
    return pl.DataFrame(out)


def repeated(keys: pl.Series, bounds: NDArray[np.int64]) -> pl.Series:
    """The customer key of every touch."""
    return keys.gather(pl.Series(np.repeat(np.arange(len(keys), dtype=np.uint32), np.diff(bounds)), dtype=pl.UInt32))


def as_time(stored: pl.Series) -> pl.Series:
    """Stored times as Datetime(us, UTC)."""
    scale = SECOND if stored.dtype == pl.UInt32 else 1
    return (stored.cast(pl.Int64) * scale).cast(TIME).alias(AT)


def as_enum(codes: pl.Series, words: pl.Series) -> pl.Series:
    """Codes with their words. Costs nothing when the codes are as wide as the dictionary asks for."""
    return codes.cast(code_type(len(words))).cat.to(pl.Enum(words))


def code_type(words: int) -> type[pl.DataType]:
    """The narrowest type that tells `words` words apart."""
    return pl.UInt8 if words <= 0xFF else pl.UInt16 if words <= 0xFFFF else pl.UInt32


def narrow_time(at: pl.Series) -> pl.Series:
    """Datetime(us) as u32 seconds when every time is a whole second between 1970 and 2106, else as i64 microseconds."""
    micros = at.cast(TIME).to_physical()
    if not len(micros):
        return micros.cast(pl.UInt32)
    whole = not (micros % SECOND != 0).any()
    lowest, highest = _as_int(micros.min()), _as_int(micros.max())
    if whole and lowest >= 0 and highest // SECOND < 2**32:
        return (micros // SECOND).cast(pl.UInt32)
    return micros


def _as_int(value: Any) -> int:
    return int(value)


class Words:
    """Dictionaries that grow while parts are written: a word keeps its code for good."""

    def __init__(self, dictionaries: Dictionaries | None = None) -> None:
        self.dictionaries: dict[str, pl.Series] = dict(dictionaries or {})

    def has(self, name: str, words: pl.Series) -> bool:
        """Whether all of these words have a code in the dictionary of column `name`."""
        return name in self.dictionaries and bool(words.is_in(self.dictionaries[name].implode()).all())

    def are_of(self, column: pl.Series) -> bool:
        """Whether an Enum has the words of its column's dictionary in their order, so that its codes are ours."""
        known = self.dictionaries.get(column.name)
        return known is not None and isinstance(column.dtype, pl.Enum) and column.dtype.categories.equals(known)

    def encode(self, column: pl.Series) -> pl.Series:
        """A text column as codes; words not met before get the next codes, in the order of their first touch."""
        name = column.name
        known = self.dictionaries.get(name, pl.Series(name, [], dtype=pl.String))
        words = column.unique(maintain_order=True).drop_nulls()
        new = words.filter(~words.is_in(known.implode()))
        if len(new):
            known = pl.concat([known, new]).alias(name)
        self.dictionaries[name] = known
        return column.cast(pl.Enum(known)).to_physical().alias(name)


def as_text(table: pl.DataFrame, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """The table with words of dictionaries as plain text: in these columns, or in all."""
    asked = table.columns if columns is None else columns
    words = [name for name in asked if isinstance(table.schema[name], pl.Enum | pl.Categorical)]
    return table.with_columns(pl.col(words).cast(pl.String))
