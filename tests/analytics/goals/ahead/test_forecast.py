"""Predictions learn from what was known, are judged on held-back time, and forget who is erased or objects."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from analytics import Forecast, Goal, PathRules, Prediction, forecast, forget_customer
from analytics.goals.ahead.columns import ModelColumns, auc
from analytics.goals.ahead.features import Known, first_goals
from analytics.stitching.privacy.journal import record_erasure
from analytics.stitching.privacy.kept.snapshots import snapshot_files, snapshots_named
from expectations.errors import DefinitionError
from expectations.lake import files
from expectations.lake.layout import Lake
from tests.written import START

RULES = PathRules(
    goal=["buy"], stages=[{"name": "Interest", "touchpoints": ["look"]}, {"name": "Desire", "touchpoints": ["cart"]}]
)
ASKED = Prediction("buy", horizons=("1d", "2d"), lookback="10d", cutoffs=4)
BRIEF = Prediction("buy", horizons=("1d", "2d"), lookback="10d", cutoffs=2)
DAYS, PEOPLE = 42, 1000
CALM, EAGER = 0.02, 0.4
"""The chance to buy in a day: without and with a cart on the day before."""
DAY = timedelta(days=1)
Change = Callable[[pl.DataFrame], pl.DataFrame]


def shop(people: int = PEOPLE, days: int = DAYS, seed: int = 1) -> pl.DataFrame:
    """A shop with known hazards: who has a cart buys on the next day with chance `EAGER`, anybody else with `CALM`.

    Every second customer is known by a cookie alone until the first goal, which is late by two days.
    """
    random = np.random.default_rng(seed)
    rows = []
    for person in range(people):
        cart, signed = False, person % 2 == 0
        for day in range(days):
            at = START + DAY * (day + random.uniform(0.3, 0.6))
            if random.random() < (EAGER if cart else CALM):
                rows.append((person, "buy", at, at + 2 * DAY if random.random() < 0.05 else at, True))
                signed = True
            cart = random.random() < 0.2
            if cart or random.random() < 0.3:
                later = START + DAY * (day + random.uniform(0.65, 0.95))
                rows.append((person, "cart" if cart else "look", later, later, signed))
    table = pl.DataFrame(rows, schema=["person", "event_name", "occurred_at", "received_at", "signed"], orient="row")
    return table.with_columns(
        pl.when("signed").then(pl.format("c{}", "person")).alias("customer_id"),
        pl.format("x{}", "person").alias("anonymous_id"),
        pl.format("e{}", pl.int_range(pl.len())).alias("event_id"),
        pl.int_range(pl.len()).cast(pl.Int64).alias("offset"),
        pl.col("occurred_at").dt.date().alias("event_date"),
        kind=pl.lit("clickstream"),
        channel=pl.lit("web"),
        topic=pl.lit("t"),
        partition=pl.lit(0, pl.Int32),
    ).drop("person", "signed")


def landed(folder: Path, events: pl.DataFrame) -> Lake:
    lake = Lake(str(folder))
    events.write_delta(lake.table("events"))
    return lake


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return landed(tmp_path_factory.mktemp("shop"), shop())


@pytest.fixture(scope="module")
def found(lake: Lake) -> Forecast:
    return forecast(lake, ASKED, RULES)


def same(one: Forecast, other: Forecast) -> bool:
    frames = ("quality", "reliability", "outlook", "scores")
    equal = all(getattr(one, name).equals(getattr(other, name)) for name in frames)
    return equal and (one.model, one.reason, one.tested, one.at) == (other.model, other.reason, other.tested, other.at)


def test_chances_of_known_hazards_are_calibrated_and_better_than_those_of_plain_numbers(found: Forecast) -> None:
    assert found.model == "hazard" and found.learned[-1] + 2 * DAY <= found.tested
    best = found.quality.filter(model="hazard", horizon=DAY).row(0, named=True)
    assert best["gain_low"] > 0 and best["calibration_error"] < 0.05
    total = found.outlook.filter("is_total").sort("horizon")
    assert total["customers"].n_unique() == 1 and total["expected_goals"].is_sorted()
    bands = found.outlook.filter(~pl.col("is_total"))
    summed = bands.group_by("horizon").agg(pl.col("customers", "expected_goals", "tested", "tested_goals").sum())
    joined = total.join(summed, on="horizon", suffix="_of_bands")
    for name in ("customers", "expected_goals", "tested", "tested_goals"):
        assert np.allclose(joined[name], joined[f"{name}_of_bands"])


def test_a_longer_horizon_has_no_smaller_chance(found: Forecast) -> None:
    chances = found.scores.sort("customer", "horizon")
    assert chances.select((pl.col("chance").diff() >= 0).over("customer").all()).item()
    assert chances["expected_days"].is_between(0, 2).all()


def test_whoever_has_a_cart_now_is_more_likely_to_buy_tomorrow(lake: Lake, found: Forecast) -> None:
    events = shop().sort("occurred_at")
    last = events.group_by("anonymous_id").agg(
        pl.col("customer_id").max(), pl.col("event_name").last(), pl.col("occurred_at").max()
    )
    key = pl.coalesce(pl.format("customer_id:{}", "customer_id"), pl.format("anonymous_id:{}", "anonymous_id"))
    eager = last.select(
        key.alias("customer"), (pl.col("event_name") == "cart") & (pl.col("occurred_at") > found.at - DAY)
    )
    tomorrow = found.scores.filter(horizon=DAY).join(eager, on="customer")
    assert auc(tomorrow["chance"].to_numpy(), tomorrow["event_name"].to_numpy()) > 0.9


@pytest.mark.parametrize(
    "change",
    [
        lambda events, at: events.filter(pl.col("received_at") <= at),
        lambda events, at: events.with_columns(
            pl.when(pl.col("received_at") > at).then(pl.lit("buy")).otherwise("event_name").alias("event_name"),
            pl.when(pl.col("received_at") > at).then(pl.lit("c1")).otherwise("customer_id").alias("customer_id"),
        ),
    ],
    ids=["deleted", "changed"],
)
def test_what_arrives_after_the_cutoff_changes_no_score(
    tmp_path: Path, change: Callable[[pl.DataFrame, datetime], pl.DataFrame]
) -> None:
    events, at = shop(100, 35), START + 28 * DAY
    full = forecast(landed(tmp_path / "full", events), BRIEF, RULES, at=at)
    other = forecast(landed(tmp_path / "other", change(events, at)), BRIEF, RULES, at=at)
    assert len(full.scores) > 0 and same(full, other)


def test_goals_dealt_out_at_random_cannot_be_told(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the goals of other customers at every cutoff the AUC is a half: nothing of the test is learned from."""
    shutil.copytree(lake.address, tmp_path / "lake")
    deal = 0

    def dealt(then: Known, later: Known, cutoff: datetime) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.random.default_rng((deal, cutoff.day)).permutation(first_goals(then, later, cutoff))

    monkeypatch.setattr("analytics.goals.ahead.forecast.first_goals", dealt)
    found = []
    for deal in range(4):
        asked = replace(ASKED, goal=Goal(name=f"deal {deal}", steps=("buy",)))
        quality = forecast(Lake(str(tmp_path / "lake")), asked, RULES).quality
        found.append(quality.filter(model="hazard", horizon=2 * DAY)["auc"].item())
    assert abs(np.mean(found) - 0.5) <= 0.02 and min(found) < 0.5 < max(found)


