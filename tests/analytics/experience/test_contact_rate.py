"""Which journeys need help, as the definition says."""

from __future__ import annotations

import random

import polars as pl
import pytest

from analytics import PathRules, Paths, contact_rate
from expectations.errors import DefinitionError
from tests.oracles.whole_paths.contacts import Touched, rate
from tests.written import START

DAY = 86_400


def drawn(seed: int) -> Paths:
    draw, people = random.Random(seed), {}
    for number in range(draw.randint(1, 10)):
        at, own = draw.randint(0, 9), []
        for _ in range(draw.randint(1, 9)):
            at += draw.choice([0, 1, 2, 5, 12])
            own.append(f"{draw.choice(['look', 'call', 'buy', 'look'])}@{at}d[group={number % 2}]")
        people[f"c{number}"] = " ".join(own)
    return Paths.from_text(people, end="60d", rules=PathRules(goal=["buy"], journey_gap="10d", stages=[]))


@pytest.mark.parametrize("seed", range(15))
def test_counts_are_those_of_a_loop_over_journeys(seed: int) -> None:
    paths = drawn(seed)
    people: dict[str, list[Touched]] = {}
    for row in paths.touches.collect().iter_rows(named=True):
        at = int((row["at"] - START).total_seconds())
        touch = Touched(at, row["touchpoint"], "", None, row["session"], row["journey"], row["after_goal"] or False)
        people.setdefault(row["customer"], []).append(touch)
    found = contact_rate(paths, "call", window="8d").row(0, named=True)
    expected = rate(people, ["call"], goal="buy", window=8 * DAY, end=60 * DAY)
    assert {name: found[name] for name in expected} == expected
    assert found["contact_rate"] == (expected["contacted"] / expected["mature"] if expected["mature"] else None)
    alone = [rate({who: own}, ["call"], goal="buy", window=8 * DAY, end=60 * DAY) for who, own in people.items()]
    assert found["customers_contacted"] == sum(one["contacted"] > 0 for one in alone)
    assert found["customers_not_contacted"] == sum(one["mature"] > one["contacted"] for one in alone)
    groups = contact_rate(paths, "call", window="8d", by="group").filter(~pl.col("is_total"))
    assert groups.select(pl.col(list(expected)).sum()).to_dicts() == [expected]


def test_nobody_gives_a_row_of_zeros_and_a_long_window_is_refused() -> None:
    row = contact_rate(Paths.from_text({}), "call").row(0, named=True)
    assert (row["units"], row["contact_rate"], row["contacts_per_unit"]) == (0, None, None)
    with pytest.raises(DefinitionError, match="longer than the journey gap"):
        contact_rate(drawn(1), "call", window="11d")
