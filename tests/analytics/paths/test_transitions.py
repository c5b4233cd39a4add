"""Transitions count every pair of neighbouring touches, and nothing is lost at a node."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import Paths, transitions
from analytics.store.ordering import TOUCHES_PER_PART, split_at_customers
from expectations.errors import DefinitionError
from tests.oracles.paths import Unit, edges
from tests.written import START, frame_in_parts, paths

OUTCOMES = st.sampled_from(["converted", "abandoned", "open"])
TOUCHES = st.lists(st.tuples(st.integers(0, 20), st.sampled_from("abc")), min_size=1, max_size=5)
JOURNEYS = st.lists(st.tuples(OUTCOMES, TOUCHES), min_size=1, max_size=6)
CUSTOMERS = st.sampled_from([2, 3, 4, 5, 6, 1, 0])
"""The first is drawn most often: several, rarely one or none."""
LATER = START + timedelta(days=60)
"""The end of the data, when every journey is mature."""
SIZE = st.integers(1, 15)
"""About how many touches a part has: so few that the customers of a case lie in several parts."""


@st.composite
def crowds(draw: st.DrawFn) -> list[list[tuple[str, list[tuple[int, str]]]]]:
    """The journeys of none to six customers, who share some: their paths, and the times of their touches."""
    journey = st.sampled_from(draw(JOURNEYS))
    return [draw(st.lists(journey, min_size=1, max_size=3)) for _ in range(draw(CUSTOMERS))]


PEOPLE = crowds()


def units_of(people: list[list[tuple[str, list[tuple[int, str]]]]]) -> list[Unit]:
    """Journeys one after the other; only a customer's last one can be open."""
    units: list[Unit] = []
    for person, journeys in enumerate(people):
        for number, (outcome, touches) in enumerate(journeys):
            last = number == len(journeys) - 1
            named = "abandoned" if outcome == "open" and not last else outcome
            path = sorted(((number * 100 + t, name) for t, name in touches), key=lambda touch: touch[0])
            units.append((f"c{person}", named, path))
    return units


def paths_of(units: list[Unit], size: int = TOUCHES_PER_PART) -> Paths:
    """The touches of units, in the order of their times; every other customer's clock is half a second late."""
    rows, journeys = [], {}
    for customer, outcome, path in units:
        journeys[customer] = journeys.get(customer, 0) + 1
        for seconds, name in path:
            at = START + timedelta(seconds=seconds + int(customer[1:]) % 2 / 2)
            row = {"customer": customer, "at": at, "touchpoint": name, "journey": journeys[customer]}
            rows.append({**row, "outcome": outcome})
    schema = {"customer": pl.String, "at": pl.Datetime("us", "UTC"), "touchpoint": pl.String}
    frame = pl.DataFrame(rows, schema={**schema, "journey": pl.UInt32, "outcome": pl.String})
    return frame_in_parts(frame.sort("at", maintain_order=True), size, LATER)


def test_a_journey_runs_from_start_to_its_end() -> None:
    table = transitions(paths({"ann": "visit@0m pay@5m"}))
    assert table["source", "target", "transitions", "customers"].sort("source").rows() == [
        ("START", "visit", 1, 1),
        ("pay", "END_open", 1, 1),
        ("visit", "pay", 1, 1),
    ]
    wait = table.filter(pl.col("target") == "pay")["median_wait"].item()
    assert wait == timedelta(minutes=5)


def test_a_value_that_is_called_like_a_node_is_no_node() -> None:
    named = paths({"ann": "x@0m", "bo": "START@0m y@1m", "cy": "END_open@0m 'START'@1m"})
    found = sorted(transitions(named)["source", "target", "transitions"].rows())
    assert found == [
        ("''START''", "y", 1),
        ("'END_open'", "'START'", 1),
        ("'START'", "END_open", 1),
        ("START", "''START''", 1),
        ("START", "'END_open'", 1),
        ("START", "x", 1),
        ("x", "END_open", 1),
        ("y", "END_open", 1),
    ]


