"""What journeys of a product reach, cohort by cohort: the journeys that begin in one period of the calendar."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import polars as pl

from analytics.engine.local.calendar import next_period_start, period_start, zone_named
from analytics.engine.run import answer_all
from analytics.engine.units import goal_window
from analytics.experience.voice import voice
from analytics.goals.goal_rate import goal_rate
from analytics.goals.goal_times import time_to_goal
from analytics.goals.targets import status_of, target_cohort
from analytics.monitoring.products.columns import cohort_column, journeys_of
from analytics.monitoring.products.definition import TARGET_UNITS, JourneyProduct, Target
from analytics.paths.designed.conformance import conformance
from analytics.store.frames import micros
from analytics.store.paths import Paths
from expectations.config.digest import digest_of
from expectations.errors import DefinitionError

COHORTS: Final = 12
"""So many cohorts that are over are counted."""
OPEN: Final = "open"
_FIRST_TIME: Final = datetime(1, 2, 1, tzinfo=UTC)


def cohort_schema(timezone: str = "UTC") -> pl.Schema:
    """The columns of `product_cohorts`, with times in this zone."""
    return pl.Schema(
        {
            "journey": pl.String(),
            "version": pl.Int64(),
            "owner": pl.String(),
            "measure": pl.String(),
            "unit": pl.String(),
            "period": pl.String(),
            "cohort": pl.Datetime("us", timezone),
            "cohort_end": pl.Datetime("us", timezone),
            **dict.fromkeys(("journeys", "mature", "open", "counted", "customers", "fewest"), pl.Int64()),
            **dict.fromkeys(("value", "low", "high"), pl.Float64()),
            "direction": pl.String(),
            "target": pl.Float64(),
            "by": pl.Date(),
            "status": pl.String(),
            "hash": pl.String(),
        }
    )


@dataclass(frozen=True)
class CohortPeriods:
    """The periods of cohorts in order: when each begins, with the end of the last, and how many are over.

    A period is over when every journey that began in it has been seen for the whole horizon.
    """

    starts: tuple[datetime, ...]
    over: int

    @classmethod
    def of(cls, end_of_data: datetime, horizon: timedelta, period: Any, timezone: str, cohorts: int) -> CohortPeriods:
        """The last `cohorts` that are over, and those that have begun since."""
        last = target_cohort(end_of_data, horizon, period=period, timezone=timezone)
        starts = [last.start, last.end]
        while len(starts) <= cohorts and starts[0] > _FIRST_TIME:
            starts.insert(0, period_start(starts[0] - timedelta(days=1), period))
        over = len(starts) - 1
        while starts[-1] <= end_of_data:
            starts.append(next_period_start(starts[-1], period))
        return cls(tuple(start.astimezone(zone_named(timezone)) for start in starts), over)


def product_cohorts(
    paths: Paths,
    definitions: JourneyProduct | Sequence[JourneyProduct],
    *,
    timezone: str = "UTC",
    cohorts: int = COHORTS,
    made_by: str = "",
) -> pl.DataFrame:
    """What every target of journeys is measured against, one row per target and cohort, the oldest first.

    A cohort are the journeys that begin in one period of the target, in `timezone`. The last `cohorts` that are over
    are counted, and those that have begun since; cohorts before the first journey are left out, but the last one that
    is over is always there. Columns: `journey` String, `version` Int64, `owner` String, `measure` String, `unit` String
    (of the value: `share`, `score` or `seconds`), `period` String; `cohort`, `cohort_end` Datetime(us, timezone);
    Int64: `journeys` (all but direct ones), `mature` (whose horizon is over), `open` (the others), `counted` (what the
    value is over: mature journeys; for `median_time` those of them with the goal; for `conformance` all journeys,
    direct ones among them; for `csat`, `nps` and `ces` answers), `customers` (whose journeys or answers the value is
    over; for `conformance` those with a mature journey), `fewest` (no more than the customers in the smaller part that
    is not empty: with the goal or without, satisfied or not; all of them for the other measures); `value`, `low`,
    `high` Float64 (with its 95 % interval, judged by customers; null where nothing is counted); `direction` String,
    `target` Float64, `by` Date; `status` String (as `target_status`; `open` while the cohort is not over); `hash`
    String (the digest of the definition, and of what the paths are `made_by`: rows of different digests are not of one
    series).

    An answer belongs to the cohort of the last touch of the journeys at most 7 days before it. Raises `DefinitionError`
    for paths without an end of data, two journeys of one name, no cohorts, and as the measures do.

    >>> from analytics import Goal, JourneyProduct, Paths, Target
    >>> visits = {f"c{n}": f"look@{n % 20}d buy@{n % 20 + 1}d" for n in range(60)}
    >>> order = JourneyProduct("First", owner="Mara", goal=Goal(name="Order", steps=["buy"], horizon="7d"),
    ...                        targets=[Target("goal_rate", at_least=0.5)])
    >>> product_cohorts(Paths.from_text(visits, end="40d"), order)["journeys", "mature", "value", "status"].rows()
    [(60, 60, 1.0, 'met'), (0, 0, None, 'open')]
    """
    products = [definitions] if isinstance(definitions, JourneyProduct) else list(definitions)
    names = [product.name for product in products]
    if doubled := [name for name in names if names.count(name) > 1]:
        raise DefinitionError(f"Two journeys are called {doubled[0]!r}.", expected="a name of its own for each")
    if cohorts < 1:
        raise DefinitionError("No cohort is asked for.", expected="1 or more", found=str(cohorts))
    zone_named(timezone)
    schema = cohort_schema(timezone)
    if not products:
        return pl.DataFrame(schema=schema)
    if paths.end_of_data is None:
        raise DefinitionError("Paths without touches have no cohort.", expected="an end of data")
    rows = [row for product in products for row in _of_product(paths, product, timezone, cohorts, made_by)]
    utc = pl.Schema({**schema, **dict.fromkeys(("cohort", "cohort_end"), pl.Datetime("us", "UTC"))})
    return pl.DataFrame(rows, schema=utc, orient="row").cast(schema)


def with_horizon(paths: Paths, product: JourneyProduct) -> tuple[Any, timedelta]:
    """The goal of a product with its horizon in these paths, and this horizon."""
    horizon = goal_window(paths, product.goal.horizon)
    return product.goal.model_copy(update={"horizon": horizon}), horizon


def _of_product(
    paths: Paths, product: JourneyProduct, timezone: str, cohorts: int, made_by: str
) -> Iterator[tuple[Any, ...]]:
    """The rows of one journey."""
    assert paths.end_of_data is not None
    goal, horizon = with_horizon(paths, product)
    kinds = {
        target.period: CohortPeriods.of(paths.end_of_data, horizon, target.period, timezone, cohorts)
        for target in product.targets
    }
    columns = {period: cohort_column(paths, found.starts, period) for period, found in kinds.items()}
    chosen = journeys_of(paths, product).with_columns(columns.values())
    asked: dict[Any, partial[pl.DataFrame]] = {
        (_COUNTS, period): partial(goal_rate, goal=goal, by=column.name) for period, column in columns.items()
    }
    for target in product.targets:
        for question in (_QUESTIONS[target.measure], *([_TIMES] if target.measure == _COUNTS else [])):
            asked[question, target.period] = _question(question, product, goal, columns[target.period].name)
    answers = answer_all(chosen, asked)
    tables = {
        (question, period): {row[columns[period].name]: row for row in answer.iter_rows(named=True)}
        for (question, period), answer in answers.items()
    }
    for target in product.targets:
        found = kinds[target.period]
        counts, values = tables[_COUNTS, target.period], tables[_QUESTIONS[target.measure], target.period]
        # the horizon of this store and the zone belong to the meaning, as they decide what is counted
        digest = digest_of([product.meaning, micros(horizon), target.measure, target.period, timezone, made_by])
        begun = [number for number in range(len(found.starts) - 1) if _any(counts.get(str(number)))]
        for number in range(min([*begun, found.over - 1]), len(found.starts) - 1):
            own = counts.get(str(number)) or _NOBODY
            row, timed = values.get(str(number)), tables.get((_TIMES, target.period), {}).get(str(number))
            value = _value(target.measure, row)
            yield (
                *(product.name, product.version, product.owner, target.measure, TARGET_UNITS[target.measure]),
                *(target.period, *(start.astimezone(UTC) for start in found.starts[number : number + 2])),
                *(own["units"], own["mature"], own["open"], value[0]),
                *_people(target.measure, row, own, timed),
                *value[1:],
                *(target.direction, target.value, target.by),
                status_of(value[0], value[2], value[3], target.value, target.direction)
                if number < found.over
                else OPEN,
                digest,
            )


_COUNTS: Final = "goal_rate"
_TIMES: Final = "time_to_goal"
_QUESTIONS: Final = {
    "goal_rate": _COUNTS,
    "median_time": _TIMES,
    "conformance": "conformance",
    **dict.fromkeys(("csat", "nps", "ces"), "voice"),
}
_NOBODY: Final = {"units": 0, "mature": 0, "open": 0, "direct": 0, "reached": 0, "customers": 0}


def _question(question: str, product: JourneyProduct, goal: Any, by: str) -> partial[pl.DataFrame]:
    """What is asked of the journeys of a product."""
    match question:
        case "time_to_goal":  # `_TIMES`
            return partial(time_to_goal, goal=goal, by=by)
        case "conformance":
            assert product.designed is not None, "a target of conformance has a designed path"
            return partial(conformance, **product.following, by=by)
        case "voice":
            return partial(voice, by=by)
    return partial(goal_rate, goal=goal, by=by)


def _any(counts: Mapping[str, Any] | None) -> bool:
    """Whether a cohort has a journey."""
    return counts is not None and counts["units"] + counts["direct"] > 0


def _value(measure: str, row: Mapping[str, Any] | None) -> tuple[int, float | None, float | None, float | None]:
    """What a value is over, the value, and its interval."""
    if row is None:
        return 0, None, None, None
    if measure == "goal_rate":
        counted, names = row["mature"], ("goal_rate", "goal_rate_low", "goal_rate_high")
    elif measure == "median_time":
        counted, names = row["reached"], ("median_time", "median_time_low", "median_time_high")
    elif measure == "conformance":
        counted, names = row["units"], ("mean_fitness", "mean_fitness_low", "mean_fitness_high")
    else:
        counted, names = row[f"{measure}_n"], (measure, f"{measure}_low", f"{measure}_high")
    value, low, high = (_as_float(row[name]) for name in names)
    return counted, value, low, high


def _people(
    measure: str, row: Mapping[str, Any] | None, counts: Mapping[str, Any], timed: Mapping[str, Any] | None
) -> tuple[int, int]:
    """The customers that a value is over, and the fewest of them in a part that it tells apart."""
    if row is None:
        return 0, 0
    if measure == "goal_rate":
        all_, won = counts["customers"], 0 if timed is None else timed["customers"]
        lost = max(all_ - won, 1) if counts["reached"] < counts["mature"] else 0  # who has both counts as one who won
        return all_, min([n for n in (won, lost) if n], default=0)
    if measure == "csat":
        sides = [row["customers_satisfied"], row["customers_dissatisfied"]]
        return row["customers_csat"], min([n for n in sides if n], default=0)
    people = {"median_time": row, "conformance": counts}.get(measure)
    found: int = row[f"customers_{measure}"] if people is None else people["customers"]
    return found, found


def _as_float(value: float | timedelta | None) -> float | None:
    return value.total_seconds() if isinstance(value, timedelta) else value


def target_of(product: JourneyProduct, measure: str) -> Target | None:
    """The first target of a measure; None where there is none."""
    return next((target for target in product.targets if target.measure == measure), None)
