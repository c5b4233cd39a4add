"""Replays the quarantine: reads refused messages again with the current mapping, and lands the readable ones once.

Each block of messages of one partition is one commit of events: a compare-and-swap on the snapshot that was searched
for events landed before. Two replays at once, or one that was killed and repeated, therefore add nothing twice. Events
keep the position and time of receipt of their first arrival. Landed messages leave the quarantine; the others stay.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import polars as pl

from expectations import contract
from expectations.errors import StorageError
from expectations.gate import Rule, contract_rules, judge
from expectations.lake import layout
from expectations.lake.layout import Lake
from expectations.lake.matching import conditions
from ingest.decoding.decode import decode
from ingest.decoding.schemas import schema_finder
from ingest.decoding.traits import attributes, events_of, has_traits
from ingest.landing.commit import Table, scan
from ingest.landing.landing import STOPS_CONSUMER
from ingest.landing.offsets import Claim
from ingest.landing.refusals import refusals_of_gate
from ingest.message import Partition
from ingest.settings.ingest import IngestSettings, Stream

_TRIES: Final = 20
_AT_ONCE: Final = 10_000
_EVENT_KEY: Final = [contract.OFFSET, contract.PART]
_ATTRIBUTE_KEY: Final = [contract.OFFSET, "identity_kind", "identity", "attribute", "valid_from"]

Advance = Callable[[int, int | None], None]


@dataclass(slots=True)
class ReplaySummary:
    """The result of a replay: quarantine rows read, events landed, rows that left the quarantine, and rows that stay by
    current reason.

    `unknown` counts rows of topics without a configured stream; they are skipped.
    """

    read: int = 0
    landed: int = 0
    left: int = 0
    stay: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)


class _Held(NamedTuple):
    """A quarantined message as a `Record`."""

    offset: int
    timestamp: int
    value: bytes | None
    key: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


def replay(
    settings: IngestSettings,
    lake: Lake,
    *,
    rules: Sequence[Rule] = (),
    reasons: Sequence[str] = (),
    files: Stream | None = None,
    topic: str = "",
    on_progress: Advance | None = None,
) -> ReplaySummary:
    """Read quarantined messages again (only those refused for `reasons`) and land the readable ones. Without reasons
    all are read but those that a consumer died of: they would end this process, too.

    `files` is the stream that describes rows of files; without it they are skipped. With `topic` only its messages are
    read. `rules` are judged after the
    contract's.
    Raises StorageError when the lake cannot be written.
    """
    replayer = _Replay(settings, lake, rules)  # adds the columns that a table of an earlier version lacks
    reason = pl.col("reason")
    wanted = scan(lake, layout.QUARANTINE).filter(reason.is_in(list(reasons)) if reasons else reason != STOPS_CONSUMER)
    if topic:
        wanted = wanted.filter(pl.col(contract.TOPIC) == topic)
    counts = wanted.group_by(contract.TOPIC, contract.PARTITION).len().sort(pl.all()).collect()
    done = ReplaySummary()
    streams = settings.by_topic | {query.topic: query.as_stream(query.topic) for query in settings.queries}
    for name, number, count in counts.iter_rows():
        stream = streams.get(name)
        if stream is None and name.startswith(contract.FROM_FILE) and files is not None:
            stream = files.model_copy(update={"topic": name})
        if stream is None:
            done.unknown[name] += count
            continue
        for block in _blocks(wanted, name, number):
            replayer.replay_block(stream, Partition(name, number), block, done)
            if on_progress:
                on_progress(done.read, int(counts["len"].sum()))
    return done


def _blocks(wanted: pl.LazyFrame, topic: str, number: int) -> Iterator[pl.DataFrame]:
    """The quarantine rows of one partition by offset; all rows of a message are in one block."""
    here = (pl.col(contract.TOPIC) == topic) & (pl.col(contract.PARTITION) == number)
    offsets = wanted.filter(here).select(pl.col(contract.OFFSET).unique().sort()).collect()[contract.OFFSET]
    for first in range(0, offsets.len(), _AT_ONCE):
        block = offsets[first : first + _AT_ONCE]
        yield wanted.filter(here & pl.col(contract.OFFSET).is_between(block[0], block[-1])).collect()


class _Replay:
    """The tables and rules of one replay."""

    def __init__(self, settings: IngestSettings, lake: Lake, rules: Sequence[Rule]) -> None:
        limits = settings.limits
        self._lake, self._settings, self._find = lake, settings, schema_finder(settings.schemas)
        self._rules = (*contract_rules(oldest=limits.oldest, newest=limits.newest), *rules)
        self._events, self._refused = Table(lake, layout.EVENTS), Table(lake, layout.QUARANTINE)

    def replay_block(self, stream: Stream, partition: Partition, block: pl.DataFrame, done: ReplaySummary) -> None:
        """Land the readable messages of one block, then remove them from the quarantine."""
        accepted, refused = self._read(stream, partition, block)
        parts = block.filter(pl.col(contract.PART).is_not_null()).select(_EVENT_KEY)
        whole = block.filter(pl.col(contract.PART).is_null()).select(_EVENT_KEY)
        events = pl.concat(
            [
                accepted.join(whole, on=contract.OFFSET, how="semi"),
                accepted.join(whole, on=contract.OFFSET, how="anti").join(parts, on=_EVENT_KEY, how="semi"),
            ]
        )
        done.read += block.height
        if has_traits(stream):
            profiles = Table(self._lake, layout.PROFILES)
            self._land(profiles, partition, attributes(events, stream), _ATTRIBUTE_KEY)
        landed = self._land(self._events, partition, events_of(events, stream), _EVENT_KEY)
        done.landed += events.height if stream.profiles else landed
        readable = pl.concat(
            [
                parts.join(accepted, on=_EVENT_KEY, how="semi"),
                whole.join(accepted, on=contract.OFFSET, how="semi").join(refused, on=contract.OFFSET, how="anti"),
            ]
        )
        if readable.height:
            here = pl.lit(partition.topic).alias(contract.TOPIC), pl.lit(partition.number).alias(contract.PARTITION)
            self._refused.remove(conditions(readable.select(*here, *_EVENT_KEY), contract.OFFSET))
            done.left += readable.height
        left = block.join(readable, on=_EVENT_KEY, how="anti", nulls_equal=True)
        now = left.join(refused.unique(contract.OFFSET, keep="first"), on=contract.OFFSET, how="left")
        done.stay += Counter(now.select(pl.coalesce("now", "reason")).to_series().to_list())

    def _read(self, stream: Stream, partition: Partition, block: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Decode the block again: the accepted events, and offset and current reason of the refusals."""
        messages = block.unique(contract.OFFSET, keep="first").sort(contract.OFFSET)
        times = messages[contract.RECEIVED_AT].dt.epoch("ms")
        headers = [_headers(held) for held in messages["headers"].to_list()]
        records = zip(messages[contract.OFFSET], times, messages["raw"], messages["key"], headers, strict=True)
        decoded = decode([_Held(*row) for row in records], partition, stream, self._settings.limits, self._find)
        verdict = judge(decoded.events, self._rules)
        faulty = [*decoded.refused, *refusals_of_gate(verdict.refused)]
        schema = {contract.OFFSET: pl.Int64, "now": pl.String}
        return verdict.accepted, pl.DataFrame([(each.offset, each.reason) for each in faulty], schema, orient="row")

    def _land(self, table: Table, partition: Partition, rows: pl.DataFrame, key: list[str]) -> int:
        """Commit the rows whose key has not landed yet; returns their number."""
        name = f"replay/{self._settings.pipeline}/{partition}"
        for _ in range(_TRIES if rows.height else 0):
            base = table.decided(name)
            offsets = rows[contract.OFFSET]
            landed = table.scan().filter(
                pl.col(contract.TOPIC) == partition.topic,
                pl.col(contract.PARTITION) == partition.number,
                pl.col(contract.OFFSET).is_between(offsets.min(), offsets.max()),
            )
            known = landed.select(key).with_columns(pl.col(contract.PART).fill_null(0) if contract.PART in key else [])
            new = rows.join(known.collect(), on=key, how="anti")
            if new.is_empty() or table.append(new, [Claim(name, base, _mark())]):
                return new.height
            table.reload()
        if rows.is_empty():
            return 0
        raise StorageError(
            "Another replay keeps moving the same partition.", where=name, do="let one replay run at a time"
        )


def _headers(held: list[dict[str, Any]] | None) -> tuple[tuple[str, bytes], ...]:
    return tuple((header["name"], header["value"]) for header in held or ())


def _mark() -> int:
    """A random version, so that a commit with unknown outcome can be recognised as ours."""
    return secrets.randbits(62)
