"""Money is added up in one currency: converted by the rate of its day, or left out and counted."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import Funnel, Money, Paths, amounts_left_out, funnel
from analytics.engine.local.money import Amounts
from expectations.errors import DefinitionError
from tests.oracles.money import converted

RATES = [(date(2024, 3, 30), "USD", 0.9), (date(2024, 4, 1), "USD", 0.8), (date(2024, 3, 31), "JPY", 0.0061)]
TABLE = pl.DataFrame(RATES, schema={"date": pl.Date, "currency": pl.String, "rate": pl.Float64}, orient="row")
START = datetime(2024, 3, 29, tzinfo=UTC)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia")
TOUCH = st.tuples(
    st.integers(0, 24 * 6),
    st.one_of(st.none(), st.integers(-5000, 5000).map(lambda cents: cents / 100)),
    st.sampled_from(["EUR", "USD", "JPY", "GBP", None]),
)


def paid(rows: list[tuple[int, float | None, str | None]]) -> Paths:
    """One customer per payment, at an hour after the start."""
    columns: dict[str, Any] = {
        "customer": pl.Series([f"c{i}" for i in range(len(rows))], dtype=pl.String),
        "at": pl.Series([START + timedelta(hours=hour) for hour, *_ in rows], dtype=pl.Datetime("us", "UTC")),
        "touchpoint": pl.Series(["pay"] * len(rows), dtype=pl.String),
        "revenue": pl.Series([amount for _, amount, _ in rows], dtype=pl.Float64),
        "currency": pl.Series([currency for *_, currency in rows], dtype=pl.String),
    }
    return Paths.from_frame(pl.DataFrame(columns), end_of_data=START + timedelta(days=90))


def summed(paths: Paths, value: str | Money) -> tuple[float, int]:
    row = funnel(paths, Funnel(["pay"], value=value)).row(0, named=True)
    return row["value"], row["value_left_out"]


@settings(deadline=None, max_examples=80)
@given(st.lists(TOUCH, max_size=12), st.sampled_from(ZONES))
def test_amounts_are_converted_by_the_newest_rate_at_or_before_their_local_day(
    rows: list[tuple[int, float | None, str | None]], zone: str
) -> None:
    paths = paid(rows)
    stated = any(currency for *_, currency in rows)
    total, left_out, by_currency = 0, 0, dict.fromkeys([currency for *_, currency in rows], 0)
    for hour, amount, currency in rows:
        if amount is None:
            continue
        found = converted(amount, currency if stated else "EUR", START + timedelta(hours=hour), "EUR", RATES, zone)
        total += found or 0
        left_out += found is None
        by_currency[currency] += found is None
    money = Money("revenue", "EUR", TABLE, timezone=zone)
    assert summed(paths, money) == (pytest.approx(float(total), abs=1e-6), left_out)
    table = amounts_left_out(paths, money)
    assert dict(table["currency", "amounts"].iter_rows()) == {name: n for name, n in by_currency.items() if n}
    assert table["amounts"].to_list() == sorted(table["amounts"], reverse=True)


def test_a_day_of_a_rate_begins_at_local_midnight() -> None:
    hours = 3 * 24 - 2  # 22:00 UTC on 31 March: 1 April in Berlin, whose day began then
    for zone, rate in (("UTC", 0.9), ("Europe/Berlin", 0.8), ("America/New_York", 0.9)):
        assert summed(paid([(hours, 10.0, "USD")]), Money("revenue", "EUR", TABLE, timezone=zone)) == (10 * rate, 0)
    assert summed(paid([(hours, 10.0, "USD")]), Money("revenue", "EUR")) == (0, 1)


def test_several_currencies_are_never_added_up_as_one() -> None:
    paths = paid([(0, 10.0, "EUR"), (1, 10.0, "USD")])
    with pytest.raises(DefinitionError, match=r"in 2 currencies(.|\n)*EUR, USD"):
        summed(paths, "revenue")
    assert summed(paths, Money("revenue", "EUR")) == (10, 1)
    assert summed(paths, Money("revenue", "GBP", TABLE)) == (
        0,
        2,
    )  # one before its first rate


def test_one_currency_needs_no_name_and_none_at_all_is_that_of_the_sum() -> None:
    assert summed(paid([(0, 10.0, "USD"), (1, 2.5, "USD")]), "revenue") == (12.5, 0)
    assert summed(paid([(0, 10.0, "USD"), (1, 2.5, None)]), "revenue") == (10, 1)
    for value in ("revenue", Money("revenue", "EUR")):
        assert summed(paid([(0, 10.0, None), (1, 2.5, None)]), value) == (12.5, 0)


def test_plain_numbers_have_no_currency() -> None:
    paths = Paths.from_text({"ann": "pay@0d[score=3,currency=EUR] pay@1d[score=4,currency=USD]"}, end="90d")
    row = funnel(paths, Funnel(["pay"], value="score", count="entries")).row(0, named=True)
    assert (row["value"], row["value_left_out"]) == (7, 0)


def test_numbers_that_are_none_add_nothing() -> None:
    amounts = Amounts("revenue")
    found, left_out = amounts.millionths(pl.Series([1.5, None, float("nan"), float("inf")]), None, np.zeros(0))
    assert (found.tolist(), left_out.any()) == ([1_500_000, 0, 0, 0], False)


def rates(*rows: tuple[str, str, str]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["date", "currency", "rate"], orient="row")


GOOD = ("2024-03-01", "USD", "0.9")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (rates(GOOD, ("2024-02-30", "USD", "1")), "row 2(.|\n)*a day such as(.|\n)*2024-02-30, USD, 1"),
        (rates(("", "USD", "1")), "row 1(.|\n)*a day such as"),
        (rates(GOOD, GOOD), "row 1(.|\n)*one rate for a day"),
        (rates(("2024-03-01", "usd", "1")), "three capital letters in column currency"),
        (rates(("2024-03-01", "USD", "0")), "a number above 0"),
        (rates(("2024-03-01", "USD", "-1")), "a number above 0"),
        (rates(("2024-03-01", "USD", "NaN")), "a number above 0"),
        (rates(("2024-03-01", "USD", "0,9")), "a number above 0"),
        (rates(("2024-03-01", "EUR", "1")), "no rate of EUR"),
        (pl.DataFrame({"date": ["2024-03-01"], "currency": ["USD"]}), "no column 'rate'"),
    ],
)
def test_a_wrong_rate_is_named(table: pl.DataFrame, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        Money("revenue", "EUR", table)


def test_a_wrong_currency_or_zone_is_named() -> None:
    for wrong in ("EURO", "eur", "", "E1R"):
        with pytest.raises(DefinitionError, match="no currency"):
            Money("revenue", wrong)
    with pytest.raises(DefinitionError, match="without a currency"):
        Money("revenue", rates=TABLE)
    with pytest.raises(DefinitionError, match="no time zone"):
        Money("revenue", "EUR", timezone="Nowhere")
    with pytest.raises(DefinitionError, match="no column 'price'"):
        summed(paid([]), Money("price", "EUR"))
    with pytest.raises(DefinitionError, match="cannot be added up"):
        summed(paid([]), Money("touchpoint", "EUR"))
