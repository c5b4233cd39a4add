"""Builds the quarantine rows of the messages that a flush refused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import polars as pl

from expectations import contract, gate
from ingest.decoding.decode import TOMBSTONE, Refusal
from ingest.message import Partition, Record, record_times


def refusals_of_gate(refused: pl.DataFrame) -> list[Refusal]:
    """The refusals of rows that the gate rejected: reason and field of the first broken rule."""
    names = (contract.OFFSET, gate.REASON, gate.FIELD, gate.EXPECTED, contract.PART)
    return [
        Refusal(offset, reason, field, f"expected {expected}", part)
        for offset, reason, field, expected, part in zip(*(refused[name].to_list() for name in names), strict=True)
    ]


def quarantine_rows(partition: Partition, records: Sequence[Record], refusals: Iterable[Refusal]) -> pl.DataFrame:
    """Build the quarantine rows of one partition (`contract.QUARANTINE`), in order of offset and part.

    `records` must contain the record of every refusal. Tombstones get no row. A record without a usable time counts as
    received in 1970.
    """
    kept = _in_order([refusal for refusal in refusals if refusal.reason != TOMBSTONE])
    if not kept:
        return contract.QUARANTINE.to_frame(eager=True)
    by_offset = {record.offset: record for record in records}
    offsets, reasons, fields, messages, parts = zip(*kept, strict=True)
    held = [by_offset[offset] for offset in offsets]
    times = pl.Series(record_times(record.timestamp for record in held), dtype=pl.Int64)
    received = times.fill_null(0).cast(pl.Datetime("ms", "UTC")).cast(contract.TIME)
    columns = {
        "received_date": received.dt.date(),
        contract.RECEIVED_AT: received,
        "key": pl.Series([record.key for record in held], dtype=pl.Binary),
        "raw": pl.Series([record.value for record in held], dtype=pl.Binary),
        "headers": pl.Series([_headers(record) for record in held], dtype=contract.QUARANTINE["headers"]),
        "reason": pl.Series(reasons, dtype=pl.String),
        "field": pl.Series(fields, dtype=pl.String),
        "message": pl.Series(messages, dtype=pl.String),
        "schema_version": pl.repeat(contract.VERSION, len(held), dtype=pl.Int32, eager=True),
        contract.TOPIC: pl.repeat(partition.topic, len(held), eager=True),
        contract.PARTITION: pl.repeat(partition.number, len(held), dtype=pl.Int32, eager=True),
        contract.OFFSET: pl.Series(offsets, dtype=pl.Int64),
        contract.PART: pl.Series(parts, dtype=contract.QUARANTINE[contract.PART]),
    }
    return pl.DataFrame(columns, schema=contract.QUARANTINE)


def _headers(record: Record) -> list[dict[str, str | bytes]] | None:
    return [{"name": name, "value": held} for name, held in record.headers] or None


def _in_order(refusals: list[Refusal]) -> list[Refusal]:
    """Sort by offset and part. Refusals mostly are in order, and checking that is faster than sorting."""
    offsets = [refusal.offset for refusal in refusals]
    if offsets == sorted(set(offsets)):
        return refusals
    return sorted(refusals, key=_offset_and_part)


def _offset_and_part(refusal: Refusal) -> tuple[int, int]:
    return refusal.offset, refusal.part or 0
