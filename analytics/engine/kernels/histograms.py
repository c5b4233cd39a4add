"""Condenses values to counts per value or per bucket, key by key."""

from __future__ import annotations

from typing import Final

import numpy as np

from analytics.engine.kernels.cache import compiled

DIGITS: Final = 9
"""Values are kept to this many binary digits after the leading one: a bucket is at most 1/512 wide."""
BUCKETS: Final = (64 - DIGITS) << DIGITS


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
