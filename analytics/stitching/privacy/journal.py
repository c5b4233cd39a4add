"""Keeps what an erasure is about to remove until it is done: an interrupted one is finished, not begun anew.

Half of the rows gone, the customer could be resolved differently than before: without a removed link, two people
would be one. So a run that was interrupted is finished from its journal, which is removed last. There is one journal:
while a process removes customers, another one waits its turn.
"""

from __future__ import annotations

import io
import json
from typing import Any, Final

import polars as pl

from analytics.stitching.privacy.selection import SelectedCustomers
from analytics.touches.rules import PathRules
from expectations.errors import StorageError
from expectations.lake import files
from expectations.lake.layout import Lake
from expectations.processes import Process

_FOLDER: Final = "forgetting"
_NAME: Final = "journal.json"
_DONE: Final = "erasures"


def write_journal(lake: Lake, selection: SelectedCustomers) -> None:
    """Writes down what is about to be removed. Raises `StorageError` while another process removes customers."""
    facts = {
        "process": Process.current(),
        "asked": selection.asked,
        "unknown": selection.unknown,
        "raw": sorted(selection.raw),
        "identities": _as_text(selection.identities),
        "events": _as_text(selection.events),
    }
    if not files.create(f"{lake.table(_FOLDER)}/{_NAME}", json.dumps(facts).encode()):
        raise _taken(lake)


def read_journal(lake: Lake, rules: PathRules) -> SelectedCustomers | None:
    """What an interrupted run was about to remove; None when the last one is done.

    Raises `StorageError` while another process of this machine removes customers. What one of another machine has begun
    is taken for interrupted: removing it twice is no harm.
    """
    content = files.read(f"{lake.table(_FOLDER)}/{_NAME}")
    if content is None:
        return None
    facts = json.loads(content)
    if _is_another(facts.get("process")):
        raise _taken(lake)
    identities, events = (_as_frame(facts[name]) for name in ("identities", "events"))
    return SelectedCustomers(
        rules, tuple(facts["asked"]), tuple(facts["unknown"]), identities, events, frozenset(facts["raw"])
    )


def remove_journal(lake: Lake) -> None:
    """Removes the journal of a run that is done."""
    files.remove(lake.table(_FOLDER))


def erasures(lake: Lake) -> int:
    """How many erasures the lake has seen: what was computed before the last one may hold the person.

    >>> erasures(Lake("nowhere"))
    0
    """
    return len(files.names(lake.table(_DONE)))


def record_erasure(lake: Lake) -> None:
    """Counts one more erasure; two at once count as two."""
    number = erasures(lake) + 1
    while not files.create(f"{lake.table(_DONE)}/{number:06}", b"\n"):
        number += 1


def _is_another(name: list[Any] | None) -> bool:
    """Whether this is the name of another process that still runs here; earlier versions left none."""
    if name is None:
        return False
    process, here = Process(*name), Process.current()
    return process.host == here.host and process != here and not process.is_known_dead


def _taken(lake: Lake) -> StorageError:
    return StorageError(
        "Another process removes customers from this lake.",
        where=lake.table(_FOLDER),
        do="wait until it is done, then run the same command again: nothing was changed",
    )


def _as_text(frame: pl.DataFrame) -> str:
    buffer = io.BytesIO()
    frame.write_ipc(buffer)
    return buffer.getvalue().hex()


def _as_frame(text: str) -> pl.DataFrame:
    return pl.read_ipc(io.BytesIO(bytes.fromhex(text)))
