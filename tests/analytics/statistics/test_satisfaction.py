"""Scores of surveys have the published intervals, which hold the truth as often as they say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from analytics import Stratum, survey_score, weighted_score
from analytics.statistics.intervals import newcombe
from analytics.statistics.satisfaction import mean_interval, nps_interval, paired_newcombe
from expectations.errors import DefinitionError


def test_a_paired_interval_is_the_one_that_newcombe_published() -> None:
    """Statistics in Medicine 17 (1998): 14, 5, 0 and 22 of 41 give 0.122, from 0.011 to 0.226."""
    found = paired_newcombe(14, 5, 0, 22)
    assert (found.low.item(), found.high.item()) == pytest.approx((0.011, 0.226), abs=1e-3)


@given(*[st.integers(0, 40)] * 4)
def test_a_paired_interval_turns_with_its_sides_and_is_plain_without_correlation(
    a: int, b: int, c: int, d: int
) -> None:
    assume(a + b + c + d)
    found, swapped = paired_newcombe(a, b, c, d), paired_newcombe(a, c, b, d)
    assert (found.low.item(), found.high.item()) == pytest.approx((-swapped.high.item(), -swapped.low.item()))
    n = a + b + c + d
    if 0 <= a * d - b * c <= n / 2:
        plain = newcombe(a + b, n, a + c, n)
        assert (found.low.item(), found.high.item()) == pytest.approx((plain.low.item(), plain.high.item()))


def test_the_interval_of_nps_holds_the_truth_about_as_often_as_it_says() -> None:
    draw = np.random.default_rng(3)
    for chances in ((0.5, 0.3, 0.2), (0.2, 0.2, 0.6), (0.85, 0.1, 0.05)):
        for answers in (20, 100):
            counts = draw.multinomial(answers, chances, 4000)
            low, high = nps_interval(counts[:, 0], counts[:, 2], answers)
            truth = chances[0] - chances[2]
            assert 0.925 <= ((low <= truth) & (truth <= high)).mean() <= 0.975


@given(st.lists(st.integers(1, 7), min_size=5, max_size=40))
def test_the_interval_of_a_mean_is_students(scores: list[int]) -> None:
    found = mean_interval(len(scores), sum(scores), sum(score**2 for score in scores), low=1, high=7)
    mean, error = float(np.mean(scores)), float(stats.sem(scores))
    reach = float(stats.t.ppf(0.975, len(scores) - 1)) * error
    assert math.isclose(found.low.item(), max(mean - reach, 1), abs_tol=1e-6)
    assert math.isclose(found.high.item(), min(mean + reach, 7), abs_tol=1e-6)


def test_scores_off_the_scale_are_refused_and_count_nowhere() -> None:
    row = survey_score("nps", {10: 4, 11: 2, -1: 1, 7: 4, 5: 2, 6.5: 3}).row(0, named=True)
    assert (row["responses"], row["refused"], row["measure"]) == (10, 6, 0.2)
    assert survey_score("ces", {}).row(0) == (0, 0, None, None, None)


def test_less_than_no_answers_are_refused() -> None:
    with pytest.raises(DefinitionError, match="less than no answers"):
        survey_score("nps", {9: -1})


def test_a_weighted_score_is_nearer_to_all_where_those_with_trouble_answer_more() -> None:
    strata = [Stratum("trouble", 100, {5: 3, 1: 9}), Stratum("none", 900, {5: 10, 4: 6, 2: 2})]
    total, *each = weighted_score("csat", strata).to_dicts()
    assert total["weighted"] == pytest.approx(0.9 * 16 / 18 + 0.1 * 3 / 12)
    assert [row["share_of_answers"] for row in each] == [0.4, 0.6]
    assert (total["at_least"], total["at_most"]) == (19 / 1000, (19 + 970) / 1000)
    reach = [(share, own) for share, own in zip((0.1, 0.9), each, strict=True)]
    for end in ("low", "high"):
        squares = (share**2 * (own["measure"] - own[end]) ** 2 for share, own in reach)
        assert abs(total["weighted"] - total[f"weighted_{end}"]) == pytest.approx(math.sqrt(sum(squares)))
    few = weighted_score("csat", [Stratum("a", 50, {5: 9}), Stratum("b", 50, {5: 10})]).row(0, named=True)
    assert (few["weighted"], few["at_least"]) == (None, 0.19)
    ces = weighted_score("ces", [Stratum("a", 10, {4: 10}), Stratum("b", 10, {})]).row(0, named=True)
    assert (ces["at_least"], ces["at_most"]) == (2.5, 5.5)


@pytest.mark.parametrize(
    ("survey", "strata", "words"),
    [
        ("npz", [Stratum("a", 5, {})], "no survey"),
        ("nps", [], "names of their own"),
        ("nps", [Stratum("a", 5, {}), Stratum("a", 5, {})], "names of their own"),
        ("nps", [Stratum("a", 5, {9: 6})], "more answers than occasions"),
    ],
)
def test_what_cannot_be_weighted_is_refused(survey: str, strata: list[Stratum], words: str) -> None:
    with pytest.raises(DefinitionError, match=words):
        weighted_score(survey, strata)  # type: ignore[arg-type]
