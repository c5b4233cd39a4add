"""How do customers get their paths anew without their events? Their touches are taken from the parts and cast again.

What an event gives to a touch never changes: it is taken as it lies in the part. What its customer gives is made anew:
whose it is, how it linked, its place, session, stage, journey, outcome and the customer's attributes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.components import Mask
from analytics.engine import on_threads
from analytics.identity import names_of, salted
from analytics.journeys import JOURNEY, OUTCOME
from analytics.parts import AT, CUSTOMER, TOUCHES, TOUCHPOINT, Part, as_enum, as_time
from analytics.placing import assigned
from analytics.relinking import Relinked
from analytics.rules import PathRules
from analytics.sessions import SESSION
from analytics.shared import CODE, COMBINATION
from analytics.store import Paths
from analytics.touches import EVENT, HIDDEN, PLACE, WORD, given, prepared
from expectations import contract

OF: Final = "_of"
OLD: Final = [SESSION, JOURNEY, OUTCOME]

IdsOf = Callable[[pl.Series, pl.Series], pl.DataFrame]


@dataclass(frozen=True)
class Taken:
    """Customers taken out of parts: their places in each part, their keys, and their touches in order.

    Touches have `_of`, the number of the customer they were taken from, and `_place`.
    """

    places: tuple[NDArray[np.int64], ...]
    keys: pl.Series
    touches: pl.DataFrame

    @classmethod
    def from_parts(cls, paths: Paths, places: Sequence[NDArray[np.int64]], columns: Sequence[str]) -> Taken:
        """Take the customers at these places of every part, with the columns named."""
        first = np.cumsum([0, *map(len, places)])
        some = [number for number in range(len(places)) if len(places[number]) or not number]

        def taken(number: int) -> tuple[pl.Series, pl.DataFrame]:
            part, here = paths.parts[number], places[number]
            return part.keys()[here], _touches(paths, part, here, columns, int(first[number]))

        keys, frames = zip(*on_threads(taken, some), strict=True)
        return cls(tuple(places), pl.concat(keys), pl.concat(frames).with_row_index(PLACE))


def concerned(part: Part, touched: Mask, lapse: tuple[datetime | None, datetime | None], gap: timedelta) -> Mask:
    """Which customers of a part are touched, or lapse as the end of the data moves from one time to another."""
    people = part.people(["code", "last", "converted"])
    one, other = (pl.lit(end, contract.TIME) - pl.col("last") > gap for end in lapse)
    lapses = people.select((~pl.col("converted") & (one != other)).fill_null(False)).to_series()
    mask = np.append(touched, False)
    return np.asarray(mask[people["code"].cast(pl.Int64).fill_null(-1).to_numpy()] | lapses.to_numpy())


def recast(
    taken: Taken, fresh: pl.DataFrame, whose: tuple[Relinked, pl.DataFrame], rules: PathRules, ids: IdsOf
) -> tuple[pl.DataFrame, pl.DataFrame, pl.Series]:
    """The prepared events of all customers concerned, old and fresh, the fresh ones that rules drop, and all keys.

    `whose` are the combinations and their placements, `ids` finds the ids of old events by times and hashes. A customer
    without a usable identity has a code above those of the nodes.
    """
    known, places = whose
    nodes = len(known.nodes)
    new = assigned(fresh, known, places)
    lone = new.filter(pl.col(CODE).is_null())[contract.EVENT_ID].unique().sort()
    own = lone.to_frame().with_row_index("_own", offset=nodes)
    new = new.join(own, on=contract.EVENT_ID, how="left").with_columns(pl.coalesce(CODE, "_own").alias(CODE))
    ready = prepared(new.drop("_own").lazy(), rules).collect()
    dropped = ready.filter(pl.col(TOUCHPOINT).is_null())
    ready = ready.filter(pl.col(TOUCHPOINT).is_not_null())
    old = assigned(taken.touches.with_columns(pl.col(AT).alias(contract.OCCURRED_AT)), known, places)
    above = (nodes + len(lone) + pl.col(OF)).cast(pl.UInt32)
    old = _with_ids(old.with_columns(pl.coalesce(CODE, above).alias(CODE)), ready, ids)
    old, ready = _alike(old, ready)
    every = pl.concat([old.select(*ready.columns, PLACE), ready.with_columns(pl.lit(None, pl.UInt32).alias(PLACE))])
    return every, dropped, _keys(known, every[CODE], lone, taken.keys, rules)


def _touches(paths: Paths, part: Part, places: NDArray[np.int64], columns: Sequence[str], first: int) -> pl.DataFrame:
    """The touches of some customers of a part, their text as an Enum of the dictionary."""
    counts = part.people([TOUCHES])[TOUCHES].to_numpy()
    chosen = np.zeros(len(counts), np.bool_)
    chosen[places] = True
    frame = part.read(columns).filter(np.repeat(chosen, counts))
    text = [name for name in columns if name in paths.dictionaries]
    words = [as_enum(frame[name], paths.dictionaries[name]) for name in text]
    of = np.repeat(np.arange(first, first + len(places), dtype=np.uint32), counts[chosen])
    return frame.with_columns(*words, as_time(frame[AT]), pl.Series(OF, of, pl.UInt32))


def _alike(old: pl.DataFrame, fresh: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Both with one Enum for each column of text: the words of the old touches, then those that are new."""
    for name, dtype in old.schema.items():
        if isinstance(dtype, pl.Enum) and fresh.schema.get(name) == WORD:
            given = fresh[name].cast(pl.String)
            words = pl.concat([dtype.categories, given.drop_nulls()]).unique(maintain_order=True)
            fresh = fresh.with_columns(given.cast(pl.Enum(words)))
            if len(words) > len(dtype.categories):
                old = old.with_columns(as_enum(old[name].to_physical(), words))
    return old, fresh


