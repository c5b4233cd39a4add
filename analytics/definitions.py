"""What can be asked of paths: frozen, checked definitions. Their words are those of the documentation of each measure.

A definition that cannot be meant (a window without a unit, a funnel without steps) is refused when it is made, with a
`DefinitionError` that says what was expected.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, TypeVar

import polars as pl

from expectations.errors import DefinitionError

UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}

ORDERS: Final = ("ordered", "strict", "unordered")
MATURITIES: Final = ("mature", "clip")
TIES: Final = ("favourable", "adverse", "sequence")
FIRST_TIMES: Final = ("any", "matching")
EFFECTS: Final = ("end_attempt", "drop_customer")
ANY: Final = "*"
MOST_STEPS: Final = 60

Order = Literal["ordered", "strict", "unordered"]
Maturity = Literal["mature", "clip"]
Ties = Literal["favourable", "adverse", "sequence"]
FirstTime = Literal["any", "matching"]
Effect = Literal["end_attempt", "drop_customer"]
T = TypeVar("T")
Words = str | Sequence[str]


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


def one_of(what: str, value: T, allowed: Iterable[str]) -> T:
    """The value, when it is one of the allowed words; else `DefinitionError`."""
    words = list(allowed)
    if value not in words:
        raise DefinitionError(
            f"Unknown {what} {value!r}.", expected=f"one of {', '.join(words)}", do=nearest(str(value), words)
        )
    return value


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


@dataclass(frozen=True, eq=False, init=False)
class Funnel:
    """Steps and the rules under which customers pass them.

    >>> Funnel(["visit", "cart", "pay"], window="7d").window
    datetime.timedelta(days=7)
    """

    steps: tuple[Step, ...]
    window: timedelta
    order: Order
    by: tuple[str, ...]
    exclude: tuple[Exclude, ...]
    exclude_effect: Effect
    maturity: Maturity
    ties: Ties
    start: datetime | None
    end: datetime | None
    universe: pl.Expr | None

    def __init__(
        self,
        steps: Sequence[str | Step | list[str]],
        window: str | timedelta = "30d",
        *,
        order: Order = "ordered",
        by: str | Sequence[str] = (),
        exclude: str | Exclude | Sequence[str | Exclude] = (),
        exclude_effect: Effect = "end_attempt",
        maturity: Maturity = "mature",
        ties: Ties = "favourable",
        start: datetime | None = None,
        end: datetime | None = None,
        universe: pl.Expr | None = None,
    ) -> None:
        excludes = [exclude] if isinstance(exclude, str | Exclude) else exclude
        fill(
            self,
            steps=tuple(step if isinstance(step, Step) else Step(step) for step in steps),
            window=duration(window),
            order=one_of("order", order, ORDERS),
            by=(by,) if isinstance(by, str) else tuple(by),
            exclude=tuple(e if isinstance(e, Exclude) else Exclude(e) for e in excludes),
            exclude_effect=one_of("exclude_effect", exclude_effect, EFFECTS),
            maturity=one_of("maturity", maturity, MATURITIES),
            ties=one_of("ties", ties, TIES),
            start=as_utc(start),
            end=as_utc(end),
            universe=universe,
        )
        _check_steps(self.steps, self.exclude)

    def previous(self, step: int) -> int:
        """The step that a step is compared with: the nearest before it that is not optional (1 for the first)."""
        return next((k for k in range(step - 1, 0, -1) if not self.steps[k - 1].optional), 1)


def fill(frozen: object, **values: Any) -> None:
    """Set the fields of a frozen definition while it is made."""
    for name, value in values.items():
        object.__setattr__(frozen, name, value)


def _check_steps(steps: tuple[Step, ...], excludes: tuple[Exclude, ...]) -> None:
    if not steps:
        raise DefinitionError("A funnel has no steps.", expected="at least one step")
    if len(steps) + len(excludes) > MOST_STEPS:
        raise DefinitionError("A funnel has too many steps.", expected=f"at most {MOST_STEPS} steps and exclusions")
    if steps[0].optional:
        raise DefinitionError("The first step of a funnel cannot be optional.", where=f"step 1, {steps[0].name}")
    for e in excludes:
        before = e.ends_before(len(steps))
        if not 1 <= e.after < before <= len(steps):
            raise DefinitionError(
                "An exclusion must lie between two steps of the funnel.",
                where=f"exclusion of {' or '.join(e.any_of)}",
                expected=f"1 <= after < before <= {len(steps)}",
                found=f"after {e.after}, before {before}",
            )
