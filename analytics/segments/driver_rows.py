"""The rows of drivers: differences, adjusted differences and interactions, from two tables of pairs of levels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.segments.factors import MAX_LEVELS, MET, UNKNOWN
from analytics.statistics.corrections import benjamini_hochberg
from analytics.statistics.intervals import Floats, newcombe
from analytics.statistics.strata import interaction_of, stratified_difference
from analytics.statistics.tests import two_proportions_z

PAIR, ALL, NEXT, JOINT = "pair", "all", "next", "joint"
"""Kinds of rows of the counts."""
LOGIN: Final = "login"
MIN_COMPARED: Final = 30
CLEAR: Final = 0.05
SIGN: Final = " × "
"""What joins two factors, and two levels, in a row of `together`."""
_NUMBERS: Final = (
    *("rate", "rate_other", "difference", "low", "high", "p_value", "p_corrected"),
    *("adjusted", "adjusted_low", "adjusted_high"),
)
_MORE: Final = ("overlap", "at_stake", "share_of_drops", "goals_at_stake", "rate_first", "rate_second")
DRIVER_ROWS: Final[dict[str, Any]] = {
    "step": pl.UInt32,
    "factor": pl.String,
    "level": pl.String,
    "kind": pl.String,
    "customers": pl.Int64,
    "dropped": pl.Int64,
    **dict.fromkeys(_NUMBERS, pl.Float64),
    "explained_by": pl.String,
    "same_as": pl.String,
    **dict.fromkeys(_MORE, pl.Float64),
    "enough": pl.Boolean,
    "login_of_dropped": pl.Float64,
    "login_of_others": pl.Float64,
}
"""The columns of the rows, after `is_total`."""


@dataclass(frozen=True)
class Tables:
    """How many entrants have each pair of levels (`customers`), and how many of them dropped (`dropped`).

    Levels are rows and columns, those of one factor side by side: `spans` says where. The strata of `adjust` are a
    span of further columns, named `JOINT`. `following` has the next touchpoints, `known` which levels are known.
    """

    levels: list[str]
    spans: dict[str, slice]
    customers: NDArray[np.int64]
    dropped: NDArray[np.int64]
    total: dict[str, int]
    following: pl.DataFrame
    login: tuple[float | None, float | None]

    @classmethod
    def of(cls, merged: pl.DataFrame, factors: Sequence[str], *, linked: str | None, by_default: bool) -> Tables:
        """The tables of merged counts. Factors by default have 2 to 50 levels that occur."""
        pairs, joint = (merged.filter(pl.col("kind") == kind) for kind in (PAIR, JOINT))
        own = pairs.filter(pl.col("factor") == pl.col("other")).sort("level")
        names = {name: own.filter(pl.col("factor") == name)["level"].to_list() for name in factors}
        if by_default:
            names = {name: found for name, found in names.items() if 2 <= len(found) <= MAX_LEVELS}
        if len(joint):
            names[JOINT] = joint["other_level"].unique().sort().to_list()
        levels: list[str] = []
        spans: dict[str, slice] = {}
        for name, found in names.items():
            spans[name] = slice(len(levels), len(levels) + len(found))
            levels += found
        place = {(name, levels[row]): row for name, span in spans.items() for row in range(span.start, span.stop)}
        customers, dropped = np.zeros((2, len(levels), len(levels)), np.int64)
        for row in pl.concat([pairs, joint]).iter_rows(named=True):
            one, other = place.get((row["factor"], row["level"])), place.get((row["other"], row["other_level"]))
            if one is not None and other is not None:
                for table, count in ((customers, row["customers"]), (dropped, row["dropped"])):
                    table[one, other] = table[other, one] = count
        total = merged.filter(pl.col("kind") == ALL).select("customers", "dropped", "goals").row(0, named=True)
        following = merged.filter(pl.col("kind") == NEXT).select("factor", "level", "customers", "dropped")
        return cls(levels, spans, customers, dropped, total, following, _login(own, linked))

    @property
    def factors(self) -> list[str]:
        """The factors, without the strata of `adjust`."""
        return [name for name in self.spans if name != JOINT]

    def own(self, factor: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Who dropped, and all, of each level of a factor."""
        span = self.spans[factor]
        return self.dropped.diagonal()[span], self.customers.diagonal()[span]

    def is_known(self, factor: str) -> NDArray[np.bool_]:
        """Which levels of a factor are known."""
        return np.array([level != UNKNOWN for level in self.levels[self.spans[factor]]], np.bool_)

    def against_others(self, factor: str, other: str) -> tuple[NDArray[np.int64], ...]:
        """Per level of a factor (rows) and level of another (columns): dropped, all; the same of the known others."""
        rows, columns = self.spans[factor], self.spans[other]
        k1, n1 = self.dropped[rows, columns], self.customers[rows, columns]
        known = self.is_known(factor)
        k0, n0 = (each[known].sum(axis=0) - np.where(known[:, None], each, 0) for each in (k1, n1))
        return k1, n1, k0, n0


