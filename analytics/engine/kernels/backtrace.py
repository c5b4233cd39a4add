"""Reconstructs the reported chain of one entry, from its end backwards, for `entry_by_entry`.

Of chains that reach the same depth at the same instant it takes the one with the most steps, then the earliest.
"""

from __future__ import annotations

import numpy as np

from analytics.engine.kernels.cache import compiled
from analytics.engine.kernels.ordered import fits
from analytics.engine.kernels.parameters import DROP_CUSTOMER, breaks, ended
from analytics.engine.kernels.ties import (
    count_bits,
    fits_subset,
    follows,
    goes_on,
    possible_moves,
    read_instant,
    relative_masks,
    required_steps,
    top_bit,
)

NO_INSTANT = -2


@compiled
def deepest_completed(entry, deepest_possible, masks, low, touches, starts, at, excluded, rules):
    """How deep chains from `entry` get that are kept to the end, and the first instant at which one is as deep.

    An optional step that closes an exclusion may save a chain after it got there, so that only whole chains can tell.
    """
    last = last_within(entry, at, rules)
    for depth in range(deepest_possible, 0, -1):
        for done in range(entry, last + 1):
            more = steps_ahead(entry, done, depth, masks, low, touches, starts, at, excluded, rules)
            best, _, _ = next_move(entry, 0, last, done, depth, masks, low, touches, starts, at, excluded, rules, more)
            if best >= 0:
                return depth, done
    return 0, NO_INSTANT


@compiled
def last_within(entry, at, rules):
    """The last instant within the window of an entry."""
    last = entry
    while last + 1 < len(at) and at[last + 1] - at[entry] <= rules.window:
        last += 1
    return last


@compiled
def steps_ahead(entry, done, depth, masks, low, touches, starts, at, excluded, rules):
    """How many steps a chain of length `p` whose last touch is at `h` can still take, if it is to be `depth` deep at
    `done`; -1 where it cannot. Indexed by `h` and `p`.
    """
    n, last = rules.steps, last_within(entry, at, rules)
    more = np.full((len(at) + 1, n + 1), -1, np.int64)
    for h in range(last, entry - 1, -1):
        here = steps_of(h, masks, low, touches, starts)
        for p in range(1, n + 1):
            if not (here >> np.uint64(p - 1)) & np.uint64(1):
                continue  # no chain of this length has its last touch here
            if required_steps(rules, p) == depth and (
                rules.effect != DROP_CUSTOMER or survives(h, last, p, excluded, rules)
            ):
                more[h, p] = 0
            best, _, _ = next_move(h, p, last, done, depth, masks, low, touches, starts, at, excluded, rules, more)
            more[h, p] = max(more[h, p], best)
    return more


@compiled
def trace(entry, done, depth, masks, low, touches, starts, at, excluded, rules, chain):
    """Write the chain from `entry` that is `depth` deep at `done`: the most steps, then the earliest."""
    n, last = rules.steps, last_within(entry, at, rules)
    more = steps_ahead(entry, done, depth, masks, low, touches, starts, at, excluded, rules)
    h, p, taken = NO_INSTANT, 0, np.empty(n + 1, np.int64)
    while p == 0 or more[h, p] > 0:
        begin = entry if p == 0 else h
        _, g, wanted = next_move(begin, p, last, done, depth, masks, low, touches, starts, at, excluded, rules, more)
        here, q = read_instant(g, masks, low, touches, starts), p + top_bit(wanted)
        fits(relative_masks(here, p, q, wanted), 0, count_bits(wanted), rules, taken)
        j = 0
        for k in range(p, q):
            if (wanted >> (k - p)) & 1:
                chain[k] = touches[starts[g] + taken[j]]
                j += 1
        if breaks(excluded[g], p, q, rules) or not goes_on(p, wanted, here, rules):
            break
        h, p = g, q


@compiled
def steps_of(g, masks, low, touches, starts):
    """The conditions that the touches of an instant meet together."""
    here = np.uint64(0)
    for a in range(starts[g], starts[g + 1]):
        here |= masks[touches[a] - low]
    return here


@compiled
def steps_after(p, rules):
    """The steps that can follow a chain of length `p`, as bits, and the longest wait for any of them."""
    ahead, wait = np.uint64(0), np.int64(0)
    for k in range(p, rules.steps):
        ahead |= np.uint64(1) << np.uint64(k)
        wait = max(wait, rules.within[k])
        if rules.required[k]:
            break
    return ahead, wait


@compiled
def survives(h, last, p, excluded, rules):
    """Whether no excluded touch comes after instant `h`, up to `last`, that would break a chain of length `p`.

    A strict chain is open for the next instant alone: whatever is touched then ends it.
    """
    for g in range(h + 1, min(h + 1, last) + 1 if rules.strict else last + 1):
        if (ended(excluded[g], rules) >> np.uint64(p - 1)) & np.uint64(1):
            return False
    return True


@compiled
def takes_earlier(wanted, other):
    """Whether of two sets of steps the first has the earliest step that they do not share."""
    apart = wanted ^ other
    return (wanted & apart & -apart) != 0


@compiled
def next_move(h, p, last, done, depth, masks, low, touches, starts, at, excluded, rules, more):
    """The best next instant for a chain of length `p` whose last touch is at `h`: most steps, then soonest.

    Gives how many steps are still to come, the instant, and the steps it takes there; -1 when there is none.
    """
    best, where, which, width = -1, NO_INSTANT, 0, 0
    begin, end = (h, h) if p == 0 else (h + 1, last)
    offers = np.empty(rules.offers, np.int64)
    ahead, wait = steps_after(p, rules)
    for g in range(begin, end + 1):
        if p > 0 and at[g] - at[h] > wait:
            break
        if not excluded[g] and not steps_of(g, masks, low, touches, starts) & ahead and not rules.strict:
            continue
        here = read_instant(g, masks, low, touches, starts)
        for m in range(possible_moves(p, len(here), rules, offers)):
            wanted = offers[m]
            q = p + top_bit(wanted)
            now, then = required_steps(rules, p), required_steps(rules, q)
            if p > 0 and not follows(h, g, p, wanted, at, rules):
                continue
            if then > depth or (now < depth and then == depth and g != done) or (then < depth and g > done):
                continue
            rest = more[g, q]
            if breaks(excluded[g], p, q, rules):
                rest = 0 if then == depth and rules.effect != DROP_CUSTOMER else -1
            elif not goes_on(p, wanted, here, rules):
                rest = 0 if then == depth else -1
            if rest < 0:
                continue
            total, size = rest + count_bits(wanted), count_bits(wanted)
            better = total > best or (total == best and g == where and size > width)
            better |= total == best and g == where and size == width and takes_earlier(wanted, which)
            if better and fits_subset(here, p, wanted, rules):
                best, where, which, width = total, g, wanted, size
        if p > 0 and (ended(excluded[g], rules) >> np.uint64(p - 1)) & np.uint64(1):
            break
    return best, where, which
