"""In which currency does a report add up money, and at which rates?"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from analytics import Money, Paths
from expectations.errors import DefinitionError, InputError, said
from reports.settings import ReportSettings


def amount_of(settings: ReportSettings, column: str) -> str | Money:
    """What measures take as `value` for a column: money in the currency of the report, or plain numbers.

    Raises `InputError` for a file of rates that cannot be read, or has a wrong row.
    """
    if column not in settings.money:
        return column
    rates = None if settings.rates is None else _rates_in(Path(settings.rates))
    try:
        return Money(column, settings.currency, rates, timezone=settings.timezone)
    except DefinitionError as error:
        where = f"{settings.rates}, {error.where} below its header" if error.where else settings.rates
        raise InputError(error.what, where=where or "", expected=error.expected, found=error.found) from None


def money_of(settings: ReportSettings, columns: Iterable[str]) -> list[Money]:
    """The columns among these that are money, in the currency of the report; errors as for `amount_of`."""
    amounts = [amount_of(settings, column) for column in dict.fromkeys(columns)]
    return [amount for amount in amounts if isinstance(amount, Money)]


def currency_of(paths: Paths, value: str | Money | None) -> str | None:
    """The currency of a sum of money: the one named, or that of all touches; null where none is known."""
    if not isinstance(value, Money):
        return None
    stated = paths.dictionaries.get("currency")
    return value.currency or (stated[0] if stated is not None and len(stated) == 1 else None)


def rates_text(settings: ReportSettings) -> str | None:
    """The rates as they are written, by which equal definitions are known."""
    return None if settings.rates is None else _rates_in(Path(settings.rates)).write_csv()


def _rates_in(file: Path) -> pl.DataFrame:
    """The rows of a file of rates, as text."""
    try:
        return pl.read_csv(file.read_bytes(), infer_schema=False)
    except (OSError, UnicodeDecodeError, pl.exceptions.PolarsError) as error:
        raise InputError(
            "The file of rates cannot be read.",
            where=str(file),
            expected="a CSV file with the columns date, currency and rate",
            found=said(error),
        ) from None
