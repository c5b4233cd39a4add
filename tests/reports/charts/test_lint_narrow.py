from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from reports.charts.flow.fewer import fewer
from reports.privacy.flow import LINKS, NODES, OTHER, THROUGH, Flow, publishable_flow
from tests.reports import fixtures


@pytest.fixture(scope="module")
def whole() -> Flow:
    return publishable_flow(fixtures.flow_frame(), {"Order placed"}, 10)


def test_merging_touchpoints_keeps_the_number_of_journeys(whole: Flow) -> None:
    small = fewer(whole, 2)
    for table in ("nodes", "links"):
        totals = [getattr(flow, table).group_by("position").agg(pl.col("units").sum()) for flow in (whole, small)]
        assert totals[0].sort("position").equals(totals[1].sort("position"))
    for nodes in small.nodes.partition_by("position"):
        assert (nodes["kind"] == "touchpoint").sum() <= 2
        assert nodes["touchpoint"].is_unique().all()
    assert set(small.nodes.filter(pl.col("kind") == "goal")["touchpoint"]) == {"Order placed"}


def test_units_through_a_node_never_exceed_those_of_the_link(whole: Flow) -> None:
    small = fewer(whole, 2)
    keys = ["position", "source", "target"]
    both = small.through.join(small.links, on=keys, suffix="_all")
    assert both.height == small.through.height > 0
    assert (both["units"] <= both["units_all"] + 10).all()


def test_a_share_computed_from_bounds_reads_about() -> None:
    small = fewer(_flow([("A", 60, 0.5, "50.0 %"), ("B", 30, 0.1, "10.0 %"), ("C", 10, 0.02, "under 4.0 %")]), 1)
    rows = {row["touchpoint"]: row for row in small.nodes.to_dicts()}
    assert (rows["A"]["units"], rows["A"]["left_text"]) == (60, "50.0 %")
    assert (rows[OTHER]["units"], rows[OTHER]["left_share"]) == (40, 0.08)
    assert rows[OTHER]["left_text"].startswith("about 8.0")
    known = fewer(_flow([("A", 60, 0.5, "50.0 %"), ("B", 30, 0.1, "10.0 %"), ("C", 10, 0.02, "2.0 %")]), 1)
    assert known.nodes.filter(pl.col("touchpoint") == OTHER)["left_text"].to_list()[0].startswith("8.0")


def _flow(rows: list[tuple[str, int, float, str]]) -> Flow:
    nodes: list[dict[str, Any]] = [
        {
            "position": 1,
            "touchpoint": name,
            "kind": "touchpoint",
            "units": units,
            "share": units / 100,
            "left_share": left,
            "left_text": text,
            "goal_share": 0.0,
            "goal_text": "0.0 %",
        }
        for name, units, left, text in rows
    ]
    empty = [pl.DataFrame(schema=schema) for schema in (LINKS, THROUGH)]
    return Flow(pl.DataFrame(nodes, schema=NODES), *empty, units=100, rounded=False)
