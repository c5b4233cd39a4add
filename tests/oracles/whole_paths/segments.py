"""Segments in plain Python: each condition is worked out anew at an instant, over a customer's touches up to then.

A touch is (time, name, properties), with times in whole microseconds, in order. A condition is a tuple:

    ("did", names, at_least, within)      ("did_not", names, within)        ("total", column, at_least, within, names)
    ("attribute", column, values)         ("first", column, values)         ("listed", since)
    ("matched", holds, is_to_the_end, within)                               ("all" | "any" | "none", conditions)

where `within` is microseconds or None for ever, and `holds` says whether touches, from the first to the last, are a
match. The answer is True, False, or None where it is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Touch = tuple[int, str, Mapping[str, Any]]


def state(condition: Any, touches: Sequence[Touch], instant: int) -> bool | None:
    """Whether a condition holds of a customer at an instant; None also before the first touch."""
    seen = [touch for touch in touches if touch[0] <= instant]
    if not seen:
        return None
    return STATES[condition[0]](condition, seen, instant)


def _recent(seen: Sequence[Touch], instant: int, within: int | None, names: Sequence[str] | None) -> list[Touch]:
    return [
        touch
        for touch in seen
        if (names is None or touch[1] in names) and (within is None or touch[0] >= instant - within)
    ]


def _did(condition: Any, seen: Sequence[Touch], instant: int) -> bool:
    _, names, at_least, within = condition
    return len(_recent(seen, instant, within, names)) >= at_least


def _did_not(condition: Any, seen: Sequence[Touch], instant: int) -> bool | None:
    _, names, within = condition
    if _recent(seen, instant, within, names):
        return False
    return None if seen[0][0] > instant - within else True


def _total(condition: Any, seen: Sequence[Touch], instant: int) -> bool:
    _, column, at_least, within, names = condition
    return sum(touch[2].get(column) or 0 for touch in _recent(seen, instant, within, names)) >= at_least


def _attribute(condition: Any, seen: Sequence[Touch], instant: int) -> bool | None:
    value = seen[-1][2].get(condition[1])
    return None if value is None else value in condition[2]


def _first(condition: Any, seen: Sequence[Touch], instant: int) -> bool | None:
    value = seen[0][2].get(condition[1])
    return None if value is None else value in condition[2]


def _listed(condition: Any, seen: Sequence[Touch], instant: int) -> bool:
    return condition[1] is not None and instant >= condition[1]


def _matched(condition: Any, seen: Sequence[Touch], instant: int) -> bool:
    _, holds, is_to_the_end, within = condition
    for first in range(len(seen)):
        for last in range(first, len(seen)):
            if is_to_the_end and last + 1 < len(seen):
                continue
            if within is not None and (instant - seen[last][0] > within or seen[last][0] - seen[first][0] > within):
                continue
            if holds(seen[first : last + 1]):
                return True
    return False


def _all(condition: Any, seen: Sequence[Touch], instant: int) -> bool | None:
    found = [state(one, seen, instant) for one in condition[1]]
    return False if False in found else None if None in found else True


def _any(condition: Any, seen: Sequence[Touch], instant: int) -> bool | None:
    found = [state(one, seen, instant) for one in condition[1]]
    return True if True in found else None if None in found else False


def _none(condition: Any, seen: Sequence[Touch], instant: int) -> bool | None:
    found = _any(condition, seen, instant)
    return None if found is None else not found


STATES: dict[str, Callable[..., bool | None]] = {
    "did": _did,
    "did_not": _did_not,
    "total": _total,
    "attribute": _attribute,
    "first": _first,
    "listed": _listed,
    "matched": _matched,
    "all": _all,
    "any": _any,
    "none": _none,
}


def rfm_scores(
    goals: Mapping[str, Sequence[tuple[int, Any]]], instant: int, lookback: int
) -> dict[str, tuple[int, int, Any, int, int, int, str]]:
    """Recency, frequency, money, their scores and the named group, by customer; `goals` are times and values."""
    rated = {}
    for customer, own in goals.items():
        recent = [(time, value) for time, value in own if instant - lookback <= time < instant]
        if recent:
            rated[customer] = (
                instant - max(time for time, _ in recent),
                len(recent),
                sum(value for _, value in recent),
            )
    scores = {}
    for customer, (recency, frequency, money) in rated.items():
        longer = sum(other[0] > recency for other in rated.values())
        fewer = sum(other[1] < frequency for other in rated.values())
        less = sum(other[2] < money for other in rated.values())
        r, f, m = (1 + 5 * smaller // len(rated) for smaller in (longer, fewer, less))
        scores[customer] = (recency, frequency, money, r, f, m, named(r, f))
    return scores


def named(r: int, f: int) -> str:
    """The first group that fits."""
    if r >= 4 and f >= 4:
        return "champions"
    if f >= 4:
        return "loyal"
    if r >= 4 and f <= 2:
        return "promising"
    if r <= 2 and f >= 3:
        return "at risk"
    return "lost" if r <= 2 and f <= 2 else "others"
