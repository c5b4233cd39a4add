"""Changes between two periods: time to the goal, satisfaction, and their texts on the value cards."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from analytics import Goal, PathRules, Paths, answered, newcombe
from reports.questions.answers import Facts, Shift
from reports.questions.time import periods
from reports.settings import ReportSettings
from reports.words.numbers import NARROW
from reports.words.value_cards import value_cards
from tests.reports import fixtures
from tests.reports.journeys import Journey, paths_of

START = datetime(2026, 6, 1, tzinfo=UTC)
END = START + timedelta(days=63)
WINDOW = timedelta(days=7)
SETTINGS = ReportSettings(window="7d", compare="28d")
FACTS = Facts(0, None, None, START, END)


def _journeys(days: float, later_days: float, size: int = 400) -> Paths:
    """Journeys begun evenly over 56 days; those of the second half have another median length."""
    random = np.random.default_rng(3)
    rows: list[Journey] = []
    for number in range(size):
        begun = 56 * number / size
        length = (days if begun < 28 else later_days) * random.uniform(0.5, 1.5)
        start = START + timedelta(days=begun)
        rows.append((number, start, timedelta(days=length), True, None))
    return paths_of(rows, END)


def test_the_interval_of_a_shifted_median_contains_the_shift_and_excludes_zero() -> None:
    shift = periods.pace_shift(_journeys(2.0, 3.0), WINDOW, SETTINGS, FACTS)
    assert shift is not None
    assert 0.5 < shift.low < shift.difference < shift.high < 1.5
    assert abs(shift.difference - 1.0) < 0.3


def test_the_interval_of_an_unchanged_median_contains_zero() -> None:
    shift = periods.pace_shift(_journeys(2.0, 2.0), WINDOW, SETTINGS, FACTS)
    assert shift is not None and shift.low < 0 < shift.high


def test_intervals_of_an_unchanged_median_exclude_zero_at_most_once_in_twenty() -> None:
    random = np.random.default_rng(8)
    missed = 0
    for _ in range(100):
        lengths = [timedelta(days=float(days)) for days in random.exponential(2.0, 160).clip(0, 6.9)]
        rows = [(i, START + timedelta(days=56 * i / 160), length, True, None) for i, length in enumerate(lengths)]
        shift = periods.pace_shift(paths_of(rows, END), WINDOW, SETTINGS, FACTS)
        assert shift is not None
        missed += not shift.low <= 0 <= shift.high
    assert missed <= 5


@pytest.mark.parametrize("size", [0, 1, 50])
def test_too_few_journeys_or_too_short_a_period_give_no_shift(size: int) -> None:
    assert periods.pace_shift(_journeys(2.0, 3.0, size), WINDOW, SETTINGS, FACTS) is None
    short = replace(FACTS, first_at=START + timedelta(days=20))
    assert periods.pace_shift(_journeys(2.0, 3.0), WINDOW, SETTINGS, short) is None


GOAL = Goal(name="Order", steps=["buy"])


def _shop(then: float, now: float, customers: int = 40) -> Paths:
    """Customers with a journey a week, eight in all: of each customer's four in a half so many reach the goal."""
    rows = []
    for who in range(customers):
        for week in range(8):
            at = START + timedelta(days=7 * week, hours=who)
            won = (week % 4) < 4 * (then if week < 4 else now)
            rows += [(f"c{who}", at, "ad"), *([(f"c{who}", at + timedelta(hours=1), "buy")] if won else [])]
    frame = pl.DataFrame(rows, schema=["customer", "at", "touchpoint"], orient="row")
    rules = PathRules.model_validate(
        {"goal": ["buy"], "journey_gap": "6d", "stages": [{"name": "Ad", "touchpoints": ["ad"]}]}
    )
    return Paths.from_frame(frame, end_of_data=START + timedelta(days=62), rules=rules)


def test_a_change_of_the_goal_rate_is_judged_by_customers() -> None:
    facts = replace(FACTS, end_of_data=START + timedelta(days=62))
    changes = answered(_shop(0.75, 0.25), periods.period_changes(timedelta(days=6), SETTINGS, facts, GOAL))
    assert changes is not None
    row = changes.row(-1, named=True)
    assert (row["name"], row["earlier_entered"], row["later_entered"]) == ("Order", 160, 160)
    assert (row["entered_difference"], row["previous_difference"]) == (-0.5, -0.5)
    alike = newcombe(0.25 * 160, 160, 0.75 * 160, 160)  # every customer's journeys end alike, so they count in full
    assert (row["entered_low"], row["entered_high"]) == pytest.approx((alike.low, alike.high), abs=1e-4)


@pytest.mark.parametrize(("then", "now", "customers"), [(1.0, 0.25, 9), (0.75, 0.25, 7)])
def test_a_change_of_few_customers_is_not_told(then: float, now: float, customers: int) -> None:
    facts = replace(FACTS, end_of_data=START + timedelta(days=62))
    changes = answered(_shop(then, now, customers), periods.period_changes(timedelta(days=6), SETTINGS, facts, GOAL))
    assert changes is None or changes["entered_difference"].null_count() == changes.height


def _answered(satisfied: int, later: int, many: int = 60) -> Paths:
    rows = []
    for period, good in ((0, satisfied), (28, later)):
        for number in range(many):
            at = END - timedelta(days=55 - period, minutes=-number)
            who = f"{period}-{number}"
            rows.append((who, at, "Cart", "Desire", None, None))
            rows.append((who, at + timedelta(minutes=1), "Feedback", None, "csat", 5.0 if number < good else 2.0))
    columns = ("customer", "at", "touchpoint", "stage", "survey", "score")
    return Paths.from_frame(pl.DataFrame(rows, schema=columns, orient="row"), end_of_data=END)


def test_a_change_of_satisfaction_is_reported_by_stage_but_not_for_small_counts() -> None:
    shifts = periods.voice_shifts(_answered(20, 45), SETTINGS, FACTS)
    assert shifts["Desire"].difference == pytest.approx(25 / 60)
    assert 0 < shifts["Desire"].low < 25 / 60 < shifts["Desire"].high
    assert periods.voice_shifts(_answered(20, 55), SETTINGS, FACTS) == {}
    assert periods.voice_shifts(_answered(10, 12, many=25), SETTINGS, FACTS) == {}


def test_every_change_on_a_card_has_its_periods_size_and_interval() -> None:
    answers = fixtures.answers(
        pace_shift=Shift(0.5, 0.2, 0.8),
        voice_shifts={"Action": Shift(-0.031, -0.072, 0.01)},
        voice=fixtures.voice_frame(),
    )
    settings = ReportSettings(compare="28d")
    changes = [card.change.replace(NARROW, " ") for card in value_cards(answers, settings)]
    assert changes == [
        "Begun 19 Jul – 15 Aug 2026: +3.1 % against the 28 days before (95 %: −0.5 to +6.9, not clear)",
        "Begun 19 Jul – 15 Aug 2026: +0.8 pp against the 28 days before (95 %: −0.4 to +2.0, not clear)",
        "Begun 19 Jul – 15 Aug 2026: +3.1 pp against the 28 days before (95 %: +0.4 to +5.8)",
        "Begun 19 Jul – 15 Aug 2026: +12.0 h against the 28 days before (95 %: +4.8 h to +19.2 h)",
        "Answers 2 – 29 Aug 2026: −3.1 pp against the 28 days before (95 %: −7.2 to +1.0, not clear)",
    ]
