"""What is watched is counted as the oracle counts it, by period and group, in any cut of the customers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import Pair, PathRules, Paths, watch_counts, watched_pairs
from expectations.errors import DefinitionError
from tests.oracles.why import watching
from tests.written import frame_in_parts

START = datetime(2024, 1, 1, tzinfo=UTC)
TOUCH = st.tuples(st.integers(0, 20), st.sampled_from(["look", "cart", "buy"]), st.sampled_from(["web", "app", None]))
PEOPLE = st.dictionaries(st.sampled_from(["ann", "bo", "cy", "di", "ed"]), st.lists(TOUCH, min_size=1), min_size=1)


@given(people=PEOPLE, size=st.integers(1, 9), days=st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_pairs_are_counted_as_the_oracle_counts_them(
    people: dict[str, list[tuple[int, str, str | None]]], size: int, days: int
) -> None:
    touches = [(who, at / 4, name, group) for who, own in people.items() for at, name, group in own]
    frame = pl.DataFrame(
        {
            "customer": [row[0] for row in touches],
            "at": [START + timedelta(days=row[1]) for row in touches],
            "touchpoint": [row[2] for row in touches],
            "channel": pl.Series([row[3] for row in touches], dtype=pl.String),
        }
    ).sort("at", maintain_order=True)
    paths = frame_in_parts(frame, size, START + timedelta(days=60))
    found = watch_counts(paths, [Pair("look", "buy", timedelta(days=days))], groups=["channel"])
    rows = found.filter(measure="pair")
    journeys = []
    for who in people:
        own = frame.filter(customer=who)
        at = [(time - START) / timedelta(days=1) for time in own["at"]]
        journeys.append((who, list(zip(at, own["touchpoint"], own["channel"], strict=True))))
    expected = watching.pair_counts(journeys, "look", "buy", days)
    given_rows = {
        (row["group"], (row["period"] - START).days): (row["of"], row["count"], row["customers"])
        for row in rows.iter_rows(named=True)
    }
    assert given_rows == expected


def test_stages_the_goal_and_volumes_are_counted_beside_pairs() -> None:
    stages = [{"name": "Look", "touchpoints": ["look"]}, {"name": "Cart", "touchpoints": ["cart"]}]
    rules = PathRules(goal=["buy"], stages=stages)
    visits = {"ann": "look@0d cart@1d buy@2d", "bo": "look@0d error@0d", "cy": "look@1d cart@9d"}
    shop = Paths.from_text(visits, end="60d", rules=rules)
    found = watch_counts(shop, window="7d").filter(pl.col("of") > 0)
    rows = {
        (row["measure"], row["name"], (row["period"] - START).days): (row["of"], row["count"], row["went"], row["won"])
        for row in found.iter_rows(named=True)
    }
    assert rows["stage", "Look -> Cart", 0] == (2, 1, 1, 1)
    assert rows["stage", "Look -> Cart", 1] == (1, 0, 0, 0)
    assert rows["stage", "Cart -> goal", 0] == (1, 1, 1, 1)
    assert rows["goal", "goal rate", 0] == (2, 1, 1, 1)
    assert rows["touchpoint", "look", 0] == (2, 2, 0, 0)
    assert rows["errors", "errors", 0] == (3, 1, 0, 0)


def test_slow_pages_and_low_answers_are_shares_of_pages_and_answers() -> None:
    text = "page@0d[load_seconds=1.0] page@0d[load_seconds=4.0] page@1d answer@1d[survey=nps,score=6.0]"
    shop = Paths.from_text({"ann": text, "bo": "answer@1d[survey=nps,score=9.0]"}, end="9d")
    found = watch_counts(shop)
    assert found.filter(measure="slow pages")["of", "count"].rows() == [(2, 1)]
    assert found.filter(measure="survey")["name", "of", "count", "customers"].rows() == [("nps", 2, 1, 2)]


def test_pairs_are_those_that_follow_in_a_fifth_of_journeys_with_the_window_of_most() -> None:
    people = {f"c{n}": "look@0d" + (" cart@1h" if n < 4 else "") + (" buy@3d" if n < 1 else "") for n in range(10)}
    found = watched_pairs(Paths.from_text(people, end="30d"))
    assert [(pair.name, pair.window) for pair in found.pairs] == [
        ("look -> cart", timedelta(hours=1)),
        ("cart -> buy", timedelta(days=7)),
    ]
    assert found.follows["look", "buy"] == pytest.approx(0.1)


def test_nothing_is_counted_of_nothing_and_bad_words_are_refused() -> None:
    empty = Paths.from_text({})
    assert watch_counts(empty).is_empty()
    shop = Paths.from_text({"ann": "look@0d[price=2.0]"})
    with pytest.raises(DefinitionError, match="cannot be watched"):
        watch_counts(shop, groups=["price"])
    with pytest.raises(DefinitionError, match="no column"):
        watch_counts(shop, groups=["devise"])
    with pytest.raises(DefinitionError, match="period"):
        watch_counts(shop, period="year")  # type: ignore[arg-type]
