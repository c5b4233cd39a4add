"""Answers belong to invitations as the definition says."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import Paths, UnknownWordWarning, response_rate
from expectations.errors import DefinitionError
from tests.written import START

COUNTS = ("invitations", "answered", "open", "answered_open", "uninvited")
names, surveys = st.sampled_from(["ask", "tell", "look"]), st.sampled_from(["nps", "csat"])
touch = st.tuples(st.sampled_from("abc"), st.integers(0, 40), names, surveys)


def shop(rows: list[tuple[str, int, str, str]], end: float) -> Paths:
    touches = [
        (who, START + timedelta(days=at / 4), name, survey, "web" if who == "a" else None)
        for who, at, name, survey in rows
    ]
    frame = pl.DataFrame(
        touches,
        schema={
            "customer": pl.String,
            "at": pl.Datetime("us", "UTC"),
            "touchpoint": pl.String,
            "survey": pl.String,
            "channel": pl.String,
        },
        orient="row",
    )
    return Paths.from_frame(frame, end_of_data=START + timedelta(days=end))


def counted(rows: list[tuple[str, int, str, str]], end: float, within: float) -> dict[str, list[int]]:
    """The counts of each survey: an answer looks for the latest invitation of its customer that has none."""
    found: dict[str, list[int]] = {}
    for survey in ("nps", "csat"):
        own = [(who, at / 4, name) for who, at, name, of in rows if of == survey and name != "look"]
        counts = [0, 0, 0, 0, 0]
        for who in "abc":
            asked = [[at, False] for name, at, what in own if name == who and what == "ask"]
            for at in sorted(at for name, at, what in own if name == who and what == "tell"):
                free = [each for each in asked if each[0] <= at <= each[0] + within and not each[1]]
                if free:
                    max(free, key=lambda each: each[0])[1] = True
                else:
                    counts[4] += 1
            for at, answered in asked:
                old = at + within <= end
                counts[0 if old else 2] += 1
                counts[1 if old else 3] += bool(answered)
        if any(counts):
            found[survey] = counts
    return found


@settings(deadline=None, max_examples=150)
@given(st.lists(touch, max_size=24), st.integers(1, 5))
def test_counts_are_those_of_the_definition(rows: list[tuple[str, int, str, str]], within: int) -> None:
    found = response_rate(shop(rows, 12), "ask", "tell", within=f"{within}d")
    assert {row["survey"]: [row[name] for name in COUNTS] for row in found.to_dicts()} == counted(rows, 12, within)
    groups = response_rate(shop(rows, 12), "ask", "tell", within=f"{within}d", by="channel").filter(~pl.col("is_total"))
    sums = groups.group_by("survey").agg(pl.col(COUNTS).sum()).sort("survey")
    assert sums.rows() == found.sort("survey").select("survey", *COUNTS).rows()


def test_without_invitations_there_is_no_rate() -> None:
    row = response_rate(shop([("a", 4, "tell", "nps")], 60), "ask", "tell").row(0, named=True)
    assert (row["invitations"], row["uninvited"], row["response_rate"]) == (0, 1, None)


def test_the_interval_is_of_customers_not_of_invitations() -> None:
    rows = [("a", day, name, "nps") for day in range(0, 40, 4) for name in ("ask", "tell")]
    rows += [("b", day, "ask", "nps") for day in range(0, 40, 4)]
    row = response_rate(shop(rows, 90), "ask", "tell", within="1d").row(0, named=True)
    assert (row["invitations"], row["answered"], row["customers"]) == (20, 10, 2)
    assert row["response_rate_high"] - row["response_rate_low"] > 0.8


def test_who_is_in_two_groups_is_one_customer_of_the_total() -> None:
    people = {
        f"c{n}": f"ask@{n}d[survey=nps,on=a] tell@{n}d[survey=nps,on=a] ask@9d[survey=nps,on=b]" for n in range(5)
    }
    paths = Paths.from_text(people, end="60d")
    groups, whole = response_rate(paths, "ask", "tell", by="on"), response_rate(paths, "ask", "tell")
    assert groups["customers"].to_list() == [5, 5, 5] and groups.filter("is_total").drop("on").equals(whole)


def test_all_surveys_together_are_one_row_judged_by_customers() -> None:
    rows = [("a", 4, "ask", "nps"), ("a", 5, "ask", "csat"), ("a", 6, "tell", "nps"), ("b", 6, "ask", "csat")]
    row = response_rate(shop(rows, 90), "ask", "tell", together=True).row(0, named=True)
    assert (row["survey"], row["invitations"], row["answered"], row["customers"]) == (None, 3, 1, 2)


@pytest.mark.parametrize(("options", "words"), [({"within": "0d"}, "takes some time"), ({"by": "none"}, "no column")])
def test_what_cannot_be_asked_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(DefinitionError, match=words):
        response_rate(shop([("a", 4, "ask", "nps")], 60), "ask", "tell", **options)


def test_an_unknown_word_is_warned_of_and_paths_without_surveys_are_refused() -> None:
    with pytest.warns(UnknownWordWarning, match="axe"):
        assert response_rate(shop([("a", 4, "ask", "nps")], 60), "axe", "tell").is_empty()
    with pytest.raises(DefinitionError, match="survey"):
        response_rate(Paths.from_text({"ann": "ask@0d"}), "ask", "tell")
