"""Counts chains, edges and values: how many of each group reach each step, how often each edge or value occurs."""

from __future__ import annotations

from typing import Final

import numpy as np

from analytics.engine.kernels.cache import compiled

DIGITS: Final = 9
"""Values are kept to this many binary digits after the leading one: a bucket is at most 1/512 wide."""
BUCKETS: Final = (64 - DIGITS) << DIGITS


@compiled
def count_reached(chains, times, firsts, groups, latest, everyone, reached, opened):
    """Count the chains that reach each step: one row per group, one column per step.

    `groups` is the group of every chain. An entrant is mature whose first entry is not after `latest`; `reached` counts
    the mature, or with `everyone` all; `opened` those not mature.
    """
    for row in range(len(chains)):
        group, mature = groups[row], np.int64(times[firsts[row]]) <= latest
        for k in range(chains.shape[1]):
            there = chains[row, k] >= 0
            reached[group, k] += there & (mature | everyone)
            opened[group, k] += there & (not mature)


@compiled
def collect_waits(chains, times, firsts, groups, previous, latest, everyone, unit, places, waits):
    """Write the wait of every chain that counts for every step, since step `previous[k]`, in units of one.

    `places[group, k]` is the position of the next wait of a group for step `k`; it is advanced.
    """
    for row in range(len(chains)):
        if not (everyone or np.int64(times[firsts[row]]) <= latest):
            continue
        group = groups[row]
        for k in range(1, chains.shape[1]):
            if chains[row, k] >= 0:
                since = np.int64(times[chains[row, previous[k]]])
                waits[places[group, k]] = (np.int64(times[chains[row, k]]) - since) * unit
                places[group, k] += 1


@compiled
def number_edges(nodes, bounds, ends, groups, words, edges):
    """Write the number of every edge of every unit: from START (`words`) over its nodes to its end (`words + 1 + end`).

    An edge is numbered `(group * size + source) * size + target` with `size = words + 4`. A unit with `n` touches has
    `n + 1` edges, so that those of unit `u` begin at `bounds[u] + u`.
    """
    size = words + 4
    place = 0
    for u in range(len(bounds) - 1):
        before, base = words, groups[u] * size
        for i in range(bounds[u], bounds[u + 1]):
            node = np.int64(nodes[i])
            edges[place] = (base + before) * size + node
            before = node
            place += 1
        edges[place] = (base + before) * size + words + 1 + ends[u]
        place += 1


@compiled
def count_edges(edges, bounds, people, taken, customers):
    """Add up how often each edge is taken, and by how many customers; a customer's units lie side by side."""
    last = np.full(len(taken), -1, np.int64)
    place = 0
    for u in range(len(bounds) - 1):
        person = np.int64(people[u])
        for _ in range(bounds[u + 1] - bounds[u] + 1):
            edge = edges[place]
            taken[edge] += 1
            if last[edge] != person:
                last[edge] = person
                customers[edge] += 1
            place += 1


@compiled
def place_waits(edges, times, bounds, cursor, waits):
    """Write the wait of every inner edge to where `cursor` points for its edge, and move the pointer on."""
    for u in range(len(bounds) - 1):
        for i in range(bounds[u] + 1, bounds[u + 1]):
            edge = edges[i + u]
            waits[cursor[edge]] = times[i] - times[i - 1]
            cursor[edge] += 1


@compiled
def close_customer(own, shares, customers, squares):
    """Add what one customer has in a cell to the cell's `customers` and `squares`."""
    for k in range(len(own)):
        customers[k] += own[k] > 0
    for k in range(len(shares)):
        part, whole = own[shares[k, 0]], own[shares[k, 1]]
        squares[k, 0] += whole * whole
        squares[k, 1] += whole * part
        squares[k, 2] += part * part


@compiled
def add_by_customer(cells, units, people, values, before, shares, sums, customers, squares):
    """Add up the values of the units in each cell, and the products of their customers' sums.

    Entry `i` says that unit `units[i]` lies in cell `cells[i]`; a unit counts once in a cell. The entries of a unit lie
    side by side, and so do the units of a customer, `people[unit]`. What a customer has in a cell is `before[unit]`
    (nothing where `before` has no rows) and `values[unit]` of each unit there. Written per cell: `sums` of `values`,
    how many `customers` have more than nothing of each, and for every pair (part, whole) of `shares` the `squares`,
    the sums over customers of whole times whole, whole times part, and part times part.
    """
    size, width = sums.shape
    own = np.zeros((size, width), np.int64)
    last_unit = np.full(size, -1, np.int64)
    last_person = np.full(size, -1, np.int64)
    for i in range(len(cells)):
        cell, unit = cells[i], np.int64(units[i])
        if unit == last_unit[cell]:
            continue
        last_unit[cell] = unit
        person = np.int64(people[unit])
        if person != last_person[cell]:
            if last_person[cell] >= 0:
                close_customer(own[cell], shares, customers[cell], squares[cell])
            last_person[cell] = person
            for k in range(width):
                own[cell, k] = before[unit, k] if len(before) else 0
        for k in range(width):
            own[cell, k] += values[unit, k]
            sums[cell, k] += values[unit, k]
    for cell in range(size):
        if last_person[cell] >= 0:
            close_customer(own[cell], shares, customers[cell], squares[cell])


