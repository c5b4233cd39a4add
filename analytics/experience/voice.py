"""What do customers say, and after which stage?

A **response** is a touch with a survey (`nps`, `csat` or `ces`) and a score. It is attributed to the customer's last
touch before it within the lookback. Touches at the same instant, other responses, and touches with no value in any
`by` column do not count: the stage of a response is the last stage before it. A response without such a touch
is attributed to none (null).

- NPS (-1 to 1): the share of 9 and 10 minus the share of 0 to 6, on 0..10.
- CSAT (0 to 1): the share of 4 and 5, on 1..5.
- CES (1 to 7): the mean, on 1..7.

Scores outside the scale of their survey are ignored; those of CES count to six decimals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar, Final, Self

import polars as pl

from analytics.engine.analysis import IS_TOTAL, answer, measured_by
from analytics.engine.notices.renamed import once_positional
from analytics.engine.partials import add_up, counted_by_customer
from analytics.engine.run import run
from analytics.experience.touch_measure import TouchMeasure
from analytics.paths.sequences import sorted_answer
from analytics.paths.view import By, View
from analytics.statistics.satisfaction import SCALES, mean_interval, nps_interval
from analytics.statistics.shares import customer_columns, customers_of, share_columns, square_columns
from analytics.store.columns import AT, CUSTOMER, STAGE
from analytics.store.encoding import Dictionaries, as_text
from analytics.store.parts import Part, decoded
from analytics.store.paths import Paths
from expectations.config.durations import duration

SURVEY_SCALES: Final = SCALES
"""The lowest and highest score of each survey."""
SURVEY: Final = "survey"
SCORE: Final = "score"
MILLION: Final = 1_000_000


@dataclass(frozen=True, eq=False)
class Voice(TouchMeasure):
    """Counts touches and responses by group; `" effort"` is the sum of the CES scores, in millionths."""

    SCHEMA: ClassVar[pl.Schema] = answer(
        touches=pl.Int64,
        responses=pl.Int64,
        response_rate=pl.Float64,
        nps_n=pl.Int64,
        nps=pl.Float64,
        nps_low=pl.Float64,
        nps_high=pl.Float64,
        customers_nps=pl.Int64,
        promoters=pl.Int64,
        passives=pl.Int64,
        detractors=pl.Int64,
        csat_n=pl.Int64,
        satisfied=pl.Int64,
        csat=pl.Float64,
        csat_low=pl.Float64,
        csat_high=pl.Float64,
        customers_csat=pl.Int64,
        customers_satisfied=pl.Int64,
        customers_dissatisfied=pl.Int64,
        ces_n=pl.Int64,
        ces=pl.Float64,
        ces_low=pl.Float64,
        ces_high=pl.Float64,
        customers_ces=pl.Int64,
    )
    OWN: ClassVar[Mapping[str, Any]] = {SURVEY: pl.String, SCORE: pl.Float64}
    SATISFIED: ClassVar[tuple[str, str]] = ("satisfied", "csat_n")
    ANSWERED: ClassVar[tuple[str, ...]] = (
        "responses",
        "nps_n",
        "promoters",
        "detractors",
        "csat_n",
        "satisfied",
        "dissatisfied",
        "ces_n",
        " effort",
        " effort squared",
    )
    BEHIND: ClassVar[Mapping[str, str]] = {
        "customers_csat": "csat_n",
        "customers_satisfied": "satisfied",
        "customers_dissatisfied": "dissatisfied",
        "customers_nps": "nps_n",
        "customers_ces": "ces_n",
    }
    COUNTS: ClassVar[tuple[str, ...]] = (
        *("touches", *ANSWERED),
        *(*square_columns(*SATISFIED), *map(customers_of, BEHIND.values())),
    )

    lookback: timedelta

    @classmethod
    def of(cls, paths: Paths, *, by: By = STAGE, lookback: str | timedelta = "7d", **options: Any) -> Self:
        """The measure of the arguments of `voice`."""
        view = View("customer", by=by, **options).checked(paths, [*cls.SCHEMA, CUSTOMER, AT, SURVEY, SCORE])
        return cls(view, duration(lookback))

    @property
    def schema(self) -> dict[str, Any]:
        """The columns of a partial."""
        return {**self.view.key_schema, **dict.fromkeys(self.COUNTS, pl.Int64)}

    def partial(self, part: Part, words: Dictionaries) -> pl.DataFrame:
        """The counts of a part: touches, and responses by survey and score class."""
        rows = self.rows(part, words)
        silent = self.keyed(rows.filter(~is_response(), self.is_in_range()))
        touches = silent.group_by(self.view.keys).agg(pl.len().cast(pl.Int64).alias("touches"))
        answers = _attributed(rows, self.view.groups, self.lookback).filter(self.is_in_range())
        scored = self.keyed(answers).select(*self.view.keys, pl.col(CUSTOMER).alias(" person"), **_scored())
        people_of = list(self.BEHIND.values())
        counts = counted_by_customer(
            scored, self.view.keys, self.ANSWERED, shares=(self.SATISFIED,), people_of=people_of
        )
        tables = [pl.DataFrame(schema=self.schema), touches, counts.drop("customers")]
        return pl.concat(tables, how="diagonal").with_columns(pl.col(self.COUNTS).fill_null(0))

    def merge(self, partials: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Adds up the counts of parts; the total has a row, whether there are touches or not."""
        total = {name: [name == IS_TOTAL or (0 if name in self.COUNTS else None)] for name in self.schema}
        return add_up([pl.DataFrame(total, schema=self.schema), *partials], self.view.keys, self.schema)

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `voice`."""
        table = merged.with_columns(
            _rate(pl.col("responses"), "touches").alias("response_rate"),
            _rate(pl.col("promoters") - pl.col("detractors"), "nps_n").alias("nps"),
            (pl.col("nps_n") - pl.col("promoters") - pl.col("detractors")).alias("passives"),
            _rate(pl.col(" effort") / MILLION, "ces_n").alias("ces"),
            *share_columns(merged, "csat", *self.SATISFIED),
            *_ends(merged),
            *customer_columns(self.BEHIND),
        )
        return sorted_answer(table, self.view, *self.view.groups).select(*self.view.groups, *self.SCHEMA)


@measured_by(Voice)
@once_positional("by", "lookback")
def voice(
    paths: Paths,
    *,
    by: By = STAGE,
    where: pl.Expr | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    lookback: str | timedelta = "7d",
) -> pl.DataFrame:
    """Satisfaction by stage, or by any columns of the touch that a response is attributed to.

    Columns: those of `by`; `is_total` Boolean (the row over all groups comes first, with null in `by`); `touches` Int64
    (without responses), `responses` Int64, `response_rate` Float64 (responses per touch; above 1 where touches are
    fewer, so no share, and without an interval), and for each survey its count and its score: `nps_n` Int64, `nps`
    Float64 with its interval `nps_low`, `nps_high` (Newcombe, paired), `customers_nps` Int64 (distinct), `promoters`,
    `passives`, `detractors` Int64, `csat_n`, `satisfied` Int64, `csat` Float64 (the share that is
    satisfied) with its Wilson interval `csat_low`, `csat_high`, judged by customers, `customers_csat`,
    `customers_satisfied`, `customers_dissatisfied` Int64 (distinct, with a CSAT answer, one of 4 or 5, and with one
    below), `ces_n` Int64, `ces` Float64 with Student's interval `ces_low`, `ces_high` (null below five customers),
    `customers_ces` Int64. Intervals of NPS and CES are as wide as if each customer had answered once. Scores are null
    without a response. Paths without survey columns have no
    responses; no touches give the total, of zeros.

    Touches and responses that do not meet `where` are ignored. Only those at a time from `start` (inclusive) to `end`
    (exclusive) count; a response may be attributed to a touch before `start`. Raises `DefinitionError` for an unknown
    column or a lookback without a unit.

    >>> from datetime import datetime
    >>> rows = {"customer": "ann", "at": [datetime(2024, 1, 1), datetime(2024, 1, 2)], "score": [None, 9.0],
    ...         "touchpoint": ["cart", "Feedback"], "stage": ["Desire", None], "survey": [None, "nps"]}
    >>> voice(Paths.from_frame(pl.DataFrame(rows))).filter(stage="Desire").select("responses", "nps").row(0)
    (1, 1.0)
    """
    return run(paths, Voice.of(paths, by=by, where=where, start=start, end=end, lookback=lookback))


def responses(paths: Paths, by: Sequence[str] = (STAGE,), lookback: str | timedelta = "7d") -> pl.DataFrame:
    """One row per response: customer, at, survey, score, then the `by` columns of the touch that it is attributed to.

    The `by` columns are null for a response that is attributed to no touch. Customers who object to profiling are left
    out.
    """
    paths.require(SURVEY, SCORE, *by)
    columns = list(dict.fromkeys([CUSTOMER, AT, *by, SURVEY, SCORE]))
    parts = paths.each(partial(_responses_in, columns, list(by), duration(lookback)))
    if not parts:
        return pl.DataFrame(schema={name: paths.schema[name] for name in (CUSTOMER, AT, SURVEY, SCORE, *by)})
    return paths.without_objectors(pl.concat(parts)).sort(AT, CUSTOMER)


def _responses_in(
    columns: Sequence[str], groups: Sequence[str], lookback: timedelta, part: Part, words: Dictionaries
) -> pl.DataFrame:
    return _attributed(as_text(decoded(part, columns, words)), groups, lookback)


def _attributed(touches: pl.DataFrame, groups: Sequence[str], lookback: timedelta) -> pl.DataFrame:
    """The responses of a part, each with the group columns of the touch that it is attributed to."""
    answers = touches.filter(is_response()).select(CUSTOMER, AT, SURVEY, SCORE)
    return attributed(answers, touches.filter(~is_response()), groups, lookback)


def attributed(answers: pl.DataFrame, others: pl.DataFrame, groups: Sequence[str], lookback: timedelta) -> pl.DataFrame:
    """The answers with the group columns of the customer's last other touch before them, within the lookback.

    Of the other touches those count that have a value in any of the groups.
    """
    has_group = pl.any_horizontal(pl.col(name).is_not_null() for name in groups) if groups else pl.lit(True)
    before = others.filter(has_group)
    return answers.join_asof(
        before.select(CUSTOMER, pl.col(AT).alias("_touch_at"), *groups),
        left_on=AT,
        right_on="_touch_at",
        by=CUSTOMER,
        strategy="backward",
        allow_exact_matches=False,
        tolerance=lookback,
        check_sortedness=False,
    ).drop("_touch_at", strict=False)


def is_response() -> pl.Expr:
    """Whether a touch has a survey, and a score on its scale."""
    fits = [(pl.col(SURVEY) == name) & pl.col(SCORE).is_between(*scale) for name, scale in SURVEY_SCALES.items()]
    return pl.any_horizontal(fits).fill_null(False)


def _scored() -> Mapping[str, pl.Expr]:
    """What a response adds to each count."""
    score = pl.col(SCORE)
    nps, csat, ces = (pl.col(SURVEY) == name for name in SURVEY_SCALES)
    counts = {
        "responses": pl.lit(1),
        "nps_n": nps,
        "promoters": nps & (score >= 9),
        "detractors": nps & (score <= 6),
        "csat_n": csat,
        "satisfied": csat & (score >= 4),
        "dissatisfied": csat & (score < 4),
        "ces_n": ces,
        " effort": pl.when(ces).then((score * MILLION).round()).otherwise(0),
        " effort squared": pl.when(ces).then((score**2 * MILLION).round()).otherwise(0),
    }
    return {name: count.cast(pl.Int64) for name, count in counts.items()}


def _ends(table: pl.DataFrame) -> list[pl.Series]:
    """The intervals of NPS and CES, of as many answers as there are customers."""
    nps, ces = (table[customers_of(name)] / table[name] for name in ("nps_n", "ces_n"))
    net = nps_interval(table["promoters"] * nps, table["detractors"] * nps, table["nps_n"] * nps)
    low, high = SURVEY_SCALES["ces"]
    sums = (table["ces_n"], table[" effort"] / MILLION, table[" effort squared"] / MILLION)
    mean = mean_interval(*(each * ces for each in sums), low=low, high=high)
    ends = {"nps_low": net.low, "nps_high": net.high, "ces_low": mean.low, "ces_high": mean.high}
    return [pl.Series(name, values, pl.Float64).fill_nan(None) for name, values in ends.items()]


def _rate(part: pl.Expr, whole: str) -> pl.Expr:
    """The part per whole, null where the whole is 0."""
    return pl.when(pl.col(whole) > 0).then(part / pl.col(whole))
