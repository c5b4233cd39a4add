"""Quotes: single texts that may leave the house, redacted, and each approved by a person.

An approval is a line in a file that the user keeps: the id of the quote. The file holds no text. An id is made of the
text and of what is left of it when it is redacted: when either changes, it is another quote, which nobody approved.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import polars as pl

from analytics.experience.texts.codebook import Theme, theme_bits
from analytics.experience.texts.landed_texts import Texts, texts_of
from analytics.experience.texts.redaction import redact
from analytics.store.columns import CUSTOMER
from analytics.store.encoding import Dictionaries, as_text
from analytics.store.parts import Part, decoded
from analytics.store.paths import Paths
from expectations.errors import InputError

LONGEST_QUOTE: Final = 280
"""A longer text is no quote: nobody reads it, and it says more of its writer."""
_ID: Final = re.compile(r"[0-9a-f]{16}")
_HALF: Final = 8
QUOTES: Final = pl.Schema(
    {"theme": pl.String, "id": pl.String, "quote": pl.String, "responses": pl.Int64, "customers": pl.Int64}
)


def quotes(
    paths: Paths, codebook: Sequence[Theme], texts: Texts | None = None, *, only: Collection[str] | None = None
) -> pl.DataFrame:
    """The texts with a theme of the codebook, redacted, as candidates for quotes; no customer is named.

    `texts` as in `themes`. With `only` those with one of these ids. Texts of customers who object to profiling, and
    those longer than 280 characters, are left out. Columns: `theme` String, in the order of the codebook (a text with
    two themes has two rows), `id` String (16 characters), `quote` String, `responses` Int64 (with this very text),
    `customers` Int64 (distinct, who wrote of the theme). The commonest come first.

    >>> shop = Paths.from_text({"ann": "tell@1m[feedback_text=So slow! Ask Mr Smith]"})
    >>> quotes(shop, [Theme(name="Slow", any=["slow"])])["theme", "quote", "customers"].rows()
    [('Slow', 'So slow! Ask [name]', 1)]
    """
    given = texts_of(paths) if texts is None else texts
    found = given.rows.with_columns(pl.Series("bits", theme_bits(given.rows["text"], codebook), pl.UInt64))
    parts = paths.each(partial(_written_in, given.key, found.filter(pl.col("bits") > 0)))
    written = paths.without_objectors(pl.concat(parts)) if parts else pl.DataFrame()
    rows: list[dict[str, Any]] = []
    for place, theme in enumerate(codebook if len(written) else ()):
        own = written.filter((pl.col("bits") & pl.lit(1 << place, pl.UInt64)) > 0)
        short = own.filter(pl.col("text").str.len_chars() <= LONGEST_QUOTE)
        counted = (
            short.group_by("text")
            .agg(responses=pl.len().cast(pl.Int64))
            .sort("responses", "text", descending=[True, False])
        )
        for text, responses in counted.iter_rows():
            if only is not None and not any(each.startswith(_digest(text)) for each in only):
                continue
            quote = redact(text)
            name = _digest(text) + _digest(quote)
            if only is None or name in only:
                rows.append(
                    {
                        "theme": theme.name,
                        "id": name,
                        "quote": quote,
                        "responses": responses,
                        "customers": own[CUSTOMER].n_unique(),
                    }
                )
    return pl.DataFrame(rows, schema=QUOTES)


def approved_ids(file: Path) -> list[str]:
    """The ids in a file of approvals, in its order: one a line, followed by whatever helps; none without the file.

    Blank lines and lines that begin with # are skipped. Raises `InputError` for a line that begins with no id.
    """
    if not file.exists():
        return []
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("The file of approved quotes cannot be read.", where=str(file), found=str(error)) from error
    ids: dict[str, None] = {}
    for number, line in enumerate(lines, 1):
        if not line or line.startswith("#"):
            continue
        word = line.split()[0]
        if not _ID.fullmatch(word):
            raise InputError(
                "A line of the approved quotes begins with no id.",
                where=f"{file}, line {number}",
                expected="an id of 16 characters, as journeys voice quotes prints it",
                found=word,
            )
        ids[word] = None
    return list(ids)


def _digest(text: str) -> str:
    plain = unicodedata.normalize("NFC", text).encode("utf-8", "surrogatepass")
    return hashlib.sha256(plain).hexdigest()[:_HALF]


def _written_in(key: str, found: pl.DataFrame, part: Part, words: Dictionaries) -> pl.DataFrame:
    """The texts of a part, with their customers."""
    touches = as_text(decoded(part, [CUSTOMER, key], words), [key])
    return touches.with_columns(pl.col(CUSTOMER).cast(pl.String)).join(found, on=key).select(CUSTOMER, "text", "bits")
