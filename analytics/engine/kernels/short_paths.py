"""The loop for nearly all customers: those with at most 255 touches, asked for at most eight steps.

It reads what `apart.read_apart` reads. A customer's touches are numbered from 1, so that a number is a byte, and the
newest entry of the chains of every length lies in a byte of one word, 0 for none. A touch that is step `k` copies the
byte of length `k - 1` to that of length `k`, whether or not the entry is still in its window: where it is not, the
entry that it takes the place of, which is no newer, is not either. The loop has no branch, whatever a touch is, so that
the processor never has to guess how a customer goes on.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from analytics.engine.kernels.cache import compiled

ZERO, ONE, BYTE, BITS = np.uint64(0), np.uint64(1), np.uint64(255), np.uint64(8)
MOST_STEPS: Final = 8
MOST_TOUCHES: Final = np.uint64(255)
WORD: Final = np.dtype([("keep", np.uint64), ("take", np.uint64), ("shift", np.uint64), ("rank", np.uint64)])
"""What a touch does: the bytes that stay, the byte that is taken from the length before and where it lies, its rank.

The rank is the step in the third byte, so that of two ranks the longer chain is the higher, then in the second byte
what is left of 255 by the number of the touch, so that of two touches the first is the higher.
"""


@compiled
def is_brief(places, others, ends, n):
    """Whether the loop can read a funnel: few steps, one a touch, and no excluded touch spares a longer chain."""
    for code in range(len(places)):
        shorter = (ends[code] & (~ends[code] + ONE)) - ONE
        spares = ends[code] and ends[code] | shorter != (ONE << (n - ONE)) - ONE
        if (others[code] and places[code] <= n) or spares:
            return False
    return n <= MOST_STEPS


@compiled
def fill_words(words, places, ends, minded, strict, n):
    """What touches of every code do; those at places up to `minded` end all other chains where that is `strict`."""
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
def read_brief(codes, times, low, high, words, ages, window):
    """Read one customer. Gives the depth, the first entry, and the first and last touch of the chain.

    `ages` is room for the times of the touches by their numbers, that of 0 being never.
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
