"""What gets in the way, as the definition says."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import date
from functools import partial
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analytics import PathRules, Paths, UnknownWordWarning, answer_all, pains
from expectations.errors import DefinitionError
from tests.oracles.whole_paths.pains import Touched, Walked, difference, pains_of
from tests.written import START, in_parts

DAY = 86_400
STAGES = ["Look", "Want", "Buy"]
RULES = PathRules(
    goal=["buy"],
    journey_gap="10d",
    stages=[
        {"name": "Look", "touchpoints": ["look", "home"]},
        {"name": "Want", "touchpoints": ["cart"]},
        {"name": "Buy", "touchpoints": ["buy"]},
    ],
)


def drawn(seed: int, customers: int = 12) -> Paths:
    draw, people = random.Random(seed), {}
    words = ["look", "look", "home", "cart", "cart", "error", "card failed", "buy", "other"]
    for number in range(customers):
        at, own = draw.randint(0, 30), []
        for _ in range(draw.randint(1, 14)):
            at += draw.choice([0, 0, 1, 2, 12])
            load = draw.choice(["", "", ",load_seconds=2", ",load_seconds=5"])
            device, place = draw.choice(["phone", "desk"]), draw.choice("ab")
            own.append(f"{draw.choice(words).replace(' ', '_')}@{at}d[device={device},place={place}{load}]")
        people[f"c{number}"] = " ".join(own)
    return Paths.from_text(people, end="60d", rules=RULES)


def walked(paths: Paths) -> list[Walked]:
    journeys: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    for row in paths.touches.collect().iter_rows(named=True):
        if row["journey"] is not None and not row["after_goal"]:
            journeys[row["customer"], row["journey"]].append(row)
    return [
        Walked(
            who,
            (own[0]["device"],),
            [
                Touched(
                    int((row["at"] - START).total_seconds()), row["touchpoint"], row["stage"], row.get("load_seconds")
                )
                for row in own
            ],
        )
        for (who, _), own in journeys.items()
    ]


@pytest.mark.parametrize("seed", range(8))
def test_counts_and_differences_are_those_of_a_loop_over_journeys(seed: int) -> None:
    paths = drawn(seed)
    options = {"goal": "buy", "window": 8 * DAY, "end": 60 * DAY}
    expected = pains_of(walked(paths), STAGES, ["error", "card_failed"], **options)
    found = pains(in_parts(paths, 3), window="8d", alike=["device"])
    rows = {(row["stage"], row["kind"], row["touchpoint"]): row for row in found.to_dicts()}
    assert rows.keys() == expected.keys()
    for pain, own in expected.items():
        row, gap = rows[pain], difference(own.strata)
        assert (row["journeys"], row["with_it"], row["reached"]) == (own.journeys, own.with_it, own.reached)
        assert row["difference"] == (None if gap is None else pytest.approx(gap, abs=1e-12))
        if gap is not None and pain[1] in ("trouble", "slow"):
            assert row["at_stake"] == pytest.approx(-gap * own.with_it)
        assert (row["at_stake"] is None) == (gap is None or pain[1] in ("back", "repeat"))
        if gap is not None:
            assert row["difference_low"] <= row["difference"] <= row["difference_high"]


def test_groups_add_up_and_only_their_own_journeys_are_alike() -> None:
    paths = drawn(3, 60)
    found = pains(paths, window="8d", by="device", alike=[])
    groups = found.filter(~pl.col("is_total")).group_by("stage", "kind", "touchpoint").agg(pl.col("with_it").sum())
    whole = found.filter("is_total").select("stage", "kind", "touchpoint", "with_it")
    assert groups.sort(pl.all()).rows() == whole.sort(pl.all()).rows()
    alone = pains(paths, window="8d", alike=["device"]).filter(kind="back")
    assert alone["with_it"].sum() == found.filter("is_total", kind="back")["with_it"].sum()


def test_questions_of_one_round_are_answered_as_alone() -> None:
    paths = in_parts(drawn(3, 60), 3)
    asked = {
        (by, column, since, slow): partial(
            pains, window="8d", by=by, alike=[column] if column else [], start=since, end=date(2026, 3, 1), slow=slow
        )
        for by in ("device", "place", ())
        for column in ("", "device")
        for since in (None, date(2026, 1, 20))
        for slow in (3.0, 9.0)
    }
    for key, answer in answer_all(paths, asked).items():
        assert_frame_equal(answer, pains(paths, **asked[key].keywords))


def test_a_failed_payment_costs_what_those_alike_reached_more() -> None:
    """The worked example of the definition: 100 with it, 30 reached; 300 without, 150 reached: 20 goals at stake."""
    people = {f"with{n}": "cart@0h error@1h" + (" buy@2h" if n < 30 else "") for n in range(100)}
    people |= {f"without{n}": "cart@0h" + (" buy@2h" if n < 150 else "") for n in range(300)}
    found = pains(shop(people))
    row = found.row(0, named=True)
    assert (row["stage"], row["touchpoint"], row["with_it"], row["goal_rate"]) == ("Want", "error", 100, 0.3)
    assert row["goal_rate_alike"] == pytest.approx(0.5) and row["at_stake"] == pytest.approx(20)
    assert 0 < row["at_stake_low"] < 20 < row["at_stake_high"] and row["p_corrected"] < 0.001 and row["enough"]
    assert (row["customers"], row["customers_reached"], row["customers_lost"]) == (400, 30, 70)


def shop(people: dict[str, str]) -> Paths:
    return Paths.from_text(people, end="60d", rules=RULES)


def test_few_are_not_judged_and_nothing_gives_no_rows() -> None:
    few = pains(shop({f"c{n}": "cart@0h error@1h" if n < 5 else "cart@0h buy@2h" for n in range(40)})).row(
        0, named=True
    )
    assert few["difference"] == -1.0 and few["p_value"] is None and few["p_corrected"] is None and not few["enough"]
    alone = pains(shop({"ann": "cart@0h error@1h"})).row(0, named=True)
    assert alone["difference"] is None and alone["at_stake"] is None
    assert pains(shop({"ann": "cart@0h buy@1h"})).is_empty()
    assert pains(Paths.from_text({}, rules=RULES)).is_empty()


def test_what_cannot_be_asked_is_refused_and_an_unknown_word_is_told() -> None:
    paths = drawn(1)
    with pytest.raises(DefinitionError, match="region"):
        pains(paths, alike=["region"])
    with pytest.raises(DefinitionError, match="names nothing"):
        pains(paths, [])
    with pytest.warns(UnknownWordWarning, match="eror"):
        pains(paths, "eror")
