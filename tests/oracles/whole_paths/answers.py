"""What customers answer to questions with coded answers, one touch after the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from tests.oracles.voice import is_response

Counts = dict[tuple[str | None, str, str | None], int]
"""Customers by group (`*`: all), question and answer (none: another one)."""


def last_answers(
    touches: Sequence[Mapping[str, Any]],
    answers: Mapping[str, Sequence[str]],
    lookback: float,
    stages: Mapping[str, str],
) -> Counts:
    """Customers by their last answer; touches in order, `answers` the codes of each question, `stages` those named."""
    last: dict[tuple[str | None, str, Any], str | None] = {}
    for touch in sorted(touches, key=lambda touch: (touch["customer"], touch["at"])):
        if touch["question"] not in answers or touch["answer"] is None:
            continue
        before = [
            other
            for other in touches
            if other["customer"] == touch["customer"]
            and other["stage"] is not None
            and not is_response(dict(other))
            and (other["question"] not in answers or other["answer"] is None)
            and 0 < touch["at"] - other["at"] <= lookback
        ]
        stage = max(before, key=lambda other: other["at"])["stage"] if before else None
        known = touch["answer"] if touch["answer"] in answers[touch["question"]] else None
        for group in ("*", stages.get(touch["question"], stage)):
            last[group, touch["question"], touch["customer"]] = known
    counts: Counts = defaultdict(int)
    for (group, question, _), answer in last.items():
        counts[group, question, answer] += 1
    return dict(counts)
