"""Journeys as paths: each has a touch at its start and one at its end."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import polars as pl

from analytics import Paths

Journey = tuple[object, datetime, timedelta, bool, str | None]
"""A customer, the first touch, the time to the last, whether that is the goal, and a device."""


def paths_of(journeys: Iterable[Journey], end: datetime) -> Paths:
    """Paths of journeys that are apart; those without the goal are open."""
    rows = [
        (str(customer), at, "Visit", device, number, "converted" if done else "open")
        for number, (customer, start, length, done, device) in enumerate(journeys)
        for at in dict.fromkeys([start, start + length])
    ]
    schema = {
        "customer": pl.String,
        "at": pl.Datetime("us", "UTC"),
        "touchpoint": pl.String,
        "device": pl.String,
        "journey": pl.UInt32,
        "outcome": pl.String,
    }
    return Paths.from_frame(pl.DataFrame(rows, schema=schema, orient="row"), end_of_data=end)
