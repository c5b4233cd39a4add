"""Finds the quarantined messages that name a customer, by searching their bytes.

An identity counts where it stands as a word of its own, in the message or in a header: as written, as escaped in JSON
or in a URL, and in any case where its kind ignores case. A short identity, which could be any number, counts only
between quotes or separators, or alone. Bytes that are not text have no words: there a match anywhere counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, quote_plus

import polars as pl

from expectations import contract
from expectations.lake.layout import QUARANTINE, Lake
from expectations.lake.tables import scan

_SHORT: Final = 6
"""Identities with fewer characters are short."""

_EDGE: Final = rb"[\"'\t\r\n,;&=|]"
_ROW: Final = "_row"


def messages_naming(lake: Lake, values: Mapping[str, bool]) -> pl.DataFrame:
    """Positions (topic, partition, offset) of the messages that contain one of these identities.

    `values` maps each identity to whether its case is ignored.
    """
    quarantined = (
        scan(lake, QUARANTINE, contract.QUARANTINE).select(*contract.POSITION, "raw", "headers").with_row_index(_ROW)
    )
    written = {form: ignores_case for value, ignores_case in values.items() for form in _spellings(value)}
    header = pl.element().struct.field("value")
    in_headers = pl.col("headers").list.eval(_contains_any(header, written)).list.any()
    candidates = quarantined.filter(_contains_any(pl.col("raw"), written) | in_headers.fill_null(False)).collect()
    if candidates.is_empty():
        return candidates.select(contract.POSITION)  # thousands of patterns take seconds to compile
    searched = _patterns(written)
    rows = [
        row[_ROW]
        for row in candidates.iter_rows(named=True)
        if any(_names_customer(text, searched) for text in (row["raw"], *(h["value"] for h in row["headers"] or ())))
    ]
    return candidates.filter(pl.col(_ROW).is_in(rows)).select(contract.POSITION)


def _spellings(value: str) -> set[str]:
    """The ways an identity may be written: plain, in JSON, in a URL."""
    escaped = {json.dumps(value, ensure_ascii=plain)[1:-1] for plain in (True, False)}
    return {value, *escaped, quote(value, safe=""), quote_plus(value)}


def _contains_any(column: pl.Expr, written: Mapping[str, bool]) -> pl.Expr:
    """Whether bytes contain one of the spellings, anywhere; those whose case counts are searched for in one pass."""
    digits = column.bin.encode("hex")
    exact = [form.encode().hex() for form in sorted(written) if not written[form]]
    any_case = [digits.str.contains(_hex_pattern(form)) for form in sorted(written) if written[form]]
    in_one_pass = [digits.str.contains_any(exact)] if exact else []
    return pl.any_horizontal(*in_one_pass, *any_case).fill_null(False)


def _hex_pattern(form: str) -> str:
    """A pattern that matches hexadecimal bytes in either case of the text."""
    small, large = form.lower().encode(), form.upper().encode()
    if len(small) != len(large):  # rare letters change their length with their case
        return f"{small.hex()}|{large.hex()}|{form.encode().hex()}"
    return "".join(f"(?:{a:02x}|{b:02x})" for a, b in zip(small, large, strict=True))


def _patterns(written: Mapping[str, bool]) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """The patterns to search for in text, and in bytes that are not text."""
    each = {form: re.escape(form.encode()) for form in sorted(written, key=len, reverse=True)}
    cased = {form: b"(?i:%s)" % pattern if written[form] else pattern for form, pattern in each.items()}
    long = [pattern for form, pattern in cased.items() if len(form) >= _SHORT]
    short = [pattern for form, pattern in cased.items() if len(form) < _SHORT]
    words = [rb"(?<!\w)(?:%s)(?!\w)" % b"|".join(long)] if long else []
    words += [rb"(?:^|(?<=%s))(?:%s)(?=%s|$)" % (_EDGE, b"|".join(short), _EDGE)] if short else []
    nothing = rb"(?!)"
    return re.compile(b"|".join(words) or nothing), re.compile(b"|".join(long) or nothing)


def _names_customer(content: bytes | None, searched: tuple[re.Pattern[bytes], re.Pattern[bytes]]) -> bool:
    in_text, in_bytes = searched
    if content is None:
        return False
    return bool(in_text.search(content) or (not _is_text(content) and in_bytes.search(content)))


def _is_text(content: bytes) -> bool:
    if b"\x00" in content:
        return False
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True
