"""Where nothing differs, at most one headline in twenty of each kind claims a difference, by simulation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from scipy.stats import binomtest

from analytics import PathRules, Paths, answered, main_goal
from analytics.statistics.intervals import wilson
from reports.privacy import flow
from reports.privacy.stages import publishable_stages
from reports.questions.people import groups
from reports.questions.time import pacing
from reports.settings import ReportSettings
from reports.words import headlines
from tests.reports import fixtures
from tests.reports.journeys import Journey, paths_of

TRIES = 120
Random = np.random.Generator


def _weakest(random: Random) -> bool:
    counts = [2000]
    for _ in range(4):
        counts.append(int(random.binomial(counts[-1], 0.6)))
    stages = publishable_stages(fixtures.funnel_frame(tuple(counts)), 10, 30)
    return headlines.weakest_step(stages) is not None


def _largest_loss(random: Random) -> bool:
    there, *lost = random.multinomial(3000, [0.4, 0.2, 0.2, 0.2])
    counts = (3000, 3000 - lost[0], 3000 - lost[0] - lost[1], there)
    stages = publishable_stages(fixtures.funnel_frame(tuple(map(int, counts)), fixtures.STAGES[:4]), 10, 30)
    return headlines.largest_loss(stages) is not None


RULES = PathRules.model_validate(
    {"goal": ["c"], "stages": [{"name": name, "touchpoints": [name]} for name in "abc"], "after": []}
)


def _group_apart(random: Random) -> bool:
    size = 1500
    columns = {name: random.integers(0, many, size).astype(str) for name, many in (("device", 3), ("region", 6))}
    people = pl.DataFrame({**columns, "customer": np.arange(size), "depth": 1 + random.binomial(2, 0.6, size)})
    touches = [
        people.filter(pl.col("depth") >= step).with_columns(
            touchpoint=pl.lit(name), at=pl.lit(fixtures.START + timedelta(hours=step))
        )
        for step, name in enumerate("abc", 1)
    ]
    paths = Paths.from_frame(pl.concat(touches), end_of_data=fixtures.END, rules=RULES)
    frame = answered(paths, groups.segment_differences(ReportSettings(segments=("device", "region")), main_goal(["c"])))
    assert frame is not None
    return "goes on to" in headlines.segments_headline(frame)


def _group_ahead(random: Random) -> bool:
    size = 1200
    days = random.exponential(12.0, size)
    done, groups = random.random(size) < 0.5, random.integers(0, 3, size)
    journeys: list[Journey] = [
        (number, fixtures.START, timedelta(days=float(days[number])), bool(done[number]), str(groups[number]))
        for number in range(size)
    ]
    paths = paths_of(journeys, fixtures.END)
    curves = pacing.incidence(paths, "device", window=timedelta(days=14), k=10, min_journeys=30)
    assert curves is not None
    return not headlines.incidence_headline(curves, "Device").startswith("No group")


def _least_satisfied(random: Random) -> bool:
    many = np.full(4, 200)
    satisfied = random.binomial(many, 0.6)
    ends = wilson(satisfied, many)
    voice = pl.DataFrame(
        {"stage": list("abcd"), "responses": many, "satisfied": satisfied / many, "low": ends.low, "high": ends.high}
    )
    return "atisfaction" in headlines.journey_map_headline(publishable_stages(fixtures.funnel_frame(), 10, 30), voice)


def _commonest_start(random: Random) -> bool:
    ways = random.multinomial(2000, [0.25] * 4)
    routes = [([name, "Shop"], "abandoned", int(units), 0) for name, units in zip("abcd", ways, strict=True)]
    return headlines.flow_headline(flow.publishable_flow(fixtures.flow_frame(routes), {"Order"}, 10)).startswith(
        "The commonest"
    )


@pytest.mark.parametrize(
    "claims",
    [_weakest, _largest_loss, _group_apart, _group_ahead, _least_satisfied, _commonest_start],
)
def test_where_nothing_differs_at_most_one_report_in_twenty_claims_a_difference(
    claims: Callable[[Random], bool],
) -> None:
    random = np.random.default_rng(20)
    found = sum(claims(random) for _ in range(TRIES))
    assert binomtest(found, TRIES, 1 / 20, alternative="greater").pvalue > 0.01
