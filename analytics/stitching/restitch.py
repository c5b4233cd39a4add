"""Rebuilds the paths of affected customers from their stored touches, without reading their old events.

What an event contributes to a touch never changes and is copied from the part. What its customer contributes is
computed again: customer, `linked`, order, session, stage, journey, outcome and attributes. Of a customer who only has
later events, no more than the last journey is read: what came before does not change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.identity.assignment import assign_customers
from analytics.identity.columns import CODE
from analytics.identity.resolution import node_keys, salted
from analytics.identity.update import UpdatedIdentities
from analytics.stitching.affected import TAKEN_FROM, ExtractedTouches
from analytics.store.columns import AT, CUSTOMER, JOURNEY, SESSION, TOUCHPOINT
from analytics.store.encoding import as_enum
from analytics.touches.assembly import CATEGORICAL, EVENT_HASH, PREVIOUS_ORDER, prepare_events
from analytics.touches.rules import PathRules
from expectations import contract

EventIdLookup = Callable[[pl.Series, pl.Series], pl.DataFrame]


@dataclass(frozen=True)
class RestitchedEvents:
    """The prepared events of all affected customers, old and new, the new events that rules drop, and all keys.

    `partial`: code, number in `ExtractedTouches`, session and journey of the first touch of the customers of whom only
    the last journey was extracted.
    """

    events: pl.DataFrame
    dropped: pl.DataFrame
    keys: pl.Series
    partial: pl.DataFrame

    def continue_numbers(self, touches: pl.DataFrame) -> pl.DataFrame:
        """Continues the session and journey numbers of the touches that stay in the store."""
        offsets = np.zeros((2, len(self.keys)), np.uint32)
        first = self.partial.select(SESSION, pl.col(JOURNEY).fill_null(1))  # who has no journey yet begins with 1
        offsets[:, self.partial[CODE].to_numpy()] = first.to_numpy().T - 1
        code = touches[CODE].to_numpy()
        return touches.with_columns(
            pl.col(n) + pl.Series(b[code]) for n, b in zip((SESSION, JOURNEY), offsets, strict=True)
        )

    def extracted_from(self, touches: pl.DataFrame) -> NDArray[np.int64]:
        """For every touch: the number of its customer in `ExtractedTouches`, or -1 when extracted whole."""
        number = np.full(len(self.keys), -1, np.int64)
        number[self.partial[CODE].to_numpy()] = self.partial[TAKEN_FROM].to_numpy()
        numbers: NDArray[np.int64] = number[touches[CODE].to_numpy()]
        return numbers


def restitch_events(
    extracted: ExtractedTouches,
    fresh: pl.DataFrame,
    assignment: tuple[UpdatedIdentities, pl.DataFrame],
    rules: PathRules,
    ids: EventIdLookup,
) -> RestitchedEvents:
    """The events from which the touches of affected customers are made.

    `assignment` holds the identities and the shared assignments; `ids` looks up the ids of old events by times and
    hashes. A customer without a usable identity gets a code above those of the nodes.
    """
    identities, shared_assignments = assignment
    nodes = len(identities.nodes)
    new = assign_customers(fresh, identities, shared_assignments)
    unidentified = new[contract.EVENT_ID].filter(new[CODE].is_null()).unique().sort()
    own = unidentified.to_frame().with_row_index("_own", offset=nodes)
    new = new.join(own, on=contract.EVENT_ID, how="left").with_columns(pl.coalesce(CODE, "_own").alias(CODE))
    prepared = prepare_events(new.drop("_own").lazy(), rules).collect()
    dropped = prepared.filter(pl.col(TOUCHPOINT).is_null())
    prepared = prepared.filter(pl.col(TOUCHPOINT).is_not_null())
    old = assign_customers(
        extracted.touches.with_columns(pl.col(AT).alias(contract.OCCURRED_AT)), identities, shared_assignments
    )
    above = (nodes + len(unidentified) + pl.col(TAKEN_FROM)).cast(pl.UInt32)
    old = _with_event_ids(old.with_columns(pl.coalesce(CODE, above).alias(CODE)), prepared, ids)
    first_touches = old.select(CODE, TAKEN_FROM, SESSION, JOURNEY).filter(
        (pl.col(TAKEN_FROM) != pl.col(TAKEN_FROM).shift(1)).fill_null(True)
    )
    is_partial = np.concatenate([extract.partial for extract in extracted.extracts])
    partial = first_touches.filter(pl.Series(is_partial).gather(first_touches[TAKEN_FROM]))
    old, prepared = _with_common_words(old, prepared)
    events = pl.concat(
        [
            old.select(*prepared.columns, PREVIOUS_ORDER),
            prepared.with_columns(pl.lit(None, pl.UInt32).alias(PREVIOUS_ORDER)),
        ]
    )
    return RestitchedEvents(
        events, dropped, _customer_keys(identities, events[CODE], unidentified, extracted.keys, rules), partial
    )


def _with_common_words(old: pl.DataFrame, fresh: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Both frames with one Enum per text column: the words of the old touches, then the new words."""
    for name, dtype in old.schema.items():
        if isinstance(dtype, pl.Enum) and fresh.schema.get(name) == CATEGORICAL:
            text = fresh[name].cast(pl.String)
            words = pl.concat([dtype.categories, text.drop_nulls()]).unique(maintain_order=True)
            fresh = fresh.with_columns(text.cast(pl.Enum(words)))
            if len(words) > len(dtype.categories):
                old = old.with_columns(as_enum(old[name].to_physical(), words))
    return old, fresh


