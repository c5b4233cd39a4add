"""Reads the records of a batch within limits of bytes, and those of a poll as well.

The client decompresses a batch as a whole, however large it becomes, and stops for ever at one that it cannot read.
Here the records up to the limit, or up to the first one that cannot be read, are read as usual; the rest of the batch
is one record whose value is `ingest.message.Unread`: the batch as the broker holds it.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final, NamedTuple

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError
from kafka.record.default_records import DefaultRecord, DefaultRecordBatch, decode_varint
from kafka.record.legacy_records import LegacyRecord, LegacyRecordBatch

from ingest.kafka.codecs import decompress
from ingest.message import Unread
from ingest.settings.ingest import IngestSettings, Limits

TOO_LARGE: Final = "batch_too_large"
INVALID: Final = "batch_invalid"
_MOST_HEADERS: Final = 1_000
_UNREADABLE: Final = (ValueError, IndexError, AssertionError, struct.error, CorruptRecordError)


def bound(consumer: KafkaConsumer, settings: IngestSettings) -> None:
    """Make a consumer read batches within the limits, and end a poll after `flush_bytes`."""
    fetcher = consumer._fetcher
    fetcher.__class__ = _Fetcher  # the client has no place to name another class
    fetcher.limits, fetcher.most_bytes = settings.limits, settings.flush_bytes
    fetcher.taken, fetcher.stable = 0, {}


class _Fetcher(Fetcher):  # type: ignore[misc]
    """The client's fetcher; a poll ends with the record that reaches `most_bytes`. It keeps the last stable offsets."""

    limits: Limits
    most_bytes: int
    taken: int
    stable: dict[TopicPartition, int]

    def _parse_fetched_data(self, completed_fetch: Any) -> Any:
        offset = getattr(completed_fetch.partition_data, "last_stable_offset", None)
        self.stable[completed_fetch.topic_partition] = -1 if offset is None else offset
        return super()._parse_fetched_data(completed_fetch)

    def fetched_records(self, max_records: int | None = None, update_offsets: bool = True) -> Any:
        self.taken = 0
        return super().fetched_records(max_records, update_offsets)

    def _append(
        self, drained: defaultdict[TopicPartition, list[Any]], part: Any, max_records: int, update_offsets: bool
    ) -> int:
        if part:
            part.most_bytes = self.most_bytes - self.taken
        count: int = super()._append(drained, part, max_records, update_offsets)
        if part is not None:
            self.taken += part.bytes_taken
            part.bytes_taken = 0
        return count if self.taken < self.most_bytes else max_records

    def PartitionRecords(self, fetch_offset: int, tp: TopicPartition, records: Any, **options: Any) -> Any:
        return _PartitionRecords(fetch_offset, tp, _Batches(records, self.limits), **options)


class _PartitionRecords(Fetcher.PartitionRecords):  # type: ignore[misc]
    most_bytes = 0
    bytes_taken = 0

    def take(self, n: int | None = None) -> list[Any]:
        self._maybe_raise_next_inline_exception()
        records, size = [], 0
        try:
            for record in islice(self.record_iterator, n):
                records.append(record)
                size += record.serialized_key_size + record.serialized_value_size + record.serialized_header_size
                if size >= self.most_bytes:
                    break
        except Exception as error:
            if not records:
                raise
            self._next_inline_exception = error
        self.bytes_taken = size
        return records


class _Batches:
    """The batches of a fetch, within the limits."""

    def __init__(self, records: Any, limits: Limits) -> None:
        self._records, self._limits = records, limits

    def next_batch(self) -> Any:
        batch = self._records.next_batch()
        if isinstance(batch, DefaultRecordBatch) and not batch.is_control_batch:
            return Batch(batch, self._limits)
        return LegacyBatch(batch, self._limits) if isinstance(batch, LegacyRecordBatch) else batch


class _Fault(NamedTuple):
    """Why the rest of a batch is not read."""

    reason: str
    message: str


