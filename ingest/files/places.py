"""Files to load, by name: of this machine or of an object store, one by one or a whole folder.

A place is a file, a folder, or either of them in an object store (`s3://bucket/old/`, `gs://`, `abfs://`), which is
reached as the lake is: address and keys come from the environment. A file of a store is fetched whole before it is
read, so that its content is known before the first row lands.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from deltalake.exceptions import DeltaError
from deltalake.fs import DeltaStorageHandler
from pyarrow.fs import FileSelector, FileType, PyFileSystem

from expectations.errors import InputError
from ingest.files.rows import ENDINGS, LINES, unreadable

_BLOCK = 1 << 20


def files_of(places: Iterable[str]) -> list[str]:
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
def at_hand(place: str) -> Iterator[Path]:
    """The file at a place, on this machine for as long as the `with` block lasts. Raises InputError when it cannot be
    fetched.
    """
    if "://" not in place:
        yield Path(place)
        return
    folder, _, name = place.rpartition("/")
    with tempfile.TemporaryDirectory() as here:
        copy = Path(here) / name
        try:
            with _store(folder).open_input_stream(name, compression=None) as given, copy.open("wb") as taken:
                shutil.copyfileobj(given, taken, _BLOCK)
        except (OSError, DeltaError) as error:
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
        listed = _store(folder).get_file_info(FileSelector("", recursive=True))
    except (OSError, DeltaError) as error:
        raise unreadable(place, error) from error
    return sorted(f"{folder}/{one.path}" for one in listed if one.type == FileType.File and _is_loaded(one.path))


def _store(address: str) -> PyFileSystem:
    return PyFileSystem(DeltaStorageHandler(address))


def _is_loaded(name: str) -> bool:
    return name.endswith(ENDINGS) or name.removesuffix(".gz").removesuffix(".zst").endswith(LINES)


def _endings() -> str:
    return ", ".join(ENDINGS)
