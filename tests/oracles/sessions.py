"""Session numbers, the slow way: walk over each customer's touches in time order."""

from __future__ import annotations

from collections.abc import Sequence


def sessions(
    touches: Sequence[tuple[str, float]], gap: float, channels: Sequence[str | None] | None = None
) -> list[int]:
    """The session number of each touch (customer, seconds), in the order given; ties keep the order given."""
    out = [0] * len(touches)
    for customer in {who for who, _ in touches}:
        rows = [row for row, (who, _) in enumerate(touches) if who == customer]
        rows.sort(key=lambda row: touches[row][1])
        number = 0
        for place, row in enumerate(rows):
            before = rows[place - 1] if place else None
            late = before is None or touches[row][1] - touches[before][1] > gap
            if late or (channels is not None and channels[row] != channels[before]):
                number += 1
            out[row] = number
    return out
