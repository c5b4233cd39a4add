"""`[expectations]` of journeys.toml: the user's own expectations, in addition to the contract.

[expectations]
suites = ["suites/prices.json"]          # Great Expectations' own JSON
freshness = "2h"                         # the newest event was received within two hours of the check

[expectations.plan]                      # the tracking plan
channels = ["web", "app", "store"]
[expectations.plan.events.product_viewed]
required = ["properties.sku"]

[[expectations.rules]]
column = "revenue"
kind = "order"
least = 0
most = 100_000
severity = "refuse"

[[expectations.references]]              # an order's customer has a profile
column = "customer_id"
kind = "order"
share = 0.95
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from expectations import contract
from expectations.config.durations import Duration
from expectations.config.file import Section
from expectations.contract import Kind
from expectations.lake import layout
from expectations.suites.catalog import ROW_LEVEL
from expectations.suites.expectation import Expectation, Suite, both, condition
from expectations.suites.file import read_suite
from expectations.suites.vocabulary import Vocabulary, require_column

Values = list[str] | list[int | float]


class ColumnRule(Section):
    """Expectations about one column, in all rows or in those of one kind or of certain events.

    With `share` only that share of the rows must pass. Rules with `share`, `unique` or `given_share` are audited only,
    the gate enforces the others as well.
    """

    column: str = Field(min_length=1, description="the column, or properties.<field>")
    table: Literal["events", "profiles", "links", "touches"] = Field(
        default="events", description="the table whose rows are judged"
    )
    kind: Kind | None = Field(default=None, description="only rows of this kind")
    events: list[str] = Field(default=[], description="only events with these names")
    required: bool = Field(default=False, description="the column must have a value")
    values: Values | None = Field(default=None, min_length=1, description="the values that are allowed")
    pattern: str | None = Field(default=None, description="a regular expression that the text must match")
    least: float | None = Field(default=None, description="the least number")
    most: float | None = Field(default=None, description="the largest number")
    shortest: int | None = Field(default=None, ge=0, description="the least number of characters")
    longest: int | None = Field(default=None, ge=0, description="the largest number of characters")
    unique: bool = Field(default=False, description="no value occurs twice")
    share: float = Field(default=1, gt=0, le=1, description="the share of rows that must pass")
    given_share: tuple[float, float] | None = Field(
        default=None, description="least and largest share of rows with a value"
    )
    severity: Literal["refuse", "warn"] = Field(default="warn", description="refuse the row, or warn")
    reason: str = Field(default="", description="the code of refused rows in the quarantine")
    note: str = Field(default="", description="what people should know about the rule")

    @model_validator(mode="after")
    def _is_valid(self) -> ColumnRule:
        if self.table == layout.EVENTS:
            require_column(self.column)
        elif self.kind or self.events:
            raise ValueError(f"kind and events are only for the table events, not {self.table}")
        known = {layout.PROFILES: contract.PROFILES, layout.LINKS: contract.LINKS}.get(self.table)
        if known is not None and self.column not in known:
            raise ValueError(f"{self.column!r} is not a column of {self.table}; columns: {', '.join(known)}")
        if self.pattern is not None:
            try:
                re.compile(self.pattern)
            except re.error as error:
                raise ValueError(f"the pattern does not compile: {error}") from error
        expectations = self.expectations()
        if not expectations:
            raise ValueError("the rule requires nothing: add required, values, pattern, least, most, unique, ...")
        for expectation in expectations:
            expectation.require_valid()
        return self

    def expectations(self) -> list[Expectation]:
        """The rule as expectations, one per requirement."""
        return [
            Expectation(type_, self._kwargs(type_, arguments), self.severity, reason=self.reason, note=self.note)
            for type_, arguments in self._requirements()
        ]

    def _requirements(self) -> Iterator[tuple[str, dict[str, Any]]]:
        if self.required:
            yield "expect_column_values_to_not_be_null", {}
        if self.values is not None:
            yield "expect_column_values_to_be_in_set", {"value_set": self.values}
        if self.pattern is not None:
            yield "expect_column_values_to_match_regex", {"regex": self.pattern}
        if ends := _ends(self.least, self.most):
            yield "expect_column_values_to_be_between", ends
        if lengths := _ends(self.shortest, self.longest):
            yield "expect_column_value_lengths_to_be_between", lengths
        if self.unique:
            yield "expect_column_values_to_be_unique", {}
        if self.given_share is not None:
            low, high = self.given_share
            yield "expect_column_proportion_of_non_null_values_to_be_between", {"min_value": low, "max_value": high}

    def _kwargs(self, type_: str, arguments: dict[str, Any]) -> dict[str, Any]:
        kwargs = {"column": self.column, **arguments}
        if self.share < 1 and type_ in ROW_LEVEL:
            kwargs["mostly"] = self.share
        where = [condition(contract.KIND, "==", self.kind)] if self.kind else []
        where += [condition(contract.EVENT_NAME, "IN", self.events)] if self.events else []
        return {**kwargs, "row_condition": both(*where)} if where else kwargs


class Reference(Section):
    """An identity on events of one kind (or of all) has a profile, for at least this share of the rows."""

    column: Literal["customer_id", "anonymous_id"] = Field(default="customer_id", description="the identity")
    kind: Kind | None = Field(default=None, description="only events of this kind")
    share: float = Field(default=1, gt=0, le=1, description="the share of rows that must have a profile")
    severity: Literal["refuse", "warn"] = Field(default="warn", description="refuse the row, or warn")


class Drift(Section):
    """How far a day may differ from the days before it.

    A day is compared once it is over and `settle` has passed in the time of the data, so that late events are included.
    It needs `least_days` such days before it, and is compared with the newest `days` of them.
    """

    enabled: bool = Field(default=True, description="whether days are compared")
    days: int = Field(default=28, ge=7, description="days that a day is compared with, at most")
    least_days: int = Field(default=7, ge=3, description="days that it needs before it")
    settle: Duration = Field(default=timedelta(days=1), description="time after a day until it is compared")
    names: float = Field(default=0.1, gt=0, description="largest divergence of the shares of event names")
    shares: float = Field(default=1.2, gt=1, description="largest factor between an event name's share and its median")
    nulls: float = Field(default=0.1, gt=0, le=1, description="largest change of a column's share of values")
    volume: float = Field(default=3, gt=1, description="largest factor between an hour and the same hour of the week")
    severity: Literal["refuse", "warn"] = Field(default="warn", description="refuse, or warn")


class ExpectationSettings(Section):
    """Expectations in addition to the contract. Every key is optional."""

    suites: list[str] = Field(default=[], description="files with suites of expectations")
    plan: Vocabulary = Field(default=Vocabulary(), description="known events and channels")
    rules: list[ColumnRule] = Field(default=[], description="expectations about columns")
    references: list[Reference] = Field(default=[], description="identities that must have a profile")
    daily_rows: tuple[int, int] | None = Field(default=None, description="least and largest number of events per day")
    freshness: Duration | None = Field(default=None, description="longest time since the newest event was received")
    drift: Drift = Field(default=Drift(), description="how far a day may differ from those before")

    def own_suites(
        self, folder: Path, location: Callable[[int], str] = "[[expectations.rules]] {}".format
    ) -> list[Suite]:
        """The user's suites: the plan and the rules by table, then the suite files, relative to `folder`.

        `location` returns file and line of a rule, by its number from 0.

        Raises:
            ConfigurationError: a suite file is invalid; the message names file and line.
        """
        by_table: dict[str, list[Expectation]] = {layout.EVENTS: list(self.plan.expectations())}
        for number, rule in enumerate(self.rules):
            located = (replace(expectation, location=location(number)) for expectation in rule.expectations())
            by_table.setdefault(rule.table, []).extend(located)
        if self.daily_rows is not None:
            low, high = self.daily_rows
            kwargs = {"min_value": low, "max_value": high}
            by_table[layout.EVENTS].append(Expectation("expect_table_row_count_to_be_between", kwargs, "warn"))
        own = [
            Suite(f"own {table}", table, tuple(expectations))
            for table, expectations in by_table.items()
            if expectations
        ]
        return [*own, *(read_suite(folder / name) for name in self.suites)]


def _ends(low: float | None, high: float | None) -> dict[str, Any]:
    return {name: end for name, end in (("min_value", low), ("max_value", high)) if end is not None}
