"""A codebook: themes, each with the words that say it. A person writes it; nothing is guessed.

A theme fits a text that has any of its words and none of those excluded. A word may end or begin with `*` for any
letters, or have it inside, and may be several words in a row. Text and words are compared without case, with quotes,
hyphens and other signs as blanks; an accent in a text may be missing in the word, not the other way round.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, model_validator

from analytics.experience.answers.questions import CodedQuestion, check_questions
from analytics.experience.texts.redaction import MAX_TEXT
from expectations.config.file import Owned, Section
from expectations.errors import DefinitionError

MAX_THEMES: Final = 60
TOO_COMMON: Final = 0.5
"""A word in more than this share of all texts says little of any."""
_SIGNS: Final = r"[^\p{L}\p{M}\p{N}]+"
_ALLOWED: Final = re.compile(r"[\w\s*'’&/.,:!-]+")
_LETTERS: Final = re.compile(r"[^\W_]")


def _is_word(word: str) -> str:
    if not _LETTERS.search(word):
        raise ValueError(f"a word of a theme has letters or digits; found {word!r}")
    if not _ALLOWED.fullmatch(word):
        raise ValueError(
            f"a word of a theme has letters, digits, blanks and * for letters, and is no pattern; found {word!r}"
        )
    return word


Word = Annotated[str, BeforeValidator(lambda word: _is_word(word) if isinstance(word, str) else word)]


class Theme(Owned):
    """One theme: texts with `any` of these words, and `none` of those.

    >>> Theme(name="Delivery", any=["deliver*", "parcel"], none=["free delivery"]).version
    1
    """

    name: str = Field(min_length=1, description="what the theme is called")
    version: int = Field(1, ge=1, description="raise it with every change of the words")
    any: tuple[Word, ...] = Field(min_length=1, description="words; * stands for any letters")
    none: tuple[Word, ...] = Field(default=(), description="words of which none may be in the text")


class VoiceSettings(Section):
    """`[voice]`: the codebook, the questions whose answers are chosen from a list, which touchpoints are invitations to
    a survey (`asked`), and which quotes are published.

    Published are those `approved` in the file, or `none`.
    """

    themes: tuple[Theme, ...] = Field(default=(), description="the codebook")
    questions: tuple[CodedQuestion, ...] = Field(default=(), description="questions whose answers are codes of a list")
    asked: tuple[str, ...] = Field(("survey_asked",), min_length=1, description="touchpoints of invitations")
    quotes: Literal["approved", "none"] = Field(
        default="approved", description="which quotes a report shows: those approved in the file, or none"
    )
    approved_file: str = Field("quotes.txt", description="one line per approved quote: its id, then anything")

    @model_validator(mode="after")
    def _are_a_codebook(self) -> VoiceSettings:
        try:
            check_codebook(self.themes)
            check_questions(self.questions)
        except DefinitionError as error:
            raise ValueError(f"{error.what.rstrip('.')}; expected {error.expected}") from None
        return self


def check_codebook(themes: Sequence[Theme]) -> None:
    """Raises `DefinitionError` for two themes of one name, and for more than `MAX_THEMES`."""
    names = [theme.name for theme in themes]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DefinitionError(f"Two themes are called {twice[0]!r}.", expected="a name of its own for each")
    if len(names) > MAX_THEMES:
        raise DefinitionError(f"There are {len(names)} themes.", expected=f"at most {MAX_THEMES}")


def theme_bits(texts: pl.Series, themes: Sequence[Theme]) -> NDArray[np.uint64]:
    """Which themes each text has: the bit of the first theme is 1, of the second 2, and so on.

    >>> book = [Theme(name="Payment", any=["pay*"]), Theme(name="Slow", any=["slow", "for ever"], none=["not slow"])]
    >>> theme_bits(pl.Series(["PAYMENT failed, so slow", "Takes for-ever", "not slow", "fine"]), book).tolist()
    [3, 2, 0, 0]
    """
    check_codebook(themes)
    forms, bits = _folded(texts), np.zeros(len(texts), np.uint64)
    for place, theme in enumerate(themes):
        fits = _has(forms, theme.any)
        if theme.none:
            fits &= ~_has(forms, theme.none)
        bits |= np.where(fits, np.uint64(1 << place), np.uint64(0))
    return bits


def theme_words(texts: pl.Series, themes: Sequence[Theme]) -> pl.DataFrame:
    """How many texts have each word of the codebook: words that say nothing, as all texts have them or none has.

    One row per theme and word: `theme`, `word` String; `texts` Int64; `share` Float64 of all texts (null without any);
    `state` String: `common` (in more than half of the texts), `unused` (in none), or null.

    >>> theme_words(pl.Series(["slow", "so slow", "fine"]), [Theme(name="S", any=["slow", "lame"])])["state"].to_list()
    ['common', 'unused']
    """
    forms = _folded(texts)
    rows: list[dict[str, Any]] = []
    for theme in themes:
        for word in theme.any:
            count = int(_has(forms, (word,)).sum())
            share = count / len(texts) if len(texts) else None
            state = "unused" if not count else "common" if count > TOO_COMMON * len(texts) else None
            rows.append({"theme": theme.name, "word": word, "texts": count, "share": share, "state": state})
    schema = {"theme": pl.String, "word": pl.String, "texts": pl.Int64, "share": pl.Float64, "state": pl.String}
    return pl.DataFrame(rows, schema=schema)


def _folded(texts: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The texts in small letters with signs as blanks, with a blank at both ends: with accents, and without."""
    small = texts.cast(pl.String).str.head(MAX_TEXT)
    frame = small.alias("text").to_frame().select(_in_small_letters(pl.col("text")))
    plain = frame.select(pl.col("text").str.normalize("NFD").str.replace_all(r"\p{M}+", ""))
    return tuple(each.select(_with_blanks(pl.col("text"))).to_series() for each in (frame, plain))  # type: ignore[return-value]


def _in_small_letters(text: pl.Expr) -> pl.Expr:
    return text.str.normalize("NFKC").str.to_lowercase().str.replace_all("ß", "ss").str.normalize("NFC")


def _with_blanks(text: pl.Expr) -> pl.Expr:
    return pl.concat_str(pl.lit(" "), text.str.replace_all(_SIGNS, " "), pl.lit(" ")).str.replace_all(" +", " ")


def _has(forms: tuple[pl.Series, pl.Series], words: Sequence[str]) -> NDArray[np.bool_]:
    """Whether a text has any of the words, in either form."""
    folded = pl.Series("text", words).to_frame().select(_in_small_letters(pl.col("text"))).to_series().to_list()
    patterns = []
    for word in folded:
        pieces = re.sub(r"[^\w*]|_", " ", word).split()
        patterns.append(" ".join(re.escape(piece).replace(r"\*", "[^ ]*") for piece in pieces))
    pattern = f" (?:{'|'.join(patterns)}) "
    found = [form.str.contains(pattern).fill_null(False).to_numpy() for form in forms]
    return np.asarray(found[0] | found[1])
