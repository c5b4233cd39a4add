"""How are the files of the lake that belong to no table kept: in folders of this machine, or in an object store?

The path store and what is remembered for a refresh are such files. An address with a scheme (`s3://bucket/lake/paths`)
leads to a store, which is reached as the lake's tables are: endpoint and keys come from the environment. Parquet files
are read and written by polars, which takes either address; what is more than that is here.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from expectations.errors import StorageError, said

LONGEST: Final = 500

if TYPE_CHECKING:
    from pyarrow.fs import PyFileSystem


def read(address: str) -> bytes | None:
    """What a file holds; None when there is none."""
    if not _is_remote(address):
        try:
            return Path(address).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StorageError(
                "A file of the lake cannot be read.", where=address, found=str(error.strerror)
            ) from error
    with _store(address) as (store, name):
        if not store.get_file_info(name).is_file:
            return None
        with store.open_input_stream(name, compression=None) as given:
            return bytes(given.read())


def write(address: str, content: bytes) -> None:
    """Write a file or replace it, in one step: a reader finds the old one or the new one, whole."""
    if not _is_remote(address):
        draft = Path(f"{address}.{uuid.uuid4().hex}.new")
        draft.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(content)
        draft.replace(address)
        return
    # With less room than content the library is handed a kind of buffer that it does not take.
    with (
        _store(address) as (store, name),
        store.open_output_stream(name, compression=None, buffer_size=len(content) + 1) as out,
    ):
        out.write(content)


def copy(source: str, target: str) -> None:
    """The same file under a second name of the same store: where the file system has hard links it costs no space."""
    if not _is_remote(source):
        try:
            Path(target).hardlink_to(source)
        except OSError:
            shutil.copyfile(source, target)
        return
    with _store(source) as (store, name), _store(target) as (_, other):
        store.copy_file(name, other)


def make(address: str) -> None:
    """Make a folder, where folders are to be made."""
    if not _is_remote(address):
        Path(address).mkdir(parents=True)


def names(address: str) -> list[str]:
    """The names of what lies in a folder, sorted; none when there is no folder."""
    return sorted({name.partition("/")[0] for name in files(address)})


def files(address: str) -> list[str]:
    """The files in a folder and below it, by their names from there on, sorted; none when there is no folder."""
    if not _is_remote(address):
        folder = Path(address)
        return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    from pyarrow.fs import FileSelector, FileType

    with _store(address) as (store, name):
        listed = store.get_file_info(FileSelector(name, allow_not_found=True, recursive=True))
        return sorted(one.path.removeprefix(f"{name}/") for one in listed if one.type == FileType.File)


def remove(address: str) -> int:
    """Remove a file, or a folder with all in it; returns how many files of the folder went."""
    found = files(address)
    if _is_remote(address):
        discard(address, found or [""])
    elif Path(address).is_dir():
        shutil.rmtree(address)
    else:
        Path(address).unlink()
    return len(found)


def discard(address: str, some: Sequence[str]) -> None:
    """Remove some files of a folder, by the names that `files` gives."""
    if not _is_remote(address):
        for name in some:
            (Path(address) / name).unlink(missing_ok=True)
        return
    with _store(address) as (store, folder):
        for name in some:
            store.delete_file(f"{folder}/{name}".rstrip("/"))


def _is_remote(address: str) -> bool:
    return "://" in address


@contextmanager
def _store(address: str) -> Iterator[tuple[PyFileSystem, str]]:
    """The store that an address leads to, and the name of what lies there."""
    from deltalake.exceptions import DeltaError
    from deltalake.fs import DeltaStorageHandler
    from pyarrow.fs import PyFileSystem

    class Handler(DeltaStorageHandler):
        """The library's own hands the second name on under a word that is not known there."""

        def copy_file(self, src: str, dst: str) -> None:
            """Copy a file within the store."""
            self._handler.copy_file(src, dst)

    scheme, _, rest = address.partition("://")
    bucket, _, name = rest.strip("/").partition("/")
    try:
        yield PyFileSystem(Handler(f"{scheme}://{bucket}")), name
    except (OSError, DeltaError) as error:
        raise StorageError(
            "The object store does not answer as it should.",
            where=address,
            expected="a store that this process may read and write",
            found=said(error)[:LONGEST],
            do="check the address and, in the environment, endpoint, region and keys",
        ) from error
