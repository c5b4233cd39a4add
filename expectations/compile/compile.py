"""Compiles suites to rules of the gate; what cannot be evaluated row by row is left to the audit, with the reason."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import polars as pl

from expectations import contract
from expectations.compile.conditions import NotCompiled, where
from expectations.compile.masks import PATTERNS, alone, unexpected
from expectations.compile.patterns import Untranslatable, translate
from expectations.compile.text import read_condition
from expectations.errors import ConfigurationError, nearest
from expectations.lake import layout
from expectations.suites.arguments import patterns_of
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
        ConfigurationError: an expectation names a column that the table does not have, or cannot be evaluated safely.
    """
    columns = Columns(schema)
    rules: list[Rule] = []
    audited: list[tuple[Expectation, str]] = []
    for suite in suites:
        for expectation in suite.expectations:
            require_evaluable(expectation, columns, suite.table)
            try:
                rules.append(_rule(expectation, suite.kind, columns))
            except NotCompiled as why:
                audited.append((expectation, str(why)))
    return Compiled(tuple(rules), tuple(audited))


def narrowed(expectation: Expectation, kind: str | None) -> Expectation:
    """The expectation with its row condition in JSON, restricted to events of one kind."""
    if not expectation.takes_condition:
        return expectation
    kwargs = dict(expectation.kwargs)
    kwargs.pop("condition_parser", None)
    original = kwargs.get("row_condition")
    if isinstance(original, str):
        original = read_condition(original)
    of_kind = [condition(contract.KIND, "==", kind)] if kind is not None else []
    if conditions := [*of_kind, *([original] if original else [])]:
        kwargs["row_condition"] = both(*conditions)
    return replace(expectation, kwargs=kwargs)


def require_evaluable(expectation: Expectation, columns: Columns, table: str) -> None:
    """Raise ConfigurationError when the expectation names a column that the table does not have, or when its row
    condition or its regular expressions cannot be evaluated by polars: nothing else evaluates them.
    """
    hint = "a field of `properties` is named properties.<field>" if "properties" in columns.schema else ""
    place = expectation.location or expectation.name
    for name in [*expectation.columns, *expectation.condition_columns]:
        if name not in columns:
            raise ConfigurationError(
                f"An expectation names a column that {table} does not have.",
                where=place,
                expected=", ".join(columns.names),
                found=name,
                do="; ".join(filter(None, (nearest(name, columns.names), hint))),
            )
    try:
        if (row_condition := expectation.kwargs.get("row_condition")) is not None:
            where(row_condition, columns)
        if expectation.type in PATTERNS:
            unexpected(alone(expectation), columns)
        for pattern in patterns_of(expectation.kwargs.get("json_schema")):
            translate(pattern)
    except (NotCompiled, Untranslatable, re.error) as why:
        raise ConfigurationError(
            "An expectation cannot be evaluated safely.",
            where=place,
            expected="comparisons of columns with values, and patterns without look-around and back-references",
            found=str(why),
            do="write it without; docs/expectations.md lists what is read",
        ) from why


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
        ConfigurationError: an expectation names a column that its table does not have, or cannot be evaluated safely.
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
                require_evaluable(expectation, Columns(schemas[suite.table]), suite.table)
                audited.append((expectation, f"it is about {suite.table}, which are not in the stream"))
    of_kinds = [suite for suite in default_suites() if suite.kind is not None]
    compiled = compile_suites([*of_kinds, *(suite for suite in own if suite.table == layout.EVENTS)], contract.EVENTS)
    return replace(compiled, audited=(*compiled.audited, *audited))
