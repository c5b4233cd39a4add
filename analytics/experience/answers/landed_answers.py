"""Where coded answers come from: the properties of events in the lake.

Like free text, answers never enter the path store. A touch knows the hash of the id of its event, by which they are
found when a question is asked: an answer of a customer who was removed is nowhere any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from analytics.experience.answers.questions import CodedQuestion, check_questions
from analytics.touches.assembly import EVENT_HASH
from expectations import contract
from expectations.lake.layout import Lake

QUESTION: Final = "question"
ANSWER: Final = "answer"
_SCHEMA: Final = {EVENT_HASH: pl.UInt64, QUESTION: pl.String, ANSWER: pl.String}


@dataclass(frozen=True, eq=False)
class LandedAnswers:
    """The answers of events: `rows` has the key of the event that touches have, `question` and `answer` (codes)."""

    rows: pl.DataFrame


def landed_answers(lake: Lake, questions: Sequence[CodedQuestion], version: int | None = None) -> LandedAnswers:
    """The answers to these questions in all events of the lake, for `coded_answers`.

    An answer that is a number, true or false counts as its text. Two different answers to one question under the same
    event id are none, and neither is one of null. Raises `DefinitionError` for two questions of one code.

    >>> asked = [CodedQuestion(code="fair", text="The price is fair", answers={"yes": "Agrees", "no": "Disagrees"})]
    >>> len(landed_answers(Lake("nowhere"), asked).rows)
    0
    """
    from expectations.lake.tables import landed

    check_questions(questions)
    text = pl.col("properties")
    told = landed(lake, version).filter(text.str.contains('"answer', literal=True))
    keyed = pl.col(contract.EVENT_ID).hash().alias(EVENT_HASH)
    single = {QUESTION: text.str.json_path_match("$.question"), ANSWER: text.str.json_path_match("$.answer")}
    found = [told.select(keyed, **single)]
    for question in questions:
        own = text.str.json_path_match(f"$.answers['{question.code}']")
        found.append(told.select(keyed, pl.lit(question.code).alias(QUESTION), own.alias(ANSWER)))
    codes = [question.code for question in questions]
    rows = pl.concat(found).filter(pl.col(QUESTION).is_in(codes), pl.col(ANSWER).is_not_null()).unique().collect()
    kept = rows.unique([EVENT_HASH, QUESTION], keep="none").sort(EVENT_HASH, QUESTION)
    return LandedAnswers(kept.cast(_SCHEMA))  # type: ignore[arg-type]
