"""Does a day look like the days before it? Shares of event names, shares of values in columns, events by hour.

A day is compared only when it is settled: over, and for so long, in the data's own time, that late events are in. Only
settled days are in the baseline. So neither the day that is still filling nor late arrivals are taken for drift; a day
that late events change after all is measured and compared anew.

| measure                 | of the day                                               | expected                     |
| ----------------------- | -------------------------------------------------------- | ---------------------------- |
| `event_name.divergence` | Kullback-Leibler divergence of its shares of names, nats | at most `names`              |
| `<column>.given`        | share of rows with a value                               | as before, +/- `nulls`       |
| `hours.strayed`         | hours whose events are not within a factor of `volume`   | none                         |
|                         | of the median of that hour of the week                   |                              |

Hours that differ by less than four standard deviations of a Poisson count are not held against a day.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl

from expectations import contract
from expectations.checks import MEASURES
from expectations.defaults import between
from expectations.expectation import Expectation

if TYPE_CHECKING:
    from expectations.rules import Drift

_SMOOTHING: Final = 0.5
_SIGMAS: Final = 4.0
_AT_ONCE: Final = 4
"""Columns that are read at one time: a group of rows is held in memory with all the columns that are read."""


class Comparison(NamedTuple):
    """Numbers of a day, one row, and what is expected of them."""

    numbers: pl.DataFrame
    expectations: list[Expectation]


def measure(events: pl.LazyFrame) -> pl.DataFrame:
    """Measure every day of some events (columns and dtypes of `MEASURES`)."""
    held = [name for name in events.collect_schema() if name in contract.EVENTS and name != contract.EVENT_DATE]
    given = [_given(events, held[place : place + _AT_ONCE]) for place in range(0, len(held), _AT_ONCE)]
    rows = events.group_by(contract.EVENT_DATE).agg(pl.len().alias("count")).collect(engine="streaming")
    hour = pl.col(contract.OCCURRED_AT).dt.hour().cast(pl.String)
    parts = [
        rows.with_columns(pl.lit("rows").alias("measure"), pl.lit("").alias("key")),
        *given,
        _counted(events, pl.col(contract.EVENT_NAME).fill_null(""), "name"),
        _counted(events, hour, "hour"),
    ]
    tidy = [
        part.rename({contract.EVENT_DATE: "day"}).select(pl.col(name).cast(dtype) for name, dtype in MEASURES.items())
        for part in parts
    ]
    return pl.concat(tidy).sort("day", "measure", "key")


def settled(days: list[date], end_of_data: datetime | None, settle: timedelta) -> list[date]:
    """The days that are over, and have been for `settle` at the end of the data."""
    if end_of_data is None:
        return []
    midnight = time(tzinfo=UTC)
    return [day for day in days if datetime.combine(day, midnight) + timedelta(days=1) + settle <= end_of_data]


def compare(measures: pl.DataFrame, day: date, baseline: list[date], limits: Drift) -> Comparison | None:
    """What is expected of a day after the days of the baseline; None when they are fewer than `least_days`."""
    before = sorted(other for other in baseline if other < day)[-limits.days :]
    if len(before) < limits.least_days:
        return None
    now, then = measures.filter(pl.col("day") == day), measures.filter(pl.col("day").is_in(before))
    shares = _shares(now).join(_shares(then), on="key", how="inner", suffix="_then")
    shares = shares.filter((pl.col("share") > 0) | (pl.col("share_then") > 0)).sort("key")
    numbers = pl.DataFrame(
        {
            "event_name.divergence": [_divergence(now, then)],
            "hours.strayed": [_strayed(now, then, day, limits.volume)],
            **{f"{key}.given": [share] for key, share in shares.select("key", "share").iter_rows()},
        }
    )
    return Comparison(numbers, [*_overall(limits), *_as_given(shares, limits)])


def _overall(limits: Drift) -> list[Expectation]:
    names = f"shares of event names as in the days before, within a divergence of {limits.names:g}"
    hours = f"no hour beyond a factor of {limits.volume:g} of the same hours of the weeks before"
    return [
        between("event_name.divergence", None, limits.names, severity=limits.severity, note=names),
        between("hours.strayed", None, 0, severity=limits.severity, note=hours),
    ]


def _as_given(shares: pl.DataFrame, limits: Drift) -> list[Expectation]:
    note = f"as many rows with a value as before, give or take a share of {limits.nulls:g}"
    return [
        between(
            f"{key}.given", share - limits.nulls, share + limits.nulls, severity=limits.severity, note=f"{key}: {note}"
        )
        for key, share in shares.select("key", "share_then").iter_rows()
    ]


def _given(events: pl.LazyFrame, names: list[str]) -> pl.DataFrame:
    wide = events.group_by(contract.EVENT_DATE).agg(pl.col(name).count() for name in names).collect(engine="streaming")
    tall = wide.unpivot(names, index=contract.EVENT_DATE, variable_name="key", value_name="count")
    return tall.with_columns(pl.lit("given").alias("measure"))


def _counted(events: pl.LazyFrame, key: pl.Expr, name: str) -> pl.DataFrame:
    counted = events.group_by(contract.EVENT_DATE, key.alias("key")).agg(pl.len().alias("count"))
    return counted.with_columns(pl.lit(name).alias("measure")).collect(engine="streaming")


def _of(measures: pl.DataFrame, name: str) -> pl.DataFrame:
    return measures.filter(pl.col("measure") == name)


def _divergence(now: pl.DataFrame, then: pl.DataFrame) -> float:
    """Kullback-Leibler divergence in nats; half a count is added everywhere, so that a new name is not infinite."""
    counts = [_of(part, "name").group_by("key").agg(pl.col("count").sum()) for part in (now, then)]
    both = counts[0].join(counts[1], on="key", how="full", coalesce=True, suffix="_then").fill_null(0)
    p, q = ((pl.col(name) + _SMOOTHING) / (pl.col(name) + _SMOOTHING).sum() for name in ("count", "count_then"))
    return float(both.select((p * (p / q).log()).sum()).item() or 0.0)


def _shares(measures: pl.DataFrame) -> pl.DataFrame:
    """The median over the days of the share of rows with a value: one odd day does not move it."""
    rows = _of(measures, "rows").select("day", pl.col("count").alias("rows"))
    shares = _of(measures, "given").join(rows, on="day").with_columns((pl.col("count") / pl.col("rows")).alias("share"))
    return shares.group_by("key").agg(pl.col("share").median())


def _strayed(now: pl.DataFrame, then: pl.DataFrame, day: date, factor: float) -> int:
    """How many hours of the day have far more or fewer events than that hour of the week has."""
    days = then.select("day").unique()
    alike = days.filter(pl.col("day").dt.weekday() == day.isoweekday())
    alike = alike if alike.height >= 2 else days
    hours = pl.DataFrame({"key": [str(hour) for hour in range(24)]})
    grid = alike.join(hours, how="cross").join(_of(then, "hour"), on=["day", "key"], how="left")
    usual = grid.group_by("key").agg(pl.col("count").fill_null(0).median().alias("usual"))
    both = hours.join(usual, on="key").join(_of(now, "hour").select("key", "count"), on="key", how="left")
    count, expected = pl.col("count").fill_null(0), pl.max_horizontal("usual", pl.lit(_SMOOTHING))
    beyond = (count > factor * expected) | (count < expected / factor)
    by_chance = (count - expected).abs() <= _SIGMAS * expected.sqrt()
    return int(both.select((beyond & ~by_chance).sum()).item())
