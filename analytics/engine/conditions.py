"""The conditions that a question names: steps and exclusions, with the checks of their values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal, TypeVar

import polars as pl

from expectations.config.durations import duration
from expectations.errors import DefinitionError, nearest

FIRST_TIMES: Final = ("any", "matching")


ANY: Final = "*"


STAGE_PREFIX: Final = "stage:"
"""How a stage is written where touchpoints are named."""


FirstTime = Literal["any", "matching"]


_T = TypeVar("_T")


Words = str | Sequence[str]


def one_of(what: str, value: _T, allowed: Iterable[str]) -> _T:
    """The value, when it is one of the allowed words; else `DefinitionError`."""
    words = list(allowed)
    if value not in words:
        raise DefinitionError(
            f"Unknown {what} {value!r}.", expected=f"one of {', '.join(words)}", do=nearest(str(value), words)
        )
    return value


def several(what: str, value: Words) -> tuple[str, ...]:
    """One word or several as a tuple; raises `DefinitionError` when there is none."""
    words = tuple(value) if isinstance(value, Iterable) and not isinstance(value, str) else (value,)
    if not words:
        raise DefinitionError(f"{what} names nothing.", expected="at least one value")
    return words


@dataclass(frozen=True, eq=False, init=False)
class Step:
    """One step of a funnel: a touch whose `on` is any of these values, and that meets the condition `where`.

    `any_of` is one value or several; `"*"` is any touch. `on` is `touchpoint`, `stage`, `event_name` or any column.
    `within` is the longest wait after the step before. An `optional` step may be skipped. A `first_time` step is the
    customer's first such touch ever: with `"any"` the first of these values, which must then meet `where`; with
    `"matching"` the first that meets it.

    >>> Step(["buy", "renew"], where=pl.col("value") > 0).name
    'buy or renew'
    """

    any_of: tuple[str, ...]
    where: pl.Expr | None
    on: str
    name: str
    optional: bool
    within: timedelta | None
    first_time: FirstTime | None

    def __init__(
        self,
        any_of: Words,
        where: pl.Expr | None = None,
        *,
        on: str = "touchpoint",
        name: str = "",
        optional: bool = False,
        within: str | timedelta | None = None,
        first_time: FirstTime | None = None,
    ) -> None:
        values = several("A step", any_of)
        fill(
            self,
            any_of=values,
            where=where,
            on=on,
            name=name or " or ".join(map(str, values)),
            optional=optional,
            within=None if within is None else duration(within),
            first_time=None if first_time is None else one_of("first_time", first_time, FIRST_TIMES),
        )


@dataclass(frozen=True, eq=False, init=False)
class Exclude:
    """Touches that break a chain when they fall strictly between step `after` and step `before` (1-based).

    `before` is the last step when it is not given.

    >>> Exclude("refund", after=1, before=2).any_of
    ('refund',)
    """

    any_of: tuple[str, ...]
    where: pl.Expr | None
    on: str
    after: int
    before: int | None

    def __init__(
        self,
        any_of: Words,
        where: pl.Expr | None = None,
        *,
        on: str = "touchpoint",
        after: int = 1,
        before: int | None = None,
    ) -> None:
        fill(self, any_of=several("An exclusion", any_of), where=where, on=on, after=after, before=before)

    def ends_before(self, steps: int) -> int:
        """The step that closes the exclusion, in a funnel of so many steps."""
        return steps if self.before is None else self.before


def fill(frozen: object, **values: Any) -> None:
    """Set the fields of a frozen definition while it is made."""
    for name, value in values.items():
        object.__setattr__(frozen, name, value)
