"""Removal effects of chains of any order, solved at once or value by value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.goals.credit import markov
from analytics.goals.credit.markov import Chain, moves

paths = st.lists(st.tuples(st.lists(st.integers(0, 4), min_size=1, max_size=6), st.booleans()), min_size=1, max_size=12)


def chain_of(given_: list[tuple[list[int], bool]], order: int) -> tuple[Chain, np.ndarray]:
    codes = np.array([code for values, _ in given_ for code in values])
    path = np.repeat(np.arange(len(given_)), [len(values) for values, _ in given_])
    source, target, _ = moves(codes, path, np.array([converted for _, converted in given_]), 5, order)
    pairs, counts = np.unique(np.column_stack([source, target]), axis=0, return_counts=True)
    return Chain.of(pairs[:, 0], pairs[:, 1], 5, order=order), counts


@settings(deadline=None, max_examples=60)
@given(paths, st.integers(1, 4))
def test_a_large_chain_gives_the_same_as_one_inverse(given_: list[tuple[list[int], bool]], order: int) -> None:
    chain, counts = chain_of(given_, order)
    at_once = chain.removal(counts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(markov, "MAX_DENSE", 0)
        assert not chain.is_small
        np.testing.assert_allclose(chain.removal(counts), at_once, atol=1e-9)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.lists(st.integers(0, 4), min_size=1, max_size=4), st.booleans()), min_size=1, max_size=12))
def test_an_order_as_long_as_the_paths_gives_the_share_with_the_value(given_: list[tuple[list[int], bool]]) -> None:
    chain, counts = chain_of(given_, 4)
    won = [set(values) for values, converted in given_ if converted]
    expected = [sum(value in own for own in won) / len(won) if won else np.nan for value in range(5)]
    np.testing.assert_allclose(chain.removal(counts), expected, atol=1e-9)


@settings(deadline=None, max_examples=60)
@given(paths)
def test_repeats_in_a_row_change_nothing(given_: list[tuple[list[int], bool]]) -> None:
    doubled = [([code for code in values for _ in range(2)], converted) for values, converted in given_]
    (one, counts), (other, same) = chain_of(given_, 1), chain_of(doubled, 1)
    np.testing.assert_array_equal(one.removal(counts), other.removal(same))
