"""When do recent parts become one? Refreshes leave small parts, and parts that have lost customers to later ones.

A part that has lost more than half of its touches is written anew without them. When there are many small parts they
are put together, up to the usual size. So each touch is written again a few times at most, and old files do not grow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import polars as pl

from analytics.parts import AT, SECOND, Dictionaries, Part, code_type
from analytics.sorting import TOUCHES_PER_PART
from analytics.store import StoreWriter

MANY: Final = 8


def compact(writer: StoreWriter) -> None:
    """Put together the small parts of a generation that is being written, and those that lost most touches."""
    writer.settle()
    small = [part for part in writer.parts if part.touches < TOUCHES_PER_PART // 2]
    chosen = [part for part in writer.parts if part.gone and part.touches < _in_file(part) / 2]
    chosen += [part for part in small if part not in chosen] if len(small) > MANY else []
    writer.parts = [part for part in writer.parts if part not in chosen]
    for group in _groups(chosen):
        writer.keep(joined(group, writer.words.dictionaries))
    writer.settle()
    for part in chosen:
        part.remove()


def joined(parts: Sequence[Part], dictionaries: Dictionaries) -> Part:
    """The customers of several parts as one part in memory."""
    tables, people = zip(*(part.physical() for part in parts), strict=True)
    seconds = all(table[AT].dtype == pl.UInt32 for table in tables)
    table = pl.concat([_alike(table, dictionaries, seconds=seconds) for table in tables])
    return Part(0, len(table), sum(map(len, people)), frames=(table, pl.concat(people)))


def _groups(parts: Sequence[Part]) -> Iterator[list[Part]]:
    """Parts, the small ones together up to the usual size."""
    group: list[Part] = []
    for part in parts:
        if group and sum(each.touches for each in group) + part.touches > TOUCHES_PER_PART:
            yield group
            group = []
        group.append(part)
    if group:
        yield group


def _alike(table: pl.DataFrame, dictionaries: Dictionaries, *, seconds: bool) -> pl.DataFrame:
    """A table with codes as wide as the dictionaries ask for, and times in one unit."""
    codes = [pl.col(name).cast(code_type(len(words))) for name, words in dictionaries.items() if name in table.columns]
    table = table.with_columns(codes)
    if seconds or table[AT].dtype != pl.UInt32:
        return table
    return table.with_columns(pl.col(AT).cast(pl.Int64) * SECOND)


def _in_file(part: Part) -> int:
    """How many touches the file holds."""
    return int(pl.scan_parquet(f"{part.address}.touches.parquet").select(pl.len()).collect().item())