class Batch(DefaultRecordBatch):  # type: ignore[misc]
    """A batch of records whose decompressed size, and whose records, are bounded."""

    def __init__(self, batch: DefaultRecordBatch, limits: Limits) -> None:
        self._buffer = self._raw = batch._buffer
        self._header_data, self._pos = batch._header_data, batch._pos
        self._num_records, self._next_record_index, self._decompressed = batch._num_records, 0, False
        self._limits = limits
        self._first, self._end, self._is_log_time = self.base_offset, self.last_offset, self.timestamp_type
        self._last = self._first - 1
        self._fault: _Fault | None = None

    def _maybe_uncompress(self) -> None:
        if not self._decompressed and self.compression_type != self.CODEC_NONE:
            self._assert_has_codec(self.compression_type)
            data, most = bytes(memoryview(self._buffer)[self._pos :]), self._limits.largest_batch
            try:
                self._buffer, is_whole = decompress(self.compression_type, data, most)
                if not is_whole:
                    self._fault = _Fault(TOO_LARGE, f"the batch has more than {most} bytes when decompressed")
            except ValueError:
                self._buffer, self._fault = b"", _Fault(INVALID, "the batch cannot be decompressed")
            self._pos = 0
        self._decompressed = True

    def __next__(self) -> DefaultRecord:
        if self._next_record_index < self._num_records:
            try:
                record = self._read_msg()
            except _UNREADABLE:
                return self._rest()
            self._next_record_index += 1
            self._last = record.offset
            return record
        if self._pos != len(self._buffer):
            return self._rest()
        raise StopIteration

    next = __next__

    def _rest(self) -> DefaultRecord:
        """One record in place of those that are not read."""
        self._next_record_index, self._pos = self._num_records, len(self._buffer)
        if self._last >= self.last_offset:
            raise StopIteration
        reason, message = self._fault or _Fault(INVALID, "a record of the batch is malformed")
        offset = self._last + 1
        where = f"{message}: its offsets {offset} to {self.last_offset} are not read"
        raw = Unread(bytes(self._raw[: self._limits.kept]), reason, where)
        self._last = self.last_offset
        return DefaultRecord(0, offset, self.first_timestamp, self.timestamp_type, None, raw, [])

    def _read_msg(self) -> DefaultRecord:
        """The next record. Names of headers that are not UTF-8 are read as far as they are."""
        buffer = self._buffer
        length, pos = decode_varint(buffer, self._pos)
        end = pos + length
        if length < 0 or end > len(buffer):
            raise ValueError("a record ends after its batch")
        since, pos = decode_varint(buffer, pos + 1)
        delta, pos = decode_varint(buffer, pos)
        size, pos = decode_varint(buffer, pos)
        key, pos = (bytes(buffer[pos : pos + size]), pos + size) if size >= 0 else (None, pos)
        size, pos = decode_varint(buffer, pos)
        value, pos = (bytes(buffer[pos : pos + size]), pos + size) if size >= 0 else (None, pos)
        count, pos = decode_varint(buffer, pos)
        headers: list[tuple[str, bytes | None]] = []
        if length > self._limits.largest_message or count > _MOST_HEADERS:
            value, refused = _bounded(self._limits, value, length, count)
            key, count, pos = (None, 0, end) if refused else (key, count, pos)
        if count:
            headers, pos = _headers(buffer, pos, end, count)
        offset = self._first + delta
        if pos != end or not self._last < offset <= self._end:
            raise ValueError("a record is not as long as it says, or out of order")
        self._pos = end
        timestamp = self._header_data[8] if self._is_log_time else self._header_data[7] + since
        return DefaultRecord(length, offset, timestamp, self._is_log_time, key, value, headers)


class LegacyBatch(LegacyRecordBatch):  # type: ignore[misc]
    """A batch of the message formats 0 and 1, which brokers before version 4 may still hold, within the limits.

    A compressed one is read whole or not at all: only its last record says which offsets the others have. One that is
    not read is one record at its last offset.
    """

    def __init__(self, batch: LegacyRecordBatch, limits: Limits) -> None:
        super().__init__(batch._buffer, batch.magic)
        self._limits = limits
        self._raw = self._buffer

    def _decompress(self, key_offset: int) -> bytes:
        _, data = self._read_key_value(key_offset)
        found, is_whole = decompress(self.compression_type, data or b"", self._limits.largest_batch)
        if not is_whole:
            raise _TooLargeError(f"the batch has more than {self._limits.largest_batch} bytes when decompressed")
        return found

    def __iter__(self) -> Iterator[LegacyRecord | DefaultRecord]:
        last = -1
        try:
            for record in super().__iter__():
                yield self._within_limits(record)
                last = record.offset
        except _TooLargeError as error:
            yield self._rest(TOO_LARGE, str(error))
        except _UNREADABLE:
            if last < self._offset:
                yield self._rest(INVALID, "the batch cannot be decompressed, or a record of it is malformed")

    def _within_limits(self, record: LegacyRecord) -> LegacyRecord | DefaultRecord:
        value, length = record.value, len(record.key or b"") + len(record.value or b"")
        if length <= self._limits.largest_message:
            return record
        value, refused = _bounded(self._limits, value, length, 0)
        key = None if refused else record.key
        return DefaultRecord(length, record.offset, record.timestamp, record.timestamp_type, key, value, [])

    def _rest(self, reason: str, message: str) -> DefaultRecord:
        where = f"{message}: its offsets up to {self._offset} are not read"
        raw = Unread(bytes(self._raw[: self._limits.kept]), reason, where)
        return DefaultRecord(0, self._offset, self._timestamp, self.timestamp_type, None, raw, [])


class _TooLargeError(Exception):
    """A batch has more bytes than are read."""


def _bounded(limits: Limits, value: bytes | None, length: int, headers: int) -> tuple[bytes | None, bool]:
    """The value, or what is kept of it; and whether key and headers are more than anybody reads."""
    size = len(value or b"")
    if headers > _MOST_HEADERS or length - size > limits.largest_message:
        found = f"{headers} headers, and {length - size} bytes beside the value"
        return Unread((value or b"")[: limits.kept], "too_large", found), True
    if size > limits.kept:
        found = f"{size} bytes, the limit is {limits.largest_message}; the first {limits.kept} are kept"
        return Unread((value or b"")[: limits.kept], "too_large", found), False
    return value, False


def _headers(buffer: bytes | bytearray, pos: int, end: int, count: int) -> tuple[list[tuple[str, bytes | None]], int]:
    headers: list[tuple[str, bytes | None]] = []
    for _ in range(count):
        name, pos = _bytes(buffer, pos, end)
        held, pos = _bytes(buffer, pos, end)
        headers.append(((name or b"").decode("utf-8", "replace"), held))
    return headers, pos


def _bytes(buffer: bytes | bytearray, pos: int, end: int) -> tuple[bytes | None, int]:
    length, pos = decode_varint(buffer, pos)
    if length < 0:
        return None, pos
    if length > end - pos:
        raise ValueError("a field ends after its record")
    return bytes(buffer[pos : pos + length]), pos + length
