"""Which steps lie beside those of a funnel: who goes on to each of many words, or comes from it, in one pass.

A word can only end a funnel for those who get to the step before it and have the word at all, and only begin one for
those who pass all steps after any touch. So each word is scanned for these alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.conditions import ANY, Step
from analytics.engine.distributions import DISTRIBUTION, durations
from analytics.engine.partials import add_up
from analytics.engine.run import counted
from analytics.engine.sequences import Ints
from analytics.funnels.counts import GroupCounts
from analytics.funnels.definition import COUNTABLE, Funnel
from analytics.funnels.entrants import latest_mature
from analytics.funnels.scan import ChainScan, Reading, bound
from analytics.funnels.sequences import StepSequences
from analytics.store.encoding import Dictionaries
from analytics.store.parts import Part
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

MEDIAN: Final = {"median_wait": 0.5}


@dataclass(frozen=True, eq=False)
class BesideCounts:
    """Counts who reaches the last step, and the step before it, of a funnel with each of several steps as one more.

    The first of `scans` is the funnel that all who get there pass: without the step where it would be the last, with
    any touch in its place where it is the `first`.
    """

    SCHEMA: ClassVar[pl.Schema] = pl.Schema(
        {"row": pl.UInt32(), "reached": pl.Int64(), "previous": pl.Int64(), "waits": DISTRIBUTION}
    )

    scans: tuple[ChainScan, ...]
    first: bool

    def partial(self, part: Part, words: Dictionaries) -> pl.DataFrame:
        """Counts one part."""
        base = self.scans[0].read(part, words)
        there = np.zeros(len(base.sequences), np.bool_)
        there[base.found.sequence[base.found.chains[:, -1] >= 0]] = True
        tables = [self._row(0, base)]
        for row, scan in enumerate(self.scans[1:], 1):
            if _is_scanned_whole(scan.definition):
                tables.append(self._row(row, scan.read(part, words)))
                continue
            place = 0 if self.first else len(scan.definition.steps) - 1

            def chosen(sequences: StepSequences, place: int = place) -> Ints:
                return np.flatnonzero(there & _has(sequences, place))

            numbers, reading = scan.read_chosen(part, words, chosen)
            others = ~np.isin(base.found.sequence, numbers)
            tables.append(self._row(row, reading, 0 if self.first else self._counter(base, others).counts()[0][0, -1]))
        return pl.concat([pl.DataFrame(schema=self.SCHEMA), *tables])

    def merge(self, partials: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Adds up the counts of parts."""
        return add_up(partials, ["row"], self.SCHEMA)

    def _counter(self, reading: Reading, chosen: NDArray[np.bool_] | None = None) -> GroupCounts:
        if chosen is not None:
            reading = replace(reading, found=reading.found.chosen(np.flatnonzero(chosen)))
        nobody = np.zeros(len(reading.found.firsts), np.int64)
        return GroupCounts(reading, nobody, 1, latest_mature(self.scans[0], reading), everyone=False)

    def _row(self, row: int, reading: Reading, more: int = 0) -> pl.DataFrame:
        """The counts of one funnel; `more` reach the step before the last beside those who were read."""
        counter = self._counter(reading)
        reached = counter.counts()[0]
        steps = reached.shape[1]
        previous = reached[0, -2] + more if steps > 1 else 0
        counts = {"row": [row], "reached": [reached[0, -1]], "previous": [previous]}
        waits = counter.waits(np.maximum(np.arange(steps) - 1, 0), reached, ()) if steps > 1 and not self.first else []
        wait = waits[-1] if waits else pl.Series([[]], dtype=DISTRIBUTION)
        return pl.DataFrame(counts).with_columns(wait.alias("waits")).cast({"row": pl.UInt32})


def _has(sequences: StepSequences, place: int) -> NDArray[np.bool_]:
    """Which sequences have a touch that is the step at a place."""
    meant = (sequences.bits & np.uint64(1 << place)) > 0
    before = np.append(0, np.cumsum(meant[sequences.codes]))
    return np.asarray(np.diff(before[sequences.bounds]) > 0)


def _is_scanned_whole(definition: Funnel) -> bool:
    """Whether the steps so far can be reached otherwise with one step more, or sequences are not those of units."""
    return definition.order == "unordered" or definition.is_special or bool(definition.stop or definition.same)


def funnel_neighbours(paths: Paths, definition: Funnel, steps: Sequence[Step], *, before: bool = False) -> pl.DataFrame:
    """Who goes on from the last step of a funnel to each of several steps; or, `before`, came from each to its first.

    One row per step of `steps`, in their order, after one for the funnel alone: `place` UInt32 (0 is the funnel alone);
    `reached` Int64, the last step of the funnel with the step as one more (`funnel`); `previous` Int64, those who reach
    the step before it there, which is the whole of the share; `median_wait` Duration(us), from the step before to this
    one. With `before` the funnel alone begins with any touch, and it is the whole of the shares; `previous` and
    `median_wait` are then null.

    Each step is read for those alone who can have it, so that many cost little more than a few. Raises
    `DefinitionError` for a funnel with `by`, with a value, of maturity survival, or of the values of a column.

    >>> from analytics import Paths, Step
    >>> shop = Paths.from_text({"ann": "visit@0m pay@2d", "bo": "visit@0m look@1m"}, end="60d")
    >>> found = funnel_neighbours(shop, Funnel(["visit"], window="7d"), [Step("look"), Step("pay"), Step("*")])
    >>> found["reached", "previous"].rows()
    [(2, 0), (1, 2), (1, 2), (2, 2)]
    """
    _check(definition)
    with_any = replace(definition, steps=(Step(ANY), *definition.steps)) if before else definition
    longer = [(step, *definition.steps) if before else (*definition.steps, step) for step in steps]
    found = [bound(paths, one) for one in (with_any, *(replace(definition, steps=each) for each in longer))]
    table = counted(found[0][0], BesideCounts(tuple(scan for _, scan in found), before))
    every = pl.DataFrame({"row": range(len(found))}, schema={"row": pl.UInt32})
    table = every.join(table, on="row", how="left", maintain_order="left")
    waits = durations(table["waits"].fill_null(pl.lit([], DISTRIBUTION)), MEDIAN)
    previous = pl.lit(None, pl.Int64) if before else pl.col("previous").fill_null(0)
    return table.select(
        pl.col("row").alias("place"), pl.col("reached").fill_null(0), previous.alias("previous"), *waits
    )


def _check(definition: Funnel) -> None:
    """Raises `DefinitionError` for a funnel that has more than totals."""
    if definition.by or definition.value is not None or definition.maturity == "survival":
        raise DefinitionError(
            "Only totals are counted beside a funnel.", expected="no `by`, no `value`, and maturity mature or clip"
        )
    if definition.count not in COUNTABLE:
        raise DefinitionError(
            "This funnel is asked alone.", expected=f"a count of {', '.join(COUNTABLE)}", found=definition.count
        )
