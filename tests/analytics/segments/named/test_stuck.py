"""Who is stuck at an instant is worked out from the touches up to it."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest

from analytics import PathRules, Paths, Segment, Stuck, membership
from expectations.errors import DefinitionError
from tests.oracles.whole_paths.standing import Journey, stays
from tests.written import START

NAMES = {"see": 0, "look": 1, "cart": 2, "pay": 3, "back": 4}
STAGES = [
    {"name": name, "touchpoints": words}
    for name, words in {"A": ["see"], "B": ["look"], "C": ["cart"], "D": ["pay", "buy"], "E": ["back"]}.items()
]
RULES = PathRules(goal=["buy"], stages=STAGES, journey_gap="20d", after=["back"])
DAY = 86_400


def is_stuck(touches: list[dict[str, Any]], place: int, now: int) -> bool:
    """Whether the last journey of the touches so far is under way, and has stood at a stage for more than 3 days."""
    own = [touch for touch in touches if touch["at"] <= now and touch["journey"] is not None and not touch["after"]]
    last = [touch for touch in own if touch["journey"] == own[-1]["journey"]]
    if not last or any(touch["name"] == "buy" for touch in last) or now - last[-1]["at"] > 20 * DAY:
        return False
    ranks = [(touch["at"], min(NAMES.get(touch["name"], -1), 3)) for touch in last]
    rank, since, _ = stays(Journey("", True, ranks))[-1]
    return rank == place and now - since > 3 * DAY


@pytest.mark.parametrize("seed", range(12))
def test_who_is_stuck_is_told_by_the_touches_so_far(seed: int) -> None:
    draw, people = random.Random(seed), {}
    for number in range(12):
        at, own = draw.randint(0, 30), []
        for _ in range(draw.randint(1, 7)):
            own.append(f"{draw.choice([*NAMES, 'login', 'buy'])}@{at}d")
            at = min(at + draw.choice([0, 0, 1, 2, 3, 4, 12, 20, 25]), 90)
        people[f"c{number}"] = " ".join(own)
    paths = Paths.from_text(people, end="90d", rules=RULES)
    touches: dict[str, list[dict[str, Any]]] = {}
    for row in paths.touches.collect().iter_rows(named=True):
        at = int((row["at"] - START).total_seconds())
        told = {"at": at, "name": row["touchpoint"], "journey": row["journey"], "after": row["after_goal"]}
        touches.setdefault(row["customer"], []).append(told)
    for place, stage in enumerate("ABCD"):
        spans = membership(paths, Segment("S", Stuck(stage, longer="3d")))
        for day in range(0, 90):
            now = START + timedelta(days=day)
            held = spans.filter((spans["since"] <= now) & ((spans["until"] >= now) | spans["until"].is_null()))
            expected = {who for who, own in touches.items() if is_stuck(own, place, day * DAY)}
            assert set(held["customer"]) == expected, (stage, day)


def test_a_column_of_the_segment_is_in_while_the_journey_stands() -> None:
    paths = Paths.from_text({"ann": "look@0d login@3d login@4d cart@5d"}, end="9d", rules=RULES)
    found = paths.with_segments([Segment("S", Stuck("B", longer="3d"))]).touches.collect()
    assert found["S"].to_list() == ["out", "out", "in", "out"], "exactly three days are not more"


@pytest.mark.parametrize(
    ("stage", "longer", "words"),
    [("E", "3d", "No journey stands at 'E'"), ("Bb", "3d", "No journey"), ("B", "0d", "above 0"), ("B", "3", "length")],
)
def test_what_cannot_be_meant_is_refused(stage: str, longer: str, words: str) -> None:
    with pytest.raises(DefinitionError, match=words):
        membership(Paths.from_text({"ann": "look@0d"}, rules=RULES), Segment("S", Stuck(stage, longer=longer)))


def test_paths_without_journeys_are_refused() -> None:
    with pytest.raises(DefinitionError, match="no journeys"):
        membership(Paths.from_text({"ann": "look@0d"}), Segment("S", Stuck("B", longer="3d")))
