"""Finds the newest manifest of a path store, for whoever keeps or reads what the paths were built from.

A writer creates its manifest as the *successor* of the generation that it replaces, a file that only one process can
create, and then replaces the manifest itself. If it is killed in between, the newest manifest is that successor.
"""

from __future__ import annotations

import json
from typing import Any, Final

from expectations.lake import files

MANIFEST: Final = "manifest.json"
SUCCESSOR: Final = "successor-of-"


def newest_manifest(folder: str) -> dict[str, Any] | None:
    """The newest manifest of a store; None without a store. Raises ValueError if it is damaged."""
    content = files.read(f"{folder}/{MANIFEST}")
    if content is None:
        return None
    while True:
        manifest: dict[str, Any] = json.loads(content)
        successor = files.read(f"{folder}/{SUCCESSOR}{manifest.get('generation')}")
        if successor is None:
            return manifest
        content = successor
