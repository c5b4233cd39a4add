"""Compiles suites to rules of the gate; what cannot be evaluated row by row is left to the audit, with the reason."""

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
    """An expectation that is evaluated row by row: `holds` is a Boolean expression, null where the rule does not apply.

    `field` is the invalid column, `reason` the stable code in quarantine, `expected` a description for people.
    """

    name: str
    field: str
    reason: str
    holds: pl.Expr
    expected: str
    severity: Severity = "refuse"


@dataclass(frozen=True)
class Compiled:
    """`rules` of the gate, in the order of the suites; `audited` expectations with the reason why the gate cannot."""

    rules: tuple[Rule, ...]
    audited: tuple[tuple[Expectation, str], ...]


def compile_suites(suites: Iterable[Suite], schema: pl.Schema) -> Compiled:
    """Compile the row-level expectations of the suites; a suite with a kind applies only to rows of that kind.

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
    """The expectation with its row condition restricted to events of one kind."""
    if kind is None or not expectation.takes_condition:
        return expectation
    original = expectation.kwargs.get("row_condition")
    restricted: str | dict[str, Any] = condition("kind", "==", kind)
    if isinstance(original, str):
        restricted = f"(kind == {kind!r}) and ({original})"
    elif isinstance(original, dict):
        restricted = both(condition("kind", "==", kind), original)
    return replace(expectation, kwargs={**expectation.kwargs, "row_condition": restricted})


def require_columns(expectation: Expectation, columns: Columns, table: str) -> None:
    """Raise ConfigurationError when the expectation names a column that the table does not have."""
    hint = "a field of `properties` is named properties.<field>" if "properties" in columns.schema else ""
    for name in [*expectation.columns, *expectation.condition_columns]:
        if name not in columns:
            raise ConfigurationError(
                f"An expectation names a column that {table} does not have.",
                where=expectation.location or expectation.name,
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
    """The rules of the gate in addition to the contract, and the expectations that only the audit can evaluate.

    `own` are the user's suites, of any table; `touches` are the columns of touches under the settings.

    Raises:
        ConfigurationError: an expectation names a column that its table does not have.
    """
    schemas = {
        layout.EVENTS: contract.EVENTS,
        layout.PROFILES: contract.PROFILES,
        layout.LINKS: contract.LINKS,
        layout.TOUCHES: touches,
    }
    audited = []
    for suite in own:
        if suite.table != layout.EVENTS:
            for expectation in suite.expectations:
                require_columns(expectation, Columns(schemas[suite.table]), suite.table)
                audited.append((expectation, f"it is about {suite.table}, which are not in the stream"))
    of_kinds = [suite for suite in default_suites() if suite.kind is not None]
    compiled = compile_suites([*of_kinds, *(suite for suite in own if suite.table == layout.EVENTS)], contract.EVENTS)
    return replace(compiled, audited=(*compiled.audited, *audited))
