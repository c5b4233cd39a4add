"""Defines what an analysis of whole paths reads: the unit, the column, the groups and the selected units.

Every unit (customer, journey or session) is read as a sequence of codes, one per touch that has a value in the chosen
column. A `View` names the unit, the column, the breakdown, and whether repeats of a value are joined; its `Selection`
restricts which units and touches are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.conditions import Words, fill, one_of
from analytics.engine.units import UNITS
from analytics.engine.unknown_words import unknown_words, warn_of_unknown
from analytics.store.columns import TOUCHPOINT
from analytics.store.paths import Paths
from expectations.errors import DefinitionError, nearest

By = str | pl.Expr | Sequence[str | pl.Expr]
Codes = NDArray[Any]
Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False, init=False)
class Selection:
    """Selects units that `start` with one of these values, `end` with one of these, and pass `through` all of these.

    Each argument is one value or several. `where` is a condition on touches and is applied first: touches that do not
    meet it are ignored, and units without any touch left are not counted.

    >>> Selection(start="home", through=["cart", "pay"]).through
    ('cart', 'pay')
    """

    start: tuple[str, ...]
    end: tuple[str, ...]
    through: tuple[str, ...]
    where: pl.Expr | None

    def __init__(
        self, *, start: Words = (), end: Words = (), through: Words = (), where: pl.Expr | None = None
    ) -> None:
        fill(self, start=_words(start), end=_words(end), through=_words(through), where=where)


@dataclass(frozen=True, eq=False, init=False)
class View:
    """How paths are read: `unit`, column `on`, breakdown `by`, joined repeats (`collapse`), selected units (`among`).

    >>> View(unit="session", by="device").unit
    'session'
    """

    unit: str
    on: str
    by: tuple[pl.Expr, ...]
    collapse: bool
    among: Selection

    def __init__(
        self,
        unit: str = "journey",
        on: str = TOUCHPOINT,
        by: By = (),
        *,
        collapse: bool = False,
        among: Selection | None = None,
    ) -> None:
        breakdown = [by] if isinstance(by, str | pl.Expr) else list(by)
        fill(
            self,
            unit=one_of("unit", unit, UNITS),
            on=on,
            by=tuple(pl.col(item) if isinstance(item, str) else item for item in breakdown),
            collapse=collapse,
            among=among or Selection(),
        )

    @property
    def groups(self) -> list[str]:
        """The names of the breakdown's columns."""
        return [item.meta.output_name() for item in self.by]

    def checked(self, paths: Paths, reserved: Sequence[str]) -> View:
        """Returns this view after checking it against the paths.

        `reserved` are the columns of the answer, which a breakdown must not reuse. Warns of values in `among` that no
        touch has. Raises `DefinitionError` for an unknown column, or a breakdown with a reserved name.
        """
        where = [] if self.among.where is None else [self.among.where]
        paths.require(self.on, *(name for item in (*self.by, *where) for name in item.meta.root_names()))
        if clashing := [name for name in self.groups if name in reserved]:
            raise DefinitionError(f"Column {clashing[0]!r} cannot be a breakdown.", do="rename it")
        warn_of_unknown(unknown_words(paths, self.on, (*self.among.start, *self.among.end, *self.among.through)))
        return self


def words_of(paths: Paths, on: str) -> pl.Series:
    """The values of column `on`, in the order of their codes; values that are not text are read as text."""
    if on in paths.dictionaries:
        return paths.dictionaries[on]
    values = [paths.read(part, [on])[on].cast(pl.String).unique() for part in paths.parts]
    return pl.concat(values).unique().drop_nulls().sort() if values else pl.Series([], dtype=pl.String)


def codes_of(words: pl.Series, names: Words) -> Indices:
    """The codes of `names`; names that do not occur are left out."""
    return words.is_in(list(_words(names))).arg_true().to_numpy().astype(np.int64)


def known_value(words: pl.Series, name: str, what: str = "touchpoint") -> str:
    """Returns `name` if it is one of the values `words`; raises `DefinitionError` naming the nearest one if not."""
    if name not in words:
        examples = ", ".join(words.sort().head(5).to_list())
        raise DefinitionError(
            f"There is no {what} {name!r}.",
            expected=f"one of the {len(words)} such as {examples}",
            do=nearest(name, words),
        )
    return name


def _words(words: Words) -> tuple[str, ...]:
    return (words,) if isinstance(words, str) else tuple(words)
