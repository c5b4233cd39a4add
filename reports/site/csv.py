"""Writes CSV that is safe to open in a spreadsheet: no cell is a formula.

Names come from outside, so one may be `=HYPERLINK(...)`, which a spreadsheet would run; an apostrophe in front makes it
plain text. Control characters, and those that turn the direction of a text, are replaced by a mark. All other file
formats keep the name unchanged.
"""

from __future__ import annotations

from typing import Final

import polars as pl
from polars import selectors as cs

from expectations.hidden import HIDDEN, MARK

FORMULA: Final = r"^[\s\p{C}]*[=+\-@\t\r\n＝＋－＠]"
"""The start of a text that a spreadsheet reads as a formula, possibly after blanks or characters that it ignores."""


def plain_columns(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame as CSV can hold it: durations in columns `<name>_seconds`, lists as text.

    >>> from datetime import timedelta
    >>> plain_columns(pl.DataFrame({"wait": [timedelta(minutes=1)], "path": [["a", "b"]]})).rows(named=True)
    [{'wait_seconds': 60.0, 'path': 'a > b'}]
    """
    lists = cs.list().cast(pl.List(pl.String)).list.join(" > ")
    return frame.with_columns(cs.duration().dt.total_microseconds() / 1e6, lists).rename(
        {name: f"{name}_seconds" for name, dtype in frame.schema.items() if isinstance(dtype, pl.Duration)}
    )


def as_csv(frame: pl.DataFrame) -> str:
    """The frame as CSV; texts that a spreadsheet could run get a leading apostrophe, and hidden characters a mark.

    >>> print(as_csv(pl.DataFrame({"name": ["=1+1", "plain"], "gap": [-0.5, 2.0]})), end="")
    name,gap
    '=1+1,-0.5
    plain,2.0
    """
    text = cs.string() | cs.categorical() | cs.enum()
    plain = frame.with_columns(text.cast(pl.String))
    shown = plain.with_columns(
        pl.when(cs.string().str.contains(FORMULA)).then("'" + cs.string()).otherwise(cs.string()).name.keep()
    )
    return shown.with_columns(cs.string().str.replace_all(HIDDEN, MARK)).write_csv()
