"""A pattern that is translated finds in polars what Python's `re` finds; all others are refused."""

from __future__ import annotations

import re

import polars as pl
import pytest

from expectations.compile.patterns import Untranslatable, translate

PATTERNS = [
    *("a", "^a", "a$", "^a$", r"\Aa", r"a\Z", "a.b", "(?s)a.b", "(?m)^b", "(?m)a$", "(?m)^b$", "^", "$", ""),
    *("[abc]", "[^abc]", "[^a]", "[a-c]", "[^a-c1-3]", "[-a]", r"[\d_]", r"[^\d\s]", r"[^\w]", r"\d", r"\D", r"\s"),
    *(r"\S", r"\w", r"\W", r"^\w+$", r"\ba", r"a\B", "(?i)A", "(?i)[A-C]x", "(?i:A)b", "(?i)a(?-i:B)", "(?x) a  b # c"),
    *("(ab)+", "(?:a|b)c", "(a|ab)(c|bcd)", "a{2}", "a{2,}", "a{1,2}b", "^a{2,3}$", "^a*?b", "a?", "^(a$|b$)", "(a$)"),
    *("(?P<n>a)b", "é", "(?i)É", r"\.", r"[\]\\]", r"\x41", r"\u00e9", "(?s:a.)b", "(?m:^b)", "a(?:b$)"),
]
TEXTS = [
    *("", "a", "b", "c", "A", "B", "ab", "AB", "aB", "Ab", "abc", "abcd", "aab", "aaa", "aaaa", "a\n", "a\nb", "b\na"),
    *(
        "a\n\n",
        "\na",
        "aXb",
        "a b",
        " a",
        "1",
        "٣",
        "²",
        "_",
        "-",
        "é",
        "É",
        "x",
        "Cx",
        "cX",
        ".",
        "]",
        "\\",
        "\x1c",
        "\t",
    ),
    *(
        "\u00a0",
        "\u2028",
        "\x85",
        "\r",
        "日本",
        "ab_1",
        "9a",
        "\U0010ffff",
        "\ue000",
        "\ud7ff",
        "\u200d",
        "Σ",
        "ς",
        "ß",
        "ſ",
    ),
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_polars_finds_what_python_finds(pattern: str) -> None:
    found = pl.Series(TEXTS).str.contains(translate(pattern)).to_list()
    assert dict(zip(TEXTS, found, strict=True)) == {text: bool(re.search(pattern, text)) for text in TEXTS}


@pytest.mark.parametrize("kind", ["d", "D", "s", "S", "w", "W"])
def test_every_character_belongs_to_a_class_as_in_python(kind: str) -> None:
    every = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    found = pl.Series(every).str.contains(translate(f"^\\{kind}\\Z"))
    assert found.to_list() == [bool(re.match(f"\\{kind}", character)) for character in every]


@pytest.mark.parametrize(
    "pattern",
    ["(?=a)b", "(?!a)b", "(?<=a)b", "(?<!a)b", r"(a)\1", "(?>a)b", "a*+", "(?a)a", "a$b", "($)a", "(a$)*", "[\ud800]"],
)
def test_what_only_python_can_match_is_refused(pattern: str) -> None:
    with pytest.raises(Untranslatable):
        translate(pattern)


def test_a_pattern_that_is_too_large_when_compiled_is_refused() -> None:
    with pytest.raises(Untranslatable, match="too large"):
        translate("(?:(?:[a-z]{100}){100}){100}")
