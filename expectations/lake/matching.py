"""SQL conditions for known rows of a table, in pieces that a table's engine can take.

The engine walks a condition by recursion: a list of 25,000 values ends the process by a stack overflow.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any, Final

import polars as pl

ROWS: Final = 1000
"""Rows a condition. One of 20,000 needs 8 MB of stack; threads have half a megabyte on some systems."""


def conditions(rows: pl.DataFrame, listed: str) -> Iterator[str]:
    """Conditions that together match the rows of a table with the same values as one of these, in these columns.

    `listed` is the column with the most values; no null is among them. The other columns hold texts, dates, whole
    numbers or nulls. Rows are grouped by them in the order of `rows.columns`, so name the partition first: then a
    condition reads few partitions.

    >>> list(conditions(pl.DataFrame({"topic": ["app", "web", "app"], "offset": [3, 4, 7]}), "offset"))
    ['("topic" = \\'app\\' AND "offset" IN (3, 7)) OR ("topic" = \\'web\\' AND "offset" IN (4))']
    """
    names = [name for name in rows.columns if name != listed]
    for piece in rows.unique().sort(*names, listed).iter_slices(ROWS):
        groups = piece.group_by(names, maintain_order=True).agg(listed).iter_rows()
        yield " OR ".join(f"({_group(names, listed, group)})" for group in groups)


def _group(names: list[str], listed: str, group: tuple[Any, ...]) -> str:
    *values, members = group
    same = [
        f'"{name}" IS NULL' if value is None else f'"{name}" = {_literal(value)}'
        for name, value in zip(names, values, strict=True)
    ]
    return " AND ".join([*same, f'"{listed}" IN ({", ".join(map(_literal, members))})'])


def _literal(value: str | int | date) -> str:
    match value:
        case str():
            return "'" + value.replace("'", "''") + "'"
        case date():
            return f"DATE '{value}'"
    return str(value)
