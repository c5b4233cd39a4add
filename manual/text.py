"""Markdown of what the code says: docstrings, tables, defaults."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence
from typing import Final

CODE: Final = re.compile(r"(`+[^`]*`+)")


def described(thing: object) -> str:
    """The docstring of a thing as Markdown; empty without one."""
    return as_markdown(inspect.cleandoc(thing.__doc__ or ""))


def as_markdown(text: str) -> str:
    """A text of paragraphs, lists and examples as Markdown: examples are fenced, and words are not taken for HTML.

    >>> as_markdown("`<one>`, not <two>\\n\\n>>> 1 + 1\\n2").splitlines()
    ['`<one>`, not &lt;two>', '', '```pycon', '>>> 1 + 1', '2', '```']
    """
    lines: list[str] = []
    is_example = is_fenced = False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            is_fenced = not is_fenced
        if not is_fenced and not is_example and line.lstrip().startswith(">>> "):
            is_example = True
            lines.append("```pycon")
        elif is_example and not line.strip():
            is_example = False
            lines.append("```")
        lines.append(_safe(line, is_code=is_example or is_fenced))
    return "\n".join([*lines, *(["```"] if is_example else [])])


def _safe(line: str, *, is_code: bool) -> str:
    """A line whose words are not taken for HTML."""
    if is_code:
        return line
    parts = CODE.split(line)
    return "".join(part if number % 2 else part.replace("<", "&lt;") for number, part in enumerate(parts))


def cell(text: str) -> str:
    """A text within one cell of a table.

    >>> cell("one | two\\nthree")
    'one \\\\| two three'
    """
    return _safe(" ".join(text.split()).replace("|", "\\|"), is_code=False)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown; its cells are as `cell` makes them."""
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
