"""What may be shown of an alert: decisions are taken on full counts, and small numbers of customers are withheld."""

from __future__ import annotations

from typing import Final

import polars as pl

SHARES: Final = ("pair", "stage", "goal", "errors", "slow pages", "survey")


def shown_alerts(alerts: pl.DataFrame, k: int) -> pl.DataFrame:
    """The alerts of `analytics.watch` that may be shown.

    A group of fewer than `k` customers has no alert. Of a share, `seen` and what follows from it is null where fewer
    than `k` customers are behind those that count, or behind those that do not; of a volume, where fewer are behind it.

    >>> row = {"rule": "unusual", "measure": "pair", "customers": 40, "customers_counted": 3}
    >>> row |= {"customers_not_counted": 37, "seen": 3, "at_stake": 9.0, "goals_at_stake": 9.0}
    >>> row |= {"goals_at_stake_low": 2.0, "goals_at_stake_high": 16.0}
    >>> shown_alerts(pl.DataFrame([row]), 10)["seen", "at_stake"].row(0)
    (None, None)
    """
    is_share = pl.col("measure").is_in(SHARES) & (pl.col("rule") == "unusual")
    small = is_share & (pl.min_horizontal("customers_counted", "customers_not_counted") < k)
    derived = ("seen", "at_stake", "goals_at_stake", "goals_at_stake_low", "goals_at_stake_high")
    small |= ~is_share & pl.col("customers").is_between(1, k - 1).fill_null(False)
    kept = alerts.filter((pl.col("customers") >= k) | ~is_share)
    return kept.with_columns(pl.when(~small).then(pl.col(name)).alias(name) for name in derived)
