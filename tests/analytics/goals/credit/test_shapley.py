"""Shapley values are the mean over all orders of the players."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics import shapley_of
from expectations.errors import DefinitionError

PLAYERS = "abcd"
SETS = [frozenset(some) for size in range(1, 5) for some in combinations(PLAYERS, size)]


@given(st.lists(st.integers(0, 50), min_size=len(SETS), max_size=len(SETS)))
def test_a_value_is_what_a_player_adds_on_average_over_all_orders(numbers: list[int]) -> None:
    worths = dict(zip(SETS, map(float, numbers), strict=True))
    orders = list(permutations(PLAYERS))
    for player, credit in shapley_of(worths).rows():
        added = Fraction()
        for order in orders:
            before = frozenset(order[: order.index(player)])
            added += Fraction(worths[before | {player}]) - Fraction(worths.get(before, 0.0))
        assert math.isclose(credit, added / len(orders), abs_tol=1e-9)


def test_a_set_without_a_worth_is_named() -> None:
    with pytest.raises(DefinitionError) as refused:
        shapley_of({frozenset("ab"): 1.0, frozenset("a"): 1.0})
    assert refused.value.expected == "a worth for b"


def test_too_many_players_are_refused() -> None:
    with pytest.raises(DefinitionError, match="too many players"):
        shapley_of({frozenset(f"p{n}" for n in range(17)): 1.0})


def test_nobody_gives_no_rows() -> None:
    assert shapley_of({}).is_empty()
