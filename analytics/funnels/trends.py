"""How does conversion change over time, and how long does it take?

A **range** is a half-open interval of time, `start <= t < end`; a **period** is a range of the calendar. Both restrict
entries, not the touches that complete a chain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import partial
from typing import Any, ClassVar, Final
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from analytics.engine.analysis import IS_TOTAL, answer, measured_by
from analytics.engine.conditions import one_of
from analytics.engine.distributions import DISTRIBUTION, bucket_numbers, distributions, durations, needed_buckets
from analytics.engine.local.calendar import PERIODS, Period, next_period_start, periods_between, zone_named
from analytics.engine.partials import HIGHEST, LOWEST, numbered, totals_first
from analytics.engine.run import on_parts, run
from analytics.funnels.counts import FunnelMeasure, with_totals
from analytics.funnels.definition import Funnel
from analytics.funnels.entrants import entrants, entrants_of
from analytics.funnels.members import check_step
from analytics.funnels.scan import ChainScan, Range, bound
from analytics.statistics.shares import share_columns
from analytics.store.columns import TIME
from analytics.store.encoding import Dictionaries
from analytics.store.frames import as_utc
from analytics.store.parts import Part
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

MAX_BINS: Final = 60
SECOND: Final = 1_000_000


@dataclass(frozen=True, eq=False)
class RangeCounts(FunnelMeasure):
    """Counts the entrants of several ranges: `reached_k` (mature) and `open_k` of every step; a part is read once."""

    SCHEMA: ClassVar[pl.Schema] = answer(
        period=TIME,
        step=pl.UInt32,
        name=pl.String,
        entered=pl.Int64,
        reached=pl.Int64,
        dropped=pl.Int64,
        open=pl.Int64,
    )
    KEYS: ClassVar[Mapping[str, Any]] = {"period": TIME}

    ranges: tuple[Range, ...] = ()

    @property
    def count_types(self) -> Mapping[str, Any]:
        """The columns of counts."""
        steps = range(1, len(self.definition.steps) + 1)
        return {f"{state}_{k}": pl.Int64 for k in steps for state in ("reached", "open")}

    def counts(self, part: Part, words: Dictionaries) -> pl.DataFrame:
        """The counts of one part; its total has a row for every group."""
        by = self.definition.by
        starts = pl.Series("period", [start for start, _ in self.ranges], TIME)
        sums = [_reached(column) for column in self.count_types]
        tables = [pl.DataFrame(schema=self.schema)]
        for some in self.scan.by_range(part, words, self.ranges):
            found = entrants_of(some.scan, some.reading).with_columns(starts[some.ranges])
            tables.append(with_totals(found.group_by("period", *by).agg(sums), by).select(list(self.schema)))
        return pl.concat(tables)

    def merge(self, partials: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Adds up the counts of parts; every range has a total."""
        periods = pl.DataFrame({"period": [start for start, _ in self.ranges]}, schema={"period": TIME})
        nobody = [pl.lit(None, dtype).alias(name) for name, dtype in self.scan.group_types.items()]
        zeros = [pl.lit(0, dtype).alias(name) for name, dtype in self.count_types.items()]
        totals = periods.with_columns(pl.lit(True).alias(IS_TOTAL), *nobody, *zeros)
        return super().merge([totals.select(list(self.schema)), *partials])

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `funnel_by_range`."""
        steps = [_at_step(merged, self.definition, k) for k in range(1, len(self.definition.steps) + 1)]
        return totals_first(pl.concat(steps), self.definition.by, "period", "step")


def _reached(column: str) -> pl.Expr:
    """The count of a column of `RangeCounts`, over entrants."""
    state, _, step = column.partition("_")
    there = pl.col(f"at_{step}").is_not_null()
    return (there & (pl.col("mature") if state == "reached" else ~pl.col("mature"))).sum().cast(pl.Int64).alias(column)


@dataclass(frozen=True, eq=False)
class TrendCounts(RangeCounts):
    """The counts of `trend`: those of `RangeCounts`, of two of the steps."""

    SCHEMA: ClassVar[pl.Schema] = answer(
        period=TIME,
        entered=pl.Int64,
        reached=pl.Int64,
        open=pl.Int64,
        share_of_entered=pl.Float64,
        share_of_entered_low=pl.Float64,
        share_of_entered_high=pl.Float64,
    )

    timezone: str = "UTC"
    from_step: int = 1
    to_step: int = 1

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `trend`."""
        by = self.definition.by
        counts = merged.select(
            *by,
            IS_TOTAL,
            pl.col("period").dt.convert_time_zone(self.timezone),
            pl.col(f"reached_{self.from_step}").alias("entered"),
            pl.col(f"reached_{self.to_step}").alias("reached"),
            pl.col(f"open_{self.from_step}").alias("open"),
        )
        ordered = totals_first(counts, by, "period")
        return ordered.with_columns(share_columns(ordered, "share_of_entered", "reached", "entered"))


