"""What becomes of the parts of a store when customers are taken out of them? Their large files stay as they are.

A part notes who went, and whose last journey is another now: it lies beside the part, among the later touches.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from analytics.engine.run import on_threads
from analytics.stitching.affected import Extract, ExtractedTouches
from analytics.stitching.restitch import RestitchedEvents
from analytics.store.parts import Part, split_part
from analytics.store.paths import Paths
from analytics.store.writer import StoreWriter


def update_parts(writer: StoreWriter, stored: Paths, taken: ExtractedTouches, later: Part) -> None:
    """Take over the parts of a store, each with what stays of it and with what is `later` in it."""
    tails = split_part(later, np.cumsum([0, *(int(loss.late.sum()) for loss in taken.losses)]))
    kept = []
    for part, loss, tail in zip(stored.parts, taken.losses, tails, strict=True):
        # Paths without a touch keep their part: it has the columns that the next refresh reads.
        if len(loss.places) < part.customers or loss.late.any() or not len(stored):
            kept.append((writer.reuse_part(part), loss, tail))
    writer.parts[:] = on_threads(_updated_part, kept)


def whole_and_partial(
    anew: RestitchedEvents, touches: Sequence[pl.DataFrame]
) -> tuple[list[pl.DataFrame], pl.DataFrame]:
    """The touches of whole customers, and of those with their last journey only, in the order they were taken."""
    numbers = [anew.taken_from(some) for some in touches]
    wholes = [some.filter(of < 0) for some, of in zip(touches, numbers, strict=True)]
    late = pl.concat([some.filter(of >= 0) for some, of in zip(touches, numbers, strict=True)])
    of = np.concatenate(numbers)
    return wholes, late[np.argsort(of[of >= 0], kind="stable")]


def _updated_part(change: tuple[Part, Extract, Part]) -> Part:
    """A part without what it lost, and with the tail of the customers of whom only the last journey was taken."""
    part, loss, tail = change
    if not len(loss.places):
        return part
    stay = np.diff(part.bounds())
    stay[loss.places] = loss.kept
    return part.with_changes(stay, loss.places[loss.late], tail)
