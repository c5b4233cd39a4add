"""Funnels, trends, times to convert and windowFunnel-like functions, as cases ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import polars as pl

from analytics import Exclude, Funnel, Paths, members, time_to_convert, trend
from analytics import funnel as count_funnel
from tests.conforming.cases import Unsupported, condition, day_start, paths_of, seconds, step_of

ATTRIBUTIONS = {"first_touch": "first", "last_touch": "last", "all_events": "every"}
KNOWN = {
    *("kind", "order", "window_seconds", "window_edge", "row_reuse", "ties", "steps", "exclusions", "exclusion_effect"),
    *("date_from", "date_to", "timezone", "count_by", "event_filter", "breakdown", "from_step", "to_step"),
    *("period", "periods", "time_between_steps", "on_repeat_of_done_step", "on_other_row", "on_first_step_again"),
}


def definition_of(params: Mapping[str, Any]) -> Funnel:
    """The parameters of a case as a funnel."""
    if unknown := set(params) - KNOWN:
        raise Unsupported(f"parameter {unknown.pop()}")
    window = seconds(params["window_seconds"])
    if params.get("window_edge", "inclusive") != "inclusive" and window:
        window -= timedelta(microseconds=1)
    zone, breakdown = params.get("timezone", "UTC"), params.get("breakdown", {})
    counted = params.get("count_by", "customers")
    stops = {"on_repeat_of_done_step": "repeat", "on_other_row": "other", "on_first_step_again": "entry"}
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
        only=condition(params.get("event_filter", [])),
        reuse=params.get("row_reuse") == "many_steps_per_row",
        later=params.get("time_between_steps") == "strictly_increasing",
        stop=[word for name, word in stops.items() if params.get(name) == "stop"],  # type: ignore[misc]
    )


def attribution_of(breakdown: Mapping[str, Any]) -> str:
    """Whose value counts; a step stands for every value that it has."""
    given = breakdown.get("attribution", "first_touch")
    if given == "step":
        return f"every step {breakdown['step'] + 1}"
    if given not in ATTRIBUTIONS:
        raise Unsupported(f"attribution {given}")
    return ATTRIBUTIONS[given]


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
    by = list(definition.by)
    key = pl.concat_str([pl.col(name).fill_null("") for name in by], separator="|").alias("key")
    table = count_funnel(paths, definition).filter(~pl.col("is_total")).with_columns(key)
    everyone = members(paths, definition).with_columns(key)
    found = {}
    for (name,), rows in table.group_by("key", maintain_order=True):
        entrants = everyone.filter(pl.col("key") == name)
        found[str(name)] = {"counts": rows["reached"].to_list(), **details(entrants, definition)}
    return found


def durations(paths: Paths, definition: Funnel, params: Mapping[str, Any]) -> dict[str, Any]:
    """Times between two steps: all, their mean, and in bins."""
    first, last = params.get("from_step", 0) + 1, params.get("to_step", len(definition.steps) - 1) + 1
    row = time_to_convert(paths, definition, from_step=first, to_step=last).row(0, named=True)
    times = members(paths, definition).select(
        (pl.col("reached_at").list.get(last - 1) - pl.col("reached_at").list.get(first - 1)).alias("wait")
    )
    every = times["wait"].drop_nulls().dt.total_microseconds().sort() / 1e6
    if not row["customers"]:
        return {"durations": [], "average": None, "histogram": None}
    histogram = {"origin": row["origin"].total_seconds(), "width": row["width"].total_seconds()}
    average = row["average_wait"].total_seconds()
    return {"durations": every.to_list(), "average": average, "histogram": {**histogram, "counts": row["counts"]}}


def trend_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """Customers that enter in each period, and that get on."""
    params = case["params"]
    definition, zone = definition_of(params), params.get("timezone", "UTC")
    table = trend(
        paths_of(case),
        definition,
        period=params["period"],
        timezone=zone,
        from_step=params.get("from_step", 0) + 1,
        to_step=params.get("to_step", len(definition.steps) - 1) + 1,
        starts=[day_start(day, zone) for day in params["periods"]],
    )
    share = (pl.col("share_of_entered").fill_null(0.0) * 100).alias("rate")
    return {
        "reached_from": table["entered"].to_list(),
        "reached_to": table["reached"].to_list(),
        "rate_percent": table.select(share)["rate"].to_list(),
    }


def window_funnel_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """The level of every customer."""
    definition = definition_of(case["params"])
    levels = {event["customer"]: 0 for event in case["events"]}
    for row in members(paths_of(case), definition).iter_rows(named=True):
        levels[row["customer"]] = row["depth"]
    return {"levels": levels}
