"""What do customers say, and after which stage?

A **response** is a touch with a survey (`nps`, `csat` or `ces`) and a score. It is attributed to the customer's last
touch before it within the lookback. Touches at the same instant, other responses, and touches with no value in any
`by` column do not count: the stage of a response is the last stage before it. A response without such a touch
is attributed to none (null).

- NPS (-1 to 1): the share of 9 and 10 minus the share of 0 to 6, on 0..10.
- CSAT (0 to 1): the share of 4 and 5, on 1..5.
- CES (1 to 7): the mean, on 1..7.

Scores outside the scale of their survey are ignored.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import polars as pl

from analytics.store.columns import AT, CUSTOMER, STAGE
from analytics.store.paths import Paths
from expectations.config.durations import duration

SURVEY_SCALES: Final = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7)}
"""The lowest and highest score of each survey."""
SURVEY: Final = "survey"
SCORE: Final = "score"


def voice(paths: Paths, by: str | Sequence[str] = STAGE, lookback: str | timedelta = "7d") -> pl.DataFrame:
    """Satisfaction by stage, or by any columns of the touch that a response is attributed to.

    One row per group with touches or responses, and one with `is_total`: `by` columns (String), is_total Boolean,
    touches Int64 (without responses), responses Int64, response_rate Float64 (responses per touch), and for each survey
    its count and its score: nps_n Int64, nps Float64, promoters, passives, detractors Int64, csat_n, csat, ces_n, ces.
    Scores are null without a response. Paths without survey columns have no responses. Raises
    `DefinitionError` for an unknown column or a lookback without a unit.

    >>> from datetime import datetime
    >>> rows = {"customer": "ann", "at": [datetime(2024, 1, 1), datetime(2024, 1, 2)], "score": [None, 9.0],
    ...         "touchpoint": ["cart", "Feedback"], "stage": ["Desire", None], "survey": [None, "nps"]}
    >>> voice(Paths.from_frame(pl.DataFrame(rows))).filter(stage="Desire").select("responses", "nps").row(0)
    (1, 1.0)
    """
    groups = [by] if isinstance(by, str) else list(by)
    paths.require(*groups)
    asked = [name for name in (SURVEY, SCORE) if name in paths.schema]
    columns = list(dict.fromkeys([CUSTOMER, AT, *groups, *asked]))
    partials = [_partial(paths.read(part, columns), groups, duration(lookback)) for part in paths.parts]
    empty = pl.DataFrame(schema={name: paths.schema[name] for name in columns})
    return _finish(pl.concat(partials or [_partial(empty, groups, duration(lookback))]), groups)


def responses(paths: Paths, by: Sequence[str] = (STAGE,), lookback: str | timedelta = "7d") -> pl.DataFrame:
    """One row per response: customer, at, survey, score, then the `by` columns of the touch that it is attributed to.

    The `by` columns are null for a response that is attributed to no touch.
    """
    paths.require(SURVEY, SCORE, *by)
    columns = list(dict.fromkeys([CUSTOMER, AT, *by, SURVEY, SCORE]))
    parts = [_attributed(paths.read(part, columns), list(by), duration(lookback)) for part in paths.parts]
    if not parts:
        return pl.DataFrame(schema={name: paths.schema[name] for name in (CUSTOMER, AT, SURVEY, SCORE, *by)})
    return pl.concat(parts).sort(AT, CUSTOMER)


def _attributed(touches: pl.DataFrame, groups: Sequence[str], lookback: timedelta) -> pl.DataFrame:
    """The responses of a part, each with the group columns of the touch that it is attributed to."""
    text = [name for name, dtype in touches.schema.items() if isinstance(dtype, pl.Enum)]
    touches = touches.with_columns(pl.col(text).cast(pl.String))
    answered = _is_response() if SURVEY in touches.columns and SCORE in touches.columns else pl.lit(False)
    answers = touches.filter(answered).select(
        CUSTOMER, AT, *(name for name in (SURVEY, SCORE) if name in touches.columns)
    )
    has_group = pl.any_horizontal(pl.col(name).is_not_null() for name in groups)
    before = touches.filter(~answered.fill_null(False), has_group).select(
        CUSTOMER, pl.col(AT).alias("_touch_at"), *groups
    )
    return answers.join_asof(
        before,
        left_on=AT,
        right_on="_touch_at",
        by=CUSTOMER,
        strategy="backward",
        allow_exact_matches=False,
        tolerance=lookback,
        check_sortedness=False,
    ).drop("_touch_at", strict=False)


def _is_response() -> pl.Expr:
    fits = [(pl.col(SURVEY) == name) & pl.col(SCORE).is_between(*scale) for name, scale in SURVEY_SCALES.items()]
    return pl.any_horizontal(fits).fill_null(False)


def _partial(touches: pl.DataFrame, groups: Sequence[str], lookback: timedelta) -> pl.DataFrame:
    """The counts of a part by group: touches, and responses by survey and score class."""
    answers = _attributed(touches, groups, lookback)
    text = [name for name, dtype in touches.schema.items() if isinstance(dtype, pl.Enum)]
    rows = touches.with_columns(pl.col(text).cast(pl.String))
    scored = SURVEY in answers.columns and SCORE in answers.columns
    responded = answers.group_by(groups).agg(**_counts()) if scored else None
    silent = ~_is_response() if responded is not None else pl.lit(True)
    counts = rows.filter(silent).group_by(groups).agg(pl.len().cast(pl.Int64).alias("touches"))
    if responded is None:
        return counts.with_columns(pl.lit(0, dtype).alias(name) for name, dtype in COUNTS.items())
    both = counts.join(responded, on=list(groups), how="full", coalesce=True, nulls_equal=True)
    return both.with_columns(pl.col("touches", *COUNTS).fill_null(0)).select(*groups, "touches", *COUNTS)


COUNTS: Final[dict[str, type[pl.DataType]]] = {
    "responses": pl.Int64,
    "nps_n": pl.Int64,
    "promoters": pl.Int64,
    "detractors": pl.Int64,
    "csat_n": pl.Int64,
    "satisfied": pl.Int64,
    "ces_n": pl.Int64,
    "effort": pl.Float64,
}


def _counts() -> dict[str, pl.Expr]:
    """The counts that add up over parts; `effort` is the sum of the CES scores."""
    score = pl.col(SCORE)
    nps, csat, ces = (pl.col(SURVEY) == name for name in SURVEY_SCALES)
    counts = {
        "responses": pl.len(),
        "nps_n": nps.sum(),
        "promoters": (nps & (score >= 9)).sum(),
        "detractors": (nps & (score <= 6)).sum(),
        "csat_n": csat.sum(),
        "satisfied": (csat & (score >= 4)).sum(),
        "ces_n": ces.sum(),
        "effort": score.filter(ces).sum(),
    }
    return {name: count.cast(COUNTS[name]) for name, count in counts.items()}


def _finish(counts: pl.DataFrame, groups: Sequence[str]) -> pl.DataFrame:
    """Adds up the counts of all parts and computes the measures, by group and in total."""
    by_group = counts.group_by(groups).agg(pl.col("touches", *COUNTS).sum()).sort(groups, nulls_last=True)
    total = counts.select(pl.lit(None, counts.schema[name]).alias(name) for name in groups)[:0]
    total = pl.concat([total, counts.select(pl.col("touches", *COUNTS).sum())], how="diagonal")
    both = pl.concat([by_group.with_columns(is_total=False), total.with_columns(is_total=True)])

    def share(part: pl.Expr, of: str) -> pl.Expr:
        return pl.when(pl.col(of) > 0).then(part / pl.col(of))

    return both.select(
        *groups,
        "is_total",
        "touches",
        "responses",
        share(pl.col("responses"), "touches").alias("response_rate"),
        "nps_n",
        share(pl.col("promoters") - pl.col("detractors"), "nps_n").alias("nps"),
        "promoters",
        (pl.col("nps_n") - pl.col("promoters") - pl.col("detractors")).alias("passives"),
        "detractors",
        "csat_n",
        share(pl.col("satisfied"), "csat_n").alias("csat"),
        "ces_n",
        share(pl.col("effort"), "ces_n").alias("ces"),
    )
