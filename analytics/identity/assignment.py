"""Whose is an event, by its combination of identities and its time? What a refresh asks of combinations it remembers.

A combination with an identity that links belongs to a customer at any time. One that has only shared identities belongs
to whoever logged in nearby, so that its *placements* are one for each time.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from analytics.identity.columns import CODE, COMBINATION, LINKED_TYPE
from analytics.identity.graph import Mask
from analytics.identity.rules import LinkRules
from analytics.identity.shared_devices import nearest_logins
from analytics.identity.update import UpdatedIdentities
from analytics.store.columns import LINKED
from expectations import contract

_TIME = contract.OCCURRED_AT
COMBINATION_AND_TIME = [COMBINATION, _TIME]


def events_on_shared(events: pl.DataFrame, known: UpdatedIdentities, shared: pl.Series | None = None) -> pl.DataFrame:
    """The events (`_combination`, occurred_at) on each shared identity that they carry: `counted`.

    Only those on the identities marked in `shared`, when it is given.
    """
    mask = known.nodes["shared"] if shared is None else shared
    names = [name for name in known.seen.columns if name.endswith("_node")]
    marks = known.seen.select(mask.gather(known.seen[name]).fill_null(False).alias(name) for name in names)
    some = marks.select(pl.any_horizontal(names)).to_series().arg_true().cast(pl.UInt32)
    carried = known.seen[some].select(pl.concat_list(names).list.drop_nulls().list.unique().alias("shared"))
    nodes = carried.with_columns(some.alias(COMBINATION))
    rows = events.select(COMBINATION_AND_TIME).join(nodes, on=COMBINATION).explode("shared")
    return event_counts(rows.filter(mask.gather(rows["shared"])))


def assign_shared(on_shared: pl.DataFrame, known: UpdatedIdentities, rules: LinkRules) -> pl.DataFrame:
    """Whose each time of each combination is that has only shared identities.

    Columns: `_combination`, occurred_at, `_customer`, `linked`, events.
    """
    seen = known.seen
    own = on_shared.select("shared", _TIME, COMBINATION, "events").with_columns(
        seen[CODE].gather(on_shared[COMBINATION]).alias("customer"),
        (seen[LINKED].gather(on_shared[COMBINATION]) == "login").alias("by_login"),
        seen["shared"].gather(on_shared[COMBINATION]).alias("placed"),
    )
    rows = own.select("shared", _TIME, pl.when("by_login").then("customer").alias("login"))
    trust = _ordered_by_trust(known.nodes, rows["login"])
    order = trust.with_row_index("order").rename({"node": "login"})
    rows = rows.join(order, on="login", how="left").select("shared", _TIME, pl.col("order").alias("login"))
    logins = nearest_logins(rows, rules.session_gap, rules.identities.shared)
    logins = logins.with_columns(trust["node"].gather(logins["login"]).alias("login"))
    found = own.filter(pl.col("shared") == pl.col("placed")).join(logins, on=["shared", _TIME], how="left")
    way = (
        pl.when(pl.col("login").is_not_null())
        .then(pl.lit("session", LINKED_TYPE))
        .otherwise(pl.lit("anonymous", LINKED_TYPE))
    )
    return found.select(COMBINATION, _TIME, pl.coalesce("login", "shared").alias(CODE), way.alias(LINKED), "events")


def _ordered_by_trust(nodes: pl.DataFrame, customers: pl.Series) -> pl.DataFrame:
    """These customers' nodes, the most trusted first: numbers that are kept for good do not follow that order."""
    few = nodes[customers.drop_nulls().unique().cast(pl.Int64)]
    return few.sort("rank", "value").select(pl.col("node").cast(pl.UInt32))


def customers_of_changed_assignments(before: pl.DataFrame, after: pl.DataFrame) -> pl.Series:
    """The customers whose placements are not what they were."""
    both = before.join(after, on=COMBINATION_AND_TIME, how="full", suffix="_now", coalesce=True)
    changed = both.filter(
        pl.col(CODE).ne_missing(pl.col(f"{CODE}_now")) | pl.col(LINKED).ne_missing(pl.col(f"{LINKED}_now"))
    )
    return pl.concat([changed[CODE], changed[f"{CODE}_now"].alias(CODE)]).drop_nulls().unique()


def customers_of_changed_combinations(before: pl.DataFrame, after: pl.DataFrame) -> pl.Series:
    """The customers who lost or won combinations, or whose combinations link in another way; `before` are the first."""
    same = after.head(len(before))
    changed = (
        before[CODE].ne_missing(same[CODE])
        | before[LINKED].ne_missing(same[LINKED])
        | before["shared"].ne_missing(same["shared"])
    )
    return pl.concat([before[CODE].filter(changed), same[CODE].filter(changed)]).drop_nulls().unique()


def customers_of_changed_identities(before: pl.DataFrame, after: pl.DataFrame) -> pl.Series:
    """The customers who lost or won identities, and what profiles say of these; `before` are the first nodes.

    They may keep all their events: an identity that came to be shared leaves its customer on every event they share.
    """
    was, now = before["customer"], after["customer"].head(len(before))
    other = was.ne_missing(now)
    return pl.concat([was.filter(other), now.filter(other)]).drop_nulls().unique()


def assign_customers(events: pl.DataFrame, known: UpdatedIdentities, places: pl.DataFrame) -> pl.DataFrame:
    """Events (`_combination`, occurred_at, ...) with `_customer`, null without a usable identity, and `linked`."""
    rows = events.with_columns(
        known.seen[CODE].gather(events[COMBINATION]).alias(CODE),
        known.seen[LINKED].gather(events[COMBINATION]).alias(LINKED),
    )
    free = rows[CODE].is_null().arg_true()
    if places.is_empty() or free.is_empty():
        return rows
    there = rows[free].select(*COMBINATION_AND_TIME, pl.col(LINKED).alias("way"))
    there = there.join(places.drop("events"), on=COMBINATION_AND_TIME, how="left", maintain_order="left")
    way = there.select(pl.coalesce(LINKED, "way")).to_series().to_physical()
    return rows.with_columns(
        rows[CODE].scatter(free, there[CODE]),
        rows[LINKED].to_physical().scatter(free, way).cat.to(LINKED_TYPE).alias(LINKED),
    )


def linked_counts(known: UpdatedIdentities, places: pl.DataFrame) -> dict[str, int]:
    """How many events found their customer in each way."""
    found = known.seen.group_by(LINKED).agg(pl.col("events").cast(pl.Int64).sum())
    counts = dict.fromkeys(LINKED_TYPE.categories.to_list(), 0) | dict(found.iter_rows())
    by_session = int(places.filter(pl.col(LINKED) == "session")["events"].sum())
    return counts | {"session": by_session, "anonymous": counts["anonymous"] - by_session}


def mask_of(codes: pl.Series, count: int) -> Mask:
    """Which of `count` codes are among these."""
    mask = np.zeros(count, np.bool_)
    mask[codes.to_numpy()] = True
    return mask


def event_counts(on_shared: pl.DataFrame) -> pl.DataFrame:
    """Events on shared values, those alike as one row with their number."""
    alike = on_shared.group_by("shared", contract.OCCURRED_AT, COMBINATION)
    events = pl.col("events").sum() if "events" in on_shared.columns else pl.len()
    return alike.agg(events.cast(pl.UInt32).alias("events")).sort("shared", contract.OCCURRED_AT, COMBINATION)