@measured_by(TrendCounts)
def trend(
    paths: Paths,
    definition: Funnel,
    *,
    period: Period = "day",
    timezone: str = "UTC",
    from_step: int = 1,
    to_step: int | None = None,
    starts: Sequence[date] | None = None,
) -> pl.DataFrame:
    """The share of customers who get from one step to another, by the period of their entry.

    A customer counts once in every period with an entry, by the best chain that enters in it. Periods are those of
    `timezone`: hour, day, week (from Monday), week_sunday or month. `starts` lists the days or times at which periods
    begin (a time without a zone is read in `timezone`); by default all periods from the first entry to the last.

    Columns: those of `by`; `is_total` Boolean (as in `funnel`); `period` Datetime(us, timezone), its start; `entered`,
    `reached` Int64 (mature customers that reached `from_step`, and `to_step`, by default the last); `open` Int64;
    `share_of_entered` Float64 with `_low`, `_high`. Totals come first. A period without entries has a
    total of zeros and no groups. Raises `DefinitionError` for an unknown period,
    zone or step, and for maturity `survival`.

    >>> from analytics import Paths
    >>> shop = Paths.from_text({"ann": "visit@0m pay@2d", "bo": "visit@1d"}, end="60d")
    >>> trend(shop, Funnel(["visit", "pay"]))["entered", "reached"].rows()
    [(1, 1), (1, 0)]
    """
    last = _last_step(definition, from_step, to_step)
    one_of("period", period, PERIODS)
    _check_counted(definition)
    paths, scan = bound(paths, definition)
    ranges = _periods(paths, scan, period, zone_named(timezone), starts)
    return run(paths, TrendCounts(scan, (), tuple(ranges), timezone, from_step, last))


@measured_by(RangeCounts)
def funnel_by_range(paths: Paths, definition: Funnel, ranges: Sequence[tuple[datetime, datetime]]) -> pl.DataFrame:
    """The counts of a funnel for the entries of each of several ranges of time; each part is read once for all ranges.

    A range has entries of `start <= t < end`, and has its own start; ranges may overlap. A customer counts once in
    every range with an entry, as `funnel` counts with that `start` and `end`. Columns: those of `by`; `is_total`
    Boolean (as in `funnel`); `period` Datetime(us, UTC), the start of the range; `step` UInt32 (from 1); `name` String;
    `entered`, `reached`, `dropped`, `open` Int64. Totals come first, in the order of time. A range without entries has
    totals of zero and no groups. Raises `DefinitionError` for two ranges with one start, and for maturity `survival`.

    >>> from analytics import Paths
    >>> from datetime import UTC, datetime
    >>> days = [datetime(2024, 1, day, tzinfo=UTC) for day in (1, 2, 3)]
    >>> shop = Paths.from_text({"ann": "visit@0m pay@2d", "bo": "visit@1d"}, end="60d")
    >>> funnel_by_range(shop, Funnel(["visit", "pay"]), [(days[0], days[1]), (days[1], days[2])])["reached"].to_list()
    [1, 1, 1, 0]
    """
    _check_counted(definition)
    bounds = [(as_utc(start), as_utc(end)) for start, end in ranges]
    if len({start for start, _ in bounds}) < len(bounds):
        raise DefinitionError("Two ranges have one start.", expected="a different start for each range")
    paths, scan = bound(paths, definition)
    return run(paths, RangeCounts(scan, ranges=tuple(bounds)))


def _at_step(counts: pl.DataFrame, definition: Funnel, step: int) -> pl.DataFrame:
    """The counts of one step, with the columns of `funnel_by_range`."""
    reached = pl.col(f"reached_{step}")
    return counts.select(
        *definition.by,
        "is_total",
        "period",
        pl.lit(step, pl.UInt32).alias("step"),
        pl.lit(definition.name_of(step)).alias("name"),
        pl.col("reached_1").alias("entered"),
        reached.alias("reached"),
        (pl.col(f"reached_{definition.previous(step)}") - reached).alias("dropped"),
        pl.col(f"open_{step}").alias("open"),
    )


