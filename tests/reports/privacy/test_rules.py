from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.privacy import stages
from reports.privacy.flow import publishable_flow
from reports.privacy.rules import (
    bounded_share,
    coarse_step,
    public_bounds,
    publishable_steps,
    rough_share,
    small,
    to_tens,
    withheld,
)
from tests.reports import fixtures

K = 10


@given(st.lists(st.integers(0, 60), min_size=1, max_size=8))
def test_a_published_funnel_reveals_no_small_count(counts: list[int]) -> None:
    falling = sorted(counts, reverse=True)
    seen = [n for n, fine in zip(falling, publishable_steps(falling, K), strict=True) if fine]
    assert not any(small(n, K) for n in seen)
    assert not any(small(a - b, K) for i, a in enumerate(seen) for b in seen[i + 1 :])


@given(st.lists(st.integers(0, 60), min_size=1, max_size=8))
def test_the_total_reveals_no_small_count(counts: list[int]) -> None:
    cells = {str(i): n for i, n in enumerate(counts)}
    hidden = withheld(cells, [list(cells)], K)
    assert all(cells[cell] == 0 or cells[cell] >= K for cell in cells if cell not in hidden)
    rest = sum(cells[cell] for cell in hidden)
    assert rest == 0 or rest >= K or all(cell in hidden or n == 0 for cell, n in cells.items())


def test_stages_with_few_customers_keep_counts_but_no_rates() -> None:
    frame = stages.publishable_stages(fixtures.funnel_frame((28, 14, 4, 0, 0)), K, 30)
    assert frame["state"].to_list() == ["shown", "few", "withheld", "withheld", "few"]
    assert frame["reached"].to_list() == [28, 14, None, 0, 0]
    assert frame["share_of_previous"].null_count() == 5


@given(st.lists(st.integers(0, 400), min_size=3, max_size=5))
def test_open_counts_reveal_no_small_count(counts: list[int]) -> None:
    falling = sorted(counts, reverse=True)
    names = fixtures.STAGES[: len(counts)]
    young = pl.Series("open", falling, dtype=pl.Int64)
    lost = (young.shift(1) - young).fill_null(0).alias("customers_open_lost")
    funnel = fixtures.funnel_frame((900,) * len(counts), names).with_columns(young, lost, young.alias("customers_open"))
    published = stages.publishable_stages(funnel, K, 30)["open"].drop_nulls().to_list()
    assert not any(small(n, K) for n in published)
    assert not any(small(one - other, K) for index, one in enumerate(published) for other in published[index:])


def test_a_withheld_group_withholds_a_second_count_but_not_its_rate() -> None:
    frame = stages.publishable_segments(fixtures.segment_frame(), K, 30).filter(pl.col("dimension") == "Region")
    islands = frame.filter(pl.col("segment") == "Islands")
    east = frame.filter(pl.col("segment") == "East")
    assert set(islands["state"]) == {"withheld"}
    assert east["reached"].null_count() == east.height
    assert set(east["state"]) == {"shown"}
    assert east["share"].null_count() == 0


def test_flow_leaves_out_rare_moves_and_rounds_the_rest() -> None:
    flow = publishable_flow(fixtures.flow_frame(), {"Order placed"}, K)
    assert flow.rounded
    assert flow.units == sum(route[2] for route in fixtures.ROUTES)
    for frame in (flow.nodes, flow.links, flow.through):
        assert frame["units"].min() >= K  # type: ignore[operator]
        assert (frame["units"] % 10 == 0).all()
    assert flow.links.filter((pl.col("source") == "other") & (pl.col("target") == "Product page")).is_empty()


def test_flow_without_rare_moves_keeps_exact_counts() -> None:
    routes = [(["Ad click", "Basket"], "abandoned", 123, 0), (["Ad click", "Order placed"], "converted", 77, 77)]
    flow = publishable_flow(fixtures.flow_frame(routes), {"Order placed"}, K)
    assert not flow.rounded
    assert sorted(flow.links["units"]) == [77, 123]


