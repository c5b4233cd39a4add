"""The `[ingest]` table of journeys.toml: brokers, topics and their formats, limits, flushing, maintenance."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator

from expectations.config.durations import Duration
from expectations.config.file import Section
from expectations.contract import Kind
from ingest.settings.mapping import EventRule, Origins
from ingest.settings.security import SECURITY_FILES, Security

Format = Literal["json", "segment", "snowplow", "cloudevents", "ga4"]


class Stream(Section):
    """One topic: the format of its messages, and the kind and channel of events that do not name their own.

    `fields` maps parts of a message to event fields (see `ingest.settings.mapping`), `rules` overrides the mapping by
    event name, and `rest` says whether unmapped fields are kept in `properties`. `traits` lists the traits of Segment's
    identify and group calls that become customer attributes; the default is all except contact data.

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
    traits: list[str] | None = Field(default=None, description="traits that become customer attributes")


class SchemaSettings(Section):
    """The source of schemas: a folder with `<id>.avsc` and `<id>.json`, or the address of a Schema Registry.

    If both are set, the folder is searched first. The login is `username` with `password` or `password_file`, or a
    `token` or `token_file`; files are read for every request. A request may take `timeout` in all. Within a minute
    `unknown_schemas` numbers may be looked up in vain, for `unknown_time` in all; messages with further numbers are
    refused without a request. An Avro value has at most `most_values` values, nested at most `deepest` deep.

    >>> SchemaSettings(address="https://registry:8081", username="ann", password="secret").password
    SecretStr('**********')
    """

    folder: str | None = None
    address: str | None = Field(default=None, pattern=r"^https?://[^@]*$")
    username: str | None = Field(default=None, min_length=1)
    password: SecretStr | None = None
    password_file: str | None = None
    token: SecretStr | None = None
    token_file: str | None = None
    timeout: Duration = timedelta(seconds=10)
    unknown_schemas: int = Field(default=100, gt=0, description="look-ups within a minute")
    unknown_time: Duration = timedelta(seconds=20)
    largest_schema: int = Field(default=1 << 20, gt=0, description="bytes")
    most_values: int = Field(default=100_000, gt=0, description="values of an Avro message")
    deepest: int = Field(default=64, gt=0, le=200, description="levels of an Avro message")

    @model_validator(mode="after")
    def _one_login(self) -> SchemaSettings:
        secrets = [name for name in ("password", "password_file", "token", "token_file") if getattr(self, name)]
        if len(secrets) > 1:
            raise ValueError(f"{secrets[0]} and {secrets[1]} exclude each other: set one of them")
        if (self.username is not None) != bool(secrets and secrets[0].startswith("password")):
            raise ValueError("username and password, or password_file, go together: set both, or neither")
        return self


class Limits(Section):
    """Limits of accepted messages. Times are compared with the record's own time, so a replay gives the same result.

    A larger message is refused; if it is larger than `largest_refused` too, quarantine keeps its beginning. Of a batch
    of records, `largest_batch` bytes are read. A file may
    decompress to `largest_expansion` times its size, or to 1 GiB; profiles may take `largest_profiles` of memory.
    `oldest` and `newest` limit how long before and after the record's time an event may have occurred; None is no
    limit.
    """

    largest_message: int = Field(default=1 << 20, gt=0, description="bytes")
    most_parts: int = Field(default=10_000, gt=0, description="events of a message")
    largest_batch: int = Field(default=32 << 20, gt=0, description="bytes when decompressed")
    largest_refused: int = Field(default=8 << 20, gt=0, description="bytes")
    largest_profiles: int = Field(default=256 << 20, gt=0, description="bytes")
    largest_expansion: int = Field(default=500, gt=0, description="times the compressed size")
    oldest: Duration | None = timedelta(days=400)
    newest: Duration | None = timedelta(days=1)

    @property
    def kept(self) -> int:
        """The bytes of a message that are read at most."""
        return max(self.largest_message, self.largest_refused)


def _never(text: object) -> object:
    return None if text == "never" else text


class MaintenanceSettings(Section):
    """Maintenance of the tables' files (see `ingest.upkeep.maintenance`).

    A running service does it when the last run is older than `every` (`"never"`: only `journeys maintain` does), and
    `status` warns when that is older than `interval`. Late events are expected for `open_for`; until then a day is open
    and may have `most_files` files. Unused files are kept for `keep`, for processes that still read or write them and
    for `journeys restore`. Files and entries of the log make each commit slower, so a running service compacts a day
    with more than `crowded_files` at once, and keeps only the latest `versions` of a table one by one.
    """

    every: Annotated[Duration | None, BeforeValidator(_never)] = timedelta(hours=1)
    interval: Duration = timedelta(hours=24)
    open_for: Duration = timedelta(days=7)
    most_files: int = Field(default=10, ge=1)
    crowded_files: int = Field(default=100, ge=2)
    keep: Duration = Field(default=timedelta(days=7), ge=timedelta(hours=24))
    versions: int = Field(default=600, ge=50)


class IngestSettings(Section):
    """Brokers, topics, flush conditions and timeouts.

    `pipeline` names the offsets stored in the lake: consumers with the same name share the work, and a new name reads
    everything again. `assignment` is `group` (Kafka distributes the partitions over the processes) or `all` (this
    process reads every partition); the default is `all` for a run until caught up and `group` for a service.
    `assignor` is how a group distributes them: `cooperative-sticky` moves only the partitions that have to move,
    `range` revokes and assigns all of them. New partitions of a topic are looked for every `metadata_max_age`.
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
    reload_every: int = Field(default=25, gt=0, description="commits between two full reads of the table's log")

    poll_records: int = Field(default=5_000, gt=0)
    poll_wait: Duration = timedelta(milliseconds=250)
    connect_timeout: Duration = timedelta(seconds=10)
    session_timeout: Duration = timedelta(seconds=12)
    heartbeat: Duration = timedelta(seconds=3)
    max_poll_interval: Duration = timedelta(seconds=120)
    metadata_max_age: Duration = Field(default=timedelta(seconds=30), ge=timedelta(seconds=1))
    watchdog: Duration = timedelta(seconds=120)
    stop_timeout: Duration = timedelta(seconds=25)
    http_address: str = "127.0.0.1"
    http_port: int | None = Field(default=None, ge=0, le=65535)

    @field_validator("brokers")
    @classmethod
    def _no_login(cls, brokers: list[str]) -> list[str]:
        if any("@" in broker or "://" in broker for broker in brokers):
            raise ValueError("a broker is host:port; its login belongs under [ingest.security]")
        return brokers

    @model_validator(mode="after")
    def _one_stream_per_topic(self) -> IngestSettings:
        topics = [stream.topic for stream in self.streams]
        repeated = sorted({topic for topic in topics if topics.count(topic) > 1})
        if repeated:
            raise ValueError(f"two streams have the topic {repeated[0]!r}")
        return self

    def beside(self, resolve: Callable[[str], str]) -> IngestSettings:
        """Return the settings with the path of every file and folder resolved."""
        files = {name: file for name in SECURITY_FILES if (file := getattr(self.security, name)) is not None}
        security = {name: resolve(file) for name, file in files.items()}
        named = {name: getattr(self.schemas, name) for name in ("folder", "password_file", "token_file")}
        return self.model_copy(
            update={
                "security": self.security.model_copy(update=security),
                "schemas": self.schemas.model_copy(
                    update={name: file and resolve(file) for name, file in named.items()}
                ),
            }
        )

    @property
    def by_topic(self) -> dict[str, Stream]:
        """The streams by their topic."""
        return {stream.topic: stream for stream in self.streams}
