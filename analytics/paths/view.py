"""What do analyses of whole paths read? Every unit of a part as a walk: the codes of its values, one a touch, in order.

A **walk** is the touches of one unit (customer, journey or session) that have a value of the column asked for, as a
slice of one array of codes. A `View` says which walks are read: whose, over what values, with repeats of a value
joined or not, in which groups, and which of them (`Selection`).
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
    """Which units are read: those that `start` with one of these values, `end` with one, pass `through` all of these.

    Each is one value or several. `where` keeps only touches that meet a condition, before anything else is asked; a
    unit without touches left is no unit.

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
    """How paths are read: the unit, the column of the values, the groups, repeats joined or not, and which units.

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
        several = [by] if isinstance(by, str | pl.Expr) else list(by)
        fill(
            self,
            unit=one_of("unit", unit, UNITS),
            on=on,
            by=tuple(pl.col(item) if isinstance(item, str) else item for item in several),
            collapse=collapse,
            among=among or Selection(),
        )

    @property
    def groups(self) -> list[str]:
        """The names of the columns of the breakdown."""
        return [item.meta.output_name() for item in self.by]

    def checked(self, paths: Paths, taken: Sequence[str]) -> View:
        """The same view, when the paths have what it reads and no group is called as a column of the answer.

        Warns of words of `among` that no touch has.
        """
        where = [] if self.among.where is None else [self.among.where]
        paths.require(self.on, *(name for item in (*self.by, *where) for name in item.meta.root_names()))
        if wrong := [name for name in self.groups if name in taken]:
            raise DefinitionError(f"Column {wrong[0]!r} cannot be a breakdown.", do="rename it")
        warn_of_unknown(unknown_words(paths, self.on, (*self.among.start, *self.among.end, *self.among.through)))
        return self


def words_of(paths: Paths, on: str) -> pl.Series:
    """The values that codes of walks stand for; a column that is not text is read as text."""
    if on in paths.dictionaries:
        return paths.dictionaries[on]
    values = [paths.read(part, [on])[on].cast(pl.String).unique() for part in paths.parts]
    return pl.concat(values).unique().drop_nulls().sort() if values else pl.Series([], dtype=pl.String)


def place_of(words: pl.Series, names: Words) -> Indices:
    """The codes of those of `names` that occur."""
    return words.is_in(list(_words(names))).arg_true().to_numpy().astype(np.int64)


def known_value(words: pl.Series, name: str, what: str = "touchpoint") -> str:
    """The name, when it is one of the values; else `DefinitionError` that names the nearest."""
    if name not in words:
        some = ", ".join(words.sort().head(5).to_list())
        raise DefinitionError(
            f"There is no {what} {name!r}.", expected=f"one of the {len(words)} such as {some}", do=nearest(name, words)
        )
    return name


def _words(given: Words) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)
