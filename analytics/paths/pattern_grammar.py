"""Defines and parses the syntax of patterns over touches.

A pattern is a regular expression whose letters are whole touches. Blanks only separate names.

| written | means |
| --- | --- |
| `cart` | one touch with this value, or one that meets the step of this name |
| `'Product page'` or `"..."` | the same, for names with blanks or other letters of this table |
| `.` | any touch |
| `[cart pay]` | one touch that is any of these |
| `[^cart pay]`, `(?!cart)`, `(?!cart\\|pay)` | one touch that is none of these |
| `a b` | the first, directly followed by the second |
| `a \\| b` | either of the two |
| `( ... )` | a group |
| `*`, `+`, `?`, `{2}`, `{2,}`, `{2,5}` | zero or more; one or more; zero or one; exact or range; as many as possible |
| `*?`, `+?`, `??`, `{2,}?` | the same, as few as possible |
| `^`, `$` | before the first touch, after the last touch of the unit |
| `<30m`, `<=30m`, `>1d`, `>=1d`, `=0s` | the wait from the touch before to the one after; any touches may lie between |

For example, `home .* cart (?!buy)* $` is a home, later a cart, and no buy after that. Without `$` the final `(?!buy)*`
would have no effect, because it also matches zero touches. A pattern with a time condition matches as few touches as
possible; time conditions are not allowed inside groups or together with `|`.

Not supported, because touches are not letters: capturing groups, look-ahead of more than one touch, back references.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from expectations.config.durations import duration
from expectations.errors import DefinitionError

TOKEN: Final = re.compile(
    r"""(?P<blank>\s+)
    |(?P<none>\(\?!) | (?P<open>\() | (?P<close>\)) | (?P<or>\|)
    |(?P<quantifier>[*+?]\??|\{\d+(?:,\d*)?\}\??)
    |(?P<begin>\^) | (?P<end>\$) | (?P<any>\.)
    |(?P<set>\[\^?) | (?P<unset>\])
    |(?P<time>(?:<=|>=|<|>|=)\s*\d+(?:\.\d+)?\s*[smhdw])
    |'(?P<single>[^']*)' | "(?P<double>[^"]*)"
    |(?P<name>[^\s.\[\](){}|*+?^$'"<>=]+)""",
    re.VERBOSE,
)
COMPARISONS: Final[dict[str, Callable[[int, int], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
}
PLAIN: Final = {"open": "(?:", "close": ")", "or": "|", "begin": r"\A"}


@dataclass(frozen=True, slots=True)
class Touch:
    """One touch that meets any of the names, or none of them. `names` are indices into the names of the pattern."""

    names: tuple[int, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """A time condition between two segments: `test(wait, limit)` must hold, in microseconds."""

    test: Callable[[int, int], bool]
    limit: int


@dataclass(frozen=True)
class Pattern:
    """A parsed pattern: segments with a pause between each two. A piece is a touch, or regular-expression syntax."""

    text: str
    names: tuple[str, ...]
    segments: tuple[tuple[Touch | str, ...], ...]
    pauses: tuple[Pause, ...]

    def regex(self, letters: Callable[[Touch], str], *, segment: int | None = None) -> str:
        """The regular expression of one segment, or of all; `letters` gives the expression of each touch."""
        chosen = self.segments if segment is None else self.segments[segment : segment + 1]
        return ".*?".join("".join(p if isinstance(p, str) else letters(p) for p in pieces) for pieces in chosen)

    def fixed(self, segment: int) -> int | None:
        """The number of touches in a segment, or None if it varies."""
        pieces = self.segments[segment]
        plain = all(isinstance(piece, Touch) or piece in (r"\A", r"\z") for piece in pieces)
        return sum(isinstance(piece, Touch) for piece in pieces) if plain else None


@dataclass
class _Reader:
    """A parser that reads tokens from left to right."""

    text: str
    names: list[str] = field(default_factory=list)
    segments: list[list[Touch | str]] = field(default_factory=lambda: [[]])
    pauses: list[Pause] = field(default_factory=list)
    depth: int = 0
    alternatives: bool = False

    def read(self) -> Pattern:
        tokens = _tokens(self.text)
        while tokens:
            kind, word = tokens.pop(0)
            if kind in ("set", "none"):
                self._set(kind, word, tokens)
            elif kind == "name":
                self.segments[-1].append(Touch((self._index(word),)))
            elif kind == "any":
                self.segments[-1].append(Touch((), negated=True))
            elif kind == "time":
                self._pause(word)
            else:
                self._plain(kind, word)
        self._check()
        return Pattern(self.text, tuple(self.names), tuple(map(tuple, self.segments)), tuple(self.pauses))

    def _index(self, name: str) -> int:
        if name not in self.names:
            self.names.append(name)
        return self.names.index(name)

    def _set(self, kind: str, word: str, tokens: list[tuple[str, str]]) -> None:
        closing, inside = ("unset", ("name",)) if kind == "set" else ("close", ("name", "or"))
        indices: list[int] = []
        while tokens and tokens[0][0] in inside:
            what, name = tokens.pop(0)
            indices += [self._index(name)] if what == "name" else []
        if not tokens or tokens.pop(0)[0] != closing or not indices:
            raise wrong(self.text, f"names after {word!r}, and its closing bracket")
        self.segments[-1].append(Touch(tuple(indices), negated=kind == "none" or word == "[^"))

    def _pause(self, word: str) -> None:
        sign = word.rstrip("0123456789. smhdw")
        length = duration(word[len(sign) :].strip())
        if self.depth or self.alternatives or not self.segments[-1]:
            raise wrong(self.text, "a time condition between two touches, outside of groups and without `|`")
        self.pauses.append(Pause(COMPARISONS[sign], round(length.total_seconds() * 1_000_000)))
        self.segments.append([])

    def _plain(self, kind: str, word: str) -> None:
        if kind == "unset":
            raise wrong(self.text, "[ before ]")
        self.depth += {"open": 1, "close": -1}.get(kind, 0)
        self.alternatives |= kind == "or" and not self.depth
        self.segments[-1].append(r"\z" if kind == "end" else PLAIN.get(kind, word))

    def _check(self) -> None:
        if not any(isinstance(piece, Touch) for piece in self.segments[0]):
            raise wrong(self.text, "at least one touch")
        if not self.pauses:
            return
        pieces = [(s, p, piece) for s, segment in enumerate(self.segments) for p, piece in enumerate(segment)]
        last = (len(self.segments) - 1, len(self.segments[-1]) - 1)
        misplaced = [
            p for s, p, piece in pieces if (piece == r"\A" and (s, p) != (0, 0)) or (piece == r"\z" and (s, p) != last)
        ]
        if not self.segments[-1] or self.alternatives or misplaced:
            raise wrong(
                self.text, "^ and $ only at the ends of a pattern with time conditions, and touches around each"
            )


def parse_pattern(text: str) -> Pattern:
    """Parses the text of a pattern; raises `DefinitionError` if it is invalid.

    >>> parse_pattern("home .* 'Product page'").names
    ('home', 'Product page')
    """
    return _Reader(text).read()


def wrong(text: str, expected: str) -> DefinitionError:
    """The error for an invalid pattern."""
    return DefinitionError("This pattern is invalid.", expected=expected, found=repr(text))


def quoted(name: str) -> str:
    """Quotes a name for use in a pattern.

    >>> quoted("Product page")
    "'Product page'"
    """
    return f'"{name}"' if "'" in name else f"'{name}'"


def any_of(names: Sequence[str]) -> str:
    """The pattern of one touch that is any of these names.

    >>> any_of(["cart", "pay"])
    "['cart' 'pay']"
    """
    return f"[{' '.join(map(quoted, names))}]"


def _tokens(text: str) -> list[tuple[str, str]]:
    """The kind and the text of every token; quoted names have kind `name`."""
    tokens, position = [], 0
    while position < len(text):
        token = TOKEN.match(text, position)
        if token is None:
            raise wrong(text, f"valid syntax at {text[position : position + 12]!r}")
        kind = str(token.lastgroup)
        if kind != "blank":
            tokens.append(("name" if kind in ("single", "double") else kind, token[kind]))
        position = token.end()
    return tokens
