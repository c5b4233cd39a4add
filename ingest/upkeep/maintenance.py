"""Maintains the tables: compacts small files, orders closed days by customer, removes unused files and log entries.

A day is *open* while late events are still expected, then *closed*. Open days are compacted. Closed days are ordered by
customer in small row groups, so that one customer is read without the rest of the day, and again after new events.
Only files change, never rows, except for those that are older than the lake keeps them (`ingest.upkeep.retention`).
Readers and writers may work meanwhile.

The lake stores when maintenance last began, by compare-and-swap: of several scheduled processes one does the work, and
the others see that it is not due. Who rewrites files holds the lease of their table (`expectations.lake.lease`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import polars as pl

from expectations import contract
from expectations.config.retention import FOR_EVER, Retention
from expectations.lake import layout
from expectations.lake.layout import Lake
from expectations.lake.lease import Lease
from ingest.logs import log_fields
from ingest.settings.ingest import MaintenanceSettings
from ingest.upkeep.retention import Removal, removals
from ingest.upkeep.rewrite import BEGAN, ORDERED, bound_log, note, rewrite, table_state, under_lease, vacuum

log = logging.getLogger(__name__)


@dataclass(slots=True)
class MaintenanceResult:
    """The result: days compacted by table, rows of each day ordered by customer, files removed by table; rows removed
    for their age by table, and how many events lost their text.

    `left` names the tables of which steps were left to another process that rewrites their files.
    """

    compacted: dict[str, int] = field(default_factory=dict)
    ordered: dict[date, int] = field(default_factory=dict)
    removed: dict[str, int] = field(default_factory=dict)
    expired: dict[str, int] = field(default_factory=dict)
    expired_texts: int = 0
    left: set[str] = field(default_factory=set)
    seconds: float = 0.0


def seconds_overdue(lake: Lake, settings: MaintenanceSettings, now: float) -> float | None:
    """The seconds by which maintenance is later than `interval` (negative: not yet); None if there is no table yet."""
    return _seconds_after(settings.interval, lake, now)


def claim_maintenance(lake: Lake, settings: MaintenanceSettings, now: float) -> bool:
    """Claim a maintenance run that is due for a service, by storing its begin. Returns False if it is not due or
    another process has claimed it."""
    waited = None if settings.every is None else _seconds_after(settings.every, lake, now)
    return waited is not None and waited >= 0 and note(lake, layout.EVENTS, BEGAN, int(now))


def _seconds_after(period: timedelta, lake: Lake, now: float) -> float | None:
    known = table_state(lake, layout.EVENTS)
    return None if known is None else now - known.began - period.total_seconds()


def maintain(
    lake: Lake,
    settings: MaintenanceSettings,
    keep: Retention = FOR_EVER,
    *,
    now: float | None = None,
    go_on: Callable[[], bool] = lambda: True,
    on_progress: Callable[[int, int | None], None] | None = None,
) -> MaintenanceResult:
    """Do all maintenance that is due now, in steps; stops before a step if `go_on` returns False.

    `keep` says how long rows and texts are kept. Older ones are removed first.

    Raises StorageError when the lake cannot be written.
    """
    began, now = time.monotonic(), time.time() if now is None else now
    done = MaintenanceResult()
    with ExitStack() as leases:
        steps = _steps(lake, settings, keep, now, leases)
        for number, step in enumerate(steps):
            if not go_on():
                break
            step(done)
            if on_progress:
                on_progress(number + 1, len(steps))
    if table_state(lake, layout.EVENTS) is not None:
        note(lake, layout.EVENTS, BEGAN, int(now))
    done.seconds = time.monotonic() - began
    fields = log_fields(
        ordered=len(done.ordered),
        removed=sum(done.removed.values()),
        expired=sum(done.expired.values()),
        expired_texts=done.expired_texts,
        seconds=round(done.seconds, 1),
    )
    log.info("maintained", extra=fields)
    return done


def compact_crowded_days(lake: Lake, settings: MaintenanceSettings) -> int:
    """Compact the days with more than `crowded_files` files, which slow down commits; returns their number.

    Of several processes at once one does it. Raises StorageError when the lake cannot be written.
    """
    done = 0
    for name in (layout.EVENTS, layout.QUARANTINE):
        known = table_state(lake, name)
        if known is not None:
            crowded = known.days.filter(pl.col("files") > settings.crowded_files)["day"]
            with Lease(lake.table(name)) as lease:
                done += sum(rewrite(lease, name, day) for day in crowded)
    return done


def bound_logs(lake: Lake, settings: MaintenanceSettings) -> int:
    """Remove surplus entries of the logs of the tables that consumers write to; returns how many files were removed.

    Raises StorageError when the lake cannot be written.
    """
    return sum(bound_log(lake, name, settings) for name in (layout.EVENTS, layout.QUARANTINE, layout.PROFILES))


def first_open_day(settings: MaintenanceSettings, now: float) -> date:
    """The first day that is still open."""
    return (datetime.fromtimestamp(now, UTC) - settings.open_for).date()


def _steps(
    lake: Lake, settings: MaintenanceSettings, keep: Retention, now: float, leases: ExitStack
) -> list[Callable[[MaintenanceResult], None]]:
    steps: list[Callable[[MaintenanceResult], None]] = []
    closed, at = first_open_day(settings, now), datetime.fromtimestamp(now, UTC)
    too_old, first = removals(lake, keep, at), keep.first_day(at) or date.min
    told = (layout.RESULTS, layout.RUNS, layout.JOURNEYS, layout.RESTATEMENTS)
    for name in (layout.EVENTS, layout.QUARANTINE, layout.PROFILES, *told):
        known = table_state(lake, name)
        if known is None:
            continue
        ordered, lease = name == layout.EVENTS, leases.enter_context(Lease(lake.table(name)))
        steps += [_removing(lease, removal) for removal in too_old if removal.table == name]
        for day, files, rows, when in known.days.filter((pl.col("day") >= first).fill_null(True)).iter_rows():
            if ordered and day is not None and day < closed and _is_worth_ordering(files, rows, when, settings):
                steps.append(_ordering(lake, lease, day, rows))
            elif files > settings.most_files and not (ordered and day is not None and day < closed):
                steps.append(_compacting(lease, name, day))
        steps.append(_cleaning(lake, name, settings))
    return steps


def _is_worth_ordering(files: int, rows: int, ordered: int | None, settings: MaintenanceSettings) -> bool:
    return ordered is None or (rows != ordered and (abs(rows - ordered) * 10 > rows or files > settings.most_files))


def _compacting(lease: Lease, name: str, day: date | None) -> Callable[[MaintenanceResult], None]:
    def step(done: MaintenanceResult) -> None:
        if rewrite(lease, name, day):
            done.compacted[name] = done.compacted.get(name, 0) + 1
        else:
            done.left.add(name)

    return step


def _ordering(lake: Lake, lease: Lease, day: date, rows: int) -> Callable[[MaintenanceResult], None]:
    def step(done: MaintenanceResult) -> None:
        if rewrite(lease, layout.EVENTS, day, by=contract.CUSTOMER_ID):
            note(lake, layout.EVENTS, ORDERED.format(day), rows)  # at once: if the run is killed, this day is done
            done.ordered[day] = rows
        else:
            done.left.add(layout.EVENTS)

    return step


def _removing(lease: Lease, removal: Removal) -> Callable[[MaintenanceResult], None]:
    def step(done: MaintenanceResult) -> None:
        removed = under_lease(lease, removal.remove)
        if removed is None:
            done.left.add(removal.table)
        elif removal.of == "texts":
            done.expired_texts += removed
            if removed:
                rewrite(lease, removal.table, removal.day, by=contract.CUSTOMER_ID)
        else:
            done.expired[removal.table] = done.expired.get(removal.table, 0) + removed

    return step


def _cleaning(lake: Lake, name: str, settings: MaintenanceSettings) -> Callable[[MaintenanceResult], None]:
    def step(done: MaintenanceResult) -> None:
        done.removed[name] = vacuum(lake, name, settings.keep)
        bound_log(lake, name, settings)

    return step


def files_per_open_day(lake: Lake, since: date) -> int:
    """The number of files of the open day that has the most."""
    known = table_state(lake, layout.EVENTS)
    if known is None:
        return 0
    return int(known.days.filter(pl.col("day") >= since)["files"].max() or 0)  # type: ignore[arg-type]
