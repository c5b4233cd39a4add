"""Who is active, by its definitions: loops over days and touches of each customer. Shares no code with the product."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

Customers = Mapping[str, Sequence[float]]
"""The times of the active touches of each customer, in days."""


def lifecycle(customers: Customers, end: float) -> list[tuple[int, int, int, int]]:
    """New, returning, resurrecting and dormant of every day that is over, from the first with a touch."""
    days = {who: {int(at) for at in times} for who, times in customers.items()}
    first, rows = min((min(own) for own in days.values() if own), default=None), []
    if first is None:
        return []
    for day in range(first, int(end)):
        new = sum(day in own and day == min(own) for own in days.values())
        returning = sum(day in own and day - 1 in own for own in days.values())
        resurrecting = sum(day in own and day - 1 not in own and day != min(own) for own in days.values())
        dormant = sum(day not in own and day - 1 in own for own in days.values())
        rows.append((new, returning, resurrecting, dormant))
    return rows


def stickiness(customers: Customers, end: float, length: int) -> dict[int, Counter[int]]:
    """Of every period of so many days that is over, how many customers are active on how many of its days."""
    found: dict[int, Counter[int]] = {}
    for period in range(int(end) // length):
        span = range(period * length, (period + 1) * length)
        counts = Counter(len({int(at) for at in times} & set(span)) for times in customers.values())
        del counts[0]
        if counts:
            found[period] = counts
    return found


def spans(customers: Customers, gap: float, end: float) -> dict[str, tuple[float, float | None, float | None]]:
    """Of every customer first seen early enough: the first touch, that of the first lapse, and the one after it."""
    found = {}
    for who, given in customers.items():
        times = sorted(given)
        if not times or times[0] > end - gap:
            continue
        lapsed = following = None
        for place, at in enumerate(times):
            after = times[place + 1] if place + 1 < len(times) else None
            if at < end - gap and (after is None or after - at > gap):
                lapsed, following = at, after
                break
        found[who] = (times[0], lapsed, following)
    return found


def curve(waits: Sequence[tuple[float, bool]]) -> list[tuple[float, int, int, int, float]]:
    """Kaplan-Meier: time, at risk, events, censored, and the share that is left."""
    rows, left = [], 1.0
    for time in sorted({wait for wait, _ in waits}):
        at_risk = sum(wait >= time for wait, _ in waits)
        events = sum(wait == time and ended for wait, ended in waits)
        left *= 1 - events / at_risk
        rows.append((time, at_risk, events, sum(wait == time for wait, _ in waits) - events, left))
    return rows


def retained(
    customers: Mapping[str, Sequence[tuple[float, bool]]],
    end: float,
    spans: Sequence[tuple[int, int | None]],
    *,
    every: bool = False,
    elapsed: bool = False,
    least: int = 1,
    grace: float | None = None,
    value: Mapping[tuple[str, float], float] | None = None,
) -> dict[tuple[int, int], list[float]]:
    """Of every (day of the cohort, first day of the span): members, those seen for long enough, returns, and value.

    A touch is its time in days, and whether it starts; all touches return, with grace those at most so long after the
    beginning of the span. A cell nobody is eligible for is left out.
    """
    cells: dict[tuple[int, int], list[float]] = {}
    for who, touches in customers.items():
        starts: dict[int, float] = {}
        for at in sorted(time for time, begins in touches if begins):
            starts.setdefault(int(at), at)
        for day, start in sorted(starts.items())[: None if every else 1]:
            periods: dict[int, list[float]] = {}
            for at, _ in touches:
                if elapsed and at > start:
                    periods.setdefault(int(at - start), []).append(at)
                elif not elapsed and int(at) >= day:
                    periods.setdefault(int(at) - day, []).append(at)
            for first, last in spans:
                origin = start if elapsed else day
                until = float("inf") if grace is None else origin + first + grace
                early = {number: [at for at in times if at <= until] for number, times in periods.items()}
                met = {number: times for number, times in early.items() if len(times) >= least}
                over = first if last is None else last
                seen = origin + over + 1 <= end if grace is None else origin + first + grace <= end
                hits = [times for number, times in met.items() if number >= first and (last is None or number <= last)]
                cell = cells.setdefault((day, first), [0, 0, 0, 0])
                cell[0] += 1
                cell[1] += seen
                cell[2] += seen and bool(hits)
                cell[3] += sum((value or {}).get((who, at), 0) for times in hits for at in times) if seen else 0
    return {key: cell for key, cell in cells.items() if cell[1]}
