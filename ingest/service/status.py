"""Reports the state of landing: size and newest row of each table, freshness of each stream, lag of each partition."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import polars as pl

from expectations import contract
from expectations.errors import LandingError
from expectations.lake import layout
from expectations.lake.layout import Lake
from ingest.landing.commit import open_table, read_errors, scan, table_statistics
from ingest.landing.offsets import application
from ingest.message import Partition
from ingest.settings.ingest import IngestSettings
from ingest.source_protocol import SourceFailed

if TYPE_CHECKING:
    from ingest.kafka.consumer import Source

_RECENT: Final = timedelta(days=2)
_NEWEST = {layout.EVENTS: contract.RECEIVED_AT, layout.QUARANTINE: contract.RECEIVED_AT, layout.PROFILES: "valid_from"}


def table_status(lake: Lake) -> pl.DataFrame:
    """One row per table: table (String), version, rows, files, bytes (Int64, null if there is no table yet), newest
    (time of receipt of its newest row, UTC microseconds; of profiles, the latest `valid_from`).
    """
    rows = []
    for name, column in _NEWEST.items():
        newest = scan(lake, name).select(pl.col(column).max()).collect().item()
        rows.append({"table": name, **table_statistics(lake, name), "newest": newest})
    numbers = dict.fromkeys(("version", "rows", "files", "bytes"), pl.Int64)
    return pl.DataFrame(rows, schema={"table": pl.String, **numbers, "newest": contract.TIME})


def freshness(settings: IngestSettings, lake: Lake, now: datetime) -> pl.DataFrame:
    """One row per configured stream, in their order: topic, kind (String), newest (when the broker received the newest
    landed event, UTC microseconds), age_seconds (Float64, from then to `now`); both null if none has landed.

    Recent days are read first, the others only for streams without events there.
    """
    events, known = scan(lake, layout.EVENTS), dict[str, datetime]()
    recent = pl.col(contract.EVENT_DATE) >= (now - _RECENT).date()
    for days in (recent, ~recent):
        missing = [stream.topic for stream in settings.streams if stream.topic not in known]
        if missing:
            subset = events.filter(days & pl.col(contract.TOPIC).is_in(missing))
            known |= dict(subset.group_by(contract.TOPIC).agg(pl.col(contract.RECEIVED_AT).max()).collect().iter_rows())
    rows = [(stream.topic, stream.kind, known.get(stream.topic)) for stream in settings.streams]
    result = pl.DataFrame(rows, {contract.TOPIC: pl.String, "kind": pl.String, "newest": contract.TIME}, orient="row")
    age = (pl.lit(now, contract.TIME) - pl.col("newest")).dt.total_microseconds() / 1e6
    return result.with_columns(age.alias("age_seconds"))


def partition_lag(settings: IngestSettings, lake: Lake, patience: timedelta = timedelta(seconds=3)) -> pl.DataFrame:
    """One row per partition of the configured topics: topic (String), partition (Int32), landed (the offset below which
    every record has landed), end (the high watermark; null if the broker does not answer within `patience`), lag (the
    difference, or null), all three Int64. Nothing is landed, and the group is not joined.

    Raises BrokerError when the brokers cannot be reached.
    """
    from ingest.kafka.consumer import Source

    overrides = {"assignment": "all", "connect_timeout": min(settings.connect_timeout, patience), "poll_records": 1}
    events = open_table(lake.table(layout.EVENTS))
    with Source(settings.model_copy(update=overrides)) as source:
        gained = source.changes().gained
        names = {
            partition: application(settings.pipeline, source.topic_ids[partition.topic], partition.number)
            for partition in gained
        }
        with read_errors(lake.table(layout.EVENTS)):
            landed = {key: (events and events.transaction_version(name)) or 0 for key, name in names.items()}
        ends = _ends(source, landed, patience)
    columns = {contract.TOPIC: pl.String, contract.PARTITION: pl.Int32, "landed": pl.Int64, "end": pl.Int64}
    rows = [(*partition, landed[partition], ends[partition]) for partition in sorted(landed)]
    lag = (pl.col("end") - pl.col("landed")).clip(0).alias("lag")
    return pl.DataFrame(rows, schema=columns, orient="row").with_columns(lag)


def _ends(source: Source, landed: dict[Partition, int], patience: timedelta) -> dict[Partition, int | None]:
    """The high watermarks, as reported by fetches."""
    deadline = time.monotonic() + patience.total_seconds()
    ends: dict[Partition, int | None] = dict.fromkeys(landed)
    try:
        for partition, beginning in source.beginnings(list(landed)).items():
            source.begin(partition, max(landed[partition], beginning))
        while None in ends.values() and time.monotonic() < deadline:
            source.poll(timedelta(milliseconds=100))
            ends = {partition: source.highwater(partition) for partition in landed}
    except (SourceFailed, LandingError):  # nulls report it; a consumer gives the reason
        return ends
    return ends
