"""Who was in a segment, from when to when; and why one customer is, or is not."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any, Final

import numpy as np
import polars as pl

from analytics.engine.run import on_parts
from analytics.segments.named.segment import BoundSegment, Segment, bound_segments
from analytics.segments.named.states import IN, OUT, UNKNOWN
from analytics.store.columns import AT, CUSTOMER, TIME, TOUCHPOINT
from analytics.store.encoding import Dictionaries
from analytics.store.frames import as_utc, micros
from analytics.store.parts import Part, decoded
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

SINCE: Final = "since"
UNTIL: Final = "until"
_WORD: Final = {IN: "in", OUT: "out", UNKNOWN: None}


def membership(paths: Paths, segment: Segment) -> pl.DataFrame:
    """When each customer was in a segment.

    One row per closed interval, by customer and time: `customer`, `since`, `until` Datetime(us, UTC); the customer is a
    member when `since <= t <= until`. `until` is null where it holds at the end of the data. Intervals of a customer
    neither overlap nor meet to the microsecond; nothing is true before the first touch. Who is in never, and who
    objects to profiling, has no row. No touches give no rows.

    These are rows about single customers: they are never published. Raises `DefinitionError` as the conditions do.

    >>> from analytics import Did
    >>> shop = Paths.from_text({"ann": "buy@0d buy@20d visit@61d buy@95d"}, end="120d")
    >>> twice = Segment("Two buys in 60 days", Did("buy", at_least=2, within="60d"))
    >>> membership(shop, twice).select((pl.col("until") - pl.col("since")).dt.total_days()).item()
    40
    """
    (bound,) = bound_segments(paths, segment)
    schema = {CUSTOMER: paths.schema[CUSTOMER], SINCE: TIME, UNTIL: TIME}
    tables = on_parts(paths, partial(_intervals, bound))
    table = pl.concat([pl.DataFrame(schema=schema), *tables]).sort(CUSTOMER, SINCE)
    return paths.without_objectors(table)


def _intervals(bound: BoundSegment, part: Part, _: Dictionaries) -> pl.DataFrame:
    """The intervals of a part's customers."""
    customers = bound.customers(part)
    states = bound.states(customers)
    rows = np.flatnonzero((states.value == IN) & (states.since <= bound.end))
    until = pl.Series(UNTIL, states.after[rows] - 1)
    holds = states.after[rows] > bound.end
    return pl.DataFrame(
        [
            customers.part.keys()[states.person[rows]].alias(CUSTOMER),
            pl.Series(SINCE, states.since[rows]).cast(TIME),
            until.set(pl.Series(holds), None).cast(TIME),
        ]
    )


def segment_evidence(paths: Paths, segment: Segment, customer: Any, *, at: datetime | None = None) -> pl.DataFrame:
    """Why a customer is in a segment at an instant, or is not: every condition, and the touches that count for it.

    The segment comes first, then its conditions in order; a condition has one row per touch that counts for it, or one
    without a touch. Columns: `condition` String, `state` String (`in`, `out`; null: not known), `since` Datetime(us,
    UTC) (from when on the state holds), `at` Datetime(us, UTC) and `touchpoint` String (a touch that counts). The
    instant is the end of the data by default.

    It is about a single customer, for the analyst: never published. Raises `DefinitionError` for an unknown customer,
    one who objects to profiling, and an instant before the first touch.

    >>> from analytics import Did
    >>> shop = Paths.from_text({"ann": "buy@0d buy@20d visit@61d"}, end="70d")
    >>> segment_evidence(shop, Segment("Buyers", Did("buy", within="60d")), "ann")["state", "touchpoint"].rows()
    [('in', None), ('in', 'buy')]
    """
    key = str(customer)
    if key in paths.objected:
        raise DefinitionError(
            "This customer objects to profiling.", do="no segment has them: there is nothing to explain"
        )
    (bound,) = bound_segments(paths, segment)
    instant = bound.end if at is None else micros(as_utc(at))
    found = [rows for rows in on_parts(paths, partial(_evidence, bound, key, instant)) if rows is not None]
    if not found:
        raise DefinitionError("There is no such customer.", expected="a key as the paths have it", found=repr(key))
    if found[0].is_empty():
        raise DefinitionError("The customer has no touch up to then.", found=str(at or paths.end_of_data))
    return found[0]


def _evidence(bound: BoundSegment, key: str, instant: int, part: Part, words: Dictionaries) -> pl.DataFrame | None:
    """The rows of a customer of this part; None for those of other parts."""
    customers = bound.customers(part)
    found = customers.of_keys(pl.Series([key]))[0]
    if found is None:
        return None
    schema = pl.Schema({"condition": pl.String(), "state": pl.String(), SINCE: TIME, AT: TIME, TOUCHPOINT: pl.String()})
    rows: list[tuple[str, str | None, int, int | None, str | None]] = []
    low, high = customers.bounds[found], customers.bounds[found + 1]
    touches = decoded(customers.part, [AT, TOUCHPOINT], words)[int(low) : int(high)]
    for condition in (bound.segment, *bound.segment.leaves):
        states = condition.states(customers)
        own = np.flatnonzero((states.person == found) & (states.since <= instant))
        if not len(own):
            return pl.DataFrame(schema=schema)
        state = (condition.text, _WORD[int(states.value[own[-1]])], int(states.since[own[-1]]))
        counting = condition.counting(customers, instant) if hasattr(condition, "counting") else []
        counted = [int(row - low) for row in counting if low <= row < high]
        rows += [(*state, touches[AT].to_physical()[row], touches[TOUCHPOINT][row]) for row in counted] or [
            (*state, None, None)
        ]
    plain = pl.Schema({name: pl.Int64() if dtype == TIME else dtype for name, dtype in schema.items()})
    return pl.DataFrame(rows, schema=plain, orient="row").cast(schema)
