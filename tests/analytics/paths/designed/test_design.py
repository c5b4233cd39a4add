"""A designed path may branch, leave steps out and repeat them: the route that fits a path best counts."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import Design, DesignStep, conformance, designed_steps, deviations, wilson
from expectations.errors import DefinitionError
from tests.analytics.paths.test_transitions import PEOPLE, SIZE, paths_of, units_of
from tests.oracles.whole_paths.runs import Node, cheapest
from tests.written import paths

MANY = int(os.environ.get("JOURNEYS_EXAMPLES", "40"))
BRANCHES = Design(
    [
        "ad",
        DesignStep("web", after="ad", repeats=True),
        DesignStep("call", after="ad"),
        DesignStep("quote", after=["web", "call"], optional=True),
        "buy",
    ]
)


@pytest.mark.filterwarnings("ignore:No touch")
@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("ad web buy", []),
        ("ad call buy", []),
        ("ad web web web quote buy", []),
        ("ad call call buy", [("repeat", 3, "call")]),
        ("ad buy", [("skip", 2, "web")]),  # both branches are as cheap: the one that stands first
        ("ad web call buy", [("insert", 2, "call")]),
        ("ad call web buy", [("insert", 3, "web")]),
        ("web buy", [("skip", 1, "ad")]),
        ("ad call", [("skip", 5, "buy")]),
    ],
)
def test_a_path_deviates_from_the_route_that_fits_it_best(path: str, found: list) -> None:
    shop = paths({"ann": " ".join(f"{name}@{minute}m" for minute, name in enumerate(path.split()))})
    assert sorted(deviations(shop, BRANCHES)["kind", "step", "name"].rows()) == sorted(found)
    assert conformance(shop, BRANCHES)["mean_cost"].item() == len(found)


def test_worst_is_the_shortest_route_skipped_and_every_touch_inserted() -> None:
    row = conformance(paths({"ann": "help@0m ad@1m web@2m call@3m quote@4m buy@5m"}), BRANCHES).row(0, named=True)
    assert row["mean_fitness"] == pytest.approx(1 - 2 / (6 + 3))  # help and call; ad, web or call, buy


def test_every_step_says_who_goes_on_and_who_does_not() -> None:
    shop = {
        "ann": "ad@0m[outcome=converted] web@1m[outcome=converted] buy@2m[outcome=converted]",
        "bo": "ad@0m[outcome=abandoned] call@1m[outcome=abandoned]",
        "cy": "ad@0m[outcome=abandoned] web@1m[outcome=abandoned] quote@2m[outcome=abandoned]",
        "di": "ad@0m[outcome=converted] help@1m[outcome=converted] buy@2m[outcome=converted]",
        "young": "ad@50d[outcome=open]",
    }
    table = designed_steps(paths(shop, end="60d"), BRANCHES)
    counts = table["step", "name", "mature", "done", "skipped", "went_on", "fell_out", "reached"].rows()
    assert counts == [
        (1, "ad", 4, 4, 0, 4, 0, 2),
        (2, "web", 4, 2, 1, 2, 0, 1),  # di goes from ad to buy: over web, which stands before call
        (3, "call", 4, 1, 0, 0, 1, 0),
        (4, "quote", 4, 1, 0, 0, 1, 0),  # optional: nobody skips it
        (5, "buy", 4, 2, 2, 2, 0, 2),
    ]
    low, high = wilson(1, 2)
    web = table.row(1, named=True)
    assert (web["fall_through"], web["fall_out"], web["goal_rate"]) == (1.0, 0.0, 0.5)
    assert (web["goal_rate_low"], web["goal_rate_high"]) == pytest.approx((low.item(), high.item()))


def test_the_rows_of_all_are_the_answer_without_a_breakdown() -> None:
    shop = paths({"ann": "ad@0m[device=phone] web@1m buy@2m", "bo": "ad@0m[device=desk] call@1m quote@2m"}, end="60d")
    table = designed_steps(shop, BRANCHES, by="device")
    assert table.filter("is_total").drop("device").equals(designed_steps(shop, BRANCHES))
    assert table.filter(~table["is_total"])["done"].sum() == table.filter("is_total")["done"].sum()


@pytest.mark.parametrize(
    ("steps", "what"),
    [
        ([DesignStep("a", after="b"), "b"], "is no earlier step"),
        (["a", "b", "a", DesignStep("c", after="a")], "is the name of two steps"),
        (["a", DesignStep("b", after=(), optional=True)], "no step but optional ones"),
    ],
)
def test_a_design_that_has_no_meaning_is_refused(steps: list, what: str) -> None:
    with pytest.raises(DefinitionError, match=what):
        Design(steps)


@st.composite
def graphs(draw: st.DrawFn) -> list[Node]:
    """A small design: its first step begins and is needed, every other comes after some before it, or begins, too."""
    nodes = [Node("a", (), False, draw(st.booleans()))]
    for number in range(1, draw(st.integers(1, 4))):
        after = tuple(sorted(draw(st.sets(st.integers(0, number - 1), max_size=2))))
        optional = bool(after) and draw(st.booleans())
        nodes.append(Node(draw(st.sampled_from("bcde")), after, optional, draw(st.booleans())))
    return nodes


@settings(deadline=None, max_examples=MANY)
@given(PEOPLE, SIZE, graphs())
def test_the_cheapest_run_of_a_design_counts(people: list, size: int, nodes: list[Node]) -> None:
    touches = [node.touch for node in nodes]
    if len(set(touches)) < len(touches):
        nodes = [node._replace(touch="abcdefgh"[number]) for number, node in enumerate(nodes)]
    design = Design(
        [
            DesignStep(n.touch, after=[nodes[a].touch for a in n.after], optional=n.optional, repeats=n.repeats)
            for n in nodes
        ]
    )
    units = units_of(people)
    found = [cheapest(tuple(name for _, name in path), nodes) for _, _, path in units]
    row = conformance(paths_of(units, size), design).row(0, named=True)
    assert (row["units"], row["exact"]) == (len(units), sum(cost == 0 for cost, _ in found))
    assert row["skips"] + row["inserts"] + row["repeats"] == sum(cost for cost, _ in found)
    if units:
        fitness = [1 - cost / worst for cost, worst in found]
        assert row["mean_fitness"] == pytest.approx(sum(fitness) / len(fitness))
