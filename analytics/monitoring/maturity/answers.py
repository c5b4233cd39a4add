"""Answers to the questions of maturity, as they are written in maturity.toml."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Literal

from pydantic import Field, field_validator

from analytics.monitoring.maturity.questions import MATURITY_DOMAINS, MATURITY_QUESTIONS, PER_DOMAIN
from expectations.config.file import Section

MaturityAnswer = Annotated[int, Field(ge=1, le=5)] | Literal["-"]
"""An answer from 1 to 5; `-` where there is none, which is not 1."""
Three = Annotated[tuple[MaturityAnswer, ...], Field(min_length=PER_DOMAIN, max_length=PER_DOMAIN)]


class MaturityAnswers(Section):
    """One `[[answers]]`: what somebody answered on a day, three numbers to a domain.

    A domain that is left out is not answered. `note` has a text by the number of a question.

    >>> list(MaturityAnswers(by="Ann", on=date(2026, 3, 1), acting=[2, "-", 4]).given())
    [(13, 2), (15, 4)]
    """

    by: str = Field(min_length=1)
    on: date
    listening: Three | None = None
    understanding: Three | None = None
    designing: Three | None = None
    connecting: Three | None = None
    acting: Three | None = None
    note: dict[str, str] = Field(default_factory=dict)

    @field_validator("note")
    @classmethod
    def _is_of_a_question(cls, note: dict[str, str]) -> dict[str, str]:
        for number in note:
            if number not in {str(question.number) for question in MATURITY_QUESTIONS}:
                raise ValueError(f"a note is of a question from 1 to {len(MATURITY_QUESTIONS)}")
        return note

    def given(self) -> Iterator[tuple[int, int]]:
        """The number of every question that was answered, with its answer."""
        for place, domain in enumerate(MATURITY_DOMAINS):
            for index, answer in enumerate(getattr(self, domain) or ()):
                if answer != "-":
                    yield place * PER_DOMAIN + index + 1, answer
