"""A standalone cluster of Spark on loopback, of the package on PyPI: a master and workers with one core each.

Every worker has an address of its own (127.0.0.1, 127.0.0.2), as if it were a machine. Folders, ports and processes are
the cluster's own and go with it. It needs pyspark and Java 17.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final

HOSTS: Final = ("127.0.0.1", "127.0.0.2")
_START_SECONDS: Final = 300.0
"""More than a busy machine needs."""
_CONNECT: Final = "org.apache.spark.sql.connect.service.SparkConnectServer"
_REGISTERED: Final = "Successfully registered with master"
_SUBMIT: Final = "org.apache.spark.deploy.SparkSubmit"
_MASTER: Final = "org.apache.spark.deploy.master.Master"
_JVM: Final = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto"
_SETTINGS: Final = {
    "spark.driver.extraJavaOptions": _JVM,
    "spark.driver.host": "127.0.0.1",
    "spark.driver.memory": "512m",
    "spark.executor.extraJavaOptions": _JVM,
    "spark.executor.memory": "512m",
    "spark.ui.enabled": "false",
}
_WORKER: Final = "org.apache.spark.deploy.worker.Worker"


def lacking() -> str:
    """An empty text, or what is not here to run a cluster."""
    if find_spec("pyspark") is None:
        return "pyspark is not installed: pip install '.[spark]'"
    return "" if shutil.which("java") else "Java is not installed (Debian: apt install default-jre-headless)"


class SparkCluster:
    """A running cluster: `address` for a session, `driver` the environment that one needs, `logs` of its processes."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.logs = folder / "logs"
        self.logs.mkdir(parents=True)
        self.folder = folder
        settings = folder / "settings"
        settings.mkdir()
        (settings / "spark-defaults.conf").write_text("".join(f"{name} {value}\n" for name, value in _SETTINGS.items()))
        self.driver = {"SPARK_CONF_DIR": str(settings), "PYSPARK_PYTHON": sys.executable}
        self.port = _free_port()
        self.address = f"spark://127.0.0.1:{self.port}"
        self.environment = {
            **os.environ,
            **self.driver,
            **environment,
            "SPARK_DAEMON_JAVA_OPTS": _JVM,
            "SPARK_DAEMON_MEMORY": "640m",
            "SPARK_MASTER_OPTS": "-Dspark.master.rest.enabled=false",
            "SPARK_LOCAL_DIRS": str(folder / "scratch"),
        }
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Starts the master, then the workers, and waits until all are registered."""
        web = ["--webui-port", "0"]
        self._run("master", _MASTER, ["--host", "127.0.0.1", "--port", str(self.port), *web])
        self._wait(lambda: "I have been elected leader" in self.log("master"), "the master has not started")
        for host in HOSTS:
            work = ["--cores", "1", "--memory", "1g", "--work-dir", str(self.folder / f"work-{host}")]
            self._run(host, _WORKER, ["--host", host, *work, *web, self.address])
        self._wait(lambda: all(_REGISTERED in self.log(host) for host in HOSTS), "a worker is missing")

    def start_connect(self) -> str:
        """Starts a server of Spark Connect, which runs tasks itself; returns its address."""
        port = _free_port()
        binding = ["--conf", f"spark.connect.grpc.binding.port={port}"]
        self._run("connect", _SUBMIT, ["--class", _CONNECT, "--master", "local[2]", *binding])
        self._wait(lambda: _listens(port), "the server of Spark Connect has not started")
        return f"sc://127.0.0.1:{port}"

    def _wait(self, condition: Callable[[], bool], failure: str) -> None:
        """Waits until a condition holds, or a process has ended, which is a failure."""
        wait_for(lambda: condition() or self._has_ended(), failure, self.log)
        if self._has_ended():
            raise RuntimeError(f"{failure}:\n{self.log()[-3000:]}")

    def _has_ended(self) -> bool:
        return any(process.poll() is not None for process in self.processes)

    def _run(self, name: str, main: str, arguments: list[str]) -> None:
        import pyspark

        home = Path(pyspark.__file__).parent
        command = [str(home / "bin" / "spark-class"), main, *arguments]
        environment = {**self.environment, "SPARK_HOME": str(home)}
        with (self.logs / name).open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
        self.processes.append(process)

    def log(self, name: str = "") -> str:
        """What a process has written; by default all of master and workers."""
        found = [self.logs / name] if name else sorted(self.logs.iterdir())
        return "\n".join(file.read_text(errors="replace") for file in found)

    def executors(self) -> list[int]:
        """The processes of the executors that run."""
        children = [child for worker in self.processes for child in _children(worker.pid)]
        return [child for child in children if "CoarseGrainedExecutorBackend" in _command(child)]

    def python_workers(self) -> list[int]:
        """The processes of Python that run tasks: the children of the executors' daemons."""
        daemons = {child for executor in self.executors() for child in _children(executor)}
        return [worker for daemon in daemons for worker in _children(daemon)]

    def executor_logs(self) -> str:
        """What all executors have written, also those that have ended."""
        return "\n".join(file.read_text(errors="replace") for file in sorted(self.folder.glob("work-*/*/*/stderr")))

    def stop(self) -> None:
        """Ends every process that the cluster has started."""
        for process in reversed(self.processes):
            for child in self._descendants(process.pid):
                _kill(child)
            _kill(process.pid)
            process.wait()

    def _descendants(self, process: int) -> list[int]:
        children = _children(process)
        return [each for child in children for each in (*self._descendants(child), child)]


@contextmanager
def spark_cluster(folder: Path, environment: Mapping[str, str] | None = None) -> Iterator[SparkCluster]:
    """A cluster for as long as the `with` block lasts; its workers run this Python, with this `environment` beside."""
    cluster = SparkCluster(folder, environment or {})
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def wait_for(
    condition: Callable[[], bool], failure: str, log: Callable[[], str], seconds: float = _START_SECONDS
) -> None:
    """Waits until a condition holds; raises RuntimeError with the end of a log when it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"{failure}:\n{log()[-3000:]}")
        time.sleep(0.05)


def kill(process: int) -> None:
    """Kills a process without warning."""
    os.kill(process, signal.SIGKILL)


def _kill(process: int) -> None:
    if Path(f"/proc/{process}").exists():
        kill(process)


def _children(process: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{process}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def _command(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
