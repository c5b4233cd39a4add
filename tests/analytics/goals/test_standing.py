"""Journeys under way stand where the definition says, and for how long."""

from __future__ import annotations

import random
import statistics
from datetime import timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analytics import PathRules, Paths, standing
from expectations.errors import DefinitionError
from tests.oracles.whole_paths.standing import Journey
from tests.oracles.whole_paths.standing import standing as told
from tests.written import START, in_parts

NAMES = {"see": 0, "look": 1, "cart": 2, "pay": 3, "buy": 3, "back": 4}
STAGES = [
    {"name": name, "touchpoints": words}
    for name, words in {"A": ["see"], "B": ["look"], "C": ["cart"], "D": ["pay", "buy"], "E": ["back"]}.items()
]
RULES = PathRules(goal=["buy"], stages=STAGES, journey_gap="20d", after=["back"])
AGES = ("journeys", "fresh", "waiting", "late", "unknown")


def drawn(seed: int) -> Paths:
    draw, people = random.Random(seed), {}
    for number in range(draw.randint(1, 25)):
        at, own = draw.randint(0, 30), []
        for _ in range(draw.randint(1, 7)):
            own.append(f"{draw.choice([*NAMES, 'login'])}@{at}d[group=g{number % 2}]")
            at = min(at + draw.choice([0, 0, 1, 2, 5, 12, 25]), 60)
        people[f"c{number}"] = " ".join(own)
    return Paths.from_text(people, end="60d", rules=RULES)


def journeys(paths: Paths) -> list[Journey]:
    """The journeys of paths as the oracle reads them: stages behind the goal's count as its stage."""
    table = paths.touches.collect().filter(pl.col("journey").is_not_null() & ~pl.col("after_goal").fill_null(False))
    found = []
    for _, rows in table.group_by("customer", "journey", maintain_order=True):
        touches = [
            (int((at - START).total_seconds()), 4 if name == "buy" else min(NAMES.get(name, -1), 3))
            for at, name in rows.select("at", "touchpoint").iter_rows()
        ]
        found.append(Journey(rows["group"][0], rows["outcome"][0] == "open", touches))
    return found


@pytest.mark.parametrize("seed", range(15))
def test_counts_are_those_of_a_loop_over_journeys(seed: int) -> None:
    paths = drawn(seed)
    expected, found = told(journeys(paths), 4, 60 * 86_400), standing(paths)
    assert found["stage"].to_list() == [dict(enumerate("ABCD")).get(rank) for rank in sorted(expected)]
    for rank, row in zip(sorted(expected), found.to_dicts(), strict=True):
        own = expected[rank]
        assert {name: row[name] for name in (*AGES, "went_on")} == {name: own[name] for name in (*AGES, "went_on")}
        assert row["median_wait"] == timedelta(seconds=statistics.median(own["waits"]))
        known = own["journeys"] - own["unknown"]
        assert row["share_late"] == (own["late"] / known if known else None)
    groups = standing(in_parts(paths, 4), by="group")
    assert_frame_equal(groups.filter("is_total").drop("group"), found, check_exact=True)
    sums = groups.filter(~pl.col("is_total")).group_by("stage", maintain_order=True).agg(pl.col(AGES).sum())
    assert sums.sort("stage", nulls_last=True).equals(found.select("stage", *AGES).sort("stage", nulls_last=True))


def test_exactly_as_long_as_nine_in_ten_is_waiting_and_longer_is_late() -> None:
    people = {f"c{n}": f"see@0d look@{n + 1}d buy@40d" for n in range(11)}
    for wait, age in ((6, "fresh"), (7, "waiting"), (10, "waiting"), (11, "late")):
        shop = Paths.from_text(
            {**people, "new": f"see@{60 - wait}d"},
            end="60d",
            rules=PathRules(goal=["buy"], stages=STAGES, journey_gap="60d"),
        )
        row = standing(shop).row(0, named=True)
        assert (row["stage"], row[age], row["usual_wait"].days, row["late_after"].days) == ("A", 1, 6, 10)
        assert row["enough"] is False


def test_nobody_under_way_gives_no_rows_and_paths_without_stages_are_refused() -> None:
    assert standing(Paths.from_text({"ann": "see@0d buy@1d"}, end="9d", rules=RULES)).is_empty()
    assert standing(Paths.from_text({}, rules=RULES)).is_empty()
    bare = PathRules(goal=["buy"], stages=[])
    for paths, words in (
        (Paths.from_text({"ann": "see@0d"}, rules=bare), "no stages"),
        (Paths.from_text({"ann": "see@0d"}), "no column 'outcome'"),
    ):
        with pytest.raises(DefinitionError, match=words):
            standing(paths)
