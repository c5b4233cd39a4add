"""Path edges and sequences of touches, as cases ask for them."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from functools import reduce
from typing import Any

import polars as pl

from analytics import Paths, Selection, flow, flow_routes, matches, next_touch, sessions
from analytics.engine.conditions import one_of
from expectations.errors import DefinitionError
from tests.oracles.conforming.cases import EPOCH, Unsupported, day_start, paths_of, seconds, step_of, universe

PATHS = {"kind", "session_gap_seconds", "step_limit", "collapse_repeats", "trim_trailing_slash", "start", "end"} | {
    *("date_from", "date_to", "types", "event_filter", "exclude", "customer_filter", "customer_props"),
}
SEQUENCE = {"kind", "conditions", "pattern"}
NEXT = {"kind", "sessions", "gap", "after", "order"}
MANY = 1_000_000
SLASH = "(.)/$"


def paths_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """How many sessions take each edge, and after how long on average."""
    params = case["params"]
    if unknown := set(params) - PATHS:
        raise Unsupported(f"parameter {unknown.pop()}")
    touches = paths_of(case).touches.collect()
    if params.get("trim_trailing_slash"):
        touches = touches.with_columns(pl.col("touchpoint").str.replace(SLASH, "${1}"))
        params = {**params, **{name: _trimmed(params[name]) for name in ("start", "end", "exclude") if name in params}}
    if (counting := universe(params)) is not None:
        touches = touches.filter(counting)
    gap = params.get("session_gap_seconds")
    # A pause as long as the gap cuts a session there; with us it stays in the session.
    touches = (
        sessions(touches, seconds(gap) - timedelta(microseconds=1)) if gap else touches.with_columns(session=pl.lit(1))
    )
    limits = [pl.col("at") >= day_start(params["date_from"], "UTC")] if "date_from" in params else []
    limits += [pl.col("at") < day_start(params["date_to"], "UTC", 1)] if "date_to" in params else []
    asked: dict[str, Any] = {
        "source": params.get("start"),
        "unit": "session",
        "collapse": params.get("collapse_repeats", False),
        "among": Selection(where=reduce(pl.Expr.and_, limits)) if limits else None,
        "top": MANY,
    }
    limit, walked = params.get("step_limit", 5), Paths.from_frame(touches)
    if limit < 1:
        raise DefinitionError("A path has at least one step.", expected="step_limit from 1", found=str(limit))
    if "end" in params:
        longest = max(2, len(touches))
        routes = flow_routes(walked, **asked, target=params["end"], occurrence="first", depth=longest)
        return {"edges": _edges_to(routes, limit, backwards="start" not in params)}
    links = flow(walked, **asked, depth=max(2, limit)).filter(~pl.col("target").str.starts_with("END_"))
    links = links.filter(pl.col("position") < limit)
    name = pl.format("{}_{} -> {}_{}", "position", "source", pl.col("position") + 1, "target")
    # A mean is told to the microsecond; times of cases are whole milliseconds, so are the waits that it is of.
    waited = (pl.col("mean_wait").dt.total_microseconds() * pl.col("units") / 1e3).round() / 1e3
    named = links.select(name, "units", waited / pl.col("units"))
    rows = named.rows()
    return {"edges": {edge: units for edge, units, _ in rows}, "avg_seconds": {edge: wait for edge, _, wait in rows}}


def _trimmed(value: Any) -> Any:
    """A name without its last slash, as those of the touches; also each of several."""
    if isinstance(value, str):
        return re.sub(SLASH, r"\1", value)
    return value and [_trimmed(each) for each in value]


def _edges_to(routes: pl.DataFrame, limit: int, *, backwards: bool) -> dict[str, int]:
    """Edges of the last touches before an end; of a long path between two anchors those at both sides of a gap."""
    edges: Counter[str] = Counter()
    for route, units in routes.select("route", "units").iter_rows():
        names = route[::-1][-limit:] if backwards else route
        half = limit // 2
        names = [*names[:half], "...", *names[len(names) - half :]] if len(names) > limit else names
        for place, (source, target) in enumerate(itertools.pairwise(names), 1):
            edges[f"{place}_{source} -> {place + 1}_{target}"] += units
    return dict(edges)


def next_touch_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """The chances of what follows some touches; sessions that are given are those of a customer each."""
    params = case["params"]
    if unknown := set(params) - NEXT:
        raise Unsupported(f"parameter {unknown.pop()}")
    if "sessions" in params:
        rows = [
            (str(number), EPOCH + timedelta(seconds=place), name, number)
            for number, names in enumerate(params["sessions"])
            for place, name in enumerate(names)
        ]
        schema = {"customer": pl.String, "at": pl.Datetime("us", "UTC"), "touchpoint": pl.String, "session": pl.UInt32}
        paths = Paths.from_frame(pl.DataFrame(rows, schema=schema, orient="row"))
    else:
        paths = Paths.from_frame(sessions(paths_of(case).touches.collect(), params.get("gap", "30m")))
    table = next_touch(paths, params["after"], **({"order": params["order"]} if "order" in params else {}))
    seen = table.filter(pl.col("seen") > 0)
    return {
        "chance": dict(zip(table["touchpoint"], table["chance"], strict=True)),
        "seen": dict(zip(seen["touchpoint"], seen["seen"], strict=True)),
        "context_used": table["context_used"][0] if len(table) else 0,
    }


def sequence_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """Whether each customer has a sequence, and how often without overlap."""
    params = case["params"]
    if unknown := set(params) - SEQUENCE:
        raise Unsupported(f"parameter {unknown.pop()}")
    steps = {f"c{place}": step_of(step) for place, step in enumerate(params["conditions"])}
    for element in params["pattern"]:
        one_of("condition", f"c{element.get('cond', 0)}", steps)
    met = [_meets(step.any_of, step.where) for step in steps.values()]
    found = matches(
        paths_of(case),
        " ".join(_written(element) for element in params["pattern"]),
        unit="customer",
        steps=steps,
        among=Selection(where=reduce(pl.Expr.or_, met)),
    )
    counts = dict(found.group_by("customer").len().rows())
    customers = {event["customer"] for event in case["events"]}
    return {
        "match": {customer: customer in counts for customer in customers},
        "count": {customer: counts.get(customer, 0) for customer in customers},
    }


def _meets(any_of: tuple[str, ...], where: pl.Expr | None) -> pl.Expr:
    named = pl.lit(True) if "*" in any_of else pl.col("touchpoint").is_in(list(any_of))
    return named if where is None else named & where.fill_null(False)


def _written(element: Mapping[str, Any]) -> str:
    """An element of a sequence as a pattern writes it."""
    if "cond" in element:
        return f"c{element['cond']}"
    if "gap" in element:
        return f"{element['gap'].replace('==', '=')}{element['seconds']}s"
    if "any" in element:
        return f".{{{element['any']}}}"
    if "skip" in element:
        return ".*?"
    expected = "cond, gap, any, or skip"
    raise DefinitionError("A pattern has an unknown element.", expected=expected, found=str(element))