def _with_event_ids(old: pl.DataFrame, fresh: pl.DataFrame, ids: EventIdLookup) -> pl.DataFrame:
    """Adds event ids to old touches that must be ordered again among others of the same instant.

    These have no `_place`: it only holds among touches of one instant that belonged to one customer before.
    """
    here = [CODE, AT]
    near = old.lazy().select(*here, PREVIOUS_ORDER).filter(pl.col(AT).is_between(fresh[AT].min(), fresh[AT].max()))
    tied_with_new = (
        near.join(fresh.lazy().select(here).unique(), on=here, how="semi")
        .select(PREVIOUS_ORDER)
        .collect()[PREVIOUS_ORDER]
    )
    changes = [(pl.col(name) != pl.col(name).shift(1)).fill_null(True) for name in (CODE, TAKEN_FROM)]
    runs = old.select(CODE, TAKEN_FROM).filter(changes[0] | changes[1])
    merged = runs.unique().filter(pl.col(CODE).is_duplicated()).select(CODE).unique()
    both = old.lazy().join(merged.lazy(), on=CODE, how="semi").filter(pl.struct(here).is_duplicated()).collect()
    reordered = pl.concat([tied_with_new, both[PREVIOUS_ORDER]]).unique()
    tied = old[reordered].select(AT, EVENT_HASH)
    event_ids = tied.join(ids(tied[AT], tied[EVENT_HASH]), on=EVENT_HASH, how="left", maintain_order="left")[
        contract.EVENT_ID
    ]
    ids_column = (
        pl.repeat(None, len(old), dtype=pl.String, eager=True).scatter(reordered, event_ids).alias(contract.EVENT_ID)
    )
    keeps_order = np.ones(len(old), np.bool_)
    keeps_order[reordered.to_numpy()] = False
    return old.with_columns(ids_column, pl.when(pl.Series(keeps_order)).then(PREVIOUS_ORDER).alias(PREVIOUS_ORDER))


def _customer_keys(
    identities: UpdatedIdentities,
    codes: pl.Series,
    unidentified: pl.Series,
    extracted_keys: pl.Series,
    rules: PathRules,
) -> pl.Series:
    """The keys by code: of the customers present, of new events without an identity, of all extracted customers."""
    present = np.zeros(len(identities.nodes) + len(unidentified) + len(extracted_keys), np.bool_)
    present[codes.to_numpy()] = True
    subset = identities.nodes.filter(present[: len(identities.nodes)])
    names = pl.repeat(None, len(identities.nodes), dtype=pl.String, eager=True).alias(CUSTOMER)
    names = names.scatter(subset["node"], salted(node_keys(subset)[CUSTOMER], rules.identities.salt))
    alone = salted(
        pl.select(pl.concat_str(pl.lit("event_id:"), unidentified).alias(CUSTOMER)).to_series(), rules.identities.salt
    )
    return pl.concat([names, alone, extracted_keys])
