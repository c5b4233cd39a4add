"""How certain is a share, and is one count clearly larger than another? 95 % intervals as plain numbers, for sentences.

The pages' sentences are written in `reports.words`, which does not import analytics: it takes its intervals from here.
"""

from __future__ import annotations

from math import sqrt

from analytics import normal_quantile, wilson


def share_interval(part: float, whole: float) -> tuple[float, float]:
    """The 95 % interval of the share `part / whole` of independent units (Wilson): its ends, from 0 to 1.

    >>> tuple(round(end, 3) for end in share_interval(30, 120))
    (0.181, 0.334)
    """
    ends = wilson(part, whole)
    return float(ends.low), float(ends.high)


def clearly_larger(first: float, second: float) -> bool:
    """Whether `first` exceeds `second` beyond chance (95 %); both count parts of the same whole.

    >>> clearly_larger(540, 500), clearly_larger(640, 500)
    (False, True)
    """
    return first - second > float(normal_quantile(0.95)) * sqrt(first + second)
