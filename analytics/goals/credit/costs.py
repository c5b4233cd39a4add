"""What each channel costs, beside the goals that it is credited with: cost per goal, and what comes back of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Final, Self

import polars as pl
from pydantic import Field, model_validator

from analytics.engine.analysis import IS_TOTAL
from expectations.config.file import Section
from expectations.errors import DefinitionError

COST_COLUMNS: Final = ("day", "credited", "amount")
DAY: Final = timedelta(days=1)
_RATIOS: Final = {"cost_per_goal": ("credit", False), "return_on_cost": ("value", True)}


class NamedCosts(Section):
    """One `[[costs]]`: what a value of the column `on` costs on each day, or a `file` with such amounts.

    Either `of` (the value), `first` and `last` (days, both included) and `a_day` (an amount from 0); or `file`, a CSV
    file with the columns `day`, `credited` (the value) and `amount`. Raises pydantic's `ValidationError` for anything
    else.

    >>> from datetime import date
    >>> NamedCosts(of="partner", first=date(2026, 1, 5), last=date(2026, 1, 6), a_day=120).rows()["amount"].to_list()
    [120.0, 120.0]
    """

    on: str = Field(default="channel", description="the column whose values cost something")
    of: str | None = Field(default=None, description="the value")
    first: date | None = Field(default=None, description="the first day")
    last: date | None = Field(default=None, description="the last day, included")
    a_day: float | None = Field(default=None, ge=0, allow_inf_nan=False, description="the amount of a day")
    file: str | None = Field(default=None, description="CSV file with the columns day, credited and amount")

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        given = [self.of is not None, self.first is not None, self.last is not None, self.a_day is not None]
        if any(given) == (self.file is not None) or not (all(given) or self.file):
            raise ValueError("costs are of, first, last and a_day together, or a file alone")
        if self.first is not None and self.last is not None and self.last < self.first:
            raise ValueError("the last day lies before the first")
        return self

    def rows(self) -> pl.DataFrame:
        """The costs of each day; none where a file has them."""
        if self.first is None or self.last is None:
            return pl.DataFrame(schema=_TYPES)
        days = pl.date_range(self.first, self.last, "1d", eager=True)
        return pl.DataFrame({"day": days}).with_columns(
            pl.lit(self.of).alias("credited"), pl.lit(self.a_day, pl.Float64).alias("amount")
        )


_TYPES: Final = {"day": pl.Date(), "credited": pl.String(), "amount": pl.Float64()}


def with_costs(credit: pl.DataFrame, costs: pl.DataFrame, first: date, last: date) -> pl.DataFrame:
    """An answer of `attribution` with the cost of each value from the `first` to the `last` day, both included.

    `costs` has the columns `day` (Date, or text such as 2026-03-01), `credited` (the value) and `amount` (from 0; in
    the currency of the value), one row per day and value. The days are those whose goals the answer counts. Further
    columns: `cost` Float64 (of the days that have one; null without any), `days_without_cost` Int64 (of these days),
    `cost_per_goal` (cost / credit) and `return_on_cost` (value / cost: what one unit of money brings back) Float64 with
    `_low` and `_high`, null where a day has no cost, since a cost that is not known is not 0, and in a ratio to 0. A
    value with costs that nobody is credited with has rows of its own, with credit 0, in each model: so the costs of a
    model add up to all costs of these days. Groups of a breakdown have no costs (null): costs are not told by group.

    Raises `DefinitionError` for a column that is missing, a day or an amount that is none, two amounts of one day and
    value, and a last day before the first.

    >>> from datetime import date
    >>> from analytics import Attribution, Paths, attribution
    >>> shop = Paths.from_text({"ann": "see@0d[channel=ad] pay@1d", "bo": "see@0d[channel=ad] pay@1d"})
    >>> costs = pl.DataFrame({"day": ["2024-01-01", "2024-01-02"], "credited": ["ad", "ad"], "amount": [3.0, 5.0]})
    >>> last = attribution(shop, Attribution("pay", models="last"))
    >>> found = with_costs(last, costs, date(2024, 1, 1), date(2024, 1, 2))
    >>> found["credited", "credit", "cost", "cost_per_goal"].row(0)
    ('ad', 2.0, 8.0, 4.0)
    """
    if last < first:
        raise DefinitionError("The costs are of no day.", expected=f"a last day from {first}", found=str(last))
    days = (last - first) // DAY + 1
    sums = (
        checked_costs(costs)
        .filter(pl.col("day").is_between(first, last))
        .group_by("credited")
        .agg(pl.col("amount").sum().alias("cost"), (days - pl.len()).cast(pl.Int64).alias("days_without_cost"))
    )
    totals = credit.filter(IS_TOTAL)
    unknown = sums.filter(~pl.col("credited").is_in(totals["credited"].drop_nulls().implode()))
    more = [
        _without_credit(own, sorted(unknown["credited"])) for own in totals.partition_by("model", maintain_order=True)
    ]
    named = pl.concat([totals, *more]) if len(totals) else totals
    found = named.join(sums, on="credited", how="left", maintain_order="left").with_columns(
        pl.col("days_without_cost").fill_null(days)
    )
    groups = credit.filter(~pl.col(IS_TOTAL)).with_columns(
        pl.lit(None, pl.Float64).alias("cost"), pl.lit(None, pl.Int64).alias("days_without_cost")
    )
    order = totals["model"].unique(maintain_order=True)
    place = pl.col("model").replace_strict(order, pl.int_range(len(order), eager=True), return_dtype=pl.Int64)
    rows = found.sort(place, maintain_order=True) if len(order) else found
    return pl.concat([rows, groups]).with_columns(_ratios())


def _ratios() -> list[pl.Expr]:
    """Cost per goal and return on cost, with the ends that those of the credit and of the value give."""
    known = (pl.col("days_without_cost") == 0) & (pl.col("cost") > 0)
    made = []
    for name, (of, is_return) in _RATIOS.items():
        for end, other in (("", ""), ("_low", "_high"), ("_high", "_low")):
            source = pl.col(f"{of}{end if is_return else other}")
            ratio = source / pl.col("cost") if is_return else pl.col("cost") / source
            made.append(pl.when(known & (source > 0 if not is_return else True)).then(ratio).alias(f"{name}{end}"))
    return made


def _without_credit(rows: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """Rows of a model for values that nobody is credited with."""
    numbers = ("credit", "share", "value", "removal")
    row = rows.head(1).with_columns(
        *(pl.when(pl.col(name).is_not_null()).then(0.0).alias(name) for name in numbers),
        *(pl.lit(None, pl.Float64).alias(f"{name}_{end}") for name in ("credit", "value") for end in ("low", "high")),
    )
    given = pl.DataFrame({"credited": names}, schema={"credited": pl.String})
    return row.drop("credited").join(given, how="cross").select(rows.columns)


def checked_costs(costs: pl.DataFrame) -> pl.DataFrame:
    """Costs with their own types; the first row that is wrong is named, from 1."""
    if missing := [name for name in COST_COLUMNS if name not in costs.columns]:
        expected, found = ", ".join(COST_COLUMNS), ", ".join(costs.columns)
        raise DefinitionError(f"The costs have no column {missing[0]!r}.", expected=expected, found=found)
    given = costs.select(pl.col(name).cast(pl.String).str.strip_chars() for name in COST_COLUMNS)
    table = given.with_columns(
        pl.col("day").str.to_date("%Y-%m-%d", strict=False), pl.col("amount").cast(pl.Float64, strict=False)
    )
    wrong = {
        "a day such as 2026-03-01 in column day": table["day"].is_null(),
        "a value in column credited": table["credited"].is_null(),
        "an amount from 0 in column amount": ~((table["amount"] >= 0) & table["amount"].is_finite()).fill_null(False),
        "one amount for each day and value": ~table.select(
            pl.struct("day", "credited").is_first_distinct()
        ).to_series(),
    }
    for expected, rows in wrong.items():
        if rows.any():
            row = int(rows.arg_true()[0])
            raise DefinitionError(
                "A cost is wrong.",
                where=f"row {row + 1}",
                expected=expected,
                found=", ".join("nothing" if each is None else each for each in given.row(row)),
            )
    return table


def joined_costs(tables: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """The costs of several tables as one; what two of them say of a day and value adds up."""
    every = pl.concat([pl.DataFrame(schema=_TYPES), *(checked_costs(table) for table in tables)])
    return every.group_by("day", "credited", maintain_order=True).agg(pl.col("amount").sum())
