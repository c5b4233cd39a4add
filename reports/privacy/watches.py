"""What may be shown of an alert: decisions are taken on full counts, and small numbers of customers are withheld."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

import polars as pl

SHARES: Final = ("pair", "funnel", "stage", "goal", "errors", "slow pages", "survey")
_TIMES: Final = {"first": "since", "last": "until", "opened": "opened", "closed": "closed"}
_ASKED: Final = {"watch": "watches", "owner": "owners"}
DERIVED: Final = ("seen", "at_stake", "goals_at_stake", "goals_at_stake_low", "goals_at_stake_high")
INCIDENTS: Final = pl.Schema(
    {
        "alert": pl.String(),
        "rule": pl.String(),
        "status": pl.String(),
        "is_new_usual": pl.Boolean(),
        "measure": pl.String(),
        "period": pl.String(),
        "name": pl.String(),
        "source": pl.String(),
        "target": pl.String(),
        "stage": pl.String(),
        "dimension": pl.String(),
        "segment": pl.String(),
        "within_seconds": pl.Int64(),
        "first": pl.Date(),
        "last": pl.Date(),
        "opened": pl.Date(),
        "closed": pl.Date(),
        "seen": pl.Int64(),
        "of": pl.Int64(),
        "share": pl.Float64(),
        "expected": pl.Float64(),
        "expected_low": pl.Float64(),
        "expected_high": pl.Float64(),
        "goals": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
        "p_corrected": pl.Float64(),
        "watch": pl.String(),
        "owner": pl.String(),
    }
)
RISES: Final = pl.Schema(
    {
        "alert": pl.String(),
        "measure": pl.String(),
        "name": pl.String(),
        "seen": pl.Int64(),
        "of": pl.Int64(),
        "expected": pl.Float64(),
    }
)
DAYS: Final = pl.Schema(
    {
        "alert": pl.String(),
        "day": pl.Date(),
        "of": pl.Int64(),
        "share": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
        "others": pl.Float64(),
    }
)


def shown_alerts(alerts: pl.DataFrame, k: int) -> pl.DataFrame:
    """The alerts of `analytics.watch` that may be shown; the same of `rose_with`, which has no goals.

    A group of fewer than `k` customers has no alert. Of a share, `seen` and what follows from it is null where fewer
    than `k` customers are behind those that count, or behind those that do not; of a volume, where fewer are behind it.

    >>> row = {"rule": "unusual", "measure": "pair", "customers": 40, "customers_counted": 3}
    >>> row |= {"customers_not_counted": 37, "seen": 3, "at_stake": 9.0, "goals_at_stake": 9.0}
    >>> row |= {"goals_at_stake_low": 2.0, "goals_at_stake_high": 16.0}
    >>> shown_alerts(pl.DataFrame([row]), 10)["seen", "at_stake"].row(0)
    (None, None)
    """
    is_share = pl.col("measure").is_in(SHARES)
    small = is_share & (pl.min_horizontal("customers_counted", "customers_not_counted") < k)
    small |= ~is_share & pl.col("customers").is_between(1, k - 1).fill_null(False)
    kept = alerts.filter((pl.col("customers") >= k) | ~is_share)
    derived = [name for name in DERIVED if name in alerts.columns]
    return kept.with_columns(pl.when(~small).then(pl.col(name)).alias(name) for name in derived)


@dataclass(frozen=True)
class Incidents:
    """What the watch has found, safe to publish: `alerts` (`INCIDENTS`), `rises` (`RISES`) and `days` (`DAYS`).

    `unwatched` are the names of columns with too many values to be watched by, `too_few` those of watches with too few
    cases in a period.
    """

    alerts: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=INCIDENTS))
    rises: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=RISES))
    days: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=DAYS))
    unwatched: tuple[str, ...] = ()
    too_few: tuple[str, ...] = ()

    @property
    def costly(self) -> pl.DataFrame:
        """Incidents of days that cost a goal or more, by the lower end of the interval; a missed target is none."""
        is_daily = pl.col("period").ne_missing("week")
        costly = self.alerts.filter(is_daily, pl.col("low") >= 1, pl.col("rule") == "unusual")
        return costly.sort("low", "alert", descending=[True, False])


def published_alerts(alerts: pl.DataFrame, k: int, zone: ZoneInfo, name_of: Callable[[str], str]) -> pl.DataFrame:
    """The alerts as Summary, Change and `journeys watch` show them: the columns `INCIDENTS`, the newest first.

    Counts are in steps of ten, or of `k`, so that the days of an incident with the numbers around them reveal no small
    count; `name_of` gives the name of a column. `watch` and `owner` are those of `[[watches]]`, null without one. The
    share is that of these counts, and 0 only where nobody went on.
    """
    unit = max(10, k)
    rows = []
    for row in shown_alerts(alerts, k).sort("opened", "since", "alert", descending=True).iter_rows(named=True):
        whole, seen = (_in_units(row[name], unit) for name in ("of", "seen"))
        goals = (row[f"goals_at_stake{of}"] for of in ("", "_low", "_high"))
        rows.append(
            {
                **{name: row[name] for name in INCIDENTS if name in row},
                "dimension": None if row["by"] is None else name_of(row["by"]),
                "segment": row["group"],
                "within_seconds": None if row["window"] is None else round(row["window"].total_seconds()),
                **{day: _day(row[at], zone) for day, at in _TIMES.items()},
                **{name: ", ".join(row[several]) or None for name, several in _ASKED.items()},
                "seen": seen,
                "of": whole,
                "share": round(min(1.0, seen / whole), 4) if seen is not None and whole else None,
                "expected": None if row["expected"] is None else round(row["expected"], 4 if whole else 0),
                **dict(zip(("goals", "low", "high"), (None if x is None else round(x) for x in goals), strict=True)),
            }
        )
    return pl.DataFrame(rows, schema=INCIDENTS, orient="row")


def published_rises(rose: pl.DataFrame, k: int) -> pl.DataFrame:
    """What rose with alerts, the columns `RISES`, in steps of ten or of `k`; without what few customers are behind."""
    unit = max(10, k)
    rows = [
        {name: row[name] for name in RISES} | {name: _in_units(row[name], unit) for name in ("seen", "of")}
        for row in shown_alerts(rose, k).drop_nulls("seen").iter_rows(named=True)
    ]
    return pl.DataFrame(rows, schema=RISES, orient="row").with_columns(pl.col("expected").round(4))


def published_days(days: pl.DataFrame, alert: str, k: int, zone: ZoneInfo) -> pl.DataFrame:
    """The days of one incident, the columns `DAYS`: a share of fewer than `k` customers, or of all but fewer, is null.

    Shares are rounded so that they cover `k` of the cases, which are in tens.
    """
    rows = []
    for row in days.filter(pl.col("alert") == alert).sort("period").iter_rows(named=True):
        few = min(row["customers_counted"], row["customers_not_counted"]) < k
        others = _coarse(row["others_seen"], row["others_of"], k)
        rows.append(
            {
                "alert": alert,
                "day": _day(row["period"], zone),
                "of": _in_units(row["of"], max(10, k)),
                "share": None if few else _coarse(row["seen"], row["of"], k),
                "low": row["expected_low"],
                "high": row["expected_high"],
                "others": others,
            }
        )
    return pl.DataFrame(rows, schema=DAYS, orient="row").with_columns(pl.col("low", "high").round(3))


def _coarse(part: int | None, whole: int | None, k: int) -> float | None:
    """A share in steps of `k` of its cases; null where fewer than `k` are on a side."""
    if part is None or not whole or min(part, whole - part) < k:
        return None
    step = k / whole
    return min(1.0, round(round(part / whole / step) * step, 4))


def _in_units(value: int | None, unit: int) -> int | None:
    """A count in steps of `unit`; no less than one step where there is anything."""
    return value if not value else max(unit, round(value / unit) * unit)


def _day(at: datetime | None, zone: ZoneInfo) -> date | None:
    return None if at is None else at.astimezone(zone).date()
