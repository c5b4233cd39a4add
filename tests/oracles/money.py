"""Sums of money, the slow way: amount by amount, with the newest rate at or before its local day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from fractions import Fraction
from zoneinfo import ZoneInfo

from tests.oracles.journeys import Journey

Rate = tuple[date, str, float]


@dataclass
class Sums:
    """What the goals of journeys bring, and what their returns take off."""

    value: Fraction = Fraction(0)
    left_out: int = 0
    returned: Fraction = Fraction(0)
    returns: int = 0
    returns_left_out: int = 0
    value_of: Counter[str] = field(default_factory=Counter)
    net_of: Counter[str] = field(default_factory=Counter)
    returned_of: Counter[str] = field(default_factory=Counter)


def converted(
    amount: float, currency: str | None, at: datetime, to: str, rates: Sequence[Rate], zone: str
) -> Fraction | None:
    """An amount in the currency `to`, to the millionth; None where there is no rate."""
    if currency == to:
        return Fraction(round(amount * 1_000_000), 1_000_000)
    day = at.astimezone(ZoneInfo(zone)).date()
    known = [(since, rate) for since, of, rate in rates if of == currency and since <= day]
    return Fraction(round(amount * max(known)[1] * 1_000_000), 1_000_000) if known else None


def sums_of(
    journeys: Sequence[Journey],
    amounts: Sequence[tuple[float | None, Fraction | None]],
    goals: Sequence[bool],
    returns: Sequence[bool],
) -> Sums:
    """The sums over journeys that reached the goal. By touch: its amount as stated and as converted, goal, return."""
    found = Sums()
    for journey in journeys:
        for row in journey.touches:
            stated, amount = amounts[row]
            if goals[row] and stated is not None:
                found.left_out += amount is None
                found.value += amount or 0
                found.value_of[journey.customer] += amount or Fraction(0)  # type: ignore[assignment]
                found.net_of[journey.customer] += amount or Fraction(0)  # type: ignore[assignment]
        for row in journey.aftermath:
            stated, amount = amounts[row]
            if returns[row]:
                found.returns += 1
                found.returns_left_out += amount is None
                found.returned += abs(amount or 0)
                found.net_of[journey.customer] -= abs(amount or Fraction(0))  # type: ignore[assignment]
                found.returned_of[journey.customer] += abs(amount or Fraction(0))  # type: ignore[assignment]
    return found


def dominated(by_customer: Counter[str]) -> bool:
    """Whether one customer brings more than half of a sum."""
    return 2 * max(by_customer.values(), default=0) > sum(by_customer.values())
