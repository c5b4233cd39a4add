"""The touches of each unit as one sequence of codes, in the order of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.analysis import IS_TOTAL
from analytics.engine.goals import GoalTouches
from analytics.engine.matching import scale_of
from analytics.engine.partials import numbered, totals_first
from analytics.engine.sequences import Sequences
from analytics.engine.units import Units, are_followed, unit_columns, units_of
from analytics.paths.view import Codes, Indices, View, codes_of
from analytics.store.columns import AT
from analytics.store.encoding import Dictionaries, as_text
from analytics.store.frames import micros
from analytics.store.parts import Part, decoded


@dataclass(frozen=True)
class Aftermath:
    """The touches after the goal of journeys, in order: their rows in the part, their journeys' positions, their times
    in microseconds.
    """

    rows: Indices
    unit: Indices
    at: Indices


NO_AFTERMATH: Final = Aftermath(*(np.empty(0, np.int64) for _ in range(3)))


@dataclass(frozen=True, kw_only=True)
class UnitSequences(Sequences):
    """One sequence per unit, of codes of the view's column.

    One row per unit have `ends` (an index of `ENDS`), `groups` (the breakdown at the first touch), `mature` and
    `direct` (see `analytics.engine.units`), and `to_goal`, the microseconds from the unit's first touch to its first
    goal, -1 without one.
    """

    rows: Indices
    ends: NDArray[np.uint8]
    mature: NDArray[np.bool_]
    direct: NDArray[np.bool_]
    to_goal: Indices
    window: int
    groups: pl.DataFrame
    part: Part
    words: Dictionaries
    end_of_data: datetime | None
    aftermath: Aftermath = NO_AFTERMATH

    def read(self, columns: Sequence[str], touches: Indices | None = None) -> pl.DataFrame:
        """Columns of the part at touches of the sequences, by default all of them; text as String.

        Touches of the aftermath are numbered after all others.
        """
        rows = self.rows if touches is None else np.append(self.rows, self.aftermath.rows)[touches]
        return as_text(decoded(self.part, list(dict.fromkeys(columns)), self.words)[rows])

    def toward(self, goal: GoalTouches, window: int, *, of_journeys: bool) -> UnitSequences:
        """The same with another goal, to be reached within `window` microseconds; also in the aftermath of journeys.

        A journey with no other staged touch than this goal, up to it, is direct.
        """
        begin, unit = self.microseconds(self.bounds[:-1]), self.sequence_numbers()
        is_goal = goal.marked(self.part)
        hits, later = np.flatnonzero(is_goal[self.rows]), np.flatnonzero(is_goal[self.aftermath.rows])
        to_goal = np.full(len(self), -1)
        for of, at in (
            (self.aftermath.unit[later], self.aftermath.at[later]),
            (unit[hits], self.microseconds(hits)),
        ):
            to_goal[of[::-1]] = (at - begin[of])[::-1]  # the first of a unit is written last
        direct = np.zeros(len(self), np.bool_)
        if of_journeys:
            others = np.flatnonzero(goal.others(self.part)[self.rows])
            early = self.microseconds(others) - begin[unit[others]] <= to_goal[unit[others]]
            direct = (to_goal >= 0) & ~np.isin(np.arange(len(self)), unit[others[early]])
        mature = are_followed(begin, window, self.end_of_data) & ~direct
        return replace(self, to_goal=to_goal, direct=direct, mature=mature, window=window)

    def begun(self, start: datetime | None, end: datetime | None) -> UnitSequences:
        """The units that begin at `start <= t < end`; None is no limit."""
        begins = self.microseconds(self.bounds[:-1])
        chosen = np.ones(len(self), np.bool_)
        if start is not None:
            chosen &= begins >= micros(start)
        if end is not None:
            chosen &= begins < micros(end)
        touches, later = np.repeat(chosen, np.diff(self.bounds)), chosen[self.aftermath.unit]
        after = (self.aftermath.rows, (np.cumsum(chosen) - 1)[self.aftermath.unit], self.aftermath.at)
        of_units = ("customer", "ends", "mature", "direct", "to_goal")
        return replace(
            self,
            **{name: getattr(self, name)[touches] for name in ("codes", "times", "rows")},
            **{name: getattr(self, name)[chosen] for name in of_units},
            bounds=np.append(0, np.cumsum(np.diff(self.bounds)[chosen])),
            groups=pl.DataFrame(height=int(np.count_nonzero(chosen))),
            aftermath=Aftermath(*(each[later] for each in after)),
        )

    def lasts(self) -> Indices:
        """The time from the first touch of every unit to its last, in microseconds."""
        return self.microseconds(self.bounds[1:] - 1) - self.microseconds(self.bounds[:-1])

    @property
    def reached(self) -> NDArray[np.bool_]:
        """Which units have reached the goal within the window; they are mature."""
        return self.mature & (self.to_goal >= 0) & (self.to_goal <= self.window)

    def with_keys(self, rows: pl.DataFrame, units: Indices | None = None) -> pl.DataFrame:
        """Adds the keys of a partial to rows of units: all rows with those of the total, again with their groups.

        `units` is the unit of every row; by default there is one row per unit, in order.
        """
        groups = self.groups if units is None else self.groups[units]
        whole = pl.concat([_keys(groups.clear(len(rows)), True, len(rows)), rows], how="horizontal")
        if not groups.width:
            return whole
        each = pl.concat([_keys(groups, False, len(rows)), rows], how="horizontal")
        return pl.concat([whole, each])

    def groupings(self) -> list[tuple[pl.DataFrame, Indices]]:
        """The keys of a partial, and the number among them of every unit: of the total, then of the groups if any."""
        whole = (_keys(self.groups.clear(1), True, 1), np.zeros(len(self), np.int64))
        if not self.groups.width:
            return [whole]
        groups, number = numbered(self.groups)
        return [whole, (_keys(groups, False, len(groups)), number)]


def _keys(groups: pl.DataFrame, is_total: bool, height: int) -> pl.DataFrame:
    """The keys of partial rows: the columns of the breakdown, and `is_total`."""
    return pl.DataFrame([*groups, pl.repeat(is_total, height, eager=True).alias(IS_TOTAL)])


def sequences_of(part: Part, view: View, words: Dictionaries) -> UnitSequences:
    """The sequences of a part that the view asks for; of a part that is held they are made once for all breakdowns."""

    def in_span() -> UnitSequences:
        if view.start is None and view.end is None:
            return _without_groups(part, view, words)
        return sequences_of(part, view.of_all_times(), words).begun(view.start, view.end)

    whole = part.once(("sequences", view.reading), in_span)
    return replace(whole, groups=_groups(part, view, whole.rows[whole.bounds[:-1]], words)) if view.by else whole


def _without_groups(part: Part, view: View, words: Dictionaries) -> UnitSequences:
    """The sequences of a part without a breakdown, of units that begin at any time."""
    frame = part.read(list(dict.fromkeys([AT, view.on, *unit_columns(view.schema, view.unit)])))
    found = part.once(("units", view.unit), lambda: units_of(part, frame, view.unit, words))
    times, scale = frame[AT].to_numpy(), scale_of(frame[AT])
    nodes, keep = _nodes(frame[view.on], view, words)
    if found.own is not None:
        keep = found.own if keep is None else keep & found.own
    met = None
    if view.where is not None:
        names = list(dict.fromkeys(view.where.meta.root_names())) or [AT]
        seen = decoded(part, names, words).with_columns(view.where.alias("met"))
        met = seen["met"].fill_null(False).to_numpy()
        keep = met if keep is None else keep & met
    after = None if found.after is None or not view.aftermath else found.after
    if after is not None and met is not None:
        after = after & met
    rows, bounds, units = _kept(found.starts, len(frame), keep)
    nodes = nodes if keep is None else nodes[rows]
    if view.collapse and len(nodes):
        apart = np.append(True, nodes[1:] != nodes[:-1])
        apart[bounds[:-1]] = True
        counts = np.add.reduceat(apart, bounds[:-1], dtype=np.int64)
        nodes, rows, bounds = nodes[apart], rows[apart], np.append(0, np.cumsum(counts))
    chosen = _chosen(nodes, bounds, view)
    if chosen is not None:
        touches = np.repeat(chosen, np.diff(bounds))
        nodes, rows, units = nodes[touches], rows[touches], units[chosen]
        bounds = np.append(0, np.cumsum(np.diff(bounds)[chosen]))
    assert isinstance(view.window, timedelta)  # the view is bound
    instants = times.astype(np.int64) * scale
    window = micros(view.window)
    sequences = UnitSequences(
        codes=nodes,
        times=times if len(rows) == len(times) else times[rows],
        scale=scale,
        bounds=bounds,
        customer=found.people[units],
        rows=rows,
        ends=found.ends[units],
        mature=found.mature(instants, view.window, view.end_of_data)[units],
        direct=found.direct[units],
        to_goal=found.to_goal(instants)[units],
        window=window,
        groups=pl.DataFrame(height=len(units)),
        part=part,
        words=words,
        end_of_data=view.end_of_data,
        aftermath=NO_AFTERMATH if after is None else _aftermath(found, units, np.flatnonzero(after), instants),
    )
    if view.goal_touches is None:
        return sequences
    return sequences.toward(view.goal_touches, window, of_journeys=view.unit == "journey")


def _aftermath(found: Units, units: Indices, rows: Indices, instants: Indices) -> Aftermath:
    """These touches after the goals of journeys; `units` are the journeys that are left."""
    position = np.full(len(found.starts), -1)
    position[units] = np.arange(len(units))
    unit = position[np.searchsorted(found.starts, rows, side="right") - 1]
    rows, unit = rows[unit >= 0], unit[unit >= 0]
    return Aftermath(rows, unit, instants[rows])


def sorted_answer(table: pl.DataFrame, view: View, *columns: str) -> pl.DataFrame:
    """Sorts the answer of a view as `totals_first` does."""
    return totals_first(table, view.groups, *columns)


def with_total(table: pl.DataFrame, view: View) -> pl.DataFrame:
    """Adds a total of zeros to an answer of one row that has none; with a breakdown, no touches give no rows."""
    if len(table) or view.groups:
        return table
    zeros = {name: 0 for name, dtype in table.schema.items() if dtype.is_integer()}
    return pl.DataFrame([{IS_TOTAL: True, **zeros}], schema=table.schema)


def _nodes(column: pl.Series, view: View, words: Dictionaries) -> tuple[Codes, NDArray[np.bool_] | None]:
    """The codes of a column, and which touches have one (None when all have)."""
    codes = column
    if column.name not in words:
        codes = column.cast(pl.String).cast(pl.Enum(view.names)).to_physical()
    if not codes.null_count():
        return codes.to_numpy(), None
    return codes.fill_null(0).to_numpy(), codes.is_not_null().to_numpy()


def _kept(begins: Indices, size: int, keep: NDArray[np.bool_] | None) -> tuple[Indices, Indices, Indices]:
    """The rows that are left, where their units begin (and the end), and which units are left."""
    if keep is None or not size:
        return np.arange(size), np.append(begins, size), np.arange(len(begins))
    counts = np.add.reduceat(keep, begins, dtype=np.int64)
    units = np.flatnonzero(counts)
    return np.flatnonzero(keep), np.append(0, np.cumsum(counts[units])), units


def _chosen(nodes: Codes, bounds: Indices, view: View) -> NDArray[np.bool_] | None:
    """Which units the view selects by their values; None if all."""
    among = view.among
    if not (among.start or among.end or among.through) or len(bounds) < 2:
        return None
    chosen = np.ones(len(bounds) - 1, np.bool_)
    if among.start:
        chosen &= np.isin(nodes[bounds[:-1]], codes_of(view.names, among.start))
    if among.end:
        chosen &= np.isin(nodes[bounds[1:] - 1], codes_of(view.names, among.end))
    for name in among.through:
        chosen &= np.logical_or.reduceat(np.isin(nodes, codes_of(view.names, name)), bounds[:-1])
    return chosen


def _groups(part: Part, view: View, first: Indices, words: Dictionaries) -> pl.DataFrame:
    """The breakdown of each unit: its value at the unit's first touch."""
    roots = list(dict.fromkeys(name for item in view.by for name in item.meta.root_names()))
    return as_text(decoded(part, roots, words)[first].select(*view.by))
