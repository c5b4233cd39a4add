"""What two variants of an experiment differ by: sample ratios, differences of means, sequences valid at every look.

Sources: Welch, Biometrika 34 (1947); Deng, Xu, Kohavi and Walker, Improving the Sensitivity of Online Controlled
Experiments by Utilizing Pre-Experiment Data (2013), for CUPED; Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas,
Time-uniform central limit theory and asymptotic confidence sequences (2021).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from analytics.statistics.intervals import Floats
from expectations.errors import DefinitionError, nearest

MAX_SRM: Final = 0.001
"""A sample ratio with a smaller p-value is broken."""
PLANNED_CUSTOMERS: Final = 5_000
CLOSE: Final = 1e-9
MAX_ALPHA: Final = 0.5


class SampleRatio(NamedTuple):
    """The test that customers fall on variants as planned; `srm` is true where they do not, and decide on nothing."""

    chi2: float
    p_value: float
    log10_p: float
    srm: bool


def sample_ratio(counts: Mapping[str, int], planned: Mapping[str, float]) -> SampleRatio:
    """Pearson's chi-square test of the customers of each variant against their planned shares.

    A planned variant that `counts` has not has no customers. `log10_p` is known where the p-value is too small for a
    float. `srm` is true below 0.001. Without customers there is no test: NaN, and `srm` is false. Raises
    `DefinitionError` for fewer than two variants, shares that are not above 0 or do not add up to 1, counts below 0,
    and a variant without a planned share.

    >>> found = sample_ratio({"A": 4072, "B": 2035}, {"A": 0.8, "B": 0.2})
    >>> round(found.chi2, 2), round(found.log10_p, 2), found.srm
    (677.44, -148.62, True)
    """
    check_planned(planned)
    if unknown := [name for name in counts if name not in planned]:
        expected = f"one of {', '.join(planned)}"
        raise DefinitionError(
            f"Variant {unknown[0]!r} has no planned share.", expected=expected, do=nearest(unknown[0], planned)
        )
    seen, shares = np.array([[counts.get(name, 0), share] for name, share in planned.items()], np.float64).T
    if (seen < 0).any():
        raise DefinitionError("A variant has too few customers.", expected="counts from 0", found=f"{seen.min():g}")
    expected_counts = seen.sum() * shares / shares.sum()
    if not seen.sum():
        return SampleRatio(math.nan, math.nan, math.nan, False)
    chi2 = float(((seen - expected_counts) ** 2 / expected_counts).sum())
    log_p = _log_chi2_tail(chi2, len(planned) - 1)
    p_value = math.exp(log_p)
    return SampleRatio(chi2, p_value, log_p / math.log(10), p_value < MAX_SRM)


def check_planned(planned: Mapping[str, float]) -> None:
    """Raises `DefinitionError` for fewer than two variants, and shares not above 0 or that do not add up to 1."""
    expected, found = "two or more shares above 0 that add up to 1", ", ".join(f"{k} {v:g}" for k, v in planned.items())
    if len(planned) < 2:
        raise DefinitionError("An experiment compares variants.", expected=expected, found=found or "none")
    if not all(share > 0 for share in planned.values()) or abs(math.fsum(planned.values()) - 1) > CLOSE:
        raise DefinitionError("The planned shares are not those of all customers.", expected=expected, found=found)


def _log_chi2_tail(chi2: float, degrees: int) -> float:
    """The logarithm of the upper tail of chi-square, also where the tail is too small for a float.

    With `x = chi2 / 2` it is that of `Q(degrees / 2, x)`, where `Q(a + 1, x) = Q(a, x) + x^a exp(-x) / Gamma(a + 1)`.
    """
    from scipy.special import log_ndtr

    x, odd = chi2 / 2, degrees % 2
    if not x:
        return 0.0
    tail = math.log(2) + float(log_ndtr(-math.sqrt(chi2))) if odd else -x
    for a in (step + (0.5 if odd else 1.0) for step in range((degrees - 1) // 2)):
        tail = float(np.logaddexp(tail, a * math.log(x) - x - math.lgamma(a + 1)))
    return min(tail, 0.0)


class MeanSums(NamedTuple):
    """The sums of a variant: its customers, of a number of each, and of the same number before the experiment (x)."""

    n: int
    sum: float
    sum_squares: float
    x_sum: float | None = None
    x_squares: float | None = None
    cross: float | None = None
    """The sum of the products of both."""

    @classmethod
    def of(cls, values: ArrayLike, before: ArrayLike | None = None) -> MeanSums:
        """The sums of one number per customer, and of one from before where there is one.

        >>> MeanSums.of([1, 2], [3, 4])
        MeanSums(n=2, sum=3.0, sum_squares=5.0, x_sum=7.0, x_squares=25.0, cross=11.0)
        """
        y = np.asarray(values, np.float64)
        if before is None:
            return cls(len(y), float(y.sum()), float(y @ y))
        x = np.asarray(before, np.float64)
        return cls(len(y), float(y.sum()), float(y @ y), float(x.sum()), float(x @ x), float(x @ y))


class MeanDifference(NamedTuple):
    """The mean of the treatment less that of the control; NaN where a number does not exist.

    `low`, `high`, `p_value` are Welch's; `variance` is that of the difference. `lift` is the difference over the mean
    of the control; its interval and variance are NaN where the control's own interval reaches 0. The `adjusted` numbers
    take off what the number from before explains (CUPED), by `theta`; `variance_kept` is the share of the variance that
    is left.
    """

    difference: float
    low: float
    high: float
    p_value: float
    variance: float
    lift: float
    lift_low: float
    lift_high: float
    lift_variance: float
    theta: float
    adjusted: float
    adjusted_low: float
    adjusted_high: float
    adjusted_p: float
    adjusted_variance: float
    variance_kept: float


class _Welch(NamedTuple):
    low: float
    high: float
    p_value: float
    variance: float
    quantile: float


def mean_difference(control: MeanSums, treatment: MeanSums) -> MeanDifference:
    """The difference of two means from sums, by Welch, and adjusted by the same number from before (CUPED).

    `theta` is the covariance within the variants, pooled, over the variance of x within them; 0 where x does not vary,
    so that nothing is adjusted. The adjusted numbers are NaN unless both have x. A variant of fewer than two customers,
    or no spread at all, gives no interval. Raises `DefinitionError` for customers below 0.

    >>> before, after = MeanSums.of([0, 1, 0, 1], [2, 4, 0, 6]), MeanSums.of([1, 2, 1, 2], [2, 4, 2, 8])
    >>> found = mean_difference(before, after)
    >>> found.difference, round(found.theta, 4), round(found.adjusted, 3)
    (1.0, 0.1818, 0.818)
    """
    both = (control, treatment)
    if any(each.n < 0 for each in both):
        raise DefinitionError(
            "A variant has too few customers.", expected="n from 0", found=str(min(control.n, treatment.n))
        )
    (c, yy_c), (t, yy_t) = (
        (_over(each.sum, each.n), _spread(each.sum_squares, each.sum, each.sum, each.n)) for each in both
    )
    raw = _welch(t - c, (yy_c, yy_t), (control.n, treatment.n))
    lift = _lift(control, treatment, yy_c, yy_t, raw.quantile)
    plain = (t - c, raw.low, raw.high, raw.p_value, raw.variance, *lift)
    if control.x_sum is None or treatment.x_sum is None:
        return MeanDifference(*plain, *[math.nan] * 7)
    (x_c, xx_c, xy_c), (x_t, xx_t, xy_t) = (_before(each) for each in both)
    theta = (xy_c + xy_t) / (xx_c + xx_t) if xx_c + xx_t > 0 else 0.0
    adjusted = t - c - theta * (x_t - x_c)
    left = tuple(
        max(yy - 2 * theta * xy + theta**2 * xx, 0.0) for yy, xy, xx in ((yy_c, xy_c, xx_c), (yy_t, xy_t, xx_t))
    )
    found = _welch(adjusted, (left[0], left[1]), (control.n, treatment.n))
    kept = _over(found.variance, raw.variance)
    return MeanDifference(*plain, theta, adjusted, found.low, found.high, found.p_value, found.variance, kept)


def _over(part: float, whole: float) -> float:
    return part / whole if whole > 0 else math.nan


def _spread(products: float, one: float, other: float, n: int) -> float:
    """The sum of the products of deviations from the means."""
    return products - one * other / n if n else math.nan


def _before(sums: MeanSums) -> tuple[float, float, float]:
    """The mean of x, its squared deviations, and their products with those of y."""
    if sums.x_sum is None or sums.x_squares is None or sums.cross is None:
        raise DefinitionError("Sums of a number from before are incomplete.", expected="x_sum, x_squares and cross")
    squares = max(_spread(sums.x_squares, sums.x_sum, sums.x_sum, sums.n), 0.0)
    return _over(sums.x_sum, sums.n), squares, _spread(sums.cross, sums.x_sum, sums.sum, sums.n)


def _welch(difference: float, spreads: tuple[float, float], sizes: tuple[int, int]) -> _Welch:
    """Welch's interval and test of a difference, from the squared deviations and the sizes of both variants."""
    from scipy.special import stdtr, stdtrit

    if min(sizes) < 2:
        return _Welch(*[math.nan] * 5)
    parts = [max(spread, 0.0) / (n - 1) / n for spread, n in zip(spreads, sizes, strict=True)]
    variance = sum(parts)
    if variance <= 0:
        return _Welch(math.nan, math.nan, math.nan, 0.0, math.nan)
    degrees = variance**2 / sum(part**2 / (n - 1) for part, n in zip(parts, sizes, strict=True))
    quantile, error = float(stdtrit(degrees, 0.975)), math.sqrt(variance)
    p_value = 2 * float(stdtr(degrees, -abs(difference) / error))
    return _Welch(difference - quantile * error, difference + quantile * error, p_value, variance, quantile)