def test_an_answer_and_its_snapshots_are_kept_until_something_lands(lake: Lake, found: Forecast) -> None:
    names = snapshot_files(lake)
    assert len(names) == 4 * 4 + 5 and same(forecast(lake, ASKED, RULES), found)
    assert snapshot_files(lake) == names


def test_a_feature_that_knows_what_comes_after_is_refused_by_name() -> None:
    reached = np.arange(400) % 4 == 0
    rows = pl.DataFrame(
        {"_customer": range(400), "customer": "x", "replicate": 0, "days since last": 1.0}
    ).with_columns(pl.Series("last tier", np.where(reached, "gold", "none")))
    none = pl.DataFrame(
        schema={"_customer": pl.UInt32, "touchpoint": pl.String, "touches": pl.UInt32, "week": pl.UInt32}
    )
    known = Known(rows.cast({"_customer": pl.UInt32}), none, pl.DataFrame(), pl.DataFrame())
    columns = ModelColumns.of([known])
    with pytest.raises(DefinitionError, match="'last tier' alone tells"):
        columns.refuse_what_tells(columns.matrix(known), reached)
    columns.refuse_what_tells(columns.matrix(known), random_half(400))


def random_half(size: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.random.default_rng(2).random(size) < 0.5


def test_who_objects_is_neither_scored_nor_learned_from(tmp_path: Path) -> None:
    lake = landed(tmp_path, shop(100))
    everybody = forecast(lake, BRIEF, RULES)
    keys = (
        everybody.scores["customer"]
        .unique(maintain_order=True)
        .filter(everybody.scores["customer"].unique(maintain_order=True).str.starts_with("customer_id:"))
    )
    without = forecast(lake, BRIEF, RULES.model_copy(update={"objected": [keys[0]]}))
    assert keys[0] not in without.scores["customer"] and without.objected == 1
    assert len(snapshots_named(lake, keys)) > 0 == len(snapshots_named(lake, [keys[0]]))
    assert without.scores["customer"].n_unique() == everybody.scores["customer"].n_unique() - 1
    tested = [one.quality.row(0, named=True)["customers"] for one in (everybody, without)]
    assert tested[1] <= tested[0]


def test_erasing_a_customer_removes_snapshots_and_predictions(tmp_path: Path) -> None:
    lake = landed(tmp_path, shop(60))
    key = (
        forecast(lake, BRIEF, RULES)
        .scores["customer"]
        .filter(forecast(lake, BRIEF, RULES).scores["customer"].str.starts_with("customer_id:"))[0]
    )
    assert len(snapshots_named(lake, [key])) > 0
    proof = forget_customer(lake, key, RULES).filter(table="snapshots").row(0, named=True)
    assert proof["before"] > 0 and proof["after"] == proof["named"] == 0
    assert files.listing(lake.table("snapshots")) == []
    assert key not in forecast(lake, BRIEF, RULES).scores["customer"]


def test_nothing_is_kept_of_a_prediction_that_was_made_while_a_customer_was_removed(tmp_path: Path) -> None:
    lake = landed(tmp_path, shop(8))
    forecast(lake, BRIEF, RULES, on_progress=lambda done, _: record_erasure(lake) if done == 1 else None)
    assert snapshot_files(lake) == []
    forecast(lake, BRIEF, RULES)
    assert snapshot_files(lake)


def test_few_goals_give_the_base_rate_and_the_reason(tmp_path: Path) -> None:
    few = forecast(landed(tmp_path, shop(8)), BRIEF, RULES)
    assert few.model == "base rate" and "a model takes 200 and 50" in few.reason
    assert few.outlook["band"].to_list() == [None, None]


def test_a_goal_that_nobody_reaches_has_chances_of_0(tmp_path: Path) -> None:
    lake = landed(tmp_path, shop(8).filter(pl.col("event_name") != "buy"))
    none = forecast(lake, Prediction("buy", horizons=("2d",), lookback="10d", cutoffs=2), RULES)
    assert none.model == "base rate" and none.scores["chance"].max() == 0


@pytest.mark.parametrize(
    ("events", "match"),
    [
        (lambda events: events.clear(), "nothing to predict from"),
        (lambda events: events.filter(pl.col("occurred_at") < START + 12 * DAY), "too short to predict from"),
    ],
)
def test_what_cannot_be_predicted_from_is_told(tmp_path: Path, events: Change, match: str) -> None:
    with pytest.raises(DefinitionError, match=match):
        forecast(landed(tmp_path, events(shop(8))), ASKED, RULES)


def test_the_table_of_events_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All cutoffs are stitched from one copy: a table has many small files, which take longer to open than to read."""
    lake, opened = landed(tmp_path / "lake", shop(60)), []
    for room in ("analytics.stitching.build", "analytics.stitching.known"):
        original = sys.modules[room].landed

        def counted(*arguments: object, original: Callable[..., pl.LazyFrame] = original) -> pl.LazyFrame:
            opened.append(arguments)
            return original(*arguments)

        monkeypatch.setattr(f"{room}.landed", counted)
    forecast(lake, BRIEF, RULES)
    assert len(opened) == 1
