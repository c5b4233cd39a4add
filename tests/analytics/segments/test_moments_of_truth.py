"""Which touchpoints decide, as the definition says."""

from __future__ import annotations

import polars as pl
import pytest

from analytics import Paths, UnknownWordWarning, moments_of_truth
from expectations.errors import DefinitionError
from tests.analytics.segments.test_pains import DAY, STAGES, drawn, shop, walked
from tests.oracles.whole_paths.moments_of_truth import experiences_of
from tests.oracles.whole_paths.pains import difference
from tests.written import in_parts


@pytest.mark.parametrize("seed", range(8))
def test_counts_and_differences_are_those_of_a_loop_over_journeys(seed: int) -> None:
    paths = drawn(seed)
    options = {"goal": "buy", "window": 8 * DAY, "end": 60 * DAY}
    counted, expected = experiences_of(walked(paths), STAGES, ["error", "card_failed"], **options)
    found = moments_of_truth(in_parts(paths, 3), window="8d", alike=["device"])
    rows = {(row["stage"], row["touchpoint"]): row for row in found.to_dicts()}
    assert rows.keys() == expected.keys()
    assert any(own.bad and own.good for own in expected.values())
    for place, own in expected.items():
        row, gap = rows[place], difference(own.strata)
        assert (row["bad"], row["good"], row["reached_bad"], row["reached_good"]) == own[:4]
        assert (row["journeys"], row["with_it"]) == (counted, own.bad + own.good)
        assert row["difference"] == (None if gap is None else pytest.approx(gap, abs=1e-12))


def test_groups_add_up() -> None:
    found = moments_of_truth(drawn(3, 60), window="8d", by="device", alike=[])
    counts, place = ["bad", "good", "reached_bad", "reached_good"], ["stage", "touchpoint"]
    groups = found.filter(~pl.col("is_total")).group_by(place).agg(pl.col(counts).sum())
    assert groups.sort(place).rows() == found.filter("is_total").select(*place, *counts).sort(place).rows()


def mixed(fails: int, after_failure: int, wins: int) -> Paths:
    """At the cart `fails` of 400 journeys meet an error, of which `after_failure` buy; of the others `wins` do.
    All have looked, without trouble.
    """
    people = {}
    for n in range(400):
        won = n < after_failure if n < fails else n - fails < wins
        people[f"c{n}"] = "look@0h cart@1h" + (" error@2h" if n < fails else "") + (" buy@3h" if won else "")
    return shop(people)


def test_the_touchpoint_where_a_bad_experience_costs_the_goal_is_a_moment_of_truth() -> None:
    found = moments_of_truth(mixed(100, 30, 150))
    cart = found.filter(touchpoint="cart").row(0, named=True)
    assert (cart["stage"], cart["journeys"], cart["share"]) == ("Want", 400, 1.0)
    assert (cart["goal_rate_bad"], cart["goal_rate_good"]) == (0.3, 0.5)
    assert cart["difference"] == pytest.approx(-0.2) and cart["weight"] == pytest.approx(0.2)
    assert cart["difference_low"] < -0.2 < cart["difference_high"] < 0 and cart["enough"] and cart["is_moment"]
    look = found.filter(touchpoint="look").row(0, named=True)
    assert (look["bad"], look["good"], look["difference"], look["is_moment"]) == (0, 400, None, False)


def test_a_slow_page_is_a_bad_experience() -> None:
    people = {f"c{n}": f"look@0h[load_seconds={5 if n < 2 else 2}] buy@1h" for n in range(6)}
    row = moments_of_truth(shop(people)).row(0, named=True)
    assert (row["bad"], row["good"]) == (2, 4)
    assert moments_of_truth(shop(people), slow=6).row(0, named=True)["bad"] == 0


def test_what_few_meet_or_what_makes_no_difference_is_none() -> None:
    assert not moments_of_truth(mixed(100, 50, 150))["is_moment"].any()
    few = moments_of_truth(mixed(20, 0, 200)).filter(touchpoint="cart").row(0, named=True)
    assert few["difference"] < -0.5 and few["p_value"] is None and not few["enough"] and not few["is_moment"]
    crowd = {f"c{n}": "look@0h" for n in range(2000)}
    met = {f"m{n}": "look@0h cart@1h" + (" error@2h" if n < 40 else " buy@2h") for n in range(80)}
    rare = moments_of_truth(shop(crowd | met)).filter(touchpoint="cart").row(0, named=True)
    assert rare["p_corrected"] < 0.001 and rare["share"] < 0.05 and not rare["is_moment"]


def test_what_cannot_be_asked_is_refused_and_no_stage_gives_no_row() -> None:
    with pytest.raises(DefinitionError, match="region"):
        moments_of_truth(drawn(1), alike=["region"])
    with pytest.warns(UnknownWordWarning, match="eror"):
        moments_of_truth(drawn(1), "eror")
    assert moments_of_truth(shop({})).is_empty()
    assert moments_of_truth(Paths.from_text({"ann": "look@0h buy@1h"}, end="60d"), goal="buy").is_empty()
