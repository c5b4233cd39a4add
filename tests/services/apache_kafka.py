"""One Apache Kafka broker for a test: a real KRaft node on loopback, with data that survives its restart.

The environment variable JOURNEYS_KAFKA_HOME names the folder with Kafka's jars (`make kafka` fetches them with Maven,
as pinned in tests/services/pom.xml). One node serves four listeners at once: PLAINTEXT, SSL, SASL_PLAINTEXT and
SASL_SSL, the last two with PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and OAUTHBEARER (unsecured tokens). Everything is made
fresh: cluster id, self-signed certificate, the user's password.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import subprocess
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from kafka.admin import KafkaAdminClient

HOST: Final = "127.0.0.1"
LISTENERS: Final = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
SCRAM: Final = ("SCRAM-SHA-256", "SCRAM-SHA-512")
USER: Final = "loader"
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 30.0
_JVM: Final = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
_LOG: Final = {
    "defaultLogLevel": "warn",
    "showThreadName": "false",
    "log.kafka.server.KafkaRaftServer": "info",
    "log.org.apache.kafka.common.utils.AppInfoParser": "info",
}
_SETTINGS: Final = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "auto.create.topics.enable": "false",
    "num.partitions": "1",
    "broker.heartbeat.interval.ms": "400",
    "broker.session.timeout.ms": "2000",
    "log.cleaner.dedupe.buffer.size": "4194304",
    "log.retention.check.interval.ms": "300",
    "log.initial.task.delay.ms": "300",
    "file.delete.delay.ms": "100",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "offsets.topic.num.partitions": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
    "ssl.keystore.type": "PKCS12",
}
_SECURITY: Final = "org.apache.kafka.common.security"


class ApacheKafka:
    """A broker for as long as the `with` block lasts; `folder` holds its data, certificate and log.

    `settings` are broker settings beside the ones above. `address` is the PLAINTEXT listener's, `addresses` has all;
    `certificate` is the PEM file to trust; `USER` and `password` pass PLAIN and both SCRAMs; `version` is what the
    broker said at its start. Ports stay the same over `stop` and `start`.

    Raises RuntimeError with the end of the broker's log when it does not start.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.password = secrets.token_urlsafe(12)
        self.certificate = folder / "certificate.pem"
        self.version = ""
        self._settings = dict(settings or {})
        self._ports = dict(zip((*LISTENERS, "CONTROLLER"), _free_ports(len(LISTENERS) + 1), strict=True))
        self._process: subprocess.Popen[bytes] | None = None
        self._log = folder / "broker.log"

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._make_certificate()
        self._properties().chmod(0o600)
        self._format()
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def addresses(self) -> dict[str, str]:
        """The address of every listener, by its name."""
        return {name: f"{HOST}:{self._ports[name]}" for name in LISTENERS}

    @property
    def address(self) -> str:
        """The address of the listener without any security."""
        return self.addresses["PLAINTEXT"]

    def start(self) -> None:
        """Start the node and wait until it says that it serves."""
        self._log.write_bytes(b"")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._java("kafka.Kafka", str(self.folder / "server.properties")),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_SECONDS
        while "Kafka Server started" not in (said := self._log.read_text(errors="replace")):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"Apache Kafka did not start:\n{said[-4000:]}")
            time.sleep(0.05)
        found = re.search(r"Kafka version: (\S+)", said)
        self.version = found.group(1) if found else "unknown"

    def stop(self) -> None:
        """Ask the node to stop in good order, as a rolling upgrade does, and wait for its end."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None

    def kill(self) -> None:
        """End the node at once, as a power cut does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def create_topic(self, name: str, partitions: int = 1, **config: str) -> None:
        """Make a topic; `config` are the topic's settings with _ for the dots (retention_ms="1000")."""
        from kafka.admin import NewTopic

        named = {key.replace("_", "."): value for key, value in config.items()}
        with self.admin() as admin:
            admin.create_topics([NewTopic(name, partitions, 1, topic_configs=named)])
            admin.wait_for_topics([name])

    def delete_topic(self, name: str) -> None:
        """Delete a topic and wait until its name is free."""
        with self.admin() as admin:
            admin.delete_topics([name])
            deadline = time.monotonic() + 10
            while name in admin.list_topics() and time.monotonic() < deadline:
                time.sleep(0.05)

    def topic_id(self, name: str) -> str:
        """The id that the broker gave to the topic of this name; a topic recreated has another."""
        with self.admin() as admin:
            return str(admin.describe_topics([name])[0]["topic_id"])

    def forget_before(self, topic: str, partition: int, offset: int) -> None:
        """Delete the records before an offset, as retention does, only at once."""
        from kafka.structs import TopicPartition

        with self.admin() as admin:
            admin.delete_records({TopicPartition(topic, partition): offset})

    @contextmanager
    def admin(self) -> Iterator[KafkaAdminClient]:
        """A client for administration on the listener without security."""
        from kafka.admin import KafkaAdminClient

        client = KafkaAdminClient(bootstrap_servers=self.address)
        try:
            yield client
        finally:
            client.close()

    def _java(self, *command: str) -> list[str]:
        jars = Path(os.environ["JOURNEYS_KAFKA_HOME"]).resolve()
        logging = [f"-Dorg.slf4j.simpleLogger.{key}={value}" for key, value in _LOG.items()]
        return [str(shutil.which("java")), *_JVM, *logging, "-cp", f"{jars}/*", *command]

    def _make_certificate(self) -> None:
        store = ["-keystore", "keystore.p12", "-storetype", "PKCS12", "-storepass", self.password, "-alias", "broker"]
        names = ["-dname", "CN=localhost", "-ext", f"SAN=ip:{HOST},dns:localhost"]
        self._run("keytool", "-genkeypair", "-keyalg", "EC", "-validity", "2", *names, *store)
        self._run("keytool", "-exportcert", "-rfc", "-file", str(self.certificate), *store)

    def _format(self) -> None:
        cluster = urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=").replace("-", "A")
        users = [
            part
            for how in SCRAM
            for part in ("--add-scram", f"{how}=[name={USER},password={self.password},iterations=4096]")
        ]
        config = ("-t", cluster, "-c", "server.properties")
        self._run(*self._java("kafka.tools.StorageTool", "format", "--standalone", *config, *users))

    def _run(self, *command: str) -> None:
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise RuntimeError(f"{Path(command[0]).name} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")

    def _properties(self) -> Path:
        listeners = ",".join(f"{name}://{HOST}:{port}" for name, port in self._ports.items())
        said = ",".join(f"{name}://{address}" for name, address in self.addresses.items())
        text = {
            **_SETTINGS,
            "listeners": listeners,
            "advertised.listeners": said,
            "listener.security.protocol.map": ",".join(f"{name}:{name}" for name in LISTENERS)
            + ",CONTROLLER:PLAINTEXT",
            "controller.quorum.bootstrap.servers": f"{HOST}:{self._ports['CONTROLLER']}",
            "log.dirs": "data",
            "ssl.keystore.location": "keystore.p12",
            "ssl.keystore.password": self.password,
            **_login("SASL_PLAINTEXT", self.password),
            **_login("SASL_SSL", self.password),
            **self._settings,
        }
        file = self.folder / "server.properties"
        file.write_text("".join(f"{key}={value}\n" for key, value in text.items()))
        return file


