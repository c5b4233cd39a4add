"""The columns that a model reads: which features, which words, and the matrix of rows that is made of them.

Words are chosen by the snapshots that the model learns from: a word of fewer than 0.5 % of their customers, or beyond
the 60 most frequent of its column, is one with the other rare ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.goals.ahead.features import PLAIN, REPLICATE, WORD, Known
from analytics.identity.columns import CODE
from analytics.store.columns import CUSTOMER, TOUCHPOINT
from expectations.errors import DefinitionError

Matrix = NDArray[np.float64]
RARE: Final = 0.005
MAX_WORDS: Final = 60
MAX_COLUMNS: Final = 200
TOO_GOOD: Final = 0.9
"""A single feature with a higher AUC tells of the outcome."""
MIN_GOALS_TO_TELL: Final = 50
_MET: Final = ("touches", "week")


@dataclass(frozen=True)
class ModelColumns:
    """The columns of the matrix: numbers, counts of touchpoints met, and words, each with the words it knows."""

    numbers: tuple[str, ...]
    touchpoints: tuple[str, ...]
    words: tuple[tuple[str, tuple[str, ...]], ...]

    @classmethod
    def of(cls, snapshots: Sequence[Known]) -> Self:
        """The columns of the snapshots that a model learns from."""
        rows = pl.concat([each.rows for each in snapshots], how="diagonal")
        features = [name for name in rows.columns if name not in (CODE, CUSTOMER, REPLICATE)]
        words = [(name, _frequent(rows[name])) for name in features if name.startswith(WORD)]
        numbers = tuple(name for name in features if not name.startswith(WORD))
        met = pl.concat([each.met[TOUCHPOINT] for each in snapshots]).value_counts()
        met = met.filter(pl.col("count") >= RARE * len(rows)).sort("count", TOUCHPOINT, descending=[True, False])
        left = max(0, MAX_COLUMNS - len(features)) // len(_MET)
        return cls(numbers, tuple(met[TOUCHPOINT].head(left)), tuple(words))

    @property
    def names(self) -> list[str]:
        """The names of the columns, in order."""
        met = [f"{what} of {name}" for what in _MET for name in self.touchpoints]
        return [*self.numbers, *met, *(name for name, _ in self.words)]

    @property
    def are_words(self) -> list[bool]:
        """Which columns are words."""
        return [False] * (len(self.names) - len(self.words)) + [True] * len(self.words)

    def matrix(self, known: Known) -> Matrix:
        """One row per customer at risk, in the order of their rows; NaN where nothing is known."""
        rows = known.rows
        missing = [name for name in (*self.numbers, *(name for name, _ in self.words)) if name not in rows.columns]
        if missing:
            raise DefinitionError("The snapshot lacks a feature of the model.", expected=missing[0])
        columns = [rows[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in self.numbers]
        columns += self._met(known)
        for name, kept in self.words:
            codes = rows[name].replace_strict(list(kept), range(len(kept)), default=len(kept), return_dtype=pl.Float64)
            columns.append(np.where(rows[name].is_null().to_numpy(), np.nan, codes.to_numpy()))
        return np.column_stack(columns) if columns else np.zeros((len(rows), 0))

    def _met(self, known: Known) -> list[Matrix]:
        """How often the customers of the rows met each touchpoint, in the lookback and in its last week."""
        rows = known.rows.select(CODE).with_row_index("row")
        names = pl.DataFrame({TOUCHPOINT: self.touchpoints}, schema={TOUCHPOINT: pl.String}).with_row_index("column")
        met = known.met.join(rows, on=CODE).join(names, on=TOUCHPOINT)
        counts = np.zeros((len(_MET), len(names), len(rows)))
        for place, what in enumerate(_MET):
            counts[place, met["column"].to_numpy(), met["row"].to_numpy()] = met[what].to_numpy()
        return [*counts.reshape(-1, len(rows))]

    def refuse_what_tells(self, matrix: Matrix, reached: NDArray[np.bool_]) -> None:
        """Raises `DefinitionError` for a feature that alone tells who reaches the goal: it knows what comes after.

        That is one with an AUC above 0.9. Below 50 goals nothing is refused.
        """
        if min(reached.sum(), (~reached).sum()) < MIN_GOALS_TO_TELL:
            return
        for name, is_word, column in zip(self.names, self.are_words, matrix.T, strict=True):
            score = (
                _rate_of_word(column, reached) if is_word else np.nan_to_num(column, nan=np.nanmin([*column, 0]) - 1)
            )
            found = auc(score, reached)
            if max(found, 1 - found) > TOO_GOOD:
                raise DefinitionError(
                    f"The feature {name!r} alone tells who reaches the goal.",
                    expected=f"an AUC of at most {TOO_GOOD:g}: what was known then does not tell what came after",
                    found=f"{max(found, 1 - found):.3f}",
                    do="find out when its values are written; never in [prediction] leaves a column out",
                )


def plain_matrix(known: Known) -> Matrix:
    """The columns of the logistic baseline: recency, sessions, goals before, and whether the stage before the
    goal's was met within a week.
    """
    columns = [known.rows[name].cast(pl.Float64).fill_null(0.0).to_numpy() for name in PLAIN]
    columns[-1] = (columns[-1] > 0).astype(np.float64)
    return np.column_stack(columns)


def auc(score: NDArray[Any], reached: NDArray[np.bool_]) -> float:
    """The chance that one who reached the goal has a higher score than one who did not, ties counting half.

    NaN where all or none reached it.

    >>> auc(np.array([1.0, 2.0, 2.0]), np.array([False, False, True]))
    0.75
    """
    goals = int(reached.sum())
    if not 0 < goals < len(reached):
        return float("nan")
    _, place, times = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(times) - (times - 1) / 2)[place]  # equal scores share the mean of their ranks
    return float((ranks[reached].sum() - goals * (goals + 1) / 2) / (goals * (len(reached) - goals)))


def _frequent(words: pl.Series) -> tuple[str, ...]:
    """The words of a column that are not rare, the most frequent first."""
    counts = words.drop_nulls().value_counts().sort("count", words.name, descending=[True, False])
    return tuple(counts.filter(pl.col("count") >= RARE * len(words))[words.name].head(MAX_WORDS))


def _rate_of_word(codes: Matrix, reached: NDArray[np.bool_]) -> Matrix:
    """The share of goals of the word of each row."""
    number = np.where(np.isnan(codes), -1, codes).astype(np.int64) + 1
    seen = np.bincount(number)
    rate: Matrix = np.bincount(number, reached) / np.maximum(seen, 1)
    return rate[number]
