"""Values that are called like the nodes of an answer stay apart from them."""

from __future__ import annotations

from collections import Counter

import polars as pl

from analytics import flow, flow_routes, step_matrix, transitions
from analytics.engine.units import ENDS, START
from analytics.paths.view import REST, node_names
from tests.written import paths

RESERVED = (START, *ENDS, REST)


def test_transitions_of_reserved_names_are_no_beginnings_or_ends() -> None:
    store = paths({"ann": "x@0m", "bo": "START@0m y@1m", "cy": "A@0m END_abandoned@1m END_open@2m B@3m"}, end="9d")
    table = transitions(store, unit="customer")
    edges = {row[:2]: row[2] for row in table.select("source", "target", "transitions").rows()}
    assert len(edges) == table.height
    begun = {target for source, target in edges if source == START}
    assert sum(edges[START, target] for target in begun) == 3 and begun == {"x", "'START'", "A"}
    assert edges["'START'", "y"] == 1
    assert not {source for source, _ in edges} & {*ENDS}
    assert sum(count for (_, target), count in edges.items() if target in ENDS) == 3


def test_a_flow_tells_a_value_called_other_from_the_rest() -> None:
    people = {f"u{n}": "A@0m" for n in range(30)}
    for n in range(30):
        people[f"u{n}"] += f" {'B' if n < 10 else 'C' if n < 18 else 'other' if n < 25 else f'rare{n}'}@1m"
    for top, rest in ((3, {"B": 10, "C": 8, "'other'": 7, REST: 5}), (2, {"B": 10, "C": 8, REST: 12})):
        table = flow(paths(people, end="9d"), depth=2, top=top, unit="customer").filter(source="A")
        assert dict(table.select("target", "units").rows()) == rest and table.height == len(rest)
    routes = flow_routes(paths(people, end="9d"), depth=2, top=3, unit="customer")
    assert Counter({row[0][-1]: row[1] for row in routes.select("route", "units").rows()})["'other'"] == 7


def test_no_two_nodes_have_one_name() -> None:
    words = [*RESERVED, *(f"'{word}'" for word in RESERVED), *(f"''{word}''" for word in RESERVED)]
    names = node_names(pl.Series(words), RESERVED).to_list()
    assert len(set(names)) == len(words) + len(RESERVED)
    matrix = step_matrix(paths({"ann": "END_open@0m b@1m", "bo": "b@0m"}, end="9d"), depth=2, unit="customer")
    assert sorted(matrix.select("position", "node").rows()) == [
        (1, "'END_open'"),
        (1, "b"),
        (2, "END_open"),
        (2, "b"),
    ]
