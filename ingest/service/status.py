"""How things stand: each table with its version, rows, files and newest row, how fresh each stream is, and what the
brokers hold that has not landed."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import polars as pl

from expectations import contract
from expectations.errors import LandingError
from expectations.lake import layout
from expectations.lake.layout import Lake
from ingest.landing.commit import Table, scan, table_statistics
from ingest.landing.offsets import application
from ingest.message import Partition
from ingest.settings.ingest import IngestSettings
from ingest.source_protocol import SourceFailed

if TYPE_CHECKING:
    from ingest.kafka.consumer import Source

_RECENT: Final = timedelta(days=2)
_NEWEST = {layout.EVENTS: contract.RECEIVED_AT, layout.QUARANTINE: contract.RECEIVED_AT, layout.PROFILES: "valid_from"}


def table_status(lake: Lake) -> pl.DataFrame:
    """One row a table: table (String), version, rows, files, bytes (Int64, null where there is no table yet), newest
    (time of receipt of its newest row, UTC microseconds; of profiles, the latest `valid_from`).
    """
    rows = []
    for name, column in _NEWEST.items():
        newest = scan(lake, name).select(pl.col(column).max()).collect().item()
        rows.append({"table": name, **table_statistics(lake, name), "newest": newest})
    numbers = dict.fromkeys(("version", "rows", "files", "bytes"), pl.Int64)
    return pl.DataFrame(rows, schema={"table": pl.String, **numbers, "newest": contract.TIME})


def freshness(settings: IngestSettings, lake: Lake, now: datetime) -> pl.DataFrame:
    """One row a configured stream, in their order: topic, kind (String), newest (when the broker received the newest of
    its events that have landed, UTC microseconds), age_seconds (Float64, from then to `now`); null where none has.

    Recent days are looked at first; all others only for streams that have nothing there.
    """
    events, known = scan(lake, layout.EVENTS), dict[str, datetime]()
    recent = pl.col(contract.EVENT_DATE) >= (now - _RECENT).date()
    for days in (recent, ~recent):
        missing = [stream.topic for stream in settings.streams if stream.topic not in known]
        if missing:
            some = events.filter(days & pl.col(contract.TOPIC).is_in(missing))
            known |= dict(some.group_by(contract.TOPIC).agg(pl.col(contract.RECEIVED_AT).max()).collect().iter_rows())
    rows = [(stream.topic, stream.kind, known.get(stream.topic)) for stream in settings.streams]
    found = pl.DataFrame(rows, {contract.TOPIC: pl.String, "kind": pl.String, "newest": contract.TIME}, orient="row")
    age = (pl.lit(now, contract.TIME) - pl.col("newest")).dt.total_microseconds() / 1e6
    return found.with_columns(age.alias("age_seconds"))


def partition_lag(settings: IngestSettings, lake: Lake, patience: timedelta = timedelta(seconds=3)) -> pl.DataFrame:
    """One row a partition of the configured topics: topic (String), partition (Int32), landed (the offset below which
    all has landed), end (the highwater that the broker tells; null when it does not within `patience`), lag (records
    between the two, null as well). All Int64; nothing is landed, and the group is not joined.

    Raises BrokerError when the brokers are not reached.
    """
    from ingest.kafka.consumer import Source

    asked = {"assignment": "all", "connect_timeout": min(settings.connect_timeout, patience), "poll_records": 1}
    events = None if table_statistics(lake, layout.EVENTS)["version"] is None else Table(lake, layout.EVENTS)
    with Source(settings.model_copy(update=asked)) as source:
        gained = source.changes().gained
        names = {place: application(settings.pipeline, source.topic_ids[place.topic], place.number) for place in gained}
        landed = {place: (events and events.decided(name)) or 0 for place, name in names.items()}
        ends = _ends(source, landed, patience)
    columns = {contract.TOPIC: pl.String, contract.PARTITION: pl.Int32, "landed": pl.Int64, "end": pl.Int64}
    rows = [(*place, landed[place], ends[place]) for place in sorted(landed)]
    lag = (pl.col("end") - pl.col("landed")).clip(0).alias("lag")
    return pl.DataFrame(rows, schema=columns, orient="row").with_columns(lag)


def _ends(source: Source, landed: dict[Partition, int], patience: timedelta) -> dict[Partition, int | None]:
    """The highwaters, as fetching tells them."""
    deadline = time.monotonic() + patience.total_seconds()
    ends: dict[Partition, int | None] = dict.fromkeys(landed)
    try:
        for place, beginning in source.beginnings(list(landed)).items():
            source.begin(place, max(landed[place], beginning))
        while None in ends.values() and time.monotonic() < deadline:
            source.poll(timedelta(milliseconds=100))
            ends = {place: source.highwater(place) for place in landed}
    except (SourceFailed, LandingError):  # it is told by nulls; a consumer says what is the matter
        return ends
    return ends
