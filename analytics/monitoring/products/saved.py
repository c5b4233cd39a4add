"""`[[journeys]]` of journeys.toml: journeys as products, as they are written there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Literal

from pydantic import Field, create_model, model_validator

from analytics.engine.conditions import Step
from analytics.engine.goals import Goal
from analytics.funnels.saved import check_step_words
from analytics.monitoring.products.definition import JourneyNote, JourneyProduct, Target, TargetMeasure
from analytics.paths.designed.design import DesignStep
from analytics.segments.named.segment import Segment
from analytics.store.columns import STAGE
from analytics.store.paths import Paths
from expectations.config.file import Owned, Section
from expectations.errors import DefinitionError

CohortPeriod = Literal["day", "week", "week_sunday", "month"]
_ANYTHING = Goal.model_construct(name="goal", steps=("goal",))


class SavedTarget(Section):
    """One of `[[journeys.targets]]`: a measure, one direction with its value, by when, and the length of cohorts."""

    measure: TargetMeasure = Field(description="what is measured")
    at_least: float | str | None = Field(default=None, description="the target is met at this value or above")
    at_most: float | str | None = Field(default=None, description="the target is met at this value or below")
    by: date | None = Field(default=None, description="the day by which it should be met")
    period: CohortPeriod = Field(default="month", description="the length of cohorts")

    @model_validator(mode="after")
    def _is_a_target(self) -> SavedTarget:
        _checked(self.definition)
        return self

    def definition(self) -> Target:
        """The target."""
        return Target(self.measure, at_least=self.at_least, at_most=self.at_most, by=self.by, period=self.period)


class SavedChange(Section):
    """One of `[[journeys.changes]]`: what was changed in a journey, and on which day."""

    on: date = Field(description="the day of the change")
    what: str = Field(min_length=1, description="what was changed")


class SavedBegin(Section):
    """Where a journey begins: a stage or a touchpoint, one or several."""

    stage: str | tuple[str, ...] | None = Field(default=None, description="the stage, or stages, that it begins with")
    touchpoint: str | tuple[str, ...] | None = Field(
        default=None, description="the touchpoint, or touchpoints, that it begins with"
    )

    @model_validator(mode="after")
    def _is_one(self) -> SavedBegin:
        if (self.stage is None) == (self.touchpoint is None):
            raise ValueError("a journey begins with a stage or a touchpoint: one of both")
        if not (self.stage or self.touchpoint):
            raise ValueError("a journey begins with a stage or a touchpoint, which has a name")
        return self

    def step(self) -> Step:
        """The stage or touchpoint."""
        return Step(self.stage, on=STAGE) if self.stage is not None else Step(self.touchpoint or ())


class SavedStep(Section):
    """One step of a designed path that branches, may be skipped, or repeats."""

    step: str | tuple[str, ...] = Field(description="a touchpoint, or stage:NAME, or any of several")
    after: str | tuple[str, ...] | None = Field(
        default=None,
        description="earlier steps of which one comes just before; by default the one above it",
    )
    optional: bool = Field(default=False, description="may be skipped at no cost")
    repeats: bool = Field(default=False, description="may be done again at no cost")

    def definition(self) -> DesignStep:
        """The step."""
        return DesignStep(self.step, after=self.after, optional=self.optional, repeats=self.repeats)


_For: type[Section] = create_model(  # `for` is no name of Python
    "_For", __base__=Owned, **{"for": (str, Field("", description="whom it is for: a segment of [[segments]]"))}
)  # type: ignore[call-overload]


class NamedJourney(_For):
    """One `[[journeys]]`: a journey as a product, with an owner and targets.

    `goal` is the name of a goal, `for` that of a segment. `designed` are touchpoints, or stages written `stage:NAME`,
    or tables where the path branches.
    Raises pydantic's `ValidationError` for what `JourneyProduct` refuses.
    """

    name: str = Field(min_length=1, description="what the journey is called")
    version: int = Field(1, ge=1, description="raise it with every change of what the numbers mean")
    owner: str = Field(min_length=1, description="who is responsible")
    purpose: str = Field(default="", description="what it is for")
    begins: SavedBegin | None = Field(
        default=None, description="where it begins; by default where journeys of its goal do"
    )
    goal: str = Field(min_length=1, description="the name of a goal of [[goals]]")
    stages: tuple[str, ...] | None = Field(default=None, description="the stages that it goes through")
    designed: tuple[str | tuple[str, ...] | SavedStep, ...] = Field(
        default=(), description="touchpoints, or stage:NAME, in the order as designed; a table where the path branches"
    )
    by: tuple[str, ...] | None = Field(None, description="columns by which what moved is split")
    targets: tuple[SavedTarget, ...] = Field(min_length=1, description="what it should reach")
    changes: tuple[SavedChange, ...] = Field(default=(), description="what was changed in it, and when")

    @model_validator(mode="after")
    def _is_a_product(self) -> NamedJourney:
        _checked(lambda: self.definition({self.goal: _ANYTHING}, {}))
        return self

    @property
    def members(self) -> str:
        """The name of the segment that the journey is for; empty for everybody."""
        found: str = getattr(self, "for")
        return found

    def definition(self, goals: Mapping[str, Goal], segments: Mapping[str, Segment]) -> JourneyProduct:
        """The journey, with the goal and the segment of these names; without its segment where that is not there."""
        return JourneyProduct(
            self.name,
            owner=self.owner,
            goal=goals[self.goal],
            targets=[target.definition() for target in self.targets],
            version=self.version,
            purpose=self.purpose,
            members=segments.get(self.members),
            begins=None if self.begins is None else self.begins.step(),
            designed=[each.definition() if isinstance(each, SavedStep) else each for each in self.designed],
            stages=self.stages,
            notes=[JourneyNote(change.on, change.what) for change in self.changes],
        )


def check_product(paths: Paths, product: JourneyProduct) -> JourneyProduct:
    """The journey, when every word of where it begins and of its designed path is a word of the data.

    Raises `DefinitionError` with the nearest word for one that is not. Goals are not checked: nobody may have reached
    one yet; nor are stages by which the paths were made, which nobody may have touched.
    """
    known = set(paths.definition.stages) if paths.definition else set()
    named = [] if product.begins is None else [(product.begins.on, product.begins.any_of)]
    designed = () if product.designed is None else product.designed.steps
    for on, words in (*named, *((product.designed_on, step) for step in designed)):
        if unknown := [word for word in words if on != STAGE or word not in known]:
            check_step_words(paths, [Step(unknown, on=on)])
    return product


def _checked(make: Callable[[], object]) -> None:
    """Raises what a definition refuses as pydantic expects it."""
    try:
        make()
    except DefinitionError as error:
        facts = (error.what, error.expected and f"Expected {error.expected}.", error.found and f"Found {error.found}.")
        raise ValueError(" ".join(fact for fact in facts if fact)) from None
