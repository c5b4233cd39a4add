"""Which variant of an experiment does better, and is the experiment sound?

With `horizon="anytime"` intervals and p-values hold at every look together (a confidence sequence); with `"fixed"` they
hold for one look, at an end that was fixed before.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, NamedTuple, get_args

import polars as pl

from analytics.engine.analysis import IS_TOTAL, answer, measured_by
from analytics.engine.conditions import one_of
from analytics.engine.run import run
from analytics.goals.experiments.definition import Experiment, Metric
from analytics.goals.experiments.exposures import OF_VARIANT, ExperimentCounts
from analytics.paths.view import By
from analytics.statistics.corrections import benjamini_hochberg
from analytics.statistics.experiments import (
    MeanSums,
    confidence_sequence,
    difference_of_shares,
    mean_difference,
)
from analytics.statistics.intervals import newcombe, wilson
from analytics.statistics.satisfaction import mean_interval
from analytics.statistics.shares import MIN_DENOMINATOR
from analytics.statistics.tests import two_proportions_z
from analytics.store.paths import Paths

Horizon = Literal["anytime", "fixed"]
HORIZONS: Final = get_args(Horizon)
LEVEL: Final = 0.05
_NUMBERS: Final = (
    *("mean", "mean_low", "mean_high", "difference", "low", "high", "lift", "lift_low", "lift_high"),
    *("p_value", "p_corrected", "variance_kept"),
)


@dataclass(frozen=True, eq=False)
class ExperimentDifferences(ExperimentCounts):
    """Compares the variants with the control."""

    SCHEMA: ClassVar[pl.Schema] = answer(
        metric=pl.String,
        variant=pl.String,
        customers=pl.Int64,
        sum=pl.Int64,
        **dict.fromkeys(_NUMBERS, pl.Float64),
        horizon=pl.String,
        expected=pl.Int64,
        srm=pl.Boolean,
        verdict=pl.String,
        enough=pl.Boolean,
    )

    horizon: Horizon = "anytime"

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `experiment`."""
        table = self.with_totals(merged)
        nobody = pl.DataFrame(schema={**self.by.types, **self.SCHEMA})
        if table.is_empty():
            return nobody
        assigned = table.filter(pl.col(IS_TOTAL) & (pl.col("metric") == OF_VARIANT) & (pl.col("assigned") > 0))
        srm = self.ratio(assigned).srm
        rows = list(self._compared(table))
        corrected = [math.nan] * len(rows)
        for family in (True, False):
            own = [place for place, row in enumerate(rows) if row[IS_TOTAL] == family]
            found = benjamini_hochberg([rows[place]["p_value"] for place in own])
            for place, value in zip(own, found.tolist(), strict=True):
                corrected[place] = value
        for row, p_value in zip(rows, corrected, strict=True):
            metric: Metric = row["metric"]
            verdict = None if row["is_control"] else _verdict(row, p_value, metric, srm=srm)
            row |= {"metric": metric.name, "p_corrected": p_value, "srm": srm, "verdict": verdict}
            row |= {"horizon": self.horizon, "expected": self.asked.expected}
        schema = nobody.schema
        made = pl.DataFrame([{name: row[name] for name in schema} for row in rows], schema=schema)
        return made.with_columns(pl.col(*_NUMBERS).fill_nan(None))

    def _compared(self, table: pl.DataFrame) -> Iterator[dict[str, Any]]:
        """One row per group, metric and variant; the metrics are definitions still."""
        keys = [*self.by.names, IS_TOTAL, "metric"]
        counted = table.filter((pl.col("metric") >= 0) & (pl.col("customers") > 0))
        for variants in counted.partition_by(keys, maintain_order=True):
            own = variants.to_dicts()
            control = own[0] if own[0]["variant"] == self.asked.control else None
            for row in own:
                metric, is_control = self.asked.metrics[row["metric"]], row is control
                other = None if is_control else control
                least = min(row["customers"], row["customers"] if control is None else control["customers"])
                numbers = _Row(*_mean(row, metric), *self._difference(other, row, metric))
                enough = control is not None and least >= MIN_DENOMINATOR
                yield {**row, **numbers._asdict(), "metric": metric, "is_control": is_control, "enough": enough}

    def _difference(
        self, control: Mapping[str, int] | None, row: Mapping[str, int], metric: Metric
    ) -> tuple[float, ...]:
        """The difference of a variant from the control with its interval, the lift with its own, p-value, and what is
        left of the variance.
        """
        if control is None:
            return (math.nan,) * 8
        before, after = _sums(control), _sums(row)
        found = mean_difference(before, after)
        shares = (row["sum"], row["customers"], control["sum"], control["customers"])
        is_share, customers = metric.of == "share", row["customers"] + control["customers"]
        difference, variance = found.adjusted, found.adjusted_variance
        low, high, p_value = found.adjusted_low, found.adjusted_high, found.adjusted_p
        lift_low, lift_high = found.lift_low, found.lift_high
        if is_share:
            difference, variance = (float(each) for each in difference_of_shares(*shares)[:2])
            low, high = (float(end) for end in newcombe(*shares))
            p_value = float(two_proportions_z(*shares).p_value)
        if self.horizon == "anytime":
            sequence = confidence_sequence(difference, variance, customers, expected=self.asked.expected)
            low, high, p_value = (float(each) if variance > 0 else math.nan for each in sequence[1:])
            lifted = confidence_sequence(found.lift, found.lift_variance, customers, expected=self.asked.expected)
            lift_low, lift_high = float(lifted.low), float(lifted.high)
        kept = math.nan if is_share else found.variance_kept
        return difference, low, high, found.lift, lift_low, lift_high, p_value, kept


