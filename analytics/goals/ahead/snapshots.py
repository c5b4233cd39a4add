"""Snapshots: what was known at each cutoff, kept in the lake so that it is stitched once.

`snapshots/20260316T000000-<digest>-rows.parquet` and its sisters hold one. The digest covers the rules, what of a
prediction makes features, who objects to profiling, and how many events, attributes and removed links were known then:
where any of these differ, the snapshot is made again. Erasing a customer removes all
(`analytics.stitching.privacy.kept.snapshots`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl

from analytics.goals.ahead.definition import Prediction
from analytics.goals.ahead.features import Known, joined, known_of, owned_by
from analytics.identity.columns import CODE
from analytics.stitching.build import had_arrived
from analytics.stitching.known import known_customers
from analytics.touches.rules import PathRules
from expectations import contract
from expectations.lake import files
from expectations.lake.layout import LINKS, SNAPSHOTS, Lake
from expectations.lake.tables import profiles, scan

FORMAT: Final = 1
"""Rises when features change."""
_TABLES: Final = tuple(field.name for field in fields(Known))


@dataclass(frozen=True)
class Landed:
    """What the events of a lake span: the first, and up to when they have arrived."""

    first: datetime
    arrived: datetime

    @classmethod
    def of(cls, events: pl.LazyFrame, known_at: datetime | None = None) -> Landed | None:
        """The span of the events that have landed, or of those known at a time; None without events.

        `arrived` is the latest arrival less the delay that 99 % stay under: what happened before it has come.
        """
        at, came = pl.col(contract.OCCURRED_AT), pl.coalesce(contract.RECEIVED_AT, contract.OCCURRED_AT)
        delay = (came - at).dt.total_microseconds().clip(0).quantile(0.99, "higher")
        rows = events if known_at is None else events.filter(had_arrived(known_at))
        found = rows.select(at.min().alias("first"), came.max().alias("arrived"), delay.alias("delay"))
        row = found.collect(engine="streaming").row(0, named=True)
        if row["first"] is None:
            return None
        return cls(row["first"], row["arrived"] - timedelta(microseconds=row["delay"]))


@dataclass(frozen=True)
class Now:
    """What is known now, at the end of the data, and the numbers of the customers who object to profiling."""

    known: Known
    end: datetime
    objected: pl.Series


def known_now(
    lake: Lake, events: pl.LazyFrame, rules: PathRules, definition: Prediction, at: datetime | None = None
) -> Now | None:
    """What is known now, or was at a time, from the events of the lake; None without touches."""
    parts, objected, end = [], [], None
    for customers in known_customers(lake, rules, at, events):
        if customers.end is None or customers.touches.is_empty():
            continue
        end = customers.end
        parts.append(known_of(customers, end + timedelta(microseconds=1), definition, rules))
        codes = customers.touches[CODE].unique()
        objected.append(codes.filter(customers.keys.gather(codes).cast(pl.String).is_in(list(customers.objected))))
    return None if end is None else Now(joined(parts), end, pl.concat(objected))


def snapshots(
    lake: Lake,
    events: pl.LazyFrame,
    rules: PathRules,
    definition: Prediction,
    cutoffs: Sequence[datetime],
    *,
    now: Now,
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[datetime, Known]:
    """The snapshots of some cutoffs: those kept, and those that are missing, which are made of the events, and kept.

    They have no row of a customer who objects to profiling `now`. Those of other cutoffs are removed. `on_progress` is
    called with the cutoffs done so far and all.
    """
    names = dict(zip(cutoffs, _names(lake, events, rules, definition, cutoffs), strict=True))
    listed = set(files.listing(lake.table(SNAPSHOTS)))
    found = {}
    for done, (cutoff, name) in enumerate(names.items()):
        if all(f"{name}-{table}.parquet" in listed for table in _TABLES):
            found[cutoff] = Known(*(files.read_rows(_address(lake, f"{name}-{table}.parquet")) for table in _TABLES))
        else:
            customers = known_customers(lake, rules, cutoff, events)
            known = joined([known_of(each, cutoff, definition, rules) for each in customers])
            found[cutoff] = without_objectors(known, now)
            for table in _TABLES:
                files.write_rows(_address(lake, f"{name}-{table}.parquet"), getattr(found[cutoff], table))
        if on_progress:
            on_progress(done + 1, len(names))
    kept = {f"{name}-{table}.parquet" for name in names.values() for table in _TABLES}
    old = [
        name for name in listed - kept if name.removesuffix(".parquet").endswith(tuple(f"-{each}" for each in _TABLES))
    ]
    files.discard(lake.table(SNAPSHOTS), sorted(old))
    return found


def without_objectors(then: Known, now: Now) -> Known:
    """What was known, without the customers an event of whom belongs to somebody who objects to profiling now."""
    if now.objected.is_empty():
        return then
    rows = then.rows.filter(~owned_by(then, now.known, now.objected))
    met = then.met.filter(pl.col(CODE).is_in(rows[CODE].implode()))
    return Known(rows, met, then.owners, then.reached)


def digest_of(rules: PathRules, definition: Prediction, **more: Any) -> str:
    """A digest of what features are made by, and of `more`."""
    goal = definition.named
    made_by = {
        "format": FORMAT,
        "polars": pl.__version__,  # the hashes of events are its own
        "objected": sorted(rules.objected),
        "rules": rules.model_dump(mode="json", exclude={"identities": {"warn_identities", "warn_events"}}),
        "goal": [goal.steps, goal.value],
        "features": [definition.back.total_seconds(), sorted(definition.never), definition.first],
        **more,
    }
    return hashlib.sha256(json.dumps(made_by, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _names(
    lake: Lake, events: pl.LazyFrame, rules: PathRules, definition: Prediction, cutoffs: Sequence[datetime]
) -> list[str]:
    """What the files of each snapshot begin with."""
    arrived = _counts(events, [had_arrived(at) for at in cutoffs])
    attributes = _counts(profiles(lake), [pl.col("valid_from") < at for at in cutoffs])
    links = _counts(scan(lake, LINKS, contract.LINKS), [pl.col("decided_at") <= at for at in cutoffs])
    return [
        f"{at:%Y%m%dT%H%M%S}-{digest_of(rules, definition, cutoff=at, known=known)}"
        for at, *known in zip(cutoffs, arrived, attributes, links, strict=True)
    ]


def _counts(frame: pl.LazyFrame, conditions: Sequence[pl.Expr]) -> list[int]:
    """How many rows meet each condition."""
    sums = [condition.fill_null(False).sum().alias(str(number)) for number, condition in enumerate(conditions)]
    return list(frame.select(sums).collect(engine="streaming").row(0))


def _address(lake: Lake, name: str) -> str:
    return f"{lake.table(SNAPSHOTS)}/{name}"
