"""Amounts of money in one currency: what a measure adds up when its `value` is money.

Every touch may carry the currency of its amounts in column `currency`. An amount in another currency than that of the
answer is converted at the newest rate at or before its local day. Where there is none, or the currency of an amount is
not known, the amount is left out of the sum and counted: amounts of two currencies are never added up as if they were
of one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.conditions import fill
from analytics.engine.local.calendar import periods_of, zone_named
from analytics.engine.run import on_parts
from analytics.store.columns import AT, CURRENCY, TIME
from analytics.store.encoding import Dictionaries, as_time
from analytics.store.parts import Part, decoded
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

MILLION: Final = 1_000_000
"""Values are added up in millionths, as integers, so that a sum does not depend on the order of its terms."""
REVENUE: Final = "revenue"
"""The column of the event that is always an amount of money."""
RATE_COLUMNS: Final = ("date", "currency", "rate")
CODE: Final = "^[A-Z]{3}$"
Millionths = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False, init=False)
class Money:
    """A value column that is an amount of money, added up in one `currency`; as `value` of a measure.

    `currency` is a code of three capital letters (ISO 4217), by default that of all touches, where there is only one.
    `rates` has the columns `date` (Date, or text such as 2026-03-01), `currency`, and `rate`: what one unit of that
    currency is worth in `currency`. An amount is converted at the newest rate at or before its day in `timezone`; a day
    before the first rate has none. Where no touch states a currency, all amounts are in `currency`; where some do,
    those without one are left out.

    Raises `DefinitionError` for a currency that is no code, an unknown zone, and rates with a missing column, a day
    that is none, a rate that is not above 0, two rates of one day and currency, or a rate of `currency` itself.

    >>> from datetime import date
    >>> rates = pl.DataFrame({"date": [date(2026, 3, 1)], "currency": ["USD"], "rate": [0.92]})
    >>> Money("revenue", "EUR", rates).currency
    'EUR'
    """

    column: str
    currency: str | None
    rates: pl.DataFrame = field(repr=False)
    timezone: str

    def __init__(
        self, column: str, currency: str | None = None, rates: pl.DataFrame | None = None, *, timezone: str = "UTC"
    ) -> None:
        if currency is not None and not pl.Series([currency]).str.contains(CODE)[0]:
            expected = 'a code of three capital letters, such as "EUR"'
            raise DefinitionError("This is no currency.", expected=expected, found=repr(currency))
        if rates is not None and currency is None:
            raise DefinitionError("Rates are given without a currency.", expected="the currency that they convert to")
        zone_named(timezone)
        checked = _checked(rates, currency or "") if rates is not None else pl.DataFrame(schema=_RATES)
        fill(self, column=column, currency=currency, rates=checked, timezone=timezone)


_RATES: Final = {"date": pl.Date(), "currency": pl.String(), "rate": pl.Float64()}


def _checked(rates: pl.DataFrame, currency: str) -> pl.DataFrame:
    """The rates with their own types; the first row that is wrong is named, from 1."""
    if missing := [name for name in RATE_COLUMNS if name not in rates.columns]:
        expected, found = ", ".join(RATE_COLUMNS), ", ".join(rates.columns)
        raise DefinitionError(f"The rates have no column {missing[0]!r}.", expected=expected, found=found)
    text = [pl.col(name).cast(pl.String).str.strip_chars() for name in RATE_COLUMNS]
    given = rates.select(text)
    table = given.select(
        pl.col("date").str.to_date("%Y-%m-%d", strict=False),
        pl.col("currency"),
        pl.col("rate").cast(pl.Float64, strict=False),
    )
    wrong = {
        "a day such as 2026-03-01 in column date": table["date"].is_null(),
        "a code of three capital letters in column currency": ~table["currency"].str.contains(CODE).fill_null(False),
        "a number above 0 in column rate": ~((table["rate"] > 0) & table["rate"].is_finite()).fill_null(False),
        f"no rate of {currency}, which the rates convert to": (table["currency"] == currency).fill_null(False),
        "one rate for a day and a currency": table.select("date", "currency").is_duplicated(),
    }
    for expected, rows in wrong.items():
        if rows.any():
            row = int(rows.arg_true()[0])
            found = ", ".join("" if text is None else str(text)[:40] for text in given.row(row))
            raise DefinitionError("A rate cannot be used.", where=f"row {row + 1}", expected=expected, found=found)
    return table.sort("currency", "date")


@dataclass(frozen=True, eq=False)
class Amounts:
    """A value column bound to a store: what its touches add to a sum, in millionths.

    `factors` has, by code of the store's currencies, the days (since 1970) and the rates from that day on; a currency
    that needs no rate has one rate of 1, a currency without any has none. It is None for plain numbers, and where no
    touch states a currency.
    """

    column: str
    timezone: str = "UTC"
    factors: tuple[tuple[NDArray[np.int64], NDArray[np.float64]], ...] | None = None

    @classmethod
    def of(cls, paths: Paths, value: str | Money) -> Amounts:
        """The amounts of `value` in a store.

        Raises `DefinitionError` for a column that is not there or has no numbers, and for money in several currencies
        where none is named.
        """
        money = value if isinstance(value, Money) else Money(value) if value == REVENUE else None
        column = value.column if isinstance(value, Money) else value
        paths.require(column)
        if not paths.schema[column].is_numeric():
            raise DefinitionError(f"Column {column!r} cannot be added up.", expected="a column of numbers")
        words = paths.values_of(CURRENCY).to_list() if CURRENCY in paths.dictionaries else []
        if money is None or not words:
            return cls(column)
        if money.currency is None and len(words) > 1:
            raise DefinitionError(
                f"The amounts of {column!r} are in {len(words)} currencies.",
                expected="one currency for their sum",
                found=", ".join(sorted(words)[:5]),
                do='name it and the rates of the others: `currency` and `rates` under [report], or Money("revenue", '
                '"EUR", rates)',
            )
        currency = money.currency or words[0]
        return cls(column, money.timezone, tuple(_factors(word, currency, money.rates) for word in words))

    @property
    def columns(self) -> tuple[str, ...]:
        """The stored columns that are read."""
        return (self.column, CURRENCY, AT) if self.factors is not None else (self.column,)

    def millionths(self, values: pl.Series, currency: pl.Series | None, at: NDArray[Any]) -> tuple[Millionths, Flags]:
        """What touches add to a sum, and which of them state an amount that is left out.

        `values` are amounts (a missing one adds 0), `currency` the stored codes, `at` the times in microseconds.
        """
        plain = values.cast(pl.Float64).fill_null(float("nan")).to_numpy()
        stated = np.isfinite(plain)
        factor = np.ones(len(plain))
        if self.factors is not None and currency is not None:
            factor = self._factors_at(currency, at)
        known = stated & ~np.isnan(factor)
        return np.round(np.where(known, plain * factor, 0.0) * MILLION).astype(np.int64), stated & ~known

    def at_rows(self, frame: pl.DataFrame, rows: NDArray[np.int64]) -> tuple[Millionths, Flags]:
        """The same of rows of a part, of which `frame` has `columns` as they are stored."""
        if CURRENCY not in self.columns:
            return self.millionths(frame[self.column][rows], None, np.zeros(0))
        at = as_time(frame[AT][rows]).to_physical().to_numpy()
        return self.millionths(frame[self.column][rows], frame[CURRENCY][rows], at)

    def _factors_at(self, currency: pl.Series, at: NDArray[Any]) -> NDArray[np.float64]:
        """The rate of every touch; NaN without one."""
        codes = currency.to_physical().cast(pl.Int64).fill_null(-1).to_numpy()
        factor, day = np.full(len(codes), np.nan), np.zeros(len(codes), np.int64)
        if any(len(days) > 1 or (days > _EVER).any() for days, _ in self.factors or ()):
            starts, number = periods_of(pl.Series(at).cast(TIME), "day", self.timezone)
            day = starts.dt.date().cast(pl.Int32).cast(pl.Int64).to_numpy()[number]
        for code, (days, rates) in enumerate(self.factors or ()):
            rows = np.flatnonzero(codes == code)
            newest = np.searchsorted(days, day[rows], side="right") - 1
            factor[rows[newest >= 0]] = rates[newest[newest >= 0]]
        return factor


_EVER: Final = np.iinfo(np.int64).min
"""The day from which a currency is worth one of itself."""


def _factors(word: str, currency: str, rates: pl.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The days from which a currency has a rate, and the rates."""
    if word == currency:
        return np.array([_EVER]), np.ones(1)
    own = rates.filter(pl.col("currency") == word)
    return own["date"].cast(pl.Int32).cast(pl.Int64).to_numpy(), own["rate"].to_numpy()


