"""Settings of stitching: table [paths] of journeys.toml.

Identities determine who is one customer, gaps cut sessions and journeys, touchpoint and stage rules name what happened,
and `context`, `attributes` and `values` choose the columns that every touch carries for breakdowns.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import available_timezones

import polars as pl
from pydantic import Field, field_validator, model_validator

from analytics.identity.rules import Duration, LinkRules
from analytics.store.definition import JourneyDefinition
from expectations import contract
from expectations.config.file import Section
from expectations.errors import nearest

_STITCHED_COLUMNS: Final = (
    "customer",
    "at",
    "touchpoint",
    "stage",
    "session",
    "journey",
    "outcome",
    "after_goal",
    "direct",
    "linked",
)
"""Columns of a touch that stitching computes."""


class TouchpointRule(Section):
    """Events that get one name, or are dropped."""

    events: list[str] = Field(default=[], description="event names; `*` stands for any letters")
    pattern: str | None = Field(default=None, description="regular expression that must occur in `column`")
    column: str = Field(
        default=contract.EVENT_NAME, description="the event column, or properties.x, that `pattern` reads"
    )
    url: str | None = Field(default=None, description="template of the address' path, such as /product/{id}")
    name: str | None = Field(default=None, description="what the touchpoint is called")
    drop: bool = Field(default=False, description="the events are in no path")

    @field_validator("column")
    @classmethod
    def _is_there(cls, column: str) -> str:
        return known_column(column)

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        try:
            pl.Series([""]).str.contains(pattern or "")
        except pl.exceptions.ComputeError as error:
            reason = re.search(r"error: (?!regex parse)(.*)", str(error))
            raise ValueError(f"not a regular expression: {reason[1] if reason else error}") from None
        return pattern

    @model_validator(mode="after")
    def _says_something(self) -> TouchpointRule:
        if not (self.events or self.pattern or self.url):
            raise ValueError("a touchpoint rule needs events, a pattern or a url")
        if self.drop == (self.name is not None):
            raise ValueError("a touchpoint rule has either a name or drop = true")
        return self


class StageRule(Section):
    """The touchpoints of one stage of the journey map."""

    name: str = Field(description="what the stage is called")
    touchpoints: list[str] = Field(min_length=1, description="touchpoint names; `*` stands for any letters")


AIDA: Final = (
    StageRule(name="Awareness", touchpoints=["ad_*", "*impression*", "mailer*", "email_*", "campaign_*"]),
    StageRule(name="Interest", touchpoints=["page_view*", "search*", "product_*", "category_*", "store_visit*"]),
    StageRule(name="Desire", touchpoints=["*cart*", "wishlist*", "checkout*", "coupon*", "quote*"]),
    StageRule(name="Action", touchpoints=["order_placed", "order_completed", "purchase*", "subscribe*"]),
)


class PathRules(LinkRules):
    """Table [paths]: all settings that stitching depends on."""

    split_on_channel: bool = Field(default=False, description="a change of channel also ends a session")
    split_at_midnight: str | None = Field(
        default=None, description="the zone, such as Europe/Berlin, in which midnight also ends a session"
    )
    journey_gap: Duration = Field(default=timedelta(days=30), description="the longest gap within a journey")
    goal: list[str] = Field(default=["order_placed"], description="touchpoints that end a journey as converted")
    after: list[str] | None = Field(
        default=None, description="touchpoints that begin no journey, such as a return; by default events of feedback"
    )
    context: list[str] = Field(default=["device", "campaign", "country"], description="event columns kept on touches")
    attributes: list[str] = Field(default=[], description="customer attributes, as of the event")
    values: list[str] = Field(default=["revenue", "score"], description="numeric columns kept on touches")
    sequence: str | None = Field(default=None, description="numeric column that orders touches of one instant")
    objected: list[str] = Field(
        default=[], exclude=True, repr=False, description="identities (kind:value) of customers who object to profiling"
    )
    objected_file: str | None = Field(
        default=None, exclude=True, description="file with more of them, one a line; read by the commands"
    )
    touchpoints: list[TouchpointRule] = Field(default=[], description="in order; the first rule that fits wins")
    stages: list[StageRule] = Field(default=list(AIDA), description="in order; the first rule that fits wins")

    @field_validator("context", "values", "sequence")
    @classmethod
    def _is_there(cls, columns: list[str] | str | None) -> list[str] | str | None:
        for column in [columns] if isinstance(columns, str) else columns or []:
            known_column(column)
        return columns

    @field_validator("split_at_midnight")
    @classmethod
    def _is_a_zone(cls, name: str | None) -> str | None:
        if name is not None and name not in available_timezones():
            raise ValueError(f"there is no time zone {name!r}; {nearest(name, sorted(available_timezones()))}")
        return name

    @field_validator("objected")
    @classmethod
    def _are_identities(cls, identities: list[str]) -> list[str]:
        if any(not all(text.partition(":")) for text in identities):
            raise ValueError("an identity is written kind:value, such as customer_id:c123")
        return identities

    def on_touches(self, touches: pl.DataFrame, end: datetime | None) -> tuple[pl.DataFrame, JourneyDefinition]:
        """The touches with `stage`, `session` and the columns of their journey, and what these were cut by.

        Needs customer, at and touchpoint; columns of these names are replaced.
        """
        from analytics.touches.journeys import journeys
        from analytics.touches.sessions import sessions

        split = sessions(
            touches, self.session_gap, split_on_channel=self.split_on_channel, midnight=self.split_at_midnight
        )
        return journeys(split, self, end), self.definition

    @property
    def definition(self) -> JourneyDefinition:
        """What the rules cut journeys by."""
        from analytics.touches.naming import definition_of

        return definition_of(self)

    @model_validator(mode="after")
    def _one_name_each(self) -> PathRules:
        names = [short(column) for column in (*self.context, *self.attributes, *self.values)]
        if twice := sorted({name for name in names if names.count(name) > 1 or name in _STITCHED_COLUMNS}):
            raise ValueError(f"two columns of a touch would be called {twice[0]!r}")
        return self


def known_column(column: str) -> str:
    """Returns the column if events have it or it is a property; else raises `ValueError` with the nearest name."""
    if column in contract.EVENTS or column.startswith("properties."):
        return column
    hint = nearest(column, contract.EVENTS)
    raise ValueError(f"an event has no column {column!r}; {hint or 'name others as properties.x'}")


def short(column: str) -> str:
    """The name of a column on a touch: the last part of its path.

    >>> short("properties.page")
    'page'
    """
    return column.rpartition(".")[2]
