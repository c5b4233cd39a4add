"""How are files kept that belong to no table: in folders of this machine, or in an object store?

The path store, what is remembered for a refresh, files to load and the site are such files. The only door to object
stores: an address with a scheme (`s3://bucket/lake/paths`, `gs://`, `az://`, `abfs://`) leads to a store, which is
reached as the lake's tables are: endpoint and keys come from the environment. Parquet files are read and written by
polars, which takes either address; what is more than that is here.
"""

from __future__ import annotations

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

from expectations.errors import StorageError, said

LONGEST: Final = 500
PATIENCE: Final = timedelta(seconds=30)
"""How long a request is repeated that a store did not answer."""

_ENVIRONMENT: Final = ("AWS_", "AZURE_", "AZURITE_", "GOOGLE_")

if TYPE_CHECKING:
    from obstore.store import ObjectStore


def read(address: str) -> bytes | None:
    """What a file holds; None when there is none."""
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


def fetch(address: str, target: Path) -> None:
    """Copy a file of a store to this machine, piece by piece."""
    with _store(address) as (store, name), target.open("wb") as taken:
        for piece in store.get(name):
            taken.write(piece)


def write(address: str, content: bytes, served_as: Mapping[str, str] | None = None) -> None:
    """Write a file or replace it, in one step: a reader finds the old one or the new one, whole.

    `served_as`: what a store tells browsers of it, such as its `Content-Type`.
    """
    if (here := local(address)) is not None:
        draft = Path(f"{here}.{uuid.uuid4().hex}.new")
        draft.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(content)
        draft.replace(here)
        return
    with _store(address) as (store, name):
        store.put(name, content, attributes=dict(served_as or {}))


def copy(source: str, target: str) -> None:
    """The same file under a second name of the same store: where the file system has hard links it costs no space."""
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
    """Make a folder, where folders are to be made."""
    if (here := local(address)) is not None:
        here.mkdir(parents=True)


def names(address: str) -> list[str]:
    """The names of what lies in a folder, sorted; none when there is no folder."""
    if (here := local(address)) is not None:
        return sorted({name.partition("/")[0] for name in _below(here)})
    with _store(address) as (store, name):
        found = store.list_with_delimiter(name or None)
        return sorted(_last(path) for path in (*found["common_prefixes"], *(one["path"] for one in found["objects"])))


def listing(address: str) -> list[str]:
    """The files in a folder and below it, by their names from there on, sorted; none when there is no folder."""
    if (here := local(address)) is not None:
        return _below(here)
    with _store(address) as (store, name):
        inside = f"{name}/" if name else ""
        return sorted(one["path"].removeprefix(inside) for page in store.list(name or None) for one in page)


def remove(address: str) -> int:
    """Remove a file, or a folder with all in it; returns how many files of the folder went."""
    found = listing(address)
    here = local(address)
    if here is None:
        discard(address, found or [""])
    elif here.is_dir():
        shutil.rmtree(here)
    else:
        here.unlink()
    return len(found)


def discard(address: str, some: Sequence[str]) -> None:
    """Remove some files of a folder, by the names that `listing` gives; those that are gone already do not matter."""
    if (here := local(address)) is not None:
        for name in some:
            (here / name).unlink(missing_ok=True)
        return
    with _store(address) as (store, folder):
        for name in some:
            with suppress(FileNotFoundError):
                store.delete(f"{folder}/{name}".strip("/"))


def local(address: str) -> Path | None:
    """The place on this machine that an address leads to; None for one in a store.

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
    """The store that an address leads to, and the name of what lies there."""
    from obstore.exceptions import BaseError

    scheme, _, rest = address.partition("://")
    bucket, _, name = rest.strip("/").partition("/")
    try:
        yield _client(f"{scheme}://{bucket}", _environment()), name
    except (OSError, ValueError, BaseError) as error:
        raise StorageError(
            "The object store does not answer as it should.",
            where=address,
            expected="a store that this process may read and write",
            found=said(OSError(str(error).partition("\n\nDebug source")[0]))[:LONGEST],
            do="check the address and, in the environment, endpoint, region and keys",
        ) from error


def _environment() -> tuple[tuple[str, str], ...]:
    return tuple(sorted(each for each in os.environ.items() if each[0].upper().startswith(_ENVIRONMENT)))


@lru_cache(maxsize=8)
def _client(address: str, environment: tuple[tuple[str, str], ...]) -> ObjectStore:
    """One client, with its open connections, for a store as the environment now tells how to reach it."""
    from obstore.store import from_url

    del environment  # the library reads it itself; another one is another client
    return from_url(address, retry_config={"retry_timeout": PATIENCE})
