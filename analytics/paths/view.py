"""Defines what an analysis of whole paths reads: the unit, the column, the groups and the selected units.

Every unit (customer, journey or session) is read as a sequence of codes, one per touch that has a value in the chosen
column. A `View` names the unit, the column, the breakdown, and whether repeats of a value are joined; its `Selection`
restricts which units and touches are read. `View.checked` binds it to the columns and words of a store, so that parts
can be read without their `Paths`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.analysis import IS_TOTAL
from analytics.engine.conditions import Words, fill, one_of
from analytics.engine.goals import GoalTouches, GoalWords, as_goal, warn_of_unknown_goal
from analytics.engine.notices.outcome import warn_of_outcome
from analytics.engine.notices.unknown_words import unknown_words, warn_of_unknown
from analytics.engine.units import ENDS, START, UNITS, unit_columns, window_of
from analytics.store.columns import AT, CUSTOMER, TOUCHPOINT
from analytics.store.encoding import Dictionaries, as_text
from analytics.store.frames import as_utc
from analytics.store.parts import Part, decoded
from analytics.store.paths import Paths
from expectations.errors import DefinitionError, nearest

By = str | pl.Expr | Sequence[str | pl.Expr]
Codes = NDArray[Any]
Indices = NDArray[np.int64]
REST: Final = "other"
"""The node of all values that an answer does not name."""


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

    `where` is a condition on touches: those that do not meet it are ignored. Only units count that begin at a time
    from `start` (inclusive) to `end` (exclusive), with all their touches. Goal rates are of those that reach the goal
    within the `window`, by default the horizon of the `goal`, else that of `analytics.engine.units`. Without a `goal`
    it is the one that ends journeys. With `aftermath` the touches after a journey's goal are read beside its own.

    >>> View(unit="session", by="device").unit
    'session'
    """

    unit: str
    on: str
    by: tuple[pl.Expr, ...]
    collapse: bool
    among: Selection
    where: pl.Expr | None
    start: datetime | None
    end: datetime | None
    window: str | timedelta | None
    goal: GoalWords | None
    aftermath: bool
    goal_touches: GoalTouches | None = field(repr=False)
    schema: pl.Schema = field(repr=False)
    names: pl.Series = field(repr=False)
    end_of_data: datetime | None = field(repr=False)

    def __init__(
        self,
        unit: str = "journey",
        on: str = TOUCHPOINT,
        by: By = (),
        *,
        collapse: bool = False,
        among: Selection | None = None,
        where: pl.Expr | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        window: str | timedelta | None = None,
        goal: GoalWords | None = None,
        aftermath: bool = False,
    ) -> None:
        selection = among or Selection()
        conditions = [condition for condition in (where, selection.where) if condition is not None]
        breakdown = [by] if isinstance(by, str | pl.Expr) else list(by)
        fill(
            self,
            unit=one_of("unit", unit, UNITS),
            on=on,
            by=tuple(pl.col(item) if isinstance(item, str) else item for item in breakdown),
            collapse=collapse,
            among=selection,
            where=pl.all_horizontal(conditions) if conditions else None,
            start=None if start is None else as_utc(start),
            end=None if end is None else as_utc(end),
            window=window,
            goal=goal,
            aftermath=aftermath or goal is not None,
            goal_touches=None,
            schema=pl.Schema(),
            names=pl.Series([], dtype=pl.String),
            end_of_data=None,
        )

    @property
    def groups(self) -> list[str]:
        """The names of the breakdown's columns."""
        return [item.meta.output_name() for item in self.by]

    @property
    def keys(self) -> list[str]:
        """The columns that every row of a partial begins with: those of the breakdown, and `is_total`."""
        return [*self.groups, IS_TOTAL]

    @property
    def key_schema(self) -> dict[str, pl.DataType]:
        """The types of `keys`."""
        roots = [name for item in self.by for name in item.meta.root_names()]
        frame = pl.DataFrame(schema={name: self.schema[name] for name in roots})
        groups = as_text(frame.select(*self.by)).schema if self.by else {}
        return {**groups, IS_TOTAL: pl.Boolean()}

    @property
    def columns(self) -> tuple[str, ...]:
        """The stored columns that are read."""
        where = [] if self.where is None else self.where.meta.root_names()
        by = [name for item in self.by for name in item.meta.root_names()]
        goal = [] if self.goal_touches is None else self.goal_touches.columns
        read = [AT, self.on, *unit_columns(self.schema, self.unit), *where, *by, *goal]
        return tuple(name for name in dict.fromkeys(read) if name != CUSTOMER)

    @property
    def reading(self) -> Hashable:
        """Equal for bound views that read the same sequences of a part, whatever their breakdown.

        Conditions cannot be compared: with one a view is equal to itself alone.
        """
        if self.where is not None:
            return self
        among = (self.among.start, self.among.end, self.among.through)
        span = (self.start, self.end, self.window)
        return self.unit, self.on, self.collapse, among, *span, self.aftermath, self.goal_touches

    def of_all_times(self) -> View:
        """The same view without a breakdown, of units that begin at any time."""
        view = copy(self)
        fill(view, by=(), start=None, end=None)
        return view

    def checked(self, paths: Paths, reserved: Sequence[str]) -> View:
        """Returns this view bound to the columns and values of the paths, after checking it against them.

        `reserved` are the columns of the answer, which a breakdown must not reuse. Warns of values in `among` that no
        touch has. Raises `DefinitionError` for an unknown column, or a breakdown with a reserved name.
        """
        where = [] if self.where is None else [self.where]
        session = ["session"] if self.unit == "session" else []
        paths.require(self.on, *session, *(name for item in (*self.by, *where) for name in item.meta.root_names()))
        if clashing := [name for name in self.groups if name in (*reserved, IS_TOTAL)]:
            raise DefinitionError(f"Column {clashing[0]!r} cannot be a breakdown.", do="rename it")
        warn_of_outcome(paths, [name for condition in where for name in condition.meta.root_names()], ())
        warn_of_unknown(unknown_words(paths, self.on, (*self.among.start, *self.among.end, *self.among.through)))
        bound, goal = copy(self), None if self.goal is None else as_goal(self.goal)
        if goal is not None:
            warn_of_unknown_goal(paths, goal)
        window = self.window if self.window is not None or goal is None else goal.horizon
        fill(
            bound,
            schema=paths.schema,
            names=words_of(paths, self.on),
            window=window_of(paths, window, self.unit),
            goal=None,  # bound: what is pickled with a measure are codes
            goal_touches=None if goal is None else GoalTouches.of(paths, goal),
            end_of_data=paths.end_of_data,
        )
        return bound


