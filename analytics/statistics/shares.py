"""Shares with their intervals, judged by customers: the units of one customer are alike, and count for less than units.

A share of journeys, sessions or touches has the design effect `deff = sum_c (y_c - p n_c)^2 / (n p (1 - p))`, over
customers with `n_c` units of which `y_c` count, and is judged as if it came from `n / max(1, deff)` independent units.
With a share of 0 or 1 it is judged as if every customer had one unit. Source: Kish, Survey Sampling (1965).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from analytics.statistics.intervals import wilson

MIN_DENOMINATOR: Final = 30
"""With fewer customers in the denominator, `enough` is false."""


def square_columns(part: str, whole: str) -> list[str]:
    """The columns of the sums by customer that the interval of `part / whole` needs.

    They are the sums, over customers, of whole times whole, of whole times part and of part times part, and the number
    of customers with any of the whole: integers, which add up over parts of the store. `effective` reads them.
    """
    return [_square(whole, whole), _square(whole, part), _square(part, part), customers_of(whole)]


def customers_of(count: str) -> str:
    """The column of the distinct customers with any of a count.

    >>> customers_of("late")
    'customers of late'
    """
    return f"customers of {count}"


def customer_columns(behind: Mapping[str, str]) -> list[pl.Expr]:
    """The columns of distinct customers of an answer, by the counts that they stand behind."""
    return [pl.col(customers_of(count)).alias(name) for name, count in behind.items()]


def effective(table: pl.DataFrame, part: str, whole: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The counts `part` and `whole`, scaled to as many independent units as they are worth.

    Without `square_columns` the units are customers, and keep their counts.
    """
    y, n = (table[name].cast(pl.Float64).to_numpy() for name in (part, whole))
    squares = square_columns(part, whole)
    if squares[0] not in table.columns:
        return y, n
    nn, ny, yy, customers = (table[name].to_numpy() for name in squares)
    size = effective_size(y, n, (nn, ny, yy), customers)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(n > 0, y / n * size, 0.0), size


def effective_size(
    y: ArrayLike, n: ArrayLike, squares: tuple[ArrayLike, ArrayLike, ArrayLike], customers: ArrayLike
) -> NDArray[np.float64]:
    """How many independent units the share `y / n` is worth, from its sums over customers.

    `squares` are the sums of `n_c^2`, `n_c y_c` and `y_c^2`.

    >>> effective_size(8, 16, (64, 32, 32), 4).item()  # four customers with 4 units each, two of them with all
    4.0
    """
    y, n, customers = (np.asarray(x, np.float64) for x in (y, n, customers))
    nn, ny, yy = (np.asarray(x, np.float64) for x in squares)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = y / n
        deff = (yy - 2 * p * ny + p * p * nn) / (n * p * (1 - p))
    return np.where((y == 0) | (y == n), customers, n / np.maximum(deff, 1.0))


def share_columns(table: pl.DataFrame, name: str, part: str, whole: str) -> list[pl.Series]:
    """The share `part / whole` of every row with its Wilson interval: `name`, `name_low`, `name_high`.

    Null where `whole` is 0. With `square_columns` in the table, the interval is judged by customers.
    """
    low, high = wilson(*effective(table, part, whole))
    share = (table[part] / table[whole]).fill_nan(None).alias(name)
    ends = {f"{name}_low": low, f"{name}_high": high}
    return [share, *(pl.Series(end, values, pl.Float64, nan_to_null=True) for end, values in ends.items())]


def _square(one: str, other: str) -> str:
    return f"{one} x {other}"