def amounts_left_out(paths: Paths, value: Money) -> pl.DataFrame:
    """The amounts of all touches that are in no sum of `value`, since they cannot be converted, by currency.

    Columns: `currency` String (null: an amount without one), `amounts` Int64 (touches), `first_at`, `last_at`
    Datetime(us, UTC). The most frequent come first; no rows where all can be converted. Raises `DefinitionError` for a
    column that is not there or has no numbers.

    >>> shop = Paths.from_text({"ann": "buy@0d[price=2,currency=EUR] buy@1d[price=3,currency=USD]"})
    >>> amounts_left_out(shop, Money("price", "EUR"))["currency", "amounts"].rows()
    [('USD', 1)]
    """
    amounts = Amounts.of(paths, value)
    empty = pl.DataFrame(schema={CURRENCY: pl.String, AT: TIME})
    rows = on_parts(paths, partial(_left_out, amounts)) if amounts.factors is not None else []
    found = pl.concat([empty, *rows]).group_by(CURRENCY)
    counted = found.agg(
        pl.len().cast(pl.Int64).alias("amounts"), pl.col(AT).min().alias("first_at"), pl.col(AT).max().alias("last_at")
    )
    return counted.sort("amounts", CURRENCY, descending=[True, False], nulls_last=True)


def _left_out(amounts: Amounts, part: Part, words: Dictionaries) -> pl.DataFrame:
    """The touches of a part with an amount that is left out."""
    touches = decoded(part, list(dict.fromkeys([CURRENCY, AT, amounts.column])), words)
    _, left_out = amounts.millionths(touches[amounts.column], touches[CURRENCY], touches[AT].to_physical().to_numpy())
    return touches.filter(pl.Series(left_out)).select(pl.col(CURRENCY).cast(pl.String), AT)
