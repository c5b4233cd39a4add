"""A customer has at most one value of a unique kind, however events link them."""

from __future__ import annotations

import random
import time
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.identity.graph import components
from analytics.identity.resolution import customers
from analytics.identity.rules import IdentityRules
from analytics.identity.unique import Labels, NodeNumbers, split_by_unique
from analytics.touches.rules import PathRules
from tests.analytics.identity.test_resolution import as_frame, story

NODES = 9


def owners(text: str, **identities: Any) -> list[tuple[str, str]]:
    """Value of the customer key, and how it was linked, of every event of a story, by the default rules."""
    found = customers(as_frame(story(text)), PathRules(identities=IdentityRules(**identities)))
    return [(key.split(":")[1], linked) for key, linked in found.select("customer", "linked").iter_rows()]


def test_two_people_who_log_in_on_one_device_stay_two_customers() -> None:
    """B, then C an hour later, on device A: each visit goes to the nearest login of its session."""
    day = "0 a=A; 1 a=A c=B; 2 a=A c=B; 60 a=A c=C; 61 a=A c=C; 62 a=A"
    assert [who for who, _ in owners(day)] == ["B", "B", "B", "C", "C", "C"]
    assert owners(day)[0] == ("B", "session")
    assert {who for who, _ in owners(day, unique=[])} == {"B"}, "joined without the rule"


def test_a_shared_device_is_nobodys_outside_the_sessions_of_its_logins() -> None:
    assert owners("0 a=A c=B; 60 a=A c=C; 200 a=A")[2] == ("A", "anonymous")


def test_an_identity_belongs_to_the_nearest_value() -> None:
    """ann - phone - cookie - tablet - bob: the phone is hers, the tablet his, the cookie between them is shared."""
    between = "0 c=ann d=phone; 1 d=phone a=cookie; 2 a=cookie d=tablet; 3 d=tablet c=bob; 90 d=phone; 120 d=tablet"
    assert owners(between)[4:] == [("ann", "device"), ("bob", "device")]
    assert owners(f"{between}; 300 a=cookie")[6] == ("cookie", "anonymous")


def test_an_identity_behind_a_tied_one_is_tied() -> None:
    found = owners("0 c=ann d=phone; 1 c=bob d=phone; 2 d=phone a=cookie; 90 a=cookie")
    assert found[3] == ("cookie", "anonymous")


def test_an_event_with_identities_of_two_customers_joins_nothing() -> None:
    both = "0 c=ann a=x; 1 c=bob d=y; 2 a=x d=y; 90 a=x; 120 d=y"
    assert [who for who, _ in owners(both)] == ["ann", "bob", "bob", "ann", "bob"]


def test_several_unique_kinds_apply_in_the_order_of_trust() -> None:
    """A customer with two cards keeps, with both kinds unique, neither: the login is as near to one as to the other."""
    cards = "0 c=ann l=1; 60 c=ann l=2; 120 c=ann a=x; 180 a=x"
    assert {who for who, _ in owners(cards)} == {"ann"}
    rules: dict[str, Any] = {"kinds": ["customer_id", "card", "anonymous_id"], "unique": ["card", "customer_id"]}
    assert [who for who, _ in owners(cards, **rules)] == ["1", "2", "ann", "x"]


edges = st.lists(st.tuples(st.integers(0, NODES - 1), st.integers(0, NODES - 1)), max_size=14)


def nearest(pairs: set[tuple[int, int]], values: set[int]) -> tuple[list[frozenset[int]], set[int]]:
    """Groups and tied nodes, one node and one value at a time."""
    near: dict[int, set[int]] = {node: {node} & values for node in range(NODES)}
    reached = {value: {value} for value in values}
    for _ in range(NODES):
        step = {v: {b for a, b in pairs if a in reached[v]} - reached[v] for v in values}
        for node in range(NODES):
            if not near[node]:
                near[node] = {v for v in values if node in step[v]}
        for value, nodes in step.items():
            reached[value] |= nodes
    tied = {node for node in range(NODES) if len(near[node]) > 1}
    groups: dict[Any, set[int]] = {}
    for node in range(NODES):
        free = min({node} | {a for a in range(NODES) if node in component(a, pairs)})
        key = ("tied", node) if node in tied else ("of", *near[node]) if near[node] else ("free", free)
        groups.setdefault(key, set()).add(node)
    return [frozenset(group) for group in groups.values()], tied


def component(node: int, pairs: set[tuple[int, int]]) -> set[int]:
    found = {node}
    while more := {b for a, b in pairs if a in found} - found:
        found |= more
    return found


@given(edges, st.sets(st.integers(0, NODES - 1), max_size=5), st.integers(0, 99))
def test_random_links_are_split_as_by_hand_in_any_order(
    links: list[tuple[int, int]], values: set[int], seed: int
) -> None:
    pairs = {pair for a, b in links if a != b for pair in ((a, b), (b, a))}
    expected, tied = nearest(pairs, values)
    once = random.Random(seed).sample([pair for pair in pairs if pair[0] < pair[1]], len(pairs) // 2)
    array = np.array(once, np.int32).reshape(-1, 2).T
    label = np.array([min(component(node, pairs)) for node in range(NODES)], np.int32)
    split = split_by_unique(Labels(label, array, np.zeros(NODES, np.bool_)), np.isin(np.arange(NODES), [*values]))
    groups = {frozenset(np.flatnonzero(split.label == each).tolist()) for each in split.label}
    assert groups == set(expected)
    assert set(np.flatnonzero(split.tied).tolist()) == tied
    assert {(a, b) for a, b in split.links.T.tolist()} == {(a, b) for a, b in once if split.label[a] == split.label[b]}


def test_a_chain_of_made_up_cards_does_not_join_its_logins() -> None:
    chain = ";".join(f"{n} c=C{n + who} l=made-up-{n}" for n in range(60) for who in (0, 1))
    assert len({who for who, _ in owners(chain)}) == 61


def numbered(count: int, links: NodeNumbers, values: list[int]) -> pl.DataFrame:
    kind = pl.Series("kind", np.where(np.isin(np.arange(count), values), "customer_id", "anonymous_id"))
    nodes = pl.DataFrame({"kind": kind, "login": kind == "customer_id"})
    return components(nodes, links, IdentityRules(max_degree=10 * count))[0]


@pytest.mark.parametrize("shape", ["chain", "star", "tree"])
def test_a_component_of_a_million_values_is_split_quickly(shape: str) -> None:
    """Two logins at its ends, or a third of its values logins."""
    count = 1_000_000
    child = np.arange(1, count)
    parent = {"chain": child - 1, "star": np.zeros_like(child), "tree": child // 2}[shape]
    links = np.stack([parent, child]).astype(np.int32)
    for values in ([1, count - 1], list(range(0, count, 3))):
        begin = time.process_time()
        nodes = numbered(count, links, values)
        assert time.process_time() - begin < 10, "takes about a second"
        assert nodes.filter("login").group_by("customer").len()["len"].max() == 1
