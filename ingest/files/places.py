"""Finds the files to load, on this machine or in an object store, single files or whole folders.

An address is a file or folder on this machine or in an object store (`s3://bucket/old/`, `gs://`, `abfs://`), or a
pattern of files: `*` stands for any characters but `/`, `?` for one, `**` for any folders
(`s3://bucket/2026/**/*.csv`). Stores are accessed like the lake, with endpoint and keys from the environment. A file in
a store is downloaded completely before it is read, because its digest is needed before the first row lands.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final

from expectations.errors import InputError, StorageError, without_secrets
from expectations.lake import files
from ingest.files.rows import ENDINGS, TEXTS, unreadable

_WILDCARD: Final = re.compile(r"[*?]")
LOG: Final = "_delta_log"
"""The folder that makes a folder a table of Delta Lake."""
_PARTS: Final = re.compile(r"(\*\*/|\*\*|\*|\?)")


def list_files(addresses: Iterable[str]) -> list[str]:
    """The files at the addresses; of a folder, all loadable files in it and its subfolders, sorted by name; of a
    pattern, those that fit it; the folder of a table of Delta Lake itself.

    Raises InputError when an address has no file to load, or files of a table and others.
    """
    listed = []
    for address in addresses:
        if without_secrets(address) != address:
            expected = "s3://bucket/folder, with endpoint and keys in the environment"
            raise InputError("An address contains a login or a query.", where=address, expected=expected)
        if _WILDCARD.search(address.partition("://")[2] or address) and not Path(address).exists():
            found = _fitting(address)
        elif is_table(address):
            found = [address.rstrip("/")]
        else:
            found = _in_store(address) if "://" in address else _in_folder(Path(address))
        if any(LOG in name.split("/") for name in found):
            raise InputError(
                "Some of the files belong to a table of Delta Lake, which may no longer have their rows.",
                where=address,
                expected="files of rows, or the folder of one table",
                do="load each table by its own folder",
            )
        if not found:
            raise InputError("There is nothing to load.", where=address, expected="files that end in " + _endings())
        listed += found
    return listed


def is_table(address: str) -> bool:
    """Whether an address is the folder of a table of Delta Lake."""
    if _is_loadable(PurePosixPath(address).name):
        return False
    try:
        return bool(files.listing(f"{address.rstrip('/')}/{LOG}"))
    except StorageError as error:
        raise unreadable(address, error) from error


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


def _fitting(pattern: str) -> list[str]:
    """The loadable files whose address fits a pattern, sorted by name."""
    begin = _WILDCARD.search(pattern, pattern.find("://") + 3 if "://" in pattern else 0)
    assert begin is not None
    folder, slash, _ = pattern[: begin.start()].rpartition("/")
    fits = re.compile("".join(map(_expression, _PARTS.split(pattern[len(folder) + len(slash) :]))))
    try:
        names = files.listing(folder or slash or ".")
    except StorageError as error:
        raise unreadable(pattern, error) from error
    return [f"{folder}{slash}{name}" for name in names if _is_loadable(name) and fits.fullmatch(name)]


def _expression(part: str) -> str:
    """The regular expression of a part of a pattern.

    >>> [_expression(part) for part in ("**/", "*", "?", "a.csv")]
    ['(.*/)?', '[^/]*', '[^/]', 'a\\\\.csv']
    """
    return {"**/": "(.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}.get(part, re.escape(part))


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
