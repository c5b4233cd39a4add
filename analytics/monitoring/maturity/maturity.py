"""How mature is the work on customer journeys, by its own account, and does the lake say the same?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

import polars as pl

from analytics.monitoring.maturity.answers import MaturityAnswers
from analytics.monitoring.maturity.questions import MATURITY_DOMAINS, MATURITY_QUESTIONS

MATURITY_SCHEMA: Final = pl.Schema(
    {
        "domain": pl.String,
        "number": pl.Int64,
        "question": pl.String,
        "answer": pl.Float64,
        "low": pl.Int64,
        "high": pl.Int64,
        "people": pl.Int64,
        "disputed": pl.Boolean,
        "last": pl.Float64,
        "evidence": pl.String,
        "differs": pl.Boolean,
        "next_step": pl.String,
        "help": pl.String,
        "first": pl.Boolean,
    }
)
MATURITY_LEVELS: Final = ((1.8, "by chance"), (2.6, "started"), (3.4, "repeatable"), (4.2, "managed"))
"""The names of values below these; above them it is `HABIT`."""
HABIT: Final = "a habit"
_DISPUTED: Final = 2
_FEWEST: Final = 2
"""Answered questions of which a domain has a value."""
_HIGH: Final = 4.5
_LOW: Final = 1.5


@dataclass(frozen=True, slots=True)
class MaturityEvidence:
    """What the lake or the configuration says about a question, and between which answers it fits.

    >>> MaturityEvidence("no target has a date", most=4).differs(5.0)
    True
    >>> MaturityEvidence("a target has a date", least=2).differs(3.0)
    False
    """

    text: str
    least: float = 1.0
    most: float = 5.0

    def differs(self, answer: float | None) -> bool:
        """Whether an answer contradicts it: the highest one that it rules out, or the lowest."""
        if answer is None:
            return False
        return (answer >= _HIGH and self.most < _HIGH) or (answer <= _LOW and self.least > _LOW)


def maturity(
    answers: Sequence[MaturityAnswers], evidence: Mapping[int, MaturityEvidence] | None = None
) -> pl.DataFrame:
    """One row per question: what people answered, whether they agree, and what the lake says.

    - **number**, **question**, **domain**: three questions to a domain. **answer** (1 to 5): the median of the newest
      answers of every person (`by`), **low** and **high** the lowest and the highest, **people** how many; null and 0
      without an answer, which is never 1. **disputed**: low and high are 2 or more apart.
    - **last**: the median before the newest day (`on`) of all answers; null without one.
    - **evidence**: what is measured, from the mapping by number; **differs**: it contradicts the answer.
    - **next_step**: what the next described answer means; **help**: what of the product serves it; **first**: the
      question of its domain to begin with, the lowest, the first of several; none where all are 5 or unanswered.

    Of two answers of a person the one of the later day counts, of one day the later in the sequence.

    >>> answers = [MaturityAnswers(by=by, on="2026-03-01", acting=[one, 3, 5]) for by, one in (("Ann", 1), ("Ben", 4))]
    >>> maturity(answers).filter(domain="acting").select("answer", "low", "high", "disputed", "first").rows()
    [(2.5, 1, 4, True, True), (3.0, 3, 3, False, False), (5.0, 5, 5, False, False)]
    """
    newest = max((each.on for each in answers), default=None)
    now, before = _by_question(answers), _by_question([each for each in answers if each.on != newest])
    rows: list[dict[str, Any]] = []
    for question in MATURITY_QUESTIONS:
        given, found = now.get(question.number, []), (evidence or {}).get(question.number)
        answer = float(median(given)) if given else None
        rows.append(
            {
                "domain": question.domain,
                "number": question.number,
                "question": question.text,
                "answer": answer,
                "low": min(given, default=None),
                "high": max(given, default=None),
                "people": len(given),
                "disputed": bool(given) and max(given) - min(given) >= _DISPUTED,
                "last": float(median(earlier)) if (earlier := before.get(question.number)) else None,
                "evidence": found.text if found else None,
                "differs": found is not None and found.differs(answer),
                "next_step": None if answer is None else question.next_step(answer),
                "help": question.help,
                "first": False,
            }
        )
    for domain in MATURITY_DOMAINS:
        open_ = [row for row in rows if row["domain"] == domain and row["next_step"] is not None]
        if open_:
            min(open_, key=lambda row: row["answer"])["first"] = True
    return pl.DataFrame(rows, schema=MATURITY_SCHEMA, orient="row")


def maturity_domains(questions: pl.DataFrame) -> pl.DataFrame:
    """The five domains, and all of them in a last row: `domain` (`all`), `value`, `low`, `high`, `last`, `level`.

    The value of a domain is the mean of its answered questions, null of fewer than two; that of all is the mean of the
    domains, null where one is null; `last` is the same of the last time. `low` and `high` are the lowest and highest
    answers. `level` names the value.

    >>> rows = maturity([MaturityAnswers(by="Ann", on="2026-03-01", acting=[2, 2, "-"], listening=[5, "-", "-"])])
    >>> maturity_domains(rows).select("domain", "value", "level").rows()[::2]
    [('listening', None, None), ('designing', None, None), ('acting', 2.0, 'started')]
    """
    rows: list[tuple[Any, ...]] = []
    values: list[float | None] = []
    lasts: list[float | None] = []
    for domain in MATURITY_DOMAINS:
        own = questions.filter(domain=domain)
        values.append(_mean(own["answer"], _FEWEST))
        lasts.append(_mean(own["last"], _FEWEST))
        level = maturity_level(values[-1])
        rows.append((domain, values[-1], own["low"].min(), own["high"].max(), lasts[-1], level))
    value, last = (_mean(each, len(MATURITY_DOMAINS)) for each in (values, lasts))
    rows.append(("all", value, questions["low"].min(), questions["high"].max(), last, maturity_level(value)))
    schema = {
        "domain": pl.String,
        "value": pl.Float64,
        "low": pl.Int64,
        "high": pl.Int64,
        "last": pl.Float64,
        "level": pl.String,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def maturity_level(value: float | None) -> str | None:
    """The name of a value, which is rounded to one decimal first.

    >>> maturity_level(1.79), maturity_level(1.74), maturity_level(4.2), maturity_level(None)
    ('started', 'by chance', 'a habit', None)
    """
    if value is None:
        return None
    rounded = round(value, 1)
    return next((name for limit, name in MATURITY_LEVELS if rounded < limit), HABIT)


def _by_question(answers: Sequence[MaturityAnswers]) -> dict[int, list[int]]:
    """The newest answers of every person, by question."""
    people: dict[str, MaturityAnswers] = {}
    for each in sorted(answers, key=lambda one: one.on):
        people[each.by] = each
    found: dict[int, list[int]] = {}
    for each in people.values():
        for number, answer in each.given():
            found.setdefault(number, []).append(answer)
    return found


def _mean(values: Iterable[float | None], fewest: int) -> float | None:
    """The mean of the values that are known; null of fewer than `fewest`."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) >= fewest else None
