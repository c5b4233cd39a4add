"""What moved between two reports, and why?

Cells of both are compared (`analytics.monitoring.runs.cells`). Between the report of then and that of now stand others
that were never published: today's events, read as they were known then, and one thing after the other as it is known
now. Each **cause** is the difference that switching one thing makes, so the causes of a cell add up to its difference:

- **deleted**: what then was told less what the same events tell today, as far as they are still there;
- **identities**: the same events, joined to customers by what is known now: later links, and decisions about links;
- **late**: with events of the time before the old end of data that landed after the old report;
- **time**: with all events, up to the new end of data;
- **definitions**: today's events under the new definitions less the same under the old.

A cell is **final** where it was over and arrived at the old report; a final cell that moved by more than 0.5 % is
**restated**.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import polars as pl

from analytics.monitoring.runs.again import paths_as_known
from analytics.monitoring.runs.cells import COUNTS, KEY, TIME, CellQuestion, report_cells
from analytics.monitoring.runs.kept import KeptRun, kept_names, kept_run
from analytics.stitching.known import landed_copy
from analytics.touches.rules import PathRules
from expectations import contract
from expectations.errors import DefinitionError
from expectations.lake.layout import Lake

DIFF_CAUSES: Final = ("definitions", "deleted", "identities", "late", "time")
RESTATED: Final = 0.005
"""A final cell that moved by more than this share is restated."""
DIFF: Final = pl.Schema(
    {
        "part": pl.String(),
        "name": pl.String(),
        "week": TIME,
        "measure": pl.String(),
        "then": pl.Int64(),
        "now": pl.Int64(),
        "difference": pl.Int64(),
        **dict.fromkeys(DIFF_CAUSES, pl.Int64()),
        "state": pl.String(),
        "final": pl.Boolean(),
        "restated": pl.Boolean(),
        **{f"customers_{name}": pl.Int64() for name in ("then", "now", *DIFF_CAUSES)},
    }
)
Switched = tuple[str, pl.DataFrame, pl.DataFrame]
"""A cause, and the cells before and after it is switched."""


def diff(lake: Lake, run: str | None = None, other: str | None = None) -> pl.DataFrame:
    """What moved between two reports that the lake keeps, cell by cell, and why.

    `run` is the earlier and `other` the later report; without names the last two, and with one name that report and
    the last. Columns: `part`, `name` String, `week` Datetime(us, UTC), `measure` String, as `report_cells` has them;
    `then`, `now`, `difference` Int64, 0 where nobody is in the cell; the causes `definitions`, `deleted`, `identities`,
    `late`, `time` Int64, which add up to the difference; `state` String: `both`, or `new` or `gone` where only one of
    the reports has this part of it; `final`, `restated` Boolean; `customers_then`, `customers_now`,
    `customers_definitions` and so on, Int64: the same of the distinct customers behind the cell. Only cells that moved,
    or that a cause moved, are rows: a report beside itself gives none. Counts of customers who were erased since are
    kept rounded (`analytics.stitching.privacy`): what is rounded is told as deleted.

    The causes are worked out by making paths again as they were known then, in a folder of this machine, which takes as
    long as `build_paths` for each that has something to tell. Raises `DefinitionError` for a name that is not kept,
    with the nearest one, and where fewer than two reports are kept.
    """
    return run_difference(lake, *compared_runs(lake, run, other))


def compared_runs(lake: Lake, run: str | None = None, other: str | None = None) -> tuple[KeptRun, KeptRun]:
    """The two reports that `diff` compares. Raises `DefinitionError` as it does."""
    one, two = _named(lake, run, other)
    return kept_run(lake, one), kept_run(lake, two)


def _named(lake: Lake, run: str | None, other: str | None) -> tuple[str, str]:
    """The names of the two reports."""
    if run is not None and other is not None:
        return run, other
    names = kept_names(lake)
    if len(names) < (1 if run is not None else 2):
        raise DefinitionError(
            "There are no two reports to compare.",
            expected="two reports that the lake keeps",
            found=", ".join(names) or "none",
            do="run `journeys report` once more when new events have landed",
        )
    return (names[-2], names[-1]) if run is None else (run, names[-1])


def run_difference(lake: Lake, before: KeptRun, now: KeptRun) -> pl.DataFrame:
    """The rows of `diff` of two runs; where the first is the later one, causes turn around."""
    if before.at > now.at:
        turned = run_difference(lake, now, before)
        swapped = {"then": "now", "now": "then", "customers_then": "customers_now", "customers_now": "customers_then"}
        causes = [f"{side}{name}" for side in ("", "customers_") for name in DIFF_CAUSES]
        return turned.rename(swapped).with_columns(
            -pl.col("difference", *causes),
            pl.col("state").replace({"new": "gone", "gone": "new"}),
        )[list(DIFF)]
    with landed_copy(lake) as events, tempfile.TemporaryDirectory(prefix="journeys-") as folder:
        switched = list(_switched(_Again(lake, events, Path(folder)), before, now))
    return explained(before, now, switched)


def explained(before: KeptRun, now: KeptRun, switched: Sequence[Switched]) -> pl.DataFrame:
    """The rows of `diff`, of the cells before and after each cause is switched."""
    told = [("then", before.cells), ("now", now.cells)]
    moves = [(cause, cells, sign) for cause, *pair in switched for cells, sign in zip(pair, (-1, 1), strict=True)]
    rows = pl.concat(
        cells.select(*KEY, (pl.col(*COUNTS) * sign), pl.lit(of).alias("of"))
        for of, cells, sign in (*((of, cells, 1) for of, cells in told), *moves)
    )
    sums = rows.group_by(*KEY).agg(
        pl.col(count).filter(pl.col("of") == of).sum().alias(f"{prefix}{of}")
        for count, prefix in zip(COUNTS, ("", "customers_"), strict=True)
        for of in ("then", "now", *DIFF_CAUSES)
    )
    over = pl.concat([now.cells, before.cells]).unique(KEY, keep="last").select(*KEY, "over_at")
    table = sums.join(over, on=KEY, how="left", nulls_equal=True)
    moved = pl.any_horizontal(pl.col("then") != pl.col("now"), *(pl.col(cause) != 0 for cause in DIFF_CAUSES))
    final = (pl.col("over_at") + before.waited <= before.end_of_data).fill_null(False)
    difference = pl.col("now") - pl.col("then")
    table = table.filter(moved).with_columns(
        difference.alias("difference"),
        _state(before.cells, now.cells).alias("state"),
        final.alias("final"),
        (final & (difference.abs() > RESTATED * pl.col("then"))).alias("restated"),
    )
    order = {"totals": 0, "stages": 1, "goals": 2}
    return table.sort(pl.col("part").replace_strict(order), "name", "week", "measure").select(*DIFF).cast(DIFF)


def _state(before: pl.DataFrame, now: pl.DataFrame) -> pl.Expr:
    """Whether both reports have a part, or only one of them."""
    part = pl.struct("part", "name", "measure")
    here, there = (part.is_in(cells.select(part).to_series().implode()) for cells in (now, before))
    return pl.when(here & there).then(pl.lit("both")).when(here).then(pl.lit("new")).otherwise(pl.lit("gone"))


def _switched(again: _Again, before: KeptRun, now: KeptRun) -> Iterator[Switched]:
    """The causes one after the other. Cells that must be those of the step before are not counted again."""
    events_then, events_now = before.landed(), now.landed()
    same_events = before.positions.equals(now.positions)
    same_decisions = before.decided_by == now.decided_by
    then, told_now = before.cells, now.cells
    is_whole, still = again.rows(events_then) == before.rows, again.rows(events_now) == now.rows
    if not is_whole:
        found = again.cells(before.rules, before.question, before.end_of_data, events_then, before)
        yield "deleted" if again.has_lost(events_then, before) else "late", then, found
        then = found
    if not (same_events and same_decisions):
        found = again.cells(before.rules, before.question, before.end_of_data, events_then, now)
        yield "identities", then, found
        then = found
    late = ~events_then & events_now & (pl.col(contract.OCCURRED_AT) <= before.end_of_data)
    if not same_events and again.rows(late):
        found = again.cells(before.rules, before.question, before.end_of_data, events_then | late, now)
        yield "late", then, found
        then = found
    if still and before.is_asked_like(now):
        is_later = not same_events or before.end_of_data != now.end_of_data
        yield "time" if is_later else "definitions", then, told_now  # the latter: of another version of the product
        return
    if not same_events or before.end_of_data != now.end_of_data:
        found = again.cells(before.rules, before.question, now.end_of_data, events_now, now)
        yield "time", then, found
        then = found
    if not before.is_asked_like(now):
        found = told_now if still else again.cells(now.rules, now.question, now.end_of_data, events_now, now)
        yield "definitions", then, found
        then = found
    if not still:
        yield "deleted" if again.has_lost(events_now, now) else "late", then, told_now


class _Again:
    """Counts cells of paths that are made again, of some events, as one run knew them."""

    def __init__(self, lake: Lake, events: pl.LazyFrame, folder: Path) -> None:
        self._lake, self._events, self._folder, self._count = lake, events, folder, 0

    def rows(self, condition: pl.Expr) -> int:
        """How many events meet a condition."""
        return int(self._events.filter(condition).select(pl.len()).collect(engine="streaming").item())

    def has_lost(self, events: pl.Expr, run: KeptRun) -> bool:
        """Whether rows that a run has read are gone; else there are more: refused ones landed at their old place."""
        return self.rows(events) < run.rows

    def cells(
        self, rules: PathRules, question: CellQuestion, end: datetime, counted: pl.Expr, known_to: KeptRun
    ) -> pl.DataFrame:
        """The cells; which identities are one customer is that which the run `known_to` knew."""
        self._count += 1
        folder = self._folder / str(self._count)
        paths = paths_as_known(
            self._lake, rules, folder, end=end, counted=counted, known_to=known_to, rows=self._events
        )
        return report_cells(paths, question)
