"""Questions that are asked together have the answers that they have alone, and share what is made of a part."""

from __future__ import annotations

from functools import partial
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import analytics
from analytics import Asking, Funnel, Goal, PathRules, Paths, answer_all, answered, compare, stage_funnel, together
from analytics.engine import run
from analytics.paths import sequences
from expectations.errors import DefinitionError
from tests.analytics.engine.test_analysis import STAGES, WEEK, shop

FUNNEL = partial(stage_funnel, stages=STAGES, goal="buy")
LATER = WEEK.replace(day=9)
FUNNEL_OF_CUSTOMERS = partial(analytics.funnel, definition=Funnel(["look", "back"]))
QUESTIONS: dict[str, partial[pl.DataFrame]] = {
    "stages": FUNNEL,
    "by device": partial(FUNNEL, by="device"),
    "by channel, too": partial(FUNNEL, by=["device", pl.col("channel").cast(pl.String).str.to_uppercase()]),
    "by week": partial(FUNNEL, by="device", period="week"),
    "by day": partial(FUNNEL, by="device", period="day", timezone="Europe/Oslo"),
    "with open": partial(FUNNEL, by="device", period="week", with_open=True),
    "value": partial(FUNNEL, by="device", value="price"),
    "later": partial(FUNNEL, by="device", start=LATER),
    "earlier": partial(FUNNEL, by="device", end=LATER),
    "quick": partial(FUNNEL, by="device", window="1d"),
    "begin": partial(FUNNEL, begin="Awareness"),
    "few columns": partial(FUNNEL, by="device", columns=["customers_lost", "effective_previous"]),
    "other goal": partial(stage_funnel, stages=STAGES, goal=Goal(name="cart", steps=["cart"]), by="device"),
    "groups": partial(analytics.stage_groups, by="device", stages=STAGES, goal="buy"),
    "rate": partial(analytics.goal_rate, by="device"),
    "rate of some": partial(analytics.goal_rate, where=pl.col("channel") == "web"),
    "rate of others": partial(analytics.goal_rate, where=pl.col("channel") != "web"),
    "customers": partial(analytics.goal_rate, goal="buy", unit="customer", by="device"),
    "sessions": partial(analytics.goal_rate, unit="session"),
    "moves": partial(analytics.transitions, by="device"),
    "collapsed": partial(analytics.transitions, by="device", collapse=True),
    "positions": partial(analytics.step_matrix, depth=6, by="device"),
    "routes": partial(analytics.variants, by="device", top=5),
    "effort": partial(analytics.effort, by="device", load_seconds="seconds"),
    "channels": partial(analytics.channels, by="device"),
    **{
        f"funnel of {count}": partial(analytics.funnel, definition=Funnel(["look", "buy"], count=count, by="device"))
        for count in ("customers", "sessions", "journeys", "entries")
    },
    "change": partial(compare, analysis=FUNNEL.func, stages=STAGES, goal="buy", group=pl.col("at") >= LATER),
    "two devices": partial(compare, analysis=analytics.transitions, group=pl.col("device") == "d1", top=3),
}


@pytest.mark.parametrize("touches", [10**9, 700, 250])
def test_every_question_has_the_answer_that_it_has_alone(touches: int) -> None:
    paths = shop(900, touches)
    together_ = answer_all(paths, QUESTIONS)
    assert list(together_) == list(QUESTIONS)
    for name, question in QUESTIONS.items():
        alone = question.func(paths, **question.keywords)
        assert len(alone)
        assert_frame_equal(together_[name], alone, check_exact=True)


def test_a_funnel_of_journeys_leaves_their_aftermath_out_beside_other_questions() -> None:
    paths = Paths.from_text({"ann": "look@0d buy@1d back@2d"}, end="60d", rules=PathRules(goal=["buy"], after=["back"]))
    question = partial(analytics.funnel, definition=Funnel(["look", "back"], count="journeys"))
    together_ = answer_all(paths, {"funnel": question, "customers": FUNNEL_OF_CUSTOMERS})
    assert together_["funnel"]["reached"].to_list() == [1, 0]
    assert together_["customers"]["reached"].to_list() == [1, 1]
    assert_frame_equal(together_["funnel"], question.func(paths, **question.keywords), check_exact=True)


