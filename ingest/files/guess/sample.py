"""Reads the first rows of a file as JSON objects, and lists their columns: the fields at any depth, with their values.

A *column* is named by the path that a mapping gives to it. A text that is JSON counts as the object it stands for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from expectations.errors import InputError
from ingest.decoding.formats.snowplow import is_tsv
from ingest.decoding.formats.values import snake
from ingest.files.rows import Row, is_lines, is_text_table, rows
from ingest.message import Unread
from ingest.settings.ingest import Format, Limits

MOST_ROWS: Final = 10_000
"""Rows of a file that are looked at."""
_MOST_COLUMNS: Final = 2_000
_DEEPEST: Final = 5
_OF_ITS_PARENT: Final = frozenset({"id", "uuid", "name", "key", "type", "email", "email_address", "number", "code"})
"""Names that say nothing without that of the object they are in: `customer.id`."""


class FileSample(NamedTuple):
    """The first rows of a file, as messages and as objects; `documents` has none for rows that cannot be read."""

    file: Path
    records: list[Row]
    documents: list[dict[str, Any]]
    is_text: bool
    is_snowplow: bool


class Column(NamedTuple):
    """One field of the rows: its path in a mapping, its keys, its plain name, and its value in each row, None where it
    is blank.
    """

    path: str
    keys: tuple[str, ...]
    name: str
    values: Sequence[Any]

    @property
    def present(self) -> list[Any]:
        """The values that are not blank."""
        return [value for value in self.values if value is not None]

    @property
    def distinct(self) -> int:
        """The number of values."""
        return len(set(map(str, self.present)))

    @property
    def share(self) -> float:
        """The share of rows that have a value."""
        return len(self.present) / max(len(self.values), 1)


def sample_of(file: Path, limits: Limits) -> FileSample:
    """The first rows of a file. Raises InputError when it cannot be read, has no rows, or no names of columns."""
    form: Format = "snowplow" if _is_snowplow(file, limits) else "json"
    records = list(islice(rows(file, 0, 0, limits, form), MOST_ROWS))
    documents = [document for record in records for document in _objects(record.value)]
    if not documents and form == "json":
        raise InputError(
            "The file has no row that can be read.",
            where=str(file),
            expected="a header and rows, or an object in each line",
            found=f"{len(records):,} rows, none of them an object" if records else "no rows",
            do=f"if it is one object with a list of rows, write the list: jq '.data' {file.name} > rows.json"
            if file.name.endswith(".json")
            else "",
        )
    sample = FileSample(file, records, documents, not is_lines(file) and is_text_table(file), form == "snowplow")
    if sample.is_text and (odd := _data_in_header(documents[0])):
        raise InputError(
            "The first line of the file is a row and no header.",
            where=f"{file}, line 1",
            expected="the names of the columns",
            found=odd,
            do="write the names of the columns into the first line",
        )
    return sample


def columns_of(documents: Sequence[dict[str, Any]]) -> list[Column]:
    """The columns of objects, in the order in which they occur; lists are not entered."""
    found: dict[tuple[str, ...], list[Any]] = {}
    for row, document in enumerate(documents):
        for keys, value in _leaves(document, ()):
            if keys not in found:
                if len(found) == _MOST_COLUMNS:
                    continue
                found[keys] = [None] * len(documents)
            found[keys][row] = value
    return [Column(path_of(keys), keys, plain_name(keys), values) for keys, values in found.items()]


def path_of(keys: Sequence[str]) -> str:
    """The path of a mapping that leads to a field.

    >>> path_of(["user", "e.mail", "0"])
    'user."e.mail".0'
    """
    return ".".join(f'"{key}"' if "." in key else key for key in keys)


def plain_name(keys: Sequence[str]) -> str:
    """The name of a field in lower case words, with that of its object where it says nothing alone.

    >>> plain_name(["Customer ID"]), plain_name(["properties", "$insert_id"]), plain_name(["customer", "id"])
    ('customer_id', 'insert_id', 'customer_id')
    """
    name = snake(keys[-1])
    return f"{snake(keys[-2])}_{name}" if name in _OF_ITS_PARENT and len(keys) > 1 else name


def _is_snowplow(file: Path, limits: Limits) -> bool:
    """Whether the lines of a file are the columns of Snowplow's atomic.events, without a header."""
    if not file.name.removesuffix(".gz").removesuffix(".zst").endswith(".tsv"):
        return False
    first = next(rows(file, 0, 0, limits, "snowplow"), None)
    return first is not None and type(first.value) is not Unread and is_tsv(first.value) and _has_columns(first.value)


def _has_columns(line: bytes) -> bool:
    return line.count(b"\t") == 130 and b"collector_tstamp" not in line


def _objects(value: bytes) -> Iterator[dict[str, Any]]:
    """The object in a message, or the objects of the list in it; none where it cannot be read."""
    if type(value) is Unread:
        return
    try:
        document = orjson.loads(value)
    except orjson.JSONDecodeError:
        return
    yield from (each for each in (document if type(document) is list else [document]) if type(each) is dict)


def _data_in_header(first: dict[str, Any]) -> str:
    """What says that the names of columns are values; empty where nothing does."""
    odd = [name for name in first if re.fullmatch(r"-?[0-9]+([.,][0-9]+)?|[0-9]{4}-[0-9]{2}-[0-9]{2}.*", name)]
    return f"columns called {', '.join(odd[:5])}" if odd and 2 * len(odd) > len(first) else ""


def _leaves(value: Any, keys: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The fields of an object at any depth that are no objects or lists."""
    if type(value) is str and value[:1] == "{" and keys:
        opened = next(_objects(value.encode()), value)
        if type(opened) is dict:
            value = opened
    if type(value) is dict and len(keys) < _DEEPEST:
        for key, inner in value.items():
            if key and '"' not in key:
                yield from _leaves(inner, (*keys, key))
    elif type(value) in (str, int, float, bool) and value != "" and keys:
        yield keys, value
