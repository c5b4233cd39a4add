"""Is a value of the events known to the profiles? References, such as an order's customer, as expectations.

A reference becomes a column that says whether the profiles know the value, and an expectation about that column.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from expectations import contract
from expectations.lake import layout
from expectations.suites.defaults import among
from expectations.suites.expectation import Suite, condition

if TYPE_CHECKING:
    from expectations.suites.settings import Reference

NAME = "references"


def as_suites(references: Iterable[Reference]) -> list[Suite]:
    """Each reference as a suite about the column that `with_known` adds."""
    suites = []
    for reference in references:
        note = f"{reference.column} has a profile"
        asked = among(_known(reference.column), [True], reference.severity, note)
        asked = replace(asked, kwargs={**asked.kwargs, "mostly": reference.share})
        if reference.kind:
            asked = replace(asked, kwargs={**asked.kwargs, "row_condition": condition("kind", "==", reference.kind)})
        suites.append(Suite(NAME, layout.EVENTS, (asked,)))
    return suites


def known_identities(profiles: pl.LazyFrame | None, references: Iterable[Reference]) -> Mapping[str, pl.Series]:
    """For each column that is referred to, the hashes of the values that the profiles know: eight bytes each."""
    columns = sorted({reference.column for reference in references})
    table = profiles if profiles is not None else pl.LazyFrame(schema=contract.PROFILES)
    value = pl.col("identity").hash()
    return {
        name: table.filter(pl.col("identity_kind") == name)
        .select(value.unique())
        .collect(engine="streaming")
        .to_series()
        for name in columns
    }


def with_known(events: pl.LazyFrame, known: Mapping[str, pl.Series]) -> pl.LazyFrame:
    """Events with, for each column that is referred to, whether its value is known; null without a value."""
    return events.with_columns(
        pl.when(pl.col(name).is_not_null()).then(pl.col(name).hash().is_in(hashes.implode())).alias(_known(name))
        for name, hashes in known.items()
    )


def _known(column: str) -> str:
    return f"{column}.known"
