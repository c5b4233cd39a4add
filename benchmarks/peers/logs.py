"""Logs with what real ones have: a heavy tail of touches a customer, bots, bursts, and clocks of any fineness."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

NAMES = [f"page {number:02d}" for number in range(20)]
FIRST = 1_735_689_600_000_000
DAY = 86_400_000_000


def heavy_tailed(count: int, clock: int, *, seed: int = 11) -> pl.DataFrame:
    """About `count` touches of `count / 16` customers, sorted, at multiples of `clock` microseconds.

    Most customers have a few touches, one has tens of thousands. Four of five touches follow the one before within
    seconds: with a clock of whole seconds, more than a quarter share the instant of another.
    """
    rng = np.random.default_rng(seed)
    people = max(10, count // 16)
    sizes = np.minimum(1 + (rng.pareto(1.15, people) * 2.2).astype(np.int64), 40_000)
    sizes = np.maximum(1, (sizes * (count / sizes.sum())).astype(np.int64))
    return _touches(np.repeat(np.arange(people), sizes), rng, clock)


def one_customer(count: int, clock: int, *, seed: int = 11) -> pl.DataFrame:
    """All touches are of one customer, a bot, within ten months."""
    return _touches(np.zeros(count, np.int64), np.random.default_rng(seed), clock)


def _touches(customer: NDArray[np.int64], rng: np.random.Generator, clock: int) -> pl.DataFrame:
    size, people = len(customer), int(customer.max()) + 1
    gaps = rng.exponential(16 * 3_600_000_000, size)
    burst = rng.random(size) < 0.8
    gaps[burst] = rng.exponential(1_000_000, int(burst.sum()))
    elapsed = np.cumsum(gaps.astype(np.int64))
    first = np.append(0, np.flatnonzero(np.diff(customer)) + 1)
    since = elapsed - np.repeat(elapsed[first], np.diff(np.append(first, size)))
    at = (FIRST + rng.integers(0, 266 * DAY, people)[customer] + since % (300 * DAY)) // clock * clock
    weights = 1 / np.arange(1, len(NAMES) + 1) ** 0.7
    page = rng.choice(len(NAMES), size, p=weights / weights.sum()).astype(np.uint8)
    device = pl.Series((customer % 3).astype(np.uint8)).cat.to(pl.Enum(["phone", "desk", "tablet"]))
    table = {
        "customer": customer.astype(np.uint32),
        "at": pl.Series(at).cast(pl.Datetime("us", "UTC")),
        "touchpoint": pl.Series(page).cat.to(pl.Enum(NAMES)).cast(pl.String),
        "device": device.cast(pl.String),
        "country": pl.Series(rng.integers(0, 40, people)[customer]).cast(pl.String),
    }
    return pl.DataFrame(table).sort("customer", "at", maintain_order=True)
