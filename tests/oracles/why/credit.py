"""Credit by its definition, one customer and one path at a time, in fractions. Shares no code with the product."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

Touch = tuple[int, str | None, bool]
"""A touch: its time, its value, whether it is the goal."""
State = tuple[str, ...]
CONVERSION, NULL, START = "(conversion)", "(null)", ()


@dataclass(frozen=True)
class Path:
    """The values of a path with their ages, and whether it ends with the goal."""

    values: tuple[str, ...]
    ages: tuple[int, ...]
    converted: bool


@dataclass(frozen=True)
class Found:
    """The paths of all customers, with the pieces that are open and the goals that may have lost touches."""

    paths: list[Path]
    opened: int
    truncated: int


@dataclass(frozen=True)
class Followed:
    """A path that is followed for as long as any other: whose, its first value, its values, whether it reached."""

    customer: int
    first: str
    values: set[str]
    reached: bool


def paths_of(
    customers: Sequence[Sequence[Touch]], *, lookback: int, end: int, reset: bool = True, with_goal: bool = False
) -> Found:
    """All paths; the touches of a customer are in their order."""
    paths, opened, truncated = [], 0, 0
    begin = min((touch[0] for touches in customers for touch in touches), default=0)
    for touches in customers:
        goals = [touch for touch in touches if touch[2]]
        eligible = [touch for touch in touches if not touch[2] and touch[1] is not None]
        belongs = [next((n for n, goal in enumerate(goals) if goal[0] >= touch[0]), None) for touch in eligible]
        for number, goal in enumerate(goals):
            own = [
                touch
                for touch, of in zip(eligible, belongs, strict=True)
                if 0 <= goal[0] - touch[0] <= lookback and (of == number or not reset)
            ]
            own += [goal] if with_goal and goal[1] is not None else []
            paths.append(Path(tuple(str(t[1]) for t in own), tuple(goal[0] - t[0] for t in own), True))
            truncated += goal[0] - lookback < begin
        for number in [*range(len(goals)), None]:
            rest = [touch for touch, of in zip(eligible, belongs, strict=True) if of == number]
            pieces: list[list[Touch]] = []
            for touch in rest:
                if not pieces or touch[0] - pieces[-1][-1][0] > lookback:
                    pieces.append([])
                pieces[-1].append(touch)
            if pieces and number is not None and goals[number][0] - pieces[-1][-1][0] <= lookback:
                pieces.pop()
            for piece in pieces:
                if piece[-1][0] + lookback <= end:
                    ages = tuple(piece[-1][0] - touch[0] for touch in piece)
                    paths.append(Path(tuple(str(touch[1]) for touch in piece), ages, False))
                else:
                    opened += 1
    return Found(paths, opened, truncated)


def followed(
    customers: Sequence[Sequence[Touch]], *, lookback: int, end: int, ignored: Sequence[str] = ()
) -> tuple[list[Followed], int]:
    """The paths that are followed for the whole lookback, and how many are not: touch by touch."""
    found: list[Followed] = []
    young = 0
    for who, touches in enumerate(customers):
        goals = [touch[0] for touch in touches if touch[2]]
        rest = [touch for touch in touches if not touch[2] and touch[1] is not None]
        while rest:
            begin = rest[0][0]
            until = min((goal for goal in goals if goal >= begin), default=None)
            reached = until is not None and until - begin <= lookback
            last = until if reached and until is not None else begin + lookback
            values = {str(touch[1]) for touch in rest if touch[0] <= last}
            first = str(rest[0][1])
            if begin + lookback <= end:
                found.append(Followed(who, first, (values - {*ignored}) or values, reached))
            else:
                young += 1
            rest = [touch for touch in rest if touch[0] > last]
    return found, young


def effect(paths: Sequence[Followed], value: str, *, alike: bool) -> dict[str, Any]:
    """Rates with and without a value, and their difference; `alike`: also among paths of one first value."""
    sides = [[path for path in paths if (value in path.values) is met] for met in (True, False)]
    rates = [Fraction(sum(path.reached for path in side), len(side)) if side else None for side in sides]
    row: dict[str, Any] = {
        "with": len(sides[0]),
        "rate_with": rates[0],
        "without": len(sides[1]),
        "rate_without": rates[1],
        "difference": None if None in rates else rates[0] - rates[1],  # type: ignore[operator]
        "customers_with": len({path.customer for path in sides[0]}),
        "customers_without": len({path.customer for path in sides[1]}),
    }
    strata = sorted({path.first for path in sides[0]}) if alike else [None]
    total, held = Fraction(), 0
    for stratum in strata:
        own, others = ([p.reached for p in side if stratum in (None, p.first)] for side in sides)
        if own and others:
            total += len(own) * (Fraction(sum(own), len(own)) - Fraction(sum(others), len(others)))
            held += len(own)
    row["adjusted"] = total / held if held and 10 * held >= 9 * len(sides[0]) else None
    return row


def without(path: Path, ignored: Sequence[str]) -> Path:
    """A path without ignored values, where it has others."""
    kept = [n for n, value in enumerate(path.values) if value not in ignored]
    if not kept:
        return path
    return Path(tuple(path.values[n] for n in kept), tuple(path.ages[n] for n in kept), path.converted)


def by_rule(path: Path, model: str, weights: Sequence[Fraction], half_life: int) -> dict[str, Any]:
    """What each value of a path earns of its conversion."""
    size, earned = len(path.values), dict.fromkeys(path.values, Fraction())
    if not size:
        return {}
    if model in {"participation", "shapley"}:
        return dict.fromkeys(earned, Fraction(1, 1 if model == "participation" else len(earned)))
    if model == "time_decay":
        raw: list[Any] = [2.0 ** (-age / half_life) for age in path.ages]
        shares = [each / sum(raw) for each in raw]
    elif model == "position" and size > 2:
        shares = [weights[0], *[weights[1] / (size - 2)] * (size - 2), weights[2]]
    elif model == "position" and size == 2:
        ends = weights[0] + weights[2]
        shares = [weights[0] / ends, weights[2] / ends] if ends else [Fraction(1, 2)] * 2
    else:
        places = {"first": [0], "last": [size - 1]}.get(model, range(size))
        shares = [Fraction(n in places, len(places)) for n in range(size)]
    for value, share in zip(path.values, shares, strict=True):
        earned[value] += share
    return earned


def removal_effects(paths: Sequence[Path], order: int) -> dict[str, Fraction | None]:
    """The share of the conversions that a chain loses without each value: one elimination a value."""
    counts: dict[State, dict[Any, int]] = {}
    for path in paths:
        joined = [value for n, value in enumerate(path.values) if not n or value != path.values[n - 1]]
        if not joined:
            continue
        states: list[Any] = [START, *(tuple(joined[max(0, n + 1 - order) : n + 1]) for n in range(len(joined)))]
        states.append(CONVERSION if path.converted else NULL)
        for source, target in pairwise(states):
            own = counts.setdefault(source, {})
            own[target] = own.get(target, 0) + 1
    whole = _chance(counts, None)
    values = sorted({value for path in paths for value in path.values})
    return {value: (whole - _chance(counts, value)) / whole if whole else None for value in values}


def _chance(counts: Mapping[State, Mapping[Any, int]], removed: str | None) -> Fraction:
    """The chance to convert from the start where every move to the removed value leads nowhere."""
    states = list(counts)
    rows = []
    for source in states:
        total = sum(counts[source].values())
        row = [Fraction(source == other) for other in states]
        right = Fraction(0)
        for target, count in counts[source].items():
            if target == CONVERSION:
                right += Fraction(count, total)
            elif target != NULL and target[-1] != removed:
                row[states.index(target)] -= Fraction(count, total)
        rows.append([*row, right])
    return _solved(rows)[states.index(START)] if states else Fraction(0)


def _solved(rows: list[list[Fraction]]) -> list[Fraction]:
    """Solves linear equations by elimination."""
    size = len(rows)
    for column in range(size):
        pivot = next(n for n in range(column, size) if rows[n][column])
        rows[column], rows[pivot] = rows[pivot], rows[column]
        rows[column] = [each / rows[column][column] for each in rows[column]]
        for n in range(size):
            if n != column and rows[n][column]:
                rows[n] = [a - rows[n][column] * b for a, b in zip(rows[n], rows[column], strict=True)]
    return [row[-1] for row in rows]
