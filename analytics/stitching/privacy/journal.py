"""Keeps what an erasure is about to remove until it is done: an interrupted one is finished, not begun anew.

Half of the rows gone, the customer could be resolved differently than before: without a removed link, two people
would be one. So a run that was interrupted is finished from its journal, which is removed last.
"""

from __future__ import annotations

import io
import json
from typing import Final

import polars as pl

from analytics.stitching.privacy.selection import SelectedCustomers
from analytics.touches.rules import PathRules
from expectations.lake import files
from expectations.lake.layout import Lake

_FOLDER: Final = "forgetting"
_NAME: Final = "journal.json"
_DONE: Final = "erasures"


def write_journal(lake: Lake, selection: SelectedCustomers) -> None:
    """Writes down what is about to be removed."""
    facts = {
        "asked": selection.asked,
        "unknown": selection.unknown,
        "raw": sorted(selection.raw),
        "identities": _as_text(selection.identities),
        "events": _as_text(selection.events),
    }
    files.make(lake.table(_FOLDER))
    files.write(f"{lake.table(_FOLDER)}/{_NAME}", json.dumps(facts).encode())


def read_journal(lake: Lake, rules: PathRules) -> SelectedCustomers | None:
    """What an interrupted run was about to remove; None when the last one is done."""
    content = files.read(f"{lake.table(_FOLDER)}/{_NAME}")
    if content is None:
        return None
    facts = json.loads(content)
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


def _as_text(frame: pl.DataFrame) -> str:
    buffer = io.BytesIO()
    frame.write_ipc(buffer)
    return buffer.getvalue().hex()


def _as_frame(text: str) -> pl.DataFrame:
    return pl.read_ipc(io.BytesIO(bytes.fromhex(text)))
