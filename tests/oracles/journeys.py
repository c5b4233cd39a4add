"""Journeys, the slow way: walk over the instants of each customer."""

from __future__ import annotations

from collections.abc import Sequence


def journeys(
    touches: Sequence[tuple[str, float, str]], goal: set[str], gap: float, end: float
) -> list[tuple[int, str]]:
    """Journey number and outcome of each touch (customer, seconds, touchpoint), in the order given."""
    out: list[tuple[int, str]] = [(0, "")] * len(touches)
    for customer in {who for who, _, _ in touches}:
        mine = [row for row, touch in enumerate(touches) if touch[0] == customer]
        instants = sorted({touches[row][1] for row in mine})
        number, members, last = 1, [], None

        def close(outcome: str) -> None:
            for row in members:  # noqa: B023
                out[row] = (number, outcome)  # noqa: B023

        for instant in instants:
            if last is not None and instant - last > gap:
                close("abandoned")
                number, members = number + 1, []
            here = [row for row in mine if touches[row][1] == instant]
            members += here
            last = instant
            if any(touches[row][2] in goal for row in here):
                close("converted")
                number, members, last = number + 1, [], None
        if members and last is not None:
            close("abandoned" if end - last > gap else "open")
    return out
