"""Named experiments in journeys.toml."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, tzinfo

from pydantic import Field, model_validator

from analytics.engine.conditions import Step
from analytics.engine.goals import Goal
from analytics.funnels.saved import check_step_words
from analytics.funnels.step_text import step_of
from analytics.goals.experiments.definition import Better, Counted, Experiment, Metric
from analytics.statistics.experiments import PLANNED_CUSTOMERS
from analytics.store.paths import Paths
from expectations.config.durations import Duration, parse_duration
from expectations.config.file import Section
from expectations.errors import DefinitionError


class SavedMetric(Section):
    """One of the `metrics` of an experiment: a goal of journeys.toml or a step, and what is counted of it."""

    goal: str = Field(min_length=1, description="a goal of [[goals]], or a step as typed")
    of: Counted = Field(default="share", description="what is counted of it")
    better: Better = Field(default="more", description="which direction is better")
    name: str = Field(default="", description="what the metric is called; by default the goal")


class NamedExperiment(Section):
    """One `[[experiments]]`: an experiment with a name.

    `assignment` and the `metrics` are steps as typed (`step_of`); a metric may also be the name of a goal.
    """

    name: str = Field(min_length=1, description="what the experiment is called")
    assignment: str = Field(min_length=1, description="the step at which a customer meets a variant")
    metrics: tuple[str | SavedMetric, ...] = Field(min_length=1, description="goals or steps, or tables of these")
    variant: str = Field(
        default="variant", description="the text column of the assignment that says which variant it was"
    )
    control: str = Field(default="A", description="the variant that others are compared with")
    planned: dict[str, float] | None = Field(default=None, description="the planned share of each variant")
    window: Duration = Field(
        default=parse_duration("14d"), description="time after the exposure in which a metric counts"
    )
    before: Duration = Field(
        default=parse_duration("30d"), description="time before it that is used to narrow intervals"
    )
    start: datetime | date | None = Field(default=None, description="only customers exposed from this day or time")
    end: datetime | date | None = Field(default=None, description="only customers exposed before this day or time")
    expected: int = Field(default=PLANNED_CUSTOMERS, ge=1, description="customers that are planned to take part")

    @model_validator(mode="after")
    def _compares(self) -> NamedExperiment:
        try:
            self.definition({}, UTC)
        except DefinitionError as error:
            facts = (error.what, error.expected and f"Expected {error.expected}.", error.do)
            raise ValueError(" ".join(fact for fact in facts if fact)) from None
        return self

    def definition(self, goals: Mapping[str, Goal], zone: tzinfo) -> Experiment:
        """The experiment, with the goals of these names, and times without a zone in `zone`."""
        given = [SavedMetric(goal=each) if isinstance(each, str) else each for each in self.metrics]
        return Experiment(
            self.name,
            step_of(self.assignment),
            metrics=[
                Metric(goals.get(each.goal) or step_of(each.goal), of=each.of, better=each.better, name=each.name)
                for each in given
            ],
            variant=self.variant,
            control=self.control,
            planned=self.planned,
            window=self.window,
            before=self.before,
            start=_at(self.start, zone),
            end=_at(self.end, zone),
            expected=self.expected,
        )


def _at(given: datetime | date | None, zone: tzinfo) -> datetime | None:
    """A time, or the beginning of a day."""
    if given is None:
        return None
    at = given if isinstance(given, datetime) else datetime.combine(given, time())
    return at if at.tzinfo else at.replace(tzinfo=zone)


def check_experiment(paths: Paths, definition: Experiment, *, has_begun: bool = True) -> Experiment:
    """The experiment, when every word of its steps is a word of the data, and its variant a column once it `has_begun`.

    Raises `DefinitionError` with the nearest word for one that is not. Goals by name are not checked: nobody may have
    reached one yet.
    """
    if has_begun:
        paths.require(definition.variant)
    check_step_words(
        paths, (definition.assignment, *(each.goal for each in definition.metrics if isinstance(each.goal, Step)))
    )
    return definition
