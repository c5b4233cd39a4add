"""Reads and replaces the manifest of a path store: the current generation and its format; removes old generations.

Publishing is a compare-and-swap. A writer names the generation that was current before it read anything, and its own
manifest becomes the *successor* of that generation: a file that only one process can create. Then the manifest itself
is replaced. If a process is killed in between, or replaces the manifest too late, readers find the successor
(`expectations.lake.manifest`).
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from analytics.store.parts import Part
from expectations.errors import StorageError
from expectations.lake import files
from expectations.lake.layout import PATHS, Lake
from expectations.lake.manifest import MANIFEST, SUCCESSOR, newest_manifest

STORE_FORMAT: Final = 4
_UNREADABLE: Final = "unreadable"


class PathsReplacedError(StorageError):
    """Another process has replaced the paths while this one wrote new ones."""


def current_generation(address: str | Path | Lake) -> str:
    """The name of the current generation of a store, for `publish`; empty if there is no store."""
    folder = plain_address(address.paths if isinstance(address, Lake) else address)
    if files.read(f"{folder}/{MANIFEST}") is None:
        return ""
    try:
        return str(_manifest(folder)["generation"])
    except (StorageError, KeyError, TypeError):
        return _UNREADABLE


def publish(folder: str, base: str, manifest: dict[str, Any]) -> bool:
    """Make a generation the current one if `base` still is; returns False, with nothing changed, if it is not."""
    content = json.dumps(manifest, indent=1).encode()
    address = f"{folder}/{MANIFEST}"
    if current_generation(folder) != base or not files.create(
        f"{folder}/{SUCCESSOR}{base}" if base else address, content
    ):
        return False
    if base:
        if current_generation(folder) not in (manifest["generation"], _UNREADABLE):
            return False  # so late that others have published since, and removed what would have told it
        files.write(address, content)
    earlier = [name for name in files.names(folder) if name.startswith(SUCCESSOR)]
    kept = f"{SUCCESSOR}{base}" if base != _UNREADABLE else ""
    with suppress(StorageError, OSError):
        files.discard(folder, [name for name in earlier if name != kept])
    return True


def entry_of(part: Part) -> dict[str, Any]:
    """The entry of a part in the manifest."""
    return {
        "name": part.address.rpartition("/")[2],
        "number": part.number,
        "touches": part.touches,
        "customers": part.customers,
        "changed": part.changed,
    }


def generation_of(lake: str | Path | Lake) -> str:
    """The name of the current generation of a store, in any format. Raises `StorageError` without a store."""
    return str(_manifest(store_folder(lake))["generation"])


def holds_paths(lake: str | Path | Lake) -> bool:
    """Whether there is a path store."""
    return files.read(f"{store_folder(lake)}/{MANIFEST}") is not None


def generations(folder: str) -> list[str]:
    """The generations of a store, complete or not."""
    return [name for name in files.names(folder) if name.startswith("generation-")]


def remove_generations(lake: str | Path | Lake, *kept: str | None) -> int:
    """Removes all generations of a store except those named; returns the number of files removed."""
    folder = store_folder(lake)
    return sum(files.remove(f"{folder}/{name}") for name in generations(folder) if name not in kept)


def plain_address(address: str | Path) -> str:
    """The address as text, without a trailing slash."""
    return str(address).rstrip("/") or "/"


def store_folder(lake: str | Path | Lake) -> str:
    """The folder of a path store: that of a lake, or the folder itself if it has a manifest."""
    folder = plain_address(lake.paths if isinstance(lake, Lake) else lake)
    if not isinstance(lake, Lake) and files.read(f"{folder}/{MANIFEST}") is None:
        inside = f"{folder}/{PATHS}"
        return inside if files.read(f"{inside}/{MANIFEST}") is not None else folder
    return folder


def _manifest(folder: str) -> dict[str, Any]:
    try:
        manifest = newest_manifest(folder)
    except ValueError as error:
        raise StorageError("The manifest of the path store is damaged.", where=folder, found=str(error)) from None
    if manifest is None:
        raise StorageError(
            "There is no path store.",
            where=folder,
            expected=f"{MANIFEST} of a path store, or of a lake with one in its folder paths",
            do="run `journeys stitch`, or save one with Paths.save",
        )
    return manifest


def read_manifest(folder: str) -> dict[str, Any]:
    """The manifest of a store in the current format. Raises `StorageError` for any other format."""
    manifest = _manifest(folder)
    if manifest.get("format") != STORE_FORMAT:
        raise StorageError(
            "The path store has another format.",
            where=folder,
            expected=f"format {STORE_FORMAT}",
            found=f"format {manifest.get('format')}",
            do="run `journeys stitch` to rebuild it",
        )
    return manifest
