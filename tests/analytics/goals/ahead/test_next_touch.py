"""What follows a context is blended as the definition says, within sessions and groups."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import Paths, UnknownWordWarning, next_touch
from expectations.errors import DefinitionError
from tests.oracles.why.next_touch import chances, followers, used
from tests.written import START, assert_counts_add_up, frame_in_parts

touchpoints = st.sampled_from("abc")
visits = st.lists(
    st.tuples(st.sampled_from("xyz"), st.sampled_from(["web", None]), st.lists(touchpoints, min_size=1, max_size=6)),
    min_size=1,
    max_size=8,
)
Visits = list[tuple[str, str | None, list[str]]]


def shop(sessions: Visits, size: int = 10**9) -> Paths:
    """Sessions of customers, an hour apart; every other touch lies at the instant before it."""
    rows = [
        (who, START + timedelta(hours=number, minutes=place // 2), name, channel, number)
        for number, (who, channel, names) in enumerate(sessions)
        for place, name in enumerate(names)
    ]
    schema = {
        "customer": pl.String,
        "at": pl.Datetime("us", "UTC"),
        "touchpoint": pl.String,
        "channel": pl.String,
        "session": pl.UInt32,
    }
    return frame_in_parts(pl.DataFrame(rows, schema=schema, orient="row"), size)


def found(table: pl.DataFrame) -> tuple[dict[str, float], dict[str, int], int]:
    seen = table.filter(pl.col("seen") > 0)
    return (
        dict(zip(table["touchpoint"], table["chance"], strict=True)),
        dict(zip(seen["touchpoint"], seen["seen"], strict=True)),
        table["context_used"][0],
    )


@settings(deadline=None, max_examples=150)
@given(visits, st.lists(touchpoints, max_size=5), st.integers(0, 4))
def test_chances_are_those_of_the_definition_in_all_and_in_every_group(
    sessions: Visits, after: list[str], order: int
) -> None:
    words = {name for _, _, names in sessions for name in names}
    after = [name for name in after if name in words]
    table = next_touch(shop(sessions, 4), after, order=order, by="channel")
    groups: dict[tuple[bool, str | None], Visits] = {(True, None): sessions}
    for visit in sessions:
        groups.setdefault((False, visit[1]), []).append(visit)
    keyed = {(key[1], key[0]): rows for key, rows in table.partition_by("channel", "is_total", as_dict=True).items()}
    assert keyed.keys() == groups.keys()
    for key, own in groups.items():
        names, context = [visit[2] for visit in own], after[max(0, len(after) - order) :]
        chance, seen, length = found(keyed[key])
        assert chance == pytest.approx({name: float(each) for name, each in chances(names, context).items()})
        assert sum(chance.values()) == pytest.approx(1)
        assert length == used(names, context)
        assert seen == dict(followers(names, context[len(context) - length :]))
        people = {who for who, _, each in own if followers([each], context[len(context) - length :])}
        assert keyed[key]["context_customers"].unique().to_list() == [len(people)]


def test_counts_of_parts_add_up() -> None:
    from analytics.goals.ahead.next_touch import NextTouch

    sessions: Visits = [(who, None, list(names)) for who, names in zip("xyzx", ("abc", "ab", "ba", "c"), strict=True)]
    whole = shop(sessions)
    assert_counts_add_up(NextTouch.of(whole, ["a", "b"], by="channel"), whole, 2)


def test_a_context_ends_with_its_session_and_a_longer_unit_has_longer_ones() -> None:
    sessions: Visits = [("x", None, ["a"]), ("x", None, ["b"])]
    assert found(next_touch(shop(sessions), "a"))[1] == {"(end)": 1}
    assert found(next_touch(shop(sessions), "a", unit="customer"))[1] == {"b": 1}


def test_only_sessions_begun_in_the_range_and_touches_that_meet_the_condition_count() -> None:
    paths = shop([("x", "web", ["a", "b"]), ("y", "web", ["a", "c"])])
    late = next_touch(paths, "a", start=START + timedelta(minutes=30))
    assert found(late)[1] == {"c": 1} and set(late["touchpoint"]) == {"a", "c", "(end)"}
    assert found(next_touch(paths, "a", where=pl.col("touchpoint") != "b"))[1] == {"c": 1, "(end)": 1}


def test_a_touchpoint_called_like_leaving_stands_in_quotes() -> None:
    table = next_touch(shop([("x", None, ["a", "(end)"])]), "a")
    assert found(table)[1] == {"'(end)'": 1} and "(end)" in table["touchpoint"].to_list()


def test_no_touches_give_no_rows_and_one_touch_is_as_likely_as_leaving() -> None:
    empty = shop([])
    assert next_touch(empty).is_empty() and next_touch(empty, by="channel").columns[0] == "channel"
    assert found(next_touch(shop([("x", None, ["a"])]))) == ({"a": 0.5, "(end)": 0.5}, {"a": 1, "(end)": 1}, 0)


def test_an_unknown_touchpoint_is_warned_of_and_its_context_is_the_shorter_one() -> None:
    paths = shop([("x", None, ["a", "b"])])
    with pytest.warns(UnknownWordWarning, match="bb"):
        assert found(next_touch(paths, ["bb", "a"])) == found(next_touch(paths, "a"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"order": -1}, "so many touches"),
        ({"order": 1.5}, "so many touches"),
        ({"by": "none"}, "no column"),
        ({"by": pl.col("channel").alias("chance")}, "cannot be a breakdown"),
        ({"unit": "visit"}, "unit"),
    ],
)
def test_what_cannot_be_asked_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(DefinitionError, match=words):
        next_touch(shop([("x", None, ["a"])]), **options)


def test_paths_without_sessions_are_refused() -> None:
    with pytest.raises(DefinitionError, match="session"):
        next_touch(Paths.from_text({"ann": "a@0m"}))
