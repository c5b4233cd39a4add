"""Stores a site in a local folder or in an object store (`s3://`, `gs://`, `az://`).

A place adds a run as a whole and replaces a file of the site in one step. In a folder a run is written aside and moved
into place; in a store its files are written one by one, `site.json` last, and nothing links to a run before the site's
own files are replaced. Either way a reader never sees half a site.

Every run carries a marker: its `site.json` names the folder it lies in. It is the first file of a run that is written,
and a folder without it belongs to somebody else.

Folders, `s3://` (against an S3-compatible server) and `az://` (against Azure's emulator) are tested; `gs://` uses the
same library and has not been tested against a real store.
"""

from __future__ import annotations

import hashlib
import json
import mimetypes
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

from expectations.errors import StorageError
from expectations.lake import files

RUNS: Final = "runs"
INDEX: Final = "site.json"
HISTORY: Final = "history.html"
Run = tuple[str, dict[str, Any]]
"""The name of a run, and the content of its `site.json`."""
_NEW: Final = ".new-"
_DRAFT: Final = re.compile(r"\.[a-z]+\.(html|json)-[0-9a-f]{12}")
"""Names of files that were about to replace one of the site when publishing was stopped."""
_FOLDER, _FILE = 0o755, 0o644
"""What web servers may do: read. A command hides all other files that it makes from others."""


def own_index(content: bytes | None, run: str | None = None) -> dict[str, Any] | None:
    """The content of a `site.json` that a report wrote, for the run or for the site; null for anything else.

    >>> own_index(b'{"folder": "runs/a"}', "a"), own_index(b'{"folder": "runs/b"}', "a"), own_index(b"[1]")
    ({'folder': 'runs/a'}, None, None)
    """
    try:
        index = json.loads(content or b"")
    except ValueError:
        return None
    folder = index.get("folder") if isinstance(index, dict) else None
    is_own = isinstance(folder, str) and (folder == f"{RUNS}/{run}" if run else folder.startswith(f"{RUNS}/"))
    return index if is_own else None


def _claim(run: str, content: bytes) -> bytes:
    """The `site.json` of a run that is not complete yet, made from that of the complete one."""
    erasures = (own_index(content, run) or {}).get("erasures", 0)
    return json.dumps({"folder": f"{RUNS}/{run}", "incomplete": True, "erasures": erasures}).encode()


class Place(Protocol):
    """A location of a site. All failures raise `OSError`."""

    def add(self, run: str, files: Mapping[str, bytes]) -> None:
        """Adds a run: readers see all of its files or none; a run of the same name is replaced."""

    def replace(self, name: str, content: bytes) -> None:
        """Replace a file of the site in one step."""

    def runs(self) -> list[str]:
        """Names of the folders in `runs`, of whomever, sorted: runs are named by their time."""

    def read(self, name: str) -> bytes | None:
        """The content of a file of the site; null where there is none."""

    def files(self, run: str) -> list[str]:
        """Names of the files in the folder of a run, relative to it."""

    def discard(self, run: str, names: Sequence[str]) -> None:
        """Remove files of a run."""

    def remove(self, run: str) -> None:
        """Remove a run."""

    def clean(self, erasures: int) -> None:
        """Remove what publishing left when it was stopped before the last of so many erasures, and drafts of files."""


def place_of(address: str) -> Place:
    """The place at an address.

    >>> place_of("site").folder, place_of("file:///srv/site").folder
    (PosixPath('site'), PosixPath('/srv/site'))
    """
    folder = files.local(address)
    return Store(address) if folder is None else Folder(folder)


def own_runs(place: Place) -> list[Run]:
    """The runs that reports wrote, complete or not, newest first."""
    found = ((run, own_index(place.read(f"{RUNS}/{run}/{INDEX}"), run)) for run in reversed(place.runs()))
    return [(run, index) for run, index in found if index is not None]


def is_complete(index: dict[str, Any]) -> bool:
    """Whether a run is complete, withdrawn or not, and so listed."""
    return {"built_at", "headline", "pages"} <= set(index)


