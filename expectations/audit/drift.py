"""Drift: does a day look like the days before it? Compares event names, values in columns, and events by hour.

Only settled days are compared, with settled days before them (`day_measures`), so an incomplete day or late events are
not mistaken for drift. A day that late events change afterwards is measured and compared again.

| number                  | meaning                                                   | expected                     |
| ----------------------- | --------------------------------------------------------- | ---------------------------- |
| `event_name.divergence` | Kullback-Leibler divergence of the shares of names, nats  | at most `names`              |
| `<event>.share`         | share of the day's events, for the most frequent names    | within a factor of `shares`  |
| `<event>.weekly`        | the same over the seven days that end with it             | within a factor of `shares`  |
| `<column>.given`        | share of rows with a value                                | as before, +/- `nulls`       |
| `hours.strayed`         | hours whose events are not within a factor of `volume` of | none                         |
|                         | the median of that hour of the week                       |                              |

The baseline of a share is its median over the days before, so one unusual day does not move it. The day shows what
broke at once, the week what has become slightly worse and stays so. Random variation is not reported: shares and hours
that differ by less than four standard deviations, a divergence below what four standard deviations cause, and hours
with fewer than thirty events both before and now. The standard deviation is that of independent events, increased by
the spread among the days before, and larger when these are few.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl

if TYPE_CHECKING:
    from expectations.suites.settings import Drift

NUMBERS: Final = pl.Schema(
    {
        "day": pl.Date,
        "number": pl.String,
        "value": pl.Float64,
        "minimum": pl.Float64,
        "maximum": pl.Float64,
        "belief": pl.String,
    }
)
"""A number of a day, with its expected minimum and maximum; null means no limit."""

_SMOOTHING: Final = 0.5
_SIGMAS: Final = 4.0
_WEEK: Final = 7
_MIN_EVENTS: Final = 30
"""Hours with fewer events, expected and observed, are not compared, since visits come in bursts."""
_MAX_NAMES: Final = 50
"""Number of the most frequent event names that are compared one by one."""


class _Compared(NamedTuple):
    """For each `day`, the days that its number covers (`inside`), and the earlier days it is compared with (`then`)."""

    now: pl.DataFrame
    before: pl.DataFrame


def compare(measures: pl.DataFrame, days: list[date], baseline: list[date], limits: Drift) -> pl.DataFrame:
    """The numbers of the days, with the range expected from the settled days before (schema `NUMBERS`).

    `measures` has the schema `results.MEASURES`, `baseline` are all settled days. A day with fewer than `least_days` of
    them before it is left out.
    """
    a_day, a_week = (_compared(days, sorted(baseline), length, limits) for length in (1, _WEEK))
    parts = (
        _diverged(measures, a_day, limits),
        _names(measures, a_day, limits, "share", "its share of the events"),
        _names(measures, a_week, limits, "weekly", "its share of the events of a week"),
        _present(measures, a_day, limits),
        _strayed(measures, a_day, limits),
    )
    return pl.concat(parts).sort("day", maintain_order=True)


def _compared(days: list[date], baseline: list[date], length: int, limits: Drift) -> _Compared:
    now, before = [], []
    for day in sorted(days):
        known = [other for other in baseline if other < day]
        inside, then = [*known, day][-length:], [*known, day][:-length][-limits.days :]
        if len(then) >= limits.least_days:
            now += [(day, other) for other in inside]
            before += [(day, other) for other in then]
    schemas = ({"day": pl.Date, name: pl.Date} for name in ("inside", "then"))
    return _Compared(
        *(pl.DataFrame(rows, schema=schema, orient="row") for rows, schema in zip((now, before), schemas, strict=True))
    )


def _number(numbers: pl.DataFrame, **parts: pl.Expr) -> pl.DataFrame:
    return numbers.select("day", *(expression.alias(name) for name, expression in parts.items())).sort("day", "number")


def _diverged(measures: pl.DataFrame, compared: _Compared, limits: Drift) -> pl.DataFrame:
    """Kullback-Leibler divergence in nats, with 0.5 added to every count so that a new name does not make it infinite.

    Under random variation, twice the divergence times the number of events is about chi-square with (names - 1) degrees
    of freedom (S. S. Wilks, Annals of Mathematical Statistics 9, 1938), times the spread when events come in bursts.
    """
    counts = _of(measures, "name")
    now = counts.join(compared.now.select("day").unique(), on="day", how="semi")
    then = counts.rename({"day": "then"}).join(compared.before, on="then")
    both = now.join(
        then.group_by("day", "key").agg(pl.col("count").sum()),
        on=["day", "key"],
        how="full",
        coalesce=True,
        suffix="_then",
    ).fill_null(0)
    spread = _usual(measures, counts, compared).group_by("day").agg(pl.col("spread").mean())
    p, q = ((pl.col(name) + _SMOOTHING) / (pl.col(name) + _SMOOTHING).sum() for name in ("count", "count_then"))
    free, events = pl.len() - 1, 1 / (1 / pl.col("count").sum() + 1 / pl.col("count_then").sum())
    by_chance = (free + _SIGMAS * (2 * free).sqrt()) / (2 * events)
    divergence = both.group_by("day").agg((p * (p / q).log()).sum().alias("value"), by_chance.alias("by_chance"))
    belief = f"shares of event names as on the days before, within a divergence of {limits.names:g}"
    return _number(
        divergence.join(spread, on="day"),
        number=pl.lit("event_name.divergence"),
        value=pl.col("value"),
        minimum=pl.lit(None, pl.Float64),
        maximum=pl.max_horizontal(pl.lit(limits.names), pl.col("by_chance") * pl.col("spread")),
        belief=pl.lit(belief),
    )


def _names(measures: pl.DataFrame, compared: _Compared, limits: Drift, suffix: str, what: str) -> pl.DataFrame:
    """The share of each of the most frequent names."""
    counts = _of(measures, "name")
    frequent = counts.group_by("key").agg(pl.col("count").sum()).sort("count", "key", descending=[True, False])
    shares = _usual(measures, counts.join(frequent.head(_MAX_NAMES), on="key", how="semi"), compared)
    return _number(
        shares.filter(pl.col("usual") > 0),
        number=pl.concat_str("key", pl.lit(f".{suffix}")),
        value=pl.col("share"),
        minimum=pl.min_horizontal(pl.col("usual") / limits.shares, pl.col("usual") - _by_chance()).clip(0),
        maximum=pl.max_horizontal(pl.col("usual") * limits.shares, pl.col("usual") + _by_chance()),
        belief=pl.concat_str("key", pl.lit(f": {what} as before, within a factor of {limits.shares:g}")),
    )


def _present(measures: pl.DataFrame, compared: _Compared, limits: Drift) -> pl.DataFrame:
    """The share of rows with a value, for each column that ever has one."""
    shares = _usual(measures, _of(measures, "given"), compared)
    note = f"share of rows with a value as before, within {limits.nulls:g}"
    tolerance = pl.max_horizontal(pl.lit(limits.nulls), _by_chance())
    return _number(
        shares.filter((pl.col("share") > 0) | (pl.col("usual") > 0)),
        number=pl.concat_str("key", pl.lit(".given")),
        value=pl.col("share"),
        minimum=pl.col("usual") - tolerance,
        maximum=pl.col("usual") + tolerance,
        belief=pl.concat_str("key", pl.lit(f": {note}")),
    )


def _usual(measures: pl.DataFrame, counts: pl.DataFrame, compared: _Compared) -> pl.DataFrame:
    """The `share` of each `key` in the `rows` compared, the `usual` share, and the `spread` of the days before.

    `spread` is the mean squared difference from the median, relative to that of independent rows; at least 1.
    """
    rows = _of(measures, "rows").select("day", pl.col("count").alias("rows"))
    grid = rows.join(counts.select("key").unique(), how="cross").join(counts, on=["day", "key"], how="left")
    daily = grid.with_columns(pl.col("count").fill_null(0))
    now = (
        daily.rename({"day": "inside"})
        .join(compared.now, on="inside")
        .group_by("day", "key")
        .agg((pl.col("count").sum() / pl.col("rows").sum()).alias("share"), pl.col("rows").sum())
    )
    then = daily.rename({"day": "then"}).join(compared.before, on="then")
    share = pl.col("count") / pl.col("rows")
    spread = ((share - share.median()) ** 2 / _variance(share.median(), pl.col("rows"))).mean().fill_null(1).clip(1)
    before = then.group_by("day", "key").agg(share.median().alias("usual"), (spread * _few(pl.len())).alias("spread"))
    return now.join(before, on=["day", "key"])


def _variance(share: pl.Expr, rows: pl.Expr) -> pl.Expr:
    """The variance of a share over so many independent rows; a share of 0 or 1 counts as one row away from it."""
    return pl.max_horizontal(share * (1 - share), 1 / rows) / rows


def _by_chance() -> pl.Expr:
    """How far random variation moves a share (`_usual`)."""
    return _SIGMAS * (_variance(pl.col("usual"), pl.col("rows")) * pl.col("spread")).sqrt()


def _few(days: pl.Expr) -> pl.Expr:
    """The factor by which random variation is larger when median and spread come from only a few days."""
    return (1 + 1.5 / days) * days / (days - 1)


def _strayed(measures: pl.DataFrame, compared: _Compared, limits: Drift) -> pl.DataFrame:
    """The number of hours of the day with far more or fewer events than the same hour of the week before."""
    same = pl.col("day").dt.weekday() == pl.col("then").dt.weekday()
    alike = compared.before.with_columns(same.alias("same")).filter(
        pl.col("same") | (pl.col("same").sum().over("day") < 2)
    )
    hours = pl.DataFrame({"key": [str(hour) for hour in range(24)]})
    counts = _of(measures, "hour").with_columns(pl.col("count").cast(pl.Float64))
    grid = alike.join(hours, how="cross").join(counts.rename({"day": "then"}), on=["then", "key"], how="left")
    count = pl.col("count").fill_null(0)
    usual = grid.group_by("day", "key").agg(
        pl.max_horizontal(count.median(), pl.lit(_SMOOTHING)).alias("usual"),
        ((count - count.median()) ** 2).mean().alias("square"),
        _few(pl.len()).alias("few"),
    )
    spread = (pl.col("square").sum() / pl.col("usual").sum()).over("day").clip(1) * pl.col("few")
    both = usual.with_columns(spread.alias("spread")).join(counts, on=["day", "key"], how="left")
    expected = pl.col("usual")
    beyond = (count > limits.volume * expected) | (count < expected / limits.volume)
    by_chance = (count - expected).abs() <= _SIGMAS * (expected * pl.col("spread")).sqrt()
    by_chance |= pl.max_horizontal(count, expected) < _MIN_EVENTS
    return _number(
        both.group_by("day").agg((beyond & ~by_chance).sum().cast(pl.Float64).alias("value")),
        number=pl.lit("hours.strayed"),
        value=pl.col("value"),
        minimum=pl.lit(None, pl.Float64),
        maximum=pl.lit(0.0),
        belief=pl.lit(f"every hour within a factor of {limits.volume:g} of the same hour in the weeks before"),
    )


def _of(measures: pl.DataFrame, name: str) -> pl.DataFrame:
    return measures.filter(pl.col("measure") == name).drop("measure")
