"""What one flush did, and the figures of the events that it landed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import polars as pl

from expectations import contract
from ingest.message import Partition

LATENESS_BOUNDS: Final[tuple[float, ...]] = (1, 10, 60, 300, 3_600, 21_600, 86_400, 604_800)
"""Bounds in seconds of how late an event is counted to be."""


@dataclass(slots=True)
class FlushResult:
    """What one flush did.

    `landed` counts events by topic, `refused` records by topic and reason, `warned` events by rule. `decided` is the
    new offset by partition, `rewound` where to read again. `duplicates` and `conflicting` count by topic events with
    the id of another, and those that differ from it. `newest` is the time of the last record, in Unix seconds;
    `lateness` counts events by the bound of LATENESS that they fall under, infinity above the last.
    """

    rows: int = 0
    landed: Counter[str] = field(default_factory=Counter)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    warned: Counter[str] = field(default_factory=Counter)
    decided: dict[Partition, int] = field(default_factory=dict)
    rewound: dict[Partition, int] = field(default_factory=dict)
    duplicates: Counter[str] = field(default_factory=Counter)
    conflicting: Counter[str] = field(default_factory=Counter)
    newest: dict[Partition, float] = field(default_factory=dict)
    lateness: Counter[float] = field(default_factory=Counter)
    lateness_seconds: float = 0.0
    conflicts: int = 0
    decode_seconds: float = 0.0
    commit_seconds: float = 0.0


def count_duplicates(events: pl.DataFrame) -> tuple[Counter[str], Counter[str]]:
    """By topic, how many events have the id of an earlier one of the same flush, and how many of these differ from
    it."""
    again = events.filter(events[contract.EVENT_ID].is_duplicated())
    if again.is_empty():
        return Counter(), Counter()
    said = again.drop(contract.RECEIVED_AT, *contract.PLACE).with_columns(pl.col("identities", "items").hash())
    again = again.select(contract.TOPIC, contract.EVENT_ID, said=said.hash_rows())
    by_id = again.group_by(contract.EVENT_ID).agg(
        pl.col(contract.TOPIC).first(), (pl.len() - 1).alias("more"), (pl.col("said").n_unique() - 1).alias("other")
    )
    counts = by_id.group_by(contract.TOPIC).agg(pl.col("more", "other").sum())
    return Counter(dict(counts.select(contract.TOPIC, "more").iter_rows())), Counter(
        dict(counts.filter(pl.col("other") > 0).select(contract.TOPIC, "other").iter_rows())
    )


def measure_lateness(events: pl.DataFrame) -> tuple[Counter[float], float]:
    """How many events were received so long after they occurred (by bound, in seconds), and the sum of it."""
    late = events.select(
        (pl.col(contract.RECEIVED_AT) - pl.col(contract.OCCURRED_AT)).dt.total_seconds().clip(0).alias("late")
    )["late"]
    under = [int((late <= bound).sum()) for bound in LATENESS_BOUNDS]
    counts = [count - before for before, count in pairwise((0, *under, late.len()))]
    return Counter(dict(zip((*LATENESS_BOUNDS, float("inf")), counts, strict=True))), float(late.sum())
