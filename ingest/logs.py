"""Configures logging: one line per event of the consumer, as text or JSON, with named fields.

Fields hold positions and counts only; no value of a message is ever logged. To log fields:
`log.info("landed", extra=log_fields(rows=120, topic="orders"))`.
"""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final, Literal, TextIO

import orjson

from expectations.errors import JourneysError, said

LOGGERS: Final = ("ingest", "journeys")
_FIELDS: Final = "facts"


def log_fields(**fields: object) -> dict[str, Any]:
    """Named fields for a log line, passed as `extra`."""
    return {_FIELDS: fields}


def error_fields(error: Exception) -> dict[str, Any]:
    """The fields of an error. A JourneysError gives its what, where, found and do; any other error its message."""
    if isinstance(error, JourneysError):
        return log_fields(error=error.what, where=error.where, found=error.found, do=error.do)
    return log_fields(error=said(error))


def configure(
    form: Literal["text", "json"] = "text", *, stream: TextIO | None = None, level: int = logging.INFO
) -> None:
    """Log the consumer at `level` and the Kafka client's errors to `stream` (default: standard error).

    >>> configure("json")
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Text())
    for name, lowest in (*((room, level) for room in LOGGERS), ("kafka", logging.ERROR)):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(lowest)
        logger.propagate = False


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        known = {"time": _instant(record), "level": record.levelname.lower(), "logger": record.name}
        line = known | {"message": record.getMessage()} | getattr(record, _FIELDS, {})
        if record.exc_info and record.exc_info[0]:
            line["error"] = record.exc_info[0].__name__
        return orjson.dumps(line, default=str).decode()


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = "".join(f" {name}={value}" for name, value in getattr(record, _FIELDS, {}).items())
        return f"{_instant(record)} {record.levelname.lower():7} {record.getMessage()}{fields}"


def _instant(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
