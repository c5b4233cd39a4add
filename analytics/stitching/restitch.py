"""How do customers get their paths anew without their events? Their touches are taken from the parts and cast again.

What an event gives to a touch never changes: it is taken as it lies in the part. What its customer gives is made anew:
whose it is, how it linked, its place, session, stage, journey, outcome and the customer's attributes. Of a customer to
whom only later events come no more than the last journey is taken: what was before does not change.
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
    """The prepared events of all customers concerned, old and fresh, the fresh ones that rules drop, and all keys.

    `late`: code, number in `Taken`, session and journey of the first touch of those with their last journey only.
    """

    every: pl.DataFrame
    dropped: pl.DataFrame
    keys: pl.Series
    late: pl.DataFrame

    def numbered_on(self, touches: pl.DataFrame) -> pl.DataFrame:
        """Touches whose sessions and journeys go on from those that stay."""
        before = np.zeros((2, len(self.keys)), np.uint32)
        before[:, self.late[CODE].to_numpy()] = self.late.select(SESSION, JOURNEY).to_numpy().T - 1
        code = touches[CODE].to_numpy()
        return touches.with_columns(
            pl.col(n) + pl.Series(b[code]) for n, b in zip((SESSION, JOURNEY), before, strict=True)
        )

    def taken_from(self, touches: pl.DataFrame) -> NDArray[np.int64]:
        """The number in `Taken` of every touch's customer with the last journey only, -1 for the others."""
        number = np.full(len(self.keys), -1, np.int64)
        number[self.late[CODE].to_numpy()] = self.late[TAKEN_FROM].to_numpy()
        of: NDArray[np.int64] = number[touches[CODE].to_numpy()]
        return of


def restitch_events(
    taken: ExtractedTouches,
    fresh: pl.DataFrame,
    whose: tuple[UpdatedIdentities, pl.DataFrame],
    rules: PathRules,
    ids: EventIdLookup,
) -> RestitchedEvents:
    """What the touches of the customers concerned are made of.

    `whose` are the combinations and their placements, `ids` finds the ids of old events by times and hashes. A customer
    without a usable identity has a code above those of the nodes.
    """
    known, places = whose
    nodes = len(known.nodes)
    new = assign_customers(fresh, known, places)
    lone = new[contract.EVENT_ID].filter(new[CODE].is_null()).unique().sort()
    own = lone.to_frame().with_row_index("_own", offset=nodes)
    new = new.join(own, on=contract.EVENT_ID, how="left").with_columns(pl.coalesce(CODE, "_own").alias(CODE))
    ready = prepare_events(new.drop("_own").lazy(), rules).collect()
    dropped = ready.filter(pl.col(TOUCHPOINT).is_null())
    ready = ready.filter(pl.col(TOUCHPOINT).is_not_null())
    old = assign_customers(taken.touches.with_columns(pl.col(AT).alias(contract.OCCURRED_AT)), known, places)
    above = (nodes + len(lone) + pl.col(TAKEN_FROM)).cast(pl.UInt32)
    old = _with_event_ids(old.with_columns(pl.coalesce(CODE, above).alias(CODE)), ready, ids)
    begun = old.select(CODE, TAKEN_FROM, SESSION, JOURNEY).filter(
        (pl.col(TAKEN_FROM) != pl.col(TAKEN_FROM).shift(1)).fill_null(True)
    )
    only_last = np.concatenate([loss.late for loss in taken.losses])
    late = begun.filter(pl.Series(only_last).gather(begun[TAKEN_FROM]))
    old, ready = _with_common_words(old, ready)
    every = pl.concat(
        [old.select(*ready.columns, PREVIOUS_ORDER), ready.with_columns(pl.lit(None, pl.UInt32).alias(PREVIOUS_ORDER))]
    )
    return RestitchedEvents(every, dropped, _customer_keys(known, every[CODE], lone, taken.keys, rules), late)


def _with_common_words(old: pl.DataFrame, fresh: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Both with one Enum for each column of text: the words of the old touches, then those that are new."""
    for name, dtype in old.schema.items():
        if isinstance(dtype, pl.Enum) and fresh.schema.get(name) == CATEGORICAL:
            given = fresh[name].cast(pl.String)
            words = pl.concat([dtype.categories, given.drop_nulls()]).unique(maintain_order=True)
            fresh = fresh.with_columns(given.cast(pl.Enum(words)))
            if len(words) > len(dtype.categories):
                old = old.with_columns(as_enum(old[name].to_physical(), words))
    return old, fresh


def _with_event_ids(old: pl.DataFrame, fresh: pl.DataFrame, ids: EventIdLookup) -> pl.DataFrame:
    """Old touches with the ids of their events where others of one instant must be ordered anew among them.

    Those have no `_place`: it holds only among touches of one instant that were one customer's before, too.
    """
    here = [CODE, AT]
    near = old.lazy().select(*here, PREVIOUS_ORDER).filter(pl.col(AT).is_between(fresh[AT].min(), fresh[AT].max()))
    met = (
        near.join(fresh.lazy().select(here).unique(), on=here, how="semi")
        .select(PREVIOUS_ORDER)
        .collect()[PREVIOUS_ORDER]
    )
    other = [(pl.col(name) != pl.col(name).shift(1)).fill_null(True) for name in (CODE, TAKEN_FROM)]
    runs = old.select(CODE, TAKEN_FROM).filter(other[0] | other[1])
    merged = runs.unique().filter(pl.col(CODE).is_duplicated()).select(CODE).unique()
    both = old.lazy().join(merged.lazy(), on=CODE, how="semi").filter(pl.struct(here).is_duplicated()).collect()
    anew = pl.concat([met, both[PREVIOUS_ORDER]]).unique()
    mixed = old[anew].select(AT, EVENT_HASH)
    found = mixed.join(ids(mixed[AT], mixed[EVENT_HASH]), on=EVENT_HASH, how="left", maintain_order="left")[
        contract.EVENT_ID
    ]
    named = pl.repeat(None, len(old), dtype=pl.String, eager=True).scatter(anew, found).alias(contract.EVENT_ID)
    known = np.ones(len(old), np.bool_)
    known[anew.to_numpy()] = False
    return old.with_columns(named, pl.when(pl.Series(known)).then(PREVIOUS_ORDER).alias(PREVIOUS_ORDER))


def _customer_keys(
    known: UpdatedIdentities, codes: pl.Series, lone: pl.Series, taken: pl.Series, rules: PathRules
) -> pl.Series:
    """The keys by code: of the customers that are there, of the fresh events alone, of all that were taken."""
    there = np.zeros(len(known.nodes) + len(lone) + len(taken), np.bool_)
    there[codes.to_numpy()] = True
    few = known.nodes.filter(there[: len(known.nodes)])
    names = pl.repeat(None, len(known.nodes), dtype=pl.String, eager=True).alias(CUSTOMER)
    names = names.scatter(few["node"], salted(node_keys(few)[CUSTOMER], rules.identities.salt))
    alone = salted(pl.select(pl.format("event_id:{}", lone).alias(CUSTOMER)).to_series(), rules.identities.salt)
    return pl.concat([names, alone, taken])
