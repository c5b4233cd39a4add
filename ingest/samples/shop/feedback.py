"""Simulates survey answers that depend on what the person has experienced.

NPS is 0 to 10, CSAT 1 to 5, CES 1 to 7 (7 is easy). Failed payments, slow pages and long waits lower the score, a good
visit to the store raises it. About one in two is also asked whether it is possible to buy here without trouble: trouble
makes that answer rarer, so it drifts from stage to stage.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from ingest.samples.shop.catalogue import DAY
from ingest.samples.shop.visits import Fact, Mood, Visit
from ingest.samples.shop.words import COMPLAINTS, NEUTRAL, PRAISE, Words

SCALES: Final = {"nps": (0, 10, 8.2, 1.7), "csat": (1, 5, 4.2, 0.75), "ces": (1, 7, 5.6, 1.0)}
"""Lowest and highest score, mean score of people without trouble, and weight of experiences."""


BELIEF: Final = "trust"
"""The question whether it is possible to buy here without trouble, of which the answer is chosen from a list."""
ASKED: Final = 0.5


@dataclass(frozen=True, slots=True)
class Says:
    """What an answer says besides its score: `words`, and what the person believes, by random numbers of its own."""

    words: Words
    beliefs: Callable[[], Random]

    def belief(self, mood: Mood) -> str | None:
        """The code of the answer, null where it is not asked."""
        rng = self.beliefs()
        if rng.random() >= ASKED:
            return None
        agrees = 0.78 - 0.34 * (mood.failures > 0) - 0.22 * (mood.slow > 0) - 0.2 * (mood.waits > 0)
        return "yes" if rng.random() < agrees else "unsure" if rng.random() < 0.6 else "no"


def after_order(rng: Random, visit: Visit, facts: list[Fact], says: Says) -> None:
    """After an order: a survey by mail some days later for about one in four, a return for about one in sixteen."""
    person, order = visit.person, visit.facts[-1]
    reader = {"identities": {"email_hash": person.email_hash}}
    if person.customer_id:
        reader = {**reader, "customer_id": person.customer_id}  # type: ignore[dict-item]
    if rng.random() < 0.26:
        survey = "nps" if rng.random() < 0.6 else "csat"
        answer = Visit(rng, person, visit.mood, facts, order.at, "email", reader)
        answer.session = None
        _answer(answer, survey, (0.4 + 2.5 * rng.random()) * DAY / 1000, says)
    if rng.random() < 0.06:
        channel = "store" if order.channel == "store" else "web"
        return_visit = Visit(rng, person, visit.mood, facts, order.at, channel, reader)
        return_visit.session = None
        return_visit.touch("order_returned", (3 + 9 * rng.random()) * 86_400, order_id=order.more["order_id"])


def after_visit(rng: Random, visit: Visit, says: Says) -> None:
    """After a visit without an order: a survey, answered more often by people who had trouble."""
    if not visit.who or not visit.facts:
        return
    last = visit.facts[-1]
    if last.name == "chat_started" or visit.channel == "call_centre":
        survey, share = "ces", 0.22
    elif visit.channel == "store":
        survey, share = "csat", 0.10
    elif visit.mood.failures:
        survey, share = "csat", 0.14
    else:
        survey, share = "csat", 0.04 if visit.mood.slow else 0.012
    if rng.random() < share:
        visit.rng = rng
        _answer(visit, survey, 25, says)


def _answer(visit: Visit, survey: str, seconds: float, says: Says) -> None:
    score = _score(visit.rng, visit.mood, survey)
    text, belief = _text(visit, survey, score, says.words), says.belief(visit.mood)
    more: dict[str, object] = {"feedback_text": text} if text else {}
    more |= {"properties": {"answers": {BELIEF: belief}}} if belief else {}
    visit.touch("feedback_submitted", seconds, survey=survey, score=score, **more)


def _score(rng: Random, mood: Mood, survey: str) -> int:
    lowest, highest, mean, weight = SCALES[survey]
    trouble = 1.5 * mood.failures + 0.9 * mood.slow + 1.2 * mood.waits - 0.5 * mood.good_store
    noise = sum(rng.random() for _ in range(4)) - 2
    return min(highest, max(lowest, round(mean - weight * (trouble - 1.6 * noise))))


def _text(visit: Visit, survey: str, score: int, words: Words) -> str | None:
    """A comment that suits the score, from about one in three."""
    if visit.rng.random() > 0.36:
        return None
    visit.rng.random()  # its words have random numbers of their own; this one keeps all others as they are
    lowest, highest, *_ = SCALES[survey]
    share = (score - lowest) / (highest - lowest)
    themes = PRAISE if share >= 0.75 else NEUTRAL if share >= 0.55 else COMPLAINTS[visit.mood.worst()]
    return words.text(visit.person.country, themes)
