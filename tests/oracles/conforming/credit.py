"""Attribution, as cases ask for it: of events, and of paths that are ready, which become customers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from analytics import Attribution, Paths, attribution, credit_chain, shapley_of
from tests.oracles.conforming.cases import EPOCH, Unsupported, condition, properties, step_of, text_of, time_of

DAY = timedelta(days=1)
GOAL, TOUCH = "goal", "touch"
GOAL_AT = EPOCH + 1000 * DAY
OPTIONS = {
    "kind",
    "model",
    "goal",
    "on",
    "lookback",
    "end",
    "value",
    "reset",
    "ignore",
    "weights",
    "half_life",
    "order",
}
OPTIONS |= {"with_goal", "nulls", "only", "by", "range", "data_start"}
READY = {"kind", "model", "paths", "first_percent", "last_percent", "half_life_days", "order", "worth"}
NODES = {"START": "(start)", "CONVERSION": "(conversion)", "NULL": "(null)"}


def attribution_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """Credit of ready paths: of the value where they have one, else of the conversions."""
    params = case["params"]
    if unknown := set(params) - READY:
        raise Unsupported(f"parameter {unknown.pop()}")
    if "worth" in params:
        worths = {frozenset(names.split("+")): worth for names, worth in params["worth"].items()}
        return {"credit": dict(shapley_of(worths).iter_rows())}
    weights = [params.get(f"{place}_percent", 40) / 100 for place in ("first", "last")]
    definition = Attribution(
        GOAL,
        models=params["model"],
        lookback="900d",
        value="value",
        weights=(weights[0], 1 - sum(weights), weights[1]),
        half_life=timedelta(days=params.get("half_life_days", 7)),
        order=params.get("order", 1),
    )
    paths = Paths.from_frame(_ready(params["paths"]), end_of_data=GOAL_AT + 3000 * DAY)
    rows = attribution(paths, definition).filter(pl.col("credited").is_not_null())
    has_value = any("value" in each for each in params["paths"])
    removal = dict(rows.select("credited", "removal").iter_rows())
    table = attribution(paths, definition)
    known = table.row(0, named=True) if len(table) else {"conversions": 0, "nulls": 0}
    chain = credit_chain(paths, definition).with_columns(pl.col("source", "target").replace(NODES))
    ended = known["conversions"] + known["nulls"]
    return {
        "credit": dict(rows.select("credited", "value" if has_value else "credit").iter_rows()),
        "removal_effect": removal,
        "conversion_probability": known["conversions"] / ended if ended else None,
        "transitions": {
            str(source): dict(own.select("target", "chance").iter_rows())
            for (source,), own in chain.partition_by("source", as_dict=True).items()
        },
    }


def _ready(paths: list[Mapping[str, Any]]) -> pl.DataFrame:
    """Customers with the touches of a path, and with its goal as often as it converts."""
    rows = list(_touches(paths))
    schema = {"customer": pl.String, "at": pl.Datetime("us", "UTC"), "touchpoint": pl.String, "channel": pl.String}
    return pl.DataFrame(rows, schema={**schema, "value": pl.Float64}, orient="row")


def _touches(paths: list[Mapping[str, Any]]) -> Iterator[tuple[str, datetime, str, str | None, float | None]]:
    for number, each in enumerate(paths):
        names = each.get("labels", each["path"])
        days = each.get("days_before") or [0] * len(names)
        for kind, count in (("won", each.get("conversions", 1)), ("lost", each.get("nulls", 0))):
            for customer in range(count):
                who = f"{number} {kind} {customer}"
                for name, age in zip(names, days, strict=True):
                    yield who, GOAL_AT - timedelta(days=age), TOUCH, name, None
                if kind == "won":
                    yield who, GOAL_AT, GOAL, None, each.get("value")


def attribution_events_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """Credit of one model over events."""
    params = case["params"]
    if unknown := set(params) - OPTIONS:
        raise Unsupported(f"parameter {unknown.pop()}")
    end, value = time_of(params["end"]), params.get("value")
    events = [event for event in case["events"] if time_of(event["ts"]) <= end]
    given = {
        name: params[name]
        for name in ("reset", "with_goal", "nulls", "order", "half_life", "weights")
        if name in params
    }
    definition = Attribution(
        step_of(params["goal"]),
        on=params["on"],
        models=params["model"],
        lookback=params["lookback"],
        value=value,
        only=_only(params.get("only")),
        ignore=params.get("ignore", ()),
        **given,
    )
    paths = _paths(case, events, end, params)
    span = [time_of(edge) for edge in params.get("range", ())] or [None, None]
    by = params.get("by", ())
    table = attribution(paths, definition, by=by, start=span[0], end=span[1])
    has_value = value is not None
    whole = _answer(table.filter("is_total"), has_value=has_value)
    groups = table.filter(~pl.col("is_total"))
    parts = groups.partition_by(by, as_dict=True) if by else {}
    named = {
        "(null)" if key[0] is None else key[0]: _answer(own, has_value=value is not None) for key, own in parts.items()
    }
    return {**whole, "groups": named}


def _answer(rows: pl.DataFrame, *, has_value: bool) -> dict[str, Any]:
    known, alone = rows.filter(pl.col("credited").is_not_null()), rows.filter(pl.col("credited").is_null())
    if alone.is_empty():
        return dict.fromkeys(("conversions", "unattributed", "truncated", "nulls", "open"), 0) | {
            "credit": {}, "value": {}, "removal": {}, "unattributed_value": 0,
        }  # fmt: skip
    counts = alone.row(0, named=True)
    return {
        **{name: counts[name] for name in ("conversions", "truncated", "nulls", "open")},
        "unattributed": counts["credit"],
        "unattributed_value": counts["value"] if has_value else None,
        "credit": dict(known.select("credited", "credit").iter_rows()),
        "value": dict(known.select("credited", "value").iter_rows()) if has_value else {},
        "removal": dict(known.select("credited", "removal").iter_rows()),
    }


def _only(given: Any) -> pl.Expr | None:
    """The touches that count: those of some events, or that meet filters."""
    if given is None:
        return None
    if isinstance(given, Mapping):
        step = step_of({"any_of": ["*"], **given})
        named = pl.lit(True) if "*" in step.any_of else pl.col("touchpoint").is_in(list(step.any_of))
        return named if step.where is None else named & step.where
    if all(isinstance(item, Mapping) for item in given):
        return condition(given)
    return pl.col("touchpoint").is_in(list(given))


def _paths(case: Mapping[str, Any], events: list[Any], end: datetime, params: Mapping[str, Any]) -> Paths:
    """The events as paths; the value is a number, all other properties are text."""
    value = params.get("value")
    asked = {params[name] for name in ("on", "value", "by") if name in params}
    names = sorted({name for event in case["events"] for name in event.get("props", {})} | asked | properties(case))
    rows = [
        {
            "customer": event["customer"],
            "at": time_of(event["ts"]),
            "touchpoint": event["event"],
            **{
                name: event.get("props", {}).get(name) if name == value else text_of(event.get("props", {}).get(name))
                for name in names
            },
        }
        for event in events
    ]
    if "data_start" in params:
        rows.append({"customer": "(start of the data)", "at": time_of(params["data_start"]), "touchpoint": "(start)"})
    types = {name: pl.Float64 if name == value else pl.String for name in names}
    schema = {"customer": pl.String, "at": pl.Datetime("us", "UTC"), "touchpoint": pl.String, **types}
    return Paths.from_frame(pl.DataFrame(rows, schema=schema), end_of_data=end)
