"""The arithmetic of a change: counts of two periods become the parts of every step and segment, which add up.

A conversion is the product of the shares of its steps; goals are that product times entrants, value is goals times the
mean value of a goal. A factor that nobody can show in one period (the share of a step that nobody got to) is as in the
other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.analysis import IS_TOTAL
from analytics.engine.partials import numbered
from analytics.statistics.corrections import benjamini_hochberg
from analytics.statistics.decomposition import known_in_both, mix_and_rate, worth_of_factors
from analytics.statistics.intervals import Floats
from analytics.statistics.replicates import MIN_FILLED, REPLICATES, ReplicateError, replicate_error
from analytics.statistics.shares import MIN_DENOMINATOR

Of = Literal["rate", "goals", "value"]
OFS: Final = ("rate", "goals", "value")
PERIODS_COMPARED: Final = ("before", "after")
PART: Final = {
    "effect": pl.String,
    **dict.fromkeys(("before", "after", "contribution", "contribution_low", "contribution_high"), pl.Float64),
    **dict.fromkeys(("share_of_change", "p_value", "p_corrected"), pl.Float64),
    **dict.fromkeys(("customers_before", "customers_after"), pl.Int64),
    "enough": pl.Boolean,
}
"""The columns of one part of a change."""
MIN_VALUED: Final = 200
"""With fewer customers with a value, nothing about a value has an interval."""


@dataclass(frozen=True)
class Parts:
    """A change and its parts; the first axis is the period, before and after.

    `whole` is the number of each period; `factors` are entrants (unless `of` is rate), the share of each step from the
    second on, and the mean value of a goal (if `of` is value), and `parts` what each adds to the change. `sizes` and
    `rates` are those of each segment at each step: its share of those at the step before (NaN where nobody is), and the
    share of its own that went on (NaN where it has nobody); `mix` and `rate` what they add.
    """

    whole: Floats
    factors: Floats
    parts: Floats
    sizes: Floats
    rates: Floats
    mix: Floats
    rate: Floats

    @property
    def difference(self) -> float:
        """The change."""
        return float(self.whole[1] - self.whole[0])

    @property
    def numbers(self) -> Floats:
        """The difference, the part of each factor, the mix of each segment and step, and the rate of each."""
        return np.concatenate([[self.difference], self.parts, self.mix.ravel(), self.rate.ravel()])


def parts_of_change(reached: NDArray[Any], value: NDArray[Any], of: Of) -> Parts:
    """The parts of a change.

    `reached` counts entrants by period, segment and step; every entrant is in one segment. `value` is the sum over the
    goals of each period; only a change of value reads it.

    >>> reached = np.array([[[1000, 500, 200]], [[1000, 600, 180]]])
    >>> parts_of_change(reached, np.zeros(2), "rate").parts.round(3).tolist()
    [0.035, -0.055]
    """
    counts = reached.astype(np.float64)
    total = counts.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares, each = total[:, 1:] / total[:, :-1], value / total[:, -1]
        sizes, rates = counts[:, :, :-1] / total[:, None, :-1], counts[:, :, 1:] / counts[:, :, :-1]
    volume = [] if of == "rate" else [total[:, :1]]
    mean = [each[:, None]] if of == "value" else []
    factors = np.concatenate([*volume, shares, *mean], axis=1)
    known = known_in_both(*factors)
    worth = worth_of_factors(*known)
    sized = known_in_both(*sizes)
    mix, rate = np.zeros(rates.shape[1:]), np.zeros(rates.shape[1:])
    for step in range(shares.shape[1]):
        own = mix_and_rate(sized[0][:, step], rates[0][:, step], sized[1][:, step], rates[1][:, step])
        times = worth[len(volume) + step]
        mix[:, step], rate[:, step] = own.mix * times, own.rate * times
    whole = np.stack(known).prod(axis=1)
    return Parts(whole, factors, worth * (known[1] - known[0]), sizes, rates, mix, rate)


@dataclass(frozen=True)
class Level:
    """The counts of all entrants, or of the groups of one family of columns, as arrays; rows of the answer.

    `reached` counts entrants by replicate, period, group and step, `customers` distinct customers by period, group and
    step, `values` the sums of values by replicate and period: of all, cut, left out, and of customers with a value.
    `groups` has a row per group; `steps` have a number and a name.
    """

    of: Of
    family: str | None
    groups: pl.DataFrame
    steps: Sequence[tuple[int, str]]
    reached: NDArray[np.int64]
    customers: NDArray[np.int64]
    values: Floats

    @cached_property
    def parts(self) -> Parts:
        """The parts of the change."""
        return parts_of_change(self.reached.sum(axis=0), self.values.sum(axis=0)[:, 0], self.of)

    @cached_property
    def errors(self) -> ReplicateError:
        """The errors of `parts.numbers`: of goals and values, that of their share of all entrants, times these.

        A value has the error of the values that are cut.
        """
        groups, steps = self.reached.shape[2:]
        sums = np.concatenate([self.reached.reshape(*self.reached.shape[:2], -1), self.values[:, :, 1:2]], axis=2)

        def entrants(total: NDArray[Any]) -> float:
            return 1.0 if self.of == "rate" else float(total[:, : groups * steps : steps].sum())

        def numbers(total: NDArray[Any]) -> Floats:
            counts = total[:, :-1].reshape(len(total), groups, steps)
            return parts_of_change(counts, total[:, -1], self.of).numbers / entrants(total)

        found = replicate_error(sums, numbers)
        return found._replace(number=self.parts.numbers, error=found.error * entrants(sums.sum(axis=0)))

    def rows(self) -> pl.DataFrame:
        """The rows: the change and its factors, or the mix and the rate of each group at each step."""
        described = list(self._of_factors() if self.family is None else self._of_groups())
        numbers = [row.pop("number") for row in described]
        table = pl.DataFrame(described, infer_schema_length=None)
        contribution, bound = self.errors.number[numbers], 1.0 if self.of == "rate" else np.inf
        reach, difference = self.errors.reach()[numbers], self.parts.difference or np.nan
        judged = {
            "contribution_low": np.maximum(contribution - reach, -bound),
            "contribution_high": np.minimum(contribution + reach, bound),
            "p_value": self.errors.p_value[numbers],
        }
        known = table["enough"].to_numpy()
        p_values = np.where(known, judged["p_value"], np.nan)
        total = np.array(numbers) == 0
        corrected = np.where(total, p_values, benjamini_hochberg(np.where(total, np.nan, p_values)))
        return table.with_columns(
            pl.lit(self.of).alias("of"),
            pl.lit(self.family, pl.String).alias("family"),
            pl.lit(self.family is None).alias("is_total"),
            pl.Series("contribution", contribution),
            *(pl.Series(name, np.where(known, values, np.nan)).fill_nan(None) for name, values in judged.items()),
            pl.Series("share_of_change", contribution / difference + 0.0).fill_nan(None),
            pl.Series("p_corrected", corrected).fill_nan(None),
            pl.col("step").cast(pl.UInt32),
            pl.col("before", "after").cast(pl.Float64).fill_nan(None),
        )

    def _of_factors(self) -> Iterator[dict[str, Any]]:
        """The change, the number of entrants, the steps and the mean value."""
        steps, volume = len(self.steps) - 1, int(self.of != "rate")
        people, held = self.customers.sum(axis=1), self._held(self.reached.sum(axis=2, keepdims=True))[0]
        described = [("total", 0, self.parts.whole)]
        described += [("volume", 0, self.parts.factors[:, 0])] * volume
        described += [("step", place, self.parts.factors[:, volume + place]) for place in range(steps)]
        described += [("value", steps, self.parts.factors[:, -1])] * (self.of == "value")
        for number, (effect, place, levels) in enumerate(described):
            step, name = self.steps[place + 1] if effect == "step" else (None, None)
            enough = people[:, place].min() >= MIN_DENOMINATOR and held[place] >= MIN_FILLED
            yield {
                "number": number,
                "step": step,
                "name": name,
                "effect": effect,
                **_of_periods(levels, people[:, place]),
                "enough": bool(enough) and self._has_values,
                **(self._cut() if effect in ("total", "value") else {"share_cut": None, "value_left_out": None}),
            }

    def _of_groups(self) -> Iterator[dict[str, Any]]:
        """The mix and the rate of each group at each step."""
        groups, steps = self.parts.mix.shape
        held, whole = self._held(self.reached), self._held(self.reached.sum(axis=2, keepdims=True))[0]
        everyone, first = self.customers.sum(axis=1), 1 + len(self.parts.parts)
        for place in range(steps):
            of_step = everyone[:, place].min() >= MIN_DENOMINATOR and whole[place] >= MIN_FILLED
            for group in range(groups):
                people = self.customers[:, group, place]
                is_held = held[group, place] >= MIN_FILLED and self._has_values
                for effect, levels, fewest, start in (
                    ("mix", self.parts.sizes, people.sum() if of_step else 0, first),
                    ("rate", self.parts.rates, people.min(), first + groups * steps),
                ):
                    yield {
                        **self.groups.row(group, named=True),
                        "number": start + group * steps + place,
                        "step": self.steps[place + 1][0],
                        "name": self.steps[place + 1][1],
                        "effect": effect,
                        **_of_periods(levels[:, group, place], people),
                        "enough": bool(fewest >= MIN_DENOMINATOR) and bool(is_held),
                    }

    def _held(self, reached: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many replicates hold an entrant of each group at each step."""
        return np.asarray(np.count_nonzero(reached.any(axis=1), axis=0), np.int64)

    @property
    def _has_values(self) -> bool:
        """Whether enough customers have a value, where values count."""
        return self.of != "value" or int(self.values[:, :, 3].sum()) >= MIN_VALUED

    def _cut(self) -> dict[str, Any]:
        """What intervals leave out of a value, and what its sum leaves out."""
        if self.of != "value":
            return {"share_cut": None, "value_left_out": None}
        whole, cut, left_out, _ = self.values.sum(axis=(0, 1)).tolist()
        return {"share_cut": (whole - cut) / whole if whole else None, "value_left_out": int(left_out)}


