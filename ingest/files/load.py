"""Loads events and profiles from files, through the same decoder, gate and commit as a stream.

A file is identified by its content: the lake stores its progress under its SHA-256, so loading it again under any name
adds nothing, and loading it after a crash resumes after the last commit. In the lake its topic is
`file:<first half of the digest>`, its partition 0, and the offset the number of the row in the file.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from itertools import groupby
from pathlib import Path
from typing import Final, cast

import polars as pl

from expectations import contract
from expectations.contract import Kind
from expectations.errors import InputError
from expectations.gate import Rule, contract_rules
from expectations.lake import layout
from expectations.lake.layout import Lake
from ingest.decoding.columns import to_times
from ingest.decoding.decode import Refusal
from ingest.decoding.traits import has_traits
from ingest.files.batches import Reading, batches
from ingest.files.lines import in_blocks
from ingest.files.rows import Row, is_lines, pieces, readable, rows, unreadable
from ingest.landing.commit import Table, scan
from ingest.landing.landing import Landing
from ingest.landing.offsets import Claim, application
from ingest.landing.refusals import quarantine_rows
from ingest.message import Chunk, ColumnBatch, Partition, Unread
from ingest.settings.ingest import Format, IngestSettings, Limits, Stream

PIPELINE: Final = "files"
_ATTRIBUTES: Final = ("identity_kind", "identity", "attribute", "value", "valid_from")
ROWS_AT_ONCE: Final = 50_000
_BLOCK_BYTES: Final = 16 << 20

Advance = Callable[[int, int | None], None]
"""Called with the number of rows read and the total (None: unknown)."""


@dataclass(frozen=True, slots=True)
class FileSummary:
    """The result of loading one file. `known` is true if all of it had landed before. `quarantined` counts the refused
    rows by reason; for a known file, those that are still in quarantine. `topic` is that of its rows in the lake, and
    `rows` how many it has, those of earlier loads included. `left_out` are versions of a table that change rows.
    """

    file: str
    known: bool
    landed: int
    quarantined: dict[str, int]
    topic: str = ""
    rows: int = 0
    left_out: int = 0


def file_stream(
    settings: IngestSettings, *, kind: Kind | None = None, form: Format | None = None, topic: str = ""
) -> Stream:
    """The stream settings with which the rows of files are read: those of the stream with this topic; without a topic,
    events of a kind with the channel of the first stream of that kind. `kind` and `form` override the stream's.

    Raises InputError when no stream has the topic.
    """
    if topic and topic not in settings.by_topic:
        raise InputError(
            "No stream has this topic.",
            where=f"--stream {topic}",
            expected=", ".join(settings.by_topic) or "a stream in journeys.toml",
        )
    if topic:
        overrides = {name: value for name, value in (("kind", kind), ("format", form)) if value is not None}
        return settings.by_topic[topic].model_copy(update=overrides)
    kind = kind or "clickstream"
    channel = next((stream.channel for stream in settings.streams if stream.kind == kind), "unknown")
    return Stream(topic="file", kind=kind, channel=channel, format=form or "json")


def stream_of_file(settings: IngestSettings, name: str, form: Format | None = None, tool: str = "") -> Stream:
    """The stream settings with which a file is read whose stream and kind are not given: those of the first of
    `[[ingest.files]]` that fits its name, else those of clickstream (see `file_stream`).

    With a `tool`, the first that fits and is of this tool, else the tool's own mapping.
    """
    rows = next((rows for rows in settings.files if rows.fits(name) and tool in ("", rows.tool)), None)
    if rows is None and tool:
        return Stream.model_validate({"topic": "file", "tool": tool})
    if rows is None:
        return file_stream(settings, form=form)
    return rows.as_stream() if form is None else rows.as_stream().model_copy(update={"format": form})


def load_events(
    file: Path,
    stream: Stream,
    settings: IngestSettings,
    lake: Lake,
    *,
    rules: Sequence[Rule] = (),
    on_progress: Advance | None = None,
) -> FileSummary:
    """Land the events of one file (see `ingest.files.rows` for the files), each row once over all loads of its content.

    Rows are read as the messages of `stream` (see `like`), whatever its topic is; `rules` are judged after the
    contract's. Raises InputError when the file cannot be read, StorageError when the lake cannot be written.
    """
    digest = _digest(file)
    partition = Partition(f"{contract.FROM_FILE}{digest[:32]}", 0)
    stream = stream.model_copy(update={"topic": partition.topic})
    landing = landing_of(stream, settings, lake, rules)
    start = landing.begin(partition, digest, 0, accept_gap=False)
    found = batches(file, start, stream, Reading(time.time_ns() // 1_000_000, settings.limits, ROWS_AT_ONCE))
    read, landed, refused = land_rows(landing, chunks_of(found, partition, settings.flush_bytes), on_progress)
    known = start > 0 and read == 0
    left = in_quarantine(lake, partition.topic) if known else refused
    return FileSummary(str(file), known, landed, left, partition.topic, start + read)


def refused_field(lake: Lake, topics: Sequence[str], reason: str) -> str:
    """The field for which most rows of these topics are in quarantine with this reason; blank for none."""
    here = pl.col(contract.TOPIC).is_in(list(topics)) & (pl.col("reason") == reason)
    rows = scan(lake, layout.QUARANTINE).filter(here).select(pl.col("field").drop_nulls())
    fields = rows.group_by("field").len().sort("len", "field", descending=[True, False]).collect()
    return str(fields["field"][0]) if fields.height else ""


def load_profiles(
    source: Path | pl.DataFrame, lake: Lake, *, limits: Limits | None = None, on_progress: Advance | None = None
) -> FileSummary:
    """Land customer attributes: identity_kind, identity, attribute, value (text) and valid_from (a time with a zone).

    A row that lacks any of these except `value` goes to quarantine; a null value ends the attribute. Raises InputError
    when a column is missing, StorageError when the lake cannot be written.
    """
    profiles = source if isinstance(source, pl.DataFrame) else _profile_table(source, limits or Limits())
    name = "frame" if isinstance(source, pl.DataFrame) else str(source)
    missing = [column for column in _ATTRIBUTES if column not in profiles.columns]
    if missing:
        raise InputError(
            "The profiles lack a column.",
            where=name,
            expected=", ".join(_ATTRIBUTES),
            found=", ".join(profiles.columns),
            do=f"add the column {missing[0]}",
        )
    advance = on_progress or _silent
    advance(0, profiles.height)
    summary = _land_profiles(name, profiles.select(_ATTRIBUTES), lake)
    advance(profiles.height, profiles.height)
    return summary


def landing_of(stream: Stream, settings: IngestSettings, lake: Lake, rules: Sequence[Rule]) -> Landing:
    """What lands the rows of one stream, judged by the contract and then by `rules`."""
    settings = settings.model_copy(update={"streams": [stream], "pipeline": PIPELINE})
    all_rules = (*contract_rules(oldest=settings.limits.oldest, newest=settings.limits.newest), *rules)
    profiles = Table(lake, layout.PROFILES) if has_traits(stream) else None
    return Landing(Table(lake, layout.EVENTS), Table(lake, layout.QUARANTINE), settings, all_rules, profiles=profiles)


def land_rows(
    landing: Landing, chunks: Iterable[Chunk], on_progress: Advance | None = None
) -> tuple[int, int, dict[str, int]]:
    """Land the rows; returns how many were read, how many landed, and the refused ones by reason."""
    advance = on_progress or _silent
    landed, read = 0, 0
    refused: dict[str, int] = {}
    now = time.monotonic()
    for chunk in chunks:
        read += landing.take(chunk, now)
        advance(read, None)
        if landing.due(now):
            landed += _flush(landing, refused)
    landed += _flush(landing, refused)
    advance(read, read)
    return read, landed, refused


def chunks_of(found: Iterable[Row | ColumnBatch], partition: Partition, most_bytes: int) -> Iterator[Chunk]:
    """Batches of columns, and the rows between them in blocks."""
    for in_columns, items in groupby(found, lambda item: isinstance(item, ColumnBatch)):
        if in_columns:
            yield from (
                Chunk(partition, [], batch.next_offset, [batch]) for batch in cast(Iterator[ColumnBatch], items)
            )
        else:
            for block in _blocks(cast(Iterator[Row], items), most_bytes):
                yield Chunk(partition, block, block[-1].offset + 1)


def _blocks(found: Iterable[Row], most_bytes: int) -> Iterator[list[Row]]:
    """The rows in blocks of a limited number of rows and bytes."""
    return in_blocks(found, lambda row: len(row.value), ROWS_AT_ONCE, most_bytes)


def in_quarantine(lake: Lake, topic: str) -> dict[str, int]:
    """The rows of a topic in quarantine, by reason."""
    rows = scan(lake, layout.QUARANTINE).filter(pl.col(contract.TOPIC) == topic)
    return dict(rows.group_by("reason").len().sort("reason").collect().iter_rows())


def _flush(landing: Landing, refused: dict[str, int]) -> int:
    """Flush, add the refused rows to `refused` by reason, and return the number of landed events."""
    result = landing.flush()
    if result.rewound:
        raise InputError(
            "Another process is loading the same file.",
            where=", ".join(partition.topic for partition in result.rewound),
            do="wait for it to end, then load again: landed rows are skipped",
        )
    for (_, reason), count in result.refused.items():
        refused[reason] = refused.get(reason, 0) + count
    return result.landed.total()


def _profile_table(file: Path, limits: Limits) -> pl.DataFrame:
    """The rows of a file as one frame, which is kept in memory."""
    frames, size = [], 0
    for frame in readable(file, _profile_frames(file, limits)):
        frames.append(frame)
        size += int(frame.estimated_size())
        if size > limits.largest_profiles:
            raise InputError(
                "The file of profiles is too large to be loaded at once.",
                where=str(file),
                expected=f"at most {limits.largest_profiles:,} bytes of columns",
                do="split it, or raise largest_profiles under [ingest.limits]",
            )
    return pl.concat(frames) if frames else pl.DataFrame(schema=dict.fromkeys(_ATTRIBUTES, pl.String))


def _profile_frames(file: Path, limits: Limits) -> Iterator[pl.DataFrame]:
    if is_lines(file):
        for block in _blocks(rows(file, 0, 0, limits), _BLOCK_BYTES):
            unread = [row.offset for row in block if isinstance(row.value, Unread)]
            if unread:
                raise _unreadable_row(file, unread[0])
            text = b"\n".join(row.value for row in block)
            yield pl.read_ndjson(BytesIO(text), schema=dict.fromkeys(_ATTRIBUTES, pl.String))
        return
    for piece in pieces(file, 0, limits):
        if piece.rows is None:
            raise _unreadable_row(file, piece.first)
        yield piece.rows


def _unreadable_row(file: Path, row: int) -> InputError:
    return InputError(
        "A row of the file of profiles cannot be read; none of them has landed.",
        where=f"{file}, row {row:,} from 0",
        expected=", ".join(_ATTRIBUTES),
        do="correct or remove the row",
    )


def _land_profiles(name: str, profiles: pl.DataFrame, lake: Lake) -> FileSummary:
    text = profiles.with_columns(pl.col(column).cast(pl.String) for column in _ATTRIBUTES[:4])
    content = text.with_columns(pl.col("valid_from").cast(pl.String)).write_csv()
    digest = sha256(content.encode()).hexdigest()
    partition, claim = Partition(f"{contract.FROM_FILE}{digest[:32]}", 0), application(PIPELINE, digest, 0)
    landed = Table(lake, layout.PROFILES)
    base = landed.decided(claim)
    if base == profiles.height:
        return FileSummary(name, True, 0, {})
    typed = to_times(text.with_row_index(contract.OFFSET), "valid_from").with_columns(
        pl.lit(partition.topic).alias(contract.TOPIC), pl.lit(0, pl.Int32).alias(contract.PARTITION)
    )
    required = [column for column in _ATTRIBUTES if column != "value"]
    invalid = pl.any_horizontal(pl.col(name).is_null() | (pl.col(name).cast(pl.String) == "") for name in required)
    refusals = _profile_refusals(typed.filter(invalid), required)
    _quarantine(lake, partition, Claim(claim, None, profiles.height), text, refusals)
    valid = typed.filter(~invalid).select(list(contract.PROFILES)).cast(contract.PROFILES)
    landed.append(valid, [Claim(claim, base, profiles.height)])
    counts = dict(pl.Series([refusal.reason for refusal in refusals], dtype=pl.String).value_counts().iter_rows())
    return FileSummary(name, False, valid.height, counts)


def _profile_refusals(invalid: pl.DataFrame, required: Sequence[str]) -> list[Refusal]:
    refusals = []
    for row in invalid.iter_rows(named=True):
        field = next(column for column in required if row[column] is None or row[column] == "")
        reason = "bad_timestamp" if field == "valid_from" else "missing_field"
        refusals.append(Refusal(row[contract.OFFSET], reason, field, f"{field} is missing or invalid"))
    return refusals


def _quarantine(
    lake: Lake, partition: Partition, claim: Claim, profiles: pl.DataFrame, refusals: Sequence[Refusal]
) -> None:
    quarantine = Table(lake, layout.QUARANTINE)
    base = quarantine.decided(claim.application)
    if not refusals or base == claim.next:
        return
    now = time.time_ns() // 1_000_000
    refused = [
        Row(refusal.offset, now, profiles[refusal.offset].write_ndjson().strip().encode()) for refusal in refusals
    ]
    quarantine.append(quarantine_rows(partition, refused, refusals), [claim._replace(base=base)])


def _digest(file: Path) -> str:
    try:
        with file.open("rb") as content:
            digest = sha256()
            while block := content.read(1 << 20):
                digest.update(block)
            return digest.hexdigest()
    except OSError as error:
        raise unreadable(file, error) from error


def _silent(done: int, total: int | None) -> None:
    """Report no progress."""
