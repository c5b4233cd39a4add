"""What has changed since the last report? Its measures beside those of this one, and why they differ.

Both reports are given as their `site.json`, so that nothing but published numbers is compared. Reports of different
definitions are not compared: the definitions that changed are named instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl

from reports.questions.answers import Answers
from reports.questions.definitions import changed_definitions
from reports.questions.intervals import difference
from reports.words.numbers import count, percent, points, points_interval, quoted, wait, wait_shift
from reports.words.tables import Table

COUNT, SHARE, TIME = "count", "share", "time"
SINCE: Final = pl.Schema(
    {
        "measure": pl.String,
        "kind": pl.String,
        "before": pl.Float64,
        "now": pl.Float64,
        "difference": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "clear": pl.Boolean,
        "cause": pl.String,
    }
)
OVER: Final = timedelta(days=37)
"""A week that began so long before the end of the data is over, with a month to reach the goal."""
Measures = list[dict[str, Any]]


def measures_of(answers: Answers) -> Measures:
    """The measures that reports are compared by: name, kind, value, and for a share its interval."""
    stages = answers.stages.to_dicts()
    goal = stages[-1]
    found = [_measure("Mature journeys", COUNT, stages[0]["entered"])]
    found.append(_share(f"Reach {quoted(answers.goal)}", goal, "share_of_entered", ("_low", "_high")))
    found += [
        _share(f"Going on to {quoted(row['name'])}", row, "share_of_previous", ("_low", "_high")) for row in stages[1:]
    ]
    if answers.pace is not None:
        found.append(_measure("Median time to the goal", TIME, answers.pace.median / timedelta(days=1)))
    if answers.voice is not None:
        for row in answers.voice.to_dicts():
            ends = {"satisfied": row["satisfied"], "satisfied_low": row["low"], "satisfied_high": row["high"]}
            found.append(_share(f"Satisfied at {quoted(row['stage'])}", ends, "satisfied", ("_low", "_high")))
    return [each for each in found if each["value"] is not None]


def _measure(name: str, kind: str, value: float | None, low: float | None = None, high: float | None = None) -> Any:
    return {"measure": name, "kind": kind, "value": value, "low": low, "high": high}


def _share(name: str, row: Mapping[str, Any], column: str, ends: tuple[str, str]) -> Any:
    return _measure(name, SHARE, row[column], *(row[f"{column}{end}"] for end in ends))


def since(now: Mapping[str, Any], before: Mapping[str, Any]) -> pl.DataFrame | None:
    """Every measure that both reports have (`SINCE`); null where a definition changed.

    `before`, `now` and `difference` are a count, a share of 1, or days; `low` and `high` the 95 % interval of a
    difference of shares, combined of both intervals by Newcombe's method as if the reports had no journeys in common:
    too wide rather than too narrow. `clear`: it leaves out zero.
    """
    if changed_definitions(now, before) != []:
        return None
    why, earlier = ", ".join(causes(now, before)), {each["measure"]: each for each in before.get("measures", ())}
    rows = []
    for each in now.get("measures", ()):
        if (then := earlier.get(each["measure"])) is not None:
            change, low, high = _changed(each, then)
            clear = None if low is None or high is None else low > 0 or high < 0
            values = (then["value"], each["value"], change, low, high, clear, why if change else "")
            rows.append((each["measure"], each["kind"], *values))
    return pl.DataFrame(rows, SINCE, orient="row")


def _changed(now: Mapping[str, Any], then: Mapping[str, Any]) -> tuple[float, float | None, float | None]:
    """The difference with its interval, which is null where one of both has none."""
    if any(each[end] is None for each in (now, then) for end in ("low", "high")):
        return now["value"] - then["value"], None, None
    one, other = ((each["value"], each["low"], each["high"]) for each in (now, then))
    return difference(one, other)


def causes(now: Mapping[str, Any], before: Mapping[str, Any]) -> list[str]:
    """Why two reports of equal definitions differ: `period`, `late data`, `customers`.

    Period: the data end later. Late data: the counts of a week that was over in both reports moved. Customers: people
    decided which identities are one customer, or their attributes came. Where none of these is known, late data.
    """
    found = []
    end, ended = (_moment(each.get("end_of_data")) for each in (now, before))
    if end and ended and end > ended:
        found.append("period")
    if _closed_weeks_moved(now, before, ended):
        found.append("late data")
    versions = [each.get("versions", {}) for each in (now, before)]
    if any(versions[0].get(table) != versions[1].get(table) for table in ("links", "profiles")):
        found.append("customers")
    return found or ["late data"]


def _closed_weeks_moved(now: Mapping[str, Any], before: Mapping[str, Any], ended: datetime | None) -> bool:
    """Whether a week that was over in the earlier report has other counts now."""
    counts, earlier = now.get("counts", {}), before.get("counts", {})
    return any(
        name in earlier and cells != earlier[name]
        for name, cells in counts.items()
        if name.startswith("week ") and ended and _moment(f"{name[5:]}T00:00:00+00:00") < ended - OVER
    )


def _moment(text: str | None) -> Any:
    return None if text is None else datetime.fromisoformat(text)


def not_compared(changed: list[str] | None) -> str:
    """The sentence about reports of different definitions.

    >>> not_compared(["goal", "window"])
    'The definition changed (goal, window): the numbers are not compared.'
    """
    which = "" if not changed else f" ({', '.join(changed)})"
    return f"The definition changed{which}: the numbers are not compared."


def since_headline(frame: pl.DataFrame) -> str:
    """The clearest change as a title; one that says so where nothing clearly changed."""
    clear = frame.filter("clear")
    if clear.is_empty():
        return "Nothing has clearly changed since the last report"
    row = clear.sort(pl.col("difference").abs(), descending=True).row(0, named=True)
    return f"{row['measure']}: {points(row['difference'])} since the last report"


def since_table(frame: pl.DataFrame) -> Table:
    """Measures before and now."""
    rows = [
        (
            row["measure"],
            _shown(row["before"], row["kind"]),
            _shown(row["now"], row["kind"]),
            _moved(row["difference"], row["kind"]),
            points_interval(row["low"], row["high"]),
            row["cause"],
        )
        for row in frame.iter_rows(named=True)
    ]
    heads = ("Measure", "Last report", "This report", "Difference", "95 % interval", "Cause")
    return Table(heads, tuple(rows), words=(0, 5))


def _shown(value: float, kind: str) -> str:
    if kind == COUNT:
        return count(int(value))
    return percent(value) if kind == SHARE else wait(timedelta(days=value))


def _moved(difference: float, kind: str) -> str:
    if kind == COUNT:
        return f"{'+' if difference > 0 else '−' if difference < 0 else '±'}{count(abs(int(difference)))}"
    return points(difference) if kind == SHARE else wait_shift(difference)
