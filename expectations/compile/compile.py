"""From suites to the rules of the gate: what can be judged row by row, and what is left to the audit, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from expectations import contract
from expectations.compile.conditions import NotCompiled
from expectations.compile.masks import unexpected
from expectations.errors import ConfigurationError, nearest
from expectations.lake import layout
from expectations.suites.columns import Columns
from expectations.suites.defaults import default_suites
from expectations.suites.expectation import Expectation, Severity, Suite, both, condition


@dataclass(frozen=True, slots=True)
class Rule:
    """An expectation that is judged row by row: `holds` is a Boolean expression, null where it has nothing to say.

    `field` is the column at fault, `reason` the stable code that quarantine shows, `expected` a sentence for people.
    """

    name: str
    field: str
    reason: str
    holds: pl.Expr
    expected: str
    severity: Severity = "refuse"


@dataclass(frozen=True)
class Compiled:
    """`rules` for the gate, in the order of the suites; `audited` are the expectations left to the audit, and why."""

    rules: tuple[Rule, ...]
    audited: tuple[tuple[Expectation, str], ...]


def compile_suites(suites: Iterable[Suite], schema: pl.Schema) -> Compiled:
    """Compile the row-level expectations of the suites; those of a suite with a kind hold for rows of that kind only.

    Raises:
        ConfigurationError: an expectation names a column that the table does not have.
    """
    columns = Columns(schema)
    rules: list[Rule] = []
    audited: list[tuple[Expectation, str]] = []
    for suite in suites:
        for expectation in suite.expectations:
            require_columns(expectation, columns, suite.table)
            try:
                rules.append(_rule(expectation, suite.kind, columns))
            except NotCompiled as why:
                audited.append((expectation, str(why)))
    return Compiled(tuple(rules), tuple(audited))


def narrowed(expectation: Expectation, kind: str | None) -> Expectation:
    """The expectation with its row condition narrowed to the events of one kind."""
    if kind is None or not expectation.takes_condition:
        return expectation
    given = expectation.kwargs.get("row_condition")
    asked: str | dict[str, Any] = condition("kind", "==", kind)
    if isinstance(given, str):
        asked = f"(kind == {kind!r}) and ({given})"
    elif isinstance(given, dict):
        asked = both(condition("kind", "==", kind), given)
    narrow = {**expectation.kwargs, "row_condition": asked}
    return replace(expectation, kwargs=narrow)


def require_columns(expectation: Expectation, columns: Columns, table: str) -> None:
    """Raise ConfigurationError when the expectation names a column that is not in the table."""
    hint = "a field of `properties` is named properties.<field>" if "properties" in columns.schema else ""
    for name in [*expectation.columns, *expectation.condition_columns]:
        if name not in columns:
            raise ConfigurationError(
                f"An expectation names a column that {table} does not have.",
                where=expectation.place or expectation.name,
                expected=", ".join(columns.names),
                found=name,
                do="; ".join(filter(None, (nearest(name, columns.names), hint))),
            )


def _rule(expectation: Expectation, kind: str | None, columns: Columns) -> Rule:
    return Rule(
        name=f"{expectation.name} ({kind} events)" if kind else expectation.name,
        field=expectation.field,
        reason=expectation.reason,
        holds=~unexpected(narrowed(expectation, kind), columns),
        expected=expectation.expected,
        severity=expectation.severity,
    )


def compile_own(own: Sequence[Suite], touches: pl.Schema = contract.TOUCHES) -> Compiled:
    """What the stream judges after the contract, and what only the audit can.

    `own` are the owner's suites, of whatever table, `touches` the columns that touches will have.

    Raises:
        ConfigurationError: an expectation names a column that its table does not have.
    """
    schemas = {
        layout.EVENTS: contract.EVENTS,
        layout.PROFILES: contract.PROFILES,
        layout.LINKS: contract.LINKS,
        layout.TOUCHES: touches,
    }
    left = []
    for suite in own:
        if suite.table != layout.EVENTS:
            for expectation in suite.expectations:
                require_columns(expectation, Columns(schemas[suite.table]), suite.table)
                left.append((expectation, f"it is about {suite.table}, which do not come in the stream"))
    beyond = [suite for suite in default_suites() if suite.kind is not None]
    compiled = compile_suites([*beyond, *(suite for suite in own if suite.table == layout.EVENTS)], contract.EVENTS)
    return replace(compiled, audited=(*compiled.audited, *left))
