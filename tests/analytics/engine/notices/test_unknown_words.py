"""A misspelt word in a question gives a warning; the question is still answered, as few paths may lack a word."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest

from analytics import (
    Design,
    Exclude,
    Funnel,
    Paths,
    Selection,
    Step,
    UnknownWordWarning,
    conformance,
    explain_difference,
    flow,
    funnel,
    match,
    members,
    retention,
    returns,
    survival,
    time_to_convert,
    trend,
    variants,
)
from tests.written import paths

WRONG = Funnel(["hmoe", "pay"])
QUESTIONS: dict[str, Callable[[Paths], Any]] = {
    "funnel": lambda shop: funnel(shop, WRONG),
    "exclusion": lambda shop: funnel(shop, Funnel(["home", "pay"], exclude=Exclude("hmoe"))),
    "members": lambda shop: members(shop, WRONG),
    "survival": lambda shop: survival(shop, WRONG),
    "trend": lambda shop: trend(shop, WRONG),
    "time_to_convert": lambda shop: time_to_convert(shop, WRONG),
    "explain_difference": lambda shop: explain_difference(shop, WRONG, "posthog"),
    "count": lambda shop: funnel(shop, Funnel(["hmoe"], count="device")),
    "match": lambda shop: match(shop, "hmoe .* pay"),
    "retention": lambda shop: retention(shop, "hmoe"),
    "returns": lambda shop: returns(shop, "home", "hmoe"),
    "flow": lambda shop: flow(shop, source="hmoe"),
    "flow back": lambda shop: flow(shop, target=["home", "hmoe"]),
    "variants": lambda shop: variants(shop, among=Selection(through="hmoe")),
    "conformance": lambda shop: conformance(shop, Design(["home", "pay"], detours="hmoe")),
}


def shop() -> Paths:
    return paths({"ann": "home@0m[device=phone] pay@5m[device=phone]", "bo": "home@1m[device=desk]"}, end="60d")


@pytest.mark.parametrize("question", QUESTIONS)
def test_an_unknown_word_gives_a_warning_with_the_nearest_name_at_the_callers_line(question: str) -> None:
    with pytest.warns(UnknownWordWarning, match="No touch has the touchpoint 'hmoe': did you mean 'home'") as warned:
        QUESTIONS[question](shop())
    assert warned[0].filename == __file__


def test_a_question_with_an_unknown_word_is_still_answered() -> None:
    with pytest.warns(UnknownWordWarning, match="touches have 'home', 'pay'"):
        table = funnel(shop(), Funnel(["home", "zzzzzz"]))
    assert table["reached"].to_list() == [2, 0]


def test_known_words_other_columns_and_empty_paths_give_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        funnel(shop(), Funnel(["home", Step("*"), Step("desk", on="device")]))
        funnel(paths({}), WRONG)
        funnel(paths({"ann": "home@0m[n=1]"}), Funnel([Step(7, on="n")]))  # type: ignore[arg-type]
