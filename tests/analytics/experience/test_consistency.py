"""Channels are told apart by the interval of their difference, and of the same people where that is asked."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics import Paired, Paths, compare_paired, compare_shares, consistency
from analytics.statistics.intervals import newcombe
from expectations.errors import DefinitionError
from tests.written import START, at

counts = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(st.dictionaries(st.sampled_from("abcd"), counts, min_size=2), st.sampled_from([0.02, 0.05, 0.2]))
def test_a_verdict_is_that_of_the_interval_and_the_margin(shares: dict[str, tuple[int, int]], margin: float) -> None:
    found = compare_shares(shares, margin=margin)
    assert len(found) == len(shares) * (len(shares) - 1) // 2
    for row in found.to_dicts():
        ends = newcombe(*shares[row["channel"]], *shares[row["other"]])
        low, high = ends.low.item(), ends.high.item()
        assert (row["low"], row["high"]) == (low, high)
        inside, outside = -margin <= low <= high <= margin, low > margin or high < -margin
        assert row["verdict"] == ("consistent" if inside else "inconsistent" if outside else "not clear")


def shop(answers: list[tuple[str, str, int]]) -> Paths:
    rows: list[dict[str, Any]] = []
    for number, (who, channel, score) in enumerate(answers):
        seen = {"customer": who, "touchpoint": "visit", "channel": channel, "survey": None, "score": None}
        said = {"customer": who, "touchpoint": "say", "channel": None, "survey": "csat", "score": float(score)}
        rows += [{**seen, "at": at(f"{2 * number}h")}, {**said, "at": at(f"{2 * number + 1}h")}]
    return Paths.from_frame(pl.DataFrame(rows, infer_schema_length=None), end_of_data=START.replace(year=2025))


def test_an_answer_belongs_to_the_channel_before_it() -> None:
    answers = [(f"w{n}", "web", 5 if n % 5 else 1) for n in range(50)] + [(f"s{n}", "store", 5) for n in range(50)]
    (row,) = consistency(shop(answers)).to_dicts()
    assert (row["channel"], row["other"], row["n"], row["value"], row["value_other"]) == ("store", "web", 50, 1.0, 0.8)
    assert row["verdict"] == "inconsistent"


def test_of_the_same_people_the_last_answer_in_each_channel_counts() -> None:
    both = [(f"b{n}", channel, 5) for n in range(20) for channel in ("web", "store")]
    changed = [("c", "web", 1), ("c", "web", 5), ("c", "store", 1)]
    alone = [(f"a{n}", "web", 1) for n in range(30)]
    (row,) = consistency(shop(both + changed + alone), paired=True).to_dicts()
    assert (row["n"], row["value"], row["value_other"]) == (21, 20 / 21, 1.0)
    expected = compare_paired({("store", "web"): Paired(20, 0, 1, 0)})
    assert pl.DataFrame([row], schema=expected.schema).equals(expected)


@pytest.mark.parametrize("margin", [0, 1, -0.1])
def test_a_margin_is_a_share(margin: float) -> None:
    for asked in (compare_shares, compare_paired):
        with pytest.raises(DefinitionError, match="margin"):
            asked({}, margin=margin)


def test_what_has_no_share_is_refused_or_left_out() -> None:
    with pytest.raises(DefinitionError, match="no share"):
        compare_shares({"a": (3, 2)})
    assert compare_shares({"a": (0, 0), "b": (1, 2)}).is_empty()
    assert compare_paired({("a", "b"): Paired(0, 0, 0, 0)}).is_empty()
    with pytest.raises(DefinitionError, match="no column"):
        consistency(shop([("a", "web", 5)]), over="chanel")
