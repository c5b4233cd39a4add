"""What do customers choose when they are asked, and how many give the answer that is wished?

Of one customer, one question and one group the last answer counts; of two at one instant, the later touch in the path.
Like a response, an answer belongs to the customer's last touch before it within the lookback that is neither an answer
nor a response; a question may name its stage instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, Self

import polars as pl

from analytics.engine.analysis import IS_TOTAL, answer, measured_by
from analytics.engine.partials import add_up
from analytics.engine.run import run
from analytics.experience.answers.landed_answers import ANSWER, QUESTION, LandedAnswers
from analytics.experience.answers.questions import CodedQuestion, check_questions
from analytics.experience.touch_measure import TouchMeasure
from analytics.experience.voice import SCORE, SURVEY, attributed, is_response
from analytics.paths.view import By, View
from analytics.statistics.intervals import wilson
from analytics.store.columns import AT, CUSTOMER, STAGE
from analytics.store.encoding import Dictionaries
from analytics.store.parts import Part
from analytics.store.paths import Paths
from analytics.touches.assembly import EVENT_HASH
from expectations.config.durations import duration
from expectations.errors import DefinitionError, nearest

CUSTOMERS: Final = "customers"
_PLACE: Final = " place"


@dataclass(frozen=True, eq=False)
class CodedAnswers(TouchMeasure):
    """Counts customers by group, question and last answer; an answer that the question does not have is null.

    `given` are the answers of events, null where touches have them in the columns `question` and `answer`.
    """

    SCHEMA: ClassVar[pl.Schema] = answer(
        question=pl.String,
        answer=pl.String,
        says=pl.String,
        is_wished=pl.Boolean,
        customers=pl.Int64,
        answered=pl.Int64,
        share=pl.Float64,
        share_low=pl.Float64,
        share_high=pl.Float64,
    )
    OWN: ClassVar[Mapping[str, Any]] = {SURVEY: pl.String, SCORE: pl.Float64}

    lookback: timedelta
    questions: tuple[CodedQuestion, ...]
    given: pl.DataFrame | None

    @classmethod
    def of(
        cls,
        paths: Paths,
        questions: Sequence[CodedQuestion],
        answers: LandedAnswers | None = None,
        *,
        by: By = STAGE,
        lookback: str | timedelta = "7d",
        **options: Any,
    ) -> Self:
        """The measure of the arguments of `coded_answers`."""
        check_questions(questions)
        if answers is None and not {QUESTION, ANSWER} <= set(paths.schema):
            raise DefinitionError(
                "These paths have no coded answers.",
                expected="answers of a lake, as landed_answers gives them, or the columns question and answer",
            )
        view = View("customer", by=by, **options).checked(paths, [*cls.SCHEMA, CUSTOMER, AT, SURVEY, SCORE])
        _check_stages(paths, questions)
        return cls(view, duration(lookback), tuple(questions), None if answers is None else answers.rows)

    @property
    def columns(self) -> tuple[str, ...]:
        """The stored columns that are read."""
        keys = (QUESTION, ANSWER) if self.given is None else (EVENT_HASH,)
        return tuple(dict.fromkeys([*super().columns, *keys]))

    @property
    def own(self) -> Mapping[str, Any]:
        """The columns of touches that are read, with those of answers, or the key of their event."""
        keys: Mapping[str, Any] = {QUESTION: pl.String, ANSWER: pl.String}
        return {**self.OWN, **(keys if self.given is None else {EVENT_HASH: self.given.schema[EVENT_HASH]})}

    @property
    def keys(self) -> list[str]:
        """The columns that name a count."""
        return [*self.view.keys, QUESTION, ANSWER]

    @property
    def schema(self) -> dict[str, Any]:
        """The columns of a partial."""
        return {**self.view.key_schema, QUESTION: pl.String, ANSWER: pl.String, CUSTOMERS: pl.Int64}

    def partial(self, part: Part, words: Dictionaries) -> pl.DataFrame:
        """The counts of a part."""
        rows = self.rows(part, words)
        if self.given is not None:
            rows = rows.join(self.given, on=EVENT_HASH, how="left", maintain_order="left")
        codes = [question.code for question in self.questions]
        is_answer = (pl.col(QUESTION).is_in(codes) & pl.col(ANSWER).is_not_null()).fill_null(value=False)
        answers = rows.filter(is_answer).select(CUSTOMER, AT, QUESTION, ANSWER)
        if self.view.groups:
            answers = self._placed(
                attributed(answers, rows.filter(~is_answer, ~is_response()), self.view.groups, self.lookback)
            )
        own = [*self.view.keys, QUESTION]
        last = self.keyed(answers.filter(self.is_in_range())).group_by(*own, CUSTOMER, maintain_order=True).last()
        known = [
            (pl.col(QUESTION) == question.code) & pl.col(ANSWER).is_in(list(question.answers))
            for question in self.questions
        ]
        told = last.with_columns(pl.when(pl.any_horizontal(pl.lit(value=False), *known)).then(ANSWER))
        return told.group_by(self.keys).agg(pl.len().cast(pl.Int64).alias(CUSTOMERS)).select(*self.schema)

    def _placed(self, answers: pl.DataFrame) -> pl.DataFrame:
        """The answers, those to a question that names its stage at that stage."""
        stages = {question.code: question.stage for question in self.questions if question.stage is not None}
        if STAGE not in self.view.groups or not stages:
            return answers
        named = pl.col(QUESTION).replace_strict(stages, default=None, return_dtype=pl.String)
        return answers.with_columns(pl.coalesce(named, pl.col(STAGE)).alias(STAGE))

    def merge(self, partials: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Adds up the counts of parts."""
        return add_up([pl.DataFrame(schema=self.schema), *partials], self.keys, self.schema)

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `coded_answers`."""
        asked = pl.DataFrame(
            [
                {QUESTION: question.code, ANSWER: code, "says": says, "is_wished": code in question.wished}
                for question in self.questions
                for code, says in question.answers.items()
            ],
            schema={QUESTION: pl.String, ANSWER: pl.String, "says": pl.String, "is_wished": pl.Boolean},
        ).with_row_index(_PLACE)
        group = [*self.view.keys, QUESTION]
        total = pl.DataFrame(
            {name: [None] * len(self.questions) for name in self.view.groups}
            | {IS_TOTAL: [True] * len(self.questions), QUESTION: [question.code for question in self.questions]},
            schema={**self.view.key_schema, QUESTION: pl.String},
        )
        groups = pl.concat([total, merged.select(group)]).unique(maintain_order=True)
        every = groups.join(asked, on=QUESTION, how="left", maintain_order="left").select(*self.keys)
        whole = merged.group_by(group).agg(pl.col(CUSTOMERS).sum().alias("answered"))
        table = (
            pl.concat([every, merged.select(self.keys)])
            .unique(maintain_order=True)
            .join(merged, on=self.keys, how="left", nulls_equal=True, maintain_order="left")
            .join(whole, on=group, how="left", nulls_equal=True, maintain_order="left")
            .join(asked, on=[QUESTION, ANSWER], how="left", maintain_order="left")
            .with_columns(pl.col(CUSTOMERS, "answered").fill_null(0))
        )
        ends = wilson(table[CUSTOMERS].to_numpy(), table["answered"].to_numpy())
        order = {question.code: place for place, question in enumerate(self.questions)}
        return (
            table.with_columns(
                pl.when(pl.col("answered") > 0).then(pl.col(CUSTOMERS) / pl.col("answered")).alias("share"),
                pl.Series("share_low", ends.low).fill_nan(None),
                pl.Series("share_high", ends.high).fill_nan(None),
                pl.col(QUESTION).replace_strict(order, default=None, return_dtype=pl.Int64).alias(" question"),
            )
            .sort(pl.col(IS_TOTAL).not_(), *self.view.groups, " question", _PLACE, nulls_last=True)
            .select(*self.view.groups, *self.SCHEMA)
        )


def _check_stages(paths: Paths, questions: Sequence[CodedQuestion]) -> None:
    """Raises `DefinitionError` for a stage that the paths do not have."""
    stages = paths.definition.stages if paths.definition is not None else None
    for question in questions:
        if question.stage is not None and stages is not None and question.stage not in stages:
            known = list(stages)
            raise DefinitionError(
                f"Question {question.code!r} names the stage {question.stage!r}, which there is not.",
                expected=f"one of {', '.join(known)}" if known else "stages in [paths]",
                do=nearest(question.stage, known),
            )


@measured_by(CodedAnswers)
def coded_answers(
    paths: Paths,
    questions: Sequence[CodedQuestion],
    answers: LandedAnswers | None = None,
    *,
    by: By = STAGE,
    where: pl.Expr | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    lookback: str | timedelta = "7d",
) -> pl.DataFrame:
    """How many customers give each answer of questions whose answers are chosen from a list, by stage.

    `answers` are those of a lake (`landed_answers`); without them those of the text columns `question` and `answer`. Of
    one customer, question and group the last answer counts. Columns: those of `by`, of the customer's last touch before
    the answer within the lookback that is neither an answer nor a response (null without any); a question that names
    its stage is always at that. `is_total` Boolean (the rows over all groups come first); `question`, `answer` String
    (codes, in the order of the questions; an answer that the question does not have is null, and the last, where there
    is any); `says` String (what the answer means); `is_wished` Boolean; Int64: `customers` (distinct, with this
    answer), `answered` (with any answer to the question in the group); `share` Float64 (customers / answered, null
    without any) with its Wilson interval `share_low`, `share_high`. No answers give the rows of the total, of zeros.

    Touches that do not meet `where` are ignored. Only answers from `start` (inclusive) to `end` (exclusive) count.
    Raises `DefinitionError` for an unknown column or stage, a lookback without a unit, paths without answers, two
    questions of one code.

    >>> fair = CodedQuestion(code="fair", text="Fair price", answers={"yes": "Agrees", "no": "Disagrees"})
    >>> shop = Paths.from_text({"ann": "tell@1m[question=fair,answer=yes]", "bo": "tell@1m[question=fair,answer=no]"})
    >>> coded_answers(shop, [fair], by=())["answer", "customers", "answered", "share"].rows()
    [('yes', 1, 2, 0.5), ('no', 1, 2, 0.5)]
    """
    asked = CodedAnswers.of(paths, questions, answers, by=by, where=where, start=start, end=end, lookback=lookback)
    return run(paths, asked)
