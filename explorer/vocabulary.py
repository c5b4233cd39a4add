"""What can be asked of a lake: its words with their customers, the columns with their values, segments, its period."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

import polars as pl

from analytics import Paths, summary, transitions
from explorer.source import Source
from reports.words.numbers import moment

MOST_VALUES: Final = 50
"""Values of a column that are offered, those of most customers."""
ON: Final = ("stage", "touchpoint")


@dataclass(frozen=True)
class Word:
    """A stage or a touchpoint, and the customers who have a touch of it."""

    word: str
    on: str
    customers: int


@dataclass(frozen=True)
class Vocabulary:
    """The words of one generation of the store: stages in their order, then touchpoints, those of most customers first.

    `edges` has the customers with each `target` right after each `source`. Words and values of fewer than `k` customers
    are not offered; they are answered when they are asked.
    """

    words: tuple[Word, ...]
    columns: tuple[dict[str, Any], ...]
    customers: int
    touches: int
    first_at: datetime | None
    end: datetime | None
    edges: pl.DataFrame

    @classmethod
    def of(cls, paths: Paths, source: Source) -> Vocabulary:
        """Counts the customers of every word and value, in one pass over the touches."""
        held = [name for name in (*ON, *source.columns) if name in paths.dictionaries]
        counts = _summed(paths.each(partial(_customers_of, paths, held)))
        sized = {name: counts.filter(column=name, is_known=True).sort("customers", descending=True) for name in held}
        known = {name: table.filter(pl.col("customers") >= source.report.k) for name, table in sized.items()}
        total = summary(paths).row(0, named=True)
        words = [
            Word(word, on, source.told_number(n))
            for on in ON
            if on in known
            for word, n in known[on].select("word", "customers").rows()
        ]
        order = {stage: place for place, stage in enumerate(paths.definition.stages if paths.definition else ())}
        words.sort(key=lambda word: order.get(word.word, len(order)) if word.on == "stage" else len(order) + 1)
        return cls(
            tuple(words),
            tuple(_column(name, source, known.get(name)) for name in source.columns if name in paths.schema),
            source.told_number(paths.customers),
            source.told_number(len(paths)),
            total["first_at"],
            paths.end_of_data,
            transitions(paths, unit="customer").select("source", "target", "customers"),
        )

    def near(self, words: Sequence[str], most: int, *, before: bool) -> list[Word]:
        """The touchpoints next to words in the paths of most customers; fewer such are made up by the most frequent."""
        here, there = ("target", "source") if before else ("source", "target")
        found = self.edges.filter(pl.col(here).is_in(words)).group_by(there).agg(pl.col("customers").sum())
        beside = dict(found.rows())
        known = [word for word in self.words if word.on == "touchpoint"]
        return sorted(known, key=lambda word: (-beside.get(word.word, 0), -word.customers))[:most]

    def plain(self, source: Source) -> dict[str, Any]:
        """The vocabulary as JSON."""
        zone = source.report.zone
        return {
            "words": [vars(word) for word in self.words],
            "stages": [vars(word) for word in self.words if word.on == "stage"],
            "columns": self.columns,
            "segments": source.segments,
            "customers": self.customers,
            "touches": self.touches,
            "end": self.end.astimezone(zone).date().isoformat() if self.end else "",
            "data_to": moment(self.end.astimezone(zone)) if self.end else "",
            "title": source.report.title,
            "least": source.report.least,
            "k": source.report.k,
        }


def _column(name: str, source: Source, known: pl.DataFrame | None) -> dict[str, Any]:
    """A column with its values; one of numbers has none."""
    head = [] if known is None else known.head(MOST_VALUES).select("word", "customers").rows()
    values = [{"value": word, "customers": source.told_number(customers)} for word, customers in head]
    return {"column": name, "name": source.report.name_of(name), "is_number": known is None, "values": values}


def _customers_of(paths: Paths, columns: Sequence[str], part: Any, _: Any) -> pl.DataFrame:
    """The customers of one part by column and word."""
    touches = paths.read(part, ["customer", *columns])
    return _summed(
        touches.lazy()
        .select("customer", word=pl.col(name).cast(pl.String))
        .group_by("word")
        .agg(customers=pl.col("customer").n_unique().cast(pl.Int64))
        .with_columns(column=pl.lit(name), is_known=pl.col("word").is_not_null())
        .collect()
        for name in columns
    )


def _summed(tables: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Counts of several tables added up; no customer is in two parts."""
    schema = {"column": pl.String, "word": pl.String, "is_known": pl.Boolean, "customers": pl.Int64}
    together = pl.concat([pl.DataFrame(schema=schema), *(table.select(list(schema)) for table in tables)])
    return together.group_by("column", "word", "is_known", maintain_order=True).agg(pl.col("customers").sum())
