"""The published flow: shares are of true counts, bounds reveal none, and nothing is said of what was not followed."""

from __future__ import annotations

import polars as pl
import pytest

from reports.privacy.flow import Flow, publishable_flow, published_links
from reports.privacy.rules import rough_share
from tests.reports import fixtures

ROUTES = [
    (["Ad", "Home"], None, 1244, 300),
    (["Ad", "Shop"], None, 624, 5),
    (["Ad", "Cart"], None, 14, 3),
    (["Ad", "Help"], None, 4, 0),
    (["Mail", "Home"], None, 90, 20),
    (["Mail"], "END_abandoned", 40, 0),
]


@pytest.fixture
def flow() -> Flow:
    return publishable_flow(fixtures.flow_frame(ROUTES), {"Buy"}, 10)


def link(flow: Flow, source: str, target: str) -> dict[str, object]:
    return flow.links.filter(pl.col("source") == source, pl.col("target") == target).row(0, named=True)


def test_a_share_of_rounded_counts_has_no_more_digits_than_these(flow: Flow) -> None:
    assert flow.rounded
    assert link(flow, "Ad", "Home")["share_of_source"] == 0.66  # 1,244 of 1,886, in steps of 0.01
    assert link(flow, "Mail", "Home")["share_of_source"] == 0.7  # 90 of 130, in tenths


def test_a_bound_reveals_no_exact_count(flow: Flow) -> None:
    assert link(flow, "Ad", "Cart")["units"] == 10
    assert link(flow, "Ad", "Cart")["goal_text"] == "under 100.0 %"  # of 14 it was "under 71.4 %"
    for _, _, units, converted in ROUTES[1:3]:
        text = link(flow, "Ad", "Shop" if units == 624 else "Cart")["goal_text"]
        assert converted / units <= float(str(text).split()[1]) / 100


def test_files_have_no_number_where_only_a_bound_is_published(flow: Flow) -> None:
    shares = dict(published_links(flow).select("target", "goal_share").iter_rows())
    assert shares["Shop"] is None and shares["Cart"] is None


def test_nothing_is_said_of_leaving_where_units_are_not_followed_on(flow: Flow) -> None:
    texts = {(p, name): text for p, name, text in flow.nodes.select("position", "touchpoint", "left_text").iter_rows()}
    assert texts[2, "Home"] == "–"
    assert texts[1, "Mail"] == "30 %"  # 40 of 130, in tenths


def test_shares_beside_rounded_counts_cover_k_units(flow: Flow) -> None:
    home = link(flow, "Ad", "Home")
    assert (home["units"], home["goal_share"], home["goal_text"]) == (1240, 0.24, "24 %")  # 300 of 1,244
    for frame in (flow.nodes, flow.links):
        for units, share, text in frame.select("units", "goal_share", "goal_text").iter_rows():
            assert not text[0].isdigit() or share == rough_share(share * units, units, 10)


def test_cells_are_judged_by_customers_not_by_units() -> None:
    routes = [(["Ad", "Home"], "converted", 300, 300), (["Ad", "Shop"], "abandoned", 10, 0)]
    one_each, fewer = (publishable_flow(fixtures.flow_frame(routes, share), {"Buy"}, 10) for share in (1.0, 0.9))
    assert not one_each.rounded and link(one_each, "Ad", "Shop")["units"] == 10
    assert fewer.rounded and fewer.links["target"].to_list() == ["Home"]  # 10 journeys of 9 customers


def test_what_few_customers_did_often_has_no_share_and_no_bound() -> None:
    routes = [(["Ad", "Home"], "converted", 40, 40), (["Ad", "Home"], "abandoned", 300, 0)]
    cells = fixtures.flow_frame(routes).with_columns(customers_reached=pl.min_horizontal("customers_reached", 9))
    flow = publishable_flow(cells, {"Buy"}, 10)
    assert set(flow.links["goal_text"]) == {"–"}  # under 2.9 % would be false
    assert published_links(flow)["goal_share"].to_list() == [None]
