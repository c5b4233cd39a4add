"""What has become unusual, in the periods that are over and have arrived?

Every job (one per period) tests all series and runs of its newest period together
(`analytics.monitoring.watching.series`), and folds what is unusual into incidents
(`analytics.monitoring.watching.incidents`). A period in which a channel has unusually few touches is told as missing or
late data of that channel, and no share in which the channel takes part is tested on it, for at most seven periods in a
row. The answer is a function of the paths: to watch twice adds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.local.calendar import next_period_start, period_start, zone_named
from analytics.monitoring.arrivals import over_and_arrived, waited_for
from analytics.monitoring.watching.asked_counts import PEOPLE, Wanted, watched_rows
from analytics.monitoring.watching.definition import (
    FLOOR,
    FLOOR_OF_COUNTS,
    LEVEL,
    VOLUMES,
    WORSE_UP,
    Watch,
    check_watch,
)
from analytics.monitoring.watching.evidence import ALERT_DAYS, ROSE_WITH, Evidence
from analytics.monitoring.watching.incidents import (
    CLEAR,
    LEAD,
    LONGEST,
    RANK,
    USUAL_PERIODS,
    Flows,
    Incident,
    Watched,
    likelihoods,
    most_unlikely,
)
from analytics.monitoring.watching.series import MIN_RUN, MIN_WEEKS, PAST_WEEKS, JobTests, Table, corrected, job_tests
from analytics.monitoring.watching.targets import Cases, missed_targets
from analytics.monitoring.watching.tripled import tripled
from analytics.monitoring.watching.watch_counts import CHANNEL, MAX_VALUES, is_watchable, watch_counts
from analytics.monitoring.watching.watched_pairs import WatchedPairs, watched_pairs
from analytics.statistics.expected import WEEKDAYS
from analytics.statistics.intervals import normal_quantile
from analytics.store.columns import TIME, TOUCHPOINT
from analytics.store.paths import Paths
from expectations.config.durations import duration
from expectations.errors import DefinitionError

ENOUGH_GOALS: Final = 50
"""Goals at stake from which on no floor applies."""
MISSING_PERIODS: Final = 7
SILENT_PERIODS: Final = 14
SILENT_TOUCHES: Final = 10
"""Touches a period from which on none at all is no chance."""
HEARD_PERIODS: Final = 21
HEARD_TOUCHES: Final = 5
MAX_TESTS: Final = 100_000
MOSTLY: Final = 0.5
"""A watch with fewer than 30 cases on more periods than this is not tested."""
NEAR_EMPTY: Final = 0.1
"""The share of the touches of a usual day that a closing day has at most."""
SERIES: Final = ("watch", "measure", "name", "by", "group", "source", "target", "window")
SHARES, COUNTS, TARGETS = range(3)
"""The tables of series: shares by their past, counts by their past, shares by their target."""

ALERTS: Final[pl.Schema] = pl.Schema(
    {
        "alert": pl.String(),
        "status": pl.String(),
        "rule": pl.String(),
        "measure": pl.String(),
        "name": pl.String(),
        "by": pl.String(),
        "group": pl.String(),
        "period": pl.String(),
        "since": TIME,
        "until": TIME,
        "opened": TIME,
        "closed": TIME,
        "seen": pl.Int64(),
        "of": pl.Int64(),
        "expected": pl.Float64(),
        "expected_low": pl.Float64(),
        "expected_high": pl.Float64(),
        "p_corrected": pl.Float64(),
        "at_stake": pl.Float64(),
        "goals_at_stake": pl.Float64(),
        "goals_at_stake_low": pl.Float64(),
        "goals_at_stake_high": pl.Float64(),
        "folded": pl.List(pl.String()),
        "source": pl.String(),
        "target": pl.String(),
        "stage": pl.String(),
        "window": pl.Duration("us"),
        "is_new_usual": pl.Boolean(),
        "customers": pl.Int64(),
        "customers_counted": pl.Int64(),
        "customers_not_counted": pl.Int64(),
        "watches": pl.List(pl.String()),
        "owners": pl.List(pl.String()),
    }
)
_NOT_TESTED: dict[str, pl.DataType] = {"channel": pl.String(), "since": TIME, "until": TIME, "reason": pl.String()}
NOT_TESTED: Final = pl.Schema(_NOT_TESTED)


@dataclass(frozen=True)
class WatchRun:
    """What watching has found: `alerts`, the periods `not_tested` of channels, the last period that was tested.

    `tests` is the number of tests of the last job, `periods` the number of jobs. `days` and `rose_with` have the
    evidence of alerts of the rule unusual (`analytics.monitoring.watching.evidence`). `unwatched` are the columns of
    groups that have too many values, `too_few` the names of watches with fewer than 30 cases in most periods.
    """

    alerts: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=ALERTS))
    not_tested: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=NOT_TESTED))
    tested_until: datetime | None = None
    tests: int = 0
    periods: int = 0
    days: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=ALERT_DAYS))
    rose_with: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=ROSE_WITH))
    unwatched: tuple[str, ...] = ()
    too_few: tuple[str, ...] = ()


def watch(
    paths: Paths,
    watches: Sequence[Watch] = (),
    *,
    groups: Sequence[str] | None = None,
    period: Literal["day", "week"] = "day",
    timezone: str = "UTC",
    window: str | timedelta = "7d",
    horizon: str | timedelta | None = None,
    lateness: Mapping[str, timedelta] | None = None,
    level: float = LEVEL,
) -> WatchRun:
    """Watches everything that is worth it: pairs of touchpoints, stages, the goal, volumes, errors, answers.

    `groups` are the columns that shares are also watched by, by default channel and device where there are such; those
    with more than 100 values are left out and named in `unwatched`;
    `period` is day or week, of `timezone`; `window` that of stages and of the goal; `horizon` (by default the window)
    the time to the goal in which one case that goes on is worth goals; `lateness` that of every channel
    (`channel_lateness`), an hour where it is not known. A series is reported when its corrected p-value is below
    `level` and it is off by 5 points, by a fifth of a count, or by 50 goals. `watches` are watched besides, by the same
    tests and corrected with them, each by its own period and bounds (`Watch`); one takes the place of the same series
    that is watched anyway.

    `alerts` has one row per incident, the newest first: `alert` (a stable id: what opened it, and since when), `status`
    (open, closed), `rule` (unusual, missing: of a channel, silent, unheard, tripled, below target, above target),
    `measure`, `name`, `by`, `group` (null in all) of the series that carries it; `period`; `since`, `until` (the start
    of its first and last period), `opened`, `closed` (of the job that told so) Datetime(us, UTC); `seen` out of `of`
    Int64 in these periods (`of` null for volumes); `expected` Float64 (a share, or touches), `expected_low`,
    `expected_high` (95 % of what may be seen); `p_corrected`, `at_stake` (cases less than expected), `goals_at_stake`
    with its 95 %
    interval; `folded` (the other series in it); `source`, `target`, `stage` String (of a pair, and the stage of its
    first touchpoint), `window` Duration (in which a case goes on), `is_new_usual` Boolean (it was closed as it lasts:
    it is what is usual now); `customers`, `customers_counted`, `customers_not_counted` Int64: at least so many distinct
    ones; `watches`, `owners` List(String): the names of the watches in it, the one that carries it first, and who owns
    them. Of a target, `expected` is it, and its periods are all that were judged against it. `not_tested` has the
    periods of channels whose data are missing or late. Without touches there are no rows. Raises `DefinitionError` for
    another period or level, unknown columns, more than 100,000 tests a job, two watches of one name, and for what
    `check_watch` refuses.

    >>> found = watch(Paths.from_text({"ann": "look@0d buy@1d"}, end="9d"))
    >>> found.alerts.height, found.periods
    (0, 9)
    """
    if period not in ("day", "week"):
        raise DefinitionError("Watches are of days or weeks.", expected="day or week", found=repr(period))
    if not 0 < level < 1:
        raise DefinitionError("The level of watches is a probability.", expected="between 0 and 1", found=str(level))
    if not len(paths) or paths.end_of_data is None:
        return WatchRun()
    _check_names(watches)
    for asked in watches:
        check_watch(paths, asked)
    chosen = groups if groups is not None else [name for name in (CHANNEL, "device") if _is_group(paths, name)]
    unwatched = tuple(name for name in chosen if name in paths.dictionaries and not is_watchable(paths, name))
    flow, within = watched_pairs(paths), duration(window)
    worth = within if horizon is None else duration(horizon)
    anyway = Wanted(
        (), flow.pairs, tuple(name for name in chosen if name not in unwatched), period, timezone, within, worth
    )
    found = []
    for length in dict.fromkeys([period, *(asked.period for asked in watches)]):
        own = tuple(asked for asked in watches if asked.period == length)
        wanted = replace(
            anyway if length == period else replace(anyway, pairs=(), groups=()), watches=own, period=length
        )
        found.append(_watched(paths, wanted, flow, lateness or {}, level))
    first, *rest = found
    alerts = [first.alerts, *(run.alerts.filter(pl.col("watches").list.len() > 0) for run in rest)]
    kept = pl.concat(alerts)
    return replace(
        first,
        alerts=kept.sort("opened", "since", "alert", descending=[True, True, False]),
        days=pl.concat([run.days.filter(pl.col("alert").is_in(kept["alert"].implode())) for run in found]),
        rose_with=pl.concat([run.rose_with.filter(pl.col("alert").is_in(kept["alert"].implode())) for run in found]),
        unwatched=unwatched,
        too_few=tuple(name for run in found for name in run.too_few),
    )


def _check_names(watches: Sequence[Watch]) -> None:
    names = [asked.name for asked in watches]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise DefinitionError(f"Two watches are called {name!r}.", expected="a name of its own for each")


def _watched(
    paths: Paths, wanted: Wanted, flow: WatchedPairs, lateness: Mapping[str, timedelta], level: float
) -> WatchRun:
    """What watching periods of one length finds."""
    counts = watch_counts(
        paths,
        wanted.all_pairs,
        groups=wanted.all_groups,
        touchpoints=wanted.touchpoints,
        period=wanted.period,
        timezone=wanted.timezone,
        window=wanted.window,
        horizon=wanted.horizon,
    )
    assert paths.end_of_data is not None
    rows = watched_rows(paths, counts, wanted)
    job = _Jobs(rows, wanted.watches, flow, paths.end_of_data, wanted.period, wanted.timezone, lateness, level)
    return job.run()


def _is_group(paths: Paths, name: str) -> bool:
    return name in paths.dictionaries and len(paths.dictionaries[name]) <= MAX_VALUES // 2


class Unusual(NamedTuple):
    """The clearest unusual run of a series in a job: its first and last job, standard errors, and p-value."""

    number: int
    first: int
    last: int
    z: float
    p_value: float


def _by_p(runs: Sequence[Unusual]) -> list[Unusual]:
    return sorted(runs, key=lambda one: one.p_value)


@dataclass
class _Jobs:
    """All jobs over the periods of the counts, oldest first."""

    counts: pl.DataFrame
    watches: tuple[Watch, ...]
    flow: WatchedPairs
    end_of_data: datetime
    period: str
    timezone: str
    lateness: Mapping[str, timedelta]
    level: float
    incidents: list[Incident] = field(default_factory=list)
    reports: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        zone = zone_named(self.timezone)
        first = self.counts["period"].min()
        assert isinstance(first, datetime)
        self.starts = [period_start(first.astimezone(zone), self.period)]
        while self.starts[-1] < self.end_of_data.astimezone(zone):
            self.starts.append(next_period_start(self.starts[-1], self.period))
        self.length = timedelta(days=7 if self.period == "week" else 1)
        self.size = len(self.starts) - 1
        self.series: list[Watched] = []
        self.channels: list[set[str]] = []
        self.tables: list[Table] = []
        self.arrived: list[NDArray[Any]] = []
        self.goals: list[tuple[NDArray[Any], NDArray[Any]]] = []
        self.over: dict[tuple[timedelta, timedelta], NDArray[np.bool_]] = {}
        self.missing: dict[str, list[int]] = {}
        self.flows = Flows(self.flow.follows)
        self.too_few: list[str] = []
        self.last_tests = 0
        self.highest_level = max([self.level, *(asked.level for asked in self.watches)])
        if self.size:
            self._fill()

    def _fill(self) -> None:
        number = {start.astimezone(UTC): n for n, start in enumerate(self.starts)}
        place = (
            self.counts["period"]
            .dt.convert_time_zone("UTC")
            .replace_strict(list(number), list(number.values()), default=None, return_dtype=pl.Int64)
        )
        rows = self.counts.with_columns(place.alias(" place")).filter(pl.col(" place") < self.size)
        all_channels: dict[str, int] = {}
        for by_channel in self.flow.channels.values():
            for channel, n in by_channel.items():
                all_channels[channel] = all_channels.get(channel, 0) + n
        values: list[list[tuple[Any, ...]]] = [[], [], []]
        for own_rows in rows.partition_by(SERIES, maintain_order=True):
            asked_by, measure, name, by, group, source, target, length = (own_rows.item(0, key) for key in SERIES)
            asked = None if asked_by is None else self.watches[asked_by]
            is_target = asked is not None and asked.rule == "target"
            table = TARGETS if is_target else COUNTS if measure in VOLUMES else SHARES
            touches = self._touches(measure, name, tuple(end for end in (source, target) if end), all_channels)
            if by == CHANNEL and group is not None and measure in ("errors", "slow pages"):
                touches = {group: 1}
            window = length or timedelta(0)
            wait = waited_for(touches, self.lateness)
            own: NDArray[Any] = own_rows[" place"].to_numpy()
            numbers = np.zeros((4, self.size))
            for n, column in enumerate(("of", "count", "went", "won")):
                numbers[n, own] = own_rows[column].to_numpy()
            people = np.zeros((3, self.size), np.int64)
            for n, column in enumerate(("customers", "customers_counted", "customers_not_counted")):
                people[n, own] = own_rows[column].to_numpy()
            usable = self._over(window, wait).copy()
            usable[: max(1, int(own.min()))] = False
            delay = (window + wait) // self.length
            usual = "up" if measure in WORSE_UP or "error" in name.lower() else "both"
            self.series.append(
                Watched(
                    measure, name, by, group, table, len(values[table]), delay,
                    watch=-1 if asked is None else asked_by, source=source, target=target, window=length,
                    floor=asked.floor if asked else FLOOR_OF_COUNTS if table == COUNTS else FLOOR,
                    direction=asked.direction if asked else usual, level=asked.level if asked else self.level,
                )
            )  # fmt: skip
            if asked is not None and table != COUNTS and (by is None or asked.only):
                there = numbers[0][usable]
                if len(there) and (there < MIN_RUN).mean() > MOSTLY and asked.name not in self.too_few:
                    self.too_few.append(asked.name)
            least = 0.01 * sum(touches.values())
            self.channels.append({channel for channel, n in touches.items() if n and n >= least})
            values[table].append((*(_later(each, delay) for each in numbers), _later(usable, delay), people))
        self.people = [values[one.table][one.row][5] for one in self.series]
        for table, own_values in enumerate(values):
            arrays = [
                np.array([value[n] for value in own_values]).reshape(len(own_values), self.size) for n in range(5)
            ]
            positions = WEEKDAYS if self.period == "day" else 1
            people_of = np.array([max(value[5][0].sum(), 1) for value in own_values], np.float64)
            clumps = arrays[0].sum(axis=1) / people_of if table == COUNTS and own_values else None
            self.tables.append(Table(arrays[0], arrays[1], arrays[4].astype(bool), table != COUNTS, positions, clumps))
            self.arrived.append(self.tables[-1].usable.copy())
            self.goals.append((arrays[2], arrays[3]))
        self.number = {(one.table, one.row): n for n, one in enumerate(self.series)}

    def _over(self, window: timedelta, wait: timedelta) -> NDArray[np.bool_]:
        """Which periods are over and have arrived, for what has this window and waits so long."""
        found = self.over.get((window, wait))
        if found is None:
            ends = self.starts[1:]
            over = [over_and_arrived(end, self.end_of_data, window=window, waited=wait) for end in ends]
            found = self.over[window, wait] = np.array(over, np.bool_)
        return found

    def _touches(self, measure: str, name: str, ends: tuple[str, ...], everything: dict[str, int]) -> dict[str, int]:
        """The touches of a measure by channel."""
        if measure == "channel":
            return {name: 1}
        named = ends or ((name,) if measure == "touchpoint" else ())
        if not named:
            return everything
        found: dict[str, int] = {}
        for touchpoint in named:
            for channel, n in self.flow.channels.get(touchpoint, {}).items():
                found[channel] = found.get(channel, 0) + n
        return found

    def run(self) -> WatchRun:
        """Runs every job, and reports."""
        for job in range(self.size):
            self._data_first(job)
            self._test(job)
            for incident in self.incidents:
                if incident.closed is None:
                    self._follow(incident, job)
            self._merge(job)
        if not self.size:
            return WatchRun()
        tested = [n for table in self.tables for n in np.flatnonzero(table.usable.any(axis=0))]
        until = self.starts[int(max(tested))].astimezone(UTC) if tested else None
        unusual = [self.reports.get(each.alert) or self._row(each) for each in self.incidents]
        table = pl.DataFrame(
            [*unusual, *self._heard(), *self._tripled(), *self._targets()], schema=ALERTS, orient="row"
        )
        return WatchRun(
            table.sort("opened", "since", "alert", descending=[True, True, False]),
            *(self._missing_periods(), until, self.last_tests, self.size),
            *self._evidence(unusual),
            too_few=tuple(self.too_few),
        )

    def _evidence(self, rows: list[dict[str, Any]]) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The days of incidents, and what rose with them."""
        starts = [start.astimezone(UTC) for start in self.starts]
        place = {start: n for n, start in enumerate(starts)}
        asked = Evidence(self.series, self.tables, self.people, starts)
        carriers = {incident.alert: incident.carrier for incident in self.incidents}
        days, rose_with = [], []
        for row in rows:
            first, last = place[row["since"]], place[row["until"]]
            carrier = carriers[row["alert"]]
            days += asked.days(row["alert"], carrier, first)
            rose_with += asked.rose_with(row["alert"], carrier, first, last)
        return (
            pl.DataFrame(days, schema=ALERT_DAYS, orient="row"),
            pl.DataFrame(rose_with, schema=ROSE_WITH, orient="row"),
        )

    def _data_first(self, job: int) -> None:
        """Finds the channels with unusually few touches, and takes the shares of their period out of the tests."""
        table = self.tables[COUNTS]
        found = job_tests(table, job)
        mine = np.array([self.series[self.number[COUNTS, int(row)]].measure == "channel" for row in found.row], bool)
        own = JobTests(*(column[mine] for column in found[:-1]), usual=0)  # type: ignore[misc]
        for n, p in enumerate(corrected(own)[0]):
            low = own.mean[n] - own.seen[n]
            if p < self.level and low >= FLOOR_OF_COUNTS * own.mean[n] and not self._is_closed(int(own.row[n]), job):
                self._is_missing(self.number[COUNTS, int(own.row[n])], job)

    def _is_closed(self, row: int, job: int) -> bool:
        """Whether the weekday is a closing day: always near empty in the last three weeks."""
        table, arrived = self.tables[COUNTS], self.arrived[COUNTS][row]
        alike = np.arange(job - MIN_WEEKS * table.positions, job, table.positions)
        if table.positions != WEEKDAYS or alike[0] < 0 or not arrived[alike].all():
            return False
        past = np.flatnonzero(arrived[:job])[-PAST_WEEKS * table.positions :]
        return bool(table.count[row, alike].max() <= NEAR_EMPTY * np.median(table.count[row, past]))

    def _is_missing(self, number: int, job: int) -> None:
        series = self.series[number]
        day = job - series.delay
        before = self.missing.setdefault(series.name, [])
        run = 0
        while day - run - 1 in before:
            run += 1
        if run >= MISSING_PERIODS:
            return
        before.append(day)
        for other, channels in enumerate(self.channels):
            if series.name in channels or (self.series[other].by, self.series[other].group) == (CHANNEL, series.name):
                own = self.series[other]
                if day + own.delay < self.size:
                    self.tables[own.table].usable[own.row, day + own.delay] = False

    def _test(self, job: int) -> None:
        found = [job_tests(table, job) for table in self.tables[:TARGETS]]
        total = sum(len(each.row) + each.usual for each in found)
        if total > MAX_TESTS:
            raise DefinitionError(
                "There is too much to watch.",
                expected=f"at most {MAX_TESTS:,} tests a period",
                found=f"{total:,} tests",
                do="watch fewer groups, or watch by week",
            )
        self.last_tests = total or self.last_tests
        unusual: dict[int, Unusual] = {}
        for table, (tests, adjusted) in enumerate(zip(found, corrected(*found), strict=True)):
            for n in np.flatnonzero(adjusted < self.highest_level):
                number, length = self.number[table, int(tests.row[n])], int(tests.length[n])
                if adjusted[n] >= self.series[number].level:
                    continue
                z = float((tests.seen[n] - tests.mean[n]) / tests.error[n])
                each = Unusual(number, job - length + 1, job, z, float(tests.p_value[n]))
                is_closed = table == COUNTS and z < 0 and self._is_closed(int(tests.row[n]), job)
                if is_closed or not self._is_large(each, tests, int(n)):
                    continue
                if (self.series[number].direction == "down" and z > 0) or (
                    self.series[number].direction == "up" and z < 0
                ):
                    self._pass_over(each)
                elif abs(z) > abs(unusual[number].z if number in unusual else 0):
                    unusual[number] = each
        rest = []
        for each in sorted(unusual.values(), key=lambda one: -abs(one.z)):
            if not self._fold(each):
                rest.append(each)
        while rest:  # what is left is corrected without what incidents explain
            p = min((one.p_value * total / rank, rank) for rank, one in enumerate(_by_p(rest), 1))[0]
            if p >= self.highest_level:
                return
            self._open(rest.pop(0), min(p, 1.0))
            rest = [one for one in rest if not self._fold(one)]

    def _is_large(self, run: Unusual, tests: JobTests, n: int) -> bool:
        series = self.series[run.number]
        gap = tests.seen[n] - tests.mean[n]
        whole = tests.of[n] if series.table == SHARES else tests.mean[n]
        goals = abs(gap) * self._goals_each(run.number, run.last) if series.table == SHARES else 0.0
        return bool(abs(gap) >= series.floor * whole or goals >= ENOUGH_GOALS)

    def _pass_over(self, run: Unusual) -> None:
        """Leaves a run on the side that is not told out of the past, until it is what is usual now."""
        series = self.series[run.number]
        table, first = self.tables[series.table], max(0, run.last - LONGEST + 1)
        table.flagged[series.row, run.first : run.last + 1] = True
        if run.last >= LONGEST and table.flagged[series.row, first : run.last + 1].all():
            table.since[series.row], table.flagged[series.row] = first, False

    def _goals_each(self, number: int, last: int) -> float:
        """Goals per case that goes on, of all cases so far."""
        series = self.series[number]
        went, won = (float(each[series.row, : last + 1].sum()) for each in self.goals[series.table])
        return won / went if went else 0.0

    def _fold(self, run: Unusual) -> bool:
        """Folds an unusual run into an incident that explains it; False without one."""
        series = self.series[run.number]
        first, last = run.first - series.delay, run.last - series.delay
        for incident in reversed(self.incidents):
            carrier = self.series[incident.carrier]
            instead = incident.z < 0 < run.z <= -incident.z
            agree = (run.z < 0) == (incident.z < 0) or instead
            explains = run.number in incident.members or incident.explains(first, last, run.z)
            if (
                incident.overlaps(first, last)
                and agree
                and explains
                and self.flows.related(carrier, series, instead=instead)
            ):
                if run.number not in incident.members:
                    incident.members.append(run.number)
                    if incident.closed is None:
                        self._carry(incident, run.last)
                self._flag(run.number, max(first, incident.first), last)
                return True
        return False

    def _merge(self, job: int) -> None:
        """Joins open incidents that have come to be carried by the same pair into the oldest of them."""
        for number, incident in enumerate(self.incidents):
            for other in self.incidents[number + 1 :]:
                mine, its = self.series[incident.carrier], self.series[other.carrier]
                same = (mine.measure, mine.name) == (its.measure, its.name)
                if same and other.closed is None and incident.overlaps(other.first, other.last):
                    incident.members += [each for each in other.members if each not in incident.members]
                    self.incidents.remove(other)
                    if incident.closed is None:
                        self._carry(incident, job)
                    self._merge(job)
                    return

    def _open(self, run: Unusual, p: float) -> None:
        series = self.series[run.number]
        first, last = run.first - series.delay, run.last - series.delay
        asked = [self.watches[series.watch].name] if series.watch >= 0 else []
        words = [
            *asked,
            series.name,
            *(word for word in (series.by, series.group) if word),
            f"{self.starts[first]:%Y-%m-%d}",
        ]
        incident = Incident(run.number, first, last, run.last, p, run.z, since=first, members=[run.number])
        incident.alert = "/".join(words)
        self.incidents.append(incident)
        self._flag(run.number, first, last)

    def _carry(self, incident: Incident, job: int) -> None:
        """Picks the clearest member, over the days of the incident that it has."""
        scores = self._scores(incident, job)
        there = [number for number in incident.members if scores[number]]  # the others have no case on these days
        if there:
            incident.carrier = max(there, key=lambda n: self._clearness(n, scores[n]))
            incident.z = scores[incident.carrier]

    def _clearness(self, number: int, z: float) -> tuple[int, float, bool]:
        """How well a series names an incident; where all cases are of one group, it is named with the group."""
        series = self.series[number]
        return RANK.get(series.measure, 0), abs(z), series.by is not None

    def _scores(self, incident: Incident, job: int) -> dict[int, float]:
        """The standard errors of every member over the days of the incident."""
        found = dict.fromkeys(incident.members, 0.0)
        alike: dict[tuple[int, int], list[int]] = {}
        for number in incident.members:
            series = self.series[number]
            alike.setdefault((series.table, series.delay), []).append(number)
        for (kind, delay), numbers in alike.items():
            first, last = incident.first + delay, min(incident.last + delay, job, self.size - 1)
            if first > last:
                continue
            table, rows = self.tables[kind], np.array([self.series[number].row for number in numbers])
            past, _ = table.past(rows, first)
            outlook, seen = table.outlook(past, rows, first, last), table.seen(rows, first, last)
            error = np.sqrt(past.phi * outlook.chance + outlook.level)
            z = np.divide(seen - outlook.mean, error, out=np.zeros(len(rows)), where=error > 0)
            found |= dict(zip(numbers, z.tolist(), strict=True))
        return found

    def _flag(self, number: int, first: int, last: int) -> None:
        series = self.series[number]
        begin, end = max(first + series.delay, 0), min(last + series.delay, self.size - 1)
        self.tables[series.table].flagged[series.row, begin : end + 1] = True

    def _follow(self, incident: Incident, job: int) -> None:
        """Finds the days of an incident anew, and closes it where the newest are usual."""
        series = self.series[incident.carrier]
        table, delay = self.tables[series.table], series.delay
        newest = job - delay
        least = int(table.since[series.row]) + MIN_WEEKS * table.positions - delay
        start = max(incident.since - LEAD, min(least, incident.since), 1)  # days without a past are none of it
        if newest < incident.first or not table.usable[series.row, job]:
            return
        days = (incident.first + delay, min(incident.last + delay, job))
        ratios = likelihoods(table, series.row, days, start + delay, job)
        if ratios.max() > 0:  # else no day is unlikely any more, and the days stay those that were
            first, last = most_unlikely(ratios)
            incident.first, incident.last = start + first, start + last
        since_then = ratios[incident.last + 1 - start :].sum()
        if newest - incident.last >= USUAL_PERIODS and since_then <= -CLEAR:
            incident.closed = job
        elif newest - incident.first >= LONGEST:
            incident.closed, incident.became_usual = job, True
        if incident.closed is not None:
            self.reports[incident.alert] = self._row(incident)
        for number in incident.members:
            if incident.became_usual:
                own = self.series[number]
                self.tables[own.table].since[own.row] = incident.first + own.delay
                self.tables[own.table].flagged[own.row] = False
            else:
                self._flag(number, incident.first, incident.last)

    def _row(self, incident: Incident) -> dict[str, Any]:
        series = self.series[incident.carrier]
        table, rows = self.tables[series.table], np.array([series.row])
        first = incident.first + series.delay
        last = min(incident.last + series.delay, self.size - 1)
        past, _ = table.past(rows, first)
        outlook, seen = table.outlook(past, rows, first, last), float(table.seen(rows, first, last)[0])
        reach = normal_quantile(0.95) * float(np.sqrt(past.phi * outlook.chance + outlook.level)[0])
        mean, of = float(outlook.mean[0]), float(outlook.cases[0])
        whole = of if table.is_share else 1.0
        gap, each = mean - seen, self._goals_each(incident.carrier, last) if table.is_share else 0.0
        people = self.people[incident.carrier][:, incident.first : incident.last + 1].max(axis=1)
        goals = [value * each for value in (gap, gap - reach, gap + reach)] if each else [None] * 3
        return {
            "alert": incident.alert,
            "status": "open" if incident.closed is None else "closed",
            "rule": "missing" if series.measure == "channel" and gap > 0 else "unusual",
            "measure": series.measure,
            "name": series.name,
            "by": series.by,
            "group": series.group,
            "period": self.period,
            "since": self._start(incident.first),
            "until": self._start(incident.last),
            "opened": self._start(incident.opened),
            "closed": None if incident.closed is None else self._start(incident.closed),
            "seen": round(seen),
            "of": round(of) if table.is_share else None,
            "expected": mean / whole,
            "expected_low": max(0.0, mean - reach) / whole,
            "expected_high": (min(mean + reach, of) if table.is_share else mean + reach) / whole,
            "p_corrected": incident.p_corrected,
            "at_stake": gap,
            **dict(zip(("goals_at_stake", "goals_at_stake_low", "goals_at_stake_high"), goals, strict=True)),
            "folded": [self._label(number) for number in incident.members if number != incident.carrier],
            **{"source": series.source, "target": series.target, "is_new_usual": incident.became_usual},
            **{"stage": self.flow.stages.get(series.source or ""), "window": series.window},
            **dict(zip(PEOPLE, people.tolist(), strict=True)),
            **self._asked([incident.carrier, *incident.members]),
        }

    def _asked(self, numbers: Sequence[int]) -> dict[str, list[str]]:
        """The watches that asked for series, and who owns them."""
        asked = [self.watches[own] for own in dict.fromkeys(self.series[n].watch for n in numbers) if own >= 0]
        owners = dict.fromkeys(one.owner for one in asked if one.owner)
        return {"watches": [one.name for one in asked], "owners": list(owners)}

    def _targets(self) -> list[dict[str, Any]]:
        """Shares that lie on the wrong side of their target, an alert for all jobs in a row that say so."""
        rows = []
        for number, series in enumerate(self.series):
            if series.table != TARGETS:
                continue
            asked, table = self.watches[series.watch], self.tables[TARGETS]
            assert asked.target is not None
            people = np.zeros(self.size)
            people[series.delay :] = self.people[number][0, : self.size - series.delay]
            cases = Cases(table.of[series.row], table.count[series.row], people, table.usable[series.row])
            for missed in missed_targets(cases, asked.target, asked.periods, asked.direction):
                begin, end = missed.first - series.delay, missed.last - series.delay
                words = [asked.name, series.name, *(word for word in (series.by, series.group) if word)]
                each = self._goals_each(number, missed.last)
                lost = [value * each if each else None for value in missed.less]
                most = self.people[number][:, begin : end + 1].max(axis=1)
                rows.append(
                    {
                        **dict.fromkeys(ALERTS),
                        **{"alert": "/".join([*words, f"{self.starts[begin]:%Y-%m-%d}"]), "period": self.period},
                        **{"status": "open" if missed.closed is None else "closed", "rule": missed.rule},
                        **{"measure": series.measure, "name": series.name, "by": series.by, "group": series.group},
                        **{"since": self._start(begin), "until": self._start(end)},
                        **{"opened": self._start(missed.opened), "seen": missed.seen, "of": missed.of},
                        **{"closed": None if missed.closed is None else self._start(missed.closed)},
                        **{"expected": asked.target, "at_stake": missed.less[0], "folded": []},
                        **dict(zip(("goals_at_stake", "goals_at_stake_low", "goals_at_stake_high"), lost, strict=True)),
                        **{"source": series.source, "target": series.target, "is_new_usual": False},
                        **{"stage": self.flow.stages.get(series.source or ""), "window": series.window},
                        **dict(zip(PEOPLE, most.tolist(), strict=True)),
                        **self._asked([number]),
                    }
                )
        return rows

    def _label(self, number: int) -> str:
        series = self.series[number]
        return series.name if series.by is None else f"{series.name}, {series.by} {series.group}"

    def _start(self, period: int) -> datetime:
        return self.starts[period].astimezone(UTC)

    def _heard(self) -> list[dict[str, Any]]:
        """Touchpoints that fell silent, and those that were never heard of before."""
        rows = []
        for series in self.series:
            if series.measure != "touchpoint" or series.by is not None:
                continue
            table = self.tables[series.table]
            shown = self.arrived[series.table][series.row]
            count = table.count[series.row]
            there = np.flatnonzero(count)
            first = int(there[0])
            missing = self._without(series)
            if first >= HEARD_PERIODS and shown[first] and count[first] >= HEARD_TOUCHES:
                rows.append(self._heard_row(series, "unheard", first, first, count[first], closed=first))
            for job in range(SILENT_PERIODS, self.size):
                before = slice(job - SILENT_PERIODS, job)
                often = count[before].all() and count[before].mean() >= SILENT_TOUCHES
                if often and shown[before].all() and shown[job] and not count[job] and job not in missing:
                    later = there[there > job]
                    closed = int(later[0]) if len(later) else None
                    last = (closed or int(np.flatnonzero(shown)[-1]) + 1) - 1
                    rows.append(self._heard_row(series, "silent", job, last, 0, closed=closed))
        return rows

    def _tripled(self) -> list[dict[str, Any]]:
        """Touchpoints that have tripled, but for those that an alert of these days tells already."""
        table, rows = self.tables[COUNTS], []
        own = [one.row for one in self.series if one.measure == TOUCHPOINT and one.by is None]
        for found in tripled(table, own, self.level):
            series = self.series[self.number[COUNTS, found.row]]
            first, last = found.first - series.delay, found.last - series.delay
            if any(
                self.series[each.carrier].name == series.name and each.overlaps(first, last) for each in self.incidents
            ):
                continue
            row = self._heard_row(series, "tripled", found.first, found.last, found.seen, closed=found.closed)
            most = self.people[self.number[COUNTS, found.row]][:, first : last + 1].max(axis=1)
            row |= {"opened": self._start(found.opened), "expected": found.expected, "p_corrected": found.p_corrected}
            rows.append(row | dict(zip(PEOPLE, most.tolist(), strict=True)))
        return rows

    def _without(self, series: Watched) -> set[int]:
        """The jobs of the periods in which no channel of a touchpoint has a touch."""
        own = self.flow.channels.get(series.name, {})
        if not own:
            return set()
        silent = np.ones(self.size, bool)
        for channel in self.series:
            if channel.measure == "channel" and channel.name in own:
                count = self.tables[channel.table].count[channel.row]
                silent[: self.size - channel.delay] &= count[channel.delay :] == 0
        return {int(period) + series.delay for period in np.flatnonzero(silent)}

    def _heard_row(
        self, series: Watched, rule: str, first: int, last: int, seen: float, *, closed: int | None
    ) -> dict[str, Any]:
        since = self.starts[first - series.delay]
        return {
            **dict.fromkeys(ALERTS),
            "alert": f"{rule}/{series.name}/{since:%Y-%m-%d}",
            "status": "open" if closed is None else "closed",
            "rule": rule,
            "measure": series.measure,
            "name": series.name,
            "period": self.period,
            "since": since.astimezone(UTC),
            "until": self._start(last - series.delay),
            "opened": self._start(first),
            "closed": None if closed is None else self._start(closed),
            "seen": int(seen),
            "folded": [],
            "is_new_usual": False,
            **self._asked([self.number[series.table, series.row]]),
        }

    def _missing_periods(self) -> pl.DataFrame:
        rows: list[tuple[Any, ...]] = []
        for channel, days in sorted(self.missing.items()):
            for day in sorted(days):
                if rows and rows[-1][0] == channel and rows[-1][2] == self._start(day - 1):
                    rows[-1] = (channel, rows[-1][1], self._start(day), rows[-1][3])
                else:
                    rows.append((channel, self._start(day), self._start(day), "missing or late data"))
        return pl.DataFrame(rows, schema=NOT_TESTED, orient="row")


def _later(values: NDArray[Any], periods: int) -> NDArray[Any]:
    """Values moved to the jobs that test them."""
    moved = np.zeros_like(values)
    if periods < len(values):
        moved[periods:] = values[: len(values) - periods]
    return moved
