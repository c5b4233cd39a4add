"""Which groups go on to the next step of a funnel more or less often than all others?"""

from __future__ import annotations

import polars as pl

from analytics.engine.analysis import IS_TOTAL
from analytics.statistics.intervals import newcombe, wilson
from analytics.statistics.tests import two_proportions_z


def counts_by(counts: pl.DataFrame, column: str) -> pl.DataFrame:
    """The counts of a funnel by several columns, summed to those by one of them; totals stay first.

    In: `funnel` or `funnel_by_range`, with each customer in one group. Out: `column` String, `is_total`, `period` if
    there are periods, `step`, `name`, and `entered`, `reached`, `dropped`, `open` Int64.

    >>> from analytics import Funnel, Paths, funnel
    >>> shop = Paths.from_text({"ann": "look@0m[device=app,vip=yes] pay@1m", "bo": "look@0m[device=app,vip=no]"})
    >>> both = funnel(shop, Funnel(["look", "pay"], window="1m", by=["device", "vip"]))
    >>> counts_by(both, "device").filter(device="app")["reached"].to_list()
    [2, 1]
    """
    keys = [name for name in (IS_TOTAL, "period", "step", "name") if name in counts.columns]
    sums = counts.group_by(pl.col(column).cast(pl.String), *keys).agg(
        pl.col("entered", "reached", "dropped", "open").sum()
    )
    return sums.sort(IS_TOTAL, column, *keys[1:], descending=[True, *[False] * len(keys)], nulls_last=True)


def against_the_rest(counts: pl.DataFrame, column: str) -> pl.DataFrame:
    """Every group of one column, step by step, against all others together.

    In: a funnel that counts customers, broken down by `column`. Out: `column`; `step` UInt32 (from 2), `name`;
    `previous` (reached the step before), `reached` Int64; `share_of_previous` Float64 with its Wilson interval; that of
    all groups together `share_of_previous_total`; the `difference` to the share of all others, with Newcombe's interval
    `difference_low`, `difference_high`; `p_value` of the test that both are equal (two proportions). Shares and
    differences are null where nobody reached the step before, or nobody else did.

    >>> from analytics import Funnel, Paths, funnel
    >>> shop = Paths.from_text({"ann": "look@0m[device=app] pay@1m", "bo": "look@0m[device=web]"})
    >>> groups = funnel(shop, Funnel(["look", "pay"], window="1m", by="device"))
    >>> against_the_rest(groups, "device")["device", "share_of_previous", "difference"].rows()
    [('app', 1.0, 1.0), ('web', 0.0, -1.0)]
    """
    before = counts.select(column, IS_TOTAL, pl.col("step") + 1, pl.col("reached").alias("previous"))
    rated = counts.filter(pl.col("step") > 1).join(before, on=[column, IS_TOTAL, "step"], nulls_equal=True, how="inner")
    total = rated.filter(IS_TOTAL).select(
        "step", pl.col("reached").alias("all reached"), pl.col("previous").alias("all previous")
    )
    groups = rated.filter(~pl.col(IS_TOTAL)).join(total, on="step")
    k, n = groups["reached"].to_numpy(), groups["previous"].to_numpy()
    rest_k, rest_n = groups["all reached"].to_numpy() - k, groups["all previous"].to_numpy() - n
    own, gap = wilson(k, n), newcombe(k, n, rest_k, rest_n)
    share = pl.col("reached") / pl.col("previous")
    return groups.select(
        column,
        "step",
        "name",
        "previous",
        "reached",
        share.alias("share_of_previous"),
        pl.Series("share_of_previous_low", own.low),
        pl.Series("share_of_previous_high", own.high),
        (pl.col("all reached") / pl.col("all previous")).alias("share_of_previous_total"),
        (share - pl.Series(rest_k) / pl.Series(rest_n)).alias("difference"),
        pl.Series("difference_low", gap.low),
        pl.Series("difference_high", gap.high),
        pl.Series("p_value", two_proportions_z(k, n, rest_k, rest_n).p_value),
    ).with_columns(pl.selectors.float().fill_nan(None))
