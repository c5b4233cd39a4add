"""Journeys, stage funnels and goal rates, as cases ask for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import polars as pl
from pydantic import ValidationError

from analytics import (
    Goal,
    PathRules,
    Paths,
    Route,
    duration,
    goal_rate,
    goal_routes,
    stage_funnel,
    target_cohort,
    target_status,
)
from expectations.errors import DefinitionError
from tests.oracles.conforming.cases import EPOCH, Unsupported, properties, step_of, text_of, time_of

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
    table = of_all_and_groups(
        stage_funnel,
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


def of_all_and_groups(
    measure: Callable[..., pl.DataFrame], *args: Any, by: str | tuple[str, ...], **asked: Any
) -> pl.DataFrame:
    """A measure by group; where nothing is in any group, its zeros of all."""
    table = measure(*args, by=by, **asked)
    if len(table) or not by:
        return table
    return pl.concat([table, measure(*args, **asked)], how="diagonal_relaxed")


def told(rows: pl.DataFrame) -> dict[str, Any]:
    first = rows.row(0, named=True)
    return {"rows": rows.rows(named=True), "direct": first["direct"], "late": first["late"]}


def goal_rate_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """The goal rate of journeys or of customers, in all and by group."""
    check(case, {*RULES, "unit", "horizon", "by"})
    params = case["params"]
    goal = params["goal"]["any_of"] if params["unit"] == "customer" else None
    asked: dict[str, Any] = {"unit": params["unit"], "by": params.get("by", ()), "window": params.get("horizon")}
    table = of_all_and_groups(goal_rate, built(case), goal, **asked)
    found = table.row(0, named=True)
    if "by" in params:
        groups = table.filter(~pl.col("is_total")).rows(named=True)
        found["groups"] = {"(null)" if row[params["by"]] is None else row[params["by"]]: row for row in groups}
    return found


def goal_routes_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """The families of routes with their counts, rates and medians."""
    check(case, {*RULES, "families", "horizon", "session_gap", "value"})
    params = case["params"]
    try:
        routes = [Route.model_validate(family) for family in params["families"]]
    except ValidationError as error:
        raise DefinitionError(str(error)) from None
    steps = params["goal"]["any_of"]
    goal = Goal(name="goal", steps=steps, horizon=params.get("horizon"), value=params.get("value"))
    found = goal_routes(built(case), goal, routes).filter(pl.col("units") > 0)
    rows = found.with_columns(pl.col("median_time", "p90_time").dt.total_microseconds() / 1e6)
    return {
        "families": {row["family"]: row for row in rows.to_dicts()},
        "units": int(found["units"].sum()),
        "goals": int(found["reached"].sum()),
    }


def target_status_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """Whether a target is met."""
    check(case, {"mature", "reached", "at_least", "at_most"})
    given = {name: value for name, value in case["params"].items() if name != "kind"}
    return target_status(given.pop("mature"), given.pop("reached"), **given).row(0, named=True)


def target_cohort_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """The last cohort that has been seen for long enough; with events, how many of it reached the goal."""
    check(case, {*RULES, "horizon", "period", "timezone", "unit"})
    params, given = case["params"], {}
    calendar = {name: params[name] for name in ("period", "timezone") if name in params}
    cohort = target_cohort(time_of(params["end"]), params["horizon"], **calendar)
    if case.get("events"):
        unit = params.get("unit", "journey")
        goal = params["goal"]["any_of"] if unit == "customer" else None
        found = goal_rate(
            built(case), goal, unit=unit, start=cohort.start, end=cohort.end, window=params["horizon"]
        ).row(0, named=True)
        given = {name: found[name] for name in ("mature", "reached")}
    return {"cohort": str(cohort.start.date()), **given}


def check(case: Mapping[str, Any], known: set[str]) -> None:
    if unknown := set(case["params"]) - known - {"kind"}:
        raise Unsupported(f"parameter {unknown.pop()}")


def built(case: Mapping[str, Any]) -> Paths:
    """The events of a case up to its end as paths, cut into journeys by its rules."""
    params, end = case["params"], time_of(case["params"]["end"])
    rules = PathRules.model_validate(
        {
            "stages": [{"name": stage["name"], "touchpoints": stage["events"]} for stage in params.get("stages", [])],
            "goal": step_of(params["goal"]).any_of,
            "journey_gap": duration(params["gap"]) if "gap" in params else UNMET,
            "after": params.get("after", []),
            **({"session_gap": params["session_gap"]} if "session_gap" in params else {}),
        }
    )
    events = [event for event in case["events"] if time_of(event["ts"]) <= end]
    asked = {params[name] for name in ("by", "value") if name in params} | (
        {"channel"} if "families" in params else set()
    )
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
