"""Splits the change of a number exactly: a product among its factors, a share among the segments it is a mean of.

Nothing is left over as an interaction of several changes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from analytics.statistics.intervals import Floats


def worth_of_factors(before: ArrayLike, after: ArrayLike) -> Floats:
    """How much a product changes with one unit of change of each of its factors.

    Times the change of the factor this is its Shapley value: the mean, over all orders in which factors go from before
    to after, of what its turn adds. The parts of all factors add up to the change of the product. Factors lie along the
    last axis. Source: Owen, Multilinear Extensions of Games, Management Science 18 (1972): the mean is the integral,
    over t from 0 to 1, of the product of the other factors at `before + t (after - before)`. It is a polynomial in t,
    which Gauss-Legendre quadrature integrates without error.

    >>> worth_of_factors([0.5, 0.4], [0.6, 0.3]).round(2).tolist()
    [0.35, 0.55]
    """
    first, last = np.asarray(before, np.float64), np.asarray(after, np.float64)
    factors = first.shape[-1]
    nodes, weights = np.polynomial.legendre.leggauss(max(1, (factors + 1) // 2))
    between = first[..., None, :] + (last - first)[..., None, :] * ((nodes + 1) / 2)[:, None]
    others = [np.delete(between, factor, axis=-1).prod(axis=-1) for factor in range(factors)]
    return np.stack([each @ (weights / 2) for each in others], axis=-1)


class MixAndRate(NamedTuple):
    """What each segment adds to the change of a share: by its size, and by its own share."""

    mix: Floats
    rate: Floats


def mix_and_rate(size: ArrayLike, rate: ArrayLike, later_size: ArrayLike, later_rate: ArrayLike) -> MixAndRate:
    """What each segment adds to the change of the share over all segments.

    `size` are the segments' shares of the whole, `rate` their own shares, before and after. A segment that changes in
    size adds its change times how far its rate lies from that of the whole; its rate adds its change times the mean
    size. A segment that is not there in one period has no rate there (NaN), and changes in size alone. All parts add up
    to the change of the share. Source: Kitagawa, Components of a Difference Between Two Rates (1955), centred.

    >>> parts = mix_and_rate([0.6, 0.4], [0.5, 0.25], [0.3, 0.7], [0.5, 0.2])
    >>> parts.mix.round(4).tolist(), parts.rate.round(4).tolist()
    ([-0.0465, -0.036], [0.0, -0.0275])
    """
    w, r, later_w, later_r = (np.asarray(each, np.float64) for each in (size, rate, later_size, later_rate))
    r, later_r = known_in_both(r, later_r)
    middle = (w * r + later_w * later_r).sum() / 2
    return MixAndRate((later_w - w) * ((r + later_r) / 2 - middle), (later_r - r) * (w + later_w) / 2)


def known_in_both(before: Floats, after: Floats) -> tuple[Floats, Floats]:
    """Numbers of two periods; one that is unknown (NaN) in one period is as in the other, 0 if in neither."""
    either = np.nan_to_num(np.where(np.isnan(before), after, before))
    return np.where(np.isnan(before), either, before), np.where(np.isnan(after), either, after)
