"""The rows of an attribution, from the sums by value and replicate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.analysis import IS_TOTAL
from analytics.engine.local.money import MILLION
from analytics.goals.credit.credit_models import WHOLE
from analytics.goals.credit.credit_sums import CUT
from analytics.goals.credit.definition import Attribution, Model
from analytics.goals.credit.markov import Chain
from analytics.statistics.intervals import Floats
from analytics.statistics.replicates import MIN_FILLED, REPLICATES, replicate_interval

MIN_CUSTOMERS: Final = 30
MIN_VALUED: Final = 200
"""With fewer customers who bring a value, its interval would be too narrow."""


def credit_rows(
    merged: pl.DataFrame, asked: Attribution, names: Sequence[str], by: Sequence[str], schema: Mapping[str, Any]
) -> pl.DataFrame:
    """The rows of the total, then of every group."""
    groups = merged.partition_by(by, as_dict=True, maintain_order=True) if by else {}
    answers: dict[Any, pl.DataFrame] = {None: merged} if len(merged) else {}
    tables = [pl.DataFrame(schema={**{name: merged.schema[name] for name in by}, **schema})]
    for key, own in {**answers, **groups}.items():
        group = _Group.of(own, asked, names)
        values = dict(zip(by, key or [None] * len(by), strict=True)) | {IS_TOTAL: key is None}
        rows = [{**row, **values} for model in asked.models for row in group.rows(model)]
        tables.append(pl.DataFrame(rows, schema=tables[0].schema, orient="row"))
    place = pl.col("model").replace_strict({model: n for n, model in enumerate(asked.models)}, return_dtype=pl.Int64)
    order = [~pl.col(IS_TOTAL), *by, place, pl.col("credited").is_null(), -pl.col("credit"), "credited"]
    return pl.concat(tables).with_columns(pl.col(pl.Float64).fill_nan(None)).sort(order, nulls_last=True)


@dataclass(frozen=True)
class _Group:
    """The sums of a group: of every kind, by replicate."""

    merged: pl.DataFrame
    asked: Attribution
    names: Sequence[str]
    conversions: NDArray[np.int64]
    attributed: NDArray[np.int64]
    totals: Mapping[str, int]
    worth: tuple[int, int, int]
    """The value of all conversions, that of the attributed, and that of all with values cut, in millionths."""

    @classmethod
    def of(cls, merged: pl.DataFrame, asked: Attribution, names: Sequence[str]) -> _Group:
        """The sums of a group, or of all."""
        kinds = merged.group_by("kind").agg(pl.col("count", "worth").sum())
        totals = dict(kinds.select("kind", "count").iter_rows())
        worth = dict(kinds.select("kind", "worth").iter_rows())
        by_replicate = [_by_replicate(merged, kind, 1)[0][:, 0] for kind in ("conversions", "attributed")]
        return cls(
            merged, asked, names, by_replicate[0], by_replicate[1], totals,
            (worth.get("conversions", 0), worth.get("attributed", 0), worth.get("conversions" + CUT, 0)),
        )  # fmt: skip

    @property
    def is_enough(self) -> bool:
        """Whether there are enough customers, in enough replicates, for intervals."""
        filled = int((self.conversions > 0).sum())
        return self.totals.get("customers", 0) >= MIN_CUSTOMERS and filled >= MIN_FILLED

    @property
    def seen(self) -> NDArray[np.int64]:
        """The values that lie on a path."""
        return self.merged.filter(kind="seen")["source"].unique().sort().to_numpy()

    def rows(self, model: Model) -> Iterator[dict[str, Any]]:
        """The rows of a model: one per value, and that of the conversions nobody earns."""
        found = self._chain() if model == "markov" else self._rule(model)
        conversions = int(self.conversions.sum())
        share = found.share(self.is_enough)
        has_value = self.asked.value is not None
        same = {
            "model": model,
            "adds": model != "participation",
            "conversions": conversions,
            "enough": self.is_enough,
            "value_left_out": self.totals.get("left out", 0),
            **{name: self.totals.get(name, 0) for name in ("truncated", "nulls", "open", "customers")},
        }
        for place in [*self.seen, len(self.names)]:
            row = {**same, "credited": self.names[place] if place < len(self.names) else None}
            row |= {
                "credit": found.credit[place],
                "credit_low": share.low[place] * conversions,
                "credit_high": share.high[place] * conversions,
                "share": found.credit[place] / conversions if conversions else float("nan"),
                "removal": found.removal[place],
            }
            if has_value:
                low, high = found.value_range(place, self.worth[0], self.totals.get("valued", 0) >= MIN_VALUED)
                row |= {"value": found.value[place], "value_low": low, "value_high": high}
                row["share_cut"] = 1 - self.worth[2] / self.worth[0] if self.worth[0] > 0 else None
            yield row

    def _rule(self, model: Model) -> _Found:
        """What a rule gives; the conversions nobody earns stand behind the values."""
        units, parts, worth, worth_parts = _by_replicate(self.merged, model, len(self.names))
        cut = _by_replicate(self.merged, model + CUT, len(self.names))[2]
        alone = self.conversions - self.attributed
        credit = _total(units, parts, WHOLE)
        lost_worth = (self.worth[0] - self.worth[1]) / MILLION
        return _Found(
            np.append(credit, alone.sum()),
            np.append(_total(worth, worth_parts, MILLION), lost_worth),
            np.full(len(self.names) + 1, np.nan),
            np.column_stack([units / WHOLE, alone, self.conversions]),
            _share_of_rule,
            np.column_stack([cut / MILLION, np.zeros(REPLICATES), self._worth_by_replicate()]),
        )

    def _chain(self) -> _Found:
        """What the Markov chain gives."""
        size = len(self.names)
        edges = self.merged.filter(kind="move").group_by("source", "target", "replicate").agg(pl.col("count").sum())
        edges = edges.sort("source", "target", "replicate")
        kinds = edges.select("source", "target").unique(maintain_order=True)
        number = edges.join(kinds.with_row_index("number"), on=["source", "target"], maintain_order="left")["number"]
        sums = np.zeros((REPLICATES, len(kinds)), np.int64)
        sums[edges["replicate"].to_numpy(), number.to_numpy()] = edges["count"].to_numpy()
        chain = Chain.of(kinds["source"].to_numpy(), kinds["target"].to_numpy(), size, order=self.asked.order)

        def shares(rows: NDArray[Any]) -> Floats:
            removal = chain.removal(rows[:-2])
            attributed, conversions = rows[-2:]
            if not conversions:
                return np.full(size + 1, np.nan)
            scaled = removal / removal.sum() * attributed if attributed else np.zeros(size)
            return np.asarray(np.append(scaled, conversions - attributed) / conversions)

        removal = chain.removal(sums.sum(axis=0))
        both = np.column_stack([sums, self.attributed, self.conversions])
        share = shares(both.sum(axis=0))
        credit = np.nan_to_num(share * self.conversions.sum())
        part = np.nan_to_num(removal / removal.sum()) if np.nansum(removal) else np.zeros(size)
        value = np.append(part * self.worth[1], self.worth[0] - self.worth[1]) / MILLION
        return _Found(credit, value, np.append(removal, np.nan), both, shares if chain.is_small else None, None)

    def _worth_by_replicate(self) -> Floats:
        return _by_replicate(self.merged, "conversions" + CUT, 1)[2][:, 0] / MILLION


@dataclass(frozen=True)
class _Found:
    """What a model gives to each value, and last to nobody, with the sums by replicate that its intervals need."""

    credit: Floats
    value: Floats
    removal: Floats
    sums: NDArray[Any]
    statistic: Callable[[NDArray[Any]], Floats] | None
    worth: NDArray[Any] | None

    def share(self, is_enough: bool) -> _Range:
        """The interval of the share of the conversions."""
        return self._range(self.sums, is_enough)

    def value_range(self, place: int, whole: int, is_enough: bool) -> tuple[float, float]:
        """The interval of the value: of its share, times all of it."""
        sums = self.sums if self.worth is None else self.worth
        found = self._range(sums, is_enough)
        return found.low[place] * whole / MILLION, found.high[place] * whole / MILLION

    def _range(self, sums: NDArray[Any], is_enough: bool) -> _Range:
        if self.statistic is None or not is_enough:
            return _Range(*np.full((2, len(self.credit)), np.nan))
        return _Range(*replicate_interval(sums, self.statistic, low=0.0, high=1.0))


@dataclass(frozen=True)
class _Range:
    low: Floats
    high: Floats


def _share_of_rule(rows: NDArray[Any]) -> Floats:
    """The shares of the values, and of nobody, in the last column."""
    return rows[:-1] / rows[-1] if rows[-1] else np.full(len(rows) - 1, np.nan)


def _by_replicate(merged: pl.DataFrame, kind: str, size: int) -> list[NDArray[np.int64]]:
    """The sums of a kind: of each of its columns one table, a row per replicate, a column per value."""
    rows = merged.filter(kind=kind)
    place = rows["replicate"].to_numpy(), rows["source"].to_numpy()
    tables = []
    for name in ("count", "parts", "worth", "worth parts"):
        table = np.zeros((REPLICATES, size), np.int64)
        np.add.at(table, place, rows[name].to_numpy())
        tables.append(table)
    return tables


def _total(units: NDArray[np.int64], parts: NDArray[np.int64], unit: int) -> Floats:
    """Sums of units and parts over all replicates, as numbers."""
    return np.asarray((units.sum(axis=0) + parts.sum(axis=0) / WHOLE) / unit)
