"""The neutral form of a case as our own words: events as paths, filters as expressions, times as times."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any

import polars as pl

from analytics import Paths, Step
from analytics.engine.conditions import FirstTime, one_of
from analytics.engine.local.calendar import zone_named
from expectations.errors import DefinitionError

EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
LONGEST = 100_000 * 86_400
OF_CUSTOMER = "customer "
"""Before the name of a property of customers."""


class Unsupported(Exception):
    """The product has no words for these parameters."""


class Params(dict[str, Any]):
    """The parameters of a case; one that is needed and not there is refused."""

    def __missing__(self, name: str) -> Any:
        raise DefinitionError("A parameter is missing.", expected=name)


def paths_of(case: Mapping[str, Any]) -> Paths:
    """The events of a case as paths; a property is a text column under its own name.

    An empty text is no value of a breakdown, as the cases have it.
    """
    events, props = case["events"], sorted(properties(case))
    split = case["params"].get("breakdown", {}).get("props", [])
    columns: dict[str, Any] = {
        "customer": [event["customer"] for event in events],
        "at": [None if event["ts"] is None else time_of(event["ts"]) for event in events],
        "touchpoint": [event["event"] for event in events],
        **{name: [text_of(event.get("props", {}).get(name)) for event in events] for name in props},
    }
    columns |= {name: [value or None for value in columns[name]] for name in split}
    own = customer_properties(case)
    columns |= {
        OF_CUSTOMER + name: [text_of(own.get(event["customer"], {}).get(name)) for event in events]
        for name in sorted({name for props in own.values() for name in props} | _named_in(case, "customer_filter"))
    }
    kept = [event["ts"] is not None for event in events]  # an event without a time has no place in a path
    columns = {
        name: [value for value, is_kept in zip(values, kept, strict=True) if is_kept]
        for name, values in columns.items()
    }
    props = [*props, *(name for name in columns if name.startswith(OF_CUSTOMER))]
    types: dict[str, Any] = {"customer": pl.String, "at": pl.Datetime("us", "UTC"), "touchpoint": pl.String}
    return Paths.from_frame(pl.DataFrame(columns, schema={**types, **dict.fromkeys(props, pl.String)}))


def customer_properties(case: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The properties of every customer, by the customer."""
    given = case.get("customer_props", case["params"].get("customer_props", {}))
    if isinstance(given, list):
        return {row["customer"]: row.get("props", row) for row in given}
    return dict(given)


def universe(params: Mapping[str, Any]) -> pl.Expr | None:
    """Which touches count: those of some types and of no excluded event (`*` in its name is any text), with these
    properties of theirs and of whose they are; None for all.
    """
    of_customer = [{**item, "prop": OF_CUSTOMER + item["prop"]} for item in params.get("customer_filter", [])]
    tests = [condition(params.get("event_filter", [])), condition(of_customer)]
    if params.get("types"):
        tests.append(pl.col("type").is_in(list(params["types"])))
    if params.get("exclude"):
        patterns = [re.escape(name).replace(r"\*", ".*") for name in params["exclude"]]
        tests.append(~pl.col("touchpoint").cast(pl.String).str.contains(f"^(?:{'|'.join(patterns)})$"))
    met = [test for test in tests if test is not None]
    return reduce(pl.Expr.and_, met) if met else None


def _named_in(case: Mapping[str, Any], name: str) -> set[str]:
    return {item["prop"] for item in case["params"].get(name, [])}


def properties(case: Mapping[str, Any]) -> set[str]:
    """Every property that an event has or that the parameters name."""
    named = {name for event in case["events"] for name in event.get("props", {})}
    todo: list[Any] = [case["params"]]
    while todo:
        item = todo.pop()
        if isinstance(item, Mapping):
            named |= {item["prop"]} if "prop" in item else set()
            todo.extend(item.values())
        elif isinstance(item, list):
            todo.extend(item)
    named -= _named_in(case, "customer_filter")
    named |= {"type"} if case["params"].get("types") else set()
    named |= set(case["params"].get("breakdown", {}).get("props", []))
    counted = case["params"].get("count_by", "")
    return named | ({counted[5:]} if counted.startswith("prop:") else set())


def time_of(given: str | float, zone: str = "UTC") -> datetime:
    """A time of an event: seconds after the start of 2024, or a text, whose zone is the one given if it has none."""
    if isinstance(given, int | float):
        return EPOCH + timedelta(seconds=given)
    try:
        time = datetime.fromisoformat(given)
    except (TypeError, ValueError):
        raise DefinitionError("A time cannot be read.", expected="seconds, or ISO 8601", found=repr(given)) from None
    return time if time.tzinfo else time.replace(tzinfo=zone_named(zone))


def text_of(value: Any) -> str | None:
    """A value of a property as text; an absent one is null."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def condition(filters: Sequence[Mapping[str, Any]]) -> pl.Expr | None:
    """Filters on properties, all of which must hold; None without any."""
    return reduce(lambda a, b: a & b, [_filter(item) for item in filters]) if filters else None


def _filter(item: Mapping[str, Any]) -> pl.Expr:
    column, value = pl.col(item["prop"]).cast(pl.String), item.get("value")
    words = [text_of(v) for v in value] if isinstance(value, list) else [text_of(value)]
    tests = {
        "eq": column.is_in([word for word in words if word is not None]),
        "neq": ~column.is_in([word for word in words if word is not None]).fill_null(False),
        "contains": column.str.to_lowercase().str.contains(str(words[0]).lower(), literal=True),
        "is_null": column.is_null(),
        "is_set": column.is_not_null(),
    }
    return tests[one_of("filter", item["op"], tests)]


def step_of(item: Mapping[str, Any]) -> Step:
    """A step of a case as a step of a funnel."""
    first: dict[str, FirstTime] = {"event": "any", "event_with_filters": "matching"}
    word = item.get("first_time")
    return Step(
        Params(item)["any_of"],
        condition(item.get("where", [])),
        optional=bool(item.get("optional")),
        first_time=word and first[one_of("first_time", word, first)],
    )


def seconds(number: float) -> timedelta:
    """A window; one longer than any data is cut."""
    if not isinstance(number, int | float) or not number >= 0:
        raise DefinitionError("A window is no time.", expected="seconds from 0", found=repr(number))
    return timedelta(seconds=min(number, LONGEST))


def day_start(day: str, zone: str, days: int = 0) -> datetime:
    """Midnight of a day in a zone, some days later; a text with a time is that time."""
    if len(day) > 10:
        return time_of(day, zone)
    midnight = time_of(day).date() + timedelta(days=days)
    return datetime(midnight.year, midnight.month, midnight.day, tzinfo=zone_named(zone))