@given(st.lists(st.lists(st.integers(0, 400), min_size=3, max_size=3), min_size=1, max_size=5))
def test_groups_reveal_no_small_count_of_customers_at_a_step_or_lost_before_it(groups: list[list[int]]) -> None:
    chains = {f"g{i}": sorted(chain, reverse=True) for i, chain in enumerate(groups)}
    frame = stages.publishable_segments(_segments(chains), K, 30)
    for step in (2, 3):
        rows = {row["segment"]: row for row in frame.filter(pl.col("step") == step).to_dicts()}
        lost = {name: chain[step - 2] - chain[step - 1] for name, chain in chains.items()}
        there = {name: chain[step - 1] for name, chain in chains.items()}
        unknown = [name for name, row in rows.items() if row["reached"] is None]
        either = [name for name, row in rows.items() if row["reached"] is None or row["previous"] is None]
        for hidden, counts in ((unknown, there), (either, lost)):
            rest = sum(counts[name] for name in hidden)
            assert not small(rest, K) or all(name in hidden or not counts[name] for name in counts)
            assert not any(small(counts[name], K) for name in counts if name not in hidden)


@given(st.integers(200, 2000), st.integers(1, 9), st.integers(1, 9), st.integers(0, 150))
def test_bounds_of_a_rate_do_not_depend_on_the_withheld_count(entered: int, lost: int, other: int, then: int) -> None:
    bounds = {}
    for few in (lost, other):
        chain = [entered, entered - few, min(then, entered - few - 20)]
        rows = stages.publishable_segments(_segments({"a": chain}), K, 30).to_dicts()
        assert rows[0]["state"] == stages.BOUNDED
        assert rows[0]["bound_low"] <= chain[1] / entered <= rows[0]["bound_high"] == 1.0
        assert rows[0]["reached"] is None and rows[1]["previous"] is None
        assert rows[0]["share"] is None and rows[1]["share"] is None
        bounds[few] = [(row["bound_low"], row["bound_high"]) for row in rows]
    assert bounds[lost] == bounds[other]


@given(st.integers(30, 30_000))
def test_a_rounded_rate_is_consistent_with_at_least_k_counts(customers: int) -> None:
    step = coarse_step(customers, K)
    assert step is None or step * customers >= K
    assert step is not None or customers < K / 0.02


def _segments(chains: dict[str, list[int]]) -> pl.DataFrame:
    everyone = [sum(counts) for counts in zip(*chains.values(), strict=True)]
    rows = [
        {"dimension": "D", "segment": name, "step": step + 1, "name": str(step), "previous": chain[step - 1]}
        | {"reached": chain[step], "share": chain[step] / max(chain[step - 1], 1), "low": 0.1, "high": 0.9}
        | {"everyone": everyone[step] / max(everyone[step - 1], 1), "difference": 0.1, "verdict": "same"}
        | {"difference_low": 0.0, "difference_high": 0.2}
        for name, chain in chains.items()
        for step in range(1, len(chain))
    ]
    return pl.DataFrame(rows, schema_overrides={"step": pl.UInt32})


@pytest.mark.parametrize(
    ("counts", "lost", "shown"),
    [
        ([100, 90, 80], None, [True, True, True]),  # lost ten each: as many as may be published
        ([100, 91, 90], None, [True, False, True]),
        ([100, 95, 91, 85], None, [True, False, False, True]),
        ([100, 100, 0], None, [True, True, True]),  # nobody lost, and nobody left, are no secrets
        ([9, 9, 0], None, [False, False, True]),
        ([10, 1], None, [True, False]),
        ([100, 98, 97, 97], [0, 6, 6, 12], [True, False, False, True]),
        ([100, 98, 97], [0, 12, 6], [True, True, False]),
        ([100, 98, 97], [0, 9, 0], [True, False, False]),  # who was lost before the first of two is lost before both
    ],
)
def test_steps_are_shown_unless_they_or_those_lost_are_few(
    counts: list[int], lost: list[int] | None, shown: list[bool]
) -> None:
    assert publishable_steps(counts, K, lost) == shown


