"""An object store on this machine, as S3 is spoken to: for lakes, files and brokers that keep what they hold there.

It is a process of its own: the table library does not let other threads of ours run while it waits for an answer.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

BUCKET = "shop"


@contextmanager
def object_store(log: Path | None = None) -> Iterator[dict[str, str]]:
    """A store with one empty bucket for as long as the `with` block lasts; gives the environment that leads to it.

    Every request that it answers is a line of `log`.
    """
    port = _free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with log.open("wb") if log else nullcontext(subprocess.DEVNULL) as told:
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=told)
    address = f"http://127.0.0.1:{port}"
    try:
        _make_bucket(address)
        yield {
            "AWS_ENDPOINT_URL": address,
            "AWS_ENDPOINT": address,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "somebody",
            "AWS_SECRET_ACCESS_KEY": "hush",
        }
    finally:
        server.kill()
        server.wait()


def put(environment: dict[str, str], key: str, content: bytes) -> str:
    """Put an object into the bucket; returns its address."""
    kind = {"Content-Type": "application/octet-stream"}
    asked = Request(f"{environment['AWS_ENDPOINT_URL']}/{BUCKET}/{key}", content, kind, method="PUT")
    urlopen(asked, timeout=10).close()
    return f"s3://{BUCKET}/{key}"


def _make_bucket(address: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            urlopen(Request(f"{address}/{BUCKET}", method="PUT"), timeout=10).close()
        except (URLError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
