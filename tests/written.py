"""Journeys written as data, `{"ann": "visit@0m cart@3m pay@9m"}`, as the product reads them, and cut into parts."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any
from unittest.mock import patch

import polars as pl
from polars.testing import assert_frame_equal

from analytics.store.columns import TOUCHES
from analytics.store.ordering import split_at_customers
from analytics.store.parts import Part
from analytics.store.paths import Paths
from analytics.store.text import START, time_after_start, touches_of_text

__all__ = ["START", "assert_counts_add_up", "at", "frame", "frame_in_parts", "in_parts", "paths"]

at = time_after_start
frame = touches_of_text


def paths(journeys: Mapping[str, str], end: str | None = None) -> Paths:
    """The same as paths, with the end of the data at `end` (`"40d"`), or else at the last touch."""
    return Paths.from_text(journeys, end=end)


def frame_in_parts(touches: pl.DataFrame, size: int, end_of_data: datetime | None = None) -> Paths:
    """Paths of a frame whose parts have about `size` touches, so that its customers lie in several parts."""
    with patch("analytics.store.paths.split_at_customers", partial(split_at_customers, size=size)):
        return Paths.from_frame(touches, end_of_data=end_of_data)


def in_parts(whole: Paths, size: int) -> Paths:
    """The same paths in parts of about `size` touches, each of one customer at least."""
    parts: list[Part] = []
    for part in whole.parts:
        assert part.frames, "paths in memory"
        table, people = part.frames
        for rows, own in split_at_customers(people[TOUCHES], size):
            parts.append(Part(len(parts), len(table[rows]), len(people[own]), frames=(table[rows], people[own])))
    return Paths(parts, whole.schema, whole.dictionaries, whole.end_of_data, definition=whole.definition)


def assert_counts_add_up(analysis: Any, whole: Paths, size: int) -> None:
    """The answer is the same when a copy of the analysis counts other parts, and adds them up in another order."""
    counts = [analysis.partial(part, whole.dictionaries) for part in whole.parts]
    copy = pickle.loads(pickle.dumps(analysis))
    partials = [copy.partial(part, whole.dictionaries) for part in reversed(in_parts(whole, size).parts)]
    merged = copy.merge([copy.merge(partials[1::2]), copy.merge(partials[::2])])
    assert_frame_equal(copy.finish(merged), analysis.finish(analysis.merge(counts)), check_exact=True)
