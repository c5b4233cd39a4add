"""Journeys, stage funnels and goal rates, as cases ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import polars as pl

from analytics import PathRules, Paths, duration, goal_rate, stage_funnel
from tests.oracles.conforming.cases import EPOCH, Unsupported, properties, text_of, time_of

RULES = {"stages", "goal", "gap", "after", "end"}
UNMET = timedelta(days=100_000)
"""The gap where a case names none: all touches of a customer are one journey."""


def journeys_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """The journeys by customer and beginning, and how many touches are in none."""
    check(case, RULES)
    touches = built(case).touches.collect()
    inside = touches.filter(pl.col("journey").is_not_null())
    rows = (
        inside.group_by("customer", pl.col("journey").alias("number"))
        .agg(
            seconds(pl.col("at").min()).alias("begin"),
            seconds(pl.col("at").filter(~pl.col("after_goal")).max()).alias("last"),
            pl.col("outcome", "direct").first(),
            (~pl.col("after_goal")).sum().alias("touches"),
            pl.col("after_goal").sum().alias("aftermath"),
        )
        .sort("customer", "begin")
    )
    return {"journeys": rows.rows(named=True), "in_no_journey": len(touches) - len(inside)}


def stage_funnel_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """The rows of the funnel, and its counts beside, of all journeys and by group."""
    check(case, {*RULES, "window", "range", "begin", "by", "value"})
    params = case["params"]
    start, end = (time_of(each) for each in params["range"]) if "range" in params else (None, None)
    table = stage_funnel(
        built(case),
        window=params.get("window"),
        by=params.get("by", ()),
        start=start,
        end=end,
        begin=params.get("begin"),
        value=params.get("value"),
    )
    waits = [pl.col(name).dt.total_microseconds() / 1e6 for name in ("median_wait", "p90_wait")]
    table = table.with_columns(waits)
    found = told(table.filter("is_total"))
    if "by" in params:
        groups = table.filter(~pl.col("is_total")).partition_by(params["by"], maintain_order=True, as_dict=True)
        found["groups"] = {"(null)" if key is None else str(key): told(rows) for (key,), rows in groups.items()}
    return found


def told(rows: pl.DataFrame) -> dict[str, Any]:
    first = rows.row(0, named=True)
    return {"rows": rows.rows(named=True), "direct": first["direct"], "late": first["late"]}


def goal_rate_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """The goal rate of journeys or of customers, in all and by group."""
    check(case, {*RULES, "unit", "horizon", "by"})
    params = case["params"]
    goal = params["goal"]["any_of"] if params["unit"] == "customer" else None
    table = goal_rate(built(case), goal, unit=params["unit"], by=params.get("by", ()), window=params.get("horizon"))
    found = table.row(0, named=True)
    if "by" in params:
        groups = table.filter(~pl.col("is_total")).rows(named=True)
        found["groups"] = {"(null)" if row[params["by"]] is None else row[params["by"]]: row for row in groups}
    return found


def check(case: Mapping[str, Any], known: set[str]) -> None:
    if unknown := set(case["params"]) - known - {"kind"}:
        raise Unsupported(f"parameter {unknown.pop()}")


def built(case: Mapping[str, Any]) -> Paths:
    """The events of a case up to its end as paths, cut into journeys by its rules."""
    params, end = case["params"], time_of(case["params"]["end"])
    rules = PathRules.model_validate(
        {
            "stages": [{"name": stage["name"], "touchpoints": stage["events"]} for stage in params.get("stages", [])],
            "goal": params["goal"]["any_of"],
            "journey_gap": duration(params["gap"]) if "gap" in params else UNMET,
            "after": params.get("after", []),
        }
    )
    events = [event for event in case["events"] if time_of(event["ts"]) <= end]
    asked = {params[name] for name in ("by", "value") if name in params}
    columns: dict[str, Any] = {
        "customer": [event["customer"] for event in events],
        "at": [time_of(event["ts"]) for event in events],
        "touchpoint": [event["event"] for event in events],
    }
    for name in sorted(properties(case) | asked):
        values = [event.get("props", {}).get(name) for event in events]
        columns[name] = values if name == params.get("value") else [text_of(value) for value in values]
    types: dict[str, Any] = {"customer": pl.String, "at": pl.Datetime("us", "UTC"), "touchpoint": pl.String}
    types |= {name: pl.Float64 if name == params.get("value") else pl.String for name in columns if name not in types}
    return Paths.from_frame(pl.DataFrame(columns, schema=types, strict=False), end_of_data=end, rules=rules)


def seconds(at: pl.Expr) -> pl.Expr:
    return (at - EPOCH).dt.total_microseconds() / 1e6
