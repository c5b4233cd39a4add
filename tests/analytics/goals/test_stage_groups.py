"""Groups of journeys are set against all other known groups, judged by customers."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import Paths, stage_funnel, stage_groups
from analytics.statistics.intervals import newcombe
from analytics.statistics.shares import effective_size
from analytics.statistics.tests import two_proportions_z
from expectations.errors import DefinitionError
from tests.analytics.goals.test_stage_funnel import RULES, text
from tests.written import START, in_parts

GROUPS = ["phone", "desk", None]
journey = st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 5), st.sampled_from(GROUPS), st.integers(0, 3))
journeys = st.lists(journey, min_size=1, max_size=40, unique_by=lambda each: each[:2])


def shop(drawn: list[tuple[str, int, str | None, int]]) -> Paths:
    """Journeys twenty days apart, each with the first `depth` of look, cart and buy after the ad."""
    rows = [
        (who, START + timedelta(days=20 * number + place), name, device)
        for who, number, device, depth in drawn
        for place, name in enumerate(["ad", "look", "cart", "buy"][: depth + 1])
    ]
    schema = {"customer": pl.String, "at": pl.Datetime("us", "UTC"), "touchpoint": pl.String, "device": pl.String}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return Paths.from_frame(frame, end_of_data=START + timedelta(days=300), rules=RULES)


def independent(rows: list[tuple[str, bool]]) -> tuple[float, float]:
    """Counts of (customer, reached), scaled to the independent journeys they are worth."""
    by: dict[str, list[int]] = {}
    for who, reached in rows:
        own = by.setdefault(who, [0, 0])
        own[0], own[1] = own[0] + 1, own[1] + reached
    n, y = (sum(each[i] for each in by.values()) for i in (0, 1))
    squares = tuple(sum(each[i] * each[j] for each in by.values()) for i, j in ((0, 0), (0, 1), (1, 1)))
    size = float(effective_size(y, n, squares, len(by)))
    return y / n * size, size


@settings(deadline=None, max_examples=100)
@given(journeys, st.integers(3, 30))
def test_every_group_is_compared_with_the_journeys_of_all_other_known_groups(
    drawn: list[tuple[str, int, str | None, int]], size: int
) -> None:
    table = stage_groups(in_parts(shop(drawn), size), "device")
    for row in table.rows(named=True):
        step = row["step"] - 1
        before = [each for each in drawn if each[3] >= step - 1]
        own = [(who, depth >= step) for who, _, device, depth in before if row["is_total"] or device == row["device"]]
        others = [(who, depth >= step) for who, _, device, depth in before if device not in (row["device"], None)]
        assert (row["previous"], row["reached"]) == (len(own), sum(reached for _, reached in own))
        assert row["customers_previous"] == len({who for who, _ in own})
        assert row["customers"] == len({who for who, reached in own if reached})
        assert row["customers_lost"] == len({who for who, reached in own if not reached})
        if row["is_total"] or row["device"] is None or not own or not others:
            assert row["difference"] is None and row["p_value"] is None
            continue
        ours, theirs = independent(own), independent(others)
        gap = newcombe(*ours, *theirs)
        assert row["difference"] == pytest.approx(ours[0] / ours[1] - theirs[0] / theirs[1], abs=1e-9)
        assert (row["difference_low"], row["difference_high"]) == pytest.approx((gap.low.item(), gap.high.item()))
        p = two_proportions_z(*ours, *theirs).p_value.item()
        assert row["p_value"] == (None if np.isnan(p) else pytest.approx(p))


def test_the_total_has_the_numbers_of_the_stage_funnel() -> None:
    paths = shop([(who, n, device, n) for who in "abcd" for n, device in enumerate([*GROUPS, "desk"])])
    total, funnel = stage_groups(paths, "device").filter("is_total"), stage_funnel(paths).filter(pl.col("step") > 1)
    same = ["step", "name", "reached", "customers", "customers_lost", "share_of_previous", "share_of_previous_low"]
    assert total.select(same).equals(funnel.select(same))


def test_without_a_stage_before_the_goal_no_group_goes_on_to_another() -> None:
    visits = {"ann": "visit@0d[device=phone] buy@1d", "bo": "visit@0d[device=desk]"}
    assert stage_groups(text(visits, "60d", stages=[]), "device").is_empty()


def test_groups_are_of_one_column() -> None:
    with pytest.raises(DefinitionError, match="one column"):
        stage_groups(text({"ann": "ad@0d"}, "60d"), ["device", "channel"])  # type: ignore[arg-type]
