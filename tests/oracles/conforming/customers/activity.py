"""Lifecycle, stickiness, lapse and coming back, as cases ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from analytics import Paths, ReturnRules, comeback, lapse, lifecycle, retention, stickiness
from tests.oracles.conforming.cases import EPOCH, Unsupported, customer_properties, step_of, text_of, time_of

CALENDAR = {"kind", "active", "period", "unit", "by", "first_seen", "timezone", "end"}
COHORTS = {"kind", "start", "returning", "period", "after", "end", "cohort", "returns", "brackets", "by", "timezone"}
RULES = ("clock", "least", "round_to", "grace", "balanced", "value")
COHORTS |= set(RULES)
SPANS = {"kind", "active", "gap", "end", "by"}


def lifecycle_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """The states of every period, of all customers and of each group."""
    params = check(case, CALENDAR - {"unit"})
    given = {name: params[name] for name in ("period", "by", "first_seen", "timezone") if name in params}
    table = lifecycle(seen(case), step_of(params["active"]), **given)
    return answer(table.with_columns(beginning("period", params["period"])), params, whole="rows")


def beginning(name: str, period: str) -> pl.Expr:
    """When a period begins: the local date, of an hour the seconds since the start of 2024."""
    if period == "hour":
        return (pl.col(name).dt.convert_time_zone("UTC") - EPOCH).dt.total_seconds().alias(name)
    return pl.col(name).dt.date().cast(pl.String)


def stickiness_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """On how many units of each period customers are active."""
    params = check(case, CALENDAR - {"by", "first_seen"})
    given = {name: params[name] for name in ("period", "unit", "timezone") if name in params}
    table = stickiness(seen(case), step_of(params["active"]), **given)
    periods = {}
    for (start,), rows in table.partition_by("period", as_dict=True, maintain_order=True).items():
        number = rows["active_units"].cast(pl.String)
        first = rows.row(0, named=True)
        periods[str(start.date())] = {  # type: ignore[attr-defined]
            **{name: first[name] for name in ("active", "units", "ratio")},
            "exactly": dict(zip(number, rows["customers"], strict=True)),
            **{name: dict(zip(number, rows[name], strict=True)) for name in ("at_least", "share_at_least")},
        }
    return {"shown": list(periods), "periods": periods}


def cohort_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """Retention of all members and of each group: cells and totals."""
    params = check(case, COHORTS)
    given = {name: params[name] for name in ("period", "cohort", "returns", "timezone", "by") if name in params}
    rules = ReturnRules(**{name: params[name] for name in RULES if name in params})
    way = {"brackets": params.get("brackets", params["after"])} if params.get("returns") == "bracket" else {}
    steps = (step_of(params["start"]), step_of(params["returning"]))
    table = retention(seen(case), *steps, periods=params["after"], **given, **way, rules=rules)
    table = table.filter(pl.col("after").is_in(params["after"]))
    found = cells_of(table.filter(~pl.col("is_group")), params["period"])
    if "by" in params:
        groups = table.filter("is_group").partition_by(params["by"], as_dict=True, maintain_order=True)
        named = {"(null)" if key is None else str(key): rows for (key,), rows in groups.items()}
        found["groups"] = {name: cells_of(rows, params["period"]) for name, rows in named.items()}
    return found


def cells_of(table: pl.DataFrame, period: str) -> dict[str, Any]:
    """The cells of the cohorts and the totals."""
    named = table.with_columns(beginning("cohort", period))
    return {
        "cells": named.filter(~pl.col("is_total")).to_dicts(),
        "totals": named.filter("is_total").to_dicts(),
    }


def lapse_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """How long customers stay."""
    params = check(case, SPANS)
    table = lapse(seen(case), step_of(params["active"]), gap=params["gap"], by=params.get("by", ()))
    found = curve(table, params)
    total = table.row(0, named=True) if len(table) else {"customers": 0, "left_out": 0}
    test = {"statistic": total.get("log_rank"), "p_value": total.get("p_value")}
    return {**found, "customers": total["customers"], "left_out": total["left_out"], "log_rank": test}


def comeback_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """How long customers stay away."""
    params = check(case, SPANS)
    table = comeback(seen(case), step_of(params["active"]), gap=params["gap"], by=params.get("by", ()))
    return {**curve(table, params), "lapsed": table["customers"][0] if len(table) else 0}


def curve(table: pl.DataFrame, params: Mapping[str, Any]) -> dict[str, Any]:
    known = table.filter(pl.col("time").is_not_null())
    return answer(known.with_columns(pl.col("time").dt.total_microseconds() / 1e6), params, whole="rows")


def answer(table: pl.DataFrame, params: Mapping[str, Any], *, whole: str) -> dict[str, Any]:
    """The rows of all, and by group."""
    found: dict[str, Any] = {whole: table.filter("is_total").to_dicts()}
    if "by" in params:
        groups = table.filter(~pl.col("is_total")).partition_by(params["by"], as_dict=True, maintain_order=True)
        found["groups"] = {"(null)" if key is None else str(key): rows.to_dicts() for (key,), rows in groups.items()}
    return found


def check(case: Mapping[str, Any], known: set[str]) -> Mapping[str, Any]:
    params: Mapping[str, Any] = case["params"]
    if unknown := set(params) - known:
        raise Unsupported(f"parameter {unknown.pop()}")
    return params


def seen(case: Mapping[str, Any], *needed: str) -> Paths:
    """The events up to the end of the data; properties are text, `first_seen` is a time; those needed are there."""
    params, end = case["params"], time_of(case["params"]["end"])
    first, value = params.get("first_seen"), params.get("value")
    asked = {params.get(name) for name in ("by", "value", "first_seen")} - {None} | {*needed}
    own = customer_properties(case)
    events = [
        {**event, "props": {**own.get(event["customer"], {}), **event.get("props", {})}} for event in case["events"]
    ]
    names = sorted({name for event in events for name in event["props"]} | asked)
    rows = []
    for event in events:
        if time_of(event["ts"]) > end:
            continue
        given = event["props"]
        texts = {
            name: given.get(name) if name == value else text_of(given.get(name)) for name in names if name != first
        }
        times = {first: time_of(given[first]) if given.get(first) is not None else None} if first else {}
        rows.append(
            {"customer": event["customer"], "at": time_of(event["ts"]), "touchpoint": event["event"], **texts, **times}
        )
    time = pl.Datetime("us", "UTC")
    types = {name: pl.Float64 if name == value else pl.String for name in names}
    schema = {"customer": pl.String, "at": time, "touchpoint": pl.String, **types}
    return Paths.from_frame(pl.DataFrame(rows, schema=schema | ({first: time} if first else {})), end_of_data=end)
