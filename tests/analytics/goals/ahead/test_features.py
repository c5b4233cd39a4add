"""Features against plain Python, pieces of a customer that join later, and what is no feature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from analytics import PathRules, Prediction
from analytics.goals.ahead.features import Known, first_goals, joined, known_of, late_stage
from analytics.stitching.known import known_customers
from expectations.lake.layout import Lake
from tests.oracles.why.features import Seen, features
from tests.written import START, at

STAGES = [{"name": "Interest", "touchpoints": ["look"]}, {"name": "Desire", "touchpoints": ["cart"]}]
STAGE_OF = {"look": "Interest", "cart": "Desire"}
RULES = PathRules(goal=["buy"], stages=STAGES)
ASKED = Prediction("buy", lookback="14d", horizons=("1d", "7d"))
DAY = timedelta(days=1)


def lake_of(folder: Path, rows: Sequence[Mapping[str, Any]]) -> Lake:
    lake = Lake(str(folder))
    full = [
        {
            "event_id": f"e{number}",
            "kind": "clickstream",
            "channel": "web",
            "received_at": row["occurred_at"],
            "event_date": row["occurred_at"].date(),
            "customer_id": None,
            "anonymous_id": None,
            "topic": "t",
            "partition": 0,
            "offset": number,
        }
        | dict(row)
        for number, row in enumerate(rows)
    ]
    overrides = {"customer_id": pl.String, "anonymous_id": pl.String}
    pl.DataFrame(full, schema_overrides=overrides, infer_schema_length=None).write_delta(lake.table("events"))
    return lake


def known(lake: Lake, cutoff: Any, definition: Prediction = ASKED, rules: PathRules = RULES) -> Known:
    return joined([known_of(each, cutoff, definition, rules) for each in known_customers(lake, rules, cutoff)])


def test_features_are_those_of_a_slow_loop(tmp_path: Path) -> None:
    random, people = np.random.default_rng(11), {}
    for person in range(50):
        times = START + DAY * np.sort(random.choice(60_000, int(random.integers(1, 25)), replace=False)) / 1_000
        names = random.choice(["look", "cart", "buy"], len(times), p=[0.6, 0.3, 0.1])
        where = random.choice(["web", "app"], len(times))
        people[f"c{person}"] = [
            Seen(moment, str(name), str(place), STAGE_OF.get(str(name)))
            for moment, name, place in zip(times, names, where, strict=True)
        ]
    rows = [
        {"customer_id": key, "occurred_at": each.at, "event_name": each.name, "channel": each.channel}
        for key, seen in people.items()
        for each in seen
    ]
    cutoff = START + 40 * DAY
    found = known(lake_of(tmp_path, rows), cutoff).rows
    expected = {f"customer_id:{key}": features(seen, cutoff) for key, seen in people.items()}
    expected = {key: own for key, own in expected.items() if own is not None}
    assert sorted(found["customer"]) == sorted(expected) and len(expected) > 15
    for row in found.iter_rows(named=True):
        for name, value in expected[row["customer"]].items():
            assert row[name] == (pytest.approx(value, abs=1e-4) if isinstance(value, float) else value), name


def test_pieces_that_join_later_have_the_goal_of_the_whole_and_no_feature_of_it(tmp_path: Path) -> None:
    lake = lake_of(tmp_path, [
        {"anonymous_id": "x", "occurred_at": at("1d"), "event_name": "look"},
        {"customer_id": "ann", "occurred_at": at("2d"), "event_name": "cart"},
        {"customer_id": "ann", "anonymous_id": "x", "occurred_at": at("5d"), "event_name": "look"},
        {"customer_id": "ann", "occurred_at": at("6d"), "event_name": "buy"},
        {"customer_id": "bo", "occurred_at": at("2d"), "event_name": "look"},
    ])  # fmt: skip
    then, later = known(lake, at("3d")), known(lake, at("9d"))
    assert dict(then.rows.select("customer", "touches").iter_rows()) == {
        "anonymous_id:x": 1,
        "customer_id:ann": 1,
        "customer_id:bo": 1,
    }
    waits = dict(zip(then.rows["customer"], first_goals(then, later, at("3d")), strict=True))
    assert waits == {"anonymous_id:x": 3.0, "customer_id:ann": 3.0, "customer_id:bo": np.inf}


def test_an_event_that_came_late_is_not_known_yet_and_one_at_the_cutoff_lies_after_it(tmp_path: Path) -> None:
    lake = lake_of(tmp_path, [
        {"customer_id": "ann", "occurred_at": at("1d"), "event_name": "look"},
        {"customer_id": "ann", "occurred_at": at("2d"), "received_at": at("4d"), "event_name": "cart"},
        {"customer_id": "ann", "occurred_at": at("3d"), "event_name": "buy"},
    ])  # fmt: skip
    then = known(lake, at("3d"))
    assert then.rows.select("touches", "last touchpoint").row(0) == (1, "look")
    assert first_goals(then, known(lake, at("9d")), at("3d")).tolist() == [0.0]
    assert known(lake, at("9d")).rows.is_empty()


def test_first_goals_only_leave_out_who_has_reached_one(tmp_path: Path) -> None:
    lake = lake_of(tmp_path, [
        {"customer_id": "ann", "occurred_at": at("1d"), "event_name": "buy"},
        {"customer_id": "ann", "occurred_at": at("2d"), "event_name": "look"},
        {"customer_id": "bo", "occurred_at": at("2d"), "event_name": "look"},
    ])  # fmt: skip
    again, first = (known(lake, at("3d"), Prediction("buy", first=only)).rows for only in (False, True))
    assert sorted(again["customer"]) == ["customer_id:ann", "customer_id:bo"]
    assert first["customer"].to_list() == ["customer_id:bo"]


def test_nothing_that_tells_of_the_outcome_is_a_feature(tmp_path: Path) -> None:
    rules = RULES.model_copy(update={"values": ["revenue", "score"], "context": ["device", "campaign"]})
    goal = Prediction("buy").named.model_copy(update={"value": "revenue"})
    asked = Prediction(goal, never=("campaign",))
    lake = lake_of(tmp_path, [{"customer_id": "a'\"", "occurred_at": at("1d"), "event_name": "look"}])
    names = known(lake, at("2d"), asked, rules).rows.columns
    assert not [name for name in names if name.split()[-1] in ("outcome", "journey", "revenue", "campaign")]
    assert {"last device", "mean score"} <= set(names)


def test_the_late_stage_is_the_last_before_the_goals() -> None:
    goal = Prediction("buy").named
    assert late_stage(goal, RULES) == "Desire"
    ending = [*STAGES, {"name": "Action", "touchpoints": ["buy"]}, {"name": "Care", "touchpoints": ["call"]}]
    assert late_stage(goal, PathRules(goal=["buy"], stages=ending)) == "Desire"
    assert late_stage(goal, PathRules(goal=["buy"], stages=[{"name": "Only", "touchpoints": ["buy"]}])) is None
