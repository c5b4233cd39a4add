"""An object store on this machine, as S3 is spoken to: for lakes, files and brokers that keep what they hold there.

It is a process of its own: the table library does not let other threads of ours run while it waits for an answer.
There is one as Azure is spoken to, too, where its emulator is installed:
`npm install --prefix .cache/azurite azurite@3.35.0` (186 MB). A full check installs it.
"""

from __future__ import annotations

import base64
import hmac
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from email.utils import formatdate
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

BUCKET = "shop"
AZURITE = Path(__file__).parents[2] / ".cache" / "azurite" / "node_modules" / ".bin"
ACCOUNT = "devstoreaccount1"
EMULATOR_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""What the emulator's maker publishes for it: the same everywhere, and no secret."""


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


def azurite() -> str | None:
    """The emulator of Azure's store, when it is installed."""
    return shutil.which("azurite-blob", path=f"{AZURITE}{os.pathsep}{os.environ['PATH']}")


@contextmanager
def azure_store() -> Iterator[dict[str, str]]:
    """The same for Azure: a store with one empty container, and the environment that leads to it."""
    port, program = _free_port(), azurite()
    if program is None:
        raise FileNotFoundError("azurite-blob")
    quiet = ["--inMemoryPersistence", "--disableTelemetry", "--silent", "--skipApiVersionCheck"]
    command = [program, "--blobHost", "127.0.0.1", "--blobPort", str(port), *quiet]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        _make_container(address)
        yield {
            "AZURE_STORAGE_USE_EMULATOR": "true",
            "AZURITE_BLOB_STORAGE_URL": address,
            "AZURE_STORAGE_ALLOW_HTTP": "true",
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
    _ask(lambda: Request(f"{address}/{BUCKET}", method="PUT"))


def _make_container(address: str) -> None:
    """Make the container, signed with the key that the emulator's only account has everywhere."""

    def asked() -> Request:
        headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
        told = "".join(f"{name}:{value}\n" for name, value in headers.items())
        signed = f"PUT{12 * chr(10)}{told}/{ACCOUNT}/{ACCOUNT}/{BUCKET}\nrestype:container"
        digest = base64.b64encode(hmac.digest(base64.b64decode(EMULATOR_KEY), signed.encode(), "sha256")).decode()
        headers |= {"Authorization": f"SharedKey {ACCOUNT}:{digest}", "Content-Length": "0"}
        return Request(f"{address}/{ACCOUNT}/{BUCKET}?restype=container", headers=headers, method="PUT")

    _ask(asked)


def _ask(asked: Callable[[], Request]) -> None:
    """Send a request until the store is up and answers."""
    deadline = time.monotonic() + 60
    while True:
        try:
            urlopen(asked(), timeout=10).close()
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
