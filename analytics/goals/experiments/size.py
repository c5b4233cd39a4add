"""How many customers does an experiment need, and how long does that take at the present rate?

An experiment that has not begun is planned from what its customers do now: those of the last weeks who meet its
assignment, whatever they were shown, and what they do in its window.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Final

import polars as pl

from analytics.engine.analysis import IS_TOTAL, answer, measured_by
from analytics.engine.conditions import one_of
from analytics.engine.run import run
from analytics.goals.experiments.definition import Experiment
from analytics.goals.experiments.experiment import HORIZONS, Horizon
from analytics.goals.experiments.exposures import FIRST, OF_DATA, OF_VARIANT, ExperimentCounts
from analytics.statistics.experiments import MeanSums, customers_needed, mean_difference
from analytics.store.columns import AT
from analytics.store.encoding import Dictionaries
from analytics.store.frames import micros
from analytics.store.parts import Part
from analytics.store.paths import Paths
from expectations.config.durations import duration
from expectations.errors import DefinitionError

LIFTS: Final = (0.02, 0.05, 0.1, 0.2)
"""Relative changes that a plan is made for, where none are asked for."""
POWER: Final = 0.8
_DAY: Final = micros(timedelta(days=1))
_EVERYBODY: Final = "(all)"


@dataclass(frozen=True, eq=False)
class ExperimentSize(ExperimentCounts):
    """Counts those whom an experiment would assign, and what they do, in the last span whose windows are over."""

    SCHEMA: ClassVar[pl.Schema] = answer(
        metric=pl.String,
        compared=pl.Int64,
        **dict.fromkeys(("baseline", "lift", "difference"), pl.Float64),
        customers=pl.Int64,
        **dict.fromkeys(("per_day", "days"), pl.Float64),
        horizon=pl.String,
    )

    lifts: tuple[float, ...] = LIFTS
    power: float = POWER
    horizon: Horizon = "anytime"

    @property
    def columns(self) -> tuple[str, ...]:
        """The stored columns that are read: not that of the variant, which no touch may have yet."""
        goals = [name for goal in self.goals for name in goal.columns]
        return tuple(dict.fromkeys([AT, *self.assignment.columns, *goals]))

    @classmethod
    def check_variant(cls, paths: Paths, definition: Experiment) -> None:
        """Any: nobody needs to have been shown a variant."""

    def variants(self, part: Part, words: Dictionaries) -> pl.Series:  # noqa: ARG002
        """All touches are of one variant."""
        return pl.repeat(_EVERYBODY, part.touches, eager=True)

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `experiment_size`."""
        sums = {row["metric"]: row for row in merged.iter_rows(named=True)}
        if OF_VARIANT not in sums or not sums[OF_VARIANT]["assigned"]:
            return self.SCHEMA.to_frame(eager=True)
        begin, end = micros(self.asked.start), micros(self.asked.end)  # type: ignore[arg-type]
        days = (end - max(begin, sums[OF_DATA][FIRST])) / _DAY
        per_day = sums[OF_VARIANT]["assigned"] / days if days > 0 else math.nan
        rows = [
            self._planned(number, sums[number], lift, per_day)
            for number in range(len(self.asked.metrics))
            if number in sums
            for lift in self.lifts
        ]
        made = pl.DataFrame(rows, schema=self.SCHEMA)
        return made.with_columns(pl.col(pl.Float64).fill_nan(None))

    def _planned(self, number: int, row: dict[str, Any], lift: float, per_day: float) -> dict[str, Any]:
        """What one metric needs to show one change."""
        metric, n = self.asked.metrics[number], row["customers"]
        baseline = row["sum"] / n
        changed = baseline * (1 + lift)
        if metric.of == "share":
            spread = [share * (1 - share) for share in (baseline, changed)]
        else:
            sums = MeanSums(*(row[name] for name in ("customers", "sum", "sum_squares", "x_sum", "x_squares", "cross")))
            spread = [mean_difference(sums, sums).adjusted_variance * n / 2] * 2  # of a difference of two such groups
        control, least = self._shares()
        variance = spread[0] / control + spread[1] / least
        customers = None
        if min(spread) >= 0 and variance > 0:
            customers = customers_needed(
                variance, changed - baseline, power=self.power, anytime=self.horizon == "anytime"
            )
        window = self.asked.window / timedelta(days=1)
        return {
            **{
                IS_TOTAL: True,
                "metric": metric.name,
                "compared": n,
                "baseline": baseline,
                "lift": lift,
                "horizon": self.horizon,
            },
            **{"difference": changed - baseline, "customers": customers, "per_day": per_day},
            "days": None if customers is None else customers / per_day + window,
        }

    def _shares(self) -> tuple[float, float]:
        """The planned shares of the control, and of the smallest variant beside it."""
        planned = dict(self.asked.planned or {self.asked.control: 0.5, "": 0.5})
        control = planned.pop(self.asked.control)
        return control, min(planned.values())