def _with_ids(old: pl.DataFrame, fresh: pl.DataFrame, ids: IdsOf) -> pl.DataFrame:
    """Old touches with the ids of their events where others of one instant must be ordered anew among them.

    Those have no `_place`: it holds only among touches of one instant that were one customer's before, too.
    """
    here = [CODE, AT]
    near = old.lazy().select(*here, PLACE).filter(pl.col(AT).is_between(fresh[AT].min(), fresh[AT].max()))
    met = near.join(fresh.lazy().select(here).unique(), on=here, how="semi").select(PLACE).collect()[PLACE]
    other = [(pl.col(name) != pl.col(name).shift(1)).fill_null(True) for name in (CODE, OF)]
    runs = old.select(CODE, OF).filter(other[0] | other[1])
    merged = runs.unique().filter(pl.col(CODE).is_duplicated()).select(CODE).unique()
    both = old.lazy().join(merged.lazy(), on=CODE, how="semi").filter(pl.struct(here).is_duplicated()).collect()
    anew = pl.concat([met, both[PLACE]]).unique()
    mixed = old[anew].select(AT, EVENT)
    found = mixed.join(ids(mixed[AT], mixed[EVENT]), on=EVENT, how="left", maintain_order="left")[contract.EVENT_ID]
    named = pl.repeat(None, len(old), dtype=pl.String, eager=True).scatter(anew, found).alias(contract.EVENT_ID)
    known = np.ones(len(old), np.bool_)
    known[anew.to_numpy()] = False
    return old.with_columns(named, pl.when(pl.Series(known)).then(PLACE).alias(PLACE))


def _keys(known: Relinked, codes: pl.Series, lone: pl.Series, taken: pl.Series, rules: PathRules) -> pl.Series:
    """The keys by code: of the customers that are there, of the fresh events alone, of all that were taken."""
    there = np.zeros(len(known.nodes) + len(lone) + len(taken), np.bool_)
    there[codes.to_numpy()] = True
    few = known.nodes.filter(there[: len(known.nodes)])
    names = pl.repeat(None, len(known.nodes), dtype=pl.String, eager=True).alias(CUSTOMER)
    names = names.scatter(few["node"], salted(names_of(few)[CUSTOMER], rules.identities.salt))
    alone = salted(pl.select(pl.format("event_id:{}", lone).alias(CUSTOMER)).to_series(), rules.identities.salt)
    return pl.concat([names, alone, taken])


def columns_taken(rules: PathRules) -> list[str]:
    """The columns that are taken out of parts."""
    sequence = [name for name in HIDDEN if name in (COMBINATION, EVENT) or rules.sequence]
    return [*given(rules), *sequence, *OLD]