def test_answers_do_not_depend_on_what_was_asked_before() -> None:
    paths = shop(900, 700)
    backwards = answer_all(paths, dict(reversed(QUESTIONS.items())))
    for name, answer in answer_all(paths, QUESTIONS).items():
        assert_frame_equal(backwards[name], answer, check_exact=True)


def test_paths_without_a_touch_and_no_questions_have_answers() -> None:
    paths = shop(900, 700).between(WEEK.replace(year=2030))
    asked = {name: QUESTIONS[name] for name in ("stages", "by week", "rate", "moves")}
    for name, answer in answer_all(paths, asked).items():
        assert_frame_equal(answer, asked[name].func(paths, **asked[name].keywords))
    assert answer_all(paths, {}) == {}


def test_parts_are_held_while_they_are_counted_only(monkeypatch: pytest.MonkeyPatch) -> None:
    paths, made = shop(900, 700), list[int]()
    units_of = sequences.units_of

    def noted(part: Any, *arguments: Any) -> Any:
        made.append(part.number)
        return units_of(part, *arguments)

    monkeypatch.setattr(sequences, "units_of", noted)
    answer_all(paths, {name: QUESTIONS[name] for name in ("stages", "by device", "later", "quick", "moves", "rate")})
    assert sorted(made) == [part.number for part in paths.parts]
    assert all(part._kept is None for part in paths.parts)


def test_counts_of_many_parts_are_added_up_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    paths, asked = shop(900, 90), {name: QUESTIONS[name] for name in ("by week", "groups", "moves")}
    at_once = answer_all(paths, asked)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    monkeypatch.setattr(run, "_PARTS_PER_CORE", 4)
    assert len(paths.parts) > 3 * 4
    for name, answer in answer_all(paths, asked).items():
        assert_frame_equal(answer, at_once[name], check_exact=True)


def test_what_cannot_be_asked_with_others_is_named() -> None:
    paths = shop(60, 700)
    with pytest.raises(DefinitionError, match="cannot be asked with others"):
        answer_all(paths, {"summary": partial(analytics.summary)})
    for rules in ({"count": "channel"}, {"maturity": "survival"}):
        alone = partial(analytics.funnel, definition=Funnel(["look", "buy"], **rules))  # type: ignore[arg-type]
        with pytest.raises(DefinitionError, match="asked alone"):
            answer_all(paths, {"funnel": alone})
    of_sessions = Funnel(["look", "buy"], window="1d", count="channel")
    asked = partial(compare, analysis=of_sessions, group=pl.col("device") == "d1")
    with pytest.raises(DefinitionError, match="not compared together"):
        answer_all(paths, {"funnel": asked})


def test_each_round_of_askings_is_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    paths, passes = shop(60, 700), list[set[str]]()

    def noted(_: Paths, questions: dict[tuple[int, str], partial[pl.DataFrame]]) -> dict[tuple[int, str], pl.DataFrame]:
        passes.append({key for _, key in questions})
        return {key: pl.DataFrame({"of": [key[1]]}) for key in questions}

    def asking(*rounds: str) -> Asking[list[str]]:
        told = []
        for name in rounds:
            answers = yield {name: QUESTIONS["rate"]}
            told.append(answers[name]["of"].item())
        return told

    monkeypatch.setattr(run, "answer_all", noted)
    assert answered(paths, together(asking("a", "b", "c"), asking(), asking("d"), asking("e", "f"))) == [
        ["a", "b", "c"],
        [],
        ["d"],
        ["e", "f"],
    ]
    assert passes == [{"a", "d", "e"}, {"b", "f"}, {"c"}]