@compiled
def count_distinct(cells, things, counts):
    """Count the distinct things of each cell; equal things lie side by side."""
    last = np.full(len(counts), -1, np.int64)
    for i in range(len(cells)):
        if last[cells[i]] != things[i]:
            last[cells[i]] = things[i]
            counts[cells[i]] += 1


@compiled
def bucket_number(value):
    """The bucket of a value that is not negative; edges are fixed, values below 1024 have a bucket each."""
    exponent = (np.float64(value).view(np.int64) >> 52) - 1023
    shift = exponent - DIGITS if exponent > DIGITS else 0
    return (shift << DIGITS) + (value >> shift)


@compiled
def middle_of(bucket):
    """The value in the middle of a bucket."""
    if bucket < 2 << DIGITS:
        return bucket
    shift = (bucket >> DIGITS) - 1
    return ((bucket - (shift << DIGITS)) << shift) + (1 << (shift - 1))


@compiled
def buckets_of(values, buckets):
    """Write the bucket of each value."""
    for i in range(len(values)):
        buckets[i] = bucket_number(values[i])


@compiled
def place_by_key(keys, values, cursor, placed):
    """Write values to where `cursor` points for their key, and move the pointer on."""
    for i in range(len(keys)):
        placed[cursor[keys[i]]] = values[i]
        cursor[keys[i]] += 1


@compiled
def count_slices(values, bounds, scale, exact_up_to, exact_buckets, found, counts, sizes):
    """Write the different values of every slice, sorted, and how often each occurs, end to end.

    Slice `i` is `values[bounds[i] : bounds[i + 1]]`, in units of `scale`. Of a slice with more than `exact_up_to`
    values, each becomes the middle of its bucket, except in the buckets that `exact_buckets` marks. `sizes` gets how
    many values of each slice are left.
    """
    in_bucket = np.zeros(BUCKETS, np.int64)
    place = 0
    for key in range(len(bounds) - 1):
        low, high, start = bounds[key], bounds[key + 1], place
        if high - low > exact_up_to:
            first, last = BUCKETS, 0
            for i in range(low, high):
                value = np.int64(values[i]) * scale
                bucket = bucket_number(value)
                if exact_buckets[bucket]:
                    found[place], counts[place] = value, 1
                    place += 1
                else:
                    in_bucket[bucket] += 1
                    first, last = min(first, bucket), max(last, bucket)
            has_exact = place > start
            for bucket in range(first, last + 1):
                if in_bucket[bucket]:
                    found[place], counts[place] = middle_of(bucket), in_bucket[bucket]
                    in_bucket[bucket] = 0
                    place += 1
            if has_exact:
                place = join_equal(found, counts, start, place)
        else:
            ordered = np.sort(values[low:high])
            for i in range(len(ordered)):
                value = np.int64(ordered[i]) * scale
                if place > start and found[place - 1] == value:
                    counts[place - 1] += 1
                else:
                    found[place], counts[place] = value, 1
                    place += 1
        sizes[key] = place - start


@compiled
def condense(values, counts, bounds, exact_up_to, exact_buckets, sizes):
    """Condense the slice of every key in place: equal values become one with the sum of their counts, sorted.

    Key `i` has `values[bounds[i] : bounds[i + 1]]`. Where the counts of a key exceed `exact_up_to`, values become the
    middle of their bucket, except in the buckets that `exact_buckets` marks. `sizes` gets how many values are left.
    """
    in_bucket, has_exact = np.zeros(BUCKETS, np.int64), exact_buckets.any()
    for key in range(len(bounds) - 1):
        low, high = bounds[key], bounds[key + 1]
        left, is_large = high, counts[low:high].sum() > exact_up_to
        if is_large:
            left = join_buckets(values, counts, low, high, exact_buckets, in_bucket)
        if has_exact or not is_large:
            left = join_equal(values, counts, low, left)
        sizes[key] = left - low


@compiled
def join_buckets(values, counts, low, high, exact_buckets, in_bucket):
    """Replace values by the middles of their buckets, one per bucket; returns the end of the slice that is left."""
    left, first, last = low, BUCKETS, 0
    for i in range(low, high):
        bucket = bucket_number(values[i])
        if exact_buckets[bucket]:
            values[left], counts[left] = values[i], counts[i]
            left += 1
        else:
            in_bucket[bucket] += counts[i]
            first, last = min(first, bucket), max(last, bucket)
    for bucket in range(first, last + 1):
        if in_bucket[bucket]:
            values[left], counts[left] = middle_of(bucket), in_bucket[bucket]
            in_bucket[bucket] = 0
            left += 1
    return left


@compiled
def join_equal(values, counts, low, high):
    """Sort a slice and join equal values; returns the end of the slice that is left."""
    order = np.argsort(values[low:high])
    ordered, weights = values[low:high][order], counts[low:high][order]
    left = low
    for i in range(len(ordered)):
        if left > low and values[left - 1] == ordered[i]:
            counts[left - 1] += weights[i]
        else:
            values[left], counts[left] = ordered[i], weights[i]
            left += 1
    return left
