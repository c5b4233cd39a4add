from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from reports.privacy import stages
from reports.privacy.flow import publishable_flow
from reports.privacy.rules import coarse_step, publishable_steps, small, withheld
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
