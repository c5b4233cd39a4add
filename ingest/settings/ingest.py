"""The `[ingest]` table of journeys.toml: where events come from, how they are read, when they are landed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Literal

from pydantic import Field, model_validator

from expectations.config.durations import Duration
from expectations.config.file import Section
from expectations.contract import Kind
from ingest.settings.mapping import EventRule, Origins
from ingest.settings.security import SECURITY_FILES, Security

Format = Literal["json", "segment", "snowplow", "cloudevents", "ga4"]


class Stream(Section):
    """One topic: what its messages are, how they are read, and what holds for those that do not say.

    `fields` says where in a message an event's fields are (see `ingest.settings.mapping`), `rules` what holds for
    events of some names, and `rest` whether what has no field is kept in `properties`. `traits` names those of
    Segment's identify and group calls that become customer attributes; by default all do that are no contact data.

    >>> Stream(topic="clickstream", kind="clickstream", channel="web").format
    'json'
    """

    topic: str = Field(min_length=1)
    kind: Kind
    channel: str = Field(default="unknown", min_length=1)
    format: Format = "json"
    fields: Origins = Field(default={})
    rules: list[EventRule] = Field(default=[])
    rest: Literal["properties", "drop"] = "properties"
    traits: list[str] | None = Field(default=None, description="which become customer attributes")


class SchemaSettings(Section):
    """Where the schemas of a Schema Registry are: a folder of `<id>.avsc` and `<id>.json`, or the registry's address.

    With both, the folder is looked into first.
    """

    folder: str | None = None
    address: str | None = Field(default=None, pattern=r"^https?://[^@]*$")
    timeout: Duration = timedelta(seconds=10)


class Limits(Section):
    """Limits of accepted messages. Times are judged against the record's own time, so a replay decides the same.

    `oldest` and `newest` say how far before and after the record's time an event may have occurred; None is no limit.
    """

    largest_message: int = Field(default=1 << 20, gt=0, description="bytes")
    oldest: Duration | None = timedelta(days=400)
    newest: Duration | None = timedelta(days=1)


class MaintenanceSettings(Section):
    """Maintenance of the tables' files (see `ingest.upkeep.maintenance`).

    `every` has a running service do it; without, `journeys maintain` does, and `status` says when `interval` is over.
    `open_for` is how long late events are expected, `most_files` how many files an open day may have, `keep` how long
    files that are no longer part of a table stay, for whoever still reads or writes them. A day of more than
    `crowded_files` is compacted by a running service without waiting, as every commit costs more with each file.
    """

    every: Duration | None = None
    interval: Duration = timedelta(hours=24)
    open_for: Duration = timedelta(days=7)
    most_files: int = Field(default=10, ge=1)
    crowded_files: int = Field(default=100, ge=2)
    keep: Duration = Field(default=timedelta(days=7), ge=timedelta(hours=24))


class IngestSettings(Section):
    """Brokers, topics, when to flush, and how patient to be.

    `pipeline` names the offsets that are kept in the lake: two consumers with one name share the work, and a changed
    name reads everything again. `assignment` is `group` (Kafka hands out partitions over the processes) or `all` (this
    process reads every partition, at once); unless said, a run that ends takes all and a service joins the group.
    `assignor` is how a group hands them out: only those that must move move, or all are taken back each time.
    """

    brokers: list[str] = Field(default=["localhost:9092"], min_length=1)
    group: str = Field(default="journeys", min_length=1)
    pipeline: str = Field(default="journeys", min_length=1, pattern=r"^[^/]+$")
    streams: list[Stream] = Field(default=[])
    assignment: Literal["group", "all"] | None = None
    assignor: Literal["cooperative-sticky", "range"] = "cooperative-sticky"
    limits: Limits = Limits()
    schemas: SchemaSettings = SchemaSettings()
    security: Security = Security()
    maintenance: MaintenanceSettings = MaintenanceSettings()

    flush_rows: int = Field(default=50_000, gt=0)
    flush_bytes: int = Field(default=16 << 20, gt=0)
    flush_age: Duration = timedelta(seconds=5)
    reload_every: int = Field(default=25, gt=0, description="commits between two fresh reads of the table's log")

    poll_records: int = Field(default=5_000, gt=0)
    poll_wait: Duration = timedelta(milliseconds=250)
    connect_timeout: Duration = timedelta(seconds=10)
    session_timeout: Duration = timedelta(seconds=12)
    heartbeat: Duration = timedelta(seconds=3)
    max_poll_interval: Duration = timedelta(seconds=120)
    watchdog: Duration = timedelta(seconds=120)
    stop_timeout: Duration = timedelta(seconds=25)
    http_address: str = "127.0.0.1"
    http_port: int | None = Field(default=None, ge=0, le=65535)

    @model_validator(mode="after")
    def _one_stream_a_topic(self) -> IngestSettings:
        topics = [stream.topic for stream in self.streams]
        twice = sorted({topic for topic in topics if topics.count(topic) > 1})
        if twice:
            raise ValueError(f"topic {twice[0]!r} is named by two streams")
        return self

    def beside(self, place: Callable[[str], str]) -> IngestSettings:
        """Return the settings with every file and folder resolved by `place`."""
        security = {name: place(file) for name in SECURITY_FILES if (file := getattr(self.security, name)) is not None}
        folder = self.schemas.folder
        return self.model_copy(
            update={
                "security": self.security.model_copy(update=security),
                "schemas": self.schemas.model_copy(update={"folder": folder and place(folder)}),
            }
        )

    @property
    def by_topic(self) -> dict[str, Stream]:
        """The streams by their topic."""
        return {stream.topic: stream for stream in self.streams}
