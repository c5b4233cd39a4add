"""What a unit takes a customer on the way to its goal, and how it felt.

**Effort** are the repeats, back-tracks, hand-offs and errors of `effort`, also of touches without a stage, up to the
goal. **Felt** are the CSAT answers of the unit, up to seven days after its goal; satisfied are 4 and 5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.experience.effort import ERRORS
from analytics.experience.voice import SCORE, SURVEY
from analytics.paths.sequences import UnitSequences
from analytics.statistics.satisfaction import SCALES
from analytics.store.columns import STAGE, TOUCHPOINT

CHANNEL: Final = "channel"
AFTER: Final = 7 * 86_400_000_000
"""How long after its goal an answer belongs to a unit, in microseconds."""
FELT: Final = ("satisfied", "csat_n")
Ints = NDArray[np.int64]


def columns_of_feeling(schema: Mapping[str, pl.DataType]) -> tuple[str, ...]:
    """The stored columns that effort and answers are read from, of those that there are."""
    answers = (SURVEY, SCORE) if {SURVEY, SCORE} <= set(schema) else ()
    return (*(name for name in (TOUCHPOINT, CHANNEL, STAGE) if name in schema), *answers)


def effort_of(toward: UnitSequences, touches: Ints, names: Sequence[str], stages: Sequence[str]) -> dict[str, Ints]:
    """`handoffs` of each unit over some of its touches, and `effort`: these, repeats, back-tracks and errors.

    `names` are stored columns that can be read, `stages` the names of the stages in order.
    """
    unit = toward.sequence_numbers()[touches]
    read = [name for name in (TOUCHPOINT, CHANNEL, STAGE) if name in names]
    seen = toward.read(read, touches).with_columns(pl.Series("unit", unit))
    stays = pl.col("unit") == pl.col("unit").shift(1)

    def counted(table: pl.DataFrame, condition: pl.Expr) -> Ints:
        hits = table.select(condition.fill_null(False)).to_series().to_numpy()
        return np.bincount(table["unit"].to_numpy()[hits], minlength=len(toward))

    none = np.zeros(len(toward), np.int64)
    changes = stays & (pl.col(CHANNEL) != pl.col(CHANNEL).shift(1))
    handoffs = counted(seen, changes) if CHANNEL in read else none
    effort = handoffs + counted(seen, stays & (pl.col(TOUCHPOINT) == pl.col(TOUCHPOINT).shift(1)))
    effort = effort + counted(seen, ERRORS)
    if STAGE in read and stages:
        rank = pl.col(STAGE).replace_strict(list(stages), range(len(stages)), default=None, return_dtype=pl.Int64)
        ranked = seen.select("unit", rank.alias("rank")).drop_nulls()
        effort = effort + counted(ranked, stays & (pl.col("rank") < pl.col("rank").shift(1)))
    return {"handoffs": handoffs, "effort": effort}


def feeling_of(toward: UnitSequences, names: Sequence[str]) -> dict[str, Ints]:
    """`csat_n` and `satisfied` of each unit: its CSAT answers up to seven days after the goal that it has."""
    none = np.zeros(len(toward), np.int64)
    if SURVEY not in names:
        return {"csat_n": none, "satisfied": none}
    after = toward.aftermath
    unit = np.append(toward.sequence_numbers(), after.unit)
    at = np.append(toward.microseconds(np.arange(len(toward.codes))), after.at)
    since = at - toward.microseconds(toward.bounds[:-1])[unit]
    touches = np.flatnonzero((toward.to_goal[unit] >= 0) & (since <= toward.to_goal[unit] + AFTER))
    score = pl.when(pl.col(SURVEY) == "csat", pl.col(SCORE).is_between(*SCALES["csat"])).then(pl.col(SCORE))
    scores = toward.read([SURVEY, SCORE], touches).select(score.alias("score"))["score"]
    counted = {"csat_n": scores.is_not_null(), "satisfied": (scores >= 4).fill_null(False)}
    return {name: np.bincount(unit[touches[hits.to_numpy()]], minlength=len(toward)) for name, hits in counted.items()}
