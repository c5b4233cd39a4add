"""Reads the manifest of a path store: the current generation and its format; removes old generations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from analytics.store.parts import Part
from expectations.errors import StorageError
from expectations.lake import files
from expectations.lake.layout import PATHS, Lake

MANIFEST: Final = "manifest.json"
STORE_FORMAT: Final = 2


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


def remove_generations(lake: str | Path | Lake, *kept: str | None) -> int:
    """Removes all generations of a store except those named; returns the number of files removed."""
    folder = store_folder(lake)
    others = [name for name in files.names(folder) if name.startswith("generation-") and name not in kept]
    return sum(files.remove(f"{folder}/{name}") for name in others)


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
    content = files.read(f"{folder}/{MANIFEST}")
    if content is None:
        raise StorageError(
            "There is no path store.",
            where=folder,
            expected=f"{MANIFEST} of a path store, or of a lake with one in its folder paths",
            do="run `journeys stitch`, or save one with Paths.save",
        )
    try:
        manifest: dict[str, Any] = json.loads(content)
    except ValueError as error:
        raise StorageError("The manifest of the path store is damaged.", where=folder, found=str(error)) from None
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
