"""The tracking plan: the known events and channels, and the fields that each event must have.

It is configuration. `severity` decides whether an event outside the plan is counted or refused.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from expectations import contract
from expectations.config.file import Section
from expectations.suites.columns import Columns
from expectations.suites.defaults import one_of, present
from expectations.suites.expectation import Expectation, condition


def require_column(name: str) -> str:
    """Return the name when it is a column of events; otherwise raise ValueError with the valid names."""
    columns = Columns(contract.EVENTS)
    if name not in columns:
        raise ValueError(f"{name!r} is not a column of events; columns: {', '.join(columns.names)}, properties.<field>")
    return name


class KnownEvent(Section):
    """One event of the plan: the required fields (columns of the contract, or `properties.<field>`)."""

    required: list[str] = Field(default=[], description="columns, or properties.<field>, that the event must have")

    @field_validator("required")
    @classmethod
    def _are_columns(cls, required: list[str]) -> list[str]:
        return [require_column(name) for name in required]


class Vocabulary(Section):
    """Known events by name, and known channels. An empty plan requires nothing.

    >>> Vocabulary(channels=["web", "app"]).expectations()[0].name
    'channel: one of web, app'
    """

    events: dict[str, KnownEvent] = Field(default={}, description="known events by name")
    channels: list[str] = Field(default=[], description="known channels")
    severity: Literal["refuse", "warn"] = Field(default="warn", description="refuse unknown ones, or warn")

    def expectations(self) -> tuple[Expectation, ...]:
        """The plan as expectations about events."""
        known = ((contract.EVENT_NAME, list(self.events)), (contract.CHANNEL, self.channels))
        expectations = [one_of(column, names, self.severity) for column, names in known if names]
        for name, event in self.events.items():
            where = condition(contract.EVENT_NAME, "==", name)
            expectations += [
                present(column, self.severity, where, note=f"a value in {name}") for column in event.required
            ]
        return tuple(expectations)