def _login(own: pl.DataFrame, linked: str | None) -> tuple[float | None, float | None]:
    """Which share of those who dropped, and of the others, is known by login."""
    found = own.filter(pl.col("factor") == (linked or "")).select(
        "level", "dropped", (pl.col("customers") - pl.col("dropped")).alias("others")
    )
    shares = []
    for side in ("dropped", "others"):
        whole = int(found[side].sum())
        shares.append(int(found.filter(pl.col("level") == LOGIN)[side].sum()) / whole if whole else None)
    return shares[0], shares[1]


def driver_rows(tables: Tables, step: int, *, together: bool, floor: float, top: int | None) -> pl.DataFrame:
    """The row of all, levels by what is at stake, levels that do more together, and what came next."""
    total, schema = tables.total, {"is_total": pl.Boolean, **DRIVER_ROWS}
    rate = total["dropped"] / total["customers"]
    first = {"is_total": True, "kind": "total", "rate": rate, "enough": _are_enough(total)}
    ends = dict(zip(("login_of_dropped", "login_of_others"), tables.login, strict=True))
    whole = [{**first, **ends, "customers": total["customers"], "dropped": total["dropped"]}]
    levels = sorted(_levels(tables), key=lambda row: -abs(row["at_stake"] or 0.0))
    _correct(levels)
    pairs = _together(tables, floor) if together else []
    following = sorted(_following(tables), key=lambda row: (-row["customers"], row["level"]))
    kinds = [[row for row in levels if row["kind"] == kind] for kind in ("attribute", "met")]
    shown = {id(row) for kind in kinds for row in kind[:top]}
    rows = [*whole, *(row for row in levels if id(row) in shown), *pairs[:top], *following[:top]]
    table = pl.DataFrame([{"is_total": False, "step": step, **row} for row in rows], schema=schema, orient="row")
    return table.with_columns(pl.col(pl.Float64).fill_nan(None))


def _are_enough(total: dict[str, int]) -> bool:
    return min(total["dropped"], total["customers"] - total["dropped"]) >= MIN_COMPARED


def _levels(tables: Tables) -> Iterator[dict[str, Any]]:
    """One row per level of each factor."""
    total, shares = tables.total, _Adjusted.of(tables)
    went_on = total["customers"] - total["dropped"]
    goals = total["goals"] / went_on if went_on else float("nan")
    for factor in tables.factors:
        k1, n1 = tables.own(factor)
        known = tables.is_known(factor)
        k0, n0 = (each[known].sum() - np.where(known, each, 0) for each in (k1, n1))
        plain = newcombe(k1, n1, k0, n0)
        tests = two_proportions_z(k1, n1, k0, n0).p_value
        with np.errstate(divide="ignore", invalid="ignore"):
            rate, other = k1 / n1, k0 / n0
        span = tables.spans[factor]
        for level in range(len(k1)):
            best = shares.best(span.start + level, factor)
            at_stake = n1[level] * best["adjusted"]
            enough = _are_enough(total) and min(n1[level], n0[level]) >= MIN_COMPARED
            p_value = best.pop("p_value") if shares.strata else tests[level]
            yield {
                "factor": factor,
                "level": tables.levels[span.start + level],
                "kind": "met" if factor.startswith(MET) else "attribute",
                "customers": int(n1[level]),
                "dropped": int(k1[level]),
                "rate": rate[level],
                "rate_other": other[level],
                "difference": rate[level] - other[level],
                "low": plain.low[level],
                "high": plain.high[level],
                **best,
                "p_value": p_value if enough else float("nan"),
                "at_stake": at_stake,
                "share_of_drops": at_stake / total["dropped"] if total["dropped"] else float("nan"),
                "goals_at_stake": at_stake * goals,
                "enough": bool(enough),
            }


