"""Adds up what the paths of a part are worth to each value: sums of integers by group and replicate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.local.money import Amounts
from analytics.engine.partials import densely, numbered
from analytics.engine.sequences import Ints
from analytics.goals.credit.credit_models import RULES, WHOLE, PathTouches, shared_out
from analytics.goals.credit.credit_paths import CreditPaths
from analytics.goals.credit.definition import Attribution
from analytics.goals.credit.markov import moves
from analytics.statistics.replicates import REPLICATES, replicate_of_customers
from analytics.store.parts import Part

MOVE: Final = "move"
CUT: Final = " cut"
"""After the name of a kind: the same, with values cut at their 99 % point."""
SEEN: Final = "seen"
KEYS: Final[dict[str, Any]] = {"replicate": pl.Int64, "kind": pl.String, "source": pl.Int64, "target": pl.Int64}
SUMS: Final = ("count", "parts", "worth", "worth parts")
"""A kind is a model (with `source`, the value that earns), `MOVE` (from `source` to `target`), or one of those that
`CreditSums.counted` names. `count` are things, or units of credit, `parts` parts of a unit; `worth` is the value in
millionths, with its parts.
"""


@dataclass(frozen=True)
class PartRead:
    """A part as an attribution reads it: times in microseconds, and the values of touches as numbers, -1 for none."""

    part: Part
    times: Ints
    codes: Ints

    def replicates(self, rows: Ints) -> tuple[Ints, Ints]:
        """The customer of each row, and the replicate of that customer."""
        people = np.searchsorted(self.part.bounds(), rows, side="right") - 1
        there, who = np.unique(people, return_inverse=True)
        return people, replicate_of_customers(self.part.keys().gather(pl.Series(there, dtype=pl.UInt32)))[who]

    def path_touches(self, paths: CreditPaths, asked: Attribution, ignored: Ints) -> PathTouches:
        """The touches of all paths, path by path."""
        rows, path = paths.rows()
        if asked.with_goal:
            goals = paths.end[: paths.converted]
            own = np.flatnonzero(self.codes[goals] >= 0)
            path, rows = np.concatenate([path, own]), np.concatenate([rows, goals[own]])
            order = np.argsort(path, kind="stable")
            path, rows = path[order], rows[order]
        touches = PathTouches(path, self.codes[rows], self.times[paths.end[path]] - self.times[rows])
        return touches.without(ignored) if len(ignored) else touches


@dataclass(frozen=True)
class Worth:
    """The value of every conversion in millionths, and whether it is left out of the sum.

    `cut` is the same value, at most the point at which values are cut; null without one.
    """

    millionths: Ints
    left_out: NDArray[np.bool_]
    cut: Ints | None = None

    @classmethod
    def of(cls, part: Part, amounts: Amounts | None, goals: Ints, point: int | None = None) -> Self:
        """The value of the goal touches, cut at a point; nothing without amounts."""
        if amounts is None:
            return cls(np.zeros(len(goals), np.int64), np.zeros(len(goals), np.bool_))
        worth, left_out = amounts.at_rows(part.read(list(amounts.columns)), goals)
        return cls(worth, left_out, None if point is None else np.minimum(worth, point))


@dataclass(frozen=True)
class CreditSums:
    """The paths of a part with what is added up, and for each the cell (of group and replicate) that it belongs to.

    `keys` are the groups. `opened` has the cells of the pieces that are open.
    """

    paths: CreditPaths
    touches: PathTouches
    worth: Worth
    keys: pl.DataFrame
    cell: Ints
    people: Ints
    opened: Ints

    @classmethod
    def of(cls, read: PartRead, paths: CreditPaths, touches: PathTouches, worth: Worth, groups: pl.DataFrame) -> Self:
        """The paths of a part; `groups` has one row for each of them, and then for each open piece."""
        keys, group = numbered(groups)
        people, replicate = read.replicates(np.concatenate([paths.end, paths.opened]))
        cell, size = group * REPLICATES + replicate, len(paths)
        return cls(paths, touches, worth, keys, cell[:size], people[:size], cell[size:])

    def counted(self, truncated: NDArray[np.bool_]) -> Iterator[pl.DataFrame]:
        """What is counted beside credits: conversions (all, attributed, `truncated`, with a value, or one left out),
        paths without the goal (null, open), customers with a conversion, and touches of paths by value.
        """
        converted, worth = self.paths.converted, self.worth
        conversions = np.arange(converted)
        attributed = np.unique(self.touches.path[self.touches.path < converted])
        yield self._of("conversions", self.cell[:converted], worth=worth.millionths)
        if worth.cut is not None:
            yield self._of("conversions" + CUT, self.cell[:converted], worth=worth.cut)
        yield self._of("attributed", self.cell[attributed], worth=worth.millionths[attributed])
        yield self._of("truncated", self.cell[conversions[truncated]])
        yield self._of("left out", self.cell[conversions[worth.left_out]])
        yield self._of("nulls", self.cell[converted:])
        yield self._of("open", self.opened)
        yield self._of("customers", self._customers(conversions))
        yield self._of("valued", self._customers(conversions[worth.millionths != 0]))
        yield self._of(SEEN, self.cell[self.touches.path], self.touches.codes)

    def credits(self, asked: Attribution) -> Iterator[pl.DataFrame]:
        """What each value earns by the rules asked for."""
        converted = self.paths.converted
        won = self.touches.only(np.flatnonzero(self.touches.path < converted))
        for model in asked.models:
            if model not in RULES:
                continue
            earning, share = RULES[model](won, asked)
            adds = model != "participation"
            units, parts = shared_out(np.full(converted, WHOLE), earning, share, adds=adds)
            worth = shared_out(self.worth.millionths, earning, share, adds=adds)
            sums = {"count": units, "parts": parts, "worth": worth[0], "worth parts": worth[1]}
            yield self._of(model, self.cell[earning.path], earning.codes, **sums)
            if self.worth.cut is not None:
                cut = shared_out(self.worth.cut, earning, share, adds=adds)
                sums = {"count": 0 * units, "worth": cut[0], "worth parts": cut[1]}
                yield self._of(model + CUT, self.cell[earning.path], earning.codes, **sums)

    def chain(self, asked: Attribution, values: int) -> pl.DataFrame:
        """The moves of the Markov chain, among so many values."""
        touches, is_won = self.touches, np.arange(len(self.paths)) < self.paths.converted
        if not asked.nulls:
            touches = touches.only(np.flatnonzero(is_won[touches.path]))
        source, target, path = moves(touches.codes, touches.path, is_won, values, asked.order)
        return self._of(MOVE, self.cell[path], source, target)

    def _customers(self, paths: Ints) -> Ints:
        """The cell of each customer with one of the paths, once for each group."""
        size = int(self.people.max(initial=0)) + 1
        return np.unique(self.cell[paths] * size + self.people[paths]) // size

    def _of(
        self, kind: str, cell: Ints, source: Ints | None = None, target: Ints | None = None, **amounts: Ints
    ) -> pl.DataFrame:
        """The sums of one kind: a row per cell, source and target that occurs; by default each entry counts one."""
        zeros = np.zeros(len(cell), np.int64)
        source, target = (zeros if each is None else each for each in (source, target))
        low, wide = int(target.min(initial=0)), int(source.max(initial=0)) + 1
        deep = int(target.max(initial=0)) - low + 1
        key = (cell * wide + source) * deep + target - low
        found, place = densely(key, (int(cell.max(initial=0)) + 1) * wide * deep)
        rest, own_target = np.divmod(found, deep)
        own_cell, own_source = np.divmod(rest, wide)
        group, replicate = np.divmod(own_cell, REPLICATES)
        given: Mapping[str, Ints] = {"count": np.ones(len(cell), np.int64), **amounts}
        sums = {name: _added(place, given.get(name, zeros), len(found)) for name in SUMS}
        columns = {"replicate": replicate, "source": own_source, "target": own_target + low, **sums}
        table = pl.DataFrame(columns).with_columns(pl.lit(kind).alias("kind")).select(*KEYS, *SUMS)
        return pl.concat([self.keys[group], table], how="horizontal")


def _added(place: Ints, values: Ints, size: int) -> Ints:
    """The sums of whole numbers by place."""
    sums = np.zeros(size, np.int64)
    if values.any():
        np.add.at(sums, place, values)
    return sums
