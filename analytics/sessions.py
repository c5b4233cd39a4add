"""Where does a visit begin? A session is a run of a customer's touches in which no gap is longer than the session gap.

A gap of exactly the session gap stays in the session. On request a change of channel begins a session, too. Sessions
are numbered 1, 2, ... for each customer.
"""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from analytics.definitions import duration
from analytics.parts import AT, CUSTOMER

SESSION = "session"
CHANNEL = "channel"


def sessions(
    touches: pl.DataFrame,
    gap: str | timedelta = "30m",
    *,
    customer: str = CUSTOMER,
    at: str = AT,
    split_on_channel: bool = False,
) -> pl.DataFrame:
    """The rows as given, in their order, with `session` (UInt32, from 1 for each customer) added.

    `customer` is of any type, `at` a Datetime; `channel` is read only with `split_on_channel`. Touches of one instant
    are in one session; a frame without rows gives one without rows. Raises `DefinitionError` for a gap without a unit.

    >>> from datetime import datetime
    >>> times = [datetime(2024, 1, 1, 9, 0), datetime(2024, 1, 1, 9, 30), datetime(2024, 1, 1, 10, 1)]
    >>> sessions(pl.DataFrame({"customer": "ann", "at": times}))["session"].to_list()
    [1, 1, 2]
    """
    rows = touches.with_row_index("_row").sort(customer, at, maintain_order=True)
    new = new_customer(customer)
    first = new | new_session(at, duration(gap), split_on_channel)
    rows = rows.with_columns(numbered(first, new).alias(SESSION))
    return rows.sort("_row").drop("_row")


def new_customer(customer: str) -> pl.Expr:
    """Whether a touch is the first of its customer; for rows sorted by customer."""
    return (pl.col(customer) != pl.col(customer).shift(1)).fill_null(True)


def new_session(at: str, gap: timedelta, split_on_channel: bool) -> pl.Expr:
    """Whether a touch begins a session, given that the touch before it is of the same customer."""
    late = (pl.col(at).diff() > gap).fill_null(True)
    return late | pl.col(CHANNEL).ne_missing(pl.col(CHANNEL).shift(1)) if split_on_channel else late


def numbered(first: pl.Expr, new: pl.Expr) -> pl.Expr:
    """Numbers 1, 2, ... (UInt32) for each customer; `first` begins a number, `new` begins a customer and a number."""
    count = first.cast(pl.UInt32).cum_sum()
    before = pl.when(new).then(count - 1).forward_fill()
    return (count - before).cast(pl.UInt32)
