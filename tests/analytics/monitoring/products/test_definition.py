"""What a journey as a product is, and what is refused."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from analytics import DesignStep, Did, Goal, JourneyNote, JourneyProduct, Segment, Step, Target
from expectations.errors import DefinitionError

ORDER = Goal(name="Order", steps=["buy"], horizon="7d")
RATE = Target("goal_rate", at_least=0.3)


def product(**changed: Any) -> JourneyProduct:
    return JourneyProduct(**{"name": "First", "owner": "Mara", "goal": ORDER, "targets": [RATE], **changed})


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"name": " "}, "no name"),
        ({"owner": ""}, "no owner"),
        ({"targets": []}, "no target"),
        ({"version": 0}, "no version"),
        ({"targets": [RATE, Target("goal_rate", at_least=0.5)]}, "of one measure"),
        ({"targets": [Target("conformance", at_least=0.5)]}, "designed path"),
        ({"designed": ["stage:Look", "buy"]}, "of touchpoints or of stages"),
        ({"begins": Step("web", on="channel")}, "a touchpoint or a stage"),
    ],
)
def test_what_is_no_product_is_refused(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(DefinitionError, match=words):
        product(**changed)


@pytest.mark.parametrize(
    ("measure", "target", "words"),
    [
        ("goal_rate", {}, "one direction"),
        ("goal_rate", {"at_least": 0.1, "at_most": 0.3}, "one direction"),
        ("goal_rate", {"at_least": 1.2}, "between 0 and 1"),
        ("goal_rate", {"at_least": True}, "between 0 and 1"),
        ("goal_rate", {"at_least": float("nan")}, "between 0 and 1"),
        ("csat", {"at_least": "much"}, "between 0 and 1"),
        ("nps", {"at_least": 40}, "between -1 and 1"),
        ("ces", {"at_most": 0.5}, "between 1 and 7"),
        ("median_time", {"at_most": 5}, "has a unit"),
        ("median_time", {"at_most": "5"}, "length of time"),
        ("goal_rates", {"at_least": 0.5}, "did you mean 'goal_rate'"),
        ("goal_rate", {"at_least": 0.5, "period": "hour"}, "period of cohorts"),
    ],
)
def test_what_is_no_target_is_refused(measure: Any, target: dict[str, Any], words: str) -> None:
    with pytest.raises(DefinitionError, match=words):
        Target(measure, **target)


def test_a_target_of_time_is_in_seconds() -> None:
    assert Target("median_time", at_most="1d 12h").value == 36 * 3600


def test_the_digest_is_of_what_the_numbers_mean() -> None:
    same = product(
        owner="Ben", version=2, purpose="p", targets=[Target("goal_rate", at_most=0.9)],
        notes=[JourneyNote(date(2024, 1, 1), "x")], goal=ORDER.model_copy(update={"says": "An order"}),
    )  # fmt: skip
    assert product().hash == same.hash
    members = Segment("Buyers", Did("buy"))
    for other in (
        product(goal=Goal(name="Order", steps=["buy"], horizon="8d")),
        product(begins="look"),
        product(begins=Step("look", on="stage")),
        product(designed=["look", "buy"]),
        product(designed=["look", DesignStep("buy", optional=True)]),
        product(members=members),
        product(members=Segment("Buyers", Did("buy", at_least=2))),
    ):
        assert other.hash != product().hash
    assert product(members=members).hash == product(members=Segment("Others", Did("buy"))).hash
    assert product(designed=["look", "buy"]).hash == product(designed=["look", DesignStep("buy", after="look")]).hash
    assert product(designed=["look", "buy"]).hash != product(designed=["look", DesignStep("buy", repeats=True)]).hash


def test_a_designed_path_of_stages_may_branch() -> None:
    branches = [DesignStep("stage:Call", after="stage:Look"), DesignStep("stage:Buy", after=["Web", "stage:Call"])]
    designed = product(designed=["stage:Look", "stage:Web", *branches])
    assert designed.designed_on == "stage"
    assert designed.designed is not None
    assert (designed.designed.names, designed.designed.before) == (
        ("Look", "Web", "Call", "Buy"),
        ((0,), (1,), (1,), (2, 3)),
    )
