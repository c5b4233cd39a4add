"""A plan rests on what customers do now, and its sizes are those of the usual formulas."""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.power import NormalIndPower

from analytics import Experiment, Metric, Paths, confidence_sequence, customers_needed, experiment_size
from expectations.errors import DefinitionError
from tests.analytics.goals.experiments.test_experiment import BEFORE, END, WINDOW, people, shop

BOTH = [Metric("buy"), Metric("buy", of="goals", name="goals")]
PLAN = Experiment("x", "see", variant="not there yet", metrics=BOTH, window="5d", before="8d")
SPAN = 10.0


@settings(deadline=None, max_examples=40)
@given(people, st.integers(2, 20))
def test_the_baseline_is_that_of_a_walk_over_the_last_weeks(customers, size: int) -> None:
    last = END - WINDOW
    goals, before = [], []
    for touches in customers.values():
        times = sorted(time for time, name, _ in touches if name == "see" and last - SPAN <= time <= last)
        if times:
            bought = [time for time, name, _ in touches if name == "buy"]
            goals.append(sum(times[0] < time <= times[0] + WINDOW for time in bought))
            before.append(sum(times[0] - BEFORE <= time < times[0] for time in bought))
    plan = experiment_size(shop(customers, size), PLAN, lifts=[0.5], span=timedelta(days=SPAN), horizon="fixed")
    if not goals:
        assert plan.is_empty()
        return
    share, mean = plan.to_dicts()
    assert (share["compared"], share["metric"], mean["metric"]) == (len(goals), "buy", "goals")
    assert share["baseline"] == pytest.approx(sum(each > 0 for each in goals) / len(goals))
    assert mean["baseline"] == pytest.approx(sum(goals) / len(goals))
    first = min(time for touches in customers.values() for time, _, _ in touches)
    days = min(SPAN, last - first)
    assert share["per_day"] is None or share["per_day"] == pytest.approx(len(goals) / days, rel=1e-6)
    y, x = np.array(goals, float), np.array(before, float)
    kept = 1 - np.corrcoef(y, x)[0, 1] ** 2 if len(y) > 1 and y.std() and x.std() else 1.0
    if mean["customers"] is not None:
        variance = y.var(ddof=1) * kept
        assert mean["customers"] == pytest.approx(4 * variance * 2.8016**2 / (0.5 * y.mean()) ** 2, rel=1e-3, abs=1)


@settings(max_examples=40)
@given(st.floats(0.02, 0.4), st.floats(0.5, 20), st.floats(0.6, 0.95))
def test_customers_are_those_of_the_library(effect: float, deviation: float, power: float) -> None:
    needed = customers_needed(4 * deviation**2, effect * deviation, power=power, anytime=False)
    theirs = 2 * NormalIndPower().solve_power(effect, alpha=0.05, power=power)
    assert abs(needed - theirs) <= max(1.5, 0.002 * theirs)


@given(st.floats(0.01, 5), st.floats(0.1, 30))
def test_at_any_time_the_sequence_leaves_out_no_change_four_times_in_five(effect: float, variance: float) -> None:
    needed = customers_needed(variance, effect)
    half = confidence_sequence(effect, variance / needed, needed, expected=needed).half_width.item()
    assert half + 0.8416 * math.sqrt(variance / needed) <= effect * (1 + 1e-3)
    assert customers_needed(variance, effect, anytime=False) <= needed


def test_shares_of_variants_and_what_cannot_be_planned() -> None:
    seen = {f"c{n}": "see@1d buy@2d" if n % 2 else "see@1d" for n in range(40)}
    paths = Paths.from_text(seen, end="30d")
    asked = {"metrics": "buy", "planned": {"A": 0.8, "B": 0.2}}
    even = experiment_size(paths, Experiment("x", "see", metrics="buy"), lifts=0.1)["customers"].item()
    uneven = experiment_size(paths, Experiment("x", "see", **asked), lifts=0.1)["customers"].item()
    assert uneven / even == pytest.approx((1 / 0.8 + 1 / 0.2) / 4, rel=0.01)
    found = experiment_size(paths, Experiment("x", "see", metrics="buy"), lifts=[1.5, -0.5])
    assert found["customers"].is_null().to_list() == [True, False], "a share above 1"
    assert found["days"].is_null().to_list() == [True, False]
    never = experiment_size(paths, Experiment("x", "see", metrics="see"), lifts=[0.1])
    assert never["customers"].to_list() == [None], "nobody reaches it: no spread, and no change of nothing"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"lifts": [0.0]}, "A plan is made for changes"),
        ({"lifts": []}, "A plan is made for changes"),
        ({"lifts": math.nan}, "A plan is made for changes"),
        ({"power": 1.0}, "A power is a chance"),
        ({"span": "0d"}, "A span takes some time"),
        ({"horizon": "never"}, "horizon"),
    ],
)
def test_a_plan_for_nothing_is_refused(asked: dict, told: str) -> None:
    with pytest.raises(DefinitionError, match=told):
        experiment_size(Paths.from_text({"ann": "see@1d"}, end="30d"), PLAN, **asked)
    with pytest.raises(DefinitionError, match="nothing to find"):
        customers_needed(1.0, 0.0)
