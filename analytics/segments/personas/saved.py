"""`[personas]` in journeys.toml: how personas are found or defined, and what people call them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final, Literal, Self

from pydantic import Field, create_model, model_validator

from analytics.segments.named.segment import Segment
from analytics.segments.personas.features import DEFAULT, FAMILIES
from analytics.segments.personas.fitted import PersonaFit
from analytics.segments.personas.observation import LEAST, OBSERVATION, Observation
from analytics.segments.personas.rules import PersonaRule, PersonaRules, TouchShare
from expectations.config.durations import Duration
from expectations.config.file import Section
from expectations.errors import DefinitionError, nearest

Values = list[str | int | float | bool]
FIT: Final = "fit"
"""The word of the command that makes a fit: no persona is called so."""
_From: type[Section] = create_model(  # `from` is no name of Python
    "_From",
    __base__=Section,
    **{"from": (Literal["clusters", "rules"] | None, Field(None, description="where personas come from"))},
)  # type: ignore[call-overload]
_IS: Final = Field(None, description="the values of the column of `share`")
_Is: type[Section] = create_model("_Is", __base__=Section, **{"is": (Values | None, _IS)})  # type: ignore[call-overload]


class NamedPersona(Section):
    """What people call a persona of a fit, by its `id`, and what they write of it."""

    id: str = Field(min_length=1, description="the persona as the fit names it")
    name: str = Field(default="", description="what people call it")
    text: str = Field(default="", description="what they write of it")


class SavedPersonaRule(_Is):
    """A persona by rule: a `segment`, or a share of touches (`share`, `is`, `at_least`), or everybody else."""

    name: str = Field(min_length=1, description="what the persona is called")
    segment: str | None = Field(default=None, description="a segment of [[segments]]")
    share: str | None = Field(None, description="a column of touches; with `is` and `at_least`")
    at_least: float | None = Field(default=None, description="the least share of touches")

    @model_validator(mode="after")
    def _means_one_thing(self) -> Self:
        if self.segment is not None and self.share is not None:
            raise ValueError("a rule is a segment or a share of touches; found both")
        values = getattr(self, "is")
        if self.share is None and (values is not None or self.at_least is not None):
            raise ValueError("is and at_least belong to a share of touches")
        if self.share is not None:
            if values is None or self.at_least is None:
                raise ValueError("a share of touches needs is and at_least")
            try:
                TouchShare(self.share, *values, at_least=self.at_least)
            except DefinitionError as error:
                raise ValueError(f"{error.what} Expected {error.expected}.") from None
        return self

    def rule(self, segments: Mapping[str, Segment]) -> PersonaRule:
        """The rule, with its segment looked up. Raises `DefinitionError` for a segment that is not there."""
        if self.share is not None and self.at_least is not None:
            return PersonaRule(self.name, TouchShare(self.share, *getattr(self, "is"), at_least=self.at_least))
        if self.segment is None:
            return PersonaRule(self.name)
        if self.segment not in segments:
            raise DefinitionError(
                f"Persona {self.name!r} names a segment that is not there: {self.segment!r}.",
                expected=f"one of {', '.join(segments)}" if segments else "a segment of [[segments]]",
                do=nearest(self.segment, segments),
            )
        return PersonaRule(self.name, segments[self.segment])


class PersonaSettings(_From):
    """`[personas]`: by clusters of real paths (the default), or by rules where `rules` are written."""

    observation: Duration = Field(
        default=OBSERVATION, description="time from the first touch in which a customer is observed"
    )
    least: int = Field(LEAST, ge=1, description="touches in the observation that place a customer")
    features: tuple[str, ...] = Field(DEFAULT, description=f"some of {', '.join(FAMILIES)}")
    never: tuple[str, ...] = Field((), description="refused as features, also when named by mistake")
    profile: tuple[str, ...] | None = Field(None, description="columns that describe personas; by default attributes")
    named: tuple[NamedPersona, ...] = Field(default=(), description="names of personas that were found")
    rules: tuple[SavedPersonaRule, ...] = Field(
        default=(), description="personas by rule, in order: the first that fits"
    )

    @model_validator(mode="after")
    def _are_of_one_kind(self) -> Self:
        if self.observation <= timedelta(0):
            raise ValueError("customers are observed for some time: observation is above 0")
        if self.by_rules and not self.rules:
            raise ValueError('from = "rules" needs [[personas.rules]]')
        if not self.by_rules and self.rules:
            raise ValueError('[[personas.rules]] are for from = "rules": portfolios are not mixed')
        ids = [one.id for one in self.named]
        if twice := sorted({own for own in ids if ids.count(own) > 1}):
            raise ValueError(f"two of [[personas.named]] have the id {twice[0]!r}")
        if FIT in [*(one.name for one in self.named), *(rule.name for rule in self.rules)]:
            raise ValueError(f"a persona cannot be called {FIT!r}: it is a word of the command")
        if unknown := [name for name in self.features if name not in FAMILIES]:
            raise ValueError(f"features are some of {', '.join(FAMILIES)}; found {unknown[0]}")
        if refused := [name for name in self.features if name in self.never]:
            raise ValueError(f"{refused[0]} is among features and among never")
        return self

    @property
    def by_rules(self) -> bool:
        """Whether personas are defined by rules."""
        return (getattr(self, "from") or ("rules" if self.rules else "clusters")) == "rules"

    @property
    def texts(self) -> dict[str, str]:
        """What people wrote, by the id of the persona."""
        return {one.id: one.text for one in self.named if one.text.strip()}

    def observed(self, left_out: Sequence[str]) -> Observation:
        """The observation, without the touches `left_out`."""
        return Observation(self.observation, self.least, tuple(dict.fromkeys(left_out)))

    def portfolio(
        self, observation: Observation, segments: Mapping[str, Segment], fit: PersonaFit | None
    ) -> PersonaRules | PersonaFit | None:
        """The personas by rules, or the fit with the names that people gave; None where there is no fit."""
        if self.by_rules:
            return PersonaRules([rule.rule(segments) for rule in self.rules], observation)
        return None if fit is None else fit.renamed({one.id: one.name for one in self.named if one.name.strip()})
