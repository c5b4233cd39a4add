"""Compares frames with what they may hold, and counts what was checked."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from tests.audit.expected.withholding import Expected
from tests.audit.site import Row


@dataclass
class Outcome:
    """How many numbers and sentences were checked by card or file, and what differs from the truth."""

    numbers: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    sentences: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    differences: list[tuple[str, str]] = field(default_factory=list)
    unjudged: list[str] = field(default_factory=list)

    def set_aside(self, card: str, count: int, why: str) -> None:
        """Lists what was not judged, with the reason."""
        if count:
            self.unjudged.append(f"not judged, {card}: {count} {why}")

    def differs(self, card: str, what: str) -> None:
        """Notes a difference."""
        self.differences.append((card, what))

    def table(self) -> str:
        """What was checked, and the differences, as text."""
        lines = [f"{'card, file or kind of sentence':34} {'numbers':>9} {'sentences':>9} {'differences':>11}"]
        wrong = Counter(self._kind(where) for where, _ in self.differences)
        for name in [*self.numbers, *self.sentences, *(wrong.keys() - self.numbers.keys() - self.sentences.keys())]:
            counts = (self.numbers.get(name, 0), self.sentences.get(name, 0), wrong[name])
            lines.append(f"{name:34} {counts[0]:9,} {counts[1]:9,} {counts[2]:11,}")
        total = (sum(self.numbers.values()), sum(self.sentences.values()), len(self.differences))
        lines.append(f"{'all':34} {total[0]:9,} {total[1]:9,} {total[2]:11,}")
        return "\n".join([*lines, *self.unjudged, *(f"{where}: {what}" for where, what in self.differences)])

    def _kind(self, where: str) -> str:
        """The line of the table that a difference belongs to."""
        place = where.partition(": ")[2]
        return next((kind for kind in self.sentences if place == kind or place.startswith(f"{kind} of ")), where)

    def compare(self, card: str, rows: list[Row], expected: Expected | None) -> None:
        """Every row and every value of a frame against what may stand there."""
        if expected is None:
            self.differs(card, "the site has this card, and by the truth there is nothing to show")
            return
        found: dict[tuple[Any, ...], Row] = {}
        for row in rows:
            key = tuple(row.get(name) for name in expected.keys)
            if key in found:
                self.differs(card, f"two rows of {_named(expected, key)}")
            found[key] = row
        for key in expected.rows.keys() - found.keys() - expected.optional:
            self.differs(card, f"there is no row of {_named(expected, key)}")
        for key, row in found.items():
            if key not in expected.rows:
                self.differs(card, f"a row of {_named(expected, key)}, which may not be shown, or is not there")
                continue
            self._compare_row(card, expected, key, row)
        order = [key for key in expected.rows if key in found]
        if expected.in_order and [key for key in found if key in expected.rows] != order:
            self.differs(card, f"rows in the order {list(found)}, not {order}")

    def _compare_row(self, card: str, expected: Expected, key: tuple[Any, ...], row: Row) -> None:
        allowed = expected.rows[key]
        for name, value in row.items():
            if name in expected.keys:
                continue
            self.numbers[card] += isinstance(value, int | float) or value is None
            if name not in allowed:
                self.differs(card, f"column {name}: no rule of the audit knows it")
            elif not allowed[name].test(value):
                self.differs(
                    card, f"{name} of {_named(expected, key)}: {value!r}, where {allowed[name].words} is right"
                )
        for name in allowed.keys() - row.keys():
            self.differs(card, f"there is no column {name}")

    def compare_csv(self, card: str, rows: list[Row], lines: list[list[str]]) -> None:
        """The CSV file against the frame of the index: the same rows, the same values."""
        heads, *body = lines
        if len(body) != len(rows) or (rows and heads != list(rows[0])):
            self.differs(f"data/{card}.csv", f"{len(body)} rows of {heads}, not {len(rows)} of the page's frame")
            return
        for number, (line, row) in enumerate(zip(body, rows, strict=True), 1):
            for name, text, value in zip(heads, line, row.values(), strict=True):
                self.numbers[f"data/{card}.csv"] += 1
                if not _same(text, value):
                    self.differs(f"data/{card}.csv", f"row {number}, {name}: {text!r}, and {value!r} on the page")


def _named(expected: Expected, key: tuple[Any, ...]) -> str:
    return ", ".join(f"{name} {value!r}" for name, value in zip(expected.keys, key, strict=True))


def _same(text: str, value: Any) -> bool:
    if value is None:
        return text == ""
    if isinstance(value, bool):
        return text == str(value).lower()
    if isinstance(value, int | float):
        return text != "" and math.isclose(float(text), value, rel_tol=1e-12)
    return text.lstrip("'") == str(value).lstrip("'")
