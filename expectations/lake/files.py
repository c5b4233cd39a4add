"""Reads and writes files that belong to no table, in local folders or in object stores.

Such files are the path store, the state of a refresh, files to load, and the site. This module is the only access to
object stores: an address with a scheme (`s3://bucket/lake/paths`, `gs://`, `az://`, `abfs://`) refers to a store, which
is configured like the lake's tables: endpoint and keys come from the environment. Parquet files are read and written by
polars, which accepts both kinds of address: read them here, where no name is a pattern.
"""

from __future__ import annotations

import io
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

from expectations.errors import StorageError, said, without_secrets

MAX_MESSAGE: Final = 500
"""Longest message of a store that an error quotes, in characters."""
RETRY_TIMEOUT: Final = timedelta(seconds=30)
"""How long a request is retried when the store does not answer."""

_ENVIRONMENT: Final = ("AWS_", "AZURE_", "AZURITE_", "GOOGLE_")

if TYPE_CHECKING:
    import polars as pl
    from obstore.store import ObjectStore


def read(address: str) -> bytes | None:
    """The content of a file; None when it does not exist."""
    if (here := local(address)) is not None:
        try:
            return here.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StorageError(
                "A file of the lake cannot be read.", where=address, found=str(error.strerror)
            ) from error
    with _store(address) as (store, name):
        try:
            return bytes(store.get(name).bytes())
        except FileNotFoundError:
            store.list_with_delimiter(name)  # fails where there is no bucket either
            return None