class _Row(NamedTuple):
    mean: float
    mean_low: float
    mean_high: float
    difference: float
    low: float
    high: float
    lift: float
    lift_low: float
    lift_high: float
    p_value: float
    variance_kept: float


def _sums(row: Mapping[str, int]) -> MeanSums:
    return MeanSums(*(row[name] for name in ("customers", "sum", "sum_squares", "x_sum", "x_squares", "cross")))


def _mean(row: Mapping[str, int], metric: Metric) -> tuple[float, float, float]:
    """The share, or the mean, with its interval."""
    n, total = row["customers"], row["sum"]
    if metric.of == "share":
        low, high = wilson(total, n)
    else:
        low, high = mean_interval(n, total, row["sum_squares"], low=0.0, high=math.inf)
    return total / n, float(low), float(high)


def _verdict(row: Mapping[str, Any], p_corrected: float, metric: Metric, *, srm: bool) -> str:
    """`better`, `worse`, or `undecided`: without enough customers, and where the sample ratio is broken, always so."""
    is_clear = row["low"] > 0 or row["high"] < 0
    if srm or not row["enough"] or not p_corrected < LEVEL or not is_clear:
        return "undecided"
    return "better" if (row["low"] > 0) == (metric.better == "more") else "worse"


@measured_by(ExperimentDifferences)
def experiment(paths: Paths, definition: Experiment, *, by: By = (), horizon: Horizon = "anytime") -> pl.DataFrame:
    """What each variant of an experiment changes, against the control.

    Customers belong to the variant of their first exposure that names one. Left out are those who are seen in two
    variants, and those whose window is not over (`experiment_health` counts them). Only goals after the exposure count,
    at most the window after it; those of its instant do not. For the number of goals, the difference is adjusted by
    that of the time before the exposure (CUPED), 0 for customers not seen then.

    Columns: those of `by` (the value at the exposure); `is_total` Boolean (rows over all groups come first, with null
    in `by`); `metric`, `variant` String (the control first); `customers` Int64 (compared); `sum` Int64 (who reached the
    goal, or the goals of all); `mean` (sum over customers: a share, or goals per customer), `mean_low`, `mean_high`
    (Wilson's interval, Student's for goals); `difference` (from the control), `low`, `high`; `lift` (the plain
    difference over the mean of the control), `lift_low`, `lift_high` (delta method; null where the control's own
    interval reaches 0); `p_value`, `p_corrected` (Benjamini-Hochberg over metrics and variants; groups are a family of
    their own); `variance_kept` (of goals: what the adjustment leaves of the variance of the difference), all Float64,
    null where they do not exist; `horizon` String, `expected` Int64; `srm` Boolean (the sample ratio is broken: do not
    decide); `verdict` String: `better`, `worse` (the interval leaves out 0, and the corrected p-value is below 0.05) or
    `undecided`, as always with `srm` or below 30 customers; null for the control; `enough` Boolean (30 customers in
    both).

    `horizon="anytime"`: the interval and p-value of a confidence sequence, which hold at every look. `"fixed"`:
    Newcombe's interval and the z test for shares, Welch's for goals, which hold for one look. No touches give no rows.
    Raises `DefinitionError` for an unknown column or horizon, a control or planned variant that nobody was shown, one
    variant alone or more than 50, a variant without a planned share, and a window longer than the data; warns of a word
    that no touch has (`UnknownWordWarning`).

    >>> from analytics import Paths
    >>> seen = {"ann": "see@0d[v=A]", "bo": "see@0d[v=A] buy@1d", "cy": "see@0d[v=B] buy@2d"}
    >>> button = Experiment("button", "see", variant="v", metrics="buy")
    >>> found = experiment(Paths.from_text(seen, end="60d"), button, horizon="fixed")
    >>> found.select("variant", "customers", "sum", "difference", "verdict").rows()
    [('A', 2, 1, None, None), ('B', 1, 1, 0.5, 'undecided')]
    """
    one_of("horizon", horizon, HORIZONS)
    return run(paths, ExperimentDifferences.of(paths, definition, by=by, horizon=horizon))


