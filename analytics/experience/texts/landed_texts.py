"""Where the words of customers come from: the events of the lake, or a text column of paths in memory.

Free text never enters the path store. A touch knows the hash of the id of its event, by which the text is found when a
question is asked: a text that is removed from the events, for its age or with its customer, is nowhere any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from analytics.store.paths import Paths
from analytics.touches.assembly import EVENT_HASH
from expectations import contract
from expectations.errors import DefinitionError
from expectations.lake.layout import Lake

TEXT: Final = "feedback_text"


@dataclass(frozen=True, eq=False)
class Texts:
    """The texts by what touches have in column `key`; `rows` has that column, each value once, and `text`."""

    key: str
    rows: pl.DataFrame

    @property
    def dtype(self) -> Any:
        """The type of the key."""
        return self.rows.schema[self.key]


def landed_texts(lake: Lake, version: int | None = None) -> Texts:
    """The free texts of all events in the lake, for `themes` and `quotes`.

    Blank texts are none, and neither are two different ones under the same event id.

    >>> len(landed_texts(Lake("nowhere")).rows)
    0
    """
    from expectations.lake.tables import landed

    written = pl.col(TEXT).str.contains(r"\S")
    rows = landed(lake, version).filter(written).select(pl.col(contract.EVENT_ID).hash().alias(EVENT_HASH), text=TEXT)
    return Texts(EVENT_HASH, rows.unique().collect().unique(EVENT_HASH, keep="none").sort(EVENT_HASH))


def texts_of(paths: Paths, column: str = TEXT) -> Texts:
    """The texts in a text column of paths in memory. Raises `DefinitionError` where there is no such column."""
    if column not in paths.dictionaries:
        raise DefinitionError(
            f"These paths have no texts: no text column {column!r}.",
            expected="texts of a lake, as landed_texts gives them, or a column of texts",
        )
    words = paths.dictionaries[column].cast(pl.String)
    written = words.filter(words.str.contains(r"\S")).unique(maintain_order=True)
    return Texts(column, pl.DataFrame({column: written, "text": written}))
