"""Numbers as CSV that a spreadsheet can open without harm: no cell of it is a formula.

Names come from whoever calls an address of the shop, so that one may be `=HYPERLINK(...)`. A spreadsheet runs a cell
that begins so; behind an apostrophe it shows it. Every other file, and JSON, has the name as it is.
"""

from __future__ import annotations

from typing import Final

import polars as pl
from polars import selectors as cs

FORMULA: Final = r"^[\s\x00]*[=+\-@\t\r\n＝＋－＠]"
"""What a text begins with that a spreadsheet takes for a formula, maybe after blanks."""


def as_csv(frame: pl.DataFrame) -> str:
    """The frame as CSV; texts that a spreadsheet could run stand behind an apostrophe, and NUL is a blank.

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
    return shown.with_columns(cs.string().str.replace_all("\x00", " ", literal=True)).write_csv()
