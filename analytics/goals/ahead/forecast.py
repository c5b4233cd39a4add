"""Predicts a goal: learns at earlier cutoffs, tests on held-back time, and scores the customers at risk now.

A model that is to be tested at a cutoff learns from what was known at that cutoff, its labels too: nothing that arrived
later changes a chance. The model for now learns the same way from what is known now. It is published only where, on
held-back time, its skill is surely above that of the logistic baseline, and its calibration error is at most 0.02, or a
fifth of the share that reaches the goal. Else the baseline is used, where it is better than the base rate; else that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.goals.ahead.columns import Matrix, ModelColumns, plain_matrix
from analytics.goals.ahead.definition import Cutoffs, Prediction
from analytics.goals.ahead.features import REPLICATE, Known, first_goals
from analytics.goals.ahead.hazard import (
    HazardRows,
    Hazards,
    Model,
    base_rate,
    calibrated,
    chances_of,
    expected_days,
    fit_boosting,
    fit_logistic,
)
from analytics.goals.ahead.quality import (
    GROUPS,
    SHARES_BELOW,
    band_edges,
    bands_of,
    cells,
    expected_interval,
    groups_of,
    quality,
)
from analytics.goals.ahead.snapshots import Landed, Now, known_now, snapshots, without_objectors
from analytics.goals.ahead.stored import forecast_kept, keep_forecast, state_of
from analytics.stitching.known import landed_copy
from analytics.stitching.privacy.journal import erasures
from analytics.stitching.privacy.kept.snapshots import forget_snapshots
from analytics.store.columns import CUSTOMER
from analytics.touches.rules import PathRules
from expectations.errors import DefinitionError
from expectations.lake.layout import Lake

MIN_LEARNED: Final = 200
MIN_TESTED: Final = 50
"""With fewer goals to learn from, or in the test, there is no model."""
MAX_ERROR: Final = 0.02
MAX_ERROR_OF_RATE: Final = 0.2
HORIZON, MODEL, PUBLISHED = "horizon", "model", "published"
BANDS: Final = len(SHARES_BELOW) + 1

Learned = dict[Model, tuple[Hazards, Callable[[Known], Matrix]]]


@dataclass(frozen=True)
class Forecast:
    """What is predicted, and how good it is.

    - `quality`: one row per model (`hazard`, `logistic`, `base rate`) and horizon, on held-back time. Columns: model,
      published (Boolean: this model is used), horizon (Duration), customers, goals, expected (goals), auc, brier, skill
      with its interval, gain (the skill less that of the logistic baseline) with its interval, log_loss,
      calibration_error.
    - `reliability`: of the model that is used, by horizon and `group` (ten of equal size): customers, goals, expected
      and seen share with Wilson interval.
    - `outlook`: the customers at risk now, by horizon and `band` (1 to 4) of chance, from `chance_from` up to
      `chance_to`, totals first (`is_total`): customers, expected_goals with a 95 % interval; beside them the same band
      on held-back time: tested (customers), tested_goals, expected and seen share with Wilson interval. The bands begin
      at the 50, 80 and 95 % points of the held-back chances; with the base rate there are none.
    - `scores`: customer (key), the chance within each horizon (`chance` by `horizon`), expected_days without the goal
      within the longest one; without customers who object to profiling.
    - `model`, `reason`: the model that is used, and why not another. `tested`, `at`: the cutoff of the test, and of the
      scores. `learned`: the cutoffs that the tested model learned from. `objected`: how many customers at risk are left
      out because they object.
    """

    quality: pl.DataFrame
    reliability: pl.DataFrame
    outlook: pl.DataFrame
    scores: pl.DataFrame
    model: Model
    reason: str
    tested: datetime
    at: datetime
    learned: tuple[datetime, ...]
    objected: int


def forecast(
    lake: Lake,
    definition: Prediction,
    rules: PathRules | None = None,
    *,
    at: datetime | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Forecast:
    """Tests a prediction on held-back time, and scores the customers at risk at the end of the data.

    With `at` it stands at an earlier time: whatever arrived after it changes nothing in the answer.

    What was known at each cutoff is stitched once and kept in the lake; so is the answer, as long as nothing lands.
    `on_progress` is called with the cutoffs done so far and all. Nothing stays in the lake of a prediction that was
    made while a customer was removed. Raises `DefinitionError` for a lake without touches, for data that are too short,
    and for a feature that alone tells who reaches the goal.
    """
    rules, erased = rules or PathRules(), erasures(lake)
    try:
        return _forecast(lake, definition, rules, at, on_progress)
    finally:
        if erasures(lake) != erased:  # a customer was removed meanwhile, and may be in what was kept
            forget_snapshots(lake)


def _forecast(
    lake: Lake,
    definition: Prediction,
    rules: PathRules,
    at: datetime | None,
    on_progress: Callable[[int, int], None] | None,
) -> Forecast:
    state = state_of(lake, rules, definition, at)
    if (kept := forecast_kept(lake, state)) is not None:
        return Forecast(**kept)
    with landed_copy(lake) as events:
        landed = Landed.of(events, at)
        now = None if landed is None else known_now(lake, events, rules, definition, at)
        if landed is None or now is None:
            raise DefinitionError("There is nothing to predict from.", expected="events that have landed in the lake")
        cutoffs = Cutoffs.of(definition, landed.first, now.end, landed.arrived)
        wanted = [*cutoffs.learned, *_between(cutoffs, definition), cutoffs.tested]
        known = snapshots(lake, events, rules, definition, wanted, now=now, on_progress=on_progress)
    made = _Forecasting(definition, cutoffs, known, now).made()
    keep_forecast(lake, state, made)
    return made


def _between(cutoffs: Cutoffs, definition: Prediction) -> list[datetime]:
    """The cutoffs between the last one learned from and the test: the model for now learns from them, too."""
    found = []
    at = cutoffs.learned[-1] + definition.apart
    while at < cutoffs.tested:
        found.append(at)
        at += definition.apart
    return found


@dataclass(frozen=True)
class _Forecasting:
    """A forecast in the making: what was known at each cutoff, and what is known now."""

    definition: Prediction
    cutoffs: Cutoffs
    known: dict[datetime, Known]
    now: Now

    def made(self) -> Forecast:
        """Tests the models, chooses one, and scores the customers at risk."""
        edges, tested = self.definition.days, self.cutoffs.tested
        then = without_objectors(self.known[tested], self.now)
        days = first_goals(then, self.now.known, tested)
        learned = self._learned(self.cutoffs.learned, self.known[tested])
        chances = {model: hazards.chances(matrix(then)) for model, (hazards, matrix) in learned.items()}
        numbers = self._numbers(chances, days, then.rows[REPLICATE].to_numpy())
        model, reason = _chosen(
            numbers, self.definition.longest, goals=self._goals, tested=int((days < edges[-1]).sum())
        )
        table = numbers.with_columns((pl.col(MODEL) == model).alias(PUBLISHED))
        hazards, scored = self._scored(model)
        return Forecast(
            quality=table.select(MODEL, PUBLISHED, pl.exclude(MODEL, PUBLISHED)),
            reliability=self._reliability(chances[model], days),
            outlook=self._outlook(model, chances[model], days, chances_of(hazards)),
            scores=self._scores(scored, hazards),
            model=model,
            reason=reason,
            tested=tested,
            at=self.now.end,
            learned=self.cutoffs.learned,
            objected=len(self.now.known.rows) - len(scored.rows),
        )

    @property
    def _goals(self) -> int:
        """The goals that the tested model learned from."""
        later = self.known[self.cutoffs.tested]
        return sum(
            int((first_goals(self._of(at), later, at) < self.definition.days[-1]).sum()) for at in self.cutoffs.learned
        )

    def _of(self, cutoff: datetime) -> Known:
        return without_objectors(self.known[cutoff], self.now)

    def _learned(self, cutoffs: Sequence[datetime], later: Known) -> Learned:
        """The models, from the snapshots of some cutoffs, with the goals that were known later.

        With two cutoffs or more the last one calibrates what the others taught.
        """
        edges, size = self.definition.days, len(self.definition.days)
        snapshots = [self._of(at) for at in cutoffs]
        waits = [first_goals(each, later, at) for each, at in zip(snapshots, cutoffs, strict=True)]
        design = ModelColumns.of(snapshots)
        matrices = [design.matrix(each) for each in snapshots]
        everybody, every_wait = np.vstack(matrices), np.concatenate(waits)
        design.refuse_what_tells(everybody, every_wait < edges[-1])
        rows, plain = HazardRows.of(every_wait, edges), np.vstack([plain_matrix(each) for each in snapshots])
        found: Learned = {"base rate": (base_rate(rows, size), plain_matrix)}
        if not 0 < rows.reached.sum() < len(rows.reached):
            return found
        found["logistic"] = (fit_logistic(plain, rows, size), plain_matrix)
        first = len(matrices[0]) and len(cutoffs) > 1
        taught = HazardRows.of(np.concatenate(waits[:-1]), edges) if first else rows
        if not 0 < taught.reached.sum() < len(taught.reached):
            return found
        boosted = fit_boosting(np.vstack(matrices[:-1]) if first else everybody, taught, size, design.are_words)
        if first:
            boosted = calibrated(boosted, matrices[-1], HazardRows.of(waits[-1], edges))
        found["hazard"] = (boosted, design.matrix)
        return found

    def _numbers(self, chances: dict[Model, Matrix], days: Matrix, replicate: NDArray[np.int64]) -> pl.DataFrame:
        """The quality of each model and horizon."""
        rows = []
        for model in ("hazard", "logistic", "base rate"):
            for place, (length, edge) in enumerate(zip(self.definition.lengths, self.definition.days, strict=True)):
                if model in chances:
                    than = chances["logistic"][:, place] if model == "hazard" else None
                    own = quality(chances[model][:, place], days < edge, replicate, than)
                    rows.append({MODEL: model, HORIZON: length, **own})
        floats = [name for name in rows[0] if name not in (MODEL, HORIZON, "customers", "goals")]
        return pl.DataFrame(
            rows,
            schema_overrides={HORIZON: pl.Duration("us"), **dict.fromkeys(floats, pl.Float64)},
            infer_schema_length=None,
        )

    def _scored(self, model: Model) -> tuple[Matrix, Known]:
        """The hazards of the customers at risk now, by a model that learned up to the test."""
        every = sorted(self.known)
        own = self._learned(every, self.now.known)
        hazards, matrix = own.get(model, own["base rate"])
        scored = without_objectors(self.now.known, self.now)
        return hazards.table(matrix(scored)), scored

    def _reliability(self, chances: Matrix, days: Matrix) -> pl.DataFrame:
        tables = []
        for place, (length, edge) in enumerate(zip(self.definition.lengths, self.definition.days, strict=True)):
            group = groups_of(chances[:, place], GROUPS)
            each = cells(chances[:, place], days < edge, group, GROUPS)
            tables.append(each.select(pl.lit(length, pl.Duration("us")).alias(HORIZON), pl.all()))
        return pl.concat(tables)

    def _outlook(self, model: Model, tested: Matrix, days: Matrix, chances: Matrix) -> pl.DataFrame:
        """The bands of the customers at risk, and the same bands on held-back time."""
        rows: list[dict[str, Any]] = []
        for place, (length, edge) in enumerate(zip(self.definition.lengths, self.definition.days, strict=True)):
            then, now, reached = tested[:, place], chances[:, place], days < edge
            edges = band_edges(then)
            seen = cells(then, reached, np.zeros(len(then), np.int64), 1).to_dicts()
            if model != "base rate":
                seen += cells(then, reached, bands_of(then, edges), BANDS).to_dicts()
            band = bands_of(now, edges)
            for number, held in enumerate(seen):
                inside = now if not number else now[band == number - 1]
                goals, low, high = expected_interval(inside)
                limits = [0.0, *edges, 1.0]
                rows.append(
                    {
                        "is_total": not number,
                        HORIZON: length,
                        "band": number or None,
                        "chance_from": limits[number - 1] if number else 0.0,
                        "chance_to": limits[number] if number else 1.0,
                        "customers": len(inside),
                        "expected_goals": goals,
                        "expected_low": low,
                        "expected_high": high,
                        "tested": held["customers"],
                        "tested_goals": held["goals"],
                        **{name: held[name] for name in ("expected", "seen", "seen_low", "seen_high")},
                    }
                )
        overrides = {HORIZON: pl.Duration("us"), "band": pl.Int64} | dict.fromkeys(
            ("expected", "seen", "seen_low", "seen_high"), pl.Float64
        )
        return pl.DataFrame(rows, schema_overrides=overrides, infer_schema_length=None)  # type: ignore[arg-type]

    def _scores(self, scored: Known, hazards: Matrix) -> pl.DataFrame:
        chances, days = chances_of(hazards), expected_days(hazards, self.definition.days)
        keys = scored.rows[CUSTOMER]
        tables = [
            pl.DataFrame(
                {
                    CUSTOMER: keys,
                    HORIZON: pl.Series([length] * len(keys), dtype=pl.Duration("us")),
                    "chance": chances[:, place],
                    "expected_days": days,
                }
            )
            for place, length in enumerate(self.definition.lengths)
        ]
        return pl.concat(tables).sort(CUSTOMER, HORIZON)


def _chosen(numbers: pl.DataFrame, longest: Any, *, goals: int, tested: int) -> tuple[Model, str]:
    """The model to use, by the longest horizon, and why."""
    if goals < MIN_LEARNED or tested < MIN_TESTED:
        few = f"{goals:,} goals to learn from and {tested:,} in the test"
        return "base rate", f"{few}; a model takes {MIN_LEARNED} and {MIN_TESTED}"
    own = {row[MODEL]: row for row in numbers.filter(pl.col(HORIZON) == longest).iter_rows(named=True)}
    boosted, plain = own.get("hazard"), own.get("logistic")
    if boosted is None or plain is None:
        return "base rate", "all or none of those at risk reached the goal"
    limit = max(MAX_ERROR, MAX_ERROR_OF_RATE * boosted["goals"] / boosted["customers"])
    better, error = _is_above_0(boosted["gain_low"]), boosted["calibration_error"]
    if better and error <= limit:
        return "hazard", "the hazard model is better than the logistic baseline on held-back time"
    fault = f"has a calibration error of {error:.4f}, above {limit:.4f}" if better else "is not surely better"
    why = f"the hazard model {fault}" + ("" if better else " than the logistic baseline on held-back time")
    if _is_above_0(plain["skill_low"]):
        return "logistic", why
    return "base rate", f"{why}, nor is the logistic baseline better than the base rate"


def _is_above_0(low: float | None) -> bool:
    return low is not None and low > 0
