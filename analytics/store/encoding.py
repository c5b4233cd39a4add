"""Encodes touches: codes for text, with a dictionary per column; seconds or microseconds for times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from analytics.store.columns import AT, SECOND, TIME

Dictionaries = Mapping[str, pl.Series]


def as_time(stored: pl.Series) -> pl.Series:
    """Stored times as Datetime(us, UTC)."""
    micros = stored.cast(pl.Int64) * SECOND if stored.dtype == pl.UInt32 else stored
    return micros.cast(TIME).alias(AT)


def as_enum(codes: pl.Series, words: pl.Series) -> pl.Series:
    """Codes as an Enum of their words. Free when the codes already have the width that the dictionary needs."""
    return codes.cast(code_type(len(words))).cat.to(pl.Enum(words))


def code_type(words: int) -> type[pl.DataType]:
    """The narrowest integer type for `words` different words."""
    return pl.UInt8 if words <= 0xFF else pl.UInt16 if words <= 0xFFFF else pl.UInt32


def narrow_time(at: pl.Series) -> pl.Series:
    """Datetime(us) as UInt32 seconds if all times are whole seconds from 1970 to 2106, else as Int64 microseconds."""
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


class DictionaryBuilder:
    """Dictionaries that grow while parts are written; a word keeps its code."""

    def __init__(self, dictionaries: Dictionaries | None = None) -> None:
        self.dictionaries: dict[str, pl.Series] = dict(dictionaries or {})

    def has_words(self, name: str, words: pl.Series) -> bool:
        """Whether all of these words have a code in the dictionary of column `name`."""
        return name in self.dictionaries and bool(words.is_in(self.dictionaries[name].implode()).all())

    def matches(self, column: pl.Series) -> bool:
        """Whether an Enum has exactly the words of its column's dictionary, in order, so that its codes can be
        stored.
        """
        words = self.dictionaries.get(column.name)
        return words is not None and isinstance(column.dtype, pl.Enum) and column.dtype.categories.equals(words)

    def encode(self, column: pl.Series) -> pl.Series:
        """A text column as codes; new words get the next codes, in the order of their first touch."""
        name = column.name
        dictionary = self.dictionaries.get(name, pl.Series(name, [], dtype=pl.String))
        words = column.unique(maintain_order=True).drop_nulls()
        new = words.filter(~words.is_in(dictionary.implode()))
        if len(new):
            dictionary = pl.concat([dictionary, new]).alias(name)
        self.dictionaries[name] = dictionary
        return column.cast(pl.Enum(dictionary)).to_physical().alias(name)


def as_text(table: pl.DataFrame, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """Converts dictionary columns to String: those named in `columns`, by default all."""
    selected = table.columns if columns is None else columns
    words = [name for name in selected if isinstance(table.schema[name], pl.Enum | pl.Categorical)]
    return table.with_columns(pl.col(words).cast(pl.String))


def encoded(table: pl.DataFrame, words: DictionaryBuilder) -> pl.DataFrame:
    """Replaces the text columns of a table by codes of the dictionaries."""
    text = [name for name, dtype in table.schema.items() if dtype == pl.String]
    return table.with_columns([words.encode(table[name]) for name in text])
