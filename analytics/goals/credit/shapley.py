"""Shapley values of any game whose worths are known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from math import factorial

import polars as pl

from expectations.errors import DefinitionError

MAX_PLAYERS = 16


def shapley_of(worths: Mapping[frozenset[str], float]) -> pl.DataFrame:
    """The Shapley value of each player: what it adds, on average over all orders in which the players can come.

    `worths` has the worth of every set of players that is not empty. Columns: `credited` String (the player, by name),
    `credit` Float64; credits add up to the worth of the set of all. Raises `DefinitionError` for more than 16 players,
    and for a set whose worth is not given. Source: Shapley, A Value for n-Person Games, 1953.

    >>> worths = {frozenset("a"): 4.0, frozenset("b"): 0.0, frozenset("ab"): 10.0}
    >>> shapley_of(worths).rows()
    [('a', 7.0), ('b', 3.0)]
    """
    players = sorted(set().union(*worths))
    size = len(players)
    if size > MAX_PLAYERS:
        raise DefinitionError("There are too many players.", expected=f"at most {MAX_PLAYERS}", found=str(size))

    def worth(some: Iterable[str]) -> float:
        chosen = frozenset(some)
        if chosen and chosen not in worths:
            raise DefinitionError("The worth of a set is missing.", expected="a worth for " + ", ".join(sorted(chosen)))
        return worths[chosen] if chosen else 0.0

    def value(player: str) -> float:
        others = [other for other in players if other != player]
        return sum(
            factorial(count) * factorial(size - count - 1) / factorial(size) * (worth({*some, player}) - worth(some))
            for count in range(size)
            for some in combinations(others, count)
        )

    schema = {"credited": pl.String, "credit": pl.Float64}
    return pl.DataFrame([(player, value(player)) for player in players], schema=schema, orient="row")
