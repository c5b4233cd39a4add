"""The tracking plan: which events and channels we know, and what each event must say.

It is configuration: an event that is not in the plan is landed, landed and counted, or refused, as the plan says.
"""

from __future__ import annotations

from typing import Literal

import polars as pl
from pydantic import Field, field_validator

from expectations import contract
from expectations.configfile import Section
from expectations.gate import Rule

Severity = Literal["refuse", "warn"]


class KnownEvent(Section):
    """One event of the plan: the fields (columns of the contract) that it must carry."""

    required: list[str] = Field(default=[])

    @field_validator("required")
    @classmethod
    def _are_columns(cls, required: list[str]) -> list[str]:
        unknown = sorted(set(required) - set(contract.EVENTS))
        if unknown:
            raise ValueError(f"{unknown[0]!r} is no column of an event; columns: {', '.join(contract.EVENTS)}")
        return required


class Vocabulary(Section):
    """Known events by name, and known channels. An empty plan asks for nothing.

    >>> Vocabulary(channels=["web", "app"]).rules()[0].name
    'channel is known'
    """

    events: dict[str, KnownEvent] = Field(default={})
    channels: list[str] = Field(default=[])
    severity: Severity = "warn"

    def rules(self) -> tuple[Rule, ...]:
        """The plan as rules of the gate."""
        rules = []
        if self.events:
            rules.append(self._known(contract.EVENT_NAME, "event is known", list(self.events)))
        if self.channels:
            rules.append(self._known(contract.CHANNEL, "channel is known", self.channels))
        for name, event in self.events.items():
            rules += [self._required(name, column) for column in event.required]
        return tuple(rules)

    def _known(self, column: str, rule: str, values: list[str]) -> Rule:
        expected = "one of " + ", ".join(values[:5]) + (", ..." if len(values) > 5 else "")
        return Rule(rule, column, "not_allowed", pl.col(column).is_in(values), expected, self.severity)

    def _required(self, name: str, column: str) -> Rule:
        holds = pl.when(pl.col(contract.EVENT_NAME) == name).then(pl.col(column).is_not_null())
        return Rule(f"{name} has {column}", column, "missing_field", holds, "a value", self.severity)
