"""Finds files to load, on this machine or in an object store, single files or whole folders.

A place is a file, a folder, or either of them in an object store (`s3://bucket/old/`, `gs://`, `abfs://`), which is
reached as the lake is: address and keys come from the environment. A file of a store is fetched whole before it is
read, so that its content is known before the first row lands.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from expectations.errors import InputError, StorageError
from expectations.lake import files
from ingest.files.rows import ENDINGS, LINES, unreadable


def list_files(places: Iterable[str]) -> list[str]:
    """The files at some places: a folder stands for all files in it and below it that can be loaded, by name.

    Raises InputError where there is nothing to load.
    """
    found = []
    for place in places:
        here = _in_store(place) if "://" in place else _in_folder(Path(place))
        if not here:
            raise InputError("There is nothing to load.", where=place, expected="files that end in " + _endings())
        found += here
    return found


@contextmanager
def local_copy(place: str) -> Iterator[Path]:
    """The file at a place, on this machine for as long as the `with` block lasts. Raises InputError when it cannot be
    fetched.
    """
    if "://" not in place:
        yield Path(place)
        return
    with tempfile.TemporaryDirectory() as here:
        copy = Path(here) / PurePosixPath(place).name
        try:
            files.fetch(place, copy)
        except StorageError as error:
            raise unreadable(place, error) from error
        try:
            yield copy
        except InputError as error:
            raise type(error)(
                error.what, where=place, expected=error.expected, found=error.found, do=error.do
            ) from error


def _in_folder(place: Path) -> list[str]:
    if not place.is_dir():
        return [str(place)]
    return sorted(str(file) for file in place.rglob("*") if file.is_file() and _is_loaded(file.name))


def _in_store(place: str) -> list[str]:
    if _is_loaded(PurePosixPath(place).name):
        return [place]
    folder = place.rstrip("/")
    try:
        return [f"{folder}/{name}" for name in files.listing(folder) if _is_loaded(name)]
    except StorageError as error:
        raise unreadable(place, error) from error


def _is_loaded(name: str) -> bool:
    return name.endswith(ENDINGS) or name.removesuffix(".gz").removesuffix(".zst").endswith(LINES)


def _endings() -> str:
    return ", ".join(ENDINGS)
