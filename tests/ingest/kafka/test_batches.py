"""Batches are read as the client reads them, up to their limits; what lies beyond is one record that says so."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import snappy
import zstandard
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from kafka.record.legacy_records import LegacyRecordBase, LegacyRecordBatchBuilder
from kafka.record.memory_records import MemoryRecords
from kafka.record.util import calc_crc32c, encode_varint
from lz4.frame import LZ4FrameCompressor

from ingest.kafka.batches import _Batches
from ingest.kafka.codecs import GZIP, LZ4, SNAPPY, ZSTD
from ingest.message import Unread
from ingest.settings.ingest import Limits
from tests.ingest.streams import RECEIVED

CODECS = {"none": 0, "gzip": GZIP, "snappy": SNAPPY, "lz4": LZ4, "zstd": ZSTD}
FIRST = 70
MEGABYTES = 400
ALONE = """
import re, sys
from pathlib import Path
from kafka.record.legacy_records import LegacyRecordBase, LegacyRecordBatchBuilder
from kafka.record.memory_records import MemoryRecords
from ingest.kafka.batches import _Batches
from ingest.settings.ingest import Limits
for file in sys.argv[1:]:
    for record in _Batches(MemoryRecords(Path(file).read_bytes()), Limits()).next_batch():
        print(record.offset, getattr(record.value, "reason", "read"))
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text()).group(1)) // 1024)
"""


def varint(number: int) -> bytes:
    out = bytearray()
    encode_varint(number, out.append)
    return bytes(out)


def record(
    delta: int, value: bytes | None, key: bytes | None = b"k", headers: tuple[tuple[bytes, bytes], ...] = ()
) -> bytes:
    def field(content: bytes | None) -> bytes:
        return varint(-1) if content is None else varint(len(content)) + content

    tail = varint(len(headers)) + b"".join(field(name) + field(held) for name, held in headers)
    body = b"\0" + varint(5) + varint(delta) + field(key) + field(value) + tail
    return varint(len(body)) + body


def batch(codec: int, payload: bytes, count: int) -> bytes:
    """A batch of `count` records with this payload, from offset FIRST on."""
    header = [FIRST, 0, 3, 2, 0, codec, count - 1, RECEIVED, RECEIVED + 5, -1, -1, -1, count]
    header[1] = DefaultRecordBatch.HEADER_STRUCT.size - DefaultRecordBatch.AFTER_LEN_OFFSET + len(payload)
    content = bytearray(DefaultRecordBatch.HEADER_STRUCT.pack(*header) + payload)
    crc = calc_crc32c(memoryview(content)[DefaultRecordBatch.ATTRIBUTES_OFFSET :])
    struct.pack_into(">I", content, DefaultRecordBatch.CRC_OFFSET, crc)
    return bytes(content)


def packed(codec: int, pieces: Iterator[bytes]) -> bytes:
    """The pieces compressed one after the other, so that they are never in memory together."""
    if codec == 0:
        return b"".join(pieces)
    if codec == SNAPPY:
        blocks = [snappy.compress(piece) for piece in pieces]
        header = b"\x82SNAPPY\0" + struct.pack(">ii", 1, 1)
        return header + b"".join(struct.pack(">i", len(block)) + block for block in blocks)
    if codec == LZ4:
        frame = LZ4FrameCompressor()
        return frame.begin() + b"".join(map(frame.compress, pieces)) + frame.flush()
    stream = zlib.compressobj(wbits=31) if codec == GZIP else zstandard.ZstdCompressor().compressobj()
    return b"".join(map(stream.compress, pieces)) + stream.flush()


def bomb(codec: int, megabytes: int) -> bytes:
    """A good record, one of many megabytes, and a good one, which nobody will find."""
    huge = record(1, b"")[1:-2] + varint(megabytes << 20)

    def pieces() -> Iterator[bytes]:
        yield record(0, b"good")
        yield varint(len(huge) + (megabytes << 20) + 1) + huge
        for _ in range(megabytes):
            yield b"a" * (1 << 20)
        yield b"\0" + record(2, b"hidden")

    return batch(codec, packed(codec, pieces()), 3)


def read(data: bytes, limits: Limits | None = None) -> list[Any]:
    found = _Batches(MemoryRecords(data), limits or Limits()).next_batch()
    assert found.validate_crc()
    return list(found)


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_a_batch_is_read_as_the_client_reads_it(codec: int) -> None:
    draw = random.Random(codec)
    for count in (1, 2, 50):
        built = DefaultRecordBatchBuilder(2, codec, draw.random() < 0.5, 7, 1, 0, 1 << 30)
        for offset in range(count):
            key, value = (draw.choice([None, b"", draw.randbytes(draw.choice([1, 70, 9_000]))]) for _ in range(2))
            headers = [(f"hé{n}", draw.choice([None, b"", b"x" * 200])) for n in range(draw.choice([0, 0, 3]))]
            built.append(offset, RECEIVED + draw.randrange(-(10**10), 10**10), key, value, headers)
        data = bytes(built.build())
        theirs = list(MemoryRecords(data).next_batch())
        assert list(map(repr, read(data))) == list(map(repr, theirs)) and len(theirs) == count


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_the_records_before_the_limit_are_read_and_the_rest_is_told(codec: int) -> None:
    data = bomb(codec, 3)
    good, rest = read(data, Limits(largest_batch=1 << 20))[:2] if codec else (None, None)
    if codec:
        assert (good.offset, good.value, rest.offset, rest.key) == (FIRST, b"good", FIRST + 1, None)
        assert rest.value.reason == "batch_too_large" and rest.value == data
        assert "1048576 bytes" in rest.value.message and "offsets 71 to 72" in rest.value.message
    assert [each.value[:9] for each in read(data)] == [b"good", b"a" * 9, b"hidden"]


def test_bombs_of_all_codecs_stay_far_under_the_ceiling(tmp_path: Path) -> None:
    files = [tmp_path / name for name in CODECS if name != "none"]
    for file in files:
        file.write_bytes(bomb(CODECS[file.name], MEGABYTES))
    *found, peak = subprocess.run(
        [sys.executable, "-c", ALONE, *map(str, files)], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    assert found == [f"{FIRST} read", f"{FIRST + 1} batch_too_large"] * 4 and int(peak) < MEGABYTES


MALFORMED: dict[str, Callable[[], bytes]] = {
    "the record ends after the batch": lambda: record(1, b"x")[:-1],
    "the record has no length": lambda: b"\xff" * 12,
    "the length is negative": lambda: varint(-5) + record(1, b"x"),
    "a value ends after the record": lambda: record(1, b"x").replace(b"\2x", b"\x7ex"),
    "the offset is that of another record": lambda: record(0, b"x"),
    "the offset is after the batch": lambda: record(9, b"x"),
    "the offset fits no type": lambda: record(2**62, b"x"),
    "more bytes than records": lambda: record(1, b"x") + record(2, b"y") + b"rest",
}


@pytest.mark.parametrize("codec", [0, ZSTD])
@pytest.mark.parametrize("what", MALFORMED)
def test_a_malformed_record_hides_no_record_before_it_and_stops_nothing(what: str, codec: int) -> None:
    data = batch(codec, packed(codec, iter([record(0, b"good") + MALFORMED[what]()])), 5)
    good, *between, rest = read(data)
    assert good.value == b"good" and [each.offset for each in between] in ([], [FIRST + 1, FIRST + 2])
    assert (rest.value.reason, rest.offset) == ("batch_invalid", FIRST + 1 + len(between)) and rest.value == data


@pytest.mark.parametrize("codec", [GZIP, SNAPPY, LZ4, ZSTD])
def test_a_batch_that_cannot_be_decompressed_is_one_record(codec: int) -> None:
    payload = packed(codec, iter([record(0, random.Random(1).randbytes(1_000))]))
    for broken in (payload[: len(payload) // 2], b"nonsense" * 5, payload[:9], b""):
        data = batch(codec, broken, 1)
        found = read(data)
        assert len(found) <= 1 and all(each.value.reason == "batch_invalid" for each in found)
        assert [each.offset for each in found] == [FIRST]


def test_headers_are_read_whatever_their_names_are() -> None:
    [found] = read(batch(0, record(0, b"good", headers=((b"caf\xe9", b"x"),)), 1))
    assert found.headers == [("caf\ufffd", b"x")] and found.value == b"good"


def test_a_record_with_more_beside_its_value_than_anybody_reads_is_refused_alone() -> None:
    many = record(0, b"good", headers=((b"", b""),) * 2_000)
    heavy = record(1, b"good", key=b"k" * 5_000)
    large = record(2, b"v" * 5_000)
    found = read(batch(0, many + heavy + large + record(3, b"good"), 4), Limits(largest_message=100, largest_refused=9))
    values = [each.value for each in found]
    assert [getattr(value, "reason", "read") for value in values] == ["too_large"] * 3 + ["read"]
    assert isinstance(values[2], Unread) and values[2] == b"v" * 100
    assert [each.headers for each in found] == [[]] * 4 and [each.key for each in found] == [None, None, b"k", b"k"]


LEGACY = [(magic, codec) for magic in (0, 1) for codec in (0, GZIP, SNAPPY, LZ4) if (magic, codec) != (0, LZ4)]
"""Format 0 has LZ4 with a wrong checksum, which the client cannot read without another library."""


def legacy(magic: int, codec: int, values: list[bytes | None]) -> bytes:
    """A batch of an old format; compressed, its messages are the value of one."""
    built = LegacyRecordBatchBuilder(magic, codec, 1 << 30)
    for offset, value in enumerate(values):
        built.append(offset, RECEIVED + offset, b"k", value)
    return bytes(built.build())


@pytest.mark.parametrize(("magic", "codec"), LEGACY)
def test_a_batch_of_an_old_format_is_read_as_the_client_reads_it(magic: int, codec: int) -> None:
    data = legacy(magic, codec, [b"a", None, b"b" * 9_000])
    ours, theirs = _Batches(MemoryRecords(data), Limits()), MemoryRecords(data)
    for batch in theirs:
        mine = ours.next_batch()
        assert mine.validate_crc() and mine.magic == magic
        assert list(map(repr, mine)) == list(map(repr, batch)) == list(map(repr, mine)), "it may be read again"
        assert all(record.validate_crc() for record in mine)
    assert ours.next_batch() is None


@pytest.mark.parametrize(("magic", "codec"), [each for each in LEGACY if each[1]])
def test_a_batch_of_an_old_format_that_expands_too_much_is_one_record_at_its_end(magic: int, codec: int) -> None:
    data = legacy(magic, codec, [b"good", b"a" * (3 << 20), b"hidden"])
    [rest] = read(data, Limits(largest_batch=1 << 20))
    last = MemoryRecords(data).next_batch().base_offset
    assert (rest.value.reason, rest.offset, rest.key) == ("batch_too_large", last, None) and rest.value == data
    assert "1048576 bytes" in rest.value.message and rest.validate_crc() and rest.headers == []


@pytest.mark.parametrize(("magic", "codec"), [*(each for each in LEGACY if each[1]), (0, LZ4)])
def test_a_batch_of_an_old_format_that_cannot_be_read_stops_nothing(magic: int, codec: int) -> None:
    whole = legacy(magic, GZIP, [random.Random(1).randbytes(500)] * 3)
    start = LegacyRecordBase.KEY_OFFSET_V1 if magic else LegacyRecordBase.KEY_OFFSET_V0
    data = bytearray(whole)
    data[LegacyRecordBase.MAGIC_OFFSET + 1] = codec
    data[start + 8 :] = b"nonsense".ljust(len(data) - start - 8, b"x")
    [rest] = list(_Batches(MemoryRecords(bytes(data)), Limits()).next_batch())
    assert (rest.value.reason, rest.offset) == ("batch_invalid", MemoryRecords(whole).next_batch().base_offset)


def test_a_message_of_an_old_format_that_is_too_large_is_cut() -> None:
    limits = Limits(largest_message=100, largest_refused=9)
    [cut] = list(_Batches(MemoryRecords(legacy(1, 0, [b"v" * 5_000])), limits).next_batch())
    assert (cut.value.reason, cut.value, cut.key, cut.timestamp) == ("too_large", b"v" * 100, b"k", RECEIVED)


def test_bombs_of_old_formats_stay_under_the_ceiling(tmp_path: Path) -> None:
    for magic, codec in [each for each in LEGACY if each[1]]:
        inner = legacy(magic, 0, [b"a" * (1 << 20)])
        payload = packed(codec, (inner for _ in range(MEGABYTES)))
        wrapper = bytearray(legacy(magic, 0, [payload]))
        wrapper[LegacyRecordBase.MAGIC_OFFSET + 1] = codec
        (tmp_path / f"{magic}-{codec}").write_bytes(wrapper)
    files = sorted(map(str, tmp_path.iterdir()))
    *found, peak = subprocess.run(
        [sys.executable, "-c", ALONE, *files], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    assert found == ["0 batch_too_large"] * len(files) and int(peak) < MEGABYTES
