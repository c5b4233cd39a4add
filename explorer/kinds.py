"""The kinds of questions, in the order in which the page offers them: a new one is one module and its line here."""

from __future__ import annotations

from typing import Final

from expectations.errors import DefinitionError, nearest
from explorer.answers.compare import COMPARE
from explorer.answers.flow import FLOW
from explorer.answers.funnel import FUNNEL
from explorer.answers.goals.credit import CREDIT
from explorer.answers.goals.routes import GOALS
from explorer.answers.next_words import NEXT
from explorer.answers.retention import RETENTION
from explorer.answers.trend import TREND
from explorer.answers.voice import VOICE
from explorer.answers.walk import WALK
from explorer.kind import Kind

KINDS: Final[dict[str, Kind]] = {
    "walk": WALK,
    "funnel": FUNNEL,
    "flow": FLOW,
    "trend": TREND,
    "retention": RETENTION,
    "compare": COMPARE,
    "goals": GOALS,
    "attribution": CREDIT,
    "voice": VOICE,
    "next": NEXT,
}


def kind_of(name: str) -> Kind:
    """The kind of this name. Raises `DefinitionError` with the nearest one for another."""
    if name not in KINDS:
        raise DefinitionError(
            f"There is no kind of question {name!r}.", expected=f"one of {', '.join(KINDS)}", do=nearest(name, KINDS)
        )
    return KINDS[name]
