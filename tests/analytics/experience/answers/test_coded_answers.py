from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import CodedQuestion, PathRules, Paths, coded_answers
from analytics.statistics.intervals import wilson
from expectations.errors import DefinitionError
from tests.oracles.whole_paths.answers import last_answers
from tests.written import START, frame_in_parts

FAIR = CodedQuestion(code="fair", text="The price is fair", answers={"yes": "Agrees", "no": "Disagrees"}, wish="yes")
SURE = CodedQuestion(code="sure", text="It will fit", answers={"yes": "Yes", "un": "Not sure"}, stage="Interest")
ASKED = [FAIR, SURE]
SCHEMA = {
    "customer": pl.String,
    "at": pl.Datetime("us", "UTC"),
    "touchpoint": pl.String,
    "stage": pl.String,
    "survey": pl.String,
    "score": pl.Float64,
    "question": pl.String,
    "answer": pl.String,
}
touches = st.lists(
    st.fixed_dictionaries(
        {
            "customer": st.sampled_from("abcd"),
            "at": st.integers(0, 12),
            "stage": st.sampled_from([None, "Interest", "Desire"]),
            "survey": st.sampled_from([None, "nps"]),
            "score": st.sampled_from([None, 9.0]),
            "question": st.sampled_from([None, "fair", "sure", "else"]),
            "answer": st.sampled_from([None, "yes", "no", "un"]),
        }
    ),
    max_size=25,
).filter(lambda rows: len({(r["customer"], r["at"]) for r in rows}) == len(rows))


def paths_of(rows: list[dict[str, Any]], size: int = 10**9) -> Paths:
    named = [{**row, "at": START + timedelta(days=row["at"]), "touchpoint": "x"} for row in rows]
    return frame_in_parts(pl.DataFrame(named, schema=SCHEMA), size)


@given(touches, st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_answers_are_counted_as_one_by_one(rows: list[dict[str, Any]], size: int) -> None:
    found = coded_answers(paths_of(rows, size), ASKED, lookback="3d").to_dicts()
    told = {
        ("*" if row["is_total"] else row["stage"], row["question"], row["answer"]): row["customers"]
        for row in found
        if row["customers"]
    }
    answers = {question.code: list(question.answers) for question in ASKED}
    assert told == last_answers(rows, answers, 3, {"sure": "Interest"})
    for row in found:
        own = [other for other in found if all(row[name] == other[name] for name in ("is_total", "stage", "question"))]
        assert row["answered"] == sum(other["customers"] for other in own)


def test_a_share_is_of_the_customers_who_answered_by_their_last_answer() -> None:
    told = {f"c{n}": "look@0d[stage=Desire] tell@1d[question=fair,answer=yes]" for n in range(28)}
    told |= {f"d{n}": "look@0d[stage=Desire] tell@1d[question=fair,answer=no]" for n in range(10)}
    told |= {"e": "look@0d[stage=Desire] tell@1d[question=fair,answer=yes] tell@2d[question=fair,answer=no]"}
    told |= {"f": "look@0d[stage=Desire] tell@1d[question=fair,answer=maybe]"}
    found = coded_answers(Paths.from_text(told), [FAIR]).filter(~pl.col("is_total")).to_dicts()
    assert [(row["stage"], row["answer"], row["customers"], row["answered"]) for row in found] == [
        ("Desire", "yes", 28, 40),
        ("Desire", "no", 11, 40),
        ("Desire", None, 1, 40),
    ]
    low, high = (float(end) for end in wilson(28, 40))
    assert (found[0]["share"], found[0]["share_low"], found[0]["share_high"]) == pytest.approx((0.7, low, high))
    assert [(row["says"], row["is_wished"]) for row in found] == [("Agrees", True), ("Disagrees", False), (None, None)]


def test_of_two_answers_at_one_instant_the_later_touch_counts() -> None:
    shop = Paths.from_text({"ann": "a@1d[question=fair,answer=yes] b@1d[question=fair,answer=no]"})
    assert coded_answers(shop, [FAIR], by=())["customers"].to_list() == [0, 1]


def test_nothing_gives_zeros_and_nulls() -> None:
    rows = coded_answers(paths_of([]), ASKED).to_dicts()
    assert [(row["question"], row["answer"]) for row in rows] == [
        *(("fair", "yes"), ("fair", "no")),
        *(("sure", "yes"), ("sure", "un")),
    ]
    assert all(row["is_total"] and row["customers"] == 0 and row["share_low"] is None for row in rows)
    assert coded_answers(paths_of([]), []).is_empty()


def test_what_cannot_be_asked_is_told() -> None:
    with pytest.raises(DefinitionError, match="These paths have no coded answers"):
        coded_answers(Paths.from_text({"ann": "visit@0m"}), ASKED)
    with pytest.raises(DefinitionError, match="Two questions have the code 'fair'"):
        coded_answers(paths_of([]), [FAIR, FAIR])
    with pytest.raises(DefinitionError):
        coded_answers(paths_of([]), ASKED, by="question")
    rules = PathRules(goal=["buy"], stages=[{"name": "Interested", "touchpoints": ["look"]}])
    shop = Paths.from_text({"ann": "look@0m tell@1m[question=fair,answer=yes]"}, end="9d", rules=rules)
    with pytest.raises(DefinitionError, match="'Interest', which there is not") as error:
        coded_answers(shop, ASKED)
    assert "Interested" in str(error.value)
