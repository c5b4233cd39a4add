"""The page of answers: the columns of every measure, with their types, as `journeys schema` lists them."""

from __future__ import annotations

from typing import Final

from analytics import measure_columns
from manual.text import cell, table


def answers_page() -> str:
    """One table of columns per measure."""
    parts = [f"# Columns of answers\n\n{_ABOUT}\n"]
    columns = measure_columns()
    heads = [name for name in columns.columns if name != "measure"]
    for (measure,), rows in columns.group_by("measure", maintain_order=True):
        listed = table(heads, ([_word(one) for one in row] for row in rows.select(heads).rows()))
        parts.append(f"## {measure} {{ #{measure} }}\n\n{listed}\n")
    return "\n".join(parts)


_ABOUT: Final = """What every measure answers with, in Python as a frame of polars, in the command with `--json` or
`--csv`. The columns that a question breaks down by come first. `journeys schema` prints the same list. [What the
numbers mean](../docs/numbers.md)."""


def _word(value: object) -> str:
    if value is None or value is False:
        return ""
    return "yes" if value is True else f"`{cell(str(value))}`"
