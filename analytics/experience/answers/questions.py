"""Questions whose answers are chosen from a list, such as what customers believe: written by a person, counted by code.

An event carries an answer in two ways: `properties.question` with `properties.answer`, or `properties.answers`, an
object of questions and answers. A score and free text may stand beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from pydantic import Field, model_validator

from expectations.config.file import Owned
from expectations.errors import DefinitionError, nearest

MAX_QUESTIONS: Final = 60


class CodedQuestion(Owned):
    """A question, what its answers mean, and which of them are wished.

    >>> CodedQuestion(code="fair", text="The price is fair", answers={"yes": "Agrees", "no": "Disagrees"}).kind
    'belief'
    """

    code: str = Field(min_length=1, pattern=r"^[\w.-]+$", description="what an answer says it answers")
    version: int = Field(1, ge=1, description="another number when the text or the answers mean something else")
    kind: Literal["belief", "wanted", "felt", "reason"] = Field("belief", description="what it asks for")
    text: str = Field(min_length=1, description="what customers are asked, or what they agree with")
    answers: Mapping[str, str] = Field(min_length=2, description="the codes of answers, and what they mean")
    wish: str | tuple[str, ...] = Field((), description="codes of the answers that are wished")
    stage: str | None = Field(None, min_length=1, description="without it that of the touch before the answer")

    @model_validator(mode="after")
    def _wishes_for_an_answer(self) -> CodedQuestion:
        for code in self.wished:
            if code not in self.answers:
                told = nearest(code, list(self.answers))
                known = ", ".join(self.answers)
                raise ValueError(f"wish is one of the answers ({known}); found {code!r}{told and f'; {told}'}")
        return self

    @property
    def wished(self) -> tuple[str, ...]:
        """The codes of the answers that are wished."""
        return (self.wish,) if isinstance(self.wish, str) else self.wish


def check_questions(questions: Sequence[CodedQuestion]) -> None:
    """Raises `DefinitionError` for two questions of one code, and for more than `MAX_QUESTIONS`."""
    codes = [question.code for question in questions]
    if twice := sorted({code for code in codes if codes.count(code) > 1}):
        raise DefinitionError(f"Two questions have the code {twice[0]!r}.", expected="a code of its own for each")
    if len(codes) > MAX_QUESTIONS:
        raise DefinitionError(f"There are {len(codes)} questions.", expected=f"at most {MAX_QUESTIONS}")
