"""Removes customers from what is stored of personas: who was in which one when they were found."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import polars as pl

from analytics.store.columns import CUSTOMER
from expectations.lake import files
from expectations.lake.erase import Erased
from expectations.lake.layout import PERSONAS, Lake

MEMBERS: Final = "members-{:04}.parquet"


def member_files(lake: Lake) -> list[str]:
    """The names of the files with members of personas.

    >>> member_files(Lake("nowhere"))
    []
    """
    return sorted(name for name in files.listing(lake.table(PERSONAS)) if name.startswith("members-"))


def members_named(lake: Lake, keys: Iterable[str]) -> pl.DataFrame:
    """The rows of these customers: `customer`, `persona`."""
    tables = [files.read_rows(f"{lake.table(PERSONAS)}/{name}") for name in member_files(lake)]
    empty = pl.DataFrame(schema={CUSTOMER: pl.String, "persona": pl.String})
    return pl.concat([empty, *tables]).filter(pl.col(CUSTOMER).is_in(list(keys)))


def forget_members(lake: Lake, keys: Iterable[str]) -> Erased:
    """Removes the rows of these customers; files that hold none of them stay as they are."""
    asked, before, after, rewritten = list(keys), 0, 0, 0
    for name in member_files(lake):
        address = f"{lake.table(PERSONAS)}/{name}"
        rows = files.read_rows(address)
        kept = rows.filter(~pl.col(CUSTOMER).is_in(asked))
        before, after = before + len(rows), after + len(kept)
        if len(kept) < len(rows):
            files.write_rows(address, kept)
            rewritten += 1
    return Erased(PERSONAS, before, after, rewritten, rewritten, 0)
