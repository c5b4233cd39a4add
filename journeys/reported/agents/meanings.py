"""What cards, measures and columns mean, in the words of their definitions, and by which rules other tools count."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from expectations.errors import DefinitionError, nearest
from journeys.reported.agents.budget import harmless_value

OF_CARD: Final[Mapping[str, str]] = {
    "funnel": "stage_funnel",
    "trend": "stage_funnel",
    "segments": "stage_groups",
    "goals": "goal_rate",
    "time-to-goal": "goal_times",
    "by-day": "goal_incidence",
    "families": "goal_routes",
    "credit": "attribution",
    "commonest": "variants",
    "positions": "step_matrix",
    "moves": "transitions",
    "flow": "flow",
    "changes": "step_changes",
    "alerts": "watch",
    "standing": "standing",
    "pains": "pains",
    "contacts": "contacts",
    "moments": "moments",
    "themes": "themes",
    "personas": "personas",
}
"""The function whose definition stands behind a card."""
ENDS: Final[Mapping[str, str]] = {
    "_low": "The lower end of an interval: 95 % where nothing else is said.",
    "_high": "The upper end of an interval: 95 % where nothing else is said.",
    "_seconds": "A time, in seconds.",
}
MOST_SENTENCES: Final = 3
LONGEST_MEANING: Final = 900
"""Characters of a meaning."""
_SENTENCE: Final = re.compile(r"(?<=[.:;])\s+")


def meaning_of(word: str, cards: Mapping[str, str]) -> dict[str, Any]:
    """What a word means: a card (`cards` has their subtitles), a measure, a tool, or a column of a measure.

    Raises `DefinitionError` with the nearest word where it is none of them.
    """
    from analytics import PROFILES, measure_columns

    text = word.strip()
    card, name = text.lower().replace("_", "-").replace(" ", "-"), text.lower().replace("-", "_").replace(" ", "_")
    measures = measure_columns()["measure"].unique().to_list()
    if card in cards:
        behind = OF_CARD.get(card)
        more = {} if behind is None else {"measure": behind, "means": _first_of(behind)}
        return {"card": card, "about": harmless_value(cards[card], LONGEST_MEANING)} | more
    if name in measures or name in OF_CARD.values():
        return {"measure": name, "means": _first_of(name), "command": "journeys schema " + name}
    if name in PROFILES:
        profile = PROFILES[name]
        rules = {rule: harmless_value(value) for rule, value in profile.options.items()}
        return {"tool": name, "about": profile.about, "its_rules": rules, "and_still": list(profile.deviations)}
    column = next((name.removesuffix(end) for end in ENDS if name.endswith(end)), name)
    said = list(_sentences_on(column, measures))[:MOST_SENTENCES]
    end = [text for ending, text in ENDS.items() if name.endswith(ending)]
    if not said and not end:
        known = [*cards, *measures, *PROFILES, *measure_columns()["column"].unique().to_list()]
        raise DefinitionError(
            f"Nothing is known of {harmless_value(text)!r}.",
            expected="a card, a measure, a column, or the name of another tool",
            do=nearest(name, known) or "ask vocabulary with find",
        )
    return {"column": name, "means": end, "of": [f"{measure}: {sentence}" for measure, sentence in said]}


def _first_of(name: str) -> str:
    """The first two paragraphs of the definition of a function of `analytics`."""
    paragraphs = _paragraphs(name)
    text = " ".join(paragraphs[:2])
    return text if len(text) <= LONGEST_MEANING else f"{text[: LONGEST_MEANING - 1]}…"


def _paragraphs(name: str) -> list[str]:
    import analytics

    text = inspect.cleandoc(getattr(analytics, name).__doc__ or "")
    return [" ".join(one.split()) for one in text.split("\n\n") if not one.startswith(">>>")]


def _sentences_on(column: str, measures: list[str]) -> Iterator[tuple[str, str]]:
    """What definitions of measures say of a column, those behind cards first, one sentence of each."""
    for name in dict.fromkeys([*OF_CARD.values(), *sorted(measures)]):
        parts = [part for paragraph in _paragraphs(name) for part in _SENTENCE.split(paragraph)]
        found = next((part for part in parts if f"`{column}`" in part and not part.startswith("`is_total`")), None)
        if found is not None:
            yield name, str(harmless_value(found, LONGEST_MEANING // MOST_SENTENCES))
