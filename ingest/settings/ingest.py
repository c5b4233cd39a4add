"""The `[ingest]` table of journeys.toml: brokers, topics and their formats, limits, flushing, maintenance."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator

from expectations.config.durations import Duration
from expectations.config.file import Section
from expectations.contract import FROM_FILE, Kind
from expectations.errors import without_secrets
from ingest.settings.mapping import EventRule, Origins
from ingest.settings.security import SECURITY_FILES, Security
from ingest.settings.tools.tools import TOOLS, with_tool

Format = Literal["json", "segment", "snowplow", "cloudevents", "ga4"]
_OF_PROFILES: Final = {"event_name": {"value": "profile"}, "occurred_at": "@timestamp"}
"""Fields of profiles that need not be mapped."""


def _with_fields_of_profiles(table: Any) -> Any:
    """The keys of a stream, of profiles with what need not be said of them."""
    if not isinstance(table, dict) or table.get("profiles") is not True:
        return table
    fields = table.get("fields")
    named = {"fields": _OF_PROFILES | fields} if isinstance(fields, dict) and fields else {}
    return {"kind": "clickstream"} | table | named


def _as_names(value: object) -> object:
    return [value] if isinstance(value, str) else value


class Messages(Section):
    """How messages, or the rows of files, become events: their format, and the kind and channel of events that do not
    name their own.

    `fields` maps parts of a message to event fields (see `ingest.settings.mapping`), `rules` overrides the mapping by
    event name, and `rest` says whether unmapped fields are kept in `properties`. `elements` is the path of a list in
    the message, each element of which is an event: paths then begin at the element, and the message is `@message`.
    `traits` lists the traits of Segment's identify and group calls that become customer attributes; the default is all
    except contact data. With `profiles` a message of `json` is the state of one customer and no event: its unmapped
    fields are attributes from its time on, which is that of the record unless `occurred_at` is mapped. With a `tool`
    all of these begin with its values, and its fields and rules are added.

    >>> Messages(tool="stripe").rest
    'drop'
    """

    tool: str | None = Field(default=None, description=f"a mapping to begin with: {', '.join(TOOLS)}")
    kind: Kind = Field(description="what kind of event a message is")
    channel: str = Field(default="unknown", min_length=1, description="the channel of events that name none")
    format: Format = Field(default="json", description="how messages are written")
    fields: Origins = Field(default={}, description="fields of the event, and where each comes from in the message")
    rules: list[EventRule] = Field(default=[], description="overrides by event name")
    rest: Literal["properties", "drop"] = Field(
        default="properties", description="unmapped fields are kept in properties, or dropped"
    )
    elements: str = Field(default="", description="path of a list whose elements are the events")
    traits: list[str] | None = Field(default=None, description="traits that become customer attributes")
    profiles: bool = Field(default=False, description="messages are attributes of customers, and no events")

    @model_validator(mode="before")
    @classmethod
    def _with_tool(cls, table: Any) -> Any:
        return _with_fields_of_profiles(with_tool(table))

    @model_validator(mode="after")
    def _check_profiles(self) -> Messages:
        if self.profiles and (self.format != "json" or not self.fields or self.rest == "drop"):
            raise ValueError('profiles need the format "json", fields that say whose they are, and their other fields')
        return self

    def as_stream(self, topic: str = "file") -> Stream:
        """The stream of a topic that reads messages in this way."""
        known = {name: getattr(self, name) for name in Messages.model_fields if name != "tool"}
        return Stream(topic=topic, **known).model_copy(update={"tool": self.tool})

    @model_validator(mode="after")
    def _check_elements(self) -> Messages:
        if self.elements and (self.format != "json" or not self.fields):
            raise ValueError('elements need the format "json", and fields that say what is in an element')
        return self


class Stream(Messages):
    """One topic, and how its messages become events.

    >>> Stream(topic="clickstream", kind="clickstream", channel="web").format
    'json'
    """

    topic: str = Field(min_length=1, description="the name of the topic")


class FileRows(Messages):
    """How the rows of files become events, for files whose name matches one of the patterns in `match`.

    >>> FileRows(match="orders_*.csv", kind="order").fits("orders_2026.csv")
    True
    """

    match: Annotated[list[str], BeforeValidator(_as_names), Field(min_length=1)] = Field(
        description="patterns of file names, such as orders_*.csv"
    )

    def fits(self, name: str) -> bool:
        """Whether the name of a file, without its folder, matches a pattern; `*` stands for any characters."""
        return any(fnmatchcase(name, pattern) for pattern in self.match)


class Query(Messages):
    """A query to a database, and how its rows become events (see `ingest.files.queries`).

    `cursor` is a column that grows with every new row: a whole number of at most 15 digits, or a time. Of a time, rows
    younger than `wait` are left to the next run, as transactions may still write such rows. `address` is
    `sqlite:///shop.db` or `postgresql://host/database`; a password belongs in PGPASSWORD, or in the file .pgpass.

    >>> Query(name="sales", address="sqlite:///shop.db", query="select * from sales", cursor="id", kind="order").topic
    'file:query:sales'
    """

    name: str = Field(min_length=1, pattern=r"^[^/]+$", description="what the query is called")
    address: str = Field(
        pattern=r"^(sqlite|postgres|postgresql)://",
        description="the database, as sqlite:///file or postgresql://host/database",
    )
    query: str = Field(min_length=1, description="the query in SQL")
    cursor: str = Field(min_length=1, description="a column that grows with every new row")
    wait: Duration = Field(default=timedelta(minutes=1), description="rows younger than this are left to the next run")

    @property
    def topic(self) -> str:
        """The topic of the rows in the lake."""
        return f"{FROM_FILE}query:{self.name}"

    def beside(self, resolve: Callable[[str], str]) -> Query:
        """Return the query with the path of a database that is a file resolved."""
        scheme, _, file = self.address.partition(":///")
        return self.model_copy(update={"address": f"sqlite:///{resolve(file)}"}) if scheme == "sqlite" else self

    @field_validator("address")
    @classmethod
    def _no_password(cls, address: str) -> str:
        if without_secrets(address) != address and (":" in address.partition("://")[2].partition("@")[0]):
            raise ValueError("the address has a password: set PGPASSWORD, or write a file .pgpass")
        return address


class SchemaSettings(Section):
    """The source of schemas: a folder with `<id>.avsc` and `<id>.json`, or the address of a Schema Registry.

    If both are set, the folder is searched first. The login is `username` with `password` or `password_file`, or a
    `token` or `token_file`; files are read for every request. A request may take `timeout` in all. Within a minute
    `unknown_schemas` numbers may be looked up in vain, for `unknown_time` in all; messages with further numbers are
    refused without a request. An Avro value has at most `most_values` values, nested at most `deepest` deep.

    >>> SchemaSettings(address="https://registry:8081", username="ann", password="secret").password
    SecretStr('**********')
    """

    folder: str | None = Field(default=None, description="folder with schemas, as <id>.avsc and <id>.json")
    address: str | None = Field(default=None, pattern=r"^https?://[^@]*$", description="address of a Schema Registry")
    username: str | None = Field(default=None, min_length=1, description="the login")
    password: SecretStr | None = Field(default=None, description="its password")
    password_file: str | None = Field(default=None, description="file with the password")
    token: SecretStr | None = Field(default=None, description="a token instead of the login")
    token_file: str | None = Field(default=None, description="file with the token")
    timeout: Duration = Field(default=timedelta(seconds=10), description="longest time of a request in all")
    unknown_schemas: int = Field(default=100, gt=0, description="look-ups within a minute")
    unknown_time: Duration = Field(
        default=timedelta(seconds=20), description="longest time of look-ups in vain within a minute"
    )
    largest_schema: int = Field(default=1 << 20, gt=0, description="bytes of a schema")
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

    largest_message: int = Field(default=1 << 20, gt=0, description="bytes of a message")
    most_parts: int = Field(default=10_000, gt=0, description="events of a message")
    largest_batch: int = Field(default=32 << 20, gt=0, description="bytes of a batch when decompressed")
    largest_refused: int = Field(default=8 << 20, gt=0, description="bytes of a refused message that are kept")
    largest_profiles: int = Field(
        default=256 << 20, gt=0, description="bytes of memory that profiles of a file may take"
    )
    largest_expansion: int = Field(default=500, gt=0, description="times the compressed size")
    oldest: Duration | None = Field(
        default=timedelta(days=400), description="how long before the record's time an event may have occurred"
    )
    newest: Duration | None = Field(default=timedelta(days=1), description="how long after it")

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

    every: Annotated[Duration | None, BeforeValidator(_never)] = Field(
        default=timedelta(hours=1), description="time between two runs of a service; never: only `journeys maintain`"
    )
    interval: Duration = Field(
        default=timedelta(hours=24), description="age of the last run after which `status` warns"
    )
    open_for: Duration = Field(default=timedelta(days=7), description="how long late events of a day are expected")
    most_files: int = Field(default=10, ge=1, description="files that an open day may have")
    crowded_files: int = Field(default=100, ge=2, description="files of a day above which it is compacted at once")
    keep: Duration = Field(
        default=timedelta(days=7), ge=timedelta(hours=24), description="how long unused files are kept"
    )
    versions: int = Field(default=600, ge=50, description="versions of a table that are kept one by one")


class IngestSettings(Section):
    """Brokers, topics, flush conditions and timeouts.

    `pipeline` names the offsets stored in the lake: consumers with the same name share the work, and a new name reads
    everything again. `assignment` is `group` (Kafka distributes the partitions over the processes) or `all` (this
    process reads every partition); the default is `all` for a run until caught up and `group` for a service.
    `assignor` is how a group distributes them: `cooperative-sticky` moves only the partitions that have to move,
    `range` revokes and assigns all of them. `files` say how `journeys load` reads files, by their names; the first that
    fits is used. `queries` are what `journeys load --sql` asks databases. New partitions of a topic are looked for
    every `metadata_max_age`.
    """

    brokers: list[str] = Field(
        default=["localhost:9092"], min_length=1, description="brokers to begin with, as host:port"
    )
    group: str = Field(default="journeys", min_length=1, description="the consumer group")
    pipeline: str = Field(
        default="journeys",
        min_length=1,
        pattern=r"^[^/]+$",
        description="names the offsets in the lake; a new name reads everything again",
    )
    streams: list[Stream] = Field(default=[], description="the topics, and how their messages become events")
    files: list[FileRows] = Field(default=[], description="how rows of files become events")
    queries: list[Query] = Field(default=[], description="what databases are asked")
    assignment: Literal["group", "all"] | None = Field(
        default=None, description="group: Kafka distributes partitions; all: this process reads every one"
    )
    assignor: Literal["cooperative-sticky", "range"] = Field(
        default="cooperative-sticky", description="how a group distributes partitions"
    )
    limits: Limits = Field(default=Limits(), description="how large messages may be, and how old")
    schemas: SchemaSettings = Field(default=SchemaSettings(), description="where schemas of messages are")
    security: Security = Field(default=Security(), description="encryption and login")
    maintenance: MaintenanceSettings = Field(default=MaintenanceSettings(), description="upkeep of the tables' files")

    flush_rows: int = Field(default=50_000, gt=0, description="records after which a flush is due")
    flush_bytes: int = Field(default=16 << 20, gt=0, description="bytes after which a flush is due")
    flush_age: Duration = Field(default=timedelta(seconds=5), description="time after which a flush is due")
    reload_every: int = Field(default=25, gt=0, description="commits between two full reads of the table's log")

    poll_records: int = Field(default=5_000, gt=0, description="records of one poll, at most")
    poll_wait: Duration = Field(default=timedelta(milliseconds=250), description="how long a poll waits for records")
    connect_timeout: Duration = Field(default=timedelta(seconds=10), description="longest time until a broker answers")
    session_timeout: Duration = Field(
        default=timedelta(seconds=12), description="silence after which a consumer has left the group"
    )
    heartbeat: Duration = Field(default=timedelta(seconds=3), description="time between two signs of life")
    max_poll_interval: Duration = Field(default=timedelta(seconds=120), description="longest time between two polls")
    metadata_max_age: Duration = Field(
        default=timedelta(seconds=30), ge=timedelta(seconds=1), description="how often new partitions are looked for"
    )
    watchdog: Duration = Field(
        default=timedelta(seconds=120), description="silence of the loop after which the process is ended"
    )
    stop_timeout: Duration = Field(
        default=timedelta(seconds=25), description="longest time to land what is read when stopped"
    )
    http_address: str = Field(default="127.0.0.1", description="address of metrics and probes")
    http_port: int | None = Field(
        default=None, ge=0, le=65535, description="port of metrics and probes; none: not served"
    )

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
        names = [query.name for query in self.queries]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two queries have the name {twice[0]!r}")
        return self

    def beside(self, resolve: Callable[[str], str]) -> IngestSettings:
        """Return the settings with the path of every file and folder resolved."""
        files = {name: file for name in SECURITY_FILES if (file := getattr(self.security, name)) is not None}
        security = {name: resolve(file) for name, file in files.items()}
        named = {name: getattr(self.schemas, name) for name in ("folder", "password_file", "token_file")}
        return self.model_copy(
            update={
                "security": self.security.model_copy(update=security),
                "queries": [query.beside(resolve) for query in self.queries],
                "schemas": self.schemas.model_copy(
                    update={name: file and resolve(file) for name, file in named.items()}
                ),
            }
        )

    @property
    def by_topic(self) -> dict[str, Stream]:
        """The streams by their topic."""
        return {stream.topic: stream for stream in self.streams}