def _lift(
    control: MeanSums, treatment: MeanSums, yy_c: float, yy_t: float, quantile: float
) -> tuple[float, float, float, float]:
    """The difference over the mean of the control, with its interval and variance by the delta method."""
    from scipy.special import stdtrit

    c, t = _over(control.sum, control.n), _over(treatment.sum, treatment.n)
    if not c or math.isnan(c):
        return (math.nan,) * 4
    lift = (t - c) / c
    if math.isnan(quantile):
        return lift, math.nan, math.nan, math.nan
    var_c, var_t = (max(yy, 0.0) / (n - 1) / n for yy, n in ((yy_c, control.n), (yy_t, treatment.n)))
    if abs(c) <= float(stdtrit(control.n - 1, 0.975)) * math.sqrt(var_c):
        return lift, math.nan, math.nan, math.nan
    variance = var_t / c**2 + t**2 * var_c / c**4
    reach = quantile * math.sqrt(variance)
    return lift, lift - reach, lift + reach, variance


class Difference(NamedTuple):
    """A difference with its variance, and the customers behind it."""

    difference: Floats
    variance: Floats
    customers: Floats


def difference_of_shares(k1: ArrayLike, n1: ArrayLike, k2: ArrayLike, n2: ArrayLike) -> Difference:
    """The difference `k1 / n1 - k2 / n2` with its variance, for `confidence_sequence`; NaN where a share is of nothing.

    >>> difference_of_shares(250, 1000, 200, 1000).variance.round(7).item()
    0.0003475
    """
    k1, n1, k2, n2 = (np.asarray(each, np.float64) for each in (k1, n1, k2, n2))
    with np.errstate(divide="ignore", invalid="ignore"):
        p1, p2 = k1 / n1, k2 / n2
        return Difference(p1 - p2, p1 * (1 - p1) / n1 + p2 * (1 - p2) / n2, n1 + n2)