def _last_step(definition: Funnel, first: int, last: int | None) -> int:
    """Returns the target step (by default the last) after checking that both exist and are in order."""
    last = len(definition.steps) if last is None else last
    for step in (first, last):
        check_step(definition, step)
    if last < first:
        raise DefinitionError(
            "A wait is measured from a step to a later one.", found=f"from step {first} to step {last}"
        )
    return last


def _check_counted(definition: Funnel) -> None:
    """Raises `DefinitionError` for maturity `survival`: its counts include customers whose window is not over."""
    if definition.maturity == "survival":
        raise DefinitionError(
            "A funnel with maturity survival estimates shares over all waits at once.",
            expected="maturity mature or clip",
            do="call `survival` for the share by time since entry of each group",
        )


def _periods(paths: Paths, scan: ChainScan, period: str, zone: ZoneInfo, starts: Sequence[date] | None) -> list[Range]:
    """Start and end of each requested period, in UTC, where an hour that is repeated in `timezone` is two periods."""
    if starts is None:
        entries = [span for span in on_parts(paths, partial(_span, scan)) if span]
        if not entries:
            return []
        times = pl.Series([time for span in entries for time in span]).cast(TIME).dt.convert_time_zone(zone.key)
        first, final = times.min(), times.max()
        assert isinstance(first, datetime) and isinstance(final, datetime)
        moments = periods_between(first, final, period)
    else:
        moments = [as_utc(start, zone).astimezone(zone) for start in starts]
    return [(moment.astimezone(UTC), next_period_start(moment, period).astimezone(UTC)) for moment in moments]


def _span(scan: ChainScan, part: Part, words: Dictionaries) -> tuple[int, int] | None:
    """The first and the last time of a touch of the first step in the range, in microseconds; None without one."""
    entries = scan.entries(part, words).to_numpy()
    return (int(entries.min()), int(entries.max())) if len(entries) else None


