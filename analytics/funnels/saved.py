"""Named funnels in journeys.toml, and steps as an analyst types them.

A step is a touchpoint, or `stage:NAME`, or several of these joined by ` | `. A word that no touch has raises
`DefinitionError` with the nearest words of the data: a misspelt step looks like a step at which every customer is lost.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field

from analytics.engine.conditions import STAGE_PREFIX, Step
from analytics.engine.notices.unknown_words import unknown_steps
from analytics.funnels.definition import Funnel, Maturity, Order, Ties
from analytics.store.paths import Paths
from expectations.config.durations import duration
from expectations.config.file import Section
from expectations.errors import DefinitionError


def _length(value: object) -> timedelta:
    try:
        return duration(value)  # type: ignore[arg-type]
    except DefinitionError as error:
        raise ValueError(f"{error.what} Expected {error.expected}.") from None


class NamedFunnel(Section):
    """One `[[funnels]]`: a funnel with a name."""

    name: str = Field(min_length=1)
    steps: list[str] = Field(min_length=1)
    window: Annotated[timedelta, BeforeValidator(_length)] = timedelta(days=30)
    order: Order = "ordered"
    by: tuple[str, ...] = ()
    maturity: Maturity = "mature"
    exclude: tuple[str, ...] = ()
    same: tuple[str, ...] = ()
    count: str = "customers"
    ties: Ties = "favourable"
    attribution: str = "at_entry"
    value: str | None = None


def step_of(text: str) -> Step:
    """Parses a step as typed.

    >>> step_of("stage:Desire").on, step_of("Cart | Basket").any_of
    ('stage', ('Cart', 'Basket'))
    """
    words = [word.strip() for word in text.split(" | ")]
    stages = [word.removeprefix(STAGE_PREFIX) for word in words if word.startswith(STAGE_PREFIX)]
    if stages and len(stages) < len(words):
        raise DefinitionError("A step is of touchpoints or of stages, not of both.", found=text)
    return Step(stages, on="stage") if stages else Step(words)


def check_words(paths: Paths, definition: Funnel) -> Funnel:
    """The funnel, when every word of its steps and exclusions is a word of the data.

    Raises `DefinitionError` with the nearest words, or the first ones when none is near, for one that is not; and when
    there are no touches at all.
    """
    for unknown in unknown_steps(paths.require_touches(), (*definition.steps, *definition.exclude)):
        offered = ", ".join(unknown.offered)
        raise DefinitionError(
            f"No touch has the {unknown.column} {unknown.word!r}.",
            expected=f"a {unknown.column} of the data" + (", such as " if unknown.near else ": ") + offered,
            do="spell it as the data do" if unknown.near else "`journeys paths` shows what customers touch",
        )
    return definition
