"""How is a pattern over touches written?

A pattern is a regular expression whose letters are whole touches. Blanks only part the words.

| written | means |
| --- | --- |
| `cart` | one touch with this value, or one that meets the step of this name |
| `'Product page'` or `"..."` | the same, for names with blanks or other letters of this table |
| `.` | any one touch |
| `[cart pay]` | one touch that is any of these |
| `[^cart pay]`, `(?!cart)`, `(?!cart\\|pay)` | one touch that is none of these |
| `a b` | first the one, directly after it the other |
| `a \\| b` | the one or the other |
| `( ... )` | a group |
| `*`, `+`, `?`, `{2}`, `{2,}`, `{2,5}` | none or more; one or more; none or one; so many; each as many as possible |
| `*?`, `+?`, `??`, `{2,}?` | each as few as possible |
| `^`, `$` | before the first touch, after the last touch of the unit |
| `<30m`, `<=30m`, `>1d`, `>=1d`, `=0s` | any touches may pass; so long from the touch before to the touch after |

So `home .* cart (?!buy)* $` is a home, later a cart, and no buy from there on. Without `$` the last `(?!buy)*` would
ask nothing: it is also met by no touch at all. A pattern with a time condition is as short as possible, and
has conditions outside of groups only and without `|` between them.

Left out, because touches are not letters: captured groups, look-ahead of more than one touch, back references.
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
    """One touch: any of the named, or none of them. `names` are places in the names of the pattern."""

    names: tuple[int, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """A time condition between two segments: whether `test(wait, limit)` holds, in microseconds."""

    test: Callable[[int, int], bool]
    limit: int


@dataclass(frozen=True)
class Pattern:
    """A pattern as segments, with a pause between each two; a piece is a touch, or part of a regular expression."""

    text: str
    names: tuple[str, ...]
    segments: tuple[tuple[Touch | str, ...], ...]
    pauses: tuple[Pause, ...]

    def regex(self, letters: Callable[[Touch], str], *, segment: int | None = None) -> str:
        """The regular expression in which `letters` writes each touch; of one segment, or of all."""
        chosen = self.segments if segment is None else self.segments[segment : segment + 1]
        return ".*?".join("".join(p if isinstance(p, str) else letters(p) for p in pieces) for pieces in chosen)

    def fixed(self, segment: int) -> int | None:
        """How many touches a segment has, when it is always the same number."""
        pieces = self.segments[segment]
        plain = all(isinstance(piece, Touch) or piece in (r"\A", r"\z") for piece in pieces)
        return sum(isinstance(piece, Touch) for piece in pieces) if plain else None


@dataclass
class _Reader:
    """Reads tokens from left to right."""

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
                self.segments[-1].append(Touch((self._place(word),)))
            elif kind == "any":
                self.segments[-1].append(Touch((), negated=True))
            elif kind == "time":
                self._pause(word)
            else:
                self._plain(kind, word)
        self._check()
        return Pattern(self.text, tuple(self.names), tuple(map(tuple, self.segments)), tuple(self.pauses))

    def _place(self, name: str) -> int:
        if name not in self.names:
            self.names.append(name)
        return self.names.index(name)

    def _set(self, kind: str, word: str, tokens: list[tuple[str, str]]) -> None:
        closing, inside = ("unset", ("name",)) if kind == "set" else ("close", ("name", "or"))
        places: list[int] = []
        while tokens and tokens[0][0] in inside:
            what, name = tokens.pop(0)
            places += [self._place(name)] if what == "name" else []
        if not tokens or tokens.pop(0)[0] != closing or not places:
            raise wrong(self.text, f"names after {word!r}, and its closing bracket")
        self.segments[-1].append(Touch(tuple(places), negated=kind == "none" or word == "[^"))

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
    """A pattern from its text; raises `DefinitionError` when it cannot be read.

    >>> pattern("home .* 'Product page'").names
    ('home', 'Product page')
    """
    return _Reader(text).read()


def wrong(text: str, expected: str) -> DefinitionError:
    """The error of a pattern that cannot be read."""
    return DefinitionError("This pattern cannot be read.", expected=expected, found=repr(text))


def quoted(name: str) -> str:
    """A name as a pattern writes it.

    >>> quoted("Product page")
    "'Product page'"
    """
    return f'"{name}"' if "'" in name else f"'{name}'"


def any_of(names: Sequence[str]) -> str:
    """One touch that is any of these, as a pattern writes it.

    >>> any_of(["cart", "pay"])
    "['cart' 'pay']"
    """
    return f"[{' '.join(map(quoted, names))}]"


def _tokens(text: str) -> list[tuple[str, str]]:
    """The kind and the word of every token; quoted names are names."""
    tokens, place = [], 0
    while place < len(text):
        found = TOKEN.match(text, place)
        if found is None:
            raise wrong(text, f"something that can be read at {text[place : place + 12]!r}")
        kind = str(found.lastgroup)
        if kind != "blank":
            tokens.append(("name" if kind in ("single", "double") else kind, found[kind]))
        place = found.end()
    return tokens
