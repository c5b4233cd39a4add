"""Where does a visit begin? A session is a run of a customer's touches in which no gap is longer than the session gap.

A gap of exactly the session gap stays in the session. Optionally, a change of channel and midnight also begin a
session. Sessions are numbered 1, 2, ... for each customer.
"""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from analytics.store.columns import AT, CUSTOMER, SESSION
from analytics.store.ordering import by_code_and_time, in_order
from expectations import contract
from expectations.config.durations import duration


def sessions(
    touches: pl.DataFrame,
    gap: str | timedelta = "30m",
    *,
    customer: str = CUSTOMER,
    at: str = AT,
    split_on_channel: bool = False,
    midnight: str | None = None,
) -> pl.DataFrame:
    """Adds `session` (UInt32, from 1 for each customer); rows and their order are kept.

    `customer` may have any type, `at` is a Datetime; `channel` is read only with `split_on_channel`. With `midnight`,
    the name of a zone, a session also ends with the day there. Touches of one instant are in one session. A frame
    without rows gives a frame without rows. Raises `DefinitionError` for a gap without a unit.

    >>> from datetime import datetime
    >>> times = [datetime(2024, 1, 1, 9, 0), datetime(2024, 1, 1, 9, 30), datetime(2024, 1, 1, 10, 1)]
    >>> sessions(pl.DataFrame({"customer": "ann", "at": times}))["session"].to_list()
    [1, 1, 2]
    >>> frame = pl.DataFrame({"customer": "ann", "at": times})
    >>> sessions(frame, "2h", midnight="Pacific/Kiritimati")["session"].to_list()
    [1, 1, 2]
    """
    rows = touches.select(customer, at, *([contract.CHANNEL] if split_on_channel else []))
    order = None if in_order(rows[customer], rows[at]) else _sort_order(rows, customer, at)
    rows = rows if order is None else rows[order]
    new = rows.select(new_customer(customer)).to_series()
    first = new | rows.select(new_session(at, duration(gap), split_on_channel, midnight)).to_series()
    numbers = number_runs(first, new)
    if order is not None:
        numbers = numbers.clone().scatter(order, numbers)
    return touches.with_columns(numbers.alias(SESSION))


def _sort_order(rows: pl.DataFrame, customer: str, at: str) -> pl.Series:
    """The order of rows by customer and time; with `split_on_channel`, rows of one instant keep their order."""
    customers = rows[customer]
    is_code = customers.dtype.is_integer() and not customers.null_count() and not rows[at].null_count()
    if is_code and int(customers.min()) >= 0 and contract.CHANNEL not in rows.columns:  # type: ignore[arg-type]
        return by_code_and_time(customers, rows[at].cast(pl.Datetime("us")))
    return rows.select(pl.arg_sort_by(customer, at, maintain_order=True)).to_series()


def new_customer(customer: str) -> pl.Expr:
    """Whether a touch is the first of its customer; rows must be sorted by customer."""
    return (pl.col(customer) != pl.col(customer).shift(1)).fill_null(True)


def new_session(at: str, gap: timedelta, split_on_channel: bool, midnight: str | None) -> pl.Expr:
    """Whether a touch begins a session, if the touch before it has the same customer."""
    new = (pl.col(at).diff() > gap).fill_null(True)
    if split_on_channel:
        new |= pl.col(contract.CHANNEL).ne_missing(pl.col(contract.CHANNEL).shift(1))
    if midnight is not None:
        day = pl.col(at).dt.convert_time_zone(midnight).dt.date()
        new |= day.ne_missing(day.shift(1))
    return new


def number_runs(first: pl.Series, new: pl.Series) -> pl.Series:
    """Numbers runs 1, 2, ... (UInt32) within each customer.

    `first` marks the first row of each run, `new` the first row of each customer.

    >>> number_runs(pl.Series([True, True, True]), pl.Series([True, False, True])).to_list()
    [1, 2, 1]
    """
    count = first.cast(pl.UInt32).cum_sum()
    before = pl.select(pl.when(new).then(count - 1).otherwise(0)).to_series().cum_max()
    return (count - before).cast(pl.UInt32)
