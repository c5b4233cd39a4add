"""Translates Python regular expressions for polars, which matches them in time linear in the text.

Great Expectations searches with Python's `re`, which may take for ever over some texts, and texts come from outside. So
gate and audit search with polars, that is with Rust's `regex`, which interprets some patterns differently (`$` before a
final line feed, the members of `\\w`). `translate` rewrites a Python pattern so that polars matches the same strings,
or raises `Untranslatable`; such a pattern is refused before a stream starts.

| in the pattern                                        | translated                                       |
| ----------------------------------------------------- | ------------------------------------------------ |
| text, `.`, `[...]`, `\\d \\w \\s` and their negations | yes; classes as the code points they have in Python |
| groups, alternatives, repetitions                     | yes                                              |
| `^`, `\\A`, `\\Z`; `$` where a match ends             | yes                                              |
| `(?i)`, `(?m)`, `(?s)`, `(?x)`; `\\b`, `\\B`          | yes; letters and words as Unicode defines them   |
| look-around, back-references, `(?>...)`, `(?a)`, `(?L)` | no                                             |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache
from re import _constants as op  # type: ignore[attr-defined] # the parser has no public name since Python 3.11
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, Final

import polars as pl

_LAST: Final = 0x10FFFF
_SURROGATES: Final = range(0xD800, 0xE000)
_UNBOUNDED: Final = parser.MAXREPEAT
_CATEGORIES: Final = {
    op.CATEGORY_DIGIT: ("digit", False),
    op.CATEGORY_NOT_DIGIT: ("digit", True),
    op.CATEGORY_SPACE: ("space", False),
    op.CATEGORY_NOT_SPACE: ("space", True),
    op.CATEGORY_WORD: ("word", False),
    op.CATEGORY_NOT_WORD: ("word", True),
}
_BOUNDARIES: Final = {op.AT_BOUNDARY: r"\b", op.AT_NON_BOUNDARY: r"\B"}
_FLAGS: Final = re.IGNORECASE | re.MULTILINE | re.DOTALL | re.VERBOSE
_HOLDS: Final[dict[str, Callable[[str], bool]]] = {
    "digit": str.isdecimal,
    "space": str.isspace,
    "word": lambda character: character == "_" or character.isalnum(),
}


class Untranslatable(ValueError):
    """The pattern is valid, but polars, which is linear in the text, cannot match the same strings."""


def translate(pattern: str) -> str:
    r"""Rewrite a Python regular expression so that `pl.Expr.str.contains` finds what `re.search` finds.

    Raises `re.error` for an invalid pattern, and `Untranslatable` for one that only Python can match.

    >>> translate("^[A-Z]{3}$")
    '\\A(?:[\\x{41}-\\x{5a}]){3}\\n?\\z'
    """
    parsed = parser.parse(pattern)
    flags = _supported(parsed.state.flags & ~re.UNICODE.value)
    translated = _sequence(parsed, flags, last=True)
    if flags & re.IGNORECASE:
        translated = f"(?i:{translated})"
    try:
        pl.Series([""]).str.contains(translated)
    except pl.exceptions.ComputeError as error:
        raise Untranslatable("it is too large when compiled") from error
    return translated


def _supported(flags: int) -> int:
    if flags & ~_FLAGS:
        raise Untranslatable("flags other than i, m, s and x")
    return flags


def _sequence(nodes: Iterable[Any], flags: int, last: bool) -> str:
    """Translate neighbouring nodes; `last` says whether a match ends where they end."""
    items = list(nodes)
    return "".join(_node(node, flags, last and position == len(items)) for position, node in enumerate(items, 1))


def _node(node: tuple[Any, Any], flags: int, last: bool) -> str:
    code, value = node
    if code is op.LITERAL:
        return _point(value)
    if code is op.NOT_LITERAL:
        return f"[^{_point(value)}]"
    if code is op.ANY:
        return "(?s:.)" if flags & re.DOTALL else "."
    if code is op.IN:
        return _class(value)
    if code is op.AT:
        return _anchor(value, flags, last)
    if code is op.BRANCH:
        return "(?:" + "|".join(_sequence(branch, flags, last) for branch in value[1]) + ")"
    if code is op.SUBPATTERN:
        return _group(value, flags, last)
    if code in (op.MAX_REPEAT, op.MIN_REPEAT):
        low, high, repeated = value
        bounds = f"{{{low},}}" if high is _UNBOUNDED else f"{{{low}}}" if low == high else f"{{{low},{high}}}"
        return f"(?:{_sequence(repeated, flags, last=False)}){bounds}"
    raise Untranslatable(f"{str(code).lower().replace('_', ' ')} in the pattern")


def _group(value: tuple[Any, int, int, Any], flags: int, last: bool) -> str:
    _, added, removed, inner = value
    flags = (flags | _supported(added & ~re.UNICODE.value)) & ~removed
    case = "i" if added & re.IGNORECASE else "-i" if removed & re.IGNORECASE else ""
    return f"(?{case}:{_sequence(inner, flags, last)})"


def _anchor(at: Any, flags: int, last: bool) -> str:
    if at in _BOUNDARIES:
        return _BOUNDARIES[at]
    if flags & re.MULTILINE and at in (op.AT_BEGINNING, op.AT_END):
        return "(?m:^)" if at is op.AT_BEGINNING else "(?m:$)"
    if at in (op.AT_BEGINNING, op.AT_BEGINNING_STRING):
        return r"\A"
    if at is op.AT_END_STRING:
        return r"\z"
    if last:
        return r"\n?\z"  # before a final line feed too
    raise Untranslatable("$ inside the pattern")


def _class(items: list[tuple[Any, Any]]) -> str:
    negated = items[0][0] is op.NEGATE
    inside = "".join(_member(code, value) for code, value in items[negated:])
    return f"[{'^' if negated else ''}{inside}]"


def _member(code: Any, value: Any) -> str:
    if code is op.LITERAL:
        return _point(value)
    if code is op.RANGE:
        return f"{_point(value[0])}-{_point(value[1])}"
    return _ranges(*_CATEGORIES[value])


def _point(code: int) -> str:
    if code in _SURROGATES:
        raise Untranslatable("half a surrogate pair in the pattern")
    return f"\\x{{{code:x}}}"


@cache
def _ranges(category: str, negated: bool) -> str:
    """The code points of a category in this version of Python, as the inside of a character class."""
    holds = _HOLDS[category]
    starts: list[int] = []
    inside = False
    for code in range(_LAST + 2):
        now = code <= _LAST and code not in _SURROGATES and holds(chr(code)) is not negated
        if now is not inside:
            starts.append(code)
            inside = now
    return "".join(f"{_point(low)}-{_point(high - 1)}" for low, high in zip(starts[::2], starts[1::2], strict=True))
