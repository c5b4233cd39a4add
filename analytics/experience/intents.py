"""What customers want in a session: intents by rules over its touchpoints, and the settings of moments."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from pydantic import Field, model_validator

from expectations.config.durations import Duration
from expectations.config.file import Section

UNCLEAR: Final = "unclear"
"""The intent of a session without a touchpoint of any."""
HANDHELD: Final = ("mobile", "tablet", "app")


class Intent(Section):
    """One of `[[moments.intents]]`: what customers want in a session with any of these touchpoints.

    A session was useful when it has any of the touchpoints `useful`, or the customer has one at most `within` after its
    first touch; or, with `unless`, when at most `within` (7 days) after its first touch neither one of those
    touchpoints nor another session of this intent follows it. Without either, it is not known. Raises pydantic's
    `ValidationError` for an intent without a name or touchpoints, with both rules, or called `unclear`.

    >>> Intent(name="go", touchpoints=["Store finder"], useful=["Store visited"], within="7d").within.days
    7
    """

    name: str = Field(min_length=1, description="what the intent is called")
    touchpoints: tuple[str, ...] = Field(min_length=1, description="a session with any of these has the intent")
    useful: tuple[str, ...] = Field(default=(), description="touchpoints that show that the session was useful")
    unless: tuple[str, ...] = Field(default=(), description="touchpoints that show that the need came back")
    within: Duration | None = Field(default=None, description="time that these have; for useful: that of the session")

    @model_validator(mode="after")
    def _says_one_thing(self) -> Intent:
        if self.name == UNCLEAR:
            raise ValueError(f"{UNCLEAR!r} are the sessions of no intent: name this one otherwise")
        if self.useful and self.unless:
            raise ValueError("an intent has useful or unless, not both")
        if self.within is not None and self.within <= timedelta():
            raise ValueError("within is longer than 0")
        return self


class MomentSettings(Section):
    """`[moments]`: the intents in their order, and what counts as a moment."""

    intents: tuple[Intent, ...] = Field(default=(), description="what customers want, in order: the first that fits")
    longest: Duration = Field(default=timedelta(minutes=3), description="how long a session is a moment")
    device: str = Field(default="device", description="the column of the device")
    handheld: tuple[str, ...] = Field(default=HANDHELD, description="its values that are held in a hand")
    entries: tuple[str, ...] = Field(default=(), description="touchpoints that lead here: search, ad, link")

    @model_validator(mode="after")
    def _takes_time(self) -> MomentSettings:
        if self.longest <= timedelta():
            raise ValueError("longest is longer than 0")
        if not self.handheld:
            raise ValueError("handheld names at least one value")
        return self

    @property
    def options(self) -> dict[str, Any]:
        """The arguments of `moments`, but for the intents."""
        return {name: getattr(self, name) for name in type(self).model_fields if name != "intents"}
