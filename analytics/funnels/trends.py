"""How does conversion change over time, and how long does it take?

A **range** is a half-open interval of time, `start <= t < end`; a **period** is a range of the calendar. Both restrict
entries, not the touches that complete a chain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from analytics.engine.calendar import PERIODS, next_period_start, period_start, zone_named
from analytics.engine.conditions import one_of
from analytics.engine.run import run
from analytics.funnels.definition import Funnel
from analytics.funnels.entrants import entrants, entrants_of
from analytics.funnels.members import check_step
from analytics.funnels.scan import ChainScan, Reading
from analytics.statistics.intervals import wilson
from analytics.store.columns import TIME
from analytics.store.encoding import as_text
from analytics.store.frames import as_utc
from analytics.store.parts import Part
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

MAX_BINS: Final = 60


def trend(
    paths: Paths,
    definition: Funnel,
    *,
    period: str = "day",
    timezone: str = "UTC",
    from_step: int = 1,
    to_step: int | None = None,
    starts: Sequence[date] | None = None,
) -> pl.DataFrame:
    """The share of customers who get from one step to another, by the period of their entry.

    A customer counts once in every period with an entry, by the best chain that enters in it. Periods are those of
    `timezone`: hour, day, week (from Monday), week_sunday or month. `starts` lists the days or times at which periods
    begin (a time without a zone is read in `timezone`); by default all periods from the first entry to the last.

    Columns: those of `by`; `period` Datetime(us, timezone), its start; `entered`, `reached` Int64 (mature customers
    that reached `from_step`, and `to_step`, by default the last); `open` Int64; `share_of_entered` Float64 with `_low`,
    `_high`. A period without entries is a row of zeros, without `by`. Raises `DefinitionError` for an unknown period,
    zone or step, and for maturity `survival`.

    >>> from analytics import Paths
    >>> shop = Paths.from_text({"ann": "visit@0m pay@2d", "bo": "visit@1d"}, end="60d")
    >>> trend(shop, Funnel(["visit", "pay"]))["entered", "reached"].rows()
    [(1, 1), (1, 0)]
    """
    last = _last_step(definition, from_step, to_step)
    one_of("period", period, PERIODS)
    _check_counted(definition)
    analysis = ChainScan.of(paths, definition)
    counts = _counts_of(analysis, _bounds(analysis, period, zone_named(timezone), starts)).select(
        *definition.by,
        pl.col("period").dt.convert_time_zone(timezone),
        pl.col(f"reached_{from_step}").alias("entered"),
        pl.col(f"reached_{last}").alias("reached"),
        pl.col(f"open_{from_step}").alias("open"),
    )
    return _shares(counts, definition)


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
    groups = _counts_of(ChainScan.of(paths, definition), bounds)
    sums = groups.group_by("period").agg(pl.exclude("period", *definition.by).sum())
    periods = pl.DataFrame({"period": [start for start, _ in bounds]}, schema={"period": TIME})
    totals = periods.join(sums, on="period", how="left").with_columns(pl.exclude("period").fill_null(0), is_total=True)
    parted = groups.with_columns(is_total=False) if definition.by else groups.clear()
    counts = pl.concat([totals, parted], how="diagonal")
    steps = [_at_step(counts, definition, k) for k in range(1, len(definition.steps) + 1)]
    order = dict.fromkeys(["is_total"], True) | dict.fromkeys([*definition.by, "period", "step"], False)
    return pl.concat(steps).sort(list(order), descending=list(order.values()), nulls_last=True)


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


def _counts_of(analysis: ChainScan, ranges: Sequence[tuple[datetime, datetime]]) -> pl.DataFrame:
    """One row per group and range: `by`, `period` (its start), `reached_k` (mature) and `open_k` of every step."""
    scans = {start: analysis.within(start, end) for start, end in ranges}
    tables = run(analysis.paths, partial(_by_range, scans)) if scans else []
    by = list(analysis.definition.by)
    counts = [f"{state}_{k + 1}" for k in range(len(analysis.definition.steps)) for state in ("reached", "open")]
    empty = pl.DataFrame(schema={**dict.fromkeys(by, pl.String), "period": TIME, **dict.fromkeys(counts, pl.Int64)})
    together = pl.concat(tables) if tables else empty
    return together.group_by(*by, "period").agg(pl.col(counts).sum()).sort(*by, "period", nulls_last=True)


def _by_range(scans: Mapping[datetime, ChainScan], part: Part) -> pl.DataFrame:
    """Counts of one part for the entries of each range; the part is read once."""
    reading: Reading | None = None
    tables = []
    for start, scan in scans.items():
        reading = scan.read(part) if reading is None else scan.again(reading)
        tables.append(_reached(scan, reading).with_columns(pl.lit(start, TIME).alias("period")))
    return pl.concat(tables)


def _reached(scan: ChainScan, reading: Reading) -> pl.DataFrame:
    """Counts of one part for the entries of one range."""
    found, by = entrants_of(scan, reading), list(scan.definition.by)
    sums = [
        (pl.col(f"at_{k + 1}").is_not_null() & counted).sum().cast(pl.Int64).alias(f"{state}_{k + 1}")
        for k in range(len(scan.definition.steps))
        for state, counted in (("reached", pl.col("mature")), ("open", ~pl.col("mature")))
    ]
    return as_text(found.group_by(by).agg(sums) if by else found.select(sums), by)


def _shares(counts: pl.DataFrame, definition: Funnel) -> pl.DataFrame:
    bounds = wilson(counts["reached"], counts["entered"])
    return counts.select(
        *definition.by,
        "period",
        "entered",
        "reached",
        "open",
        (pl.col("reached") / pl.col("entered")).fill_nan(None).alias("share_of_entered"),
        pl.Series("share_of_entered_low", bounds.low).fill_nan(None),
        pl.Series("share_of_entered_high", bounds.high).fill_nan(None),
    )


def _bounds(
    analysis: ChainScan, period: str, zone: ZoneInfo, starts: Sequence[date] | None
) -> list[tuple[datetime, datetime]]:
    """Start and end of each requested period, in UTC, where an hour that is repeated in `timezone` is two periods."""
    if starts is None:
        entries = [table for table in run(analysis.paths, partial(_entry_times, analysis)) if len(table)]
        if not entries:
            return []
        times = pl.concat(entries).to_series().cast(pl.Datetime("us", "UTC")).dt.convert_time_zone(zone.key)
        first, final = times.min(), times.max()
        assert isinstance(first, datetime) and isinstance(final, datetime)
        moments = [period_start(first, period)]
        while (following := next_period_start(moments[-1], period)).astimezone(UTC) <= final.astimezone(UTC):
            moments.append(following)
    else:
        moments = [_moment(start, zone) for start in starts]
    return [(moment.astimezone(UTC), next_period_start(moment, period).astimezone(UTC)) for moment in moments]


def _moment(start: date, zone: ZoneInfo) -> datetime:
    """The moment at which a period begins, given as a day or a time."""
    if not isinstance(start, datetime):
        return datetime(start.year, start.month, start.day, tzinfo=zone)
    return start.astimezone(zone) if start.tzinfo else start.replace(tzinfo=zone)


def _entry_times(analysis: ChainScan, part: Part) -> pl.DataFrame:
    """The times of touches of the first step in the range."""
    return analysis.entries(part).to_frame()


def time_to_convert(
    paths: Paths, definition: Funnel, *, from_step: int = 1, to_step: int | None = None, bins: int | None = None
) -> pl.DataFrame:
    """How long customers take from one step to another, including waits of zero.

    Counts the reported chains of mature entrants that reach `to_step` (by default the last). Columns: those of `by`;
    `customers` Int64; `average_wait`, `median_wait`, `p90_wait` Duration(us); `origin`, `width` Duration(us) and
    `counts` List(Int64): bin `i` counts waits from `origin + i * width` up to, but not including, the start of the next
    bin; the longest wait is in the last bin. `bins` is by default the cube root of the number of customers, rounded up,
    at most 60. One row per group, or one row; without customers it has zero and nulls. In an unordered funnel, step `k`
    is the k-th to be reached. Raises `DefinitionError` for an unknown step, a `to_step` before `from_step`, and
    maturity `survival`.

    >>> from analytics import Paths
    >>> shop = Paths.from_text({"ann": "visit@0m pay@2m", "bo": "visit@0m pay@4m"}, end="60d")
    >>> time_to_convert(shop, Funnel(["visit", "pay"]))["average_wait"].item()
    datetime.timedelta(seconds=180)
    """
    last = _last_step(definition, from_step, to_step)
    _check_counted(definition)
    if bins is not None and bins < 1:
        raise DefinitionError("A histogram has at least one bin.", found=str(bins))
    analysis = ChainScan.of(paths, definition)
    waits = pl.concat(run(analysis.paths, partial(_waits, analysis, from_step, last)))
    by = list(definition.by)
    groups = waits.group_by(by).agg("wait").sort(by, nulls_last=True) if by else waits.select(pl.col("wait").implode())
    rows = [{**{name: row[name] for name in by}, **_histogram(row["wait"], bins)} for row in groups.to_dicts()]
    schema = {name: groups.schema[name] for name in by}
    wait = pl.Duration("us")
    ranks = dict.fromkeys(["average_wait", "median_wait", "p90_wait", "origin", "width"], wait)
    return pl.DataFrame(rows, schema={**schema, "customers": pl.Int64, **ranks, "counts": pl.List(pl.Int64)})


def _waits(analysis: ChainScan, first: int, last: int, part: Part) -> pl.DataFrame:
    by = list(analysis.definition.by)
    found = as_text(entrants(analysis, part), by).filter("mature")
    return found.select(*by, (pl.col(f"at_{last}") - pl.col(f"at_{first}")).alias("wait")).drop_nulls("wait")


def _histogram(waits: Sequence[int], bins: int | None) -> dict[str, object]:
    """Average, quantiles and bins of waits in microseconds."""
    if not waits:
        return {"customers": 0}
    values = np.asarray(waits, np.int64)
    count = bins or max(1, min(MAX_BINS, int(np.ceil(np.cbrt(len(values)) - 1e-9))))
    origin, second = int(values.min()), 1_000_000
    width = -(-(int(values.max()) - origin) // (count * second)) * second or 60 * second
    counts = np.bincount((values - origin) // width, minlength=count + 1)
    return {
        "customers": len(values),
        "average_wait": timedelta(microseconds=float(values.mean())),
        "median_wait": timedelta(microseconds=float(np.quantile(values, 0.5))),
        "p90_wait": timedelta(microseconds=float(np.quantile(values, 0.9))),
        "origin": timedelta(microseconds=origin),
        "width": timedelta(microseconds=width),
        "counts": counts.tolist(),
    }
