"""What has become unusual, in the periods that are over and have arrived?

Every job (one per period) tests all series and runs of its newest period together (`analytics.monitoring.series`), and
folds what is unusual into incidents (`analytics.monitoring.incidents`). A period in which a channel has unusually few
touches is told as missing or late data of that channel, and no share in which the channel takes part is tested on it,
for at most seven periods in a row. The answer is a function of the paths: to watch twice adds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.local.calendar import next_period_start, period_start, zone_named
from analytics.monitoring.arrivals import over_and_arrived, waited_for
from analytics.monitoring.incidents import (
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
from analytics.monitoring.series import JobTests, Table, corrected, job_tests
from analytics.monitoring.watch_counts import CHANNEL, MAX_VALUES, watch_counts
from analytics.monitoring.watched_pairs import WatchedPairs, watched_pairs
from analytics.statistics.expected import WEEKDAYS
from analytics.statistics.intervals import normal_quantile
from analytics.store.columns import TIME
from analytics.store.paths import Paths
from expectations.config.durations import duration
from expectations.errors import DefinitionError

LEVEL: Final = 0.01
FLOOR: Final = 0.05
FLOOR_OF_COUNTS: Final = 0.2
ENOUGH_GOALS: Final = 50
"""Goals at stake from which on no floor applies."""
MISSING_PERIODS: Final = 7
SILENT_PERIODS: Final = 14
SILENT_TOUCHES: Final = 10
"""Touches a period from which on none at all is no chance."""
HEARD_PERIODS: Final = 21
HEARD_TOUCHES: Final = 5
MAX_TESTS: Final = 100_000
VOLUMES: Final = ("touchpoint", "channel")
WORSE_UP: Final = ("errors", "slow pages", "survey")
"""Fewer errors, slow pages and low answers are no alert."""
SERIES: Final = ("measure", "name", "by", "group")

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
        "customers": pl.Int64(),
        "customers_counted": pl.Int64(),
        "customers_not_counted": pl.Int64(),
    }
)
_NOT_TESTED: dict[str, pl.DataType] = {"channel": pl.String(), "since": TIME, "until": TIME, "reason": pl.String()}
NOT_TESTED: Final = pl.Schema(_NOT_TESTED)


@dataclass(frozen=True)
class WatchRun:
    """What watching has found: `alerts`, the periods `not_tested` of channels, the last period that was tested.

    `tests` is the number of tests of the last job, `periods` the number of jobs.
    """

    alerts: pl.DataFrame
    not_tested: pl.DataFrame
    tested_until: datetime | None
    tests: int
    periods: int


def watch(
    paths: Paths,
    *,
    groups: Sequence[str] | None = None,
    period: Literal["day", "week"] = "day",
    timezone: str = "UTC",
    window: str | timedelta = "7d",
    lateness: Mapping[str, timedelta] | None = None,
    level: float = LEVEL,
) -> WatchRun:
    """Watches everything that is worth it: pairs of touchpoints, stages, the goal, volumes, errors, answers.

    `groups` are the columns that shares are also watched by, by default channel and device where there are such;
    `period` is day or week, of `timezone`; `window` that of stages and of the goal; `lateness` that of every channel
    (`channel_lateness`), an hour where it is not known. A series is reported when its corrected p-value is below
    `level` and it is off by 5 points, by a fifth of a count, or by 50 goals.

    `alerts` has one row per incident, the newest first: `alert` (a stable id: what opened it, and since when), `status`
    (open, closed), `rule` (unusual, missing, silent, unheard), `measure`, `name`, `by`, `group` (null in all) of the
    series that carries it; `period`; `since`, `until` (the start of its first and last period), `opened`, `closed` (of
    the job that told so) Datetime(us, UTC); `seen` out of `of` Int64 in these periods (`of` null for volumes);
    `expected` Float64 (a share, or touches), `expected_low`, `expected_high` (95 % of what may be seen);
    `p_corrected`, `at_stake` (cases less than expected), `goals_at_stake` with its 95 % interval; `folded` (the other
    series in it); `customers`, `customers_counted`, `customers_not_counted` Int64: at least so many distinct ones.
    `not_tested` has the periods of channels whose data are missing or late. Without touches there are no rows. Raises
    `DefinitionError` for another period or level, unknown columns, and more than 100,000 tests a job.

    >>> found = watch(Paths.from_text({"ann": "look@0d buy@1d"}, end="9d"))
    >>> found.alerts.height, found.periods
    (0, 9)
    """
    if period not in ("day", "week"):
        raise DefinitionError("Watches are of days or weeks.", expected="day or week", found=repr(period))
    if not 0 < level < 1:
        raise DefinitionError("The level of watches is a probability.", expected="between 0 and 1", found=str(level))
    if not len(paths) or paths.end_of_data is None:
        return WatchRun(pl.DataFrame(schema=ALERTS), pl.DataFrame(schema=NOT_TESTED), None, 0, 0)
    chosen = groups if groups is not None else [name for name in (CHANNEL, "device") if _is_group(paths, name)]
    flow = watched_pairs(paths)
    counts = watch_counts(paths, flow.pairs, groups=chosen, period=period, timezone=timezone, window=window)
    late = lateness or {}
    job = _Jobs(counts, flow, paths.end_of_data, period, timezone, duration(window), late, level)
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
    flow: WatchedPairs
    end_of_data: datetime
    period: str
    timezone: str
    window: timedelta
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
        self.missing: dict[str, list[int]] = {}
        self.flows = Flows(self.flow.follows)
        self.last_tests = 0
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
        windows = {pair.name: pair for pair in self.flow.pairs}
        all_channels: dict[str, int] = {}
        for by_channel in self.flow.channels.values():
            for channel, n in by_channel.items():
                all_channels[channel] = all_channels.get(channel, 0) + n
        values: list[list[tuple[Any, ...]]] = [[], []]
        for key, own_rows in rows.partition_by(SERIES, as_dict=True, maintain_order=True).items():
            measure, name, by, group = (None if one is None else str(one) for one in key)
            assert measure is not None
            assert name is not None
            pair, table = windows.get(name) if measure == "pair" else None, int(measure in VOLUMES)
            touches = self._touches(measure, name, (pair.source, pair.target) if pair else (), all_channels)
            if by == CHANNEL and group is not None and measure in ("errors", "slow pages"):
                touches = {group: 1}
            window = pair.window if pair else self.window if measure in ("stage", "goal") else timedelta(0)
            wait = waited_for(touches, self.lateness)
            own: NDArray[Any] = own_rows[" place"].to_numpy()
            numbers = np.zeros((4, self.size))
            for n, column in enumerate(("of", "count", "went", "won")):
                numbers[n, own] = own_rows[column].to_numpy()
            people = np.zeros((3, self.size), np.int64)
            for n, column in enumerate(("customers", "customers_counted", "customers_not_counted")):
                people[n, own] = own_rows[column].to_numpy()
            usable = np.array(
                [
                    over_and_arrived(self.starts[n + 1], self.end_of_data, window=window, waited=wait)
                    for n in range(self.size)
                ]
            )
            usable[: max(1, int(own.min()))] = False
            delay = (window + wait) // self.length
            self.series.append(
                Watched(
                    measure, name, by, group, table, len(values[table]), delay,
                    source=pair.source if pair else None, target=pair.target if pair else None,
                    floor=FLOOR_OF_COUNTS if table else FLOOR,
                    direction="up" if measure in WORSE_UP or "error" in name.lower() else "both",
                )
            )  # fmt: skip
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
            clumps = arrays[0].sum(axis=1) / people_of if table and own_values else None
            self.tables.append(Table(arrays[0], arrays[1], arrays[4].astype(bool), table == 0, positions, clumps))
            self.arrived.append(self.tables[-1].usable.copy())
            self.goals.append((arrays[2], arrays[3]))
        self.number = {(one.table, one.row): n for n, one in enumerate(self.series)}

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
            return WatchRun(pl.DataFrame(schema=ALERTS), pl.DataFrame(schema=NOT_TESTED), None, 0, 0)
        tested = [n for table in self.tables for n in np.flatnonzero(table.usable.any(axis=0))]
        until = self.starts[int(max(tested))].astimezone(UTC) if tested else None
        rows = [self.reports.get(each.alert) or self._row(each) for each in self.incidents] + self._heard()
        table = pl.DataFrame(rows, schema=ALERTS, orient="row").sort("opened", "since", descending=True)
        return WatchRun(table, self._missing_periods(), until, self.last_tests, self.size)

    def _data_first(self, job: int) -> None:
        """Finds the channels with unusually few touches, and takes the shares of their period out of the tests."""
        table = self.tables[1]
        found = job_tests(table, job)
        mine = np.array([self.series[self.number[1, int(row)]].measure == "channel" for row in found.row], bool)
        own = JobTests(*(column[mine] for column in found[:-1]), usual=0)  # type: ignore[misc]
        for n, p in enumerate(corrected(own)[0]):
            low = own.mean[n] - own.seen[n]
            if p < self.level and low >= FLOOR_OF_COUNTS * own.mean[n]:
                self._is_missing(self.number[1, int(own.row[n])], job)

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
        found = [job_tests(table, job) for table in self.tables]
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
            for n in np.flatnonzero(adjusted < self.level):
                number, length = self.number[table, int(tests.row[n])], int(tests.length[n])
                z = float((tests.seen[n] - tests.mean[n]) / tests.error[n])
                each = Unusual(number, job - length + 1, job, z, float(tests.p_value[n]))
                if self._is_large(each, tests, int(n)) and abs(z) > abs(unusual[number].z if number in unusual else 0):
                    unusual[number] = each
        rest = []
        for each in sorted(unusual.values(), key=lambda one: -abs(one.z)):
            if not self._fold(each):
                rest.append(each)
        while rest:  # what is left is corrected without what incidents explain
            p = min((one.p_value * total / rank, rank) for rank, one in enumerate(_by_p(rest), 1))[0]
            if p >= self.level:
                return
            self._open(rest.pop(0), min(p, 1.0))
            rest = [one for one in rest if not self._fold(one)]

    def _is_large(self, run: Unusual, tests: JobTests, n: int) -> bool:
        series = self.series[run.number]
        gap = tests.seen[n] - tests.mean[n]
        if (series.direction == "down" and gap > 0) or (series.direction == "up" and gap < 0):
            return False
        whole = tests.of[n] if series.table == 0 else tests.mean[n]
        goals = abs(gap) * self._goals_each(run.number, run.last) if series.table == 0 else 0.0
        return bool(abs(gap) >= series.floor * whole or goals >= ENOUGH_GOALS)

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
        words = [series.name, *(word for word in (series.by, series.group) if word), f"{self.starts[first]:%Y-%m-%d}"]
        incident = Incident(run.number, first, last, run.last, p, run.z, since=first, members=[run.number])
        incident.alert = "/".join(words)
        self.incidents.append(incident)
        self._flag(run.number, first, last)

    def _carry(self, incident: Incident, job: int) -> None:
        """Picks the clearest member, over the days of the incident that it has."""

        def clear(number: int) -> tuple[int, float]:
            series = self.series[number]
            return RANK.get(series.measure, 0), abs(self._score(number, incident, job))

        incident.carrier = max(incident.members, key=clear)
        incident.z = self._score(incident.carrier, incident, job) or incident.z

    def _score(self, number: int, incident: Incident, job: int) -> float:
        series = self.series[number]
        table = self.tables[series.table]
        first, last = incident.first + series.delay, min(incident.last + series.delay, job, self.size - 1)
        if first > last:
            return 0.0
        rows = np.array([series.row])
        past, _ = table.past(rows, first)
        outlook, seen = table.outlook(past, rows, first, last), table.seen(rows, first, last)
        error = np.sqrt(past.phi * outlook.chance + outlook.level)
        return float((seen - outlook.mean)[0] / error[0]) if error[0] > 0 else 0.0

    def _flag(self, number: int, first: int, last: int) -> None:
        series = self.series[number]
        begin, end = max(first + series.delay, 0), min(last + series.delay, self.size - 1)
        self.tables[series.table].flagged[series.row, begin : end + 1] = True

    def _follow(self, incident: Incident, job: int) -> None:
        """Finds the days of an incident anew, and closes it where the newest are usual."""
        series = self.series[incident.carrier]
        table, delay = self.tables[series.table], series.delay
        newest = job - delay
        start = max(incident.since - LEAD, 1)
        if newest < incident.first or not table.usable[series.row, job]:
            return
        days = (incident.first + delay, min(incident.last + delay, job))
        ratios = likelihoods(table, series.row, days, start + delay, job)
        first, last = most_unlikely(ratios)
        incident.first, incident.last = start + first, start + last
        since_then = ratios[last + 1 :].sum()
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
            "rule": "unusual",
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
            **dict(zip(("customers", "customers_counted", "customers_not_counted"), people.tolist(), strict=True)),
        }

    def _label(self, number: int) -> str:
        series = self.series[number]
        return series.name if series.by is None else f"{series.name}, {series.by} {series.group}"

    def _start(self, period: int) -> datetime:
        return self.starts[period].astimezone(UTC)

    def _heard(self) -> list[dict[str, Any]]:
        """Touchpoints that fell silent, and those that were never heard of before."""
        rows = []
        for series in self.series:
            if series.measure != "touchpoint":
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
