"""Is each target of a journey met, is the journey on course to it, and was what was told before restated?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import polars as pl

from analytics.engine.local.calendar import day_start, zone_named
from analytics.goals.targets import MET, TOO_EARLY
from analytics.monitoring.products.cohorts import COHORTS, OPEN, cohort_schema, product_cohorts
from analytics.monitoring.products.definition import RANGES, TARGET_UNITS, JourneyProduct
from analytics.statistics.intervals import difference_interval, normal_quantile
from analytics.statistics.lines import OnLine, weighted_line
from analytics.store.paths import Paths

ON_COURSE_COHORTS: Final = 6
"""So many cohorts that are over decide whether a journey is on course."""
SAME: Final = 1e-9
"""Numbers that differ by less, relatively, are the same: sums of floats depend on their order."""
SERIES: Final = ("journey", "hash", "measure", "period", "direction")
"""What rows of one series have in common."""


def product_schema(timezone: str = "UTC") -> pl.Schema:
    """The columns of `products`, with times in this zone."""
    return pl.Schema(
        {
            **cohort_schema(timezone),
            "on_course": pl.Boolean(),
            **dict.fromkeys(("expected", "expected_low", "expected_high"), pl.Float64()),
            "overdue": pl.Boolean(),
            "restated_from": pl.Float64(),
        }
    )


def products(
    paths: Paths,
    definitions: JourneyProduct | Sequence[JourneyProduct],
    *,
    timezone: str = "UTC",
    cohorts: int = COHORTS,
    made_by: str = "",
    history: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Whether each target of journeys is met by the last cohort that is over, and whether the journey is on course.

    One row per target, in the order given. Columns: those of `product_cohorts`; `on_course` Boolean: whether a straight
    line by weighted least squares through the last six cohorts that are over reaches the target by its date within its
    95 % band (null with fewer than three such cohorts of 30 or more, without a date, and once the date is past);
    `expected`, `expected_low`, `expected_high` Float64 (the line at the beginning of that day, and its band); `overdue`
    Boolean: the date is past at the end of the data, and the target not met; `restated_from` Float64: the value that
    `history` (as `product_history`) told last of this cohort by the same definition, where it was another one.
    Raises as `product_cohorts` does.

    >>> from analytics import Goal, JourneyProduct, Paths, Target
    >>> visits = {f"c{n}": f"look@{n % 20}d" + f" buy@{n % 20 + 1}d" * (n % 3 == 0) for n in range(90)}
    >>> order = JourneyProduct("First", owner="Mara", goal=Goal(name="Order", steps=["buy"], horizon="7d"),
    ...                        targets=[Target("goal_rate", at_least=0.5)])
    >>> products(Paths.from_text(visits, end="40d"), order)["mature", "value", "status", "on_course"].row(0)
    (90, 0.3333333333333333, 'missed', None)
    """
    table = product_cohorts(paths, definitions, timezone=timezone, cohorts=cohorts, made_by=made_by)
    return judged_products(table, paths.end_of_data, timezone=timezone, history=history)


def judged_products(
    table: pl.DataFrame, end_of_data: datetime | None, *, timezone: str = "UTC", history: pl.DataFrame | None = None
) -> pl.DataFrame:
    """What `products` answers, from the rows of `product_cohorts`."""
    rows = []
    for series in table.partition_by(*SERIES, maintain_order=True) if len(table) else []:
        over = series.filter(pl.col("status") != OPEN)
        last = over.row(-1, named=True)
        line = _course(over, last, timezone)
        is_past = last["by"] is not None and end_of_data is not None and day_start(last["by"], timezone) <= end_of_data
        rows.append(
            {
                **{name: value for name, value in last.items() if not isinstance(value, datetime)},
                **{name: last[name].astimezone(UTC) for name in ("cohort", "cohort_end")},
                "on_course": None if line is None or is_past else _reaches(line, last["target"], last["direction"]),
                **dict(zip(("expected", "expected_low", "expected_high"), line or (None, None, None), strict=True)),
                "overdue": is_past and last["status"] != MET,
                "restated_from": _restated(last, history),
            }
        )
    schema = product_schema(timezone)
    utc = {**schema, **dict.fromkeys(("cohort", "cohort_end"), pl.Datetime("us", "UTC"))}
    return pl.DataFrame(rows, schema=utc).cast(schema)


