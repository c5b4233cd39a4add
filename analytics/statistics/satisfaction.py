"""Scores of surveys with their intervals, also weighted to those who were silent.

- NPS (-1 to 1): the share of 9 and 10 less the share of 0 to 6, on 0..10; two shares of the same answers, so the
  interval is Newcombe's for paired shares (method 10).
- CSAT (0 to 1): the share of 4 and 5, on 1..5; Wilson's interval.
- CES (1 to 7): the mean, on 1..7; Student's interval, from five answers on.

Source: Newcombe, Improved Confidence Intervals for the Difference between Binomial Proportions Based on Paired Data,
Statistics in Medicine 17 (1998).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, get_args

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from analytics.statistics.intervals import Interval, wilson
from expectations.errors import DefinitionError, nearest

Survey = Literal["nps", "csat", "ces"]
SCALES: Final[Mapping[str, tuple[int, int]]] = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7)}
"""The lowest and highest score of each survey."""
REACH: Final[Mapping[str, tuple[float, float]]] = {"nps": (-1.0, 1.0), "csat": (0.0, 1.0), "ces": (1.0, 7.0)}
"""Between what the measure of each survey lies: what it is where all give the lowest, or the highest score."""
LOW_SCORES: Final[Mapping[str, int]] = {"nps": 6, "csat": 2, "ces": 3}
"""The highest score of each survey that is a low one."""
MIN_MEAN: Final = 5
"""With fewer answers a mean has no interval."""
MIN_STRATUM: Final = 10
"""With fewer answers a stratum says too little of its silent ones."""


class Stratum(NamedTuple):
    """Occasions that are alike: how many there were, and the scores of those answered, with their counts."""

    name: str
    occasions: int
    scores: Mapping[float, int]


def paired_newcombe(both: ArrayLike, first: ArrayLike, second: ArrayLike, neither: ArrayLike) -> Interval:
    """The interval of the difference of two shares of the same units: `first` and `second` have one thing alone.

    >>> [bound.round(4).item() for bound in paired_newcombe(14, 5, 0, 22)]
    [0.0115, 0.2265]
    """
    a, b, c, d = (np.asarray(each, np.float64) for each in (both, first, second, neither))
    n = a + b + c + d
    with np.errstate(divide="ignore", invalid="ignore"):
        one, other = (a + b) / n, (a + c) / n
        product = a * d - b * c
        corrected = np.where(product > 0, np.maximum(product - n / 2, 0.0), product)
        spread = np.sqrt((a + b) * (c + d) * (a + c) * (b + d))
        phi = np.where(spread > 0, corrected / spread, 0.0)
        (l1, u1), (l2, u2) = wilson(a + b, n), wilson(a + c, n)
        down, up = one - l1, u2 - other
        low = one - other - np.sqrt(np.maximum(down**2 - 2 * phi * down * up + up**2, 0.0))
        down, up = other - l2, u1 - one
        high = one - other + np.sqrt(np.maximum(down**2 - 2 * phi * down * up + up**2, 0.0))
    return Interval(np.asarray(low), np.asarray(high))


def nps_interval(promoters: ArrayLike, detractors: ArrayLike, answers: ArrayLike) -> Interval:
    """The interval of the net promoter score of so many answers; NaN without one.

    >>> [bound.round(2).item() for bound in nps_interval(30, 12, 60)]
    [0.09, 0.48]
    """
    p, q, n = (np.asarray(each, np.float64) for each in (promoters, detractors, answers))
    return paired_newcombe(np.zeros_like(n), p, q, n - p - q)


def mean_interval(count: ArrayLike, total: ArrayLike, squares: ArrayLike, *, low: float, high: float) -> Interval:
    """Student's interval of a mean, from sums, cut at the ends of its scale; NaN below five values.

    >>> [bound.round(3).item() for bound in mean_interval(5, 25, 135, low=1, high=7)]
    [3.037, 6.963]
    """
    from scipy.special import stdtrit

    n, s, q = (np.asarray(each, np.float64) for each in (count, total, squares))
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = s / n
        error = np.sqrt(np.maximum(q - n * mean**2, 0.0) / (n - 1) / n)
        reach = np.where(n >= MIN_MEAN, stdtrit(np.maximum(n - 1, 1), 0.975) * error, np.nan)
    return Interval(np.maximum(mean - reach, low), np.minimum(mean + reach, high))


class _Answers(NamedTuple):
    """Answers on the scale, and how many were not."""

    number: int
    refused: int
    measure: float
    low: float
    high: float


def survey_score(survey: Survey, scores: Mapping[float, int]) -> pl.DataFrame:
    """The measure of a survey from the counts of its scores, with its interval.

    One row: `responses` Int64; `refused` Int64 (scores off the scale, or no whole ones, which count nowhere);
    `measure`, `low`, `high` Float64 (null without an answer; the interval of `ces` null below five). The answers are
    taken as those of different customers. Raises `DefinitionError` for an unknown survey, and less than no answers.

    >>> survey_score("csat", {5: 10, 4: 9, 3: 6, 1: 5}).select(pl.all().round(3)).row(0)
    (30, 0, 0.633, 0.455, 0.781)
    """
    if fewer := [f"{count} of {score:g}" for score, count in scores.items() if count < 0]:
        raise DefinitionError("A score has less than no answers.", expected="counts from 0", found=fewer[0])
    found = _answers(_known(survey), scores)
    row = {"responses": found.number, "refused": found.refused, "measure": found.measure}
    return _null_for_nan(pl.DataFrame([{**row, "low": found.low, "high": found.high}]))


def weighted_score(survey: Survey, strata: Sequence[Stratum]) -> pl.DataFrame:
    """The measure of a survey as answered, and weighted to all occasions: those of a stratum are taken as alike.

    One row for all (`is_total`), then one per stratum: `stratum` String; `occasions`, `answers` Int64;
    `share_of_occasions`, `share_of_answers` Float64; `measure`, `low`, `high` (as answered); of the total also
    `weighted`, `weighted_low`, `weighted_high` (the shares of the occasions times the measures of the strata, and the
    square-and-add of their intervals; null when a stratum has fewer than 10 answers), `at_least`, `at_most` (the
    measure where all silent ones give the lowest, or the highest score). The weighted measure assumes that the silent
    ones of a stratum feel like those who answer; the bounds assume nothing. Raises `DefinitionError` for an unknown
    survey, no stratum, two of one name, and more answers than occasions.

    >>> told = [Stratum("trouble", 100, {5: 3, 1: 9}), Stratum("none", 900, {5: 10, 4: 6, 2: 2})]
    >>> weighted_score("csat", told).select("measure", "weighted", "at_least").row(0)
    (0.6333333333333333, 0.825, 0.019)
    """
    _known(survey)
    names = [stratum.name for stratum in strata]
    if not strata or len(set(names)) < len(names):
        raise DefinitionError("Strata have names of their own.", expected="one or more", found=", ".join(names))
    each = [_answers(survey, stratum.scores) for stratum in strata]
    for stratum, own in zip(strata, each, strict=True):
        if own.number > stratum.occasions:
            raise DefinitionError(
                f"Stratum {stratum.name!r} has more answers than occasions.",
                expected=f"at least {own.number:,} occasions",
                found=f"{stratum.occasions:,}",
            )
    everyone: dict[float, int] = {}
    for stratum in strata:
        for score, count in stratum.scores.items():
            everyone[score] = everyone.get(score, 0) + count
    whole, occasions = _answers(survey, everyone), sum(stratum.occasions for stratum in strata)
    shares = np.array([stratum.occasions / occasions if occasions else np.nan for stratum in strata])
    measures, low, high = (np.array([getattr(own, end) for own in each]) for end in ("measure", "low", "high"))
    enough = min(own.number for own in each) >= MIN_STRATUM
    weighted = float((shares * measures).sum()) if enough else np.nan
    answered = sum(own.number * own.measure for own in each if own.number)
    silent = occasions - whole.number
    rows: list[dict[str, Any]] = [
        {
            "is_total": True,
            "stratum": None,
            **_row(whole, occasions, 1.0, 1.0),
            "weighted": weighted,
            "weighted_low": weighted - float(np.sqrt((shares**2 * (measures - low) ** 2).sum())),
            "weighted_high": weighted + float(np.sqrt((shares**2 * (high - measures) ** 2).sum())),
            **{
                name: (answered + silent * end) / occasions if occasions else np.nan
                for name, end in zip(("at_least", "at_most"), REACH[survey], strict=True)
            },
        }
    ]
    for stratum, own, share in zip(strata, each, shares, strict=True):
        part = own.number / whole.number if whole.number else np.nan
        row = _row(own, stratum.occasions, float(share), part)
        rows.append({"is_total": False, "stratum": stratum.name, **row})
    return _null_for_nan(pl.DataFrame(rows, schema=WEIGHTED, orient="row"))


WEIGHTED: Final = pl.Schema(
    {
        "is_total": pl.Boolean(),
        "stratum": pl.String(),
        **dict.fromkeys(("occasions", "answers"), pl.Int64()),
        **dict.fromkeys(("share_of_occasions", "share_of_answers", "measure", "low", "high"), pl.Float64()),
        **dict.fromkeys(("weighted", "weighted_low", "weighted_high", "at_least", "at_most"), pl.Float64()),
    }
)


def _row(own: _Answers, occasions: int, share: float, part: float) -> dict[str, Any]:
    counts = {"occasions": occasions, "answers": own.number, "share_of_occasions": share, "share_of_answers": part}
    return {**counts, "measure": own.measure, "low": own.low, "high": own.high}


def _answers(survey: str, scores: Mapping[float, int]) -> _Answers:
    lowest, highest = SCALES[survey]
    counted = {score: count for score, count in scores.items() if lowest <= score <= highest and score == int(score)}
    n, refused = sum(counted.values()), sum(scores.values()) - sum(counted.values())

    def given(least: float, most: float) -> int:
        return sum(count for score, count in counted.items() if least <= score <= most)

    if survey == "nps":
        promoters, detractors = given(9, 10), given(0, 6)
        measure, ends = promoters - detractors, nps_interval(promoters, detractors, n)
    elif survey == "csat":
        measure, ends = given(4, 5), wilson(given(4, 5), n)
    else:
        total, squares = (sum(count * score**power for score, count in counted.items()) for power in (1, 2))
        measure, ends = total, mean_interval(n, total, squares, low=lowest, high=highest)  # type: ignore[assignment]
    return _Answers(n, refused, measure / n if n else np.nan, float(ends.low), float(ends.high))


def _known(survey: str) -> Survey:
    for known in get_args(Survey):
        if survey == known:
            return known  # type: ignore[no-any-return]
    expected = ", ".join(SCALES)
    raise DefinitionError(f"There is no survey {survey!r}.", expected=expected, do=nearest(survey, list(SCALES)))


def _null_for_nan(table: pl.DataFrame) -> pl.DataFrame:
    return table.with_columns(pl.col(pl.Float64).fill_nan(None))
