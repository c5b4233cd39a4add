"""Steps with conditions as an analyst types them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics import Funnel, Paths, StepCondition, StepText, check_conditions, funnel, step_of
from expectations.errors import DefinitionError

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8) | st.sampled_from(
    ["a | b", "stage:x", 'say "a"', "not a", "a and b", "a [b is c]", " a ", "\\", "a, b", "is"]
)
CONDITIONS = st.builds(
    StepCondition, TEXTS, st.sampled_from(["is", "is not"]), st.lists(TEXTS, min_size=1, max_size=3).map(tuple)
) | st.builds(StepCondition, TEXTS, st.sampled_from([">=", "<=", ">", "<"]), st.tuples(st.integers().map(str)))
STEPS = st.builds(
    StepText,
    st.lists(TEXTS, min_size=1, max_size=3).map(tuple),
    st.sampled_from(["touchpoint", "stage"]),
    st.lists(CONDITIONS, max_size=2).map(tuple),
)
SHOP = {
    "ann": "look@0d[device=app,price=5] buy@1d[device=app,price=20]",
    "bo": "look@0d[device=web,price=20] buy@1d",
    "cy": "look@0d buy@1d[device=app,price=5]",
}


@given(STEPS)
def test_what_is_written_is_read_again(step: StepText) -> None:
    assert StepText.read(str(step)) == step


@pytest.mark.parametrize(
    ("steps", "reached"),
    [
        (["look [device is app]", "buy"], [1, 1]),
        (["look [device is not app]", "buy"], [1, 1]),
        (["look [device is app, web]", "buy [price >= 20]"], [2, 1]),
        (["look | buy [device is app and price < 20]"], [2]),
        (["look [price > 5]"], [1]),
    ],
)
def test_a_touch_without_a_value_meets_no_condition(steps: list[str], reached: list[int]) -> None:
    paths = Paths.from_text(SHOP, end="60d")
    check_conditions(paths, map(StepText.read, steps))
    assert funnel(paths, Funnel([step_of(step) for step in steps]))["reached"].to_list() == reached


@pytest.mark.parametrize(
    ("step", "what"),
    [
        ("look [devise is app]", "There is no column 'devise'"),
        ("look [device is ap]", "No touch has the device 'ap'"),
        ("look [device >= 3]", "does not fit its column"),
        ("look [price is 5]", "does not fit its column"),
    ],
)
def test_a_condition_that_cannot_be_met_is_refused(step: str, what: str) -> None:
    with pytest.raises(DefinitionError, match=what):
        check_conditions(Paths.from_text(SHOP), [StepText.read(step)])


@pytest.mark.parametrize("text", ["Cart [new]", "[is]", "Cart [a is", 'a "b" [c]', "x [price >= much]", '"open'])
def test_brackets_and_quotes_that_say_nothing_else_belong_to_the_word(text: str) -> None:
    assert StepText.read(text).any_of == (text,)
