"""Behind a proxy only such questions are answered as cannot be moved by one person."""

from __future__ import annotations

from typing import Any

import pytest

from tests.explorer.proxy.test_gate import behind, through

__all__ = ["behind"]
REFUSED = "Behind a proxy the explorer does not answer "


@pytest.mark.parametrize(
    ("question", "what"),
    [
        ({"kind": "walk"}, "this kind."),
        ({"kind": "next"}, "this kind."),
        ({"kind": "retention"}, "this kind."),
        ({"kind": "compare", "steps": ["Home", "Order"]}, "this kind."),
        ({"steps": ["Home [device is phone]"]}, "a condition."),
        ({"steps": ["Home [revenue >= 20]"]}, "a condition."),
        ({"window": "2h"}, "this window."),
        ({"window": "8d"}, "this window."),
        ({"count": "journeys"}, "this count."),
        ({"count": "entries"}, "this count."),
        ({"start": "2026-01-13"}, "this start."),
        ({"start": "2026-01-12", "end": "2026-01-19T00:00:01"}, "this end."),
        ({"start": "2026-01-12T00:00:00+03:00"}, "this start."),
        ({"kind": "trend", "steps": ["Home", "Order"], "period": "day"}, "this period."),
        ({"by": ["revenue"]}, "this breakdown."),
        ({"by": ["channel"]}, "this breakdown."),
        ({"same": ["device"]}, "this same."),
        ({"attribution": "every"}, "this attribution."),
    ],
)
def test_a_question_that_could_be_subtracted_is_refused(behind: int, question: dict[str, Any], what: str) -> None:
    status, found = through(behind, {"steps": ["Home"], **question})
    assert status == 422 and found["what"].startswith(
        (REFUSED + what, "The question cannot be read", "The explorer does not show")
    ), found


@pytest.mark.parametrize("step", ["Hoem", "*", "stage:Nothing"])
def test_a_word_of_few_is_as_one_of_nobody(behind: int, step: str) -> None:
    found = through(behind, {"steps": ["Home", step]})[1]
    assert found["what"].startswith("Fewer than 10 customers have the ")
    assert through(behind, {"steps": ["Home", "Order"], "exclude": ["Hoem"]})[0] == 422


def test_whole_weeks_are_answered(behind: int) -> None:
    assert (
        through(behind, {"steps": ["Home", "Order"], "start": "2026-01-12", "end": "2026-02-09", "by": ["device"]})[0]
        == 200
    )
