"""Days of plain events, as stored in the lake."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from expectations import contract

START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday
NAMES = ("page_viewed", "page_viewed", "product_viewed", "order_placed", "feedback_given")
KINDS = {"order_placed": "order", "feedback_given": "feedback"}


def event(number: int, day: int, hour: int, **changed: Any) -> dict[str, Any]:
    """The event at offset `number` of partition 0, at an hour of a day counted from START."""
    name = changed.get("event_name", NAMES[number % len(NAMES)])
    kind = KINDS.get(name, "clickstream")
    at = START + timedelta(days=day, hours=hour, minutes=number % 60)
    row: dict[str, Any] = {
        "event_id": f"e{number}",
        "event_name": name,
        "kind": kind,
        "channel": "web",
        "occurred_at": at,
        "received_at": at + timedelta(seconds=2),
        "event_date": at.date(),
        "customer_id": f"c{number % 7}",
        "session_id": f"s{number}",
        "schema_version": 1,
        "topic": "clicks",
        "partition": 0,
        "offset": number,
    }
    if kind == "order":
        row |= {"order_id": f"o{number}", "revenue": "12.50", "currency": "EUR"}
    if kind == "feedback":
        row |= {"survey": "nps", "score": 9.0}
    return row | changed


def frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows as the table of events holds them."""
    raw = pl.DataFrame(
        [{name: row.get(name) for name in contract.EVENTS} for row in rows],
        schema={**contract.EVENTS, "revenue": pl.String},
    )
    return raw.with_columns(pl.col("revenue").cast(contract.MONEY))


def days_of(count: int, an_hour: int = 5, **changed: Any) -> list[dict[str, Any]]:
    """Events of `count` days from START, `an_hour` in every hour."""
    return [
        event(number, number // (24 * an_hour), number // an_hour % 24, **changed)
        for number in range(count * 24 * an_hour)
    ]
