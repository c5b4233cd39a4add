"""Which group is which persona, beside all permutations; how many personas are stable."""

from __future__ import annotations

import random

import pytest

from analytics import match_personas, persona_count
from expectations.errors import DefinitionError
from tests.oracles.whole_paths.personas import matched


@pytest.mark.parametrize("seed", range(12))
def test_groups_are_the_personas_of_the_best_matching(seed: int) -> None:
    draw = random.Random(seed)
    people = [f"c{number}" for number in range(40)]
    old_names, new_names = [f"p{i}" for i in range(draw.randint(1, 4))], [f"g{i}" for i in range(draw.randint(1, 3))]
    was = {person: draw.choice(old_names) for person in people if draw.random() < 0.9}
    now = {
        person: new_names[old_names.index(was[person]) % len(new_names)]
        if person in was and draw.random() < 0.8
        else draw.choice(new_names)
        for person in people
        if draw.random() < 0.9
    }
    old = {name: {person for person, own in was.items() if own == name} for name in old_names}
    new = {name: {person for person, own in now.items() if own == name} for name in new_names}
    rows = match_personas(old, new).to_dicts()
    found = {row["group"]: row["persona"] for row in rows if row["group"] and row["persona"]}
    assert found == matched(old, new)
    assert [row["group"] for row in rows if row["group"]] == new_names
    retired = [row["persona"] for row in rows if row["group"] is None]
    assert retired == [name for name in old_names if name not in found.values()]


def test_a_half_is_not_enough_and_nobody_is_in_two_groups() -> None:
    assert match_personas({"p": "abcd"}, {"g": "ab", "h": "cd"})["persona"].to_list() == [None, None, "p"]
    assert match_personas({"p": []}, {}).rows() == [(None, "p", None)]
    assert match_personas({}, {"g": []}).rows() == [("g", None, None)]
    with pytest.raises(DefinitionError, match="two groups"):
        match_personas({"p": "ab", "q": "b"}, {"g": "ab"})


STABLE = {"k": 4, "min_jaccard": 0.75, "shuffled_jaccard": 0.55, "smallest_share": 0.05}


@pytest.mark.parametrize(
    ("changed", "placed", "chosen"),
    [
        ({}, 2000, 4),
        ({"min_jaccard": 0.749}, 2000, None),
        ({"shuffled_jaccard": 0.56}, 2000, None),
        ({"shuffled_jaccard": None}, 2000, None),
        ({"smallest_share": 0.049}, 9000, None),
        ({}, 1999, None),
        ({"smallest_share": 0.2}, 500, 4),
        ({"smallest_share": 0.25}, 499, None),
        ({"split_half": 0.3}, 2000, 4),
        ({"split_half": 0.29}, 2000, None),
        ({"split_half": None}, 2000, 4),
        ({"k": 9}, 2000, None),
    ],
)
def test_a_number_is_stable_at_the_edges(changed: dict[str, float | None], placed: int, chosen: int | None) -> None:
    assert persona_count([{**STABLE, **changed}], placed) == chosen


def test_the_largest_stable_number_is_chosen() -> None:
    assert persona_count([STABLE, {**STABLE, "k": 2}, {**STABLE, "k": 5, "min_jaccard": 0.5}], 2000) == 4
    assert persona_count([], 2000) is None
