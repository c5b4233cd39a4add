"""One belief about a table, written once: plain data in the words of Great Expectations' own JSON.

The gate compiles it (`compiled`), the audit hands it to Great Expectations (`suites`), the documentation prints it. A
slip in a suite is told before a stream starts, without loading Great Expectations (`catalog`).

- **row-level**: its verdict on a row depends on that row alone; the gate can enforce it.
- **audited**: it looks at many rows at once, or only Python can judge it; the audit runs it on what has landed.
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
"""`refuse`: a row that fails goes to quarantine, a day that fails fails the check. `warn`: it lands and is counted."""

UNSUITED_WHY: Final = (
    "it is about other databases, about types and columns, which the contract fixes, or about an order"
)

_SEVERITIES: Final[dict[str, Severity]] = {"critical": "refuse", "warning": "warn", "info": "warn"}


@dataclass(frozen=True)
class Expectation:
    """A type of Great Expectations with its arguments, and what follows when it is not met.

    `reason` is the code in the quarantine and `field` the column named there (unless said: by the type, and the first
    column); `note` says what is expected, for people; `place` is the file and line it was written in.

    >>> Expectation("expect_column_values_to_not_be_null", {"column": "order_id"}).reason
    'missing_field'
    """

    type: str
    kwargs: Mapping[str, Any]
    severity: Severity = "refuse"
    reason: str = ""
    field: str = ""
    note: str = ""
    place: str = ""

    def __post_init__(self) -> None:
        if not self.reason:
            object.__setattr__(self, "reason", REASONS.get(self.type, "inconsistent"))
        if not self.field:
            object.__setattr__(self, "field", self.columns[0] if self.columns else "")

    @property
    def name(self) -> str:
        """What it is called in counts and results: the columns, and what is expected of them."""
        return f"{', '.join(self.columns) or 'table'}: {self.expected}"

    @property
    def columns(self) -> list[str]:
        """The columns that the arguments name, without those of the row condition."""
        listed = self.kwargs.get("column_list")
        named = [self.kwargs.get(key) for key in ("column", "column_A", "column_B")]
        return [
            name for name in [*named, *(listed if isinstance(listed, list | tuple) else [])] if isinstance(name, str)
        ]

    @property
    def condition_columns(self) -> list[str]:
        """The columns that the row condition names."""
        return list(arguments.columns_of(self.kwargs.get("row_condition")))

    @property
    def takes_condition(self) -> bool:
        """Whether it can be asked of some rows only."""
        return "row_condition" in SIGNATURES[self.type]

    @property
    def expected(self) -> str:
        """What a value is expected to be, for people: the note, or the arguments in words."""
        return self.note or _in_words(self.type, self.kwargs)

    @property
    def is_row_level(self) -> bool:
        """Whether a row can be judged alone: a type that looks at one row, and a verdict that is no share of rows."""
        return self.type in ROW_LEVEL and self.kwargs.get("mostly", 1) == 1

    def as_json(self) -> dict[str, Any]:
        """The expectation as Great Expectations writes it; reason and note are in its `meta`."""
        severity = "critical" if self.severity == "refuse" else "warning"
        meta = {"reason": self.reason, "field": self.field, "notes": self.note}
        return {"type": self.type, "kwargs": dict(self.kwargs), "severity": severity, "meta": meta}

    @classmethod
    def from_json(cls, written: object, place: str = "") -> Expectation:
        """Read one element of `expectations` in a suite file.

        Raises:
            ValueError: it is no expectation, has an unknown type, severity or argument, or lacks an argument.
        """
        if not isinstance(written, dict) or not isinstance(written.get("kwargs"), dict):
            raise ValueError('an expectation is an object with "type" and "kwargs"')
        meta = written.get("meta") or {}
        if not isinstance(meta, dict):
            raise ValueError('"meta" is an object')
        severity = _SEVERITIES.get(str(written.get("severity") or "critical"))
        if severity is None:
            raise ValueError(f"unknown severity; expected {', '.join(_SEVERITIES)}")
        notes = meta.get("notes") or written.get("notes") or ""
        note = notes if isinstance(notes, str) else json.dumps(notes)
        kwargs = {key: value for key, value in written["kwargs"].items() if key not in ("batch_id", "result_format")}
        reason, at = (str(meta.get(key, "")) for key in ("reason", "field"))
        found = cls(str(written.get("type")), kwargs, severity, reason=reason, field=at, note=note, place=place)
        found.require_sound()
        return found

    def require_sound(self) -> None:
        """Raise ValueError, with what was expected, when type or arguments cannot be meant."""
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
        least, most = self.kwargs.get("min_value"), self.kwargs.get("max_value")
        if signature.keys() >= RANGE and least is None and most is None:
            raise ValueError(f"{self.type} needs min_value or max_value")
        arguments.require_range(least, most)
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
    """A row condition in Great Expectations' JSON: rows in which the comparison holds.

    >>> condition("kind", "==", "order")["operator"]
    '=='
    """
    return {"type": "comparison", "column": {"name": column}, "operator": operator, "parameter": parameter}


def absent(column: str) -> dict[str, Any]:
    """A row condition: rows in which the column is null."""
    return {"type": "nullity", "column": {"name": column}, "is_null": True}


def both(*conditions: dict[str, Any]) -> dict[str, Any]:
    """A row condition: rows in which all the conditions hold."""
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
        least, most = kwargs.get("min_value"), kwargs.get("max_value")
        ends = [f"{word} {end}" for word, end in (("at least", least), ("at most", most)) if end is not None]
        return ("a length of " if "lengths" in type_ else "") + " and ".join(ends)
    if "regex" in kwargs:
        return f"text that {'does not match' if 'not_match' in type_ else 'matches'} {kwargs['regex']}"
    return type_.removeprefix("expect_").replace("_", " ")


def _hint(word: str, known: Iterable[str]) -> str:
    near = nearest(word, known)
    return near and f"; {near}"
