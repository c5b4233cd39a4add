"""Answers are cut to their budget, and say what is left out."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as some

from journeys.reported.agents.budget import AIM, MOST_TOKENS, as_line, fitted, harmless_value, tokens_of

Cells = some.one_of(some.none(), some.integers(), some.floats(allow_nan=False), some.text(max_size=80))


@settings(max_examples=40)
@given(some.lists(some.lists(Cells, max_size=6), max_size=250), some.one_of(some.none(), some.integers(1, 200)))
def test_an_answer_is_no_longer_than_its_budget(rows: list[Any], most: int | None) -> None:
    answer = fitted({"mode": "published", "rows": [harmless_value(row) for row in rows]}, most)
    assert len(answer["rows"]) + answer.get("left_out", 0) == len(rows)
    assert len(answer["rows"]) <= (200 if most is None else most)
    if len(answer["rows"]) > 1:
        assert tokens_of(as_line(answer)) <= (AIM if most is None else MOST_TOKENS)


def test_short_answers_stay_as_they_are() -> None:
    assert fitted({"says": "nothing"}) == {"says": "nothing"}
    assert fitted({"rows": [[1]]}) == {"rows": [[1]]}


@given(some.text(alphabet=some.characters(exclude_categories=["Cs"])))
def test_no_character_of_a_text_acts(text: str) -> None:
    line = as_line({"name": harmless_value(text)})
    assert line.isprintable() or not any(letter in line for letter in "\n\r\x1b\u202e\x00")
    assert len(harmless_value(text)) <= 80


def test_values_are_plain() -> None:
    assert harmless_value([0.123456, 12345.6, datetime(2026, 1, 5, tzinfo=UTC), date(2026, 1, 5), None, True]) == [
        0.1235,
        12346,
        "2026-01-05T00:00:00+00:00",
        "2026-01-05",
        None,
        True,
    ]
