"""The numbers of quality, against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from analytics.goals.ahead.quality import band_edges, bands_of, calibration_error, cells, groups_of, quality


def test_numbers_are_those_of_the_library() -> None:
    random = np.random.default_rng(7)
    chance = np.round(random.uniform(0, 1, 500), 2)
    reached = random.random(500) < chance
    found = quality(chance, reached, random.integers(0, 200, 500), than=np.full(500, reached.mean()))
    assert found["auc"] == pytest.approx(roc_auc_score(reached, chance))
    assert found["brier"] == pytest.approx(brier_score_loss(reached, chance))
    assert found["log_loss"] == pytest.approx(log_loss(reached, np.clip(chance, 1e-15, 1 - 1e-15)))
    base = reached.mean() * (1 - reached.mean())
    assert found["skill"] == pytest.approx(1 - found["brier"] / base) == found["gain"]
    assert found["skill_low"] < found["skill"] < found["skill_high"]


def test_all_or_none_have_no_skill() -> None:
    for reached in (np.zeros(3, np.bool_), np.ones(3, np.bool_)):
        found = quality(np.full(3, 0.5), reached, np.arange(3))
        assert found["skill"] is None and found["auc"] is None and found["calibration_error"] == 0.5
    assert quality(np.zeros(0), np.zeros(0, np.bool_), np.zeros(0, np.int64))["calibration_error"] is None


def test_groups_are_of_equal_size_and_cells_count_them() -> None:
    chance = np.linspace(0, 1, 25)
    group = groups_of(chance, 10)
    sizes = np.bincount(group)
    assert sizes.min() >= 2 and sizes.max() <= 3 and (np.diff(group) >= 0).all()
    table = cells(chance, chance > 0.5, group, 10)
    assert table["customers"].sum() == 25 and table["goals"].sum() == 12
    assert table["expected"].is_sorted() and (table["seen_low"] <= table["seen"]).all()
    assert cells(chance[:2], chance[:2] > 2, np.zeros(2, np.int64), 2)["seen"].to_list() == [0.0, None]


def test_calibration_error_is_the_mean_gap_of_the_groups() -> None:
    chance = np.repeat([0.2, 0.6], 50)
    reached = np.concatenate([np.arange(50) < 15, np.arange(50) < 30])
    by_group = [abs(0.2 - each.mean()) for each in np.split(reached[:50], 5)]
    by_group += [abs(0.6 - each.mean()) for each in np.split(reached[50:], 5)]
    assert calibration_error(chance, reached) == pytest.approx(np.mean(by_group))


def test_bands_begin_at_points_of_the_held_back_chances() -> None:
    edges = band_edges(np.arange(101) / 100)
    assert edges == pytest.approx([0.5, 0.8, 0.95])
    assert bands_of(np.array([0.1, 0.5, 0.9, 0.96]), [0.5, 0.8, 0.95]).tolist() == [0, 1, 2, 3]