def words_of(paths: Paths, on: str) -> pl.Series:
    """The values of column `on`, in the order of their codes; values that are not text are read as text."""
    if on in paths.dictionaries:
        return paths.dictionaries[on]
    paths.require(on)
    values = paths.each(partial(_values_in, on))
    return pl.concat(values).unique().drop_nulls().sort() if values else pl.Series([], dtype=pl.String)


def _values_in(on: str, part: Part, words: Dictionaries) -> pl.Series:
    return decoded(part, [on], words)[on].cast(pl.String).unique()


def node_names(words: pl.Series, nodes: Sequence[str]) -> pl.Series:
    """The names of the values of a column, as text, and of the other nodes of an answer, in the order of their codes.

    A value that is called like any such node (START, the ENDs, `other`, those given) stands in quotes, so that it is
    told apart.

    >>> node_names(pl.Series(["buy", "START"]), [START]).to_list()
    ['buy', "'START'", 'START']
    """
    text = words.cast(pl.String)
    known, quoted = set(text), dict[str, str]()
    for name in known.intersection((START, REST, *ENDS, *nodes)):
        quoted[name] = f"'{name}'"
        while quoted[name] in known:
            quoted[name] = f"'{quoted[name]}'"
    return pl.concat([text.replace(quoted), pl.Series(list(nodes), dtype=pl.String)])


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


@dataclass(frozen=True, eq=False)
class Breakdown:
    """The columns, or expressions of columns, by which a measure is broken down, bound to a store.

    `types` has the names of the groups' columns with their types; text is String.
    """

    by: tuple[pl.Expr, ...]
    types: dict[str, pl.DataType]

    @classmethod
    def of(cls, paths: Paths, by: By, reserved: Sequence[str]) -> Breakdown:
        """The breakdown; raises `DefinitionError` for an unknown column, or one called like those `reserved`."""
        given = [by] if isinstance(by, str | pl.Expr) else list(by)
        items = tuple(pl.col(item) if isinstance(item, str) else item for item in given)
        roots = [name for item in items for name in item.meta.root_names()]
        paths.require(*roots)
        frame = pl.DataFrame(schema={name: paths.schema[name] for name in roots})
        types = dict(as_text(frame.select(items)).schema) if items else {}
        if clashing := [name for name in types if name in reserved]:
            raise DefinitionError(f"Column {clashing[0]!r} cannot be a breakdown.", do="rename it")
        return cls(items, types)

    @property
    def names(self) -> list[str]:
        """The names of the groups' columns."""
        return list(self.types)

    @property
    def columns(self) -> list[str]:
        """The stored columns that are read."""
        return list(dict.fromkeys(name for item in self.by for name in item.meta.root_names()))

    def at(self, part: Part, words: Dictionaries, rows: Indices) -> pl.DataFrame:
        """The groups of rows of a part."""
        if not self.by:
            return pl.DataFrame(height=len(rows))
        seen = decoded(part, self.columns, words)[pl.Series(rows, dtype=pl.Int64)]
        return as_text(seen.select(self.by))

    def keyed(self, part: Part, words: Dictionaries, rows: Indices) -> list[pl.DataFrame]:
        """The keys of rows of a part in the total, and where there is a breakdown again those in their groups.

        For counts of distinct customers, who may be in several groups: those of the total are no sum of the groups.
        """
        groups = self.at(part, words, rows)
        missing = [pl.lit(None, dtype).alias(name) for name, dtype in self.types.items()]
        whole = groups.with_columns(*missing, pl.lit(True).alias(IS_TOTAL))
        return [whole, *([groups.with_columns(pl.lit(False).alias(IS_TOTAL))] if self.by else [])]

    @property
    def keys(self) -> dict[str, Any]:
        """The columns of `keyed`, with their types."""
        return {**self.types, IS_TOTAL: pl.Boolean}

    def total_and_groups(self, merged: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
        """The sums of all groups, where the breakdown is null, and then those of each group, if there are any.

        For counts of what is in one group alone; `keyed` is for customers who may be in several.
        """
        sums = [name for name in merged.columns if name not in (*self.names, *keys)]
        whole = merged.group_by(keys, maintain_order=True).agg(pl.col(sums).sum())
        nothing = [pl.lit(None, dtype).alias(name) for name, dtype in self.types.items()]
        tables = [whole.with_columns(*nothing, pl.lit(True).alias(IS_TOTAL))]
        if self.names:
            tables.append(merged.with_columns(pl.lit(False).alias(IS_TOTAL)))
        return pl.concat(each.select(*self.names, IS_TOTAL, *keys, *sums) for each in tables)
