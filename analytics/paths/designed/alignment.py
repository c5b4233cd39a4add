"""Aligns the paths of units with a designed path at the lowest cost: which touch is which step?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.conditions import Words
from analytics.engine.notices.unknown_words import unknown_words, warn_of_unknown
from analytics.engine.partials import numbered
from analytics.paths.designed.design import START, Design, DesignStep
from analytics.paths.measure import PathMeasure
from analytics.paths.sequences import UnitSequences
from analytics.paths.variants import path_keys, ranks_of
from analytics.paths.view import Indices, codes_of
from analytics.store.paths import Paths

KINDS: Final = ("skip", "insert", "repeat")
SKIP, INSERT, REPEAT = range(3)


@dataclass(frozen=True)
class Alignments:
    """The alignments of the paths of one part: `path` is the number of every unit's path.

    `cost`, `worst` and `done` (a column per step) have one row per distinct path. `deviations` has `path`, `kind` (a
    position in `KINDS`), `step` (the skipped step, or the last step done before the touch, 0 if none), `value` (of the
    touch: its position among the values sorted by name; of a skipped step 0).
    """

    path: Indices
    cost: Indices
    worst: Indices
    done: NDArray[np.bool_]
    deviations: pl.DataFrame


@dataclass(frozen=True, eq=False)
class Aligned(PathMeasure):
    """A measure of the alignments of paths with a design."""

    designed: Design = field(kw_only=True)

    @classmethod
    def of(cls, paths: Paths, *, designed: Design | Sequence[Words | DesignStep] = (), **options: Any) -> Self:
        """The measure of the arguments of its public function. Warns of values of the design that no touch has."""
        design = designed if isinstance(designed, Design) else Design(designed)
        measure = super().of(paths, designed=design, **options)
        values = [word for step in (*design.steps, design.detours) for word in step]
        warn_of_unknown(unknown_words(paths, measure.view.on, values))
        return measure


def alignments(sequences: UnitSequences, words: pl.Series, design: Design) -> Alignments:
    """Aligns every distinct path of a part with a design at the lowest cost."""
    from analytics.engine.kernels.alignment import align

    distinct, path_of_unit = numbered(path_keys(sequences, words).to_frame())
    words = words.cast(pl.String).sort()
    nodes, bounds = ranks_of(distinct["key"], words)
    fits = np.zeros((len(design.steps), len(words)), np.bool_)
    for row, step in enumerate(design.steps):
        fits[row, codes_of(words, step)] = True
    allowed = np.zeros(len(words), np.bool_)
    allowed[codes_of(words, design.detours)] = True
    step_of = np.zeros(len(nodes), np.int64)
    ways, passed = design.ways()
    align(nodes, bounds, fits, allowed, np.array(design.repeats), ways, step_of)
    path = np.repeat(np.arange(len(distinct)), np.diff(bounds))
    done = np.zeros((len(distinct), len(design.steps)), np.bool_)
    is_step = step_of > 0
    done[path[is_step], step_of[is_step] - 1] = True
    skipped = _skipped(path[is_step], step_of[is_step], passed, len(distinct))
    every = _deviations(path, step_of, nodes, fits, skipped)
    cost = np.bincount(every["path"].to_numpy(), minlength=len(distinct))
    worst = np.bincount(path[~allowed[nodes]], minlength=len(distinct)) + ways[START, -1]
    return Alignments(path_of_unit, cost, worst, done, every)


def _skipped(path: Indices, step: Indices, passed: NDArray[np.bool_], paths: int) -> NDArray[np.bool_]:
    """The steps that every distinct path skips, on the way from each step that it does to the next, and to the end."""
    everyone, end = np.arange(paths), passed.shape[1] - 1
    of = np.concatenate([everyone, path, everyone])  # the beginning, the steps, the end of every path
    at = np.concatenate([np.full(paths, START), step, np.full(paths, end)])
    order = np.argsort(of, kind="stable")
    of, at = of[order], at[order]
    goes_on = np.flatnonzero(of[1:] == of[:-1])
    skipped = np.zeros((paths, passed.shape[2]), np.bool_)
    np.logical_or.at(skipped, of[goes_on], passed[at[goes_on], at[goes_on + 1]])
    return skipped


def _deviations(
    path: Indices, step_of: Indices, nodes: Indices, fits: NDArray[np.bool_], skips: NDArray[np.bool_]
) -> pl.DataFrame:
    """Every deviation of every distinct path, with the columns of `Alignments.deviations`."""
    rows = len(fits) + 1
    before = np.maximum.accumulate(path * rows + np.maximum(step_of, 0)) - path * rows if len(path) else path
    extra = np.flatnonzero(step_of == 0)
    after = before[extra]
    repeated = (after > 0) & fits[after - 1, nodes[extra]]
    skipped, step = np.nonzero(skips)
    kind = np.append(np.where(repeated, REPEAT, INSERT), np.full(len(skipped), SKIP))
    return pl.DataFrame(
        {
            "path": np.append(path[extra], skipped),
            "kind": pl.Series(kind, dtype=pl.UInt8),
            "step": pl.Series(np.append(after, step + 1), dtype=pl.UInt32),
            "value": np.append(nodes[extra], np.zeros_like(skipped)),
        }
    )
