"""Named funnels in journeys.toml, and the check of their words.

A word that no touch has raises `DefinitionError` with the nearest words of the data: a misspelt step looks like a step
at which every customer is lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from analytics.engine.conditions import Exclude, Step
from analytics.engine.notices.unknown_words import unknown_steps
from analytics.funnels.definition import Funnel, Maturity, Order, Ties
from analytics.store.paths import Paths
from expectations.config.durations import duration
from expectations.config.file import Owned
from expectations.errors import DefinitionError


def _length(value: object) -> timedelta:
    try:
        return duration(value)  # type: ignore[arg-type]
    except DefinitionError as error:
        raise ValueError(f"{error.what} Expected {error.expected}.") from None


class NamedFunnel(Owned):
    """One `[[funnels]]`: a funnel with a name.

    `segment` names the segments of which an entrant is a member; `start` and `end` limit the entries, in the zone of
    the report where they name none.
    """

    name: str = Field(min_length=1, description="what the funnel is called")
    steps: list[str] = Field(
        min_length=1, description="steps as typed: touchpoints, stage:NAME, with conditions in brackets"
    )
    window: Annotated[timedelta, BeforeValidator(_length)] = Field(
        default=timedelta(days=30), description="longest time from the first step to the last"
    )
    order: Order = Field(default="ordered", description="how steps are matched")
    by: tuple[str, ...] = Field(default=(), description="columns to break down by")
    maturity: Maturity = Field(default="mature", description="how those still inside the window count")
    exclude: tuple[str, ...] = Field(
        default=(), description="touchpoints that end an attempt when they lie between steps"
    )
    same: tuple[str, ...] = Field(default=(), description="columns that must be equal at all steps")
    count: str = Field(
        default="customers",
        description="what is counted: customers, sessions, journeys, entries, or the values of a column",
    )
    ties: Ties = Field(default="favourable", description="order of touches at the same time")
    attribution: str = Field(
        default="at_entry",
        description="which touch the value of a breakdown comes from: at_entry, first, last, 'step 2', every",
    )
    value: str | None = Field(default=None, description="a numeric column to add up at each step")
    profile: str | None = Field(default=None, description="count by the rules of another tool, such as posthog")
    segment: tuple[str, ...] = Field(default=(), description="segments of which an entrant is a member")
    start: datetime | None = Field(default=None, description="only entries from this day or time")
    end: datetime | None = Field(default=None, description="only entries before this day or time")

    @property
    def rules(self) -> dict[str, Any]:
        """The options of the question beside its steps: the arguments of `Funnel`, and `segment`."""
        return self.model_dump(exclude={"name", "steps", "profile", *Owned.model_fields})


def check_words(paths: Paths, definition: Funnel) -> Funnel:
    """The funnel, when every word of its steps and exclusions is a word of the data.

    Raises `DefinitionError` with the nearest words, or the first ones when none is near, for one that is not; and when
    there are no touches at all.
    """
    check_step_words(paths, (*definition.steps, *definition.exclude))
    return definition


def check_step_words(paths: Paths, steps: Iterable[Step | Exclude]) -> None:
    """Raises `DefinitionError` as `check_words` does, for the words of steps and exclusions."""
    for unknown in unknown_steps(paths.require_touches(), steps):
        offered = ", ".join(unknown.offered)
        raise DefinitionError(
            f"No touch has the {unknown.column} {unknown.word!r}.",
            expected=f"a {unknown.column} of the data" + (", such as " if unknown.near else ": ") + offered,
            do="spell it as the data do" if unknown.near else "`journeys paths` shows what customers touch",
        )
