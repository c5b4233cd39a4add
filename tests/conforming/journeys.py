"""Path edges and sequences of touches, as cases ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any

import polars as pl

from analytics import Paths, Selection, flow, matches, sessions
from tests.conforming.cases import Unsupported, day_start, paths_of, seconds, step_of

PATHS = {"kind", "session_gap_seconds", "step_limit", "collapse_repeats", "trim_trailing_slash", "start", "end"} | {
    "date_from",
    "date_to",
}
SEQUENCE = {"kind", "conditions", "pattern"}
MANY = 1_000_000


def paths_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """How many sessions take each edge, and after how long on average."""
    params = case["params"]
    if unknown := set(params) - PATHS:
        raise Unsupported(f"parameter {unknown.pop()}")
    if "end" in params:
        raise Unsupported("positions that count up to an end")
    touches = paths_of(case).touches.collect()
    if params.get("trim_trailing_slash"):
        trimmed = pl.col("touchpoint").str.replace("(.)/$", "${1}")
        touches = touches.with_columns(trimmed)
    gap = params.get("session_gap_seconds")
    touches = sessions(touches, seconds(gap)) if gap else touches.with_columns(session=pl.lit(1))
    limits = [pl.col("at") >= day_start(params["date_from"], "UTC")] if "date_from" in params else []
    limits += [pl.col("at") < day_start(params["date_to"], "UTC", 1)] if "date_to" in params else []
    links = flow(
        Paths.from_frame(touches),
        start=params.get("start"),
        depth=max(2, params.get("step_limit", 5)),
        top=MANY,
        unit="session",
        collapse=params.get("collapse_repeats", False),
        among=Selection(where=reduce(pl.Expr.and_, limits)) if limits else None,
    ).filter(~pl.col("target").str.starts_with("END_"))
    name = pl.format("{}_{} -> {}_{}", "position", "source", pl.col("position") + 1, "target")
    named = links.select(name, "units", pl.col("mean_wait").dt.total_microseconds() / 1e6)
    rows = named.rows()
    return {"edges": {edge: units for edge, units, _ in rows}, "avg_seconds": {edge: wait for edge, _, wait in rows}}


def sequence_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """Whether each customer has a sequence, and how often without overlap."""
    params = case["params"]
    if unknown := set(params) - SEQUENCE:
        raise Unsupported(f"parameter {unknown.pop()}")
    steps = {f"c{place}": step_of(step) for place, step in enumerate(params["conditions"])}
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
    raise Unsupported(f"element {element}")
