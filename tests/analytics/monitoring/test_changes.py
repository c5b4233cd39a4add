"""The change of a funnel is that of its two periods, counted apart."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from statsmodels.stats.proportion import confint_proportions_2indep

from analytics import Funnel, Paths, funnel, newcombe, step_changes
from expectations.errors import DefinitionError

FIRST, MIDDLE, LAST = (datetime(2024, 1, day, tzinfo=UTC) for day in (1, 8, 15))
SHOP = Paths.from_text(
    {
        **{
            f"early{i}": f"look@{i}h" + (" cart@20h" if i % 2 else "") + (" pay@21h" if i == 1 else "")
            for i in range(8)
        },
        **{f"late{i}": f"look@8d cart@{200 + i}h" + (" pay@9d" if i % 3 else "") for i in range(9)},
    },
    end="40d",
)
STEPS = Funnel(["look", "cart", "pay"], window="2d")


def test_counts_and_differences_are_those_of_each_period_alone() -> None:
    found = step_changes(SHOP, STEPS, (FIRST, MIDDLE), (MIDDLE, LAST))
    alone = [
        funnel(SHOP, Funnel(["look", "cart", "pay"], window="2d", start=start, end=end))
        for start, end in ((FIRST, MIDDLE), (MIDDLE, LAST))
    ]
    for side, counts in zip(("earlier", "later"), alone, strict=True):
        assert found[f"{side}_reached"].to_list() == counts["reached"].to_list()
        assert found[f"{side}_entered"].to_list() == counts["entered"].to_list()
        assert found[f"{side}_previous"].to_list() == [None, *counts["reached"].to_list()[:-1]]
    row = found.row(2, named=True)
    assert (row["earlier_reached"], row["earlier_previous"], row["later_reached"], row["later_previous"]) == (
        1,
        4,
        6,
        9,
    )
    assert row["previous_difference"] == pytest.approx(6 / 9 - 1 / 4)
    assert row["entered_difference"] == pytest.approx(6 / 9 - 1 / 8)
    interval = newcombe(6, 9, 1, 4)
    assert (row["previous_difference_low"], row["previous_difference_high"]) == pytest.approx(
        (interval.low, interval.high)
    )
    assert found.row(0, named=True)["entered_difference"] is None


def test_each_step_has_the_change_of_both_its_shares_with_newcombes_interval() -> None:
    """Of the earlier 8 look, 4 cart, 1 pay; of the later 9, 9 and 6."""
    found = step_changes(SHOP, STEPS, (FIRST, MIDDLE), (MIDDLE, LAST))
    for whole, row, counts in (
        ("entered", 1, (9, 9, 4, 8)),
        ("previous", 1, (9, 9, 4, 8)),
        ("entered", 2, (6, 9, 1, 8)),
        ("previous", 2, (6, 9, 1, 4)),
    ):
        difference, low, high = (found[f"{whole}_difference{end}"][row] for end in ("", "_low", "_high"))
        k2, n2, k1, n1 = counts
        assert difference == pytest.approx(k2 / n2 - k1 / n1)
        assert (low, high) == pytest.approx(confint_proportions_2indep(k2, n2, k1, n1, method="newcomb"))
    first = found.row(0, named=True)
    assert [first[f"previous_difference{end}"] for end in ("", "_low", "_high")] == [None] * 3


def test_a_period_without_entrants_has_no_difference() -> None:
    found = step_changes(SHOP, STEPS, (LAST, datetime(2024, 1, 20, tzinfo=UTC)), (MIDDLE, LAST))
    assert found["previous_difference"].to_list() == [None, None, None]


def test_a_funnel_of_journeys_or_with_groups_is_refused() -> None:
    for definition in (Funnel(["look"], count="journeys"), Funnel(["look"], by="device")):
        with pytest.raises(DefinitionError, match="a funnel of customers"):
            step_changes(SHOP, definition, (FIRST, MIDDLE), (MIDDLE, LAST))