def unsecured_token(subject: str = USER, seconds: int = 600) -> str:
    """A token that Kafka's unsecured OAUTHBEARER takes: JSON parts, no signature."""
    now = int(time.time())
    parts = ('{"alg":"none"}', f'{{"sub":"{subject}","iat":{now},"exp":{now + seconds}}}')
    return ".".join(urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts) + "."


def _login(listener: str, password: str) -> dict[str, str]:
    """How one listener checks who connects."""
    listener = f"listener.name.{listener.lower()}"
    plain = f'{_SECURITY}.plain.PlainLoginModule required user_{USER}="{password}";'
    oauth = f"{_SECURITY}.oauthbearer"
    check = f"{oauth}.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler"
    return {
        f"{listener}.plain.sasl.jaas.config": plain,
        **{
            f"{listener}.{how.lower()}.sasl.jaas.config": f"{_SECURITY}.scram.ScramLoginModule required;"
            for how in SCRAM
        },
        f"{listener}.oauthbearer.sasl.jaas.config": f"{oauth}.OAuthBearerLoginModule required;",
        f"{listener}.oauthbearer.sasl.server.callback.handler.class": check,
    }


def _free_ports(count: int) -> list[int]:
    """Ports nobody listens on, all held until all are known, so that they differ."""
    held = [socket.create_server((HOST, 0)) for _ in range(count)]
    ports = [taken.getsockname()[1] for taken in held]
    for taken in held:
        taken.close()
    return ports
