"""Stores a site in a local folder or in an object store (`s3://`, `gs://`, `az://`).

A place adds a run as a whole and replaces a file of the site in one step. In a folder a run is written aside and moved
into place; in a store its files are written one by one, `site.json` last, and nothing links to a run before the site's
own files are replaced. Either way a reader never sees half a site.

Folders, `s3://` (against an S3-compatible server) and `az://` (against Azure's emulator) are tested; `gs://` uses the
same library and has not been tested against a real store.
"""

from __future__ import annotations

import hashlib
import mimetypes
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

from expectations.errors import StorageError
from expectations.lake import files

RUNS: Final = "runs"
INDEX: Final = "site.json"


class Place(Protocol):
    """A location of a site. All failures raise `OSError`."""

    def add(self, run: str, files: Mapping[str, bytes]) -> None:
        """Adds a run: readers see all of its files or none; a run of the same name is replaced."""

    def replace(self, name: str, content: bytes) -> None:
        """Replace a file of the site in one step."""

    def runs(self) -> list[str]:
        """Names of the runs, complete or not, oldest first: they are named by their time."""

    def index(self, run: str) -> bytes | None:
        """The content of the run's `site.json`; null for a run without one."""

    def remove(self, run: str) -> None:
        """Remove a run."""


def place_of(address: str) -> Place:
    """The place at an address.

    >>> place_of("site").folder, place_of("file:///srv/site").folder
    (PosixPath('site'), PosixPath('/srv/site'))
    """
    folder = files.local(address)
    return Store(address) if folder is None else Folder(folder)


class Folder:
    """A folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder: Final = folder

    def add(self, run: str, files: Mapping[str, bytes]) -> None:
        """As `Place` says; the run is complete before it is moved into place."""
        runs = self.folder / RUNS
        runs.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".new-", dir=runs))
        try:
            for address, content in files.items():
                file = aside / address
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            aside.chmod(0o755)
            target = runs / run
            if target.exists():
                shutil.rmtree(target)
            aside.rename(target)
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def replace(self, name: str, content: bytes) -> None:
        """As `Place` says."""
        file = self.folder / name
        new = file.with_name(f".{name}-{hashlib.sha256(content).hexdigest()[:12]}")
        with new.open("wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        new.replace(file)

    def runs(self) -> list[str]:
        """As `Place` says."""
        runs = self.folder / RUNS
        return sorted(run.name for run in runs.iterdir() if not run.name.startswith(".")) if runs.exists() else []

    def index(self, run: str) -> bytes | None:
        """As `Place` says."""
        file = self.folder / RUNS / run / INDEX
        return file.read_bytes() if file.exists() else None

    def remove(self, run: str) -> None:
        """As `Place` says; what cannot be removed stays until the next attempt."""
        shutil.rmtree(self.folder / RUNS / run, ignore_errors=True)


class Store:
    """An object store; endpoint and credentials come from the environment, as for a lake."""

    def __init__(self, address: str) -> None:
        self._address: Final = address.rstrip("/")

    def add(self, run: str, files: Mapping[str, bytes]) -> None:
        """As `Place` says."""
        for name in [*(name for name in files if name != INDEX), INDEX]:
            self._put(f"{RUNS}/{run}/{name}", files[name])

    def replace(self, name: str, content: bytes) -> None:
        """As `Place` says: an object is replaced in one step."""
        self._put(name, content)

    def runs(self) -> list[str]:
        """As `Place` says."""
        with _os_errors():
            return files.names(f"{self._address}/{RUNS}")

    def index(self, run: str) -> bytes | None:
        """As `Place` says."""
        with _os_errors():
            return files.read(f"{self._address}/{RUNS}/{run}/{INDEX}")

    def remove(self, run: str) -> None:
        """As `Place` says."""
        with _os_errors():
            files.remove(f"{self._address}/{RUNS}/{run}")

    def _put(self, name: str, content: bytes) -> None:
        content_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        if content_type.startswith("text/"):
            content_type += "; charset=utf-8"
        cache_control = "no-cache" if "/" not in name else "max-age=3600"
        with _os_errors():
            headers = {"Content-Type": content_type, "Cache-Control": cache_control}
            files.write(f"{self._address}/{name}", content, headers)


@contextmanager
def _os_errors() -> Iterator[None]:
    """Raises failures of a store as `OSError`."""
    try:
        yield
    except StorageError as error:
        raise OSError(error.found or error.what) from error
