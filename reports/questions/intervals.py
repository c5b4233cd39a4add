"""How certain is a share, and is one count clearly larger than another? 95 % intervals as plain numbers, for sentences.

The pages' sentences are written in `reports.words`, which does not import analytics: it takes its intervals from here.
"""

from __future__ import annotations

from math import sqrt

from analytics import difference_interval, normal_quantile, wilson

Estimate = tuple[float, float, float]
"""A number with the ends of its 95 % interval."""


def share_interval(part: float, whole: float) -> tuple[float, float]:
    """The 95 % interval of the share `part / whole` of independent units (Wilson): its ends, from 0 to 1.

    >>> tuple(round(end, 3) for end in share_interval(30, 120))
    (0.181, 0.334)
    """
    ends = wilson(part, whole)
    return float(ends.low), float(ends.high)


def difference(now: Estimate, then: Estimate) -> Estimate:
    """How much a number has changed, with its 95 % interval, from those of both.

    >>> [round(number, 3) for number in difference((0.6, 0.57, 0.63), (0.5, 0.46, 0.54))]
    [0.1, 0.05, 0.15]
    """
    low, high = difference_interval(now[0], now[1:], then[0], then[1:])
    return now[0] - then[0], float(low), float(high)


def clearly_larger(first: float, second: float) -> bool:
    """Whether `first` exceeds `second` beyond chance (95 %); both count parts of the same whole.

    >>> clearly_larger(540, 500), clearly_larger(640, 500)
    (False, True)
    """
    return first - second > float(normal_quantile(0.95)) * sqrt(first + second)
