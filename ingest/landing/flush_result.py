"""The result of one flush, and the duplicate and lateness counts of the events it landed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import polars as pl

from expectations import contract
from ingest.message import Partition

LATENESS_BOUNDS: Final[tuple[float, ...]] = (1, 10, 60, 300, 3_600, 21_600, 86_400, 604_800)
"""Upper bounds of the lateness histogram, in seconds."""


@dataclass(slots=True)
class FlushResult:
    """The result of one flush.

    `landed` counts events by topic, `refused` records by topic and reason, `warned` events by rule. `tombstones` counts
    records without a value by topic; they are decided, and kept nowhere. `decided` is the committed offset by
    partition, `rewound` the offset to read again from. `duplicates` counts, by topic, events that repeat an id of the
    same flush, and `conflicting` those of them with other content. `newest` is the time of the last record in Unix
    seconds; `lateness` counts events by bound of LATENESS_BOUNDS, infinity above the last.
    """

    rows: int = 0
    landed: Counter[str] = field(default_factory=Counter)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    tombstones: Counter[str] = field(default_factory=Counter)
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
    """Count, by topic, events that repeat the id of an earlier event of the same flush, and those of them whose content
    differs."""
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
    """Count events by the seconds from occurrence to receipt (by bound), and sum these seconds."""
    late = events.select(
        (pl.col(contract.RECEIVED_AT) - pl.col(contract.OCCURRED_AT)).dt.total_seconds().clip(0).alias("late")
    )["late"]
    under = [int((late <= bound).sum()) for bound in LATENESS_BOUNDS]
    counts = [count - before for before, count in pairwise((0, *under, late.len()))]
    return Counter(dict(zip((*LATENESS_BOUNDS, float("inf")), counts, strict=True))), float(late.sum())
