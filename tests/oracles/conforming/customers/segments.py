"""Segments and scores of customers, as cases ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import polars as pl

from analytics import (
    AllOf,
    AnyOf,
    Attribute,
    Did,
    DidNot,
    FirstTouch,
    NoneOf,
    Paths,
    Segment,
    Total,
    membership,
    overlaps,
    rfm,
    segment_sizes,
)
from expectations.errors import DefinitionError
from tests.oracles.conforming.cases import EPOCH, Unsupported, step_of, text_of, time_of

ASKED = {"kind", "segment", "end", "attributes", "at", "other", "overlap_at"}
RFM = {"kind", "goal", "value", "at", "lookback", "end"}
KNOWN = "did, did_not (without at_least), attribute, first, total, all, any, or none"
OPTIONS = {"at_least", "within", "is", "of"}


def segments_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """Membership at touches and over time, sizes at instants, and the overlap with another segment."""
    params = case["params"]
    if unknown := set(params) - ASKED:
        raise Unsupported(f"parameter {unknown.pop()}")
    events = [event for event in case["events"] if time_of(event["ts"]) <= time_of(params["end"])]
    paths = _paths(events, time_of(params["end"]), [params["segment"], params.get("other", {})])
    segment = Segment("segment", _condition(params["segment"], params))
    found: dict[str, Any] = {"touches": _touches(paths, segment), "intervals": _intervals(paths, segment)}
    if "at" in params:
        sizes = segment_sizes(paths, segment, at=[time_of(instant) for instant in params["at"]])
        found["sizes"] = [{**row, "at": _seconds(row["at"])} for row in sizes.to_dicts()]
    if "other" in params:
        other = Segment("other", _condition(params["other"], params))
        instant = time_of(params["overlap_at"]) if "overlap_at" in params else None
        found["overlap"] = overlaps(paths, [segment, other], at=instant).to_dicts()[0]
    return found


def _paths(events: list[Mapping[str, Any]], end: datetime, segments: list[Mapping[str, Any]]) -> Paths:
    """The events as paths: properties that are added up are numbers, all others text."""
    named = {name for event in events for name in event.get("props", {})}
    summed, asked = set(), set()
    todo: list[Any] = list(segments)
    while todo:
        item = todo.pop()
        if isinstance(item, Mapping):
            todo.extend(item.values())
            summed |= {name for name in (item.get("total"), item.get("of")) if isinstance(name, str)}
            asked |= {item["first"]} if isinstance(item.get("first"), str) else set()
        elif isinstance(item, list):
            todo.extend(item)
    columns: dict[str, Any] = {
        "customer": [event["customer"] for event in events],
        "at": [time_of(event["ts"]) for event in events],
        "touchpoint": [event["event"] for event in events],
    }
    schema: dict[str, Any] = {"customer": pl.String, "at": pl.Datetime("us", "UTC"), "touchpoint": pl.String}
    for name in sorted(named | summed | asked):
        values = [event.get("props", {}).get(name) for event in events]
        columns[name] = values if name in summed else [text_of(value) for value in values]
        schema[name] = pl.Float64 if name in summed else pl.String
    return Paths.from_frame(pl.DataFrame(columns, schema=schema, strict=False), end_of_data=end)


def _condition(given: Mapping[str, Any], params: Mapping[str, Any]) -> Any:
    """A condition of a case in our words."""
    several = {"all": AllOf, "any": AnyOf, "none": NoneOf}
    kinds = [name for name in given if name not in OPTIONS]
    if len(kinds) != 1:
        raise DefinitionError("A condition has one kind.", expected=KNOWN, found=", ".join(kinds))
    (kind,) = kinds
    within = {"within": given["within"]} if "within" in given else {}
    least = {"at_least": given["at_least"]} if "at_least" in given else {}
    values = [text_of(value) for value in given.get("is", [])]
    if kind in several:
        return several[kind](*(_condition(one, params) for one in given[kind]))
    if kind == "did":
        return Did(step_of(given["did"]), **least, **within)
    if kind == "did_not" and not least:  # not to have done it is not to have done it once
        return DidNot(step_of(given["did_not"]), **within)
    if kind == "attribute":
        return Attribute(given["attribute"], *values, history=_history(params, given["attribute"]))
    if kind == "first" and isinstance(given["first"], str):
        return FirstTouch(given["first"], *values)
    if kind == "total":
        total, of = given["total"], given.get("of")
        column, touches = (total, of) if isinstance(total, str) else (of, total)
        steps = {"of": step_of(touches)} if isinstance(touches, Mapping) else {}
        return Total(str(column), **steps, at_least=given.get("at_least"), **within)
    raise DefinitionError(f"Unknown condition {kind!r}.", expected=KNOWN, found=str(dict(given)))


def _history(params: Mapping[str, Any], name: str) -> pl.DataFrame:
    """The values of an attribute with the times from which they are valid."""
    rows = [row for row in params.get("attributes", []) if row["name"] == name]
    table = [(row["customer"], text_of(row["value"]), time_of(row["valid_from"])) for row in rows]
    schema = {"customer": pl.String, "value": pl.String, "valid_from": pl.Datetime("us", "UTC")}
    return pl.DataFrame(table, schema=schema, orient="row")


def _touches(paths: Paths, segment: Segment) -> dict[str, list[str | None]]:
    """Membership at each touch of each customer."""
    touches = paths.with_segments([segment]).touches.select("customer", "segment").collect()
    return {str(customer): own["segment"].to_list() for (customer,), own in touches.group_by("customer")}


def _intervals(paths: Paths, segment: Segment) -> dict[str, list[list[str | None]]]:
    """When each member was in the segment, as text."""
    found: dict[str, list[list[str | None]]] = {}
    for row in membership(paths, segment).to_dicts():
        found.setdefault(row["customer"], []).append([_text(row["since"]), _text(row["until"])])
    return found


def _text(time: datetime | None) -> str | None:
    """A time as cases write it: microseconds only where there are any."""
    return None if time is None else time.isoformat().replace("+00:00", "Z")


def _seconds(time: datetime) -> float:
    return (time - EPOCH).total_seconds()


def rfm_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """Recency, frequency and money of every customer with a goal, and their scores."""
    params = case["params"]
    if unknown := set(params) - RFM:
        raise Unsupported(f"parameter {unknown.pop()}")
    at = time_of(params["at"])
    end = (
        time_of(params["end"])
        if "end" in params
        else max((time_of(event["ts"]) for event in case["events"]), default=at)
    )
    events = [event for event in case["events"] if time_of(event["ts"]) <= end]
    paths = _paths(events, max(at, end), [{"total": params.get("value")}])
    lookback = {"lookback": params["lookback"]} if "lookback" in params else {}
    table = rfm(paths, step_of(params["goal"]), value=params.get("value"), at=at, **lookback)
    rows = table.with_columns(pl.col("recency").dt.total_microseconds() / 1_000_000).to_dicts()
    return {"scores": {row["customer"]: row for row in rows}}