@dataclass(frozen=True, eq=False)
class WaitCounts(FunnelMeasure):
    """Counts the waits of mature entrants from one step to another."""

    SCHEMA: ClassVar[pl.Schema] = answer(
        customers=pl.Int64,
        average_wait=pl.Duration("us"),
        median_wait=pl.Duration("us"),
        p90_wait=pl.Duration("us"),
        origin=pl.Duration("us"),
        width=pl.Duration("us"),
        counts=pl.List(pl.Int64),
    )

    QUANTILES: ClassVar[Sequence[float]] = (0.5, 0.9)

    from_step: int = 1
    to_step: int = 1
    bins: int | None = None

    @property
    def count_types(self) -> Mapping[str, Any]:
        """The columns of counts."""
        numbers = dict.fromkeys(("customers", "elapsed", f"{LOWEST}wait", f"{HIGHEST}wait"), pl.Int64)
        return {**numbers, "waits": DISTRIBUTION}

    def counts(self, part: Part, words: Dictionaries) -> pl.DataFrame:
        """The counts of one part."""
        wait = (pl.col(f"at_{self.to_step}") - pl.col(f"at_{self.from_step}")).alias("wait")
        found = entrants(self.scan, part, words).filter("mature").with_columns(wait).drop_nulls("wait")
        rows = with_totals(found.select(*self.definition.by, "wait"), self.definition.by)
        keys, number = numbered(rows.select(self.keys))
        totals = (
            rows.select(pl.Series("number", number), "wait")
            .group_by("number")
            .agg(
                pl.len().cast(pl.Int64).alias("customers"),
                pl.col("wait").sum().alias("elapsed"),
                pl.col("wait").min().alias(f"{LOWEST}wait"),
                pl.col("wait").max().alias(f"{HIGHEST}wait"),
            )
            .sort("number")
        )
        spread = distributions(number, rows["wait"].to_numpy(), len(keys), exact=self.exact).alias("waits")
        return pl.concat([keys, totals.drop("number")], how="horizontal").with_columns(spread)

    def merge(self, partials: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Adds up the counts of parts; the total is there without any."""
        total = pl.DataFrame(
            {IS_TOTAL: [True], "customers": [0], "elapsed": [0]}, schema_overrides={"customers": pl.Int64}
        )
        empty = pl.DataFrame(schema=self.schema)
        blank = pl.concat([empty, total], how="diagonal").with_columns(pl.lit([], DISTRIBUTION).alias("waits"))
        return super().merge([blank.select(list(self.schema)), *partials])

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `time_to_convert`."""
        by = self.definition.by
        wait = pl.Duration("us")
        table = merged.with_columns(
            pl.when(pl.col("customers") > 0)
            .then(pl.col("elapsed") / pl.col("customers"))
            .round()
            .cast(pl.Int64)
            .cast(wait)
            .alias("average_wait"),
            *durations(merged["waits"], {"median_wait": 0.5, "p90_wait": 0.9}),
            pl.col(f"{LOWEST}wait").cast(wait).alias("origin"),
            pl.Series("width", [self._width(row) for row in merged.iter_rows(named=True)], pl.Int64).cast(wait),
            pl.Series("counts", [self._bins(row) for row in merged.iter_rows(named=True)], pl.List(pl.Int64)),
        )
        return totals_first(table, by).select(*by, *self.SCHEMA)

    def exactly(self, merged: pl.DataFrame) -> WaitCounts:
        """The same, with the values around its ranks and the edges of its bins kept exact."""
        needed = set(needed_buckets(merged["waits"], self.QUANTILES))
        for row in merged.filter(pl.col("customers") > 0).iter_rows(named=True):
            edges = row[f"{LOWEST}wait"] + np.arange(self._number(row) + 1) * (self._width(row) or 0)
            needed.update(bucket_numbers(edges))
        return replace(self, exact=tuple(sorted(needed)))

    def _number(self, row: Mapping[str, Any]) -> int:
        """The number of bins of a group."""
        return self.bins or max(1, min(MAX_BINS, int(np.ceil(np.cbrt(row["customers"]) - 1e-9))))

    def _width(self, row: Mapping[str, Any]) -> int | None:
        """The width of the bins of a group, in microseconds: whole seconds."""
        if not row["customers"]:
            return None
        span = row[f"{HIGHEST}wait"] - row[f"{LOWEST}wait"]
        return -(-span // (self._number(row) * SECOND)) * SECOND or 60 * SECOND

    def _bins(self, row: Mapping[str, Any]) -> list[int] | None:
        """The counts of the bins of a group."""
        width = self._width(row)
        if width is None:
            return None
        lowest, highest = row[f"{LOWEST}wait"], row[f"{HIGHEST}wait"]
        values = np.clip([pair["value"] for pair in row["waits"]], lowest, highest)
        numbers = (values - lowest) // width
        weights = [pair["count"] for pair in row["waits"]]
        counts: list[int] = np.bincount(numbers, weights, self._number(row) + 1).astype(np.int64).tolist()
        return counts


@measured_by(WaitCounts)
def time_to_convert(
    paths: Paths,
    definition: Funnel,
    *,
    from_step: int = 1,
    to_step: int | None = None,
    bins: int | None = None,
    exact: bool = False,
) -> pl.DataFrame:
    """How long customers take from one step to another, including waits of zero.

    Counts the reported chains of mature entrants that reach `to_step` (by default the last). Columns: those of `by`;
    `is_total` Boolean (as in `funnel`); `customers` Int64; `average_wait`, `median_wait`, `p90_wait` Duration(us);
    `origin`, `width` Duration(us) and `counts` List(Int64): bin `i` counts waits from `origin + i * width` up to, but
    not including, the start of the next bin; the longest wait is in the last bin. `bins` is by default the cube root of
    the number of customers, rounded up, at most 60. The total comes first, then one row per group; without customers it
    has zero and nulls. Of more than 1,000 waits, ranks and bins are right to 1 in 1,000, or with `exact` exact. In an
    unordered funnel, step `k` is the k-th to be reached. Raises `DefinitionError` for an unknown step, a `to_step`
    before `from_step`, and maturity `survival`.

    >>> from analytics import Paths
    >>> shop = Paths.from_text({"ann": "visit@0m pay@2m", "bo": "visit@0m pay@4m"}, end="60d")
    >>> time_to_convert(shop, Funnel(["visit", "pay"]))["average_wait"].item()
    datetime.timedelta(seconds=180)
    """
    last = _last_step(definition, from_step, to_step)
    _check_counted(definition)
    if bins is not None and bins < 1:
        raise DefinitionError("A histogram has at least one bin.", found=str(bins))
    paths, scan = bound(paths, definition)
    return run(paths, WaitCounts(scan, (), from_step, last, bins), exact=exact)
