"""Compacts a store: merges small parts, and rewrites parts that changed much.

Refreshes leave small parts, and changed ones. A part that lost more than half of its touches is rewritten without
them; one with later touches beyond a quarter of its own is rewritten with them. Many small parts are merged, up to the
usual size. So each touch is rewritten only a few times, and old files do not grow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import polars as pl

from analytics.store.ordering import TOUCHES_PER_PART
from analytics.store.parts import Part, concat_tables
from analytics.store.writer import StoreWriter
from expectations.lake import files

MAX_SMALL_PARTS: Final = 8


def compact(writer: StoreWriter) -> None:
    """Merges the small parts of a generation that is being written, and rewrites its worn ones."""
    writer.wait()
    small = [part for part in writer.parts if part.touches < TOUCHES_PER_PART // 2]
    rewritten = [part for part in writer.parts if _needs_rewrite(part)]
    rewritten += [part for part in small if part not in rewritten] if len(small) > MAX_SMALL_PARTS else []
    writer.parts = [part for part in writer.parts if part not in rewritten]
    for group in _groups(rewritten):
        writer.add_part(merge_parts(group))
    writer.wait()
    for part in rewritten:
        part.remove()


def merge_parts(parts: Sequence[Part]) -> Part:
    """The customers of several parts as one part in memory."""
    tables, people = zip(*(part.physical() for part in parts), strict=True)
    table = concat_tables(tables)
    return Part(0, len(table), sum(map(len, people)), frames=(table, pl.concat(people)))


def _groups(parts: Sequence[Part]) -> Iterator[list[Part]]:
    """Groups parts up to the usual size."""
    group: list[Part] = []
    for part in parts:
        if group and sum(each.touches for each in group) + part.touches > TOUCHES_PER_PART:
            yield group
            group = []
        group.append(part)
    if group:
        yield group


def _needs_rewrite(part: Part) -> bool:
    """Whether a part lost more than half of its touches, or has so many later ones that reading it takes longer."""
    if not part.changed:
        return False
    first, later = (_rows(f"{part.address}.{file}.parquet") for file in ("touches", "later"))
    return part.touches < first / 2 or later > first / 4


def _rows(address: str) -> int:
    return int(files.scan_rows(address).select(pl.len()).collect().item())
