"""The branch-free loop of the fast scan: customers with at most 255 touches, funnels of at most eight steps.

It gives the answers of `distinct_times.read_long_path`. A customer's touches are numbered from 1, so that a number fits
a byte, and the newest entry of the chains of each length is one byte of a 64-bit word, 0 for none. A touch that is step
`k` copies the byte of length `k - 1` to that of length `k`, whether or not the entry is still within its window: if it
is not, the entry that it replaces, which is no newer, is not either. The loop does not branch on what a touch is, so
the processor mispredicts nothing.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from analytics.engine.kernels.cache import compiled

ZERO, ONE, BYTE, BITS = np.uint64(0), np.uint64(1), np.uint64(255), np.uint64(8)
MAX_SHORT_STEPS: Final = 8
MAX_SHORT_TOUCHES: Final = np.uint64(255)
CODE_EFFECT: Final = np.dtype([("keep", np.uint64), ("take", np.uint64), ("shift", np.uint64), ("rank", np.uint64)])
"""The effect of a touch: the bytes to keep, the byte to take from the length before and its position, the rank.

The third byte of a rank is the step, so that the longer chain ranks higher; the second byte is 255 minus the number of
the touch, so that of chains of one length the earlier ranks higher.
"""


@compiled
def suits_short_paths(places, others, ends, n):
    """Whether the loop can read a funnel: few steps, one per touch, and no excluded touch spares a longer chain."""
    for code in range(len(places)):
        shorter = (ends[code] & (~ends[code] + ONE)) - ONE
        spares = ends[code] and ends[code] | shorter != (ONE << (n - ONE)) - ONE
        if (others[code] and places[code] <= n) or spares:
            return False
    return n <= MAX_SHORT_STEPS


@compiled
def fill_effects(words, places, ends, minded, strict, n):
    """Write the effect of every code; in `strict` order, codes at places up to `minded` end all other chains."""
    for code in range(len(places)):
        place, word = places[code], words[code]
        word.keep, word.take, word.shift, word.rank = ~ZERO, ZERO, ZERO, ZERO
        for k in range(n):
            if (ends[code] >> k) & ONE:
                word.keep &= ~(BYTE << (BITS * k))
        if place <= n:
            word.shift = BITS * (place - ONE)
            word.take = BYTE << word.shift
            word.keep &= ~word.take
            word.rank = (place << (BITS + BITS)) + (BYTE << BITS)
        if strict and place <= minded:
            word.keep = ZERO


@compiled(inline="always")
def read_short_path(codes, times, low, high, words, ages, window):
    """Read one customer. Returns the depth, the first entry, and the first and last touch of the chain.

    `ages` has room for the times of the touches by their numbers; number 0 has no time.
    """
    newest, best, first, number, before = ZERO, ZERO, high, ONE, low - ONE
    while number <= high - low:
        word, t = words[codes[before + number]], np.int64(times[before + number])
        ages[number] = t
        taken = ((newest << BITS) | number) & word.take
        newest = (newest & word.keep) | taken
        entry = taken >> word.shift
        rank = word.rank + entry - (number << BITS)
        best = max(best, rank if t - ages[entry] <= window else ZERO)
        first = min(first, number if word.take == BYTE else high)
        number += ONE
    depth, left = best >> (BITS + BITS), (best >> BITS) & BYTE
    return depth, before + first, before + (best & BYTE), before + BYTE - left
