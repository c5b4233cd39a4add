"""The contract of a measure: a frozen definition that counts each part, adds the counts up and turns them into numbers.

A measure is a class with the attributes of `Analysis` and a thin public function that builds one and runs it
(`analytics.engine.run.run`). Parts may be counted anywhere, in any order: on threads, in other processes, on a cluster.
The **partial** of a part is a small table of integers; equal keys add up (`analytics.engine.partials`). A customer lies
in one part, so that distinct customers add up, too.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol, Self, TypeVar

import polars as pl

from analytics.store.encoding import Dictionaries
from analytics.store.parts import Part


@dataclass(frozen=True)
class Cells:
    """The cells that `compare` compares: every cell is a count that is a share of a whole.

    `keys` are the columns that name a cell; `within` those of them that name its whole, none where all cells share one.
    """

    keys: tuple[str, ...]
    within: tuple[str, ...] = ()
    in_order: bool = False
    """Whether cells keep the order of their keys; by default the largest come first."""


@dataclass(frozen=True)
class CellRows:
    """What `compare` counts in a part, for a measure with one breakdown column.

    `cells` has one row per thing that counts in a cell: the breakdown, `person` (the number of the customer in the
    part), and `Cells.keys`; with a Boolean column `counts` also things that do not count. `wholes` has one per thing
    that is in a whole: the breakdown, `person`, `Cells.within`. `groups` are the values of the breakdown.
    """

    cells: pl.DataFrame
    wholes: pl.DataFrame
    groups: pl.Series


class Additive(Protocol):
    """Anything that is counted part by part, and adds up."""

    def partial(self, part: Part, words: Dictionaries) -> pl.DataFrame:
        """Counts one part; `words` are the dictionaries of the paths."""

    def merge(self, partials: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Adds up partials, in any order; without any, the counts of nothing."""


class Analysis(Additive, Protocol):
    """A measure, ready to count parts: frozen, picklable, without paths.

    `SCHEMA` has the columns of the answer, after those of the breakdown. `CELLS` are what `compare` compares; None
    where the answer has no shares. `columns` are read of a part. `BOUND` is the size that the partial of one part and
    group stays under, in bytes, compressed as it is sent, for up to 100 groups.
    """

    SCHEMA: ClassVar[pl.Schema]
    CELLS: ClassVar[Cells | None]
    BOUND: ClassVar[int]

    @property
    def columns(self) -> tuple[str, ...]:
        """The stored columns that `partial` reads."""

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The answer: columns of the breakdown, then those of `SCHEMA`."""

    def exactly(self, merged: pl.DataFrame) -> Self:
        """The same measure, keeping the exact waits that its quantiles need, as found by a first pass."""


SMALL: Final = 1 << 16
"""The usual `BOUND`: 64 kB."""
IS_TOTAL: Final = "is_total"
"""The column that marks the rows over all groups, which come first."""


def answer(**columns: Any) -> pl.Schema:
    """The columns of an answer after those of the breakdown: `is_total` and the columns given."""
    return pl.Schema({IS_TOTAL: pl.Boolean, **columns})


@dataclass(frozen=True)
class Measure:
    """A registered measure: its public function, and the class that it runs."""

    function: Callable[..., pl.DataFrame]
    analysis: type[Analysis]

    @property
    def name(self) -> str:
        """The name of the public function."""
        return self.function.__name__

    @property
    def keywords(self) -> tuple[str, ...]:
        """The names of the arguments of the public function, after the paths."""
        return tuple(inspect.signature(self.function).parameters)[1:]

    def bound(self, paths: Any, *arguments: Any, **options: Any) -> Any:
        """The analysis that the function runs for these arguments; for a measure with cells, which has `of`."""
        of: Callable[..., Any] = getattr(self.analysis, "of")  # noqa: B009
        return of(paths, **dict(zip(self.keywords, arguments, strict=False)), **options)


MEASURES: Final[dict[str, Measure]] = {}
"""All measures by the name of their function: `compare`, the schema, the docs and the tests go through these."""

ASKED: Final[dict[Callable[..., Any], Callable[..., Any]]] = {}
"""What binds the arguments of a public function, so that it can be asked together with others: the function's analysis,
or anything else that is `Additive` and has `finish`.
"""

_F = TypeVar("_F", bound=Callable[..., Any])


def measured_by(analysis: type[Any]) -> Callable[[_F], _F]:
    """Registers a public function as the face of an analysis; its reference page ends with the types of the answer."""

    def register(function: _F) -> _F:
        measure = Measure(function, analysis)
        MEASURES[measure.name] = measure
        ASKED[function] = measure.bound
        types = ", ".join(f"`{name}` {dtype}" for name, dtype in analysis.SCHEMA.items())
        function.__doc__ = f"{inspect.cleandoc(function.__doc__ or '')}\n\nTypes of the answer, after `by`: {types}.\n"
        return function

    return register


def measure_columns() -> pl.DataFrame:
    """The columns of the answers of all measures, after those of the breakdown.

    One row per measure and column: `measure` (the name of the function), `column`, `type` String; `compared` Boolean
    (whether `compare` takes the measure). Measures by name, columns in order.

    >>> from analytics import measure_columns
    >>> measure_columns().filter(measure="step_matrix")["column"].to_list()
    ['is_total', 'position', 'node', 'units', 'customers', 'share_of_units']
    """
    rows = [
        (name, column, str(dtype), MEASURES[name].analysis.CELLS is not None)
        for name in sorted(MEASURES)
        for column, dtype in MEASURES[name].analysis.SCHEMA.items()
    ]
    return pl.DataFrame(rows, schema=["measure", "column", "type", "compared"], orient="row")
