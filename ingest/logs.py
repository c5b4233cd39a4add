"""One line a fact, for people or for machines. Places and counts only: no value of a message is ever logged.

A fact is logged as `log.info("landed", extra=facts(rows=120, topic="orders"))`.
"""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final, Literal, TextIO

import orjson

from expectations.errors import JourneysError

LOGGERS: Final = ("ingest",)
_FACTS: Final = "facts"


def log_fields(**known: object) -> dict[str, Any]:
    """The numbers and names that belong to a log line."""
    return {_FACTS: known}


def error_fields(error: Exception) -> dict[str, Any]:
    """An error on a log line: of one that a reader can mend, what, where, what was found, and what to do."""
    if isinstance(error, JourneysError):
        return log_fields(error=error.what, where=error.where, found=error.found, do=error.do)
    return log_fields(error=str(error))


def configure(
    form: Literal["text", "json"] = "text", *, stream: TextIO | None = None, level: int = logging.INFO
) -> None:
    """Log what the consumer does to `stream` (default: standard error), and only warnings of the Kafka client.

    >>> configure("json")
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Text())
    for name, least in (*((room, level) for room in LOGGERS), ("kafka", logging.ERROR)):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(least)
        logger.propagate = False


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        known = {"time": _instant(record), "level": record.levelname.lower(), "logger": record.name}
        line = known | {"message": record.getMessage()} | getattr(record, _FACTS, {})
        if record.exc_info and record.exc_info[0]:
            line["error"] = record.exc_info[0].__name__
        return orjson.dumps(line, default=str).decode()


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        error_fields = "".join(f" {name}={value}" for name, value in getattr(record, _FACTS, {}).items())
        return f"{_instant(record)} {record.levelname.lower():7} {record.getMessage()}{error_fields}"


def _instant(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
