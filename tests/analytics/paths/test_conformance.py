"""Aligns paths with a designed path at the lowest cost, and reports every deviation."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import Design, conformance, deviations
from analytics.statistics.intervals import newcombe
from analytics.statistics.tests import two_proportions_z
from expectations.errors import DefinitionError
from tests.analytics.paths.test_transitions import PEOPLE, SIZE, paths_of, units_of
from tests.oracles.alignment import alignment
from tests.written import paths

ENDS = ("converted", "abandoned", "abandoned", "abandoned", "open")


def test_skips_inserts_and_repeats_cost_one_each() -> None:
    shop = paths({"ann": "home@0m home@1m help@2m pay@3m"})
    row = conformance(shop, ["home", "cart", "pay"]).row(0, named=True)
    assert (row["skips"], row["inserts"], row["repeats"], row["mean_cost"]) == (1, 1, 1, 3.0)
    assert row["mean_fitness"] == pytest.approx(1 - 3 / 7)


def test_detours_and_alternatives_cost_nothing() -> None:
    shop = paths({"ann": "home@0m help@1m basket@2m pay@3m"})
    assert conformance(shop, Design(["home", ["cart", "basket"], "pay"], detours="help"))["exact"].item() == 1


def test_a_deviation_is_set_beside_the_goal() -> None:
    journeys = {f"c{i}": "home@0m[journey=1,outcome=converted] pay@1m[journey=1,outcome=converted]" for i in range(3)}
    journeys["bo"] = "home@0m[journey=1,outcome=abandoned]"
    row = deviations(paths(journeys), ["home", "pay"]).row(0, named=True)
    assert (row["kind"], row["step"], row["name"], row["units"], row["share"]) == ("skip", 2, "pay", 1, 0.25)
    assert (row["goal_rate"], row["goal_rate_without"], row["difference"]) == (0.0, 1.0, -1.0)
    assert row["difference_low"] == pytest.approx(newcombe(0, 1, 3, 3).low.item())


def test_a_deviation_has_its_effect_on_the_goal() -> None:
    shop = {
        **{f"help {i}": f"home@0m[outcome={o}] help@1m[outcome={o}] pay@2m[outcome={o}]" for i, o in enumerate(ENDS)},
        **{f"plain {i}": f"home@0m[outcome={o}] pay@2m[outcome={o}]" for i, o in enumerate(ENDS[:3])},
    }
    row = deviations(paths(shop), ["home", "pay"]).row(0, named=True)
    assert (row["kind"], row["step"], row["name"], row["deviations"], row["units"]) == ("insert", 1, "help", 5, 5)
    assert (row["share"], row["goal_rate"], row["goal_rate_without"]) == (5 / 8, 1 / 4, 1 / 3)
    assert row["difference"] == pytest.approx(1 / 4 - 1 / 3)
    apart = newcombe(1, 4, 1, 3)
    assert (row["difference_low"], row["difference_high"]) == pytest.approx((apart.low.item(), apart.high.item()))
    assert row["p_value"] == pytest.approx(two_proportions_z(1, 4, 1, 3).p_value.item())
    assert row["p_corrected"] == row["p_value"]


def test_no_touches_and_no_steps() -> None:
    assert conformance(paths({}), ["a"])["units", "exact_share"].rows() == [(0, None)]
    assert deviations(paths({}), ["a"]).is_empty()
    assert deviations(paths({"ann": "a@0m"}), ["a"]).is_empty()
    with pytest.raises(DefinitionError, match="names nothing"):
        conformance(paths({}), [])


@settings(deadline=None, max_examples=80)
@given(PEOPLE, SIZE, st.lists(st.sampled_from("abc"), min_size=1, max_size=4))
def test_alignments_are_the_cheapest(people: list, size: int, design: list[str]) -> None:
    units = units_of(people)
    found = [alignment(tuple(name for _, name in path), tuple(design)) for _, _, path in units]
    row = conformance(paths_of(units, size), design).row(0, named=True)
    assert (row["units"], row["exact"]) == (len(units), sum(cost == 0 for cost, _ in found))
    if units:
        fitness = [1 - f[0] / (len(u[2]) + len(design)) for f, u in zip(found, units, strict=True)]
        assert row["mean_fitness"] == pytest.approx(sum(fitness) / len(fitness))
    times = Counter(move for _, moves in found for move in moves)
    who = Counter(move for _, moves in found for move in set(moves))
    table = deviations(paths_of(units, size), design)
    assert {tuple(r[:3]): r[3:] for r in table["kind", "step", "name", "deviations", "units"].rows()} == {
        move: (times[move], who[move]) for move in times
    }
