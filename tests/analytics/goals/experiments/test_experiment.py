"""Customers are assigned, and their goals counted, as the definition says."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from analytics import (
    Experiment,
    Goal,
    MeanSums,
    Metric,
    Paths,
    Step,
    UnknownWordWarning,
    benjamini_hochberg,
    experiment,
    experiment_health,
    mean_difference,
    newcombe,
)
from analytics.goals.experiments.experiment import ExperimentDifferences, ExperimentHealth
from expectations.errors import DefinitionError
from tests.oracles.why.experiments import Touches, assign
from tests.written import START, assert_counts_add_up, at, frame_in_parts

MANY = int(os.environ.get("JOURNEYS_EXAMPLES", "60"))
END, WINDOW, BEFORE = 40.0, 5.0, 8.0
touch = st.tuples(st.integers(0, 80), st.sampled_from(["see", "buy", "look"]), st.sampled_from(["A", "B", "C", None]))
people = st.dictionaries(st.sampled_from("abcdefghij"), st.lists(touch, max_size=7), min_size=2)
BOTH = [Metric("buy"), Metric("buy", of="goals", name="goals")]
TEST = Experiment("x", "see", variant="v", metrics=BOTH, window="5d", before="8d")


def shop(customers: Touches, size: int = 10**9, channel: str = "web") -> Paths:
    rows = [
        (who, START + timedelta(days=time), name, variant, channel if who < "d" else None)
        for who, touches in customers.items()
        for time, name, variant in touches
    ]
    time = pl.Datetime("us", "UTC")
    schema = {"customer": pl.String, "at": time, "touchpoint": pl.String, "v": pl.String, "channel": pl.String}
    return frame_in_parts(pl.DataFrame(rows, schema=schema, orient="row"), size, START + timedelta(days=END))


def crowd(buyers: dict[str, int], of: int = 100) -> Paths:
    """So many customers of each variant, of whom some buy two days later, some of these twice."""
    rows: dict[str, list[tuple[float, str, str | None]]] = {}
    for variant, count in buyers.items():
        for number in range(of):
            bought: list[tuple[float, str, str | None]] = [(4.0 + more, "buy", None) for more in range(1 + number % 2)]
            rows[f"{variant}{number}"] = [(2.0, "see", variant), *(bought if number < count else [])]
    return shop(rows)


@settings(deadline=None, max_examples=MANY)
@given(people)
def test_customers_are_assigned_and_counted_as_the_definition_says(drawn: dict[str, list[Any]]) -> None:
    customers = {
        who: sorted(((time / 2, *rest) for time, *rest in own), key=lambda each: each[0]) for who, own in drawn.items()
    }
    expected = assign(customers, END, WINDOW, BEFORE)
    assume("A" in expected.assigned and len(expected.assigned) > 1)
    assume(min(own[0][0] for own in customers.values() if own) <= END - WINDOW)
    health = experiment_health(shop(customers, 3), TEST)
    assert dict(zip(health["variant"], health["assigned"], strict=True)) == {
        variant: len(own) for variant, own in expected.assigned.items()
    }
    assert (health["mixed"].sum(), health["open"].sum()) == (len(expected.mixed), len(expected.open))
    assert health["without_variant"].unique().to_list() == [len(expected.unnamed)]
    table = experiment(shop(customers, 3), TEST, by="channel", horizon="fixed")
    for metric, least in (("buy", 1), ("goals", 10**6)):
        rows = {row["variant"]: row for row in table.filter(metric=metric, is_total=True).to_dicts()}
        assert {name: (row["customers"], row["sum"]) for name, row in rows.items()} == {
            name: (len(own), sum(min(after, least) for after, _ in own)) for name, own in expected.goals.items()
        }
        for name, row in rows.items():
            if name == "A" or "A" not in rows:
                assert row["difference"] is None and (name == "A") == (row["verdict"] is None)
                continue
            control, own = rows["A"], expected.goals[name]
            if metric == "buy":
                low, high = newcombe(row["sum"], row["customers"], control["sum"], control["customers"])
                assert (row["low"], row["high"]) == pytest.approx((float(low), float(high)))
            else:
                sums = [MeanSums.of(*zip(*each, strict=True)) for each in (expected.goals["A"], own)]
                assert row["difference"] == pytest.approx(mean_difference(*sums).adjusted)
    groups = table.filter(~pl.col("is_total")).group_by("metric", "variant").agg(pl.col("customers", "sum").sum())
    totals = table.filter("is_total").select("metric", "variant", "customers", "sum")
    assert sorted(groups.rows()) == sorted(totals.rows())


def test_counts_of_parts_add_up() -> None:
    paths = crowd({"A": 30, "B": 50, "C": 40})
    for measure in (ExperimentDifferences, ExperimentHealth):
        assert_counts_add_up(measure.of(paths, TEST, by="channel"), paths, 20)


def test_a_clear_difference_is_better_or_worse_and_one_that_may_be_chance_is_undecided() -> None:
    def verdict(buyers: dict[str, int], metric: Metric) -> str:
        asked = Experiment("x", "see", variant="v", metrics=metric, window="5d", expected=200)
        return str(experiment(crowd(buyers), asked)["verdict"][1])

    assert verdict({"A": 20, "B": 70}, Metric("buy")) == "better"
    assert verdict({"A": 20, "B": 70}, Metric("buy", better="fewer")) == "worse"
    assert verdict({"A": 70, "B": 20}, Metric("buy", of="goals")) == "worse"
    assert verdict({"A": 20, "B": 30}, Metric("buy")) == "undecided"


def test_a_broken_sample_ratio_decides_nothing() -> None:
    asked = Experiment("x", "see", variant="v", metrics="buy", window="5d", planned={"A": 0.8, "B": 0.2})
    row = experiment(crowd({"A": 20, "B": 70}), asked, horizon="fixed").row(1, named=True)
    assert row["srm"] and row["verdict"] == "undecided" and row["p_corrected"] < 1e-6
    health = experiment_health(crowd({"A": 20, "B": 70}), asked)
    assert health["srm"].to_list() == [True, True] and health["planned"].to_list() == [0.8, 0.2]


def test_p_values_are_corrected_over_metrics_and_variants_and_groups_are_a_family_of_their_own() -> None:
    table = experiment(crowd({"A": 20, "B": 40, "C": 31}), TEST, by="channel", horizon="fixed")
    for family in (table.filter("is_total"), table.filter(~pl.col("is_total"))):
        known = family["p_value"].drop_nulls().to_numpy()
        assert len(known) >= 4
        assert family["p_corrected"].drop_nulls().to_list() == pytest.approx(list(benjamini_hochberg(known)))


def test_at_any_time_the_interval_is_wider_and_the_expected_size_is_told() -> None:
    paths = crowd({"A": 20, "B": 40})
    fixed, anytime = (experiment(paths, TEST, horizon=name).row(1, named=True) for name in ("fixed", "anytime"))
    assert anytime["low"] < fixed["low"] < anytime["difference"] == fixed["difference"]
    assert anytime["lift_high"] > fixed["lift_high"] and anytime["p_value"] > fixed["p_value"]
    assert (anytime["horizon"], anytime["expected"]) == ("anytime", 5000)


def test_what_customers_did_before_takes_its_share_of_the_variance() -> None:
    draw = np.random.default_rng(2)
    rows: dict[str, list[tuple[float, str, str | None]]] = {}
    for number in range(200):
        habit, variant = int(draw.integers(0, 5)), "AB"[number % 2]
        goals = [(1.0 + n / 10, "buy", None) for n in range(habit)] + [(11.0 + n, "buy", None) for n in range(habit)]
        rows[f"c{number}"] = [*goals[:habit], (10.0, "see", variant), *goals[habit:]]
    asked = Experiment("x", "see", variant="v", metrics=BOTH[1], window="9d", before="30d")
    row = experiment(shop(rows), asked).row(1, named=True)
    assert row["variance_kept"] < 0.01 and abs(row["difference"]) < 1e-9


def test_without_any_spread_there_is_no_interval_and_no_verdict() -> None:
    row = experiment(crowd({"A": 0, "B": 100}), Experiment("x", "see", variant="v", metrics="buy", window="5d"))
    assert row.select("difference", "low", "p_value", "lift", "verdict").row(1) == (1.0, None, None, None, "undecided")


def test_a_column_of_too_many_values_names_no_variants() -> None:
    rows: Touches = {f"c{number}": [(1.0, "see", "A" if not number else str(number))] for number in range(60)}
    with pytest.raises(DefinitionError, match="too many variants"):
        experiment_health(shop(rows), TEST)


def test_exposures_outside_the_range_do_not_count() -> None:
    customers: Touches = {"a": [(1.0, "see", "B"), (3.0, "see", "A")], "b": [(3.0, "see", "B"), (9.0, "see", "A")]}
    asked = Experiment("x", "see", variant="v", metrics="buy", window="5d", start=at("2d"), end=at("9d"))
    health = experiment_health(shop(customers), asked)
    assert health.select("variant", "assigned", "mixed").rows() == [("A", 1, 0), ("B", 1, 0)]


def test_no_touches_give_no_rows() -> None:
    assert experiment(shop({}), TEST, by="channel").is_empty() and experiment_health(shop({}), TEST).is_empty()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"control": "X"}, "Nobody was shown variant 'X'"),
        ({"planned": {"A": 0.5, "B": 0.4, "D": 0.1}}, "Nobody was shown variant 'D'"),
        ({"planned": {"A": 0.5, "B": 0.5}}, "no planned share"),
        ({"window": "90d"}, "longer than the data"),
        ({"variant": "w"}, "no column"),
        ({"variant": "customer"}, "no variant"),
        ({"assignment": Step("see", pl.col("v") == "A")}, "one variant"),
        ({"metrics": Step("buy", on="none")}, "no column"),
    ],
)
def test_what_the_data_cannot_answer_is_refused(options: dict[str, Any], words: str) -> None:
    given = {"assignment": "see", "variant": "v", "metrics": "buy", "window": "5d", **options}
    with pytest.raises(DefinitionError, match=words):
        experiment(crowd({"A": 2, "B": 2, "C": 2}, 5), Experiment("x", given.pop("assignment"), **given))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"metrics": []}, "compares metrics"),
        ({"metrics": ["buy", Goal(name="buy", steps=["pay"])]}, "compares metrics"),
        ({"planned": {"A": 1.0}}, "compares variants"),
        ({"planned": {"A": 0.5, "B": 0.6}}, "not those of all"),
        ({"planned": {"B": 0.5, "C": 0.5}}, "control"),
        ({"window": "0d"}, "some time"),
        ({"window": "14"}, "length of time"),
        ({"expected": 0}, "expected"),
        ({"start": at("3d"), "end": at("3d")}, "ends after"),
    ],
)
def test_a_definition_that_compares_nothing_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(DefinitionError, match=words):
        Experiment("x", "see", **{"metrics": "buy", **options})


def test_words_that_no_touch_has_and_an_unknown_horizon() -> None:
    paths = crowd({"A": 2, "B": 2}, 5)
    with pytest.warns(UnknownWordWarning, match="bye"):
        experiment(paths, Experiment("x", "see", variant="v", metrics="bye", window="5d"))
    with pytest.raises(DefinitionError, match="horizon"):
        experiment(paths, TEST, horizon="weekly")  # type: ignore[arg-type]
    with pytest.raises(DefinitionError, match="better"):
        Metric("buy", better="less")  # type: ignore[arg-type]
