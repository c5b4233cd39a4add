"""Assigns the events of shared devices. A kiosk, or a card that many people use, links no customers.

An event that carries only shared values goes to a nearby login, by the policy in the settings:

| policy | the event goes to |
| --- | --- |
| `last_login` | the nearest login on that value before it, else after it, within the session of the value |
| `first_login` | the first login on that value |
| `session` | the only customer who logged in during the session of the value; no customer when there were several |
| `never` | no customer |

The session of a value is a run of its events in which no gap is longer than the session gap. A login is an event that
carries the value and a login that links.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import polars as pl

from analytics.identity.columns import CODE, COMBINATION, HASH
from analytics.identity.rules import Policy
from analytics.store.columns import LINKED
from expectations import contract

_ON_SHARED: Final = pl.Schema(
    {"shared": pl.UInt32(), contract.OCCURRED_AT: contract.TIME, COMBINATION: pl.UInt32(), "login": pl.UInt32()}
)


def on_shared(events: pl.LazyFrame, seen: pl.DataFrame, nodes: pl.DataFrame, had_arrived: pl.Expr) -> pl.DataFrame:
    """One row for every event and every shared value that it carries.

    Columns: shared (node), occurred_at, `_combination`, login (the customer of the login on the event, if any).
    `had_arrived` is true for events that had arrived by the time of `as_of`: only their logins count.
    """
    node_columns = [name for name in seen.columns if name.endswith("_node")]
    is_shared = nodes["shared"]
    marks = [is_shared.gather(seen[name]).fill_null(False).alias(name) for name in node_columns]
    carriers = seen.filter(pl.DataFrame(marks).select(pl.any_horizontal(node_columns)).to_series()).select(
        HASH,
        COMBINATION,
        pl.concat_list(node_columns).list.drop_nulls().list.unique().alias("shared"),
        pl.when(pl.col(LINKED) == "login").then(CODE).alias("login"),
    )
    if carriers.is_empty():
        return pl.DataFrame(schema=_ON_SHARED)
    wide = events.select(contract.OCCURRED_AT, had_arrived.alias("known"), HASH)
    rows = wide.join(carriers.lazy(), on=HASH, build_side="force_right").explode("shared")
    login = pl.when("known").then("login").alias("login")
    each = rows.select("shared", contract.OCCURRED_AT, COMBINATION, login).collect(engine="streaming")
    return each.filter(is_shared.gather(each["shared"]))


def nearest_logins(rows: pl.DataFrame, gap: timedelta, policy: Policy) -> pl.DataFrame:
    """Assigns a customer to every time of every shared value: shared, occurred_at, login (null for no customer).

    Of several logins at one instant the smallest customer is the nearest; the policy `session` still counts them as
    several.
    """
    at = contract.OCCURRED_AT
    times = rows.group_by("shared", at).agg(pl.col("login").min(), pl.col("login").max().alias("largest"))
    times = times.sort("shared", at)
    new = (pl.col(at).diff() > gap) | (pl.col("shared") != pl.col("shared").shift(1))
    times = times.with_columns(new.fill_null(True).cum_sum().alias("session"))
    login = pl.col("login")
    if policy == "never":
        return times.select("shared", at, pl.lit(None, pl.UInt32).alias("login"))
    if policy == "first_login":
        return times.select("shared", at, login.drop_nulls().first().over("shared"))
    if policy == "session":
        one = login.min() == pl.col("largest").max()
        return times.select("shared", at, pl.when(one.over("session")).then(login.min().over("session")).alias("login"))
    nearest = pl.coalesce(login.forward_fill().over("session"), login.backward_fill().over("session"))
    return times.select("shared", at, nearest.alias("login"))
