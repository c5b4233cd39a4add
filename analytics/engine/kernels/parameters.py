"""The parameters of every scan: a funnel as whole numbers, and helpers for the bits of a touch.

`bits[codes[i]]` are the conditions that touch `i` matches: bit `k - 1` for step `k`, then one bit per exclusion; the
highest bit marks a touch that matters to strict order.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from analytics.engine.kernels.cache import compiled

NEVER: Final = -(2**62)
FAVOURABLE: Final = 0
ADVERSE: Final = 1
IN_SEQUENCE: Final = 2
OTHER: Final = np.uint64(1 << 63)
END_ATTEMPT: Final = 0
DROP_CUSTOMER: Final = 1
VOID_ATTEMPT: Final = 2


MAX_BITS: Final = 64

RULES: Final = np.dtype(
    [
        ("steps", np.int64),
        ("window", np.int64),
        ("entry_from", np.int64),
        ("entry_to", np.int64),
        ("touch_from", np.int64),
        ("touch_to", np.int64),
        ("exclusions", np.int64),
        ("exclude_after", np.int64, (MAX_BITS,)),
        ("exclude_before", np.int64, (MAX_BITS,)),
        ("effect", np.int64),
        ("ties", np.int64),
        ("strict", np.bool_),
        ("reuse", np.bool_),
        ("later", np.bool_),
        ("stop_repeat", np.bool_),
        ("stop_other", np.bool_),
        ("restart", np.bool_),
        ("within", np.int64, (MAX_BITS,)),
        ("required", np.int64, (MAX_BITS,)),
        ("offers", np.int64),
        ("attempts", np.bool_),
    ]
)
"""A funnel as the scans read it, in an array of two equal records; times in the unit of the part.

The second record is the scan's own: it narrows its entries to one attempt. Both lie in the caller's array, because a
record that compiled code takes from an array of its own does not keep that array alive.

`exclude_*` are step numbers, one per exclusion. `within` is the longest wait before each step. `offers` is the
largest number of sets of steps that a chain can take at one instant. `attempts`: every attempt is written, not only
the best.
"""


def rules_of(**values: Any) -> NDArray[Any]:
    """The records of a funnel; a list fills the first places of its field."""
    table = np.zeros(2, RULES)
    for name, value in values.items():
        if isinstance(value, list):
            table[name][:, : len(value)] = value
        else:
            table[name][:] = value
    return table


@compiled
def step_bits(rules):
    """All steps, as bits."""
    return (np.uint64(1) << np.uint64(rules.steps)) - np.uint64(1)


@compiled
def is_several_steps(mask, rules):
    """Whether a touch matches more than one step."""
    steps = mask & step_bits(rules)
    return (steps & (steps - np.uint64(1))) != 0


@compiled
def first_entry(codes, bits, times, low, high, rules, entry):
    """The first touch in range that matches one of the steps `entry`, or -1."""
    for i in range(low, high):
        t = np.int64(times[i])
        in_range = rules.entry_from <= t < rules.entry_to and rules.touch_from <= t < rules.touch_to
        if in_range and bits[codes[i]] & entry:
            return i
    return -1


@compiled
def attempt_from(times, entry, low, rules):
    """Where an attempt begins: at its entry, or where ties help at the first touch of that instant that is not used."""
    if rules.ties == FAVOURABLE:
        while entry > low and times[entry - 1] == times[entry]:
            entry -= 1
    return entry


@compiled
def excluded_by(mask, rules):
    """The exclusions that a touch matches, as bits."""
    return (mask & ~OTHER) >> np.uint64(rules.steps)


@compiled
def ended(excluded, rules):
    """The lengths of chains that an excluded touch ends: from step `after` on, short of step `before`."""
    lengths = np.uint64(0)
    for e in range(rules.exclusions):
        if (excluded >> np.uint64(e)) & np.uint64(1):
            for k in range(rules.exclude_after[e], rules.exclude_before[e]):
                lengths |= np.uint64(1) << np.uint64(k - 1)
    return lengths


@compiled
def breaks(excluded, p, q, rules):
    """Whether a chain that goes from length `p` to `q` at the very instant of an excluded touch ends there."""
    for e in range(rules.exclusions):
        inside = rules.exclude_after[e] <= p and q < rules.exclude_before[e]
        if inside and (excluded >> np.uint64(e)) & np.uint64(1):
            return True
    return False


@compiled
def ended_at(excluded, rules):
    """The lengths that a chain can reach at the very instant of an excluded touch, but not go on from."""
    lengths = np.uint64(0)
    for k in range(2, rules.steps + 1):
        if breaks(excluded, k - 1, k, rules):
            lengths |= np.uint64(1) << np.uint64(k - 1)
    return lengths


@compiled
def clear(chain):
    """Reset a chain to no touches."""
    for k in range(len(chain)):
        chain[k] = -1


@compiled
def last_touch(chain):
    """The last touch of a chain, -1 when there is none."""
    last = -1
    for k in range(len(chain)):
        last = max(last, chain[k])
    return last
