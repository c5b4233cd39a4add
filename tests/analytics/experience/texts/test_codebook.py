from __future__ import annotations

import tomllib
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from analytics import Theme, VoiceSettings, theme_bits, theme_words
from expectations.errors import DefinitionError
from ingest.samples.simulator import simulate
from journeys.settings import template
from tests.oracles.whole_paths.themes import Coded, themes_of

LIBRARY = tomllib.loads((Path(__file__).parent / "library.toml").read_text())
OF_SHOP = ("payment", "slow", "wait", "search", "price", "delivery", "staff", "choice", "easy")
"""The names that the simulator gives the themes of the shop's codebook, in its order."""


def coded(texts: list[str], book: list[Theme], names: list[str]) -> list[set[str]]:
    bits = theme_bits(pl.Series(texts, dtype=pl.String), book).tolist()
    return [{name for place, name in enumerate(names) if each >> place & 1} for each in bits]


def rightly(found: list[set[str]], known: list[list[str]]) -> float:
    return sum(one == set(other) for one, other in zip(found, known, strict=True)) / len(known)


@pytest.mark.parametrize("seed", [71, 72])
def test_the_codebook_of_the_shop_is_right_on_texts_that_it_was_not_written_from(seed: int) -> None:
    book = list(VoiceSettings.model_validate(tomllib.loads(template("shop"))["voice"]).themes)
    texts = simulate(4_000, 40, seed=seed).texts
    found = coded(texts["text"].to_list(), book, list(OF_SHOP))
    assert len(texts) > 150
    assert rightly(found, texts["themes"].to_list()) >= 0.95


@pytest.mark.parametrize("seen", [True, False])
def test_a_codebook_of_another_trade_is_right_on_texts_held_back(seen: bool) -> None:
    book = [Theme.model_validate(theme) for theme in LIBRARY["themes"]]
    rows = [row for row in LIBRARY["texts"] if row.get("seen", False) is seen]
    found = coded([row["text"] for row in rows], book, [theme.name for theme in book])
    wrong = [(row["text"], own) for row, own in zip(rows, found, strict=True) if own != set(row["themes"])]
    assert len(rows) >= 30
    assert rightly(found, [row["themes"] for row in rows]) >= 0.95, wrong


@pytest.mark.parametrize(
    ("word", "text", "fits"),
    [
        ("pay*", "PAYMENT", True),
        ("pay", "payment", False),
        ("*pay", "repay!", True),
        ("del*ery", "delivery", True),
        ("to load", "ages to-load", True),
        ("to load", "to the load", False),
        ("cafe", "Café", True),
        ("café", "cafe", False),
        ("strasse", "Straße", True),
        ("don't", "I don’t", True),
        ("5", "5 stars", True),
        ("ＡＢＣ", "abc", True),
        ("слон*", "Слоны", True),
    ],
)
def test_how_words_fit(word: str, text: str, fits: bool) -> None:
    assert theme_bits(pl.Series([text]), [Theme(name="t", any=[word])]).tolist() == [int(fits)]


letters = st.text("aäbé* ß.-'", max_size=9)


@given(st.lists(letters, max_size=6), st.lists(letters.filter(lambda w: w.strip(" *.-'")), min_size=1, max_size=3))
@settings(max_examples=60, deadline=None)
def test_words_fit_as_when_they_are_compared_one_by_one(texts: list[str], words: list[str]) -> None:
    book = [Theme(name="t", any=words[:2], none=words[2:])]
    slow = [Coded("t", words[:2], words[2:])]
    plain = [text.replace("*", "x") for text in texts]
    assert coded(plain, book, ["t"]) == [themes_of(text, slow) for text in plain]


def test_no_text_a_null_and_the_rest_of_a_long_one_have_no_theme() -> None:
    book = [Theme(name="t", any=["slow"])]
    assert theme_bits(pl.Series([], dtype=pl.String), book).tolist() == []
    assert theme_bits(pl.Series([None, "", "x" * 4000 + " slow", "slow"]), book).tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize("word", ["", "*", " ", "a|b", "(x)", "a+", "[ab]", "a\\b", "^a", "a{2}"])
def test_a_regular_expression_or_no_word_is_refused(word: str) -> None:
    with pytest.raises(ValidationError, match="a word of a theme"):
        Theme(name="t", any=[word])


def test_a_codebook_that_is_none_is_refused() -> None:
    theme = Theme(name="t", any=["a"])
    with pytest.raises(ValidationError):
        Theme(name="t", any=[])
    with pytest.raises(ValidationError, match="Two themes are called 't'"):
        VoiceSettings(themes=[theme, theme])
    with pytest.raises(DefinitionError, match="61 themes"):
        theme_bits(pl.Series(["a"]), [Theme(name=str(n), any=["a"]) for n in range(61)])


def test_words_that_say_nothing_are_told() -> None:
    found = theme_words(
        pl.Series(["the slow one", "the other", "the end"]), [Theme(name="t", any=["the", "slow", "no"])]
    )
    assert found.select("word", "texts", "state").rows() == [
        ("the", 3, "common"),
        ("slow", 1, None),
        ("no", 0, "unused"),
    ]
    assert theme_words(pl.Series([], dtype=pl.String), []).rows() == []
