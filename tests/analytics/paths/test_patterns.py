"""A pattern is a regular expression over whole touches, and finds what the slow reading of it finds."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import Selection, Step, match, matches, wilson
from expectations.errors import DefinitionError
from tests.analytics.paths.test_transitions import PEOPLE, SIZE, paths_of, units_of
from tests.oracles.whole_paths.patterns import spans, timed
from tests.written import START, paths

MANY = int(os.environ.get("JOURNEYS_EXAMPLES", "60"))
SHOP = {"ann": "home@0m cart@1m look@2m", "bo": "home@0m look@1m cart@2m buy@3m", "cy": "look@0m"}


def found(journeys: dict[str, str], pattern: str) -> list[tuple[Any, ...]]:
    return matches(paths(journeys), pattern)["customer", "position", "touches"].rows()


@pytest.mark.parametrize(
    ("pattern", "rows"),
    [
        ("home cart", [("ann", 1, 2)]),
        ("home .* cart", [("ann", 1, 2), ("bo", 1, 3)]),
        ("home .* cart (?!buy)* $", [("ann", 1, 3)]),
        ("^ look", [("cy", 1, 1)]),
        ("[cart buy]", [("ann", 2, 1), ("bo", 3, 1), ("bo", 4, 1)]),
        ("[^cart look]+", [("ann", 1, 1), ("bo", 1, 1), ("bo", 4, 1)]),
        ("(home | look){2}", [("bo", 1, 2)]),
        ("cart (look | buy)", [("ann", 2, 2), ("bo", 3, 2)]),
        ("home <=1m cart", [("ann", 1, 2)]),
        ("home >1m cart buy", [("bo", 1, 4)]),
        ("nowhere", []),
    ],
)
def test_a_pattern_finds(pattern: str, rows: list[tuple[Any, ...]]) -> None:
    assert found(SHOP, pattern) == rows


def test_names_with_blanks_are_quoted() -> None:
    frame = paths({"ann": "a@0m b@1m"}).touches.collect().with_columns(pl.col("touchpoint") + " page")
    from analytics import Paths

    assert matches(Paths.from_frame(frame), "'a page' \"b page\"").height == 1


def test_a_summary_counts_units_customers_and_the_goal() -> None:
    journeys = {
        "ann": "home@0m[journey=1,outcome=converted] buy@1m[journey=1,outcome=converted]",
        "bo": "home@0m[journey=1,outcome=abandoned] look@5m[journey=1,outcome=abandoned] "
        "home@9m[journey=1,outcome=abandoned]",
    }
    row = match(paths(journeys, end="60d"), "look home").row(0, named=True)
    assert (row["units"], row["matching"], row["customers"], row["matches"]) == (2, 1, 1, 1)
    assert (row["goal_rate"], row["goal_rate_without"]) == (0.0, 1.0)
    assert (row["median_position"], row["median_delay"], row["median_duration"]) == (
        2.0,
        timedelta(minutes=5),
        timedelta(minutes=4),
    )


def test_groups_follow_the_total_and_the_share_is_judged_by_customers() -> None:
    journey = "home@{0}m[journey={1},device={2}] {2}@{0}m[journey={1},device={2}]"
    shop = {
        f"c{i}": " ".join(journey.format(9 * n, n + 1, "phone" if i < 2 else "desk") for n in range(4))
        for i in range(4)
    }
    table = match(paths(shop), "home phone", by="device")
    counts = ["device", "is_total", "units", "matching", "share_of_units", "customers"]
    expected = [(None, True, 16, 8, 0.5, 2), ("desk", False, 8, 0, 0.0, 0), ("phone", False, 8, 8, 1.0, 2)]
    assert table.select(counts).rows() == expected
    assert table.head(1).drop("device").equals(match(paths(shop), "home phone"))
    low, high = wilson([2, 0, 2], [4, 2, 2])
    assert table["share_of_units_low"].to_list() == pytest.approx(low.tolist())
    assert table["share_of_units_high"].to_list() == pytest.approx(high.tolist())


def test_only_units_match_that_begin_in_the_range() -> None:
    shop = paths({"ann": "a@0m[journey=1] b@9m[journey=1] a@20m[journey=2] c@21m[journey=2]"})
    later = START + timedelta(minutes=1)
    assert match(shop, "a", start=later)["units", "matches"].row(0) == (1, 1)
    found = matches(shop, "a c", start=later, where=pl.col("touchpoint") != "b")
    assert found["unit", "position", "touches"].rows() == [(1, 1, 2)]


def test_steps_may_overlap_and_read_columns() -> None:
    journeys = {"ann": "pay@0m[value=1] pay@1m[value=9]"}
    steps = {"small": Step("pay"), "large": Step("*", pl.col("value") > 5)}
    assert match(paths(journeys), "small large", steps=steps)["matches"].item() == 1
    assert match(paths(journeys), "large small", steps=steps)["matches"].item() == 0


@pytest.mark.parametrize("pattern", ["", "a*", "(a", "a )", "[a", "a ]", "a <5m", "<5m a", "(a <5m b)", "a{2", "^ $"])
def test_an_invalid_pattern_raises_an_error(pattern: str) -> None:
    with pytest.raises(DefinitionError, match="pattern"):
        match(paths(SHOP), pattern)


@pytest.mark.parametrize("names", [8, 9, 16, 17, 64])
def test_every_name_of_a_pattern_is_sought(names: int) -> None:
    long = " ".join(f"t{place}@{place}m" for place in range(names))
    pattern = " ".join(f"t{place}" for place in range(names))
    assert found({"ann": long, "bo": long.replace(f"t{names - 1}@", "t0@")}, pattern) == [("ann", 1, names)]


def test_a_pattern_of_too_many_names_is_rejected() -> None:
    with pytest.raises(DefinitionError, match="at most 64 names"):
        match(paths(SHOP), " ".join(f"t{place}" for place in range(65)))


def test_no_touches_give_no_matches() -> None:
    assert match(paths({}), "a")["units", "matching", "share_of_units"].rows() == [(0, 0, None)]
    assert matches(paths({}), "a").is_empty()
    assert match(paths({"ann": "a@0m"}), "a", among=Selection(start="b"))["units"].item() == 0


TOUCH = st.builds(
    lambda n, f: ("touch", tuple(n), f), st.lists(st.sampled_from("abc"), min_size=1, max_size=2), st.booleans()
)
NODE = st.recursive(
    TOUCH,
    lambda inner: st.one_of(
        st.builds(lambda a, b: ("then", a, b), inner, inner),
        st.builds(lambda a, b: ("or", a, b), inner, inner),
        st.builds(
            lambda a, n: ("many", a, n[0], n[1]), inner, st.sampled_from([(0, 9), (1, 9), (0, 1), (2, 2), (1, 2)])
        ),
    ),
    max_leaves=5,
)
SIGNS = {(0, 9): "*", (1, 9): "+", (0, 1): "?", (2, 2): "{2}", (1, 2): "{1,2}"}


def written(node: Any) -> str:
    kind = node[0]
    if kind == "touch":
        return f"[{'^' if node[2] else ''}{' '.join(node[1])}]"
    if kind == "then":
        return f"{written(node[1])} {written(node[2])}"
    if kind == "or":
        return f"({written(node[1])} | {written(node[2])})"
    return f"({written(node[1])}){SIGNS[node[2], node[3]]}"


def rows_of(units: list, read: Any) -> list[tuple[str, int, int, int]]:
    rows, numbers = [], {}
    for customer, _, path in units:
        numbers[customer] = numbers.get(customer, 0) + 1
        rows += [(customer, numbers[customer], place + 1, size) for place, size in read(list(path))]
    return sorted(rows)


@settings(deadline=None, max_examples=MANY)
@given(PEOPLE, SIZE, NODE, st.sampled_from(["", "begin", "end"]))
def test_matches_are_those_of_the_slow_reading(people: list, size: int, node: Any, anchor: str) -> None:
    units = units_of(people)
    text = {"": "{}", "begin": "^ {}", "end": "{} $"}[anchor].format(f"({written(node)})")
    node = {"": node, "begin": ("then", ("begin",), node), "end": ("then", node, ("end",))}[anchor]
    shop = paths_of(units, size)
    try:
        table = matches(shop, text)
    except DefinitionError:
        return
    expected = rows_of(units, lambda path: spans(node, path))
    assert table["customer", "unit", "position", "touches"].rows() == expected
    row = match(shop, text).row(0, named=True)
    matching = {hit[:2] for hit in expected}
    assert (row["units"], row["matching"], row["matches"]) == (len(units), len(matching), len(expected))
    assert row["customers"] == len({customer for customer, _ in matching})


@settings(deadline=None, max_examples=60)
@given(PEOPLE, SIZE, st.sampled_from("abc"), st.sampled_from(["<", "<=", ">", ">=", "="]), st.integers(0, 12))
def test_pauses_are_those_of_the_slow_reading(people: list, size: int, name: str, sign: str, seconds: int) -> None:
    units = units_of(people)
    table = matches(paths_of(units, size), f"{name} {sign}{seconds}s b")
    expected = rows_of(units, lambda path: timed(name, sign, seconds, "b", path))
    assert table["customer", "unit", "position", "touches"].rows() == expected
