"""Who is assigned to which variant, and what they do after it: integers that add up, by group, variant and metric.

A customer is assigned by the first exposure that names a variant. Who is seen in two variants is **mixed**; whose
window is not over at the end of the data is **open**; both are left out of the comparison. Only touches after the
exposure count, at most the window after it; those before it, at most `before`, are the same number from before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.analysis import IS_TOTAL, SMALL, Cells
from analytics.engine.goals import GoalTouches, goal_touches, marked, step_touches
from analytics.engine.matching import Matcher
from analytics.engine.partials import LOWEST, add_up
from analytics.goals.experiments.definition import Experiment, Metric
from analytics.paths.view import Breakdown, By
from analytics.statistics.experiments import SampleRatio, sample_ratio
from analytics.store.columns import AT, CUSTOMER
from analytics.store.encoding import Dictionaries
from analytics.store.frames import micros
from analytics.store.parts import Part, decoded
from analytics.store.paths import MAX_TIME, Paths
from expectations.errors import DefinitionError, nearest

Ints = NDArray[np.int64]
OF_DATA, OF_VARIANT = -2, -1
"""Rows of the first touch of a part, and of the customers assigned to a variant; metrics are numbered from 0."""
KEYS: Final[dict[str, Any]] = {"variant": pl.String, "metric": pl.Int64}
ASSIGNED: Final = ("assigned", "mixed", "open", "without_variant")
SUMS: Final = ("customers", "sum", "sum_squares", "x_sum", "x_squares", "cross")
PERSON: Final = ("person", "row", "variant", "mixed")
"""The columns of assigned customers."""
COUNTS: Final = (*ASSIGNED, *SUMS)
MAX_VARIANTS: Final = 50
FIRST: Final = f"{LOWEST}first"


@dataclass(frozen=True, eq=False)
class ExperimentCounts:
    """Counts the customers of an experiment. A partial has `KEYS`, then `ASSIGNED`, `SUMS` and the first touch."""

    CELLS: ClassVar[Cells | None] = None
    BOUND: ClassVar[int] = SMALL
    SCHEMA: ClassVar[pl.Schema]

    asked: Experiment
    by: Breakdown
    assignment: Matcher
    goals: tuple[GoalTouches | Matcher, ...]
    data_end: int

    @classmethod
    def of(cls, paths: Paths, definition: Experiment, *, by: By = (), **options: Any) -> Self:
        """The measure of the arguments of its public function; `options` are its own fields."""
        cls.check_variant(paths, definition)
        matcher = step_touches(paths, definition.assignment)
        breakdown = Breakdown.of(paths, by, [*cls.SCHEMA, *KEYS, *COUNTS, *PERSON])
        goals = tuple(goal_touches(paths, metric.goal) for metric in definition.metrics)
        end = micros(paths.end_of_data) if paths.end_of_data else 0
        return cls(definition, breakdown, matcher, goals, end, **options)

    @classmethod
    def check_variant(cls, paths: Paths, definition: Experiment) -> None:
        """Raise `DefinitionError` where the paths have no such column of variants."""
        if definition.variant == CUSTOMER:
            raise DefinitionError("A customer is no variant.", expected="a column that names the variants")
        paths.require(definition.variant)

    def variants(self, part: Part, words: Dictionaries) -> pl.Series:
        """The variant of every touch; null for none."""
        return decoded(part, [self.asked.variant], words)[self.asked.variant].cast(pl.String)

    @property
    def columns(self) -> tuple[str, ...]:
        """The stored columns that are read."""
        goals = [name for goal in self.goals for name in goal.columns]
        return tuple(dict.fromkeys([AT, self.asked.variant, *self.assignment.columns, *goals, *self.by.columns]))

    @property
    def schema(self) -> dict[str, Any]:
        """The columns of a partial."""
        return {**self.by.types, **KEYS, **dict.fromkeys((*COUNTS, FIRST), pl.Int64)}

    def partial(self, part: Part, words: Dictionaries) -> pl.DataFrame:
        """The customers of one part."""
        part = part.held()
        at = part.times()
        exposed, unnamed = self._exposed(part, words, at)
        is_open = at[exposed["row"].to_numpy()] + micros(self.asked.window) > self.data_end
        exposed = exposed.with_columns(open=pl.Series(is_open, dtype=pl.Boolean) & ~pl.col("mixed"))
        keys = [*self.by.names, "variant"]
        grouped = self._grouped(part, words, exposed)
        tables = [
            grouped.group_by(keys).agg(pl.len().alias("assigned"), pl.col("mixed", "open").sum()),
            self._grouped(part, words, unnamed).group_by(keys).agg(pl.len().alias("without_variant")),
        ]
        tables = [table.with_columns(pl.lit(OF_VARIANT).alias("metric")) for table in tables]
        compared = grouped.filter(~pl.col("mixed") & ~pl.col("open"))
        for number, goal in enumerate(self.goals):
            y, x = self._reached(part, compared, at, marked(goal, part, words), self.asked.metrics[number])
            sums = [y, y * y, x, x * x, x * y]
            rows = compared.with_columns(pl.Series(name, own) for name, own in zip(SUMS[1:], sums, strict=True))
            counted = rows.group_by(keys).agg(pl.len().alias("customers"), pl.col(SUMS[1:]).sum())
            tables.append(counted.with_columns(pl.lit(number).alias("metric")))
        if len(at):
            tables.append(pl.DataFrame({"metric": [OF_DATA], FIRST: [int(at.min())]}))
        return pl.concat([_as(table, self.schema) for table in (pl.DataFrame(schema=self.schema), *tables)])

    def _exposed(self, part: Part, words: Dictionaries, at: Ints) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Per customer with an exposure: the row of the first that names a variant, which, and whether others do, too;
        and of those whose exposures name none the first.
        """
        hits, span = self.assignment.marked(part, words), (self.asked.start, self.asked.end)
        first, last = (
            limit if time is None else micros(time) for time, limit in zip(span, (-MAX_TIME, MAX_TIME), strict=True)
        )
        rows = np.flatnonzero(hits & (at >= first) & (at < last))
        named = self.variants(part, words)
        person = np.searchsorted(part.bounds(), rows, side="right") - 1
        touches = pl.DataFrame({"person": person, "row": rows, "variant": named[pl.Series(rows, dtype=pl.Int64)]})
        by_person = touches.filter(pl.col("variant").is_not_null()).group_by("person", maintain_order=True)
        exposed = by_person.agg(pl.col("row", "variant").first(), (pl.col("variant").n_unique() > 1).alias("mixed"))
        unnamed = touches.join(exposed, on="person", how="anti").unique("person", keep="first", maintain_order=True)
        return exposed, unnamed

    def _grouped(self, part: Part, words: Dictionaries, people: pl.DataFrame) -> pl.DataFrame:
        """The customers with their groups, which are those at the exposure."""
        return pl.concat([self.by.at(part, words, people["row"].to_numpy()), people], how="horizontal")

    def _reached(
        self, part: Part, people: pl.DataFrame, at: Ints, is_goal: NDArray[np.bool_], metric: Metric
    ) -> tuple[Ints, Ints]:
        """What each customer does of a metric in the window after the exposure, and before the exposure."""
        bounds = part.bounds()
        number = np.full(len(bounds) - 1, -1)
        number[people["person"].to_numpy()] = np.arange(len(people))
        rows = np.flatnonzero(is_goal)
        of = number[np.searchsorted(bounds, rows, side="right") - 1]
        rows, of = rows[of >= 0], of[of >= 0]
        wait = at[rows] - at[people["row"].to_numpy()][of]
        after = (wait > 0) & (wait <= micros(self.asked.window))
        before = (wait < 0) & (wait >= -micros(self.asked.before))
        y, x = (np.bincount(of[own], minlength=len(people)).astype(np.int64) for own in (after, before))
        return (np.minimum(y, 1), np.minimum(x, 1)) if metric.of == "share" else (y, x)

    def merge(self, partials: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Adds up the counts of parts."""
        return add_up(partials, [*self.by.names, *KEYS], self.schema)

    def exactly(self, merged: pl.DataFrame) -> Self:  # noqa: ARG002
        """The same: nothing is a quantile."""
        return self

    def with_totals(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The rows of variants and metrics: those of all customers, then those of the groups; the control comes first.

        Raises `DefinitionError` where there is nothing to compare.
        """
        self._check(merged)
        rows = merged.filter(pl.col("metric") != OF_DATA)
        table = self.by.total_and_groups(rows.drop(FIRST), [*KEYS])
        order = [~pl.col(IS_TOTAL), *self.by.names, "metric", pl.col("variant") != self.asked.control, "variant"]
        return table.sort(order, nulls_last=True)

    def _check(self, merged: pl.DataFrame) -> None:
        first = merged.filter(metric=OF_DATA)[FIRST].min()
        if first is None:
            return
        window = micros(self.asked.window)
        if self.data_end - int(first) < window:  # type: ignore[arg-type]
            raise DefinitionError(
                "The window is longer than the data.",
                expected=f"at most {(self.data_end - int(first)) / 86_400e6:.1f} days",  # type: ignore[arg-type]
                found=str(self.asked.window),
            )
        seen = sorted(_variants(merged))
        found = ", ".join(seen[:5]) + (", ..." if seen[5:] else "") or "no exposure that names a variant"
        if len(seen) > MAX_VARIANTS:
            expected = f"at most {MAX_VARIANTS}"
            raise DefinitionError("The column names too many variants.", expected=expected, found=f"{len(seen):,}")
        for name in dict.fromkeys((self.asked.control, *(self.asked.planned or ()))):
            if name not in seen:
                raise DefinitionError(f"Nobody was shown variant {name!r}.", found=found, do=nearest(name, seen))
        if len(seen) < 2:
            raise DefinitionError("There is one variant, and nothing to compare it with.", found=found)

    def ratio(self, rows: pl.DataFrame) -> SampleRatio:
        """The sample ratio of the assigned customers of the rows."""
        counts = {row["variant"]: row["assigned"] for row in rows.iter_rows(named=True)}
        planned = self.asked.planned
        return sample_ratio(counts, dict.fromkeys(counts, 1 / len(counts)) if planned is None else planned)


def _variants(merged: pl.DataFrame) -> set[str]:
    return set(merged.filter((pl.col("metric") == OF_VARIANT) & (pl.col("assigned") > 0))["variant"])


def _as(table: pl.DataFrame, schema: dict[str, Any]) -> pl.DataFrame:
    """The table with all columns of the schema: counts that it lacks are 0, keys null."""
    return table.select(
        (pl.col(name) if name in table.columns else pl.lit(0 if name in COUNTS else None)).cast(dtype).alias(name)
        for name, dtype in schema.items()
    )
