"""What gets in the way is told where it is clear, and where nobody is revealed by it."""

from __future__ import annotations

from typing import Any

import pytest

from reports.privacy.people.pains import friction_in_steps, pains_in_steps, publishable_friction, publishable_pains
from reports.privacy.steps import Steps

PAIN = {
    **{"stage": "Desire", "kind": "trouble", "touchpoint": "error", "with_it": 100, "reached": 30},
    **{"is_total": True, "journeys": 400, "share": 0.25},
    **{"customers": 400, "customers_with_it": 100, "customers_reached": 30, "customers_lost": 70},
    **{"goal_rate": 0.3, "goal_rate_low": 0.22, "goal_rate_high": 0.4, "goal_rate_alike": 0.5},
    **{"at_stake": 20.0, "at_stake_low": 9.0, "at_stake_high": 30.0, "p_corrected": 0.001},
}


def told(**changed: Any) -> list[dict[str, Any]]:
    return publishable_pains([PAIN | changed], (), 10, 30)


def test_a_clear_pain_is_told_and_the_worst_comes_first() -> None:
    assert told() == [PAIN]
    worse = PAIN | {"stage": "Interest", "at_stake_low": 12.0}
    assert publishable_pains([PAIN, worse], (), 10, 30) == [worse, PAIN]


@pytest.mark.parametrize(
    "changed",
    [
        {"p_corrected": 0.05},
        {"p_corrected": None},
        {"at_stake_low": 0.9},
        {"at_stake_low": None},
        {"customers_with_it": 29},
        {"customers": 109},
        {"customers_reached": 9},
        {"customers_lost": 1},
    ],
)
def test_what_is_not_clear_or_reveals_few_is_not_told(changed: dict[str, Any]) -> None:
    assert told(**changed) == []


def test_a_touchpoint_that_another_card_counts_is_not_told() -> None:
    assert publishable_pains([PAIN], {"error"}, 10, 30) == []


def test_later_reports_count_in_steps_and_their_rates_follow() -> None:
    first = Steps(10)
    assert pains_in_steps([PAIN], first)[0]["with_it"] == 100
    later = pains_in_steps([PAIN | {"with_it": 103, "reached": 31}], Steps(10, first.counts))[0]
    assert later["with_it"] % 10 == 0 and later["reached"] % 10 == 0
    assert later["goal_rate"] == pytest.approx(later["reached"] / later["with_it"], abs=0.001)


@pytest.mark.parametrize(
    "changed",
    [{"customers": 29, "customers_with_it": 15}, {"customers_with_it": 9}, {"customers": 109}, {"is_total": False}],
)
def test_what_few_meet_or_all_but_few_is_not_told(changed: dict[str, Any]) -> None:
    assert publishable_friction([PAIN], (), 10, 30) == [PAIN] and publishable_friction([PAIN], ["error"], 10, 30) == []
    assert publishable_friction([PAIN | changed], (), 10, 30) == []


def test_what_is_met_is_counted_as_on_the_card_of_pains() -> None:
    first = Steps(10)
    assert friction_in_steps([PAIN], first)[0]["share"] == 0.25
    later = Steps(10, first.counts)
    moved = [PAIN | {"with_it": 103, "journeys": 444}]
    (met,), (pain,) = (of(moved, later) for of in (friction_in_steps, pains_in_steps))
    assert met["with_it"] == pain["with_it"]
    assert met["share"] == pytest.approx(met["with_it"] / met["journeys"], abs=0.001)
