"""Funnels, trends, times to convert and windowFunnel-like functions, as cases ask for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from analytics import Exclude, Funnel, Paths, members, time_to_convert, trend
from analytics import funnel as count_funnel
from analytics.engine.conditions import one_of
from tests.oracles.conforming.cases import (
    Params,
    Unsupported,
    condition,
    day_start,
    paths_of,
    seconds,
    step_of,
    universe,
)

ATTRIBUTIONS = {"first_touch": "first", "last_touch": "last", "all_events": "every"}
KNOWN = {
    *("kind", "order", "window_seconds", "window_edge", "row_reuse", "ties", "steps", "exclusions", "exclusion_effect"),
    *("date_from", "date_to", "timezone", "count_by", "event_filter", "breakdown", "from_step", "to_step"),
    *("types", "exclude", "customer_filter", "customer_props"),
    *("period", "periods", "bins", "bin_count", "time_between_steps"),
    *("on_repeat_of_done_step", "on_other_row", "on_first_step_again"),
}
STOPS = {"on_repeat_of_done_step": "repeat", "on_other_row": "other", "on_first_step_again": "entry"}
READINGS = {
    "row_reuse": ("one_step_per_row", "many_steps_per_row"),
    "window_edge": ("inclusive", "exclusive"),
    "time_between_steps": ("any", "increasing", "strictly_increasing"),
    **dict.fromkeys(STOPS, ("stop", "continue", "ignore")),
}


def definition_of(params: Mapping[str, Any]) -> Funnel:
    """The parameters of a case as a funnel."""
    if unknown := set(params) - KNOWN:
        raise Unsupported(f"parameter {unknown.pop()}")
    for name, words in READINGS.items():
        one_of(name, params.get(name, words[0]), words)
    window = seconds(params["window_seconds"])
    if params.get("window_edge", "inclusive") != "inclusive" and window:
        window -= timedelta(microseconds=1)
    zone, breakdown = params.get("timezone", "UTC"), params.get("breakdown", {})
    counted = params.get("count_by", "customers")
    return Funnel(
        [step_of(step) for step in params["steps"]],
        window,
        order=params.get("order", "ordered"),
        by=breakdown.get("props", ()),
        attribution=attribution_of(breakdown),
        exclude=[exclusion_of(item) for item in params.get("exclusions", [])],
        exclude_effect=params.get("exclusion_effect", "end_attempt"),
        count=counted.removeprefix("prop:"),
        maturity="clip",
        ties=params.get("ties", "favourable"),
        start=day_start(params["date_from"], zone) if "date_from" in params else None,
        end=day_start(params["date_to"], zone, 1) if "date_to" in params else None,
        only=universe(params),
        reuse=params.get("row_reuse") == "many_steps_per_row",
        later=params.get("time_between_steps") == "strictly_increasing",
        stop=[word for name, word in STOPS.items() if params.get(name) == "stop"],  # type: ignore[misc]
    )


def attribution_of(breakdown: Mapping[str, Any]) -> str:
    """Whose value counts; a step stands for every value that it has."""
    given = breakdown.get("attribution", "first_touch")
    if given == "step":
        return f"every step {Params(breakdown)['step'] + 1}"
    return ATTRIBUTIONS[one_of("attribution", given, [*ATTRIBUTIONS, "step"])]


def exclusion_of(item: Mapping[str, Any]) -> Exclude:
    """An exclusion with steps counted from 1."""
    where = condition(item.get("where", []))
    return Exclude(item["any_of"], where, after=item["from_step"] + 1, before=item["to_step"] + 1)


def funnel_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """Counts, customers and times of a funnel, as far as the case expects them."""
    definition, paths = definition_of(case["params"]), paths_of(case)
    expected = case["expected"]
    if "groups" in expected:
        return {"groups": groups(paths, definition)}
    found = one_group(paths, definition)
    if "durations" in expected or "histogram" in expected or "average" in expected:
        found |= durations(paths, definition, case["params"])
    return found


def one_group(paths: Paths, definition: Funnel) -> dict[str, Any]:
    """What a funnel without breakdown finds."""
    table = count_funnel(paths, definition).filter("is_total")
    return {"counts": table["reached"].to_list(), **details(members(paths, definition), definition)}


def details(entrants: pl.DataFrame, definition: Funnel) -> dict[str, Any]:
    """Customers at each step, and times from the step before."""
    steps = range(1, len(definition.steps) + 1)
    at = [pl.col("reached_at").list.get(k - 1).alias(f"at_{k}") for k in steps]
    times = entrants.select("customer", *at)
    waits = [times[f"at_{k}"] - times[f"at_{definition.previous(k)}"] for k in steps]
    waits = [wait.dt.total_microseconds() / 1e6 for wait in waits]
    return {
        "customers": [sorted(times.filter(pl.col(f"at_{k}").is_not_null())["customer"].to_list()) for k in steps],
        "avg_seconds": [None, *(wait.mean() for wait in waits[1:])],
        "median_seconds": [None, *(wait.median() for wait in waits[1:])],
    }


def groups(paths: Paths, definition: Funnel) -> dict[str, Any]:
    """What a funnel finds in each group; an absent value is an empty text."""
    key = key_of(definition)
    table = count_funnel(paths, definition).filter(~pl.col("is_total")).with_columns(key)
    everyone = members(paths, definition).with_columns(key)
    found = {}
    for (name,), rows in table.group_by("key", maintain_order=True):
        entrants = everyone.filter(pl.col("key") == name)
        found[str(name)] = {"counts": rows["reached"].to_list(), **details(entrants, definition)}
    return found


def key_of(definition: Funnel) -> pl.Expr:
    """The values of a breakdown as one text."""
    return pl.concat_str([pl.col(name).fill_null("") for name in definition.by], separator="|").alias("key")


def durations(paths: Paths, definition: Funnel, params: Mapping[str, Any]) -> dict[str, Any]:
    """Times between two steps: all, their mean, and in bins."""
    first, last = params.get("from_step", 0) + 1, params.get("to_step", len(definition.steps) - 1) + 1
    bins = params.get("bins", params.get("bin_count"))
    row = time_to_convert(paths, definition, from_step=first, to_step=last, bins=bins, exact=True).row(0, named=True)
    times = members(paths, definition).select(
        (pl.col("reached_at").list.get(last - 1) - pl.col("reached_at").list.get(first - 1)).alias("wait")
    )
    every = times["wait"].drop_nulls().dt.total_microseconds().sort() / 1e6
    if not row["customers"]:
        return {"durations": [], "average": None, "histogram": None}
    histogram = {"origin": row["origin"].total_seconds(), "width": row["width"].total_seconds()}
    return {"durations": every.to_list(), "average": every.mean(), "histogram": {**histogram, "counts": row["counts"]}}


def trend_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """Customers that enter in each period, and that get on: of all, or of each group."""
    params = case["params"]
    definition, zone = definition_of(params), params.get("timezone", "UTC")
    begins = [day_start(day, zone) for day in params["periods"]]
    table = trend(
        paths_of(case),
        definition,
        period=params["period"],
        timezone=zone,
        from_step=params.get("from_step", 0) + 1,
        to_step=params.get("to_step", len(definition.steps) - 1) + 1,
        starts=begins,
    )
    if not definition.by:
        return by_period(table, begins)
    keyed = table.filter(~pl.col("is_total")).with_columns(key_of(definition)).group_by("key", maintain_order=True)
    return {"groups": {str(key): by_period(rows, begins) for (key,), rows in keyed}}


def by_period(table: pl.DataFrame, begins: Sequence[datetime]) -> dict[str, list[Any]]:
    """Counts and rates of the periods that are asked for; zero where nobody entered."""
    counts = {period: (entered, reached) for period, entered, reached in table["period", "entered", "reached"].rows()}
    found = [counts.get(begin, (0, 0)) for begin in begins]
    return {
        "reached_from": [entered for entered, _ in found],
        "reached_to": [reached for _, reached in found],
        "rate_percent": [100 * reached / entered if entered else 0.0 for entered, reached in found],
    }


def window_funnel_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """The level of every customer."""
    definition = definition_of(case["params"])
    levels = {event["customer"]: 0 for event in case["events"]}
    for row in members(paths_of(case), definition).iter_rows(named=True):
        levels[row["customer"]] = row["depth"]
    return {"levels": levels}