def counted_by_family(
    rows: pl.DataFrame, families: Sequence[Sequence[str]], sums: Sequence[pl.Expr], schema: Mapping[str, Any]
) -> Iterator[pl.DataFrame]:
    """The sums of rows by period and replicate, of everybody and of the groups of each family of columns.

    The tables are what `counts_of_family` reads, in the columns of `schema`; the other columns of families are null.
    """
    columns = dict.fromkeys(name for family in families for name in family)
    for number, family in enumerate(((), *families)):
        table = rows.group_by(*family, "period", "replicate").agg(sums)
        yield table.with_columns(
            *(pl.lit(None, schema[name]).alias(name) for name in columns if name not in family),
            pl.lit(number == 0).alias(IS_TOTAL),
            pl.lit(number, pl.UInt32).alias("family"),
        ).select(*schema)


def counts_of_family(
    merged: pl.DataFrame, number: int, family: Sequence[str], counts: Sequence[str]
) -> tuple[pl.DataFrame, NDArray[np.int64]]:
    """The groups of a family of columns, and their counts as an array by replicate, period, group and count.

    `merged` has the columns of the families, `family`, `period` and `replicate`. Family 0 is everybody: one group.
    """
    rows = merged.filter(pl.col("family") == number).sort(*family, "replicate", nulls_last=True)
    groups, group = numbered(rows.select(family)) if number else (pl.DataFrame(height=1), np.zeros(len(rows), int))
    table = np.zeros((REPLICATES, len(PERIODS_COMPARED), len(groups), len(counts)), np.int64)
    table[rows["replicate"].to_numpy(), rows["period"].to_numpy(), group] = rows.select(counts).to_numpy()
    return groups, table


def _of_periods(levels: Floats, people: NDArray[np.int64]) -> dict[str, Any]:
    """A number and the distinct customers of both periods."""
    before, after = levels.tolist()
    customers = {f"customers_{period}": int(count) for period, count in zip(PERIODS_COMPARED, people, strict=True)}
    return {"before": before, "after": after, **customers}
