"""An expectation about a table, as plain data in the JSON format of Great Expectations.

The gate compiles it (`compile`), the audit passes it to Great Expectations (`audit.great_expectations`), the data docs
print it. Mistakes in a suite are reported before a stream starts, without loading Great Expectations (`catalog`).

- **row-level**: the result for a row depends on that row alone; the gate can enforce it.
- **audited**: it needs many rows at once, or only Python can evaluate it; the audit checks landed rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from expectations.errors import nearest
from expectations.suites import arguments
from expectations.suites.catalog import RANGE, REASONS, ROW_LEVEL, SIGNATURES, UNSUITED

Severity = Literal["refuse", "warn"]
"""`refuse`: a failing row goes to quarantine, a failing day fails the check. `warn`: it lands and is counted."""

UNSUITED_WHY: Final = "it needs a database, an order of rows, or checks types and columns, which the contract fixes"

_SEVERITIES: Final[dict[str, Severity]] = {"critical": "refuse", "warning": "warn", "info": "warn"}


@dataclass(frozen=True)
class Expectation:
    """A type of Great Expectations with its arguments, and the consequence when it fails.

    `reason` is the code in the quarantine (default: by type) and `field` the column named there (default: the first
    column); `note` describes the expectation; `location` is the file and line of its definition.

    >>> Expectation("expect_column_values_to_not_be_null", {"column": "order_id"}).reason
    'missing_field'
    """

    type: str
    kwargs: Mapping[str, Any]
    severity: Severity = "refuse"
    reason: str = ""
    field: str = ""
    note: str = ""
    location: str = ""

    def __post_init__(self) -> None:
        if not self.reason:
            object.__setattr__(self, "reason", REASONS.get(self.type, "inconsistent"))
        if not self.field:
            object.__setattr__(self, "field", self.columns[0] if self.columns else "")

    @property
    def name(self) -> str:
        """Its name in counts and results: the columns, and what is expected of them."""
        return f"{', '.join(self.columns) or 'table'}: {self.expected}"

    @property
    def columns(self) -> list[str]:
        """The columns named by the arguments, without those of the row condition."""
        listed = self.kwargs.get("column_list")
        named = [self.kwargs.get(key) for key in ("column", "column_A", "column_B")]
        return [
            name for name in [*named, *(listed if isinstance(listed, list | tuple) else [])] if isinstance(name, str)
        ]

    @property
    def condition_columns(self) -> list[str]:
        """The columns named by the row condition."""
        return list(arguments.columns_of(self.kwargs.get("row_condition")))

    @property
    def takes_condition(self) -> bool:
        """Whether it accepts a row condition."""
        return "row_condition" in SIGNATURES[self.type]

    @property
    def expected(self) -> str:
        """What is expected of a value: the note, or the arguments in words."""
        return self.note or _in_words(self.type, self.kwargs)

    @property
    def is_row_level(self) -> bool:
        """Whether each row can be judged alone: a type that looks at one row, and all rows must pass."""
        return self.type in ROW_LEVEL and self.kwargs.get("mostly", 1) == 1

    def as_json(self) -> dict[str, Any]:
        """The expectation as Great Expectations writes it; reason and note are in its `meta`."""
        severity = "critical" if self.severity == "refuse" else "warning"
        meta = {"reason": self.reason, "field": self.field, "notes": self.note}
        return {"type": self.type, "kwargs": dict(self.kwargs), "severity": severity, "meta": meta}

    @classmethod
    def from_json(cls, written: object, location: str = "") -> Expectation:
        """Read one element of `expectations` in a suite file.

        Raises:
            ValueError: it is not an expectation, an argument is missing, or type, severity or an argument is unknown.
        """
        if not isinstance(written, dict) or not isinstance(written.get("kwargs"), dict):
            raise ValueError('an expectation must be an object with "type" and "kwargs"')
        meta = written.get("meta") or {}
        if not isinstance(meta, dict):
            raise ValueError('"meta" must be an object')
        severity = _SEVERITIES.get(str(written.get("severity") or "critical"))
        if severity is None:
            raise ValueError(f"unknown severity; expected {', '.join(_SEVERITIES)}")
        notes = meta.get("notes") or written.get("notes") or ""
        note = notes if isinstance(notes, str) else json.dumps(notes)
        kwargs = {key: value for key, value in written["kwargs"].items() if key not in ("batch_id", "result_format")}
        reason, field = (str(meta.get(key, "")) for key in ("reason", "field"))
        expectation = cls(
            str(written.get("type")), kwargs, severity, reason=reason, field=field, note=note, location=location
        )
        expectation.require_valid()
        return expectation

    def require_valid(self) -> None:
        """Raise ValueError, with the expected value, when the type or an argument is invalid."""
        if self.type not in SIGNATURES:
            if self.type in UNSUITED:
                raise ValueError(f"{self.type} cannot be used on a lake: {UNSUITED_WHY}")
            raise ValueError(f"unknown expectation {self.type!r}{_hint(self.type, SIGNATURES)}")
        signature = SIGNATURES[self.type]
        for name, value in self.kwargs.items():
            if name not in signature:
                raise ValueError(f"unknown argument {name!r} of {self.type}{_hint(name, signature)}")
            if value is not None:
                arguments.require(signature[name].removesuffix("!"), name, value)
        for name, kind in signature.items():
            if kind.endswith("!") and self.kwargs.get(name) is None:
                raise ValueError(f"{self.type} needs the argument {name!r}")
        self._require_together(signature)

    def _require_together(self, signature: Mapping[str, str]) -> None:
        low, high = self.kwargs.get("min_value"), self.kwargs.get("max_value")
        if signature.keys() >= RANGE and low is None and high is None:
            raise ValueError(f"{self.type} needs min_value or max_value")
        arguments.require_range(low, high)
        if isinstance(self.kwargs.get("row_condition"), str) and self.kwargs.get("condition_parser") != "pandas":
            raise ValueError('a row_condition that is text needs condition_parser "pandas"')


@dataclass(frozen=True)
class Suite:
    """Expectations about one table, or about the events of one kind."""

    name: str
    table: str
    expectations: tuple[Expectation, ...]
    kind: str | None = None


def condition(column: str, operator: str, parameter: object) -> dict[str, Any]:
    """A row condition in Great Expectations' JSON: the rows for which the comparison holds.

    >>> condition("kind", "==", "order")["operator"]
    '=='
    """
    return {"type": "comparison", "column": {"name": column}, "operator": operator, "parameter": parameter}


def absent(column: str) -> dict[str, Any]:
    """A row condition: the rows in which the column is null."""
    return {"type": "nullity", "column": {"name": column}, "is_null": True}


def has_value(column: str) -> dict[str, Any]:
    """A row condition: the rows in which the column is not null."""
    return {"type": "nullity", "column": {"name": column}, "is_null": False}


def both(*conditions: dict[str, Any]) -> dict[str, Any]:
    """A row condition: the rows for which all conditions hold."""
    return conditions[0] if len(conditions) == 1 else {"type": "and", "conditions": list(conditions)}


def _in_words(type_: str, kwargs: Mapping[str, Any]) -> str:
    if type_ == "expect_column_values_to_not_be_null":
        return "a value"
    if type_ == "expect_column_values_to_be_null":
        return "no value"
    if "value_set" in kwargs:
        listed = [str(value) for value in kwargs["value_set"] or []]
        which = "none of " if "not_be_in" in type_ else "one of " if len(listed) > 1 else ""
        return which + ", ".join(listed[:5]) + (", ..." if len(listed) > 5 else "")
    if RANGE & kwargs.keys():
        low, high = kwargs.get("min_value"), kwargs.get("max_value")
        ends = [f"{word} {end}" for word, end in (("at least", low), ("at most", high)) if end is not None]
        return ("a length of " if "lengths" in type_ else "") + " and ".join(ends)
    if "regex" in kwargs:
        return f"text that {'does not match' if 'not_match' in type_ else 'matches'} {kwargs['regex']}"
    return type_.removeprefix("expect_").replace("_", " ")


def _hint(word: str, known: Iterable[str]) -> str:
    near = nearest(word, known)
    return near and f"; {near}"
