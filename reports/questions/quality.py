"""How good is the data: how fresh is it, what was quarantined, and which expectations were met?

Counts are of rows, messages and expectations; small counts of rows are withheld as well, since a row may stand for one
customer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Final

import polars as pl

from expectations import contract
from expectations.audit import datadocs, results
from expectations.lake.layout import PROFILES, QUARANTINE, Lake
from expectations.lake.tables import landed, scan, table_version
from reports.privacy.rules import small

DAYS: Final = 14
MAX_BELIEFS: Final = 12
VERDICTS: Final = pl.Schema(
    {
        "suite": pl.String,
        "belief": pl.String,
        "day": pl.Date,
        "severity": pl.String,
        "met": pl.Int64,
        "of": pl.Int64,
        "share": pl.Float64,
    }
)


@dataclass(frozen=True, eq=False)
class Evidence:
    """The lake's records of its data quality. `verdicts` is null where nothing was checked, `refused` without refusals.

    `verdicts` (`VERDICTS`): a whole suite where `belief` is null, otherwise a belief that was not met on one of the
    days; `met` of `of` beliefs, `share` Float64 of the day's rows that break it. `refused`: messages in quarantine by
    `reason`, `messages` Int64 (null where small). `arrived_at` is when the newest event arrived; `late` is the share of
    events that arrived more than a day after they occurred, null where all were loaded from files or fewer than `k`
    were late; `events` counts all events that were asked, duplicates included. `version` is that of the
    quarantine.
    """

    verdicts: pl.DataFrame | None = None
    refused: pl.DataFrame | None = None
    arrived_at: datetime | None = None
    late: float | None = None
    events: int | None = None
    version: int | None = None


@dataclass(frozen=True)
class Until:
    """Limits the records of a lake to those that an earlier report read.

    Checks are those up to `at`; `refused` is the version of the quarantine, null where there was none.
    """

    at: datetime
    refused: int | None


def evidence(
    lake: Lake, k: int, zone: tzinfo = UTC, events: pl.LazyFrame | None = None, until: Until | None = None
) -> Evidence:
    """Reads the lake's records of its data quality; times are in `zone`, days of checks are those of the checks.

    `events` are the rows of table `events` that are counted, by default all of them. Raises `StorageError` where the
    lake no longer keeps the quarantine as it was `until` then.
    """
    delay = pl.col(contract.RECEIVED_AT) - pl.col("occurred_at")
    streamed = ~pl.col(contract.TOPIC).fill_null("").str.starts_with(contract.FROM_FILE)
    arrivals = (landed(lake) if events is None else events).select(
        pl.len(),
        arrived=pl.col(contract.RECEIVED_AT).max(),
        late=(delay > pl.duration(days=1)).filter(streamed).mean().round(4),
        many=(delay > pl.duration(days=1)).filter(streamed).sum(),
    )
    row = arrivals.collect().row(0, named=True)
    late = None if small(row["many"] or 0, k) else row["late"]
    arrived = row["arrived"] and row["arrived"].astimezone(zone)
    checks = results.results(lake, None if until is None else until.at)
    version = table_version(lake, QUARANTINE) if until is None else until.refused
    refused = None if version is None else refused_messages(lake, k, version)
    return Evidence(check_verdicts(checks, k), refused, arrived, late, row["len"] or None, version)


def refused_messages(lake: Lake, k: int, version: int | None = None) -> pl.DataFrame | None:
    """Messages in quarantine by reason, most frequent first; null where there are none."""
    table = scan(lake, QUARANTINE, contract.QUARANTINE, version)
    counts = table.group_by("reason").agg(messages=pl.len().cast(pl.Int64))
    frame = counts.sort("messages", "reason", descending=[True, False]).collect()
    hidden = pl.Series([small(count, k) for count in frame["messages"]], dtype=pl.Boolean)
    return None if frame.is_empty() else frame.with_columns(messages=pl.when(~hidden).then("messages"))


def check_verdicts(checks: pl.DataFrame, k: int) -> pl.DataFrame | None:
    """The newest days by suite, and by each belief that was not met on one of them; null where nothing was checked.

    A share of fewer than `k` rows is withheld.
    """
    verdicts = datadocs.by_day(checks).filter(pl.col("day").is_not_null())
    days = verdicts.filter(pl.col("table") != PROFILES)["day"].unique().sort().tail(DAYS)
    recent = verdicts.filter(pl.col("day").is_in(days.implode()))
    if recent.is_empty():
        return None
    worst = pl.when((~pl.col("passed") & (pl.col("severity") == "refuse")).any()).then(pl.lit("refuse"))
    keys = ("suite", "day")
    suites = recent.group_by(keys, maintain_order=True).agg(
        belief=pl.lit(None, pl.String),
        severity=worst.otherwise(pl.lit("warn")),
        met=pl.col("passed").sum().cast(pl.Int64),
        of=pl.len().cast(pl.Int64),
        share=pl.lit(None, pl.Float64),
    )
    few = pl.col("failed").is_between(1, k, closed="left")
    missed = recent.filter(~pl.col("passed").all().over("suite", "belief")).select(
        *keys,
        "belief",
        "severity",
        met=pl.col("passed").cast(pl.Int64),
        of=pl.lit(1, pl.Int64),
        share=pl.when(few.not_()).then(pl.col("failed") / pl.col("judged")).fill_nan(None).round(3),
    )
    days_missed = missed.group_by("suite", "belief", maintain_order=True).agg(missed=(1 - pl.col("met")).sum())
    kept = days_missed.sort("missed", descending=True, maintain_order=True).head(MAX_BELIEFS)
    listed = missed.join(kept, on=["suite", "belief"], how="semi", maintain_order="left")
    return pl.concat([suites.select(VERDICTS.names()), listed.select(VERDICTS.names())]).sort(
        pl.col("suite").cast(pl.Enum(suites["suite"].unique(maintain_order=True).to_list())),
        "belief",
        "day",
        nulls_last=[False, False, False],
    )
