"""The steps that a chain can take at one instant. Favourable ties read the touches of one time in any order.

The steps that a chain of length `p` takes there are a set of bits: bit 0 is step `p + 1`.
"""

from __future__ import annotations

import numpy as np

from analytics.engine.kernels.cache import compiled
from analytics.engine.kernels.ordered import fits


@compiled
def required_steps(rules, q):
    """The number of required steps among the first `q`: optional steps do not count."""
    depth = 0
    for k in range(q):
        depth += rules.required[k]
    return depth


@compiled
def read_instant(g, masks, low, touches, starts):
    """The masks of the touches of one instant."""
    here = np.empty(starts[g + 1] - starts[g], np.uint64)
    for a in range(len(here)):
        here[a] = masks[touches[starts[g] + a] - low]
    return here


@compiled
def top_bit(wanted):
    """The place of the highest bit, from 1."""
    place = 0
    while wanted:
        wanted >>= 1
        place += 1
    return place


@compiled
def possible_moves(p, size, rules, offers):
    """The sets of steps that a chain of length `p` may take of `size` touches: each required one, any optional ones.

    Bit 0 of a set is step `p + 1`. Gives how many sets were written to `offers`.
    """
    count, must, may = 0, 0, 0
    for k in range(rules.steps - p):
        if count_bits(must) + 1 > size:
            break
        some = may
        while True:
            wanted = must | some | (1 << k)
            if count_bits(wanted) <= size:
                offers[count] = wanted
                count += 1
            if some == 0:
                break
            some = (some - 1) & may
        if rules.required[p + k]:
            must |= 1 << k
        else:
            may |= 1 << k
    return count


@compiled
def goes_on(p, wanted, here, rules):
    """Whether a chain can go on after an instant: a strict one has to take all its touches, but for those before it."""
    return not rules.strict or p == 0 or count_bits(wanted) == len(here)


@compiled
def follows(last, g, p, wanted, at, rules):
    """Whether the first of the steps `wanted` comes soon enough after the last touch of a chain."""
    if last < 0 or last >= g or (rules.strict and last != g - 1):
        return False
    k = p
    while not (wanted >> (k - p)) & 1:
        k += 1
    return at[g] - at[last] <= rules.within[k]


@compiled
def fits_subset(here, p, wanted, rules):
    """Whether touches of one instant, all different, can be the steps `wanted`."""
    q = p + top_bit(wanted)
    taken = np.empty(rules.steps + 1, np.int64)
    return fits(relative_masks(here, p, q, wanted), 0, count_bits(wanted), rules, taken)


@compiled
def count_bits(wanted):
    """How many steps are wanted."""
    count = 0
    while wanted:
        count += wanted & 1
        wanted >>= 1
    return count


@compiled
def relative_masks(here, p, q, wanted):
    """Masks in which bit `j` is the `j`-th of the steps wanted."""
    out = np.zeros(len(here), np.uint64)
    for a in range(len(here)):
        j = 0
        for k in range(p, q):
            if (wanted >> (k - p)) & 1:
                out[a] |= ((here[a] >> np.uint64(k)) & np.uint64(1)) << np.uint64(j)
                j += 1
    return out
