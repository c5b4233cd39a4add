"""The receipt of a report: by which definitions, from which events, and by which rule of privacy its numbers were made.

Every page carries it as `<meta name="receipt">`. A number of a report is named `RUN/CARD/ROW/COLUMN`, rows from 1, with
the table of its card; with `=VALUE` the receipt also says what the number was.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from expectations.errors import DefinitionError

NAME: Final = "receipt"
WITHDRAWN: Final = "This report was withdrawn"
"""The title of the pages of a report that was withdrawn, which carry no receipt."""
_FORM: Final = "RUN, RUN/CARD, or RUN/CARD/ROW/COLUMN, with =VALUE if its value is to be checked"
_WITHHELD: Final = ("", "null", "withheld")
"""How a value that is not published is written."""


def receipt_text(index: dict[str, Any], file: str) -> str:
    """The receipt that the page `file` of a report carries, from the report's `site.json`; empty without data."""
    if not index.get("definitions"):
        return ""
    versions = index["versions"]
    receipt = {
        "run": run_of_index(index),
        "file": file,
        "built_at": index["built_at"],
        "definitions": index["definitions"],
        "tables": {name: version for name, version in sorted(versions.items()) if name != "rules"},
        "offsets": index["offsets"],
        "identity": versions.get("rules", ""),
        "erasures": index["erasures"],
        "k": index["k"],
        "least": index["least"],
    }
    return json.dumps(receipt, ensure_ascii=False, separators=(",", ":"))


def run_of_index(index: dict[str, Any]) -> str:
    """The name of the report of a `site.json`."""
    return str(index["folder"]).rpartition("/")[2]


@dataclass(frozen=True)
class NumberName:
    """A report, a card of it, or one number: its row, from 1, and column in the table of the card.

    >>> NumberName.read("20260301T060000Z-ab12/funnel/3/share=0.5")
    NumberName(run='20260301T060000Z-ab12', card='funnel', row=3, column='share=0.5')
    """

    run: str
    card: str | None = None
    row: int | None = None
    column: str | None = None

    @classmethod
    def read(cls, text: str) -> NumberName:
        """The name in a text. Raises `DefinitionError` for another form."""
        run, *rest = text.split("/", 3)
        if not run or len(rest) not in (0, 1, 3) or not all(rest):
            raise DefinitionError("This is no receipt.", expected=_FORM, found=text)
        if len(rest) < 3:
            return cls(run, rest[0] if rest else None)
        card, row, column = rest
        if not row.isdecimal() or int(row) < 1:
            raise DefinitionError("A receipt names a row by its number.", expected="1, 2, 3, ...", found=row)
        return cls(run, card, int(row), column)

    def column_among(self, columns: list[str]) -> tuple[str, str | None] | None:
        """The column, and the value that the receipt states; null where the card has no such column.

        >>> NumberName("run", "card", 1, "a=b=7").column_among(["a", "a=b"])
        ('a=b', '7')
        """
        text = self.column or ""
        if text in columns:
            return text, None
        name, equals, value = text.rpartition("=")
        return (name, value) if equals and name in columns else None


def is_value(stated: str, value: Any) -> bool:
    """Whether a text states a value of `site.json`: a number to all its digits, or a text.

    >>> is_value("0.50", 0.5), is_value("12", 12), is_value("withheld", None), is_value("13", 12)
    (True, True, True, False)
    """
    if value is None:
        return stated.strip() in _WITHHELD
    if isinstance(value, bool) or not isinstance(value, int | float):
        return stated == (json.dumps(value) if isinstance(value, bool) else str(value))
    try:
        return float(stated) == value
    except ValueError:
        return False
