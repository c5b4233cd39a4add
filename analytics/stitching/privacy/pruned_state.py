"""Takes customers out of the refresh state, where that changes the paths of nobody else.

A customer may have held others together or apart: an identity that many customers share, a link between two people, a
login on a shared device. So what the customer touched is resolved again without them; if anybody else would change,
there is no such state, and the paths must be built.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import polars as pl

from analytics.identity import assignment
from analytics.identity.assignment import COMBINATION_AND_TIME
from analytics.identity.columns import CODE, COMBINATION, Mask
from analytics.identity.sources import sources_of
from analytics.identity.update import UpdatedIdentities, without_combinations
from analytics.stitching.refresh_state import RefreshState
from analytics.store.columns import LINKED
from analytics.touches.rules import PathRules

_UNCHANGED: Final = (CODE, LINKED, "shared")


@dataclass(frozen=True)
class PrunedState:
    """A refresh state without some customers; its counts, its activity and its kinds are still those from before.

    `identities` and `assigned` are its identities and its events on shared values. `touched` marks the combinations
    that the customers had, and `codes` the nodes that are gone and those that named the customers. `events` is how many
    events are gone, `dropped` those among them that rules drop.
    """

    state: RefreshState
    identities: UpdatedIdentities
    assigned: pl.DataFrame
    touched: Mask
    codes: Mask
    events: int
    dropped: pl.DataFrame


def pruned_state(state: RefreshState, codes: pl.Series, removed: pl.DataFrame, rules: PathRules) -> PrunedState | None:
    """The state without the customers of these nodes; None when somebody else would change.

    `removed` holds the tombstones that are left.
    """
    before = UpdatedIdentities(state.nodes.with_row_index("node"), state.seen)
    assigned = assignment.assign_shared(state.on_shared, before, rules)
    theirs = pl.col(CODE).is_in(codes.implode())
    near, others = assigned.filter(theirs), assigned.filter(~theirs.fill_null(False))
    linked = state.seen.select(theirs.fill_null(False)).to_series().to_numpy()
    count = len(state.seen)
    touched = linked | assignment.mask_of(near[COMBINATION], count)
    gone = touched & ~assignment.mask_of(others[COMBINATION], count)
    moments = near.select(COMBINATION_AND_TIME).unique()
    lost = near.group_by(COMBINATION).agg(pl.col("events").sum())
    fewer = np.zeros(count, np.int64)
    fewer[lost[COMBINATION].to_numpy()] = lost["events"].to_numpy()
    events = int(state.seen["events"].filter(pl.Series(linked)).sum()) + int(fewer.sum())
    left = state.seen["events"].cast(pl.Int64) - pl.Series(np.where(linked, 0, fewer))
    known = replace(state, seen=state.seen.with_columns(left.cast(pl.UInt32).alias("events")))
    sources = sources_of(state.kinds, rules.identities)
    identities = without_combinations(known, gone, sources, removed, rules.identities)
    if _others_change(before, identities, gone, codes):
        return None

    def stays(rows: pl.DataFrame) -> pl.DataFrame:
        kept = rows.filter(pl.Series(~gone).gather(rows[COMBINATION]))
        return kept.join(moments, on=COMBINATION_AND_TIME, how="anti", maintain_order="left")

    on_shared, dropped = stays(state.on_shared), stays(state.dropped)
    now = assignment.assign_shared(on_shared, identities, rules)
    if len(assignment.customers_of_changed_assignments(others, now)):
        return None
    pruned = replace(
        state,
        nodes=identities.nodes.drop("node"),
        seen=identities.seen,
        on_shared=on_shared,
        dropped=dropped,
        tombstones=removed,
    )
    named = assignment.mask_of(codes, len(state.nodes)) | identities.nodes["value"].is_null().to_numpy()
    forgotten = state.dropped.join(dropped, on=state.dropped.columns, how="anti")
    return PrunedState(pruned, identities, now, touched, named, events, forgotten)


def _others_change(before: UpdatedIdentities, after: UpdatedIdentities, gone: Mask, codes: pl.Series) -> bool:
    """Whether a combination or an identity that is left belongs to somebody else, or is linked otherwise.

    So it is, too, where an identity of the customers is left, or where no identity of a kind is.
    """
    left = pl.Series(~gone)
    if any(before.seen[name].filter(left).ne_missing(after.seen[name].filter(left)).any() for name in _UNCHANGED):
        return True
    stays = after.nodes["value"].is_not_null()
    if any(
        before.nodes[name].filter(stays).ne(after.nodes[name].filter(stays)).any() for name in ("customer", "shared")
    ):
        return True
    if before.nodes["customer"].filter(stays).is_in(codes.implode()).any():
        return True
    return before.nodes["kind"].drop_nulls().n_unique() != after.nodes["kind"].drop_nulls().n_unique()