def test_repeats_are_merged_on_request() -> None:
    journey = {"ann": "visit@0m visit@1m pay@5m"}
    assert ("visit", "visit") in transitions(paths(journey))["source", "target"].rows()
    assert ("visit", "visit") not in transitions(paths(journey), collapse=True)["source", "target"].rows()


def test_a_breakdown_takes_the_value_at_the_first_touch_of_the_unit() -> None:
    journey = {"ann": "visit@0m[device=phone] pay@5m[device=desk]", "bo": "visit@0m[device=desk]"}
    table = transitions(paths(journey), by="device")
    total = table.filter("is_total")
    assert total["device"].null_count() == len(total)
    assert total.drop("device").equals(transitions(paths(journey)))
    assert table[: len(total)].equals(total)
    assert table.filter(~pl.col("is_total"))["device", "source", "target"].rows() == [
        ("desk", "START", "visit"),
        ("desk", "visit", "END_open"),
        ("phone", "START", "visit"),
        ("phone", "pay", "END_open"),
        ("phone", "visit", "pay"),
    ]


def test_no_touches_give_no_rows_with_the_right_columns() -> None:
    assert transitions(paths({})).columns == [
        "is_total",
        "source",
        "target",
        "transitions",
        "customers",
        "share_of_source",
        "median_wait",
        "p95_wait",
    ]


def test_an_unknown_unit_or_column_raises_an_error() -> None:
    with pytest.raises(DefinitionError, match="did you mean 'session'"):
        transitions(paths({"ann": "a@0m"}), unit="sesion")
    with pytest.raises(DefinitionError, match="no column 'session'"):
        transitions(paths({"ann": "a@0m"}), unit="session")
    with pytest.raises(DefinitionError, match="no column 'region'"):
        transitions(paths({"ann": "a@0m"}), by="region")


def test_a_session_ends_with_the_outcome_of_its_journey() -> None:
    journey = "a@0m[session=1,journey=1,outcome=converted] b@99m[session=2,journey=1,outcome=converted]"
    table = transitions(paths({"ann": journey}), unit="session")
    assert ("a", "END_abandoned") in table["source", "target"].rows()
    assert ("b", "END_converted") in table["source", "target"].rows()


@settings(deadline=None, max_examples=60)
@given(PEOPLE, SIZE, st.booleans())
def test_edges_are_those_of_the_definition(people: list, size: int, collapse: bool) -> None:
    units = units_of(people)
    table = transitions(paths_of(units, size), collapse=collapse)
    found = {
        (row["source"], row["target"]): (
            row["transitions"],
            row["customers"],
            row["median_wait"] and row["median_wait"].total_seconds(),
        )
        for row in table.iter_rows(named=True)
    }
    expected = edges(units, collapse)
    assert {edge: (n, c, wait or None) for edge, (n, c, wait) in found.items()} == {
        edge: (n, c, wait or None) for edge, (n, c, wait) in expected.items()
    }


@settings(deadline=None, max_examples=60)
@given(PEOPLE, SIZE, st.sampled_from(["customer", "journey"]), st.booleans())
def test_inflow_and_starts_equal_outflow_and_ends_at_every_node(
    people: list, size: int, unit: str, collapse: bool
) -> None:
    table = transitions(paths_of(units_of(people), size), unit=unit, collapse=collapse)
    inflow = dict(table.group_by("target").agg(pl.col("transitions").sum()).rows())
    outflow = dict(table.group_by("source").agg(pl.col("transitions").sum()).rows())
    nodes = {node for node in inflow | outflow if node != "START" and not node.startswith("END_")}
    assert all(inflow[node] == outflow[node] for node in nodes)
    assert outflow.get("START", 0) == sum(n for node, n in inflow.items() if node.startswith("END_"))


def test_parts_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    journeys = {f"c{i}": "a@0m b@1m a@2m" for i in range(9)}
    whole = transitions(paths(journeys))
    monkeypatch.setattr("analytics.store.paths.split_at_customers", lambda counts: split_at_customers(counts, 4))
    split = paths(journeys)
    assert len(split.parts) == 9
    assert transitions(split).equals(whole)
