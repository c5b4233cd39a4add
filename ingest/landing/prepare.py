"""Prepares the records of one partition for a commit: decoded, judged by the gate, with the rows for each table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from expectations.gate import Rule, judge
from ingest.decoding.decode import decode, few
from ingest.decoding.formats.registry import FindSchema
from ingest.decoding.traits import attributes, has_traits
from ingest.landing.refusals import quarantine_rows, refusals_of_gate
from ingest.message import Partition, Record
from ingest.settings.ingest import Limits, Stream


class Task(NamedTuple):
    """What the records of a partition are decoded and judged by; `has_profiles` asks for customer attributes."""

    partition: Partition
    stream: Stream
    limits: Limits
    rules: Sequence[Rule]
    has_profiles: bool


class Prepared(NamedTuple):
    """The records of one buffer, decoded and judged."""

    events: pl.DataFrame
    quarantined: pl.DataFrame
    attributes: pl.DataFrame | None
    refused: Counter[str]
    warned: Counter[str]


def prepare(task: Task, records: Sequence[Record], find: FindSchema | None) -> Prepared:
    """Decode and judge records of one partition; `find` looks up schemas. Raises RegistryError."""
    decoded = decode(records, task.partition, task.stream, task.limits, find)
    verdict = judge(decoded.events, task.rules)
    refusals = few(decoded.refused + refusals_of_gate(verdict.refused))
    return Prepared(
        verdict.accepted,
        quarantine_rows(task.partition, records, refusals),
        attributes(verdict.accepted, task.stream) if task.has_profiles and has_traits(task.stream) else None,
        Counter(refusal.reason for refusal in refusals),
        Counter(verdict.warned),
    )
