"""Reads what the pages of a Parquet file say of their own sizes.

The footer repeats these sizes, per column and row group, and may say anything; readers allocate what a page says. Page
headers are structs of Thrift's compact protocol, one before each page. Of its types only those are read that a header
may have.
"""

from __future__ import annotations

from typing import Any, BinaryIO, Final, NamedTuple

_STOP, _TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _STRUCT = 0, 1, 2, 3, 7, 8, 12
_INTEGERS: Final = (4, 5, 6)
_HEADER_BYTES: Final = 1 << 10
"""Bytes that a header has, usually; one with long statistics has more."""
_MOST_HEADER_BYTES: Final = 16 << 20
_DEEPEST: Final = 8
_SIZE, _COMPRESSED_SIZE, _VALUES = 2, 3, 1
_DATA_PAGES: Final = (5, 8)
"""The fields of a header that are the headers of data pages, of both versions."""
_DICTIONARY_PAGE: Final = 7


class PageSizes(NamedTuple):
    """The sum over the pages of a column in a row group: bytes when decompressed, and values, each of a list one; and
    whether values are repeated from a dictionary."""

    size: int
    values: int
    has_dictionary: bool = False


def page_sizes(file: BinaryIO, start: int, length: int) -> PageSizes:
    """What the pages between two positions say of their sizes. Raises ValueError where no pages are there."""
    position, size, values, has_dictionary = start, 0, 0, False
    while position < start + length:
        header, header_length = _header(file, position)
        size += _number(header, _SIZE)
        values += sum(_number(header[field], _VALUES) for field in _DATA_PAGES if field in header)
        has_dictionary |= _DICTIONARY_PAGE in header
        position += header_length + _number(header, _COMPRESSED_SIZE)
    return PageSizes(size, values, has_dictionary)


def _number(fields: Any, field: int) -> int:
    number = fields.get(field) if isinstance(fields, dict) else None
    if not isinstance(number, int) or number < 0:
        raise ValueError("a page of the file has no size")
    return number


def _header(file: BinaryIO, position: int) -> tuple[dict[int, Any], int]:
    """The fields of the page header at a position, and its length."""
    length = _HEADER_BYTES
    while length <= _MOST_HEADER_BYTES:
        file.seek(position)
        try:
            reader = _Reader(file.read(length))
            return reader.struct(), reader.position
        except IndexError:
            length *= 8
    raise ValueError("a page of the file has no header")


class _Reader:
    """Reads the values of the compact protocol one after the other; raises IndexError at the end of the content."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.position = 0

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """The fields of a struct by their numbers."""
        if depth > _DEEPEST:
            raise ValueError("a page header of the file is nested too deep")
        fields: dict[int, Any] = {}
        field = 0
        while (byte := self._byte()) != _STOP:
            field = field + (byte >> 4) if byte >> 4 else self._integer()
            fields[field] = self._value(byte & 15, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (_TRUE, _FALSE):
            return kind == _TRUE
        if kind in _INTEGERS:
            return self._integer()
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind in (_BYTE, _DOUBLE, _BINARY):
            return self._skip({_BYTE: 1, _DOUBLE: 8}.get(kind) or self._unsigned())
        raise ValueError("a page header of the file has a value of another type")

    def _skip(self, length: int) -> None:
        self.position += length
        if self.position > len(self._content):
            raise IndexError

    def _byte(self) -> int:
        self.position += 1
        return self._content[self.position - 1]

    def _unsigned(self) -> int:
        number, shift = 0, 0
        while (byte := self._byte()) >= 128:
            number |= (byte & 127) << shift
            shift += 7
            if shift > 63:
                raise ValueError("a number in a page header of the file has no end")
        return number | byte << shift

    def _integer(self) -> int:
        number = self._unsigned()
        return (number >> 1) ^ -(number & 1)
