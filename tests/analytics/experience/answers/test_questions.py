from __future__ import annotations

import pytest
from pydantic import ValidationError

from analytics import CodedQuestion
from analytics.experience.answers.questions import MAX_QUESTIONS, check_questions
from expectations.errors import DefinitionError

ANSWERS = {"yes": "Agrees", "no": "Disagrees"}


def test_a_wish_is_one_of_the_answers() -> None:
    assert CodedQuestion(code="a", text="t", answers=ANSWERS, wish=["yes", "no"]).wished == ("yes", "no")
    assert CodedQuestion(code="a", text="t", answers=ANSWERS).wished == ()
    with pytest.raises(ValidationError, match=r"wish is one of the answers \(yes, no\); found 'yess'.*yes"):
        CodedQuestion(code="a", text="t", answers=ANSWERS, wish="yess")


@pytest.mark.parametrize("wrong", [{"code": "a'b"}, {"answers": {"yes": "Agrees"}}, {"kind": "hope"}, {"text": ""}])
def test_what_is_no_question_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CodedQuestion(**({"code": "a", "text": "t", "answers": ANSWERS} | wrong))  # type: ignore[arg-type]


def test_there_are_not_too_many_questions() -> None:
    many = [CodedQuestion(code=f"q{n}", text="t", answers=ANSWERS) for n in range(MAX_QUESTIONS + 1)]
    check_questions(many[:-1])
    with pytest.raises(DefinitionError, match=r"There are 61 questions"):
        check_questions(many)
