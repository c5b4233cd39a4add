"""Assigns events to customers by their combination of identities and their time.

A refresh uses this module: it assigns new events, and finds the customers whose old events moved. A combination with
an identity that links belongs to one customer at any time. A combination with only shared identities belongs to the
customer of a nearby login, so its customer depends on the time of the event: a *shared assignment* is one combination
at one time.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from analytics.identity.columns import CODE, COMBINATION, LINKED_TYPE, Mask
from analytics.identity.rules import LinkRules
from analytics.identity.shared_devices import nearest_logins
from analytics.identity.update import UpdatedIdentities
from analytics.store.columns import LINKED
from expectations import contract

_TIME = contract.OCCURRED_AT
COMBINATION_AND_TIME = [COMBINATION, _TIME]


def events_on_shared(
    events: pl.DataFrame, identities: UpdatedIdentities, shared: pl.Series | None = None
) -> pl.DataFrame:
    """Counts the events (`_combination`, occurred_at) on every shared identity that they carry.

    Returns the columns of `event_counts`. With `shared`, only identities marked in it count.
    """
    mask = identities.nodes["shared"] if shared is None else shared
    names = [name for name in identities.seen.columns if name.endswith("_node")]
    marks = identities.seen.select(mask.gather(identities.seen[name]).fill_null(False).alias(name) for name in names)
    carriers = marks.select(pl.any_horizontal(names)).to_series().arg_true().cast(pl.UInt32)
    carried = identities.seen[carriers].select(pl.concat_list(names).list.drop_nulls().list.unique().alias("shared"))
    nodes = carried.with_columns(carriers.alias(COMBINATION))
    rows = events.select(COMBINATION_AND_TIME).join(nodes, on=COMBINATION).explode("shared")
    return event_counts(rows.filter(mask.gather(rows["shared"])))


def assign_shared(on_shared: pl.DataFrame, identities: UpdatedIdentities, rules: LinkRules) -> pl.DataFrame:
    """Assigns a customer to every time of every combination that has only shared identities.

    Columns: `_combination`, occurred_at, `_customer`, `linked`, events.
    """
    seen = identities.seen
    own = on_shared.select("shared", _TIME, COMBINATION, "events").with_columns(
        seen[CODE].gather(on_shared[COMBINATION]).alias("customer"),
        (seen[LINKED].gather(on_shared[COMBINATION]) == "login").alias("by_login"),
        seen["shared"].gather(on_shared[COMBINATION]).alias("placed"),
    )
    rows = own.select("shared", _TIME, pl.when("by_login").then("customer").alias("login"))
    trust = _ordered_by_trust(identities.nodes, rows["login"])
    order = trust.with_row_index("order").rename({"node": "login"})
    rows = rows.join(order, on="login", how="left").select("shared", _TIME, pl.col("order").alias("login"))
    logins = nearest_logins(rows, rules.session_gap, rules.identities.shared)
    logins = logins.with_columns(trust["node"].gather(logins["login"]).alias("login"))
    own_shared = own.filter(pl.col("shared") == pl.col("placed")).join(logins, on=["shared", _TIME], how="left")
    linked = (
        pl.when(pl.col("login").is_not_null())
        .then(pl.lit("session", LINKED_TYPE))
        .otherwise(pl.lit("anonymous", LINKED_TYPE))
    )
    return own_shared.select(
        COMBINATION, _TIME, pl.coalesce("login", "shared").alias(CODE), linked.alias(LINKED), "events"
    )


def _ordered_by_trust(nodes: pl.DataFrame, customers: pl.Series) -> pl.DataFrame:
    """The nodes of these customers, most trusted first; permanent node numbers do not follow that order."""
    subset = nodes[customers.drop_nulls().unique().cast(pl.Int64)]
    return subset.sort("rank", "value").select(pl.col("node").cast(pl.UInt32))


def customers_of_changed_assignments(before: pl.DataFrame, after: pl.DataFrame) -> pl.Series:
    """The customers who gained or lost shared assignments, or whose `linked` changed."""
    both = before.join(after, on=COMBINATION_AND_TIME, how="full", suffix="_now", coalesce=True)
    changed = both.filter(
        pl.col(CODE).ne_missing(pl.col(f"{CODE}_now")) | pl.col(LINKED).ne_missing(pl.col(f"{LINKED}_now"))
    )
    return pl.concat([changed[CODE], changed[f"{CODE}_now"].alias(CODE)]).drop_nulls().unique()


def customers_of_changed_combinations(before: pl.DataFrame, after: pl.DataFrame) -> pl.Series:
    """The customers who gained or lost combinations, or whose combinations link differently.

    `after` starts with the combinations of `before`, in the same order.
    """
    same = after.head(len(before))
    changed = (
        before[CODE].ne_missing(same[CODE])
        | before[LINKED].ne_missing(same[LINKED])
        | before["shared"].ne_missing(same["shared"])
    )
    return pl.concat([before[CODE].filter(changed), same[CODE].filter(changed)]).drop_nulls().unique()


def customers_of_changed_identities(before: pl.DataFrame, after: pl.DataFrame) -> pl.Series:
    """The customers who gained or lost identities, and with them profiles.

    They may keep all their events: an identity that became shared leaves its customer on every event they have in
    common. `after` starts with the nodes of `before`, in the same order.
    """
    old, new = before["customer"], after["customer"].head(len(before))
    changed = old.ne_missing(new)
    return pl.concat([old.filter(changed), new.filter(changed)]).drop_nulls().unique()


def assign_customers(
    events: pl.DataFrame, identities: UpdatedIdentities, shared_assignments: pl.DataFrame
) -> pl.DataFrame:
    """Adds `_customer` (null without a usable identity) and `linked` to events (`_combination`, occurred_at, ...)."""
    rows = events.with_columns(
        identities.seen[CODE].gather(events[COMBINATION]).alias(CODE),
        identities.seen[LINKED].gather(events[COMBINATION]).alias(LINKED),
    )
    unassigned = rows[CODE].is_null().arg_true()
    if shared_assignments.is_empty() or unassigned.is_empty():
        return rows
    assigned = rows[unassigned].select(*COMBINATION_AND_TIME, pl.col(LINKED).alias("way"))
    assigned = assigned.join(
        shared_assignments.drop("events"), on=COMBINATION_AND_TIME, how="left", maintain_order="left"
    )
    linked = assigned.select(pl.coalesce(LINKED, "way")).to_series().to_physical()
    return rows.with_columns(
        rows[CODE].scatter(unassigned, assigned[CODE]),
        rows[LINKED].to_physical().scatter(unassigned, linked).cat.to(LINKED_TYPE).alias(LINKED),
    )


def linked_counts(identities: UpdatedIdentities, shared_assignments: pl.DataFrame) -> dict[str, int]:
    """Counts events by how they were linked to their customer."""
    totals = identities.seen.group_by(LINKED).agg(pl.col("events").cast(pl.Int64).sum())
    counts = dict.fromkeys(LINKED_TYPE.categories.to_list(), 0) | dict(totals.iter_rows())
    by_session = int(shared_assignments.filter(pl.col(LINKED) == "session")["events"].sum())
    return counts | {"session": by_session, "anonymous": counts["anonymous"] - by_session}


def mask_of(codes: pl.Series, count: int) -> Mask:
    """A mask of length `count` that is true at the given codes."""
    mask = np.zeros(count, np.bool_)
    mask[codes.to_numpy()] = True
    return mask


def event_counts(on_shared: pl.DataFrame) -> pl.DataFrame:
    """Counts events by shared identity, time and combination: shared, occurred_at, `_combination`, events (UInt32)."""
    groups = on_shared.group_by("shared", contract.OCCURRED_AT, COMBINATION)
    events = pl.col("events").sum() if "events" in on_shared.columns else pl.len()
    return groups.agg(events.cast(pl.UInt32).alias("events")).sort("shared", contract.OCCURRED_AT, COMBINATION)
