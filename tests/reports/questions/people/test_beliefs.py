"""What a report says of what customers believe is what the measure says, at stages, and nothing of few."""

from __future__ import annotations

import polars as pl

from analytics import CodedQuestion, PathRules, Paths, coded_answers
from analytics.statistics.intervals import wilson
from reports.privacy.steps import Steps
from reports.questions.people.asked import Believed
from reports.questions.people.beliefs import what_they_believe
from reports.settings import ReportSettings

ANSWERS = {"yes": "Agrees", "so": "Rather", "no": "Disagrees"}
FAIR = CodedQuestion(code="fair", text="The price is fair", answers=ANSWERS, wish=["yes", "so"])
OTHERS = [
    CodedQuestion(code="open", text="No wish", answers=ANSWERS),
    CodedQuestion(code="felt", kind="felt", text="You felt", answers=ANSWERS, wish="yes"),
]
STAGES = [{"name": "Look", "touchpoints": ["look"]}, {"name": "Ask", "touchpoints": ["ask"]}]


def shop(customers: int) -> Paths:
    """Of four customers one agrees, two rather agree, one does not; one in ten is asked at the second stage."""
    codes = ("yes", "so", "no", "so")
    told = {
        f"c{n}": f"{'look' if n % 10 else 'ask'}@0d tell@1d[question=fair,answer={codes[n % 4]}]"
        for n in range(customers)
    }
    return Paths.from_text(told, end="60d", rules=PathRules(goal=["buy"], stages=STAGES))


def believed(paths: Paths, *questions: CodedQuestion) -> pl.DataFrame | None:
    return what_they_believe(paths, ReportSettings(), Believed(questions), Steps(10))


def test_the_card_has_the_wished_answers_of_the_measure_in_the_order_of_stages() -> None:
    paths = shop(800)
    found = believed(paths, FAIR, *OTHERS)
    assert found is not None
    told = (
        coded_answers(paths, [FAIR])
        .filter(~pl.col("is_total") & pl.col("is_wished"))
        .group_by("stage")
        .agg(pl.col("customers").sum(), pl.col("answered").first())
    )
    assert found["stage"].to_list() == ["Look", "Ask"] and set(found["question"]) == {"fair"}
    assert found["wished"].to_list() == ["Agrees or Rather"] * 2 and found["says"][0] == "The price is fair"
    for row in found.to_dicts():
        own = told.filter(stage=row["stage"]).row(0, named=True)
        assert (row["part"], row["whole"]) == (own["customers"], own["answered"])
        low, high = (round(float(end), 4) for end in wilson(row["part"], row["whole"]))
        assert (row["share"], row["share_low"], row["share_high"]) == (round(row["part"] / row["whole"], 4), low, high)


def test_nothing_is_said_of_few_nor_without_questions_or_answers() -> None:
    found = believed(shop(200), FAIR)  # of 20 at the second stage no one disagrees
    assert found is not None
    assert [row["state"] for row in found.to_dicts()] == ["shown", "few"]
    few = believed(shop(30), FAIR)
    assert few is not None and few["share"].null_count() == 2 and few["part"].null_count() >= 1
    assert believed(shop(40), *OTHERS) is None
    assert what_they_believe(shop(40), ReportSettings(), None, Steps(10)) is None
    assert believed(shop(40), FAIR.model_copy(update={"code": "else"})) is None
    assert believed(Paths.from_text({"a": "look@0d tell@1d[question=fair,answer=yes]"}), FAIR) is None