def _course(over: pl.DataFrame, last: dict[str, Any], timezone: str) -> OnLine | None:
    """The line through the last cohorts at the date of the target; None without a date or enough cohorts."""
    if last["by"] is None:
        return None
    known = over.filter(
        pl.col("status") != TOO_EARLY, pl.col("high") > pl.col("low"), pl.col("low", "high", "value").is_finite()
    ).tail(ON_COURSE_COHORTS)
    middle = (pl.col("cohort").dt.epoch("s") + pl.col("cohort_end").dt.epoch("s")) / 2
    errors = known.select((pl.col("high") - pl.col("low")) / (2 * normal_quantile(0.95))).to_series()
    at = day_start(last["by"], timezone).timestamp()
    line = weighted_line(known.select(middle).to_series(), known["value"], errors, at)
    low, high = RANGES[last["measure"]]  # a straight line leaves them in the end
    return None if line is None else OnLine(*(min(max(each, low), high) for each in line))


def _reaches(line: OnLine, target: float, direction: str) -> bool:
    """Whether a line reaches a target within its band."""
    return line.high >= target if direction == "at_least" else line.low <= target


def _restated(row: dict[str, Any], history: pl.DataFrame | None) -> float | None:
    """The value that was told last of a cohort, where it was another one."""
    if history is None or history.is_empty():
        return None
    same = [pl.col(name) == row[name] for name in SERIES]
    same.append(pl.col("cohort") == row["cohort"].astimezone(UTC))
    told = history.filter(*same).sort("at", maintain_order=True)["value"].tail(1).to_list()
    if not told or told[0] is None or row["value"] is None:
        return None
    return None if math.isclose(told[0], row["value"], rel_tol=SAME) else told[0]


def product_changes(
    table: pl.DataFrame, definitions: JourneyProduct | Sequence[JourneyProduct], *, timezone: str = "UTC"
) -> pl.DataFrame:
    """How each measure differs after a change that was made to a journey: after it, which is not because of it.

    `table` are the rows of `product_cohorts`. One row per note and target of a journey: `journey` String, `on` Date,
    `what`, `measure`, `unit`, `period`, `direction` String; `before`, `after` Datetime(us, timezone): the last cohort
    that ended by the beginning of the day, and the first that begins on it or later, both over (null without);
    `value_before`, `value_after`, `difference` Float64 with its 95 % interval `low`, `high` (square-and-add of both
    intervals; for shares it is Newcombe's), `clear` Boolean: the interval leaves out 0. Cohorts of fewer than 30 are
    left out. No note gives no rows.
    """
    products = [definitions] if isinstance(definitions, JourneyProduct) else list(definitions)
    rows = [row for product in products for row in _noted(table, product, timezone)]
    schema = {
        **{"journey": pl.String(), "on": pl.Date()},
        **dict.fromkeys(("what", "measure", "unit", "period", "direction"), pl.String()),
        **dict.fromkeys(("before", "after"), pl.Datetime("us", "UTC")),
        **dict.fromkeys(("value_before", "value_after", "difference", "low", "high"), pl.Float64()),
        "clear": pl.Boolean(),
    }
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        pl.col("before", "after").dt.convert_time_zone(timezone)
    )


def _noted(table: pl.DataFrame, product: JourneyProduct, timezone: str) -> Iterator[tuple[Any, ...]]:
    """The rows of one journey."""
    judged = table.filter(
        pl.col("journey") == product.name, ~pl.col("status").is_in([OPEN, TOO_EARLY]), pl.col("value").is_not_null()
    )
    for note in product.notes:
        day = day_start(note.on, timezone).astimezone(zone_named(timezone))
        for target in product.targets:
            series = judged.filter(
                pl.col("measure") == target.measure,
                pl.col("period") == target.period,
                pl.col("direction") == target.direction,
            )
            sides = (
                series.filter(pl.col("cohort_end") <= day).tail(1).to_dicts(),
                series.filter(pl.col("cohort") >= day).head(1).to_dicts(),
            )
            before, after = (side[0] if side else None for side in sides)
            named = (product.name, note.on, note.what, target.measure, TARGET_UNITS[target.measure])
            times = (None if side is None else side["cohort"].astimezone(UTC) for side in (before, after))
            yield (*named, target.period, target.direction, *times, *_difference(before, after))


def _difference(before: dict[str, Any] | None, after: dict[str, Any] | None) -> tuple[Any, ...]:
    """Both values, their difference with its interval, and whether it is clear."""
    values = tuple(None if side is None else side["value"] for side in (before, after))
    if before is None or after is None:
        return (*values, None, None, None, None)
    gap = after["value"] - before["value"]
    if any(side[end] is None for side in (before, after) for end in ("low", "high")):
        return (*values, gap, None, None, False)
    low, high = difference_interval(
        after["value"], (after["low"], after["high"]), before["value"], (before["low"], before["high"])
    )
    return (*values, gap, float(low), float(high), bool(low > 0 or high < 0))
