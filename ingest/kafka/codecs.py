"""Decompresses record batches up to a limit: a batch of a few kilobytes can stand for gigabytes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Final

GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
"""The codecs, as numbered in a batch."""
_XERIAL: Final = b"\x82SNAPPY\0"
_XERIAL_HEADER: Final = 16
_AT_ONCE: Final = 1 << 18


def decompress(codec: int, data: bytes, most: int) -> tuple[bytes, bool]:
    """The first bytes that the data stands for, and whether they are all; if not, they are at most `most`.

    Raises ValueError for data that cannot be decompressed.

    >>> decompress(GZIP, zlib.compress(b"0" * 100, wbits=31), 10)
    (b'0000000000', False)
    """
    pieces, size, is_whole = list[bytes](), 0, True
    for piece in _PIECES[codec](data, most):
        size += most + 1 if piece is None else len(piece)
        pieces.append(piece or b"")
        if size > most:
            is_whole = False
            break
    found = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    return found if is_whole else found[:most], is_whole


def _gzip(data: bytes, most: int) -> Iterator[bytes]:
    while data:
        member = zlib.decompressobj(wbits=31)
        try:
            yield member.decompress(data, most + 1)
        except zlib.error as error:
            raise ValueError("not gzip") from error
        if not member.eof:
            raise ValueError("gzip is cut off")
        data = member.unused_data


def _lz4(data: bytes, most: int) -> Iterator[bytes]:
    from lz4.frame import LZ4FrameDecompressor

    frame = LZ4FrameDecompressor()
    try:
        yield frame.decompress(data, max_length=most + 1)
    except RuntimeError as error:
        raise ValueError("not lz4") from error
    if not frame.eof:
        raise ValueError("lz4 is cut off")


def _zstd(data: bytes, most: int) -> Iterator[bytes]:
    from zstandard import ZstdDecompressor, ZstdError

    try:
        with ZstdDecompressor().stream_reader(BytesIO(data), read_across_frames=True) as reader:
            while piece := reader.read(min(_AT_ONCE, most + 1)):
                yield piece
    except ZstdError as error:
        raise ValueError("not zstd") from error


def _snappy(data: bytes, most: int) -> Iterator[bytes | None]:
    """The blocks; None in place of one whose first bytes, which say its length, promise more than `most`."""
    from snappy import UncompressError, decompress

    try:
        for block in _snappy_blocks(data):
            yield None if _snappy_length(block) > most else decompress(block)
    except (UncompressError, struct.error) as error:
        raise ValueError("not snappy") from error


def _snappy_blocks(data: bytes) -> Iterator[bytes]:
    if not data.startswith(_XERIAL):
        yield data
        return
    position = _XERIAL_HEADER
    while position < len(data):
        (length,) = struct.unpack_from(">i", data, position)
        if not 0 < length <= len(data) - position - 4:
            raise ValueError("snappy is cut off")
        yield data[position + 4 : position + 4 + length]
        position += 4 + length


def _snappy_length(block: bytes) -> int:
    length = 0
    for number, byte in enumerate(block[:5]):
        length |= (byte & 0x7F) << 7 * number
        if byte < 0x80:
            break
    return length


_PIECES: Final[dict[int, Callable[[bytes, int], Iterator[bytes | None]]]] = {
    GZIP: _gzip,
    SNAPPY: _snappy,
    LZ4: _lz4,
    ZSTD: _zstd,
}