def read_rows(address: str, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """A Parquet file of any name; polars would take `[1]` or `*` in it for a pattern, and `a=b` for a partition."""
    import polars as pl  # the help of the command loads this module, and no library

    wanted = list(columns) if columns else None
    return pl.read_parquet(address, columns=wanted, memory_map=False, hive_partitioning=False, glob=False)


def scan_rows(address: str) -> pl.LazyFrame:
    """A Parquet file of any name, to be read later."""
    import polars as pl

    return pl.scan_parquet(address, hive_partitioning=False, glob=False)


def fetch(address: str, target: Path) -> None:
    """Download a file of a store to this machine, in pieces."""
    with _store(address) as (store, name), target.open("wb") as file:
        for piece in store.get(name):
            file.write(piece)


def write(address: str, content: bytes, served_as: Mapping[str, str] | None = None) -> None:
    """Write or replace a file atomically: a reader finds the old or the new file, complete.

    `served_as` holds the headers with which a store serves the file, such as its `Content-Type`.
    """
    if (here := local(address)) is not None:
        _draft(here, content).replace(here)
        return
    with _store(address) as (store, name):
        store.put(name, content, attributes=dict(served_as or {}))


def write_rows(address: str, rows: pl.DataFrame) -> None:
    """Write or replace a Parquet file, as `write` does."""
    buffer = io.BytesIO()
    rows.write_parquet(buffer)
    write(address, buffer.getvalue())


def create(address: str, content: bytes) -> bool:
    """Write a file unless it exists; returns False, with nothing changed, if it does. One of several gets it."""
    if (here := local(address)) is not None:
        draft = _draft(here, content)
        try:
            return _linked(draft, here)
        finally:
            draft.unlink()
    from obstore.exceptions import AlreadyExistsError

    with _store(address) as (store, name):
        try:
            store.put(name, content, mode="create")
        except AlreadyExistsError:
            return False
    return True


def _draft(target: Path, content: bytes) -> Path:
    """A complete file beside its target. Its name begins and ends otherwise: nobody takes it for one of its kind."""
    draft = target.with_name(f"new-{target.name}.{uuid.uuid4().hex}.new")
    draft.parent.mkdir(parents=True, exist_ok=True)
    draft.write_bytes(content)
    return draft


def _linked(draft: Path, target: Path) -> bool:
    """Give a complete file its name unless that is taken; where there are no hard links, write it again."""
    try:
        target.hardlink_to(draft)
    except FileExistsError:
        return False
    except OSError:
        try:
            with target.open("xb") as file:
                file.write(draft.read_bytes())
        except FileExistsError:
            return False
    return True


def copy(source: str, target: str) -> None:
    """Copy a file within one store. Where the file system has hard links, the copy takes no space."""
    here, there = local(source), local(target)
    if here is not None and there is not None:
        try:
            there.hardlink_to(here)
        except OSError:
            shutil.copyfile(here, there)
        return
    with _store(source) as (store, name), _store(target) as (_, other):
        store.copy(name, other)


def make(address: str) -> None:
    """Create a folder; object stores need none."""
    if (here := local(address)) is not None:
        here.mkdir(parents=True)


def names(address: str) -> list[str]:
    """The names of the files and folders in a folder, sorted; empty when the folder does not exist."""
    if (here := local(address)) is not None:
        return sorted({name.partition("/")[0] for name in _below(here)})
    with _store(address) as (store, name):
        found = store.list_with_delimiter(name or None)
        return sorted(_last(path) for path in (*found["common_prefixes"], *(one["path"] for one in found["objects"])))


def listing(address: str) -> list[str]:
    """The files in a folder and its subfolders, as relative names, sorted; empty when the folder does not exist."""
    if (here := local(address)) is not None:
        return _below(here)
    with _store(address) as (store, name):
        inside = f"{name}/" if name else ""
        return sorted(one["path"].removeprefix(inside) for page in store.list(name or None) for one in page)


def remove(address: str) -> int:
    """Remove a file, or a folder with all its files; return how many files of the folder were removed."""
    inside = listing(address)
    here = local(address)
    if here is None:
        discard(address, inside or [""])
    elif here.is_dir():
        shutil.rmtree(here)
    else:
        here.unlink()
    return len(inside)


def discard(address: str, file_names: Sequence[str]) -> None:
    """Remove files of a folder, named as by `listing`; files that no longer exist are ignored."""
    if (here := local(address)) is not None:
        for name in file_names:
            (here / name).unlink(missing_ok=True)
        return
    with _store(address) as (store, folder):
        for name in file_names:
            with suppress(FileNotFoundError):
                store.delete(f"{folder}/{name}".strip("/"))


def local(address: str) -> Path | None:
    """The local path of an address; None for an address in a store.

    >>> local("site"), local("file:///srv/site"), local("s3://shop/site")
    (PosixPath('site'), PosixPath('/srv/site'), None)
    """
    if address.startswith("file://"):
        return Path(url2pathname(urlsplit(address).path))
    return None if "://" in address else Path(address)


def _below(folder: Path) -> list[str]:
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


def _last(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


@contextmanager
def _store(address: str) -> Iterator[tuple[ObjectStore, str]]:
    """The store of an address, and the name of the file or folder in it."""
    from obstore.exceptions import BaseError

    if without_secrets(address) != address:
        raise StorageError(
            "An address contains a login or a query.",
            where=address,
            expected="s3://bucket/folder, with endpoint and keys in the environment",
        )
    scheme, _, rest = address.partition("://")
    bucket, _, name = rest.strip("/").partition("/")
    try:
        yield _client(f"{scheme}://{bucket}", _environment()), name
    except (OSError, ValueError, BaseError) as error:
        raise StorageError(
            "The object store request failed.",
            where=address,
            expected="a store that this process can read and write",
            found=said(OSError(str(error).partition("\n\nDebug source")[0]))[:MAX_MESSAGE],
            do="check the address, and endpoint, region and keys in the environment",
        ) from error


def _environment() -> tuple[tuple[str, str], ...]:
    return tuple(sorted(each for each in os.environ.items() if each[0].upper().startswith(_ENVIRONMENT)))


@lru_cache(maxsize=8)
def _client(address: str, environment: tuple[tuple[str, str], ...]) -> ObjectStore:
    """One client, with its open connections, per store and environment."""
    from obstore.store import from_url

    del environment  # read by the library itself; part of the cache key only
    return from_url(address, retry_config={"retry_timeout": RETRY_TIMEOUT})