@dataclass(frozen=True, eq=False)
class ExperimentHealth(ExperimentCounts):
    """Counts who is assigned, mixed and open."""

    SCHEMA: ClassVar[pl.Schema] = answer(
        variant=pl.String,
        **dict.fromkeys(("assigned", "mixed", "open"), pl.Int64),
        planned=pl.Float64,
        without_variant=pl.Int64,
        chi2=pl.Float64,
        p_value=pl.Float64,
        log10_p=pl.Float64,
        srm=pl.Boolean,
    )

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `experiment_health`."""
        table = self.with_totals(merged).filter(metric=OF_VARIANT)
        made, schema = [], {**self.by.types, **self.SCHEMA}
        for rows in table.partition_by([*self.by.names, IS_TOTAL], maintain_order=True):
            named = rows.filter(pl.col("assigned") > 0)
            planned = self.asked.planned or dict.fromkeys(named["variant"], 1 / max(len(named), 1))
            ratio = self.ratio(named) if len(named) > 1 or self.asked.planned else None
            found = {} if ratio is None else ratio._asdict()
            about = {**found, "without_variant": rows["without_variant"].sum()}
            made += [{**row, **about, "planned": planned.get(row["variant"])} for row in named.to_dicts()]
        answered = pl.DataFrame([{name: row.get(name) for name in schema} for row in made], schema=schema)
        return answered.with_columns(pl.col("chi2", "p_value", "log10_p").fill_nan(None))


@measured_by(ExperimentHealth)
def experiment_health(paths: Paths, definition: Experiment, *, by: By = ()) -> pl.DataFrame:
    """Who takes part in an experiment, and whether customers fall on its variants as planned.

    Columns: those of `by` (the value at the exposure); `is_total` Boolean (rows over all groups come first, with null
    in `by`); `variant` String (the control first); Int64: `assigned` (customers by the first exposure that names a
    variant), `mixed` (of these: seen in two variants), `open` (neither mixed, nor is their window over); `planned`
    Float64 (the share); of the group, the same in all of its rows: `without_variant` Int64 (customers whose exposures
    name none), `chi2`, `p_value`, `log10_p` Float64 (the sample ratio of the assigned) and `srm` Boolean (its p-value
    is below 0.001: do not decide on the results), null where a group has one variant and none is planned. No touches
    give no rows. Raises and warns as `experiment` does.

    >>> from analytics import Paths
    >>> seen = {"ann": "see@0d[v=A]", "bo": "see@0d[v=B] see@1d[v=A]", "cy": "see@50d[v=B]"}
    >>> found = experiment_health(Paths.from_text(seen, end="60d"), Experiment("x", "see", variant="v", metrics="see"))
    >>> found.select("variant", "assigned", "mixed", "open").rows()
    [('A', 1, 0, 0), ('B', 2, 1, 1)]
    """
    return run(paths, ExperimentHealth.of(paths, definition, by=by))
