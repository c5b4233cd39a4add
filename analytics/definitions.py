"""What can be asked of paths: frozen, checked definitions. Their words are those of the documentation of each measure.

A definition that cannot be meant (a window without a unit, a funnel without steps) is refused when it is made, with a
`DefinitionError` that says what was expected.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import polars as pl

from expectations.errors import DefinitionError

UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}

ORDERS: Final = ("ordered", "strict", "unordered")
MATURITIES: Final = ("mature", "clip")
TIES: Final = ("favourable", "adverse", "sequence")
ANY: Final = "*"
MOST_STEPS: Final = 60

Order = Literal["ordered", "strict", "unordered"]
Maturity = Literal["mature", "clip"]
Ties = Literal["favourable", "adverse", "sequence"]
Words = str | tuple[str, ...] | list[str]


def duration(text: str | timedelta) -> timedelta:
    """A length of time written with its unit: s, m (minutes), h, d or w. Several may follow each other.

    Raises `DefinitionError` for a number without a unit, an unknown unit, or a negative length.

    >>> duration("30m")
    datetime.timedelta(seconds=1800)
    >>> duration("1d 12h")
    datetime.timedelta(days=1, seconds=43200)
    """
    if isinstance(text, timedelta):
        length = text
    else:
        found = re.findall(r"(\d+(?:\.\d+)?)\s*([smhdw])", text) if isinstance(text, str) else []
        rest = re.sub(r"(\d+(?:\.\d+)?)\s*([smhdw])", "", text).strip() if isinstance(text, str) else "?"
        if not found or rest:
            raise DefinitionError(
                "This is not a length of time.", expected='a number with a unit: "30m", "7d"', found=repr(text)
            )
        length = timedelta(seconds=sum(float(number) * UNITS[unit] for number, unit in found))
    if length < timedelta(0):
        raise DefinitionError("A length of time cannot be negative.", found=str(length))
    return length


def nearest(word: str, words: Iterable[str]) -> str:
    """Advice that names the valid word nearest to a wrong one; empty when none is near.

    >>> nearest("divice", ["device", "region"])
    "did you mean 'device'?"
    """
    close = difflib.get_close_matches(word, list(words), n=1)
    return f"did you mean {close[0]!r}?" if close else ""


def one_of(what: str, value: str, allowed: Iterable[str]) -> None:
    """Raise `DefinitionError` unless `value` is one of the allowed words."""
    words = list(allowed)
    if value not in words:
        raise DefinitionError(
            f"Unknown {what} {value!r}.", expected=f"one of {', '.join(words)}", do=nearest(str(value), words)
        )


def as_utc(time: datetime | None) -> datetime | None:
    """A time in UTC; a time without a zone is taken as UTC."""
    if time is None or time.tzinfo is UTC:
        return time
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def several(what: str, given: Words) -> tuple[str, ...]:
    """One word or several as a tuple; refused when there is none."""
    words = (given,) if isinstance(given, str) else tuple(given)
    if not words:
        raise DefinitionError(f"{what} names nothing.", expected="at least one value")
    return words


@dataclass(frozen=True, eq=False)
class Step:
    """One step of a funnel: a touch whose `on` is any of these values, and that meets the condition `where`.

    `any_of` is one value or several; `"*"` is any touch. `on` is `touchpoint`, `stage`, `event_name` or any column.

    >>> Step(["buy", "renew"], where=pl.col("value") > 0).name
    'buy or renew'
    """

    any_of: Words
    where: pl.Expr | None = None
    on: str = "touchpoint"
    name: str = ""
    optional: bool = False

    def __post_init__(self) -> None:
        values = several("A step", self.any_of)
        object.__setattr__(self, "any_of", values)
        object.__setattr__(self, "name", self.name or " or ".join(map(str, values)))


@dataclass(frozen=True, eq=False)
class Exclude:
    """Touches that break a chain when they fall strictly between step `after` and step `before` (1-based).

    `before` is the last step when it is not given.

    >>> Exclude("refund", after=1, before=2).any_of
    ('refund',)
    """

    any_of: Words
    where: pl.Expr | None = None
    on: str = "touchpoint"
    after: int = 1
    before: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "any_of", several("An exclusion", self.any_of))


@dataclass(frozen=True, eq=False)
class Funnel:
    """Steps and the rules under which customers pass them.

    >>> Funnel(["visit", "cart", "pay"], window="7d").window
    datetime.timedelta(days=7)
    """

    steps: Sequence[str | Step]
    window: str | timedelta = "30d"
    order: Order = "ordered"
    by: Words = ()
    exclude: Words | Sequence[str | Exclude] = ()
    maturity: Maturity = "mature"
    ties: Ties = "favourable"
    start: datetime | None = None
    end: datetime | None = None
    universe: pl.Expr | None = None

    def __post_init__(self) -> None:
        steps = tuple(step if isinstance(step, Step) else Step(step) for step in self.steps)
        given = (self.exclude,) if isinstance(self.exclude, str) else self.exclude
        excludes = tuple(e if isinstance(e, Exclude) else Exclude(e) for e in given)
        values = {
            "steps": steps,
            "window": duration(self.window),
            "by": (self.by,) if isinstance(self.by, str) else tuple(self.by),
            "exclude": tuple(replace(e, before=e.before or len(steps)) for e in excludes),
            "start": as_utc(self.start),
            "end": as_utc(self.end),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        one_of("order", self.order, ORDERS)
        one_of("maturity", self.maturity, MATURITIES)
        one_of("ties", self.ties, TIES)
        _check_steps(steps, self.exclude)


def _check_steps(steps: tuple[Step, ...], excludes: Sequence[Any]) -> None:
    if not steps:
        raise DefinitionError("A funnel has no steps.", expected="at least one step")
    if len(steps) + len(excludes) > MOST_STEPS:
        raise DefinitionError("A funnel has too many steps.", expected=f"at most {MOST_STEPS} steps and exclusions")
    if steps[0].optional:
        raise DefinitionError("The first step of a funnel cannot be optional.", where=f"step 1, {steps[0].name}")
    for e in excludes:
        if not 1 <= e.after < e.before <= len(steps):
            raise DefinitionError(
                "An exclusion must lie between two steps of the funnel.",
                where=f"exclusion of {' or '.join(e.any_of)}",
                expected=f"1 <= after < before <= {len(steps)}",
                found=f"after {e.after}, before {e.before}",
            )
