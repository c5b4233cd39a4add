"""Steps as an analyst types them: `Cart | Basket`, `stage:Desire`, `Product viewed [device is phone and price >= 20]`.

A step is words joined by ` | `, and conditions in brackets, joined by `and`. A condition is a column, `is` or `is not`
with one value or several by commas, or `>=`, `<=`, `>`, `<` with a number. A touch without a value meets no condition.
What holds one of these signs itself stands in double quotes, written as JSON writes a text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_
from typing import Final, Literal, cast

import polars as pl

from analytics.engine.conditions import STAGE_PREFIX, Step
from analytics.engine.notices.unknown_words import unknown_words
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

Sign = Literal["is", "is not", ">=", "<=", ">", "<"]
_QUOTED: Final = r'"(?:[^"\\]|\\.)*"'
_VALUE: Final = rf'(?:{_QUOTED}|(?:(?!\s+and\s)[^,"\[\]])+)'
_CONDITION: Final = re.compile(
    rf"\s*({_QUOTED}|[^\s\"\[\],]+)\s+"
    rf"(?:(is not|is)\s+({_VALUE}(?:\s*,\s*{_VALUE})*)|(>=|<=|>|<)\s*([^\s\[\],]+))\s*(?:and\s+|$)"
)
_LISTED: Final = re.compile(rf"\s*({_VALUE})\s*(?:,|$)")
_FIRST_WORD: Final = re.compile(rf"\s*({STAGE_PREFIX})?({_QUOTED})\s*(?: \| |$)")
_PLAIN_WORD: Final = re.compile(r'(?!\s|stage:)[^"\[\]]*(?<!\s)')
_PLAIN_COLUMN: Final = re.compile(r'[^\s"\[\],]+')
_PLAIN_VALUE: Final = re.compile(r'(?!\s|not\s)[^,"\[\]]+(?<!\s)')


@dataclass(frozen=True)
class StepCondition:
    """One condition of a step: a column, a sign, and the values or the number that it is compared with.

    >>> str(StepCondition("device", "is", ("phone", "a, b")))
    'device is phone, "a, b"'
    """

    column: str
    sign: Sign
    values: tuple[str, ...]

    @property
    def expression(self) -> pl.Expr:
        """The condition as polars evaluates it."""
        column = pl.col(self.column)
        if self.sign in ("is", "is not"):
            found = column.cast(pl.String).is_in(list(self.values))
            return found if self.sign == "is" else ~found
        number = float(self.values[0])
        signs = {">=": column >= number, "<=": column <= number, ">": column > number, "<": column < number}
        return signs[self.sign]

    def __str__(self) -> str:
        values = ", ".join(_written(value, _PLAIN_VALUE) for value in self.values)
        return f"{_written(self.column, _PLAIN_COLUMN)} {self.sign} {values}"


@dataclass(frozen=True)
class StepText:
    """A step that was read from its text: any of these words `on` a column, and all of these conditions.

    >>> str(StepText(("Cart", "a | b"), "touchpoint", (StepCondition("price", ">=", ("20",)),)))
    'Cart | "a | b" [price >= 20]'
    """

    any_of: tuple[str, ...]
    on: str = "touchpoint"
    where: tuple[StepCondition, ...] = ()

    @classmethod
    def read(cls, text: str) -> StepText:
        """Reads a step. Raises `DefinitionError` where it is of touchpoints and of stages.

        >>> StepText.read('stage:Desire | stage:Action [device is not "a, b", c]').where[0].values
        ('a, b', 'c')
        """
        head, where = _split(text)
        words = list(_words(head))
        stages = [word for stage, word in words if stage]
        if stages and len(stages) < len(words):
            raise DefinitionError("A step is of touchpoints or of stages, not of both.", found=text)
        return cls(tuple(word for _, word in words), "stage" if stages else "touchpoint", where)

    @property
    def step(self) -> Step:
        """The step of a funnel."""
        where = [condition.expression for condition in self.where]
        return Step(self.any_of, reduce(and_, where) if where else None, on=self.on)

    def __str__(self) -> str:
        stage = STAGE_PREFIX if self.on == "stage" else ""
        words = " | ".join(stage + _written(word, _PLAIN_WORD, " | ") for word in self.any_of)
        return f"{words} [{' and '.join(map(str, self.where))}]" if self.where else words


def step_of(text: str) -> Step:
    """Parses a step as typed.

    >>> step_of("stage:Desire").on, step_of("Cart | Basket").any_of
    ('stage', ('Cart', 'Basket'))
    >>> step_of("Cart [price >= 20]").where.meta.root_names()
    ['price']
    """
    return StepText.read(text).step


def check_conditions(paths: Paths, steps: Iterable[StepText]) -> None:
    """Raises `DefinitionError` for a condition that does not fit its column, or that names a value of no touch."""
    for condition in (condition for step in steps for condition in step.where):
        paths.require(condition.column)
        is_text = condition.column in paths.dictionaries
        if is_text != (condition.sign in ("is", "is not")) or not (
            is_text or paths.schema[condition.column].is_numeric()
        ):
            raise DefinitionError(
                "A condition does not fit its column.",
                where=str(condition),
                expected="is, or is not, of a column of text; >=, <=, > or < of a column of numbers",
                found=f"{condition.column} of type {paths.schema[condition.column]}",
            )
        for unknown in unknown_words(paths, condition.column, condition.values if is_text else ()):
            raise DefinitionError(
                f"No touch has the {unknown.column} {unknown.word!r}.",
                where=str(condition),
                expected=f"a {unknown.column} of the data, such as {', '.join(unknown.offered)}",
                do="spell it as the data do",
            )


def _split(text: str) -> tuple[str, tuple[StepCondition, ...]]:
    """The words of a step, and its conditions: the rest from the first bracket from which all of it is conditions."""
    if not text.rstrip().endswith("]"):
        return text, ()
    inside = text.rstrip()[:-1]
    for bracket in re.finditer(r"\s\[", text):
        if (where := _conditions(inside[bracket.end() :])) is not None:
            return text[: bracket.start()], where
    return text, ()


def _conditions(text: str) -> tuple[StepCondition, ...] | None:
    """The conditions that a text is; None where it is something else."""
    found: list[StepCondition] = []
    place = 0
    while place < len(text) or not found:
        match = _CONDITION.match(text, place)
        if match is None:
            return None
        column, equal, values, sign, number = match.groups()
        if sign:
            given = [number] if _is_number(number) else None
        else:
            given = [_read(value.strip()) for value in _LISTED.findall(values)]
        if given is None:
            return None
        found.append(StepCondition(_read(column), cast("Sign", equal or sign), tuple(given)))
        place = match.end()
    return tuple(found)


def _words(text: str) -> Sequence[tuple[bool, str]]:
    """The words of a step, each with whether it is a stage."""
    words: list[tuple[bool, str]] = []
    rest = text
    while rest:
        quoted = _FIRST_WORD.match(rest)
        if quoted:
            words.append((bool(quoted[1]), _read(quoted[2])))
            rest = rest[quoted.end() :]
            continue
        word, _, rest = rest.partition(" | ")
        word = word.strip()
        words.append((word.startswith(STAGE_PREFIX), word.removeprefix(STAGE_PREFIX)))
    return words


def _read(text: str) -> str:
    """A text that may stand in quotes."""
    if not text.startswith('"'):
        return text
    try:
        read = str(json.loads(text, strict=False))
        read.encode()  # half a character is no text
    except ValueError:
        return text
    return read


def _written(text: str, plain: re.Pattern[str], apart: str = " and ") -> str:
    """A text, in quotes where it could be read otherwise."""
    is_plain = plain.fullmatch(text) and apart not in f"{text} " and apart not in f" {text}"
    return text if is_plain else json.dumps(text, ensure_ascii=False)


def _is_number(text: str) -> bool:
    try:
        return abs(float(text)) < float("inf")
    except ValueError:
        return False
