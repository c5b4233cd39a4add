"""How sure can one be? Intervals, tests and corrections, thin over scipy and lifelines.

Numbers or arrays go in, arrays come out. Confidence is 95 % unless another level is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


class Interval(NamedTuple):
    """Lower and upper bounds."""

    low: Floats
    high: Floats


class Verdict(NamedTuple):
    """A statistic, its p-value, and its degrees of freedom where it has them."""

    statistic: Floats
    p_value: Floats
    degrees: int | None = None


def wilson(k: ArrayLike, n: ArrayLike, confidence: float = 0.95, *, corrected: bool = False) -> Interval:
    """The Wilson score interval of the shares `k / n`; NaN where `n` is 0.

    `corrected` adds the continuity correction. Source: Newcombe, Statistics in Medicine 17 (1998), methods 3 and 4.

    >>> wilson(18, 20).low.round(3).item()
    0.699
    """
    k, n = np.asarray(k, float), np.asarray(n, float)
    z = normal_quantile(confidence)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = k / n
        if corrected:
            low = (2 * k + z**2 - 1 - z * np.sqrt(z**2 - 2 - 1 / n + 4 * p * (n * (1 - p) + 1))) / (2 * (n + z**2))
            high = (2 * k + z**2 + 1 + z * np.sqrt(z**2 + 2 - 1 / n + 4 * p * (n * (1 - p) - 1))) / (2 * (n + z**2))
        else:
            centre = (k + z**2 / 2) / (n + z**2)
            half = z / (n + z**2) * np.sqrt(k * (n - k) / n + z**2 / 4)
            low, high = centre - half, centre + half
        low = np.where(k == 0, 0.0, np.maximum(low, 0.0))
        high = np.where(k == n, 1.0, np.minimum(high, 1.0))
        return Interval(np.where(n > 0, low, np.nan), np.where(n > 0, high, np.nan))


def normal_quantile(confidence: float) -> float:
    """How many standard errors reach to both sides of the middle `confidence`.

    >>> round(normal_quantile(0.95), 3)
    1.96
    """
    from scipy.special import ndtri

    return float(ndtri(0.5 + confidence / 2))


def newcombe(k1: ArrayLike, n1: ArrayLike, k2: ArrayLike, n2: ArrayLike, confidence: float = 0.95) -> Interval:
    """The interval of the difference `k1 / n1 - k2 / n2`, from the two Wilson intervals (Newcombe 1998, method 10).

    >>> newcombe(56, 70, 48, 80).low.round(4).item()
    0.0524
    """
    k1, n1, k2, n2 = (np.asarray(x, float) for x in (k1, n1, k2, n2))
    first, second = wilson(k1, n1, confidence), wilson(k2, n2, confidence)
    with np.errstate(divide="ignore", invalid="ignore"):
        p1, p2 = k1 / n1, k2 / n2
        low = p1 - p2 - np.sqrt((p1 - first.low) ** 2 + (second.high - p2) ** 2)
        high = p1 - p2 + np.sqrt((first.high - p1) ** 2 + (p2 - second.low) ** 2)
    return Interval(low, high)


def median_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """The interval of a median, between two of the values, whatever their distribution; NaN for too few values.

    >>> median_interval(range(50)).low.item(), median_interval(range(50)).high.item()
    (17.0, 32.0)
    """
    from scipy.stats import quantile_test

    known = np.asarray(values, float)
    if not known.size:
        return Interval(np.asarray(np.nan), np.asarray(np.nan))
    found: Any = quantile_test(known, q=0, p=0.5).confidence_interval(confidence)
    return Interval(np.asarray(found.low), np.asarray(found.high))


def bootstrap(
    rows: pl.DataFrame,
    statistic: Callable[[pl.DataFrame], float],
    confidence: float = 0.95,
    *,
    customer: str = "customer",
    resamples: int = 999,
    seed: int = 0,
) -> Interval:
    """The interval of any number of a table, by drawing customers again, each with all rows (percentile method).

    Rows of one customer hang together, so that drawing rows would tell too narrow an interval. The same `seed` gives
    the same interval. NaN for fewer than two customers.

    >>> orders = pl.DataFrame({"customer": ["ann", "ann", "bo", "cy"], "worth": [9.0, 9.0, 1.0, 1.0]})
    >>> bootstrap(orders, lambda drawn: drawn["worth"].mean()).high.item()
    9.0
    """
    from scipy import stats

    drawn = rows.with_columns(pl.col(customer).rank("dense").alias(" number")).sort(" number", maintain_order=True)
    sizes = drawn[" number"].rle().struct.field("len").to_numpy().astype(np.int64)
    starts, drawn = np.cumsum(sizes) - sizes, drawn.drop(" number")
    if len(sizes) < 2:
        return Interval(np.asarray(np.nan), np.asarray(np.nan))

    def of_customers(chosen: NDArray[np.int64]) -> float:
        counts = sizes[chosen]
        first = np.repeat(starts[chosen] - np.cumsum(counts) + counts, counts)
        return statistic(drawn[first + np.arange(len(first))])

    everyone, generator = np.arange(len(sizes)), np.random.default_rng(seed)
    options: dict[str, Any] = {"vectorized": False, "method": "percentile", "n_resamples": resamples}
    found = stats.bootstrap((everyone,), of_customers, confidence_level=confidence, rng=generator, **options)
    return Interval(np.asarray(found.confidence_interval.low), np.asarray(found.confidence_interval.high))


def two_proportions_z(k1: ArrayLike, n1: ArrayLike, k2: ArrayLike, n2: ArrayLike) -> Verdict:
    """The two-sided test that two shares are equal: z with the pooled variance.

    >>> two_proportions_z(5, 83, 12, 99).p_value.round(4).item()
    0.1592
    """
    from scipy.special import ndtr

    k1, n1, k2, n2 = (np.asarray(x, float) for x in (k1, n1, k2, n2))
    with np.errstate(divide="ignore", invalid="ignore"):
        pooled = (k1 + k2) / (n1 + n2)
        z = (k1 / n1 - k2 / n2) / np.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n2))
    return Verdict(np.asarray(z), np.asarray(2 * ndtr(-np.abs(z))))


def benjamini_hochberg(p_values: ArrayLike) -> Floats:
    """P-values adjusted so that the expected share of false discoveries stays below the level (1995).

    NaN in, NaN out; a NaN does not count as a test.

    >>> benjamini_hochberg([0.01, 0.02, 0.03]).round(3)
    array([0.03, 0.03, 0.03])
    """
    from scipy.stats import false_discovery_control

    p = np.asarray(p_values, float)
    adjusted, real = np.full(p.shape, np.nan), ~np.isnan(p)
    if real.any():
        adjusted[real] = false_discovery_control(p[real])
    return adjusted


def bonferroni(p_values: ArrayLike) -> Floats:
    """P-values times the number of tests, at most 1.

    >>> bonferroni([0.01, 0.6])
    array([0.02, 1.  ])
    """
    p = np.asarray(p_values, float)
    return np.minimum(p * np.count_nonzero(~np.isnan(p)), 1.0)


def cohens_h(p1: ArrayLike, p2: ArrayLike) -> Floats:
    """The effect size of two shares: the difference of their arcsine transforms.

    >>> cohens_h(0.3, 0.4).round(3)
    np.float64(-0.21)
    """
    return np.asarray(2 * np.arcsin(np.sqrt(p1)) - 2 * np.arcsin(np.sqrt(p2)))[()]


def chi_square(table: ArrayLike) -> Verdict:
    """Pearson's test that rows and columns of a table of counts are independent, without correction.

    NaN where a row or a column counts nothing, or there is one alone.

    >>> chi_square([[10, 10, 20], [20, 20, 20]]).p_value.round(3).item()
    0.249
    """
    from scipy.stats import chi2_contingency

    counts = np.asarray(table, float)
    degrees = (counts.shape[0] - 1) * (counts.shape[1] - 1)
    if not degrees or not counts.sum(axis=0).all() or not counts.sum(axis=1).all():
        return Verdict(np.asarray(np.nan), np.asarray(np.nan), degrees)
    found: Any = chi2_contingency(counts, correction=False)
    return Verdict(np.asarray(found.statistic), np.asarray(found.pvalue), int(found.dof))


def shares_against(k: ArrayLike, n: ArrayLike, null: float) -> Verdict:
    """Pearson's test that several shares `k / n` all equal `null`. A share of nothing does not count; NaN without any.

    >>> shares_against([73, 90, 114, 75], [86, 93, 136, 82], 0.9).statistic.round(2).item()
    13.2
    """
    from scipy.special import chdtrc

    k, n = np.asarray(k, float), np.asarray(n, float)
    k, n = k[n > 0], n[n > 0]
    if not len(n):
        return Verdict(np.asarray(np.nan), np.asarray(np.nan), 0)
    statistic = np.sum((k - n * null) ** 2 / (n * null * (1 - null)))
    return Verdict(np.asarray(statistic), np.asarray(chdtrc(float(len(k)), float(statistic))), len(k))


def kaplan_meier(
    durations: ArrayLike, observed: ArrayLike, confidence: float = 0.95, *, counts: ArrayLike | None = None
) -> pl.DataFrame:
    """The share that has not converted yet, by time, with those still under way counted as long as they are seen.

    `counts` tells for how many each duration stands; one by default.
    Columns: `time` Float64 (each duration that occurs), `at_risk`, `events`, `censored` Int64, `survival` Float64,
    `standard_error` (Greenwood), `low`, `high` Float64 (of `survival`, on the log-log
    scale). No durations give no rows.

    >>> kaplan_meier([1, 2, 3], [1, 0, 1])["survival"].round(3).to_list()
    [0.667, 0.667, 0.0]
    """
    time, event = np.asarray(durations, float), np.asarray(observed, bool)
    people = np.ones(len(time), np.int64) if counts is None else np.asarray(counts, np.int64)
    return kaplan_meier_by(pl.DataFrame({"time": time, "event": event, "people": people}), [], confidence)


def kaplan_meier_by(waits: pl.DataFrame, by: Sequence[str], confidence: float = 0.95) -> pl.DataFrame:
    """The same for every group: a row of `waits` is a `time`, whether the `event` came then, and for how many `people`.

    Columns: those of `by`, and those of `kaplan_meier`; sorted by them.
    """

    def within(column: pl.Expr) -> pl.Expr:
        return column.over(by) if by else column

    everyone, d, n = pl.col(" all"), pl.col("events"), pl.col("at_risk")
    table = (
        waits.group_by(*by, "time")
        .agg(pl.col("people").filter("event").sum().alias("events"), pl.col("people").sum().alias(" all"))
        .sort(*by, "time", nulls_last=True)
        .with_columns((within(everyone.sum()) - within(everyone.cum_sum()) + everyone).alias("at_risk"))
        .with_columns(
            within((1 - d / n).cum_prod()).alias("survival"),
            within(pl.when(d < n).then(d / (n * (n - d))).otherwise(0.0).cum_sum()).sqrt().alias(" greenwood"),
            (everyone - d).alias("censored"),
        )
    )
    z, s = normal_quantile(confidence), pl.col("survival")
    theta = z * pl.col(" greenwood") / s.log().abs()
    inside = (s > 0) & (s < 1)
    return table.select(
        *by,
        "time",
        "at_risk",
        "events",
        "censored",
        "survival",
        (s * pl.col(" greenwood")).alias("standard_error"),
        pl.when(inside).then(s ** theta.exp()).otherwise(s).alias("low"),
        pl.when(inside).then(s ** (-theta).exp()).otherwise(s).alias("high"),
    )


def log_rank(durations1: ArrayLike, observed1: ArrayLike, durations2: ArrayLike, observed2: ArrayLike) -> Verdict:
    """The test that two groups convert at the same pace at every time.

    >>> log_rank([1, 2], [1, 1], [1, 2], [1, 1]).p_value
    array(1.)
    """
    from lifelines.statistics import logrank_test

    found = logrank_test(durations1, durations2, observed1, observed2)
    return Verdict(np.asarray(found.test_statistic), np.asarray(found.p_value), 1)
