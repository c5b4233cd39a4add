"""Finds the files to load, on this machine or in an object store, single files or whole folders.

An address is a file or folder on this machine or in an object store (`s3://bucket/old/`, `gs://`, `abfs://`). Stores
are accessed like the lake, with endpoint and keys from the environment. A file in a store is downloaded completely
before it is read, because its digest is needed before the first row lands.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from expectations.errors import InputError, StorageError, without_secrets
from expectations.lake import files
from ingest.files.rows import ENDINGS, TEXTS, unreadable


def list_files(addresses: Iterable[str]) -> list[str]:
    """The files at the addresses; of a folder, all loadable files in it and its subfolders, sorted by name.

    Raises InputError when an address has no file to load.
    """
    listed = []
    for address in addresses:
        if without_secrets(address) != address:
            expected = "s3://bucket/folder, with endpoint and keys in the environment"
            raise InputError("An address contains a login or a query.", where=address, expected=expected)
        found = _in_store(address) if "://" in address else _in_folder(Path(address))
        if not found:
            raise InputError("There is nothing to load.", where=address, expected="files that end in " + _endings())
        listed += found
    return listed


@contextmanager
def local_copy(address: str) -> Iterator[Path]:
    """The file at an address, on this machine while the `with` block runs. Raises InputError when it cannot be
    downloaded.
    """
    if "://" not in address:
        yield Path(address)
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / PurePosixPath(address).name
        try:
            files.fetch(address, copy)
        except StorageError as error:
            raise unreadable(address, error) from error
        try:
            yield copy
        except InputError as error:
            raise type(error)(
                error.what, where=address, expected=error.expected, found=error.found, do=error.do
            ) from error


def _in_folder(path: Path) -> list[str]:
    if not path.is_dir():
        return [str(path)]
    return sorted(str(file) for file in path.rglob("*") if file.is_file() and _is_loadable(file.name))


def _in_store(address: str) -> list[str]:
    if _is_loadable(PurePosixPath(address).name):
        return [address]
    folder = address.rstrip("/")
    try:
        return [f"{folder}/{name}" for name in files.listing(folder) if _is_loadable(name)]
    except StorageError as error:
        raise unreadable(address, error) from error


def _is_loadable(name: str) -> bool:
    return name.endswith(ENDINGS) or name.removesuffix(".gz").removesuffix(".zst").endswith(TEXTS)


def _endings() -> str:
    return ", ".join(ENDINGS)
