"""Applies the privacy rules to what customers say: shares of texts by theme, and quotes.

A quote is told only where its theme is, of at least `k` customers, and only when a person approved it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from reports.privacy.people.help import publishable_shares, shares_of_help_in_steps
from reports.privacy.rules import small, withheld
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
        _share(row, measure)
        for measure, (_, whole, *_) in _OF.items()
        for row in rows
        if row[whole] and (measure == SHARE or row["theme"] is not None)
    ]
    hidden = _hidden(shares, k, least)
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


def publishable_at_stages(rows: Sequence[Mapping[str, Any]], k: int, least: int, steps: Steps) -> list[Row]:
    """The shares of themes at each stage, in which whatever must not be published is None.

    In: `themes` by stage, whose `stage` is None in the totals. The stages of a theme add up to its total, which stands
    on the same page: none is revealed as the rest of it. Of a theme that is withheld there all stages are withheld, and
    of a stage of few customers all themes, as its texts are the same in each.
    """
    totals = [_share(row, SHARE) for row in rows if row["stage"] is None]
    hidden = _hidden(totals, k, least)
    people: dict[str, int] = {}
    for row in rows:
        if row["stage"] is not None:
            people[row["stage"]] = max(people.get(row["stage"], 0), row["customers"], row["customers_without"])
    few = withheld(people, [[*people]], k)
    shares = [
        _share(row, SHARE)
        | {"measure": row["theme"], "group": row["stage"], "theme": row["theme"], "stage": row["stage"]}
        | {"secret": row["theme"] in hidden or row["stage"] in few}
        for row in rows
        if row["theme"] is not None
    ]
    published = shares_of_help_in_steps(publishable_shares(shares, k, least), steps, "themes-by-stage")
    return [row for row in published if row["stage"] is not None]


def _share(row: Mapping[str, Any], measure: str) -> Row:
    """A share of `themes`, with the customers behind it."""
    part, whole, behind, rest, rate = _OF[measure]
    return {
        **{"measure": measure, "group": row["theme"] or "", "part": row[part], "whole": row[whole]},
        **{"customers_part": row[behind], "customers_rest": row[rest]},
        **{f"share{end}": row[f"{rate}{end}"] for end in ("", "_low", "_high")},
    }


def _hidden(shares: Sequence[Row], k: int, least: int) -> set[str]:
    """The themes of which no share is told."""
    published = publishable_shares(shares, k, least)
    return {row["group"] for row in published if row["measure"] == SHARE and row["state"] == WITHHELD}
