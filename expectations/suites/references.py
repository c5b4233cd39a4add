"""References: does a value of an event, such as the customer of an order, have a profile?

A reference becomes a column that says whether a profile exists for the value, and an expectation about that column.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from expectations import contract
from expectations.lake import layout
from expectations.suites.defaults import one_of
from expectations.suites.expectation import Suite, condition

if TYPE_CHECKING:
    from expectations.suites.settings import Reference

NAME = "references"


def as_suites(references: Iterable[Reference]) -> list[Suite]:
    """Each reference as a suite about the column that `with_known` adds."""
    suites = []
    for reference in references:
        note = f"{reference.column} has a profile"
        expectation = one_of(_known(reference.column), [True], reference.severity, note)
        expectation = replace(expectation, kwargs={**expectation.kwargs, "mostly": reference.share})
        if reference.kind:
            in_kind = condition("kind", "==", reference.kind)
            expectation = replace(expectation, kwargs={**expectation.kwargs, "row_condition": in_kind})
        suites.append(Suite(NAME, layout.EVENTS, (expectation,)))
    return suites


def known_identities(profiles: pl.LazyFrame | None, references: Iterable[Reference]) -> Mapping[str, pl.Series]:
    """For each referenced column, the hashes of the values that have a profile: eight bytes each."""
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
    """Events with one more column per referenced column: whether its value has a profile; null without a value."""
    return events.with_columns(
        pl.when(pl.col(name).is_not_null()).then(pl.col(name).hash().is_in(hashes.implode())).alias(_known(name))
        for name, hashes in known.items()
    )


def _known(column: str) -> str:
    return f"{column}.known"
