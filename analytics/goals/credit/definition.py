"""Defines how credit for a goal is shared: the goal, what earns, and by which models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Literal, get_args

import polars as pl

from analytics.engine.conditions import Step, Words, fill, one_of, several
from analytics.engine.goals import Goal, GoalWords
from analytics.engine.local.money import Money
from expectations.config.durations import duration
from expectations.errors import DefinitionError

Model = Literal["first", "last", "linear", "position", "time_decay", "participation", "shapley", "markov"]
MODELS: Final[tuple[Model, ...]] = get_args(Model)
MAX_ORDER: Final = 4
CLOSE: Final = 1e-9


@dataclass(frozen=True, eq=False, init=False)
class Attribution:
    """Shares each goal among the touches before it, by one model or several.

    `goal` is one touchpoint or several, a `Goal`, or a `Step` with a condition. Its **path** are the customer's touches
    after the goal before, at most `lookback` before the goal, that meet the condition `only` and have a value in the
    text column `on`. The goal's own touches are never touches of a path; `with_goal` adds the touch of the goal itself,
    `reset=False` lets a path reach past the goal before. Values that `ignore` names earn nothing where another value is
    on the path. With `top` all but the most common values are one, `other`.

    `models`: `first`, `last`; `linear` (all touches alike); `position` (`weights` of the first touch, of all in the
    middle together, of the last; two touches share in the ratio of first to last); `time_decay` (half as much for every
    `half_life` before the goal); `participation` (all of it to every value on the path, so that it adds up to more);
    `shapley` (the distinct values on the path alike); `markov` (by what would be lost without the value, in a chain
    that remembers the last `order` values, from paths with a goal and without; `nulls=False` takes only those with).
    `value` is a numeric column of the goal touch, or `Money`, that is shared like the goals.

    Raises `DefinitionError` for an unknown model, or none; weights that are not three, are below 0 or do not add up to
    1; a half-life, a lookback or an order out of range.

    >>> Attribution("pay", models="markov").lookback.days
    30
    """

    goal: GoalWords | Step
    on: str
    models: tuple[Model, ...]
    lookback: timedelta
    value: str | Money | None
    only: pl.Expr | None = field(repr=False)
    ignore: tuple[str, ...]
    half_life: timedelta
    weights: tuple[float, float, float]
    order: int
    reset: bool
    with_goal: bool
    nulls: bool
    top: int | None

    def __init__(
        self,
        goal: GoalWords | Step,
        *,
        on: str = "channel",
        models: Model | Sequence[Model] = ("last", "linear", "markov"),
        lookback: str | timedelta = "30d",
        value: str | Money | None = None,
        only: pl.Expr | None = None,
        ignore: Words = (),
        half_life: str | timedelta = "7d",
        weights: Sequence[float] = (0.4, 0.2, 0.4),
        order: int = 1,
        reset: bool = True,
        with_goal: bool = False,
        nulls: bool = True,
        top: int | None = None,
    ) -> None:
        chosen = [one_of("model", model, MODELS) for model in several("A list of models", models)]
        fill(
            self,
            goal=goal if isinstance(goal, Goal | Step) else several("A goal", goal),
            on=on,
            models=tuple(dict.fromkeys(chosen)),
            lookback=_positive("lookback", lookback),
            value=value,
            only=only,
            ignore=(ignore,) if isinstance(ignore, str) else tuple(ignore),
            half_life=_positive("half-life", half_life),
            weights=_checked(weights),
            order=order,
            reset=reset,
            with_goal=with_goal,
            nulls=nulls,
            top=top,
        )
        if not 1 <= order <= MAX_ORDER:
            raise DefinitionError(
                "A chain cannot remember so much.", expected=f"order 1 to {MAX_ORDER}", found=str(order)
            )
        if top is not None and top < 1:
            raise DefinitionError("There is nothing to name.", expected="top from 1", found=str(top))


def _positive(name: str, given: str | timedelta) -> timedelta:
    length = duration(given)
    if length <= timedelta():
        raise DefinitionError(f"The {name} is no time.", expected="a duration above 0, such as 7d", found=str(given))
    return length


def _checked(weights: Sequence[float]) -> tuple[float, float, float]:
    """Three weights that add up to 1."""
    expected = "three numbers from 0 that add up to 1: of the first touch, those in the middle, and the last"
    found = ", ".join(str(weight) for weight in weights)
    if len(weights) != 3 or not all(0 <= weight <= 1 for weight in weights) or abs(sum(weights) - 1) > CLOSE:
        raise DefinitionError("These weights share out no conversion.", expected=expected, found=found)
    first, middle, last = map(float, weights)
    return first, middle, last
