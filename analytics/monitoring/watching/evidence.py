"""What an incident looks like day by day, and what rose with it.

The **days** of an incident are those of the series that carries it, beside all other cases of the same measure. What
**rose with it** are touchpoints, and errors, slow pages and low answers of its group or in all, of which there were
more in its days than their own past leads to expect: by a fifth at least, all of one incident tested together
(Benjamini-Hochberg). It stands beside the incident; it is no cause.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.monitoring.watching.incidents import Watched
from analytics.monitoring.watching.series import MIN_WEEKS, Table
from analytics.statistics.corrections import benjamini_hochberg
from analytics.statistics.expected import MIN_CASES
from analytics.statistics.intervals import normal_quantile
from analytics.store.columns import TIME

LEVEL: Final = 0.01
LEAST_RISE: Final = 1.2
MAX_ROWS: Final = 3
ERRORS: Final = "errors"
ERROR: Final = "error"
"""What the name of a touchpoint holds that is an error."""
RISE: Final = (ERRORS, "slow pages", "survey", "touchpoint")
PEOPLE: Final = ("customers", "customers_counted", "customers_not_counted")

ALERT_DAYS: Final = pl.Schema(
    {
        "alert": pl.String(),
        "period": TIME,
        "of": pl.Int64(),
        "seen": pl.Int64(),
        "expected": pl.Float64(),
        "expected_low": pl.Float64(),
        "expected_high": pl.Float64(),
        "others_of": pl.Int64(),
        "others_seen": pl.Int64(),
        **dict.fromkeys(PEOPLE, pl.Int64()),
    }
)
ROSE_WITH: Final = pl.Schema(
    {
        "alert": pl.String(),
        "measure": pl.String(),
        "name": pl.String(),
        "by": pl.String(),
        "group": pl.String(),
        "seen": pl.Int64(),
        "of": pl.Int64(),
        "expected": pl.Float64(),
        "p_corrected": pl.Float64(),
        **dict.fromkeys(PEOPLE, pl.Int64()),
    }
)


class Evidence:
    """The series of a watch with their counts, asked about one series on some days; days are numbers of periods."""

    def __init__(
        self,
        series: Sequence[Watched],
        tables: Sequence[Table],
        people: Sequence[NDArray[np.int64]],
        starts: Sequence[datetime],
    ) -> None:
        self.series, self.tables, self.people, self.starts = series, tables, people, starts
        self.number = {(one.measure, one.name, one.by, one.group): n for n, one in enumerate(series)}

    def days(self, alert: str, carrier: int, first: int) -> list[dict[str, Any]]:
        """The periods of a series that are over and have arrived, by the past before period `first`."""
        series = self.series[carrier]
        table, rows, delay = self.tables[series.table], np.array([series.row]), series.delay
        past, periods = table.past(rows, first + delay)
        is_known = past.cases[0] >= MIN_CASES and periods[0] >= MIN_WEEKS * table.positions
        whole = self.series[self.number.get((series.measure, series.name, None, None), carrier)]
        reach = normal_quantile(0.95)
        found = []
        for job in range(delay, table.of.shape[1]):
            if not table.usable[series.row, job]:
                continue
            of, seen = table.of[series.row, job], table.count[series.row, job]
            row = {"alert": alert, "period": self.starts[job - delay], "of": round(of), "seen": round(seen)}
            if is_known and (of or not table.is_share):
                outlook = table.outlook(past, rows, job, job)
                error = reach * float(np.sqrt(past.phi * outlook.chance + outlook.level)[0])
                mean, size = float(outlook.mean[0]), of if table.is_share else 1.0
                row |= {"expected": mean / size, "expected_low": max(0.0, mean - error) / size}
                row["expected_high"] = (min(mean + error, of) if table.is_share else mean + error) / size
            people = self.people[carrier][:, job - delay]
            row |= dict(zip(PEOPLE, people.tolist(), strict=True))
            if series.by is not None:
                row["others_of"] = round(table.of[whole.row, job] - of)
                row["others_seen"] = round(table.count[whole.row, job] - seen)
            found.append(row)
        return found

    def rose_with(self, alert: str, carrier: int, first: int, last: int) -> list[dict[str, Any]]:
        """What rose in the periods `first` to `last` of an incident: shares before touchpoints, then the clearest."""
        own = self.series[carrier]
        rows = [row for number in self._may_rise(own) if (row := self._rise(number, first, last)) is not None]
        p_values = benjamini_hochberg([row.pop("p_value") for row in rows])
        tested = [{"alert": alert, **row, "p_corrected": float(p)} for row, p in zip(rows, p_values, strict=True)]
        clear = [row for row in tested if row["p_corrected"] < LEVEL and row["seen"] >= LEAST_RISE * row["mean"]]
        if any(row["measure"] == ERRORS for row in clear):  # errors are told once
            clear = [row for row in clear if row["measure"] == ERRORS or ERROR not in row["name"].lower()]
        ordered = sorted(clear, key=lambda row: (RISE.index(row["measure"]), -row["z"]))[:MAX_ROWS]
        return [{name: row[name] for name in ROSE_WITH} for row in ordered]

    def _may_rise(self, own: Watched) -> list[int]:
        """Touchpoints but for those of the pair; and shares of the incident's group, or in all."""
        found = []
        for number, one in enumerate(self.series):
            if one.measure not in RISE or (one.measure, one.name) == (own.measure, own.name):
                continue
            of_group = (one.measure, one.name, own.by, own.group)
            if one.measure == "touchpoint":
                if one.name not in (own.source, own.target):
                    found.append(number)
            elif self.number.get(of_group, self.number.get((one.measure, one.name, None, None))) == number:
                found.append(number)
        return found

    def _rise(self, number: int, first: int, last: int) -> dict[str, Any] | None:
        """A series in these periods, and what its past leads to expect; null where that cannot be said."""
        series = self.series[number]
        table, rows = self.tables[series.table], np.array([series.row])
        begin, end = first + series.delay, last + series.delay
        if end >= table.of.shape[1] or not table.usable[series.row, begin : end + 1].all():
            return None
        past, periods = table.past(rows, begin)
        if past.cases[0] < MIN_CASES or periods[0] < MIN_WEEKS * table.positions:
            return None
        outlook, seen = table.outlook(past, rows, begin, end), table.seen(rows, begin, end)
        mean, cases = float(outlook.mean[0]), float(outlook.cases[0])
        error = float(np.sqrt(past.phi * outlook.chance + outlook.level)[0])
        p_value = float(past.p_values(outlook, seen, periods=last - first + 1)[0])
        people = self.people[number][:, first : last + 1].max(axis=1)
        return {
            **{"measure": series.measure, "name": series.name, "by": series.by, "group": series.group},
            "seen": round(float(seen[0])),
            "of": round(cases) if table.is_share else None,
            "expected": mean / cases if table.is_share and cases else mean,
            **dict(zip(PEOPLE, people.tolist(), strict=True)),
            "mean": mean,
            "p_value": p_value if seen[0] > mean else 1.0,
            "z": (float(seen[0]) - mean) / error if error else 0.0,
        }
