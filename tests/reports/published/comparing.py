"""Compares the published counts of two reports, as a reader who has both does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import polars as pl

from reports.privacy.flow import Flow
from reports.questions.answers import Answers
from reports.site.receipts.answers import frame_as_json

Frames = dict[str, dict[str, list[Any]]]
NOT_OF_CUSTOMERS = {"step", "position", "at", "bin", "met", "of"}
"""Whole numbers that count no customers: positions in an order, and expectations."""


def frames_of(answers: Answers) -> Frames:
    """Every frame of the answers, and the totals, by name."""
    found: dict[str, pl.DataFrame] = {"facts": pl.DataFrame([vars(answers.facts)])}
    for field in fields(answers):
        value = getattr(answers, field.name)
        if isinstance(value, pl.DataFrame):
            found[field.name] = value
        elif isinstance(value, Flow):
            found |= {name: getattr(value, name) for name in ("nodes", "links", "through")}
    if answers.cube is not None:
        found["cube"] = answers.cube.cells
    return {name: frame_as_json(frame) for name, frame in found.items()}


def frames_in(index: dict[str, Any]) -> Frames:
    """Every frame of a `site.json`, by the id of its card."""
    return {part["id"]: part["frame"] for page in index["pages"] for part in page["parts"]}


def counts_by_cell(frames: Frames) -> dict[tuple[str, ...], int]:
    """Every count by its frame, its row and its column."""
    return dict(_cells(frames))


def _cells(frames: Frames) -> Iterator[tuple[tuple[str, ...], int]]:
    for name, frame in frames.items():
        words = [column for column in frame if any(isinstance(value, str) for value in frame[column])]
        words += [column for column in ("position", "step", "at") if column in frame]
        for row in range(len(next(iter(frame.values()), []))):
            key = tuple(str(frame[column][row]) for column in words)
            for column, values in frame.items():
                value = values[row]
                if isinstance(value, int) and not isinstance(value, bool) and column not in NOT_OF_CUSTOMERS:
                    yield (name, *key, column), value


def near(one: Frames, other: Frames, k: int = 10) -> dict[tuple[str, ...], tuple[int, int]]:
    """The counts that differ by 1 to `k` - 1."""
    first, second = counts_by_cell(one), counts_by_cell(other)
    both = {cell: (count, second[cell]) for cell, count in first.items() if cell in second}
    return {cell: (here, there) for cell, (here, there) in both.items() if 0 < abs(here - there) < k}
