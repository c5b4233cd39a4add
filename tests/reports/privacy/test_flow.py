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


def test_the_move_of_a_single_customer_rounds_all_others() -> None:
    routes = [(["Ad", "Home"], "abandoned", 124, 0), (["Ad", "Shop"], "abandoned", 1, 0)]
    flow = publishable_flow(fixtures.flow_frame(routes), {"Buy"}, 10)
    assert flow.rounded and link(flow, "Ad", "Home")["units"] == 120


def test_a_flow_of_large_counts_is_exact_in_every_cell() -> None:
    routes = [
        (["Ad", "Home", "Buy"], "converted", 300, 300),
        (["Ad", "other"], "abandoned", 100, 0),
        (["Mail"], "abandoned", 50, 0),
        (["Mail", "Home"], "abandoned", 150, 0),
    ]
    flow = publishable_flow(fixtures.flow_frame(routes), {"Buy"}, 10)
    assert (flow.units, flow.rounded) == (600, False)
    nodes = {(row["position"], row["touchpoint"]): row for row in flow.nodes.to_dicts()}
    assert [(*key, row["kind"], row["units"], row["share"]) for key, row in nodes.items()] == [
        (1, "Ad", "touchpoint", 400, 0.6667),
        (1, "Mail", "touchpoint", 200, 0.3333),
        (2, "Home", "touchpoint", 450, 0.75),
        (2, "other", "other", 100, 0.1667),
        (3, "Buy", "goal", 300, 0.5),
    ]
    mail, home, ad = nodes[1, "Mail"], nodes[2, "Home"], nodes[1, "Ad"]
    assert (mail["left_share"], mail["left_text"]) == (0.25, "25.0 %")
    assert (home["left_share"], home["left_text"]) == (0.3333, "33.3 %")
    assert (ad["left_share"], ad["left_text"]) == (0.0, "0.0 %")
    assert (ad["goal_share"], ad["goal_text"]) == (0.75, "75.0 %")
    links = [(row["source"], row["target"], row["units"], row["share_of_source"]) for row in flow.links.to_dicts()]
    assert links == [
        ("Ad", "Home", 300, 0.75),
        ("Ad", "other", 100, 0.25),
        ("Mail", "Home", 150, 0.75),
        ("Home", "Buy", 300, 0.667),
    ]
    assert (1, "Ad", "Home", 3, "Buy", 300) in flow.through.rows()


def test_a_node_of_few_is_left_out_with_its_moves() -> None:
    routes = [(["Ad", "Home"], "abandoned", 120, 0), (["Mail", "Home"], "abandoned", 9, 0)]
    flow = publishable_flow(fixtures.flow_frame(routes), {"Buy"}, 10)
    assert flow.nodes.select("position", "touchpoint").rows() == [(1, "Ad"), (2, "Home")]
    assert flow.links["source"].to_list() == ["Ad"] and set(flow.through["source"]) == {"Ad"}


def test_a_few_who_leave_are_a_bound_and_no_count() -> None:
    routes = [(["Ad", "Home"], "converted", 91, 91), (["Ad"], "abandoned", 9, 0)]
    flow = publishable_flow(fixtures.flow_frame(routes), {"Home"}, 10)
    ad = flow.nodes.row(0, named=True)
    assert flow.rounded and (ad["units"], ad["left_text"]) == (
        100,
        "under 10.5 %",
    )  # 95 is the fewest that are 100 in tens
    assert published_links(flow)["goal_share"].to_list() == [flow.links["goal_share"][0]]
