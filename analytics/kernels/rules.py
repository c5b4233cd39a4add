"""What every scan is given: the funnel in whole numbers, and the words for what a touch matches.

`bits[codes[i]]` tells what touch `i` matches: bit `k - 1` for step `k`, then one bit for each exclusion; the highest
bit is that of a touch which strictness minds.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

NEVER: Final = -(2**62)
FAVOURABLE: Final = 0
ADVERSE: Final = 1
SEQUENCE: Final = 2
OTHER: Final = np.uint64(1 << 63)
END_ATTEMPT: Final = 0
DROP_CUSTOMER: Final = 1
VOID_ATTEMPT: Final = 2


class Rules(NamedTuple):
    """A funnel as the scans read it; times in the unit of the part.

    `exclude_*` are step numbers, one an exclusion. `within` is the longest wait before each step. `offers` is how many
    sets of steps a chain can take at one instant, at most. `attempts`: every attempt is written, not only the best.
    """

    steps: int
    window: int
    entry_from: int
    entry_to: int
    touch_from: int
    touch_to: int
    exclude_after: NDArray[np.int64]
    exclude_before: NDArray[np.int64]
    effect: int
    ties: int
    strict: bool
    reuse: bool
    later: bool
    stop_repeat: bool
    stop_other: bool
    restart: bool
    within: NDArray[np.int64]
    required: NDArray[np.bool_]
    offers: int
    attempts: bool


@njit(nogil=True, cache=True)
def entering_at(rules, t):
    """The same rules for entries of one instant."""
    return Rules(
        rules.steps,
        rules.window,
        t,
        t + 1,
        rules.touch_from,
        rules.touch_to,
        rules.exclude_after,
        rules.exclude_before,
        rules.effect,
        rules.ties,
        rules.strict,
        rules.reuse,
        rules.later,
        rules.stop_repeat,
        rules.stop_other,
        rules.restart,
        rules.within,
        rules.required,
        rules.offers,
        rules.attempts,
    )


@njit(nogil=True, cache=True)
def step_bits(rules):
    """All steps, as bits."""
    return (np.uint64(1) << np.uint64(rules.steps)) - np.uint64(1)


@njit(nogil=True, cache=True)
def first_entry(codes, bits, times, low, high, rules, entry):
    """The first touch in range that matches one of the steps `entry`, or -1."""
    for i in range(low, high):
        t = np.int64(times[i])
        in_range = rules.entry_from <= t < rules.entry_to and rules.touch_from <= t < rules.touch_to
        if in_range and bits[codes[i]] & entry:
            return i
    return -1


@njit(nogil=True, cache=True)
def count_entries(codes, bits, times, rules, entry):
    """How many touches could be an entry: no customer has more attempts."""
    count = 0
    for i in range(len(codes)):
        t = np.int64(times[i])
        if bits[codes[i]] & entry and rules.entry_from <= t < rules.entry_to:
            count += 1
    return count


@njit(nogil=True, cache=True)
def excluded_by(mask, rules):
    """The exclusions that a touch matches, as bits."""
    return (mask & ~OTHER) >> np.uint64(rules.steps)


@njit(nogil=True, cache=True)
def ended(excluded, rules):
    """The lengths of chains that an excluded touch ends: from step `after` on, short of step `before`."""
    lengths = np.uint64(0)
    for e in range(len(rules.exclude_after)):
        if (excluded >> np.uint64(e)) & np.uint64(1):
            for k in range(rules.exclude_after[e], rules.exclude_before[e]):
                lengths |= np.uint64(1) << np.uint64(k - 1)
    return lengths


@njit(nogil=True, cache=True)
def breaks(excluded, p, q, rules):
    """Whether a chain that goes from length `p` to `q` at the very instant of an excluded touch ends there."""
    for e in range(len(rules.exclude_after)):
        inside = rules.exclude_after[e] <= p and q < rules.exclude_before[e]
        if inside and (excluded >> np.uint64(e)) & np.uint64(1):
            return True
    return False
