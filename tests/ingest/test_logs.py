"""Log lines are one event each, as text or JSON, and never contain a value of a message."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from expectations.errors import StorageError
from expectations.lake.layout import Lake
from ingest.kafka.producer import produce
from ingest.kafka.topics import create_topics
from ingest.logs import configure, error_fields, log_fields
from ingest.message import Message
from ingest.samples.broker import EmbeddedBroker
from ingest.service.service import run
from ingest.settings.ingest import IngestSettings, Stream
from tests.ingest.streams import RECEIVED, event

SECRET = "4111-1111"


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    kept = {name: (logging.getLogger(name).handlers, logging.getLogger(name).level) for name in ("ingest", "kafka")}
    yield
    for name, (handlers, level) in kept.items():
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = handlers, True
        logger.setLevel(level)


def test_an_error_is_one_line_with_advice() -> None:
    out = io.StringIO()
    configure("text", stream=out)
    error = StorageError("The lake cannot be written.", where="lake", found="No space left", do="make room")
    logging.getLogger("ingest.service.service").warning("tried again", extra=error_fields(error))
    logging.getLogger("ingest.service.service").warning("tried again", extra=error_fields(OSError("gone")))
    first, second = out.getvalue().splitlines()
    assert first.endswith("error=The lake cannot be written. where=lake found=No space left do=make room")
    assert second.endswith("error=gone")


def test_a_line_is_json_for_machines() -> None:
    out = io.StringIO()
    configure("json", stream=out)
    logging.getLogger("ingest.service.service").info("landed", extra=log_fields(rows=3, topic="orders"))
    line = json.loads(out.getvalue())
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "ingest.service.service",
        "message": "landed",
        "rows": 3,
        "topic": "orders",
    }


def test_a_line_is_text_for_people() -> None:
    out = io.StringIO()
    configure("text", stream=out)
    logging.getLogger("ingest.service.service").warning("the consumer failed", extra=log_fields(error="KafkaError"))
    assert out.getvalue().endswith("Z warning the consumer failed error=KafkaError\n")


@pytest.mark.broker
def test_a_run_logs_what_landed_and_no_value_of_any_message(tmp_path: Path) -> None:
    out = io.StringIO()
    configure("json", stream=out, level=logging.DEBUG)
    with EmbeddedBroker() as broker:
        create_topics([broker.address], {"secrets": 1})
        bad = [
            f'{{"card": "{SECRET}"'.encode(),
            f'"{SECRET}"'.encode(),
            SECRET.encode() + b"\xff",
            event(1, score=SECRET),
        ]
        good = [event(2, customer_id=SECRET, feedback_text=SECRET), event(3, currency=SECRET)]
        produce([broker.address], [Message("secrets", SECRET.encode(), value, RECEIVED) for value in bad + good])
        given = IngestSettings(brokers=[broker.address], streams=[Stream(topic="secrets", kind="order")])
        assert run(given, Lake(str(tmp_path / "lake")), until_caught_up=True).landed == 1
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    landed = [line for line in lines if line["message"] == "landed"]
    assert landed and landed[0]["landed"] == 1 and landed[0]["quarantined"] == 5
    assert SECRET not in out.getvalue()