def test_bounds_are_those_that_the_published_counts_imply() -> None:
    assert public_bounds([9, 5, 0], [False, False, True], K) == [(1, 9), (1, 9), (0, 0)]
    assert public_bounds([50, 45, 12, 3], [True, False, True, False], K) == [(50, 50), (41, 49), (12, 12), (1, 9)]
    assert public_bounds([50, 10], [False, False], K) == [(1, 9), (1, 9)]  # nothing before them is known


@pytest.mark.parametrize(
    ("counts", "also", "hidden"),
    [
        ({"a": 400, "b": 50, "c": 10}, (), ""),
        ({"a": 400, "b": 50, "c": 9}, (), "bc"),  # one alone is the rest of the total
        ({"a": 400, "b": 50, "c": 4, "d": 6}, (), "cd"),  # ten together
        ({"a": 400, "b": 50, "c": 4, "d": 5}, (), "bcd"),  # nine together
        ({"a": 400, "b": 50, "c": 0, "d": 9}, (), "bd"),  # none is no secret, and hides no other
        ({"a": 400, "b": 50, "c": 50}, "a", "ab"),
        ({"a": 0, "b": 9}, (), "b"),
        ({"a": 0, "b": 50}, "a", "a"),
    ],
)
def test_a_withheld_count_is_no_rest_of_a_total(counts: dict[str, int], also: str, hidden: str) -> None:
    assert withheld(counts, [list(counts)], K, also) == set(hidden)


def test_what_is_withheld_for_one_total_is_withheld_in_the_other() -> None:
    table = {"ax": 5, "ay": 60, "bx": 70, "by": 80}
    groups = [["ax", "ay"], ["bx", "by"], ["ax", "bx"], ["ay", "by"]]
    assert withheld(table, groups, K) == set(table)


@pytest.mark.parametrize(
    ("part", "whole", "more", "shown"),
    [
        (0, 120, {}, (0.0, "0.0 %")),
        (120, 120, {}, (1.0, "100.0 %")),
        (10, 120, {}, (0.0833, "8.3 %")),
        (9, 120, {}, (0.0417, "under 8.3 %")),
        (110, 120, {}, (0.9167, "91.7 %")),
        (111, 120, {}, (0.9583, "over 91.7 %")),
        (3, 5, {}, (0.5, "under 100.0 %")),
        (0, 0, {}, (0.0, "–")),
        (1, 1, {}, (0.5, "under 100.0 %")),
        (0, 1, {}, (0.5, "over 0.0 %")),
        (7, 120, {"people": (5, 80)}, (0.0417, "under 8.3 %")),
        (113, 120, {"people": (80, 5)}, (0.9583, "over 91.7 %")),
        (12, 120, {"people": (9, 80)}, (0.0, "–")),
        (108, 120, {"people": (80, 9)}, (0.0, "–")),
        (12, 120, {"people": (10, 80)}, (0.1, "10.0 %")),
        (3, 12, {"published": 10}, (0.5, "under 100.0 %")),
        (3, 44, {"published": 40}, (0.1429, "under 28.6 %")),  # 35 is the fewest that are 40 in tens
        (20, 40, {"published": 40}, (0.0, "–")),
        (33, 100, {"published": 100}, (0.3, "30 %")),
        (1254, 10_000, {"published": 10_000}, (0.125, "12.5 %")),
    ],
)
def test_a_share_is_shown_bounded_or_a_dash(
    part: int, whole: int, more: dict[str, int], shown: tuple[float, str]
) -> None:
    assert bounded_share(part, whole, K, **more) == shown  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("customers", "step"),
    [(10_000, 0.001), (9_999, 0.002), (5_000, 0.002), (2_000, 0.005), (1_000, 0.01), (500, 0.02), (499, None)],
)
def test_shares_have_the_finest_step_that_covers_k(customers: int, step: float | None) -> None:
    assert coarse_step(customers, K) == step


def test_shares_beside_tens_have_fifths_at_most() -> None:
    assert [rough_share(whole * 0.37, whole, K) for whole in (200, 199, 100, 99, 50, 49)] == [
        *(0.35, 0.4, 0.4, 0.4, 0.4),
        None,
    ]
    assert [to_tens(count) for count in (14, 16, 995)] == [10, 20, 1000]
