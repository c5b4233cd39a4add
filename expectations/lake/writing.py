"""How the files of the lake's tables are written: small, and quick to write."""

from __future__ import annotations

from typing import Final

from deltalake import ColumnProperties, WriterProperties

_UNIQUE: Final = (
    "event_id",
    "session_id",
    "order_id",
    "occurred_at",
    "received_at",
    "url",
    "properties",
    "offset",
    "raw",
)
NO_DICTIONARY: Final = {name: ColumnProperties(dictionary_enabled=False) for name in _UNIQUE}
"""Columns without dictionary encoding: for values that hardly repeat it costs time and space."""
WRITER: Final = WriterProperties(
    compression="ZSTD",
    compression_level=1,
    default_column_properties=ColumnProperties(statistics_enabled="CHUNK"),
    column_properties=NO_DICTIONARY,
)
