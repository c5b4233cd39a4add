"""Cards that the page draws of any kind of answer: shares over time, a grid of shares, numbers with intervals, what
follows what, and a table.

Texts are ready to show; numbers are shares from 0 to 1, for drawing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Cell = tuple[str, str]
"""A text of a table, and the class of its look: `quiet`, `good`, `bad`, `num` or nothing."""


def over_time(title: str, sub: str, points: Sequence[dict[str, Any]], usual: float | None) -> dict[str, Any]:
    """Shares of periods. A point has `label`, `share`, `low`, `high`, `text`, `said`, `is_open` and `clear`.

    `usual` is drawn as a dashed line.
    """
    return {"draw": "time", "title": title, "sub": sub, "points": list(points), "usual": usual}


def grid(title: str, sub: str, heads: Sequence[str], rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A grid of shares. A row has `name`, `size` and `cells`: a `share`, its `text` and what is `said`, or None."""
    return {"draw": "grid", "title": title, "sub": sub, "heads": list(heads), "rows": list(rows)}


def ranges(
    title: str, sub: str, heads: Sequence[str], rows: Sequence[dict[str, Any]], span: tuple[float, float], **more: Any
) -> dict[str, Any]:
    """Numbers with their intervals, one row each, between the two ends of `span`.

    A row has `name`, `at`, `low`, `high` (None without a number), `other` (a second number, or None), `clear` (1 or -1
    where it is clearly different, 0 where not, None where nothing is tested), `said`, and `texts`, one for each of
    `heads` after the first, which is that of the names. Of `more`, `usual` is drawn as a dashed line, `hidden` are the
    texts that have no room on a phone.
    """
    plain = {"draw": "ranges", "title": title, "sub": sub, "heads": list(heads), "rows": list(rows), "span": list(span)}
    return plain | {"usual": None, "hidden": []} | more


def bands(
    title: str, sub: str, heads: Sequence[str], nodes: Sequence[dict[str, Any]], links: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """What follows what, position by position.

    A node has its `position` from 0, `key`, `name`, `word` (None where it is none of the vocabulary), `share`, `left`
    (the share of all that leaves there), `text`, `said`, and its `kind` (`word`, `goal` or `rest`). A link has the
    `position` and the `source` and `target`, by key, of what it joins, and its `share` of all.
    """
    drawn = {"nodes": list(nodes), "links": list(links)}
    return {"draw": "bands", "title": title, "sub": sub, "heads": list(heads), **drawn}


def table(heads: Sequence[str], rows: Sequence[Sequence[Cell]], hidden: Sequence[int] = ()) -> dict[str, Any]:
    """A table; the columns `hidden` have no room on a phone."""
    return {"draw": "table", "heads": list(heads), "rows": [list(row) for row in rows], "hidden": list(hidden)}
