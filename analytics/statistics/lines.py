"""A straight line through numbers that are known with an error: where does it lead, and how sure is that?"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

MIN_POINTS: Final = 3
"""A line through two points fits them whatever they are."""


class OnLine(NamedTuple):
    """The value of a line at a place, with its interval."""

    value: float
    low: float
    high: float


def weighted_line(
    x: ArrayLike, y: ArrayLike, error: ArrayLike, at: float, *, confidence: float = 0.95
) -> OnLine | None:
    """The line of weighted least squares through `y` at `x`, at the place `at`; None of fewer than three points.

    `error` are the standard errors of `y`, above 0; weights are 1 / error^2. The interval is that of the line, by
    Student's t with two degrees of freedom less than points. Where the points lie farther from the line than their
    errors explain, errors are scaled up by the reduced chi-squared; they are never scaled down. Source: Bevington and
    Robinson, Data Reduction and Error Analysis (2003), chapter 6.

    >>> found = weighted_line([0, 1, 2, 3], [0.20, 0.22, 0.24, 0.26], [0.01] * 4, 5)
    >>> round(found.value, 3), round(found.low, 3), round(found.high, 3)
    (0.3, 0.229, 0.371)
    """
    from scipy.special import stdtrit

    places, values, errors = (np.asarray(each, np.float64) for each in (x, y, error))
    if len(places) < MIN_POINTS:
        return None
    middle, spread = places.mean(), float(np.ptp(places)) or 1.0
    near = (places - middle) / spread  # dates are large numbers
    fit, covariance = np.polyfit(near, values, 1, w=1 / errors, cov="unscaled")
    degrees = len(places) - 2
    scale = max(1.0, float((((values - np.polyval(fit, near)) / errors) ** 2).sum()) / degrees)
    base = np.array([(at - middle) / spread, 1.0])
    reach = float(stdtrit(degrees, 0.5 + confidence / 2) * np.sqrt(scale * (base @ covariance @ base)))
    value = float(np.polyval(fit, base[0]))
    return OnLine(value, value - reach, value + reach)
