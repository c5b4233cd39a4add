"""Customers with planted archetypes: a quarter of everyone's touches are anybody's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from analytics import Paths

START = datetime(2024, 1, 1, tzinfo=UTC)
CHANNELS = ("web", "web", "store", "app")
SHARES = np.array([0.36, 0.26, 0.20, 0.18])
DEVICES = ("mobile", "desktop", "", "mobile")
HOURS = np.array([20, 11, 14, 8])
POINTS = (
    ("product", "search", "cart"),
    ("compare", "search", "help"),
    ("visit", "call", "visit"),
    ("home", "offer", "cart"),
)


def planted(customers: int, archetypes: int = 4, seed: int = 0) -> tuple[pl.DataFrame, dict[str, int]]:
    """The touches of customers, and the archetype of each. With one archetype everybody moves as anybody does."""
    draw = np.random.default_rng(seed)
    kind = draw.choice(4, customers, p=SHARES) if archetypes > 1 else np.zeros(customers, np.int64)
    counts = draw.integers(5, 16, customers)
    person = np.repeat(np.arange(customers), counts)
    size = len(person)
    anybody = draw.choice(4, size, p=SHARES)
    of = np.where(draw.random(size) < (0.25 if archetypes > 1 else 1), anybody, kind[person])
    hour = np.where(draw.random(size) < 0.5, HOURS[of], draw.integers(0, 24, size))
    day = draw.integers(0, 60, customers)[person] + draw.integers(0, 25, size)
    at = (day * 24 + hour) * 3_600_000_000 + draw.integers(0, 10**9, size)
    table: dict[str, Any] = {
        "customer": np.char.add("c", person.astype(str)),
        "at": START + pl.Series(at).cast(pl.Duration("us")),
        "touchpoint": np.array(POINTS)[of, draw.integers(0, 3, size)],
        "channel": np.array(CHANNELS)[of],
        "device": pl.Series(np.array(DEVICES)[of]).replace("", None),
    }
    touches = pl.DataFrame(table).sort("customer", "at")
    fresh = (touches["at"].diff() > timedelta(minutes=30)).fill_null(True)
    sessions = touches.with_columns(fresh.cum_sum().cast(pl.UInt32).alias("session"))
    own = sessions.with_columns((pl.col("session") - pl.col("session").min().over("customer") + 1).cast(pl.UInt32))
    return own, {f"c{number}": int(archetype) for number, archetype in enumerate(kind)}


def shop(touches: pl.DataFrame, days: int = 120) -> Paths:
    """The touches up to a day, as paths."""
    end = START + timedelta(days=days)
    return Paths.from_frame(touches.filter(pl.col("at") <= end), end_of_data=end)
