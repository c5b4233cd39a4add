"""Stitches events as they were known at an earlier time: with what had arrived by then, and with no later identity.

Who signs in later has their anonymous visits joined later. A path as of today therefore tells whether its customer came
back, and a path as known then does not.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from analytics.stitching.buckets import Buckets
from analytics.stitching.build import Among, build_plan, fill_buckets, had_arrived
from analytics.stitching.privacy.objection import objectors
from analytics.touches.assembly import touches_of
from analytics.touches.attributes import attribute_versions
from analytics.touches.rules import PathRules
from analytics.touches.watermark import watermark_of
from expectations.errors import StorageError, said
from expectations.lake.layout import Lake
from expectations.lake.tables import landed, profiles


@dataclass(frozen=True)
class KnownCustomers:
    """Some whole customers, as they were known.

    `touches` has the columns of `touches_of`: a number for the customer (`_customer`) and the hash of the event's id
    (`_event`). `keys` are the customer keys by number, `end` is the end of the data then, `objected` are the keys of
    those who object to profiling.
    """

    touches: pl.DataFrame
    keys: pl.Series
    end: datetime | None
    objected: frozenset[str]


def known_customers(
    lake: Lake, rules: PathRules, at: datetime | None = None, rows: pl.LazyFrame | None = None
) -> Iterator[KnownCustomers]:
    """The customers as they were known at a time, some at a time; without a time, as they are known now.

    Events count that had happened before `at` and had arrived by then, with attributes that were valid before it. The
    end of the data is `at`, and without it their watermark. Attributes have no time of arrival: one that is written
    later with an earlier `valid_from` counts as known. `rows` are the landed events where they have been copied
    (`landed_copy`).
    """
    among = None
    if at is not None:
        arrived = had_arrived(at)
        among = Among(arrived, arrived, decided_by=at)
    plan = build_plan(lake, rules, among, rows)
    end = at or watermark_of(plan.activity)
    states = None
    if rules.attributes:
        valid = profiles(lake) if at is None else profiles(lake).filter(pl.col("valid_from") < at)
        states = attribute_versions(valid, plan.identities.nodes, rules)
    objected = objectors(plan.identities.nodes, rules)
    with Buckets(plan.buckets, plan.schema(rules)) as events_by_bucket:
        *_, staged = fill_buckets(plan, rules, events_by_bucket, plan.buckets)
        for events in events_by_bucket.read():
            touches = touches_of(events, rules, states, end, staged=staged)
            yield KnownCustomers(touches, plan.identities.keys, end, objected)


@contextmanager
def landed_copy(lake: Lake) -> Iterator[pl.LazyFrame]:
    """The landed events as one file of this machine, for who reads them many times: it takes longer to open the files
    of a table than to read them.
    """
    with tempfile.TemporaryDirectory(prefix="journeys-") as folder:
        file = Path(folder) / "events.parquet"
        try:
            landed(lake).sink_parquet(file, compression="lz4")
        except OSError as error:
            raise StorageError("The events cannot be copied.", where=folder, found=said(error)) from error
        yield pl.scan_parquet(file)
