"""Conditions on what is known of a customer: an attribute, the first touch, a list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.conditions import Step, fill, several
from analytics.segments.named.conditions import check_steps
from analytics.segments.named.states import FOREVER, IN, OUT, UNKNOWN, Customers, States
from analytics.store.columns import CUSTOMER, TIME
from analytics.store.frames import as_polars
from analytics.store.parts import decoded
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

VALID_FROM: Final = "valid_from"


@dataclass(frozen=True, eq=False, init=False)
class Attribute:
    """The value of a column is one of these; not known while it is null.

    The value is that of the latest touch. With `history`, it is the value with the latest `valid_from` up to the
    instant instead, also between touches: a frame with the columns `customer`, `value`, and `valid_from` (Datetime, UTC
    if it has no zone); of two from one time the later row counts, and a null makes the value unknown.
    Raises `DefinitionError` for no value, and a history without one of these columns.

    >>> Attribute("region", "North", "South").text
    "attribute 'region' is 'North' or 'South'"
    """

    column: str
    values: tuple[Any, ...]
    history: pl.DataFrame | None

    def __init__(self, column: str, *values: Any, history: pl.DataFrame | None = None) -> None:
        past = None if history is None else _history(history, "value")
        fill(self, column=column, values=several(f"Attribute {column!r}", values), history=past)

    @property
    def text(self) -> str:
        """The condition in words."""
        source = " by its history" if self.history is not None else ""
        return f"attribute {self.column!r} is {' or '.join(map(repr, self.values))}{source}"

    def checked(self, paths: Paths) -> Self:
        """The condition, bound to a store."""
        if self.history is None:
            check_column(paths, self.column, self.values)
        return self

    def states(self, customers: Customers) -> States:
        """In while the value is one of these, not known while there is none."""
        if self.history is not None:
            return _of_history(customers, self.history, is_one_of(self.history["value"], self.values), UNKNOWN)
        column = decoded(customers.part, [self.column], customers.words)[self.column]
        value = known_or_not(is_one_of(column, self.values))
        rows = np.flatnonzero(np.append(True, value[1:] != value[:-1])[: len(value)])
        rows = np.union1d(rows, customers.bounds[:-1])
        return States.of(customers, customers.of_rows(rows), customers.times[rows], value[rows])


@dataclass(frozen=True, eq=False, init=False)
class FirstTouch:
    """A condition on the customer's first touch, which never changes: a column and its values, or an expression.

    Not known where the column is null. Of several touches at the first instant, the first by sequence counts.

    >>> FirstTouch("campaign", "brand").text
    "first 'campaign' is 'brand'"
    """

    test: pl.Expr
    column: str
    values: tuple[Any, ...]

    def __init__(self, what: str | pl.Expr, *values: Any) -> None:
        column = what if isinstance(what, str) else ""
        if column:
            several(f"The first {column!r}", values)
        elif values:
            raise DefinitionError("A condition on the first touch is a column with values, or an expression alone.")
        fill(self, test=pl.col(what) if isinstance(what, str) else what, column=column, values=values)

    @property
    def text(self) -> str:
        """The condition in words."""
        return (
            f"first {self.column!r} is {' or '.join(map(repr, self.values))}" if self.column else f"first {self.test}"
        )

    def checked(self, paths: Paths) -> Self:
        """The condition, bound to a store."""
        if self.column:
            check_column(paths, self.column, self.values)
        paths.require(*self.test.meta.root_names())
        return self

    def states(self, customers: Customers) -> States:
        """In or out from the first touch on."""
        roots = self.test.meta.root_names()
        first = decoded(customers.part, roots, customers.words)[customers.bounds[:-1]]
        try:
            found = first.select(self.test.alias(" test")).to_series()
            holds = is_one_of(found, self.values) if self.column else found.cast(pl.Boolean)
        except pl.exceptions.PolarsError:
            raise DefinitionError("A condition on the first touch cannot be worked out.", found=self.text) from None
        nobody = np.zeros(0, np.int64)
        return States.of(customers, nobody, nobody, nobody, known_or_not(holds))


@dataclass(frozen=True, eq=False, init=False)
class Listed:
    """A customer of a list, from `valid_from` on where the list has it, else always. Others are out.

    `customers` are keys, as the paths have them, or a frame with column `customer`, and with `valid_from` (Datetime)
    if wanted; several rows of a customer hold from the earliest on. `name` says which list it is. Raises
    `DefinitionError` when no customer of the paths is listed.

    >>> Listed(["ann", "bo"], name="VIPs").text
    "listed in 'VIPs'"
    """

    rows: pl.DataFrame
    name: str

    def __init__(self, customers: Iterable[Any] | pl.DataFrame, *, name: str = "list") -> None:
        frame = customers if isinstance(customers, pl.DataFrame) else pl.DataFrame({CUSTOMER: list(customers)})
        if VALID_FROM not in frame.columns:
            frame = frame.with_columns(pl.lit(None, TIME).alias(VALID_FROM))
        fill(self, rows=_history(frame), name=name)

    @property
    def text(self) -> str:
        """The condition in words."""
        return f"listed in {self.name!r}"

    def checked(self, paths: Paths) -> Self:
        """The condition, bound to a store."""
        listed = self.rows[CUSTOMER].cast(pl.String)
        if len(paths) and not any(part.keys().cast(pl.String).is_in(listed.implode()).any() for part in paths.parts):
            raise DefinitionError(
                "No customer of the paths is in the list.",
                where=self.name,
                expected="keys as column `customer` of the paths has them",
                found=f"{len(listed):,} keys",
            )
        return self

    def states(self, customers: Customers) -> States:
        """In from the earliest `valid_from` on."""
        return _of_history(customers, self.rows, pl.repeat(True, len(self.rows), eager=True), OUT)


def check_column(paths: Paths, column: str, values: Sequence[Any]) -> None:
    """Raises `DefinitionError` for a column that is not there, or of another type; warns of values no touch has."""
    paths.require(column)
    check_steps(paths, [Step([str(value) for value in values], on=column)] if column in paths.dictionaries else [])
    is_one_of(pl.Series(column, [], dtype=paths.schema[column]), values)


def is_one_of(column: pl.Series, values: Sequence[Any]) -> pl.Series:
    """Whether each value is one of these; null where it is null. Raises `DefinitionError` for another type."""
    texts = [str(value) for value in values]
    if isinstance(column.dtype, pl.Enum):
        known = column.dtype.categories.is_in(texts)
        return known.gather(column.to_physical().cast(pl.UInt32)) if len(known) else pl.Series([None] * len(column))
    if isinstance(column.dtype, pl.Categorical | pl.String):
        return column.cast(pl.String).is_in(texts)
    try:
        return column.is_in(pl.Series(list(values), dtype=column.dtype))
    except (TypeError, pl.exceptions.PolarsError):
        raise DefinitionError(
            "A condition has values of another type than its column.",
            where=f"column {column.name!r}",
            expected=str(column.dtype),
            found=", ".join(map(repr, values)),
        ) from None


def known_or_not(holds: pl.Series) -> NDArray[np.int8]:
    """True, null and false as states."""
    codes = holds.cast(pl.Int8) * IN
    return codes.fill_null(UNKNOWN).to_numpy()


def _history(frame: pl.DataFrame, *more: str) -> pl.DataFrame:
    """Rows of customers that are valid from a time; a missing time is the beginning of time."""
    table = as_polars(frame)
    wanted = (CUSTOMER, *more, VALID_FROM)
    if missing := [name for name in wanted if name not in table.columns]:
        found = ", ".join(table.columns)
        raise DefinitionError(f"A list has no column {missing[0]!r}.", expected=", ".join(wanted), found=found)
    since = table[VALID_FROM]
    if since.dtype not in (pl.Null, pl.Date) and not isinstance(since.dtype, pl.Datetime):
        raise DefinitionError("A list is valid from times.", expected="Datetime", found=str(since.dtype))
    if isinstance(since.dtype, pl.Datetime) and since.dtype.time_zone is not None:
        since = since.dt.convert_time_zone("UTC")
    else:
        since = since.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return table.select(*wanted[:-1]).with_columns(since.cast(TIME).alias(VALID_FROM))


def _of_history(customers: Customers, rows: pl.DataFrame, holds: pl.Series, before: int) -> States:
    """The states of customers whose rows are valid from a time; `before` the first one."""
    since = rows[VALID_FROM].to_physical().fill_null(-FOREVER)
    table = pl.DataFrame(
        {"person": customers.of_keys(rows[CUSTOMER]), "since": since, "value": known_or_not(holds)}
    ).drop_nulls("person")
    table = table.sort("person", "since", maintain_order=True)
    person, from_, value = (table[name].to_numpy() for name in ("person", "since", "value"))
    return States.of(customers, person, from_, value, before)
