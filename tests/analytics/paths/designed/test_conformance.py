"""Aligns paths with a designed path at the lowest cost, and reports every deviation."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import Design, Paths, conformance, deviations, wilson
from analytics.statistics.intervals import newcombe
from analytics.statistics.tests import two_proportions_z
from expectations.errors import DefinitionError
from tests.analytics.paths.test_transitions import PEOPLE, SIZE, paths_of, units_of
from tests.oracles.whole_paths.alignment import alignment
from tests.written import paths

MANY = int(os.environ.get("JOURNEYS_EXAMPLES", "40"))
ENDS = ("converted", "abandoned", "abandoned", "abandoned")


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
    row = deviations(paths(journeys, end="60d"), ["home", "pay"]).row(0, named=True)
    assert (row["kind"], row["step"], row["name"], row["units"], row["share_of_units"]) == ("skip", 2, "pay", 1, 0.25)
    assert (row["goal_rate"], row["goal_rate_without"], row["difference"]) == (0.0, 1.0, -1.0)
    assert row["difference_low"] == pytest.approx(newcombe(0, 1, 3, 3).low.item())


def test_a_deviation_has_its_effect_on_the_goal() -> None:
    shop = {
        **{f"help {i}": f"home@0m[outcome={o}] help@1m[outcome={o}] pay@2m[outcome={o}]" for i, o in enumerate(ENDS)},
        **{f"plain {i}": f"home@0m[outcome={o}] pay@2m[outcome={o}]" for i, o in enumerate(ENDS[:3])},
    }
    row = deviations(paths(shop, end="60d"), ["home", "pay"]).row(0, named=True)
    assert (row["kind"], row["step"], row["name"], row["deviations"], row["units"]) == ("insert", 1, "help", 4, 4)
    assert (row["share_of_units"], row["goal_rate"], row["goal_rate_without"]) == (4 / 7, 1 / 4, 1 / 3)
    assert row["difference"] == pytest.approx(1 / 4 - 1 / 3)
    apart = newcombe(1, 4, 1, 3)
    assert (row["difference_low"], row["difference_high"]) == pytest.approx((apart.low.item(), apart.high.item()))
    assert row["p_value"] == pytest.approx(two_proportions_z(1, 4, 1, 3).p_value.item())
    assert row["p_corrected"] == row["p_value"]


ANSWERS = {"conformance": conformance, "deviations": deviations}


@pytest.mark.parametrize("name", ANSWERS)
def test_the_total_is_the_answer_without_a_breakdown(name: str) -> None:
    shop = paths({"ann": "home@0m[device=phone] help@1m pay@2m", "bo": "home@0m[device=desk]", "cy": "pay@0m"})
    table, every = (ANSWERS[name](shop, ["home", "pay"], **by) for by in ({"by": "device"}, {}))
    assert table.filter("is_total").drop("device").equals(every)
    assert table.filter("is_total")["device"].is_null().all()
    assert table.filter(~pl.col("is_total"))["device"].unique().sort().to_list() == [None, "desk", "phone"]
    assert table.filter(~pl.col("is_total"))["units"].sum() == every["units"].sum()


def fleet(paths_of_journeys: Sequence[Sequence[str]]) -> Paths:
    """Customers with several journeys each, one touch a minute; a journey that ends with pay is converted."""
    journeys = {}
    for person, paths_of_person in enumerate(paths_of_journeys):
        touches = []
        for number, path in enumerate(paths_of_person):
            outcome = "converted" if path.endswith("p") else "abandoned"
            tags = f"[journey={number + 1},outcome={outcome}]"
            touches += [f"{name}@{100 * number + minute}m{tags}" for minute, name in enumerate(path)]
        journeys[f"c{person}"] = " ".join(touches)
    return paths(journeys, end="60d")


def test_intervals_of_conformance_are_judged_by_customers() -> None:
    row = conformance(fleet([["hp"] * 4] * 2 + [["hxp"] * 4] * 2), ["h", "p"]).row(0, named=True)
    low, high = wilson(2, 4)
    assert (row["units"], row["exact"], row["exact_share_of_units"]) == (16, 8, 0.5)
    assert (row["exact_share_of_units_low"], row["exact_share_of_units_high"]) == pytest.approx(
        (low.item(), high.item())
    )
    reach = 1.959964 * 0.1 / 4**0.5  # four customers with a fitness of 1 or 0.8
    ends = (row["mean_fitness_low"], row["mean_fitness"], row["mean_fitness_high"])
    assert ends == pytest.approx((0.9 - reach, 0.9, 0.9 + reach))


def test_units_that_differ_within_customers_count_in_full() -> None:
    row = conformance(fleet([["hp", "hxp"]] * 8), ["h", "p"]).row(0, named=True)
    low, high = wilson(8, 16)
    assert (row["exact_share_of_units_low"], row["exact_share_of_units_high"]) == pytest.approx(
        (low.item(), high.item())
    )
    reach = 1.959964 * 0.1 / 16**0.5
    assert (row["mean_fitness_low"], row["mean_fitness_high"]) == pytest.approx((0.9 - reach, 0.9 + reach))


def test_the_effect_of_a_deviation_is_judged_by_customers() -> None:
    journeys = [["hxp"] * 3, ["hx"] * 3, ["hxp", "hp", "h"], ["hp"] * 3, ["h"] * 3, ["h", "hx", "hxp", "hp"]]
    table = deviations(fleet(journeys), ["h", "p"])
    for row in table.iter_rows(named=True):
        kind, name = row["kind"], row["name"]
        has = [[(name == "x" and "x" in j) if kind == "insert" else "p" not in j for j in own] for own in journeys]
        won = [[j.endswith("p") for j in own] for own in journeys]
        share = worth([(sum(h), len(h)) for h in has])
        with_it, without = (
            worth(
                [
                    (sum(w for w, h in zip(ws, hs, strict=True) if h is side), sum(h is side for h in hs))
                    for ws, hs in zip(won, has, strict=True)
                ]
            )
            for side in (True, False)
        )
        low, high = wilson(*share)
        assert (row["share_of_units_low"], row["share_of_units_high"]) == pytest.approx((low.item(), high.item()))
        apart = newcombe(*with_it, *without)
        ends = (row["difference_low"], row["difference_high"])
        assert ends == pytest.approx((apart.low.item(), apart.high.item()))
        p_value = two_proportions_z(*with_it, *without).p_value.item()
        assert row["p_value"] == pytest.approx(p_value)
    assert table["kind"].sort().to_list() == ["insert", "skip"]


def worth(customers: list[tuple[int, int]]) -> tuple[float, float]:
    """The counts of a share in as many independent units as it is worth: of each customer, those that count and all."""
    y, n = sum(own for own, _ in customers), sum(size for _, size in customers)
    if y in (0, n):
        people = sum(size > 0 for _, size in customers)
        return (people if y else 0), people
    p = y / n
    effect = max(1.0, sum((own - p * size) ** 2 for own, size in customers) / (n * p * (1 - p)))
    return y / effect, n / effect


def test_no_touches_and_no_steps() -> None:
    assert conformance(paths({}), ["a"])["units", "exact_share_of_units"].rows() == [(0, None)]
    assert deviations(paths({}), ["a"]).is_empty()
    assert deviations(paths({"ann": "a@0m"}), ["a"]).is_empty()
    with pytest.raises(DefinitionError, match="names nothing"):
        conformance(paths({}), [])


@settings(deadline=None, max_examples=MANY)
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
