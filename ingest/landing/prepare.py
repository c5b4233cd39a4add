"""Prepares the records of one partition for a commit: decoded, judged by the gate, with the rows for each table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import polars as pl

from expectations.gate import Rule, judge
from ingest.decoding.column_batch import read_columns
from ingest.decoding.decode import decode, few
from ingest.decoding.formats.registry import FindSchema
from ingest.decoding.traits import attributes, events_of, has_traits
from ingest.landing.refusals import quarantine_rows, refusals_of_gate
from ingest.message import ColumnBatch, Partition, Record
from ingest.settings.ingest import Limits, Stream


class Task(NamedTuple):
    """What the records of a partition are decoded and judged by; `has_profiles` asks for customer attributes."""

    partition: Partition
    stream: Stream
    limits: Limits
    rules: Sequence[Rule]
    has_profiles: bool


class Prepared(NamedTuple):
    """The records of one buffer, decoded and judged; `landed` is how many were accepted, profiles too."""

    events: pl.DataFrame
    quarantined: pl.DataFrame
    attributes: pl.DataFrame | None
    refused: Counter[str]
    warned: Counter[str]
    landed: int


def prepare(
    task: Task, records: Sequence[Record], find: FindSchema | None, columns: Sequence[ColumnBatch] = ()
) -> Prepared:
    """Decode and judge records of one partition; `find` looks up schemas. Raises RegistryError.

    Of records in columns, messages are made of those rows alone that cannot be read in columns, or are refused.
    """
    frames, odd = list[pl.DataFrame](), list[Record]()
    for batch in columns:
        frame, messages = read_columns(batch, task.partition, task.stream)
        frames.append(frame)
        odd += messages
    if odd:
        records = [*records, *odd]
    decoded = decode(records, task.partition, task.stream, task.limits, find)
    verdict = judge(pl.concat([decoded.events, *frames]) if frames else decoded.events, task.rules)
    refusals = few(decoded.refused + refusals_of_gate(verdict.refused))
    if frames and refusals:
        known = {record.offset for record in records}
        records = [*records, *_messages(columns, {refusal.offset for refusal in refusals} - known)]
    return Prepared(
        events_of(verdict.accepted, task.stream),
        quarantine_rows(task.partition, records, refusals),
        attributes(verdict.accepted, task.stream) if task.has_profiles and has_traits(task.stream) else None,
        Counter(refusal.reason for refusal in refusals),
        Counter(verdict.warned),
        verdict.accepted.height,
    )


def _messages(columns: Sequence[ColumnBatch], offsets: set[int]) -> Iterator[Record]:
    """The rows at these offsets as messages."""
    wanted = pl.Series(sorted(offsets), dtype=pl.Int64)
    for batch in columns:
        yield from batch.messages(batch.offsets.is_in(wanted.implode()).arg_true().to_list())
