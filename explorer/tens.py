"""Counts of customers in tens, and what follows from them: what readers behind a proxy see."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from analytics import wilson

ENOUGH: Final = 30
"""Customers of a step before whose rate, and of a step whose waits, are told."""


def told(number: int, k: int) -> int:
    """A count in tens; 0 for one of fewer than `k`.

    >>> told(1234, 10), told(15, 10), told(9, 10), told(19, 20)
    (1230, 20, 0, 0)
    """
    return 0 if number < k else (number + 5) // 10 * 10


def in_tens(frame: pl.DataFrame, k: int) -> pl.DataFrame:
    """The answer of `funnel` or `trend` about customers: its counts in tens, shares and intervals of these counts.

    Those who enter, over or open, are a count in tens, too. Waits of few are none, and so is a share of 0, which stands
    for fewer than `k`.
    """
    entered, reached, before, began = (_told(pl.col(name), k) for name in ("entered", "reached", "open", "_began"))
    frame = frame.with_columns(_began=pl.col("entered") + pl.col("open"))
    if "step" not in frame.columns:
        frame = frame.with_columns(entered=entered, reached=reached, open=began - entered).drop("_began")
        return _shared(frame, "share_of_entered", frame["reached"], frame["entered"])
    is_first = pl.col("step") == 1
    frame = frame.with_columns(
        entered=entered,
        reached=reached,
        open=pl.when(is_first).then(began - entered).otherwise(before),
        tie_sensitive=_told(pl.col("tie_sensitive"), k),
    ).drop("_began")
    groups = frame.columns[: frame.columns.index("step")]
    previous = pl.col("reached").shift(1).over(groups, order_by="step").fill_null(pl.col("entered"))
    frame = frame.with_columns(_previous=previous)
    few = pl.col("reached") < ENOUGH
    frame = frame.with_columns(
        pl.when(few).then(None).otherwise(pl.col("median_wait", "p90_wait")).name.keep(),
        dropped=pl.col("_previous") - pl.col("reached"),
        enough=pl.col("_previous") >= ENOUGH,
    )
    frame = _shared(frame, "share_of_entered", frame["reached"], frame["entered"])
    frame = _shared(frame, "share_of_previous", frame["reached"], frame["_previous"])
    return frame.drop("_previous")


def _told(count: pl.Expr, k: int) -> pl.Expr:
    return pl.when(count < k).then(0).otherwise((count + 5) // 10 * 10).cast(pl.Int64)


def _shared(frame: pl.DataFrame, name: str, part: pl.Series, whole: pl.Series) -> pl.DataFrame:
    """The frame with a share and its interval, where it has them, of published counts."""
    ends = wilson(part.to_numpy(), whole.to_numpy())
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = {name: part.to_numpy() / whole.to_numpy(), f"{name}_low": ends.low, f"{name}_high": ends.high}
    columns = [pl.Series(key, values).fill_nan(None) for key, values in shares.items()]
    held = frame[name].is_not_null() & (part > 0)
    return frame.with_columns(pl.when(held).then(column).otherwise(None).alias(column.name) for column in columns)
