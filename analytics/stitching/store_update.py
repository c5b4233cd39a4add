"""Updates the parts of a store after customers were extracted from them; their large files stay as they are.

A part notes which customers left, and which have a new last journey: that journey lies beside the part, among its
later touches.
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


def update_parts(writer: StoreWriter, stored: Paths, extracted: ExtractedTouches, later: Part) -> None:
    """Carries over the parts of a store, each with the touches that stay and the `later` ones that follow them."""
    tails = split_part(later, np.cumsum([0, *(int(extract.partial.sum()) for extract in extracted.extracts)]))
    kept = []
    for part, extract, tail in zip(stored.parts, extracted.extracts, tails, strict=True):
        # Paths without a touch keep their part: it has the columns that the next refresh reads.
        if len(extract.positions) < part.customers or extract.partial.any() or not len(stored):
            kept.append((writer.reuse_part(part), extract, tail))
    writer.parts[:] = on_threads(_updated_part, kept)


def whole_and_partial(
    restitched: RestitchedEvents, touches: Sequence[pl.DataFrame]
) -> tuple[list[pl.DataFrame], pl.DataFrame]:
    """Splits touches: those of whole customers, and those of last journeys in the order they were extracted."""
    numbers = [restitched.extracted_from(frame) for frame in touches]
    whole = [frame.filter(of < 0) for frame, of in zip(touches, numbers, strict=True)]
    partial = pl.concat([frame.filter(of >= 0) for frame, of in zip(touches, numbers, strict=True)])
    of = np.concatenate(numbers)
    return whole, partial[np.argsort(of[of >= 0], kind="stable")]


def _updated_part(change: tuple[Part, Extract, Part]) -> Part:
    """A part without its extract, and with the new last journeys of partially extracted customers."""
    part, extract, tail = change
    if not len(extract.positions):
        return part
    stay = np.diff(part.bounds())
    stay[extract.positions] = extract.kept
    return part.with_changes(stay, extract.positions[extract.partial], tail)