def customers_needed(
    variance: float, difference: float, *, power: float = 0.8, alpha: float = 0.05, anytime: bool = True
) -> int:
    """How many customers it takes to find a difference with the chance `power`, in both variants together.

    `variance` is that of the difference, times the customers: `v_a / a + v_b / b` for variances of one customer and
    shares of the variants. By a two-sided test at one look, or with `anytime` at the look for which the confidence
    sequence is tuned; earlier looks can only find it sooner. Source: the usual formula of sample size, with the half
    width of the sequence in place of the normal quantile. Raises `DefinitionError` for no difference, a variance below
    0, a power outside 0 to 1, and a level outside 0 to 0.5.

    >>> customers_needed(0.2 * 0.8 * 2 + 0.25 * 0.75 * 2, 0.05, anytime=False)
    2182
    """
    if not variance >= 0 or not difference:
        raise DefinitionError("There is nothing to find.", expected="a difference, and a variance from 0")
    if not 0 < power < 1 or not 0 < alpha <= MAX_ALPHA:
        raise DefinitionError("This is no chance.", expected="a power between 0 and 1, a level of at most 0.5")
    from scipy.special import ndtri

    width = float(ndtri(1 - alpha / 2))
    if anytime:
        width = confidence_sequence(0.0, 1.0, 1.0, expected=1.0, alpha=alpha).half_width.item()
    return math.ceil(variance * (width + float(ndtri(power))) ** 2 / difference**2)


