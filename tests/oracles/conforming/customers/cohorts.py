"""Cohorts that come back, and conditions that customers meet, as cases ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import polars as pl

from analytics import Paths, ReturnRules, Selection, matches, retention, returns
from analytics.engine.conditions import one_of
from tests.oracles.conforming.cases import Unsupported, day_start, paths_of, step_of, universe

RETENTION = {"kind", "period", "periods", "columns", "target", "returning", "type", "cumulative", "timezone"} | {
    *("types", "event_filter", "exclude", "customer_filter", "customer_props", "min_occurrences"),
}
PERIODS = {"hour": "1h", "day": "1d", "week": "1w", "week_sunday": "1w", "month": "1mo"}
TYPES = {"recurring": "every", "first_time": "first"}
LONG = timedelta(days=40_000)


def retention_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """The matrix of cohort sizes and returns, or the returns of each member."""
    params = case["params"]
    if unknown := set(params) - RETENTION:
        raise Unsupported(f"parameter {unknown.pop()}")
    one_of("period", params["period"], PERIODS)
    one_of("type", params["type"], TYPES)
    zone = params.get("timezone", "UTC")
    counting, every = universe(params), paths_of(case)
    seen = every if counting is None else Paths.from_frame(every.touches.collect().filter(counting))
    least = params.get("min_occurrences") or 1
    asked: dict[str, Any] = {"period": params["period"], "cohort": TYPES[params["type"]], "timezone": zone}
    steps = (step_of(params["target"]), step_of(params["returning"]))
    members = returns(seen, *steps, **asked)
    begins = [day_start(day, zone) for day in params["periods"]]
    over = pl.lit(begins[-1]).dt.offset_by(PERIODS[params["period"]]).dt.convert_time_zone("UTC")
    # What comes after the last period counts for no cell.
    later = Paths.from_frame(seen.touches.filter(pl.col("at") < over).collect(), end_of_data=begins[-1] + LONG)
    way = "on_or_after" if params.get("cumulative") else "on"
    rules = ReturnRules(least=least)
    table = retention(later, *steps, **asked, returns=way, periods=max(1, params["columns"] - 1), rules=rules)
    table = table.filter(~pl.col("is_total"))
    cells = {(row["cohort"], row["after"]): row for row in table.iter_rows(named=True)}
    sizes = {row["cohort"]: row["size"] for row in cells.values()}
    matrix = [
        [sizes.get(begin, 0), *(_returned(cells, begin, column, begins) for column in range(1, params["columns"]))]
        for begin in begins
    ]
    appearances = {
        day: dict(members.filter(pl.col("cohort") == begin).select("customer", "after").rows())
        for day, begin in zip(params["periods"], begins, strict=True)
    }
    return {"matrix": matrix, "appearances": appearances}


def _returned(cells: Mapping[Any, Any], begin: Any, column: int, begins: list[Any]) -> int:
    """A cell; one after the last period that is asked for counts nothing."""
    inside = begin in begins and begins.index(begin) + column < len(begins)
    return cells[begin, column]["returned"] if inside and (begin, column) in cells else 0


def flags_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """How many customers meet the first condition, and how many of them each other one."""
    met = []
    for item in case["params"]["conditions"]:
        found = matches(paths_of(case), "met", unit="customer", steps={"met": step_of(item)}, among=Selection())
        met.append(set(found["customer"]))
    flags = {
        event["customer"]: [event["customer"] in met[0] and event["customer"] in each for each in met]
        for event in case["events"]
    }
    return {"totals": [sum(column) for column in zip(*flags.values(), strict=True)], "flags": flags}
