"""Which refused messages name a customer? What could not be read is searched byte by byte.

An identity counts where it stands as a word of its own, in the message or in a header: as it is written, as JSON or an
address escapes it, and in any case where its kind ignores case. A short identity, which could be any number, counts
only between quotes or separators, or alone. In bytes that are no text there are no words: anywhere counts.
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
"""An identity of fewer letters is short."""

_EDGE: Final = rb"[\"'\t\r\n,;&=|]"
_ROW: Final = "_row"


def messages_naming(lake: Lake, values: Mapping[str, bool]) -> pl.DataFrame:
    """Positions (topic, partition, offset, and part, null for all) of the messages that hold one of these identities.

    `values` tells of each whether case does not matter.
    """
    place = pl.lit(None, pl.Int32).alias(contract.PART)
    refused = (
        scan(lake, QUARANTINE, contract.QUARANTINE).select(*contract.POSITION, "raw", "headers").with_row_index(_ROW)
    )
    written = {form: loose for value, loose in values.items() for form in _spellings(value)}
    header = pl.element().struct.field("value")
    said = pl.col("headers").list.eval(_contains_any(header, written)).list.any()
    near = refused.filter(_contains_any(pl.col("raw"), written) | said.fill_null(False)).collect()
    searched = _patterns(written)
    rows = [
        row[_ROW]
        for row in near.iter_rows(named=True)
        if any(_names_customer(text, searched) for text in (row["raw"], *(h["value"] for h in row["headers"] or ())))
    ]
    return near.filter(pl.col(_ROW).is_in(rows)).select(*contract.POSITION, place)


def _spellings(value: str) -> set[str]:
    """An identity as it may be written: plainly, within JSON, within an address."""
    escaped = {json.dumps(value, ensure_ascii=plain)[1:-1] for plain in (True, False)}
    return {value, *escaped, quote(value, safe=""), quote_plus(value)}


def _contains_any(column: pl.Expr, written: Mapping[str, bool]) -> pl.Expr:
    """Whether bytes hold one of the forms, wherever."""
    exact = [column.bin.contains(form.encode()) for form, loose in sorted(written.items()) if not loose]
    any_case = [
        column.bin.encode("hex").str.contains(_hex_pattern(form)) for form, loose in sorted(written.items()) if loose
    ]
    return pl.any_horizontal(*exact, *any_case).fill_null(False)


def _hex_pattern(form: str) -> str:
    """A pattern for bytes written as hexadecimal digits, in any case."""
    small, large = form.lower().encode(), form.upper().encode()
    if len(small) != len(large):  # as with few letters of few languages
        return f"{small.hex()}|{large.hex()}|{form.encode().hex()}"
    return "".join(f"(?:{a:02x}|{b:02x})" for a, b in zip(small, large, strict=True))


def _patterns(written: Mapping[str, bool]) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """What to search for in text, and in bytes that are none."""
    each = {form: re.escape(form.encode()) for form in sorted(written, key=len, reverse=True)}
    cased = {form: b"(?i:%s)" % found if written[form] else found for form, found in each.items()}
    long = [found for form, found in cased.items() if len(form) >= _SHORT]
    short = [found for form, found in cased.items() if len(form) < _SHORT]
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
