"""What is to be expected of a period, from the same series before: by position in the week, with its own spread.

The **level** of a share is on the logit scale, that of a count on the log scale. A weekday has the level of all, plus a
deviation of its own, shrunken by `prior / (prior + its variance)`: few cases on a weekday say little about it. The
spread of the past beyond chance is `phi`: the square of 1.4826 times the median absolute deviation of its standard
scores, at least 1 (Rousseeuw and Croux, Alternatives to the Median Absolute Deviation, 1993).

Everything is computed for many series at once: one row per series, one column per period of its past.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytics.statistics.intervals import Floats
from analytics.statistics.tests import binomial_two_sided, poisson_two_sided
from expectations.errors import DefinitionError

PRIOR: Final = 0.0025
"""The variance of the logits of weekdays around their level: a twentieth, up or down."""
PRIOR_OF_COUNTS: Final = 0.0625
"""The same of the logs of counts: a quarter. Weekdays are far more unlike in how many come than in who goes on."""
MIN_CASES: Final = 200
"""Fewer cases in the past say nothing about one more period."""
WEEKDAYS: Final = 7
Indices = NDArray[np.int64]


class Outlook(NamedTuple):
    """What is expected of a run of periods, one row per series: `cases`, the `mean` count of them, two variances.

    `chance` is that of the count's own spread, without `phi`; `level` that of the expectation.
    """

    cases: Floats
    mean: Floats
    chance: Floats
    level: Floats


@dataclass(frozen=True)
class Expectation:
    """What the past of every series says of a period in position `p` of the week: `expected[:, p]`.

    `cases` are the cases of the past, `phi` its spread beyond chance. `of_weekday` is the variance of the logit (log)
    that is the weekday's own, `of_level` that of all weekdays together. `off` has, by period of the past, the count by
    the expected one where it was off by two standard errors of chance, else 1; NaN where it does not count.
    """

    expected: Floats
    phi: Floats
    cases: Floats
    of_weekday: Floats
    of_level: Floats
    own: Floats
    is_share: bool
    off: Floats

    def as_extreme(self, outlook: Outlook, count: ArrayLike) -> Floats:
        """The share of the past's periods that were as far off, in proportion, as one period with these counts.

        Phi is that of most periods: of a channel that is still on most days it says nothing of the others.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            now = (np.asarray(count, np.float64) / outlook.mean)[:, None]
        as_far = np.where(now < 1, self.off <= now, self.off >= now).sum(axis=1)
        return np.asarray(as_far / np.maximum(np.count_nonzero(~np.isnan(self.off), axis=1), 1))

    def of_run(self, of: ArrayLike, position: ArrayLike) -> Outlook:
        """What is expected of runs: `of` has one row per series, one column per period, at these positions.

        The expectation of a run has one level, so that its error does not average out over the periods.
        """
        cases, place = np.asarray(of, np.float64), np.asarray(position)
        chance = self.expected[:, place]
        each = cases * chance * (1 - chance) if self.is_share else cases * chance
        by_place = each @ _places(place, self.expected.shape[1])
        own = (by_place**2 * self.of_weekday).sum(axis=1)
        level = (by_place * (1 - self.own)).sum(axis=1) ** 2 * self.of_level
        return Outlook(cases.sum(axis=1), (cases * chance).sum(axis=1), each.sum(axis=1), own + level)

    def p_values(self, outlook: Outlook, count: ArrayLike, *, periods: int = 1) -> Floats:
        """The two-sided p-value of counts where `outlook` was expected.

        Exact (binomial, Poisson) where phi is 1, else by the normal distribution with phi and the error of the
        expectation. A run of several periods is as long as a good part of its past, so that the error of its
        expectation never is left out: the larger of both is taken.
        """
        from scipy.special import ndtr

        k = np.asarray(count, np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            z = (k - outlook.mean) / np.sqrt(self.phi * outlook.chance + outlook.level)
            normal = 2 * ndtr(-np.abs(z))
            share = np.where(outlook.cases > 0, outlook.mean / outlook.cases, np.nan)
        exact = binomial_two_sided(k, outlook.cases, share) if self.is_share else poisson_two_sided(k, outlook.mean)
        if periods > 1:
            return np.asarray(np.fmax(exact, normal))
        return np.asarray(np.where(self.phi > 1, normal, exact))


def expected_shares(of: ArrayLike, count: ArrayLike, position: ArrayLike, *, positions: int = WEEKDAYS) -> Expectation:
    """What pasts of `count` out of `of` say of the share of one more period.

    `of` and `count` have one row per series and one column per period, 0 in both where a period does not count;
    `position` is the place of every period in the week, from 0 to `positions` - 1 (1 for whole weeks). Half a case is
    added on both sides (Haldane, Anscombe), so that a past of none or all stays finite.

    >>> past = expected_shares([[40] * 28], [[30] * 28], list(range(7)) * 4)
    >>> past.expected[:, 0].round(3).tolist(), past.phi.tolist(), past.cases.tolist()
    ([0.75], [1.0], [1120.0])
    """
    n, k, places = _arrays(of, count, position, positions)
    cases, seen = n.sum(axis=1), k.sum(axis=1)
    nd, kd = n @ places, k @ places
    level = np.log((seen + 0.5) / (cases - seen + 0.5))
    raw = np.log((kd + 0.5) / (nd - kd + 0.5))
    variance = 1 / (kd + 0.5) + 1 / (nd - kd + 0.5)
    own = np.where(nd > 0, PRIOR / (PRIOR + variance), 0.0)
    expected = 1 / (1 + np.exp(-(level[:, None] + own * (raw - level[:, None]))))
    q = expected @ places.T
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(n > 0, (k - n * q) / np.sqrt(n * q * (1 - q)), np.nan)
    of_level = 1 / (seen + 0.5) + 1 / (cases - seen + 0.5)
    return Expectation(expected, _phi(z), cases, own**2 * variance, of_level, own, is_share=True, off=_off(k, n * q, z))


def expected_counts(
    count: ArrayLike, position: ArrayLike, counted: ArrayLike, *, positions: int = WEEKDAYS
) -> Expectation:
    """The same of counts, of a period each: `counted` says which periods of the past count (one row per series).

    >>> past = expected_counts([[30, 10] * 14], [0, 1] * 14, [[True] * 28], positions=2)
    >>> past.expected.round(1).tolist()
    [[29.6, 10.8]]
    """
    there = np.asarray(counted, np.float64)
    n, k, places = _arrays(there, count, position, positions)
    k = k * there
    seen, periods = k.sum(axis=1), np.maximum(n.sum(axis=1), 1.0)
    nd, kd = n @ places, k @ places
    level = np.log((seen + 0.5) / periods)
    with np.errstate(divide="ignore", invalid="ignore"):
        raw = np.where(nd > 0, np.log((kd + 0.5) / nd), 0.0)
    variance = 1 / (kd + 0.5)
    own = np.where(nd > 0, PRIOR_OF_COUNTS / (PRIOR_OF_COUNTS + variance), 0.0)
    expected = np.exp(level[:, None] + own * (raw - level[:, None]))
    q = expected @ places.T
    z = np.where(n > 0, (k - q) / np.sqrt(q), np.nan)
    return Expectation(
        expected, _phi(z), seen, own**2 * variance, 1 / (seen + 0.5), own, is_share=False, off=_off(k, q, z)
    )


class ShareTest(NamedTuple):
    """One period judged by its past; `p_value` is None where the past is too short."""

    expected: float
    seen: float | None
    cases: int
    phi: float
    tested: bool
    p_value: float | None


def unusual_share(
    past: Sequence[tuple[int, int, int]], weekday: int, of: int, count: int, *, min_periods: int = 21
) -> ShareTest:
    """Whether `count` of `of` on a weekday is what its past leads to expect.

    `past` has one (weekday, of, count) per period, weekdays from 0, Monday. It takes `min_periods` of them, with
    `MIN_CASES` cases. An empty period has no share, and is not tested. Raises `DefinitionError` for a weekday that is
    none, and more counted than there are.

    >>> unusual_share([(day % 7, 40, 30) for day in range(28)], 3, 80, 45).tested
    True
    """
    for day, whole, part in (*past, (weekday, of, count)):
        if not (0 <= day <= 6 and 0 <= part <= whole):
            raise DefinitionError(
                "This is no share of a weekday.",
                expected="a weekday from 0, Monday, to 6, and a count from 0 to what it is of",
                found=f"weekday {day}, {part} of {whole}",
            )
    days, cases, counts = (np.array(column, np.int64) for column in zip(*past, strict=True)) if past else _NO_PAST
    found = expected_shares(cases[None], counts[None], days)
    tested = len(past) >= min_periods and found.cases[0] >= MIN_CASES and of > 0
    outlook = found.of_run([[of]], [weekday])
    return ShareTest(
        expected=float(found.expected[0, weekday]),
        seen=count / of if of else None,
        cases=int(found.cases[0]),
        phi=float(found.phi[0]),
        tested=bool(tested),
        p_value=float(found.p_values(outlook, [count])[0]) if tested else None,
    )


_NO_PAST: Final = (np.zeros(0, np.int64),) * 3


def _arrays(of: ArrayLike, count: ArrayLike, position: ArrayLike, positions: int) -> tuple[Floats, Floats, Floats]:
    return np.asarray(of, np.float64), np.asarray(count, np.float64), _places(np.asarray(position), positions)


def _places(position: NDArray[Any], positions: int) -> Floats:
    """One row per period, 1 in the column of its position."""
    return np.asarray(position[:, None] == np.arange(positions), np.float64)


def _off(count: Floats, expected: Floats, scores: Floats) -> Floats:
    """`Expectation.off`."""
    with np.errstate(divide="ignore", invalid="ignore"):
        off = np.where(np.abs(scores) >= 2, count / expected, 1.0)
    return np.where(np.isnan(scores), np.nan, off)


def _phi(scores: Floats) -> Floats:
    """The spread of each row of standard scores beyond chance; a NaN does not count."""
    return np.maximum(1.0, (1.4826 * _median(np.abs(scores - _median(scores)[:, None]))) ** 2)


def _median(rows: Floats) -> Floats:
    """The median of every row, of the numbers in it; 0 without any."""
    size = np.count_nonzero(~np.isnan(rows), axis=1)
    if not rows.shape[1]:
        return np.zeros(len(rows))
    ordered, row = np.sort(rows, axis=1), np.arange(len(rows))
    middle = (ordered[row, np.maximum(size - 1, 0) // 2] + ordered[row, np.minimum(size // 2, rows.shape[1] - 1)]) / 2
    return np.where(size > 0, middle, 0.0)