class Folder:
    """A folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder: Final = folder

    def add(self, run: str, files: Mapping[str, bytes]) -> None:
        """As `Place` says; the run is complete before it is moved into place."""
        runs = self.folder / RUNS
        for folder in (self.folder, runs):
            if not folder.exists():
                folder.mkdir(parents=True)
                folder.chmod(_FOLDER)
        aside = Path(tempfile.mkdtemp(prefix=_NEW, dir=runs))
        try:
            (aside / INDEX).write_bytes(_claim(run, files[INDEX]))
            for address, content in files.items():
                file = aside / address
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            _let_read(aside)
            target = runs / run
            if target.exists():
                shutil.rmtree(target)
            aside.rename(target)
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def replace(self, name: str, content: bytes) -> None:
        """As `Place` says."""
        file = self.folder / name
        new = file.with_name(f".{file.name}-{hashlib.sha256(content).hexdigest()[:12]}")
        with new.open("wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        new.chmod(_FILE)
        new.replace(file)

    def runs(self) -> list[str]:
        """As `Place` says."""
        runs = self.folder / RUNS
        return sorted(run.name for run in runs.iterdir() if not run.name.startswith(".")) if runs.exists() else []

    def read(self, name: str) -> bytes | None:
        """As `Place` says."""
        file = self.folder / name
        return file.read_bytes() if file.is_file() else None

    def files(self, run: str) -> list[str]:
        """As `Place` says."""
        return files.listing(str(self.folder / RUNS / run))

    def discard(self, run: str, names: Sequence[str]) -> None:
        """As `Place` says, with the folders that become empty."""
        folder = self.folder / RUNS / run
        files.discard(str(folder), names)
        for inner in sorted((each for each in folder.rglob("*") if each.is_dir()), reverse=True):
            if not any(inner.iterdir()):
                inner.rmdir()

    def remove(self, run: str) -> None:
        """As `Place` says; what cannot be removed stays until the next attempt."""
        shutil.rmtree(self.folder / RUNS / run, ignore_errors=True)

    def clean(self, erasures: int) -> None:
        """As `Place` says."""
        for aside in (self.folder / RUNS).glob(f"{_NEW}*"):
            index = own_index(self.read(f"{RUNS}/{aside.name}/{INDEX}"))
            if index is not None and index.get("erasures", 0) < erasures:
                shutil.rmtree(aside)
        for draft in self.folder.glob(".*"):
            if draft.is_file() and _DRAFT.fullmatch(draft.name):
                draft.unlink()


def _let_read(folder: Path) -> None:
    """Let everybody read a folder and what is in it: a site is there to be published, unlike the lake."""
    for each in (folder, *folder.rglob("*")):
        each.chmod(_FOLDER if each.is_dir() else _FILE)


class Store:
    """An object store; endpoint and credentials come from the environment, as for a lake."""

    def __init__(self, address: str) -> None:
        self._address: Final = address.rstrip("/")

    def add(self, run: str, files: Mapping[str, bytes]) -> None:
        """As `Place` says."""
        self._put(f"{RUNS}/{run}/{INDEX}", _claim(run, files[INDEX]), "no-cache")
        for name in [*(name for name in files if name != INDEX), INDEX]:
            self._put(f"{RUNS}/{run}/{name}", files[name], "max-age=3600")

    def replace(self, name: str, content: bytes) -> None:
        """As `Place` says: an object is replaced in one step."""
        self._put(name, content, "no-cache")

    def runs(self) -> list[str]:
        """As `Place` says."""
        with _os_errors():
            return files.names(f"{self._address}/{RUNS}")

    def read(self, name: str) -> bytes | None:
        """As `Place` says."""
        with _os_errors():
            return files.read(f"{self._address}/{name}")

    def files(self, run: str) -> list[str]:
        """As `Place` says."""
        with _os_errors():
            return files.listing(f"{self._address}/{RUNS}/{run}")

    def discard(self, run: str, names: Sequence[str]) -> None:
        """As `Place` says."""
        with _os_errors():
            files.discard(f"{self._address}/{RUNS}/{run}", names)

    def remove(self, run: str) -> None:
        """As `Place` says."""
        with _os_errors():
            files.remove(f"{self._address}/{RUNS}/{run}")

    def clean(self, erasures: int) -> None:
        """As `Place` says: an object is written whole, or not at all."""

    def _put(self, name: str, content: bytes, cache_control: str) -> None:
        content_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        if content_type.startswith("text/"):
            content_type += "; charset=utf-8"
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
