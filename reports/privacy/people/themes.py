"""Applies the privacy rules to what customers say: shares of texts by theme, and quotes.

A quote is told only where its theme is, of at least `k` customers, and only when a person approved it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from reports.privacy.people.help import publishable_shares, shares_of_help_in_steps
from reports.privacy.rules import small
from reports.privacy.stages import WITHHELD
from reports.privacy.steps import Steps

Row = dict[str, Any]
SHARE, LOW = "theme_share", "low_rate"
QUOTED: Final = ("quote", "second_quote")
"""The columns of the quotes of a theme that are told."""
PER_THEME: Final = len(QUOTED)
_OF: Final = {
    SHARE: ("responses", "texts", "customers", "customers_without", "share_of_texts"),
    LOW: ("low", "scored", "customers_low", "customers_not_low", "low_rate"),
}


def publishable_themes(
    rows: Sequence[Mapping[str, Any]], quotes: Iterable[Mapping[str, Any]], k: int, least: int, steps: Steps
) -> list[Row]:
    """The shares of themes, then their low scores, in which whatever must not be published is None; with quotes.

    In: the totals of `themes`, and the approved of `quotes` in the order in which they are to be told. The `group` of a
    row is the theme, empty for texts without one. Low scores of a theme that is withheld are withheld.
    """
    shares = [
        {
            **{"measure": measure, "group": row["theme"] or "", "part": row[part], "whole": row[whole]},
            **{"customers_part": row[behind], "customers_rest": row[rest]},
            **{f"share{end}": row[f"{rate}{end}"] for end in ("", "_low", "_high")},
        }
        for measure, (part, whole, behind, rest, rate) in _OF.items()
        for row in rows
        if row[whole] and (measure == SHARE or row["theme"] is not None)
    ]
    hidden = {row["group"] for row in publishable_shares(shares, k, least) if _is_hidden(row, SHARE)}
    marked = [row | {"secret": row["measure"] == LOW and row["group"] in hidden} for row in shares]
    published = shares_of_help_in_steps(publishable_shares(marked, k, least), steps, "themes")
    told: dict[str, list[str]] = {}
    for quote in quotes:
        if quote["theme"] not in hidden and quote["customers"] >= k and not small(quote["customers"], k):
            own = told.setdefault(quote["theme"], [])
            own += [quote["quote"]] if len(own) < PER_THEME and quote["quote"] not in own else []
    nothing = [None] * PER_THEME
    return [
        row
        | dict(zip(QUOTED, [*(told.get(row["group"], []) if row["measure"] == SHARE else []), *nothing], strict=False))
        for row in published
    ]


def _is_hidden(row: Mapping[str, Any], measure: str) -> bool:
    return bool(row["measure"] == measure and row["state"] == WITHHELD)
