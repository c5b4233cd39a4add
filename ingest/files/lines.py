"""Reads the lines of a file in pieces of decompressed bytes; of a long line only the beginning is kept."""

from __future__ import annotations

import codecs
import gzip
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, TypeVar, cast

import zstandard

_AT_ONCE: Final = 1 << 20
_MARK: Final = b"\xef\xbb\xbf"
_T = TypeVar("_T")


class Line(NamedTuple):
    """A line without its end, cut to the longest that is kept, and the bytes that it has in the file."""

    content: bytes
    length: int


def chunks(file: Path) -> Iterator[bytes]:
    """The bytes of a file, decompressed if its name ends in .gz or .zst, without the byte order mark that some programs
    write in front of text. Text that is marked as UTF-16 comes as UTF-8; what is none in it as a replacement character.
    Raises OSError, EOFError or ZstdError.
    """
    with file.open("rb") as raw, _decompressed(raw, file.suffix) as content:
        begun = content.read(_AT_ONCE)
        if begun.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            yield from _as_utf8(chain([begun], iter(partial(content.read, _AT_ONCE), b"")))
            return
        if begun := begun.removeprefix(_MARK):
            yield begun
        while chunk := content.read(_AT_ONCE):
            yield chunk


def _as_utf8(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Text in UTF-16, with its mark, as UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-16")(errors="replace")
    for piece in pieces:
        if text := decoder.decode(piece):
            yield text.encode()
    if text := decoder.decode(b"", final=True):
        yield text.encode()


def _decompressed(raw: BinaryIO, ending: str) -> BinaryIO:
    if ending == ".gz":
        return cast(BinaryIO, gzip.GzipFile(fileobj=raw))
    if ending == ".zst":
        return cast(BinaryIO, zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True))
    return raw


def in_blocks(items: Iterable[_T], size: Callable[[_T], int], most: int, most_bytes: int) -> Iterator[list[_T]]:
    """The items in blocks of at most `most`; a block ends with the item that makes it `most_bytes` large.

    >>> list(in_blocks(["a", "bb", "c", "d"], len, 3, 3))
    [['a', 'bb'], ['c', 'd']]
    """
    block, total = list[_T](), 0
    for item in items:
        block.append(item)
        total += size(item)
        if len(block) == most or total >= most_bytes:
            yield block
            block, total = [], 0
    if block:
        yield block


def split(pieces: Iterable[bytes], longest: int, quote: bytes = b"") -> Iterator[Line]:
    """The lines in pieces of a file. With `quote`, a line does not end between two quotes.

    >>> [line.content for line in split([b"a,b", b"c\\nd,'e\\nf'"], 1_000, quote=b"'")]
    [b'a,bc', b"d,'e\\nf'"]
    """
    begun = _Begun(longest)
    quotes = 0
    for piece in pieces:
        *ended, rest = piece.split(b"\n")
        for end in ended:
            quotes += end.count(quote) if quote else 0
            if quotes % 2:
                begun.add(end + b"\n")
                continue
            quotes = 0
            yield begun.take(end) if begun.length else Line(end[:longest], len(end))
        quotes += rest.count(quote) if quote else 0
        begun.add(rest)
    if begun.length:
        yield begun.take(b"")


def line_blocks(pieces: Iterable[bytes], most: int, longest: int) -> Iterator[bytes | Line]:
    """The bytes of a file in blocks of about `most`, which end where a line does. A line that is longer than `longest`
    and fills a block is cut; it comes as a `Line` of its own.

    >>> list(line_blocks([b"a\\nb", b"b\\nc"], 3, 3))
    [b'a\\n', b'bb\\n', b'c\\n']
    """
    block, dropped = bytearray(), -1
    for piece in pieces:
        rest = piece
        if dropped >= 0:
            end = piece.find(b"\n")
            if end < 0:
                dropped += len(piece)
                continue
            yield Line(bytes(block), len(block) + dropped + end)
            block, dropped, rest = bytearray(), -1, piece[end + 1 :]
        block += rest
        if len(block) >= most:
            if ended := block.rfind(b"\n") + 1:
                yield bytes(block[:ended])
                del block[:ended]
            if len(block) > max(longest, most):
                dropped = len(block) - longest
                del block[longest:]
    if dropped >= 0:
        yield Line(bytes(block), len(block) + dropped)
    elif block:
        yield bytes(block if block.endswith(b"\n") else block + b"\n")


class _Begun:
    """The beginning of a line whose end has not been read yet."""

    def __init__(self, longest: int) -> None:
        self._longest, self._pieces = longest, list[bytes]()
        self.length = self._kept = 0

    def add(self, piece: bytes) -> None:
        self.length += len(piece)
        if self._kept < self._longest and piece:
            self._pieces.append(piece)
            self._kept += len(piece)

    def take(self, end: bytes) -> Line:
        self.add(end)
        line = Line(b"".join(self._pieces)[: self._longest], self.length)
        self._pieces, self.length, self._kept = [], 0, 0
        return line
