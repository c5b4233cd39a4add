from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from reports import flows, published
from reports.privacy import publishable_steps, small, withheld
from tests.reports import fixtures

K = 10


@given(st.lists(st.integers(0, 60), min_size=1, max_size=8))
def test_no_small_count_can_be_read_off_a_funnel(counts: list[int]) -> None:
    falling = sorted(counts, reverse=True)
    seen = [n for n, fine in zip(falling, publishable_steps(falling, K), strict=True) if fine]
    assert not any(small(n, K) for n in seen)
    assert not any(small(a - b, K) for i, a in enumerate(seen) for b in seen[i + 1 :])


@given(st.lists(st.integers(0, 60), min_size=1, max_size=8))
def test_no_small_count_can_be_worked_out_from_the_total(counts: list[int]) -> None:
    cells = {str(i): n for i, n in enumerate(counts)}
    hidden = withheld(cells, [list(cells)], K)
    assert all(cells[cell] == 0 or cells[cell] >= K for cell in cells if cell not in hidden)
    rest = sum(cells[cell] for cell in hidden)
    assert rest == 0 or rest >= K or all(cell in hidden or n == 0 for cell, n in cells.items())


def test_stages_with_few_customers_keep_counts_and_lose_rates() -> None:
    frame = published.stages(fixtures.funnel_frame((28, 14, 4, 0, 0)), K, 30)
    assert frame["state"].to_list() == ["shown", "few", "withheld", "withheld", "few"]
    assert frame["reached"].to_list() == [28, 14, None, 0, 0]
    assert frame["share_of_previous"].null_count() == 5


def test_groups_too_small_to_be_seen_take_a_second_count_with_them_but_not_its_rate() -> None:
    frame = published.segments(fixtures.segment_frame(), K, 30).filter(pl.col("dimension") == "Region")
    islands = frame.filter(pl.col("segment") == "Islands")
    east = frame.filter(pl.col("segment") == "East")
    assert set(islands["state"]) == {"withheld"}
    assert east["reached"].null_count() == east.height
    assert set(east["state"]) == {"shown"}
    assert east["share"].null_count() == 0


def test_flow_leaves_out_rare_moves_and_rounds_the_rest() -> None:
    flow = flows.flow(fixtures.routes_frame(), {"Order placed"}, K)
    assert flow.rounded
    assert flow.units == sum(route[2] for route in fixtures.ROUTES)
    for frame in (flow.nodes, flow.links, flow.through):
        assert frame["units"].min() >= K  # type: ignore[operator]
        assert (frame["units"] % 10 == 0).all()
    assert flow.links.filter((pl.col("source") == "other") & (pl.col("target") == "Product page")).is_empty()


def test_flow_without_rare_moves_keeps_exact_counts() -> None:
    routes = [(["Ad click", "Basket"], "abandoned", 123, 0), (["Ad click", "Order placed"], "converted", 77, 77)]
    flow = flows.flow(fixtures.routes_frame(routes), {"Order placed"}, K)
    assert not flow.rounded
    assert sorted(flow.links["units"]) == [77, 123]