@measured_by(ExperimentSize)
def experiment_size(
    paths: Paths,
    definition: Experiment,
    *,
    lifts: float | Sequence[float] | None = None,
    power: float = POWER,
    horizon: Horizon = "anytime",
    span: str | timedelta = "28d",
) -> pl.DataFrame:
    """How many customers an experiment needs to show a change, and how many days that takes at the present rate.

    The plan rests on the customers whose first touch of the assignment within a `span` of time is one whose window is
    over; the span ends one window before the end of the data. The column of the variant need not exist yet; `start` and
    `end` of the definition are not used. Without `planned` shares there are two variants alike.

    One row per metric and lift (2, 5, 10 and 20 %, where none are given): `is_total` Boolean (true); `metric` String;
    `compared` Int64 (customers the plan rests on); `baseline` Float64 (share, or goals per customer); `lift` Float64
    (the change over the baseline), `difference` Float64; `customers` Int64 (needed in all variants; null where there is
    no spread, or a share would pass 1); `per_day` Float64 (customers that the experiment would have got a day), `days`
    Float64 (until that many are assigned and their windows are over); `horizon` String. No such customers give no rows.

    With `customers` assigned, a change of `lift` is found with the chance `power` at that look: `"fixed"` by a
    two-sided test at 5 %, `"anytime"` by the confidence sequence tuned for that number, which earlier looks can only
    add to. For goals the variance is what the time before the exposure leaves of it (CUPED). A longer run meets fewer
    new customers a day, so `days` is rather too short.

    Raises `DefinitionError` as `experiment` does, for a lift of 0 or below -1, a power that is not between 0 and 1, and
    a span that is not above 0.

    >>> from analytics import Metric, Paths
    >>> shop = Paths.from_text({f"c{n}": "see@1d buy@2d" if n % 2 else "see@1d" for n in range(40)}, end="30d")
    >>> plan = experiment_size(shop, Experiment("button", "see", metrics="buy"), lifts=0.1, horizon="fixed")
    >>> plan.select("baseline", "customers").rows()
    [(0.5, 3124)]
    """
    one_of("horizon", horizon, HORIZONS)
    asked = LIFTS if lifts is None else lifts
    each = (asked,) if isinstance(asked, int | float) else tuple(asked)
    if not each or any(not (lift >= -1 and lift and math.isfinite(lift)) for lift in each):
        expected = "numbers above -1 that are not 0, such as 0.05 for 5 %"
        raise DefinitionError("A plan is made for changes.", expected=expected, found=", ".join(map(str, each)))
    if not 0 < power < 1:
        raise DefinitionError("A power is a chance.", expected="above 0, below 1, such as 0.8", found=str(power))
    length = duration(span)
    if length <= timedelta():
        raise DefinitionError("A span takes some time.", expected="above 0, such as 28d", found=str(length))
    if paths.end_of_data is None:
        return ExperimentSize.SCHEMA.to_frame(eager=True)
    end = paths.end_of_data - definition.window
    planned = definition.within(end - length, end + timedelta(microseconds=1))
    return run(paths, ExperimentSize.of(paths, planned, lifts=each, power=power, horizon=horizon))
