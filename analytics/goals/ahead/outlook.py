"""How many of the customers at risk should reach the goal, by group: sums of the chances of a forecast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import polars as pl

from analytics.engine.analysis import IS_TOTAL
from analytics.goals.ahead.forecast import HORIZON, Forecast
from analytics.goals.ahead.quality import expected_interval
from analytics.statistics.shares import MIN_DENOMINATOR
from analytics.store.columns import AT, CUSTOMER
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

OUTLOOK: Final = pl.Schema(
    {
        IS_TOTAL: pl.Boolean(),
        HORIZON: pl.Duration("us"),
        "customers": pl.Int64(),
        **dict.fromkeys(("expected_goals", "expected_low", "expected_high"), pl.Float64()),
        "enough": pl.Boolean(),
    }
)


def outlook(paths: Paths, found: Forecast, *, by: str | Sequence[str]) -> pl.DataFrame:
    """How many of the customers at risk should reach the goal within each horizon, by columns of `paths`.

    A customer is in the group of their last touch up to the time of the forecast: `by` is a column such as `device`, or
    one that `with_personas` or `with_segments` adds. Whom the paths do not know is in the group null.

    Columns: those of `by`; `is_total` Boolean (rows over all groups come first, with null in `by`); `horizon` Duration;
    `customers` Int64 (distinct, at risk; without those who object to profiling); `expected_goals` Float64 (the sum of
    their chances) with `expected_low`, `expected_high` Float64 (95 %, of a sum of independent events, if the chances
    are true); `enough` Boolean (30 customers). Groups by name, the shortest horizon first. Chances are tested over all
    customers, and not in each group: `Forecast.outlook` has the test by band of chance. No customer at risk gives no
    rows. Raises `DefinitionError` for an unknown column, none, and one that is called like a column of the answer.

    >>> from datetime import timedelta
    >>> shop = Paths.from_text({"ann": "a@0m[device=phone]", "bo": "a@0m[device=desk] b@1m[device=phone]"})
    >>> day, now = timedelta(days=1), shop.end_of_data
    >>> scores = pl.DataFrame({"customer": ["ann", "bo"], "horizon": [day, day], "chance": [0.5, 0.25]})
    >>> none = pl.DataFrame()
    >>> found = Forecast(none, none, none, scores, "hazard", "", tested=now, at=now, learned=(), objected=0)
    >>> outlook(shop, found, by="device").select("device", "is_total", "customers", "expected_goals").rows()
    [(None, True, 2, 0.75), ('phone', False, 2, 0.75)]
    """
    names = [by] if isinstance(by, str) else list(by)
    if not names or not OUTLOOK.keys().isdisjoint(names) or CUSTOMER in names:
        raise DefinitionError(
            "An outlook is broken down by columns of touches.",
            expected=f"one or more, other than {', '.join([CUSTOMER, *OUTLOOK])}",
            found=", ".join(names) or "none",
        )
    paths.require(*names)
    touches = paths.touches.filter(pl.col(AT) <= found.at).select(pl.col(CUSTOMER).cast(pl.String), AT, *names)
    groups = touches.group_by(CUSTOMER).agg(pl.col(names).sort_by(AT, maintain_order=True).last()).collect()
    scores = found.scores.join(groups, on=CUSTOMER, how="left")
    totals = [_row(rows, dict.fromkeys(names), True) for rows in scores.partition_by(HORIZON, maintain_order=True)]
    each = [
        _row(rows, rows.select(names).row(0, named=True), False)
        for rows in scores.partition_by(*names, HORIZON, maintain_order=True)
    ]
    schema = pl.Schema({**{name: groups.schema[name] for name in names}, **OUTLOOK})
    table = pl.DataFrame([*totals, *each], schema, orient="row")
    return table.sort(pl.col(IS_TOTAL).not_(), *names, HORIZON, nulls_last=True)


def _row(scores: pl.DataFrame, group: dict[str, Any], is_total: bool) -> dict[str, Any]:
    """The row of one group and horizon."""
    goals, low, high = expected_interval(scores["chance"].to_numpy())
    return group | {
        IS_TOTAL: is_total,
        HORIZON: scores[HORIZON][0],
        "customers": len(scores),
        "expected_goals": goals,
        "expected_low": low,
        "expected_high": high,
        "enough": len(scores) >= MIN_DENOMINATOR,
    }