class ConfidenceSequence(NamedTuple):
    """An interval that holds at every look together, and the p-value that belongs to it."""

    half_width: Floats
    low: Floats
    high: Floats
    p_value: Floats


def confidence_sequence(
    difference: ArrayLike,
    variance: ArrayLike,
    customers: ArrayLike,
    *,
    expected: float = PLANNED_CUSTOMERS,
    alpha: float = 0.05,
) -> ConfidenceSequence:
    """The interval of a difference that may be looked at as often as wanted: all looks together err with `alpha`.

    `variance` is that of the difference, `customers` are those of both variants. It is narrowest at the `expected`
    number of customers, for a wide range around it. The p-value is the smallest level at which the sequence, tuned for
    `alpha`, leaves out 0; NaN where the variance is 0. Raises `DefinitionError` for no expected customers, a level
    outside 0 to 0.5, and a variance or customers below 0.

    >>> found = confidence_sequence(*difference_of_shares(250, 1000, 200, 1000))
    >>> found.half_width.round(4).item()
    0.0579
    """
    d, v, n = (np.asarray(each, np.float64) for each in (difference, variance, customers))
    if not expected > 0 or math.isinf(expected):
        raise DefinitionError("No customers are expected.", expected="a number above 0", found=f"{expected:g}")
    if not 0 < alpha <= MAX_ALPHA:
        raise DefinitionError("This is no level of error.", expected="above 0, at most 0.5", found=f"{alpha:g}")
    if (v < 0).any() or (n < 0).any():
        raise DefinitionError("A variance, or a number of customers, is below 0.", expected="numbers from 0")
    level = -2 * math.log(alpha)
    rho = n * (level + math.log(level) + 1) / expected
    with np.errstate(divide="ignore", invalid="ignore"):
        half = np.sqrt(2 * v * (rho + 1) / rho * np.log(np.sqrt(rho + 1) / alpha))
        p_value = np.minimum(1.0, np.sqrt(rho + 1) * np.exp(-(d**2) * rho / (2 * v * (rho + 1))))
    return ConfidenceSequence(half, d - half, d + half, np.where(v > 0, p_value, np.nan))