@dataclass(frozen=True)
class _Adjusted:
    """The adjusted difference of every level (rows) by every factor of `strata` (columns), with what belongs to it."""

    strata: list[str]
    plain: Floats
    found: dict[str, Floats]
    spans: dict[str, slice]
    levels: list[str]

    @classmethod
    def of(cls, tables: Tables) -> _Adjusted:
        """Every level adjusted by every other factor, or by the strata of `adjust`."""
        strata = [JOINT] if JOINT in tables.spans else tables.factors
        size = (len(tables.levels), len(strata))
        found = {
            name: np.full(size, np.nan) for name in ("adjusted", "adjusted_low", "adjusted_high", "overlap", "p_value")
        }
        plain = np.full(len(tables.levels), np.nan)
        for factor in tables.factors:
            span = tables.spans[factor]
            for column, other in enumerate(strata):
                if other == factor:
                    continue
                result = stratified_difference(*tables.against_others(factor, other))
                plain[span] = result.difference
                for name, values in found.items():
                    values[span, column] = getattr(result, name)
        return cls(strata if len(strata) > 1 or JOINT in strata else [], plain, found, tables.spans, tables.levels)

    def best(self, row: int, factor: str) -> dict[str, Any]:
        """The adjusted difference nearest to 0, with the factor that explains it so."""
        column = self._nearest(row)
        if column is None:
            overlap = self.found["overlap"][row]
            known = overlap[~np.isnan(overlap)]
            nothing = dict.fromkeys(("adjusted", "adjusted_low", "adjusted_high", "p_value"), float("nan"))
            return {**nothing, "overlap": known.max() if len(known) else float("nan")}
        by = self.strata[column]
        numbers = {name: float(values[row, column]) for name, values in self.found.items()}
        if by == JOINT:
            return numbers
        return {**numbers, "explained_by": by, "same_as": by if self._are_one(row, column, factor) else None}

    def _nearest(self, row: int) -> int | None:
        if not self.strata:
            return None
        size = np.abs(self.found["adjusted"][row])
        return None if np.isnan(size).all() else int(np.nanargmin(size))

    def _are_one(self, row: int, column: int, factor: str) -> bool:
        """Whether a factor takes more than half of a level's difference, and the level's takes as much of it."""
        if factor not in self.strata or not self._halved(row, column):
            return False
        back, span = self.strata.index(factor), self.spans[self.strata[column]]
        return any(self._nearest(other) == back and self._halved(other, back) for other in range(span.start, span.stop))

    def _halved(self, row: int, column: int) -> bool:
        return bool(abs(self.found["adjusted"][row, column]) < abs(self.plain[row]) / 2)


def _correct(rows: list[dict[str, Any]]) -> None:
    """Give rows their p-values corrected for all of them."""
    corrected = benjamini_hochberg([row["p_value"] for row in rows])
    for row, p_value in zip(rows, corrected, strict=True):
        row["p_corrected"] = float(p_value)


def _together(tables: Tables, floor: float) -> list[dict[str, Any]]:
    """The pairs of known levels that do clearly more together than the sum of both, the largest excess first."""
    tested = [
        row
        for number, one in enumerate(tables.factors)
        for other in tables.factors[number + 1 :]
        for row in _pairs_of(tables, one, other)
    ]
    _correct(tested)
    shown = [row for row in tested if row["p_corrected"] < CLEAR and row["rate"] - row["rate_other"] >= floor]
    return sorted(shown, key=lambda row: -row["customers"] * (row["rate"] - row["rate_other"]))


def _pairs_of(tables: Tables, one: str, other: str) -> Iterator[dict[str, Any]]:
    """The pairs of known levels of two factors that can be tested."""
    rows = np.arange(len(tables.levels))[tables.spans[one]][tables.is_known(one)]
    columns = np.arange(len(tables.levels))[tables.spans[other]][tables.is_known(other)]
    both = [table[np.ix_(rows, columns)] for table in (tables.dropped, tables.customers)]
    cells = []
    for table in both:
        own, others = table.sum(axis=1, keepdims=True), table.sum(axis=0, keepdims=True)
        cells.append(np.stack([table, own - table, others - table, table.sum() - own - others + table]))
    found = interaction_of(cells[0], cells[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = cells[0] / cells[1]
    for i, j in zip(*np.nonzero(found.tested), strict=True):
        first, second = float(rates[1, i, j]), float(rates[2, i, j])
        yield {
            "factor": one + SIGN + other,
            "level": tables.levels[rows[i]] + SIGN + tables.levels[columns[j]],
            "kind": "together",
            "customers": int(cells[1][0, i, j]),
            "dropped": int(cells[0][0, i, j]),
            "rate": float(rates[0, i, j]),
            "rate_other": max(first, second),
            "difference": float(found.interaction[i, j]),
            "low": float(found.interaction[i, j] - found.reach[i, j]),
            "high": float(found.interaction[i, j] + found.reach[i, j]),
            "p_value": float(found.p_value[i, j]),
            "rate_first": first,
            "rate_second": second,
            "enough": True,
        }


def _following(tables: Tables) -> Iterator[dict[str, Any]]:
    """What came next for those who did not go on at once."""
    for row in tables.following.iter_rows(named=True):
        enough = row["customers"] >= MIN_COMPARED
        yield {**row, "kind": "after", "rate": row["dropped"] / row["customers"], "enough": enough}
