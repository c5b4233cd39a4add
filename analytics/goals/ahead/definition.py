"""What is predicted: the goal, the horizons, and the cutoffs at which the model learns and is tested."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, Self

from pydantic import Field, model_validator

from analytics.engine.goals import Goal, GoalWords, as_goal
from expectations.config.durations import Duration, duration
from expectations.config.file import Section
from expectations.errors import DefinitionError

HORIZONS: Final = tuple(timedelta(days=days) for days in (1, 3, 7, 14))
LOOKBACK: Final = timedelta(days=30)
CUTOFFS: Final = 8
EVERY: Final = timedelta(days=7)
MAX_HORIZONS: Final = 12
DAY: Final = timedelta(days=1)


@dataclass(frozen=True)
class Prediction:
    """A prediction of a goal, within each of several `horizons` after a cutoff.

    `goal` is a goal by name or its touchpoints. Features look back `lookback` from a cutoff. The model learns and is
    tested at `cutoffs` cutoffs, each `every` after the one before. Columns in `never` are no features. With `first`
    only the first goal of a customer is predicted, and who has reached it is not at risk. Durations are text with a
    unit, or timedeltas. Raises `DefinitionError` for horizons that do not rise, more than 12 of them, lengths of 0, and
    fewer than two cutoffs.

    >>> Prediction("Order placed", horizons=("7d", "14d")).days
    (7.0, 14.0)
    """

    goal: GoalWords
    horizons: Sequence[str | timedelta] = HORIZONS
    lookback: str | timedelta = LOOKBACK
    cutoffs: int = CUTOFFS
    every: str | timedelta = EVERY
    never: Sequence[str] = ()
    first: bool = False
    named: Goal = field(init=False, compare=False)
    lengths: tuple[timedelta, ...] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        lengths = tuple(duration(each) for each in self.horizons)
        if (
            not lengths
            or len(lengths) > MAX_HORIZONS
            or any(one >= other for one, other in pairwise((DAY * 0, *lengths)))
        ):
            raise DefinitionError(
                "Horizons rise.", expected=f"1 to {MAX_HORIZONS} of them, such as 1d, 7d", found=_texts(lengths)
            )
        lookback, every = duration(self.lookback), duration(self.every)
        if min(lookback, every) <= timedelta(0):
            raise DefinitionError("A prediction looks back, and its cutoffs lie apart.", expected="lengths above 0")
        if self.cutoffs < 2:
            raise DefinitionError(
                "A model learns at one cutoff and is tested at another.", expected="2 cutoffs or more"
            )
        for name, value in {
            "named": as_goal(self.goal),
            "lengths": lengths,
            "lookback": lookback,
            "every": every,
            "never": tuple(self.never),
        }.items():
            object.__setattr__(self, name, value)

    @property
    def longest(self) -> timedelta:
        """The longest horizon."""
        return self.lengths[-1]

    @property
    def days(self) -> tuple[float, ...]:
        """The horizons in days."""
        return tuple(length / DAY for length in self.lengths)

    @property
    def back(self) -> timedelta:
        """How far features look back."""
        return duration(self.lookback)

    @property
    def apart(self) -> timedelta:
        """How far cutoffs lie apart."""
        return duration(self.every)


@dataclass(frozen=True)
class Cutoffs:
    """The cutoffs at which a model learns, and the one at which it is tested.

    The test's longest horizon is over. Every other one is over before the test begins: the cutoffs between, whose
    horizon reaches into the test's time, are left out (the embargo).
    """

    learned: tuple[datetime, ...]
    tested: datetime

    @classmethod
    def of(cls, definition: Prediction, first: datetime, end: datetime, arrived: datetime) -> Self:
        """The cutoffs of data from `first` to `end`, all of which had arrived up to `arrived`.

        They lie on whole multiples of `every` since Monday, 5 January 1970, so that they stay the same as data come.
        Raises `DefinitionError` for data shorter than the lookback and two of the longest horizons, and where no
        cutoff is left to learn at.
        """
        needed = definition.back + 2 * definition.longest
        if end - first < needed:
            raise DefinitionError(
                "The data are too short to predict from.",
                expected=f"{needed / DAY:g} days: the lookback and two of the longest horizons",
                found=f"{(end - first) / DAY:.1f} days",
                do=f"it will do from {first + needed:%d %B %Y} on; or predict within shorter horizons",
            )
        zero = datetime(1970, 1, 5, tzinfo=first.tzinfo)
        steps = (min(end, arrived) - definition.longest - zero) // definition.apart
        every = [zero + (steps - back) * definition.apart for back in range(definition.cutoffs)]
        tested = every[0]
        learned = [
            at for at in reversed(every) if at + definition.longest <= tested and at >= first + definition.longest
        ]
        if not learned:
            raise DefinitionError(
                "No cutoff is over before the test begins.",
                expected=f"cutoffs up to {definition.longest / DAY:g} days before {tested:%d %B %Y}",
                found=f"events from {first:%d %B %Y} to {end:%d %B %Y}, those up to {arrived:%d %B %Y} arrived in time",
                do="ask for more cutoffs, or closer ones, or predict within shorter horizons; events of files arrive "
                "when they are loaded, and of what is loaded afterwards nothing was known before",
            )
        return cls(tuple(learned), tested)


class PredictionSettings(Section):
    """`[prediction]`: what is predicted."""

    goal: str | None = Field(None, description="the name of a goal; by default the one that ends a journey")
    horizons: tuple[Duration, ...] = Field(
        default=HORIZONS, description="times after now within which the goal is predicted, rising"
    )
    lookback: Duration = Field(default=LOOKBACK, description="how far features look back")
    cutoffs: int = Field(CUTOFFS, ge=2, le=100, description="times in the past at which the model learns and is tested")
    every: Duration = Field(default=EVERY, description="time between two of them")
    never: tuple[str, ...] = Field((), description="columns that are no features")
    first: bool = Field(False, description="only the first goal of a customer")

    @model_validator(mode="after")
    def _predicts(self) -> Self:
        try:
            self.definition(Goal.model_construct(name="goal", steps=("goal",)))
        except DefinitionError as error:
            raise ValueError(f"{error.what} Expected {error.expected}.") from None
        return self

    def definition(self, goal: Goal) -> Prediction:
        """The prediction of a goal."""
        return Prediction(goal, self.horizons, self.lookback, self.cutoffs, self.every, self.never, self.first)


def _texts(lengths: Sequence[timedelta]) -> str:
    return ", ".join(f"{length / DAY:g} days" for length in lengths) or "none"
