"""How do landed events become paths? Events in, touches out: customer, session, touchpoint, stage, journey, context.

`stitch` does it for a frame; `build` for a lake, bucket by bucket of customers, into the path store. A touch has the
columns customer, at, touchpoint, stage, channel, session, journey, outcome, linked, event_name and kind, then the
context columns, the customer's attributes as of the event, and the values that the rules name.

Touches of one customer at one instant are ordered by the source's own sequence number, if there is one, then by event
id: never by the order of arrival.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

import numpy as np
import polars as pl

from analytics.attributes import versions, with_attributes
from analytics.events import conform, deduplicate, duplicates, landed, table_version, watermark
from analytics.events import profiles as landed_profiles
from analytics.identity import Identities, customer_keys, identify, with_customers
from analytics.journeys import OUTCOMES, split_journeys
from analytics.links import tombstones
from analytics.parts import AT, CUSTOMER, TOUCHPOINT, bucket_of
from analytics.rules import PathRules, short
from analytics.sessions import SESSION, new_customer, new_session, numbered
from analytics.shared import CODE, LINKED, WAYS
from analytics.stages import rule_columns, with_stages, with_touchpoints
from analytics.store import StoreWriter
from expectations import contract
from expectations.layout import Lake

EVENTS_PER_PART: Final = 1_000_000
FIRST: Final = (CUSTOMER, AT, TOUCHPOINT, "stage", contract.CHANNEL, SESSION, "journey", "outcome", LINKED)
SURVEY: Final = "survey"

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class StitchSummary:
    """What stitching did, in counts."""

    events: int = 0
    duplicates: int = 0
    id_conflicts: int = 0
    touches: int = 0
    customers: int = 0
    sessions: int = 0
    journeys: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    linked: dict[str, int] = field(default_factory=lambda: dict.fromkeys(WAYS, 0))
    end_of_data: datetime | None = None

    @property
    def coverage(self) -> dict[str, float]:
        """The share of events that found their customer in each way."""
        events = sum(self.linked.values())
        return {way: count / events if events else 0.0 for way, count in self.linked.items()}


def stitch(
    events: pl.DataFrame | pl.LazyFrame,
    rules: PathRules | None = None,
    profiles: pl.DataFrame | pl.LazyFrame | None = None,
    end_of_data: datetime | None = None,
) -> pl.DataFrame:
    """The touches of all customers, sorted by customer and time.

    Needs occurred_at, event_name and at least one identity (customer_id, anonymous_id, or the map `identities`); other
    columns of the event contract are used where they are there. `profiles` has the columns of `contract.PROFILES`. The
    end of the data is the watermark of the events unless it is given. No events give a frame without rows.

    >>> events = pl.DataFrame({"customer_id": ["ann"], "event_name": ["home"], "occurred_at": [0]})
    >>> stitch(events.cast({"occurred_at": pl.Datetime("us")})).select("customer", "touchpoint", "outcome").rows()
    [('customer_id:ann', 'home', 'open')]
    """
    rules = rules or PathRules()
    frame = deduplicate(conform(events))
    found = identify(frame, rules)
    end = end_of_data or watermark(frame)
    known = with_customers(frame.select(needed(rules)).collect(), found)
    states = versions(profiles.lazy(), found.nodes, rules.attributes) if profiles is not None else None
    return touches_of(known, found, rules, states, end)


def build(
    lake: Lake,
    rules: PathRules | None = None,
    on_progress: Progress | None = None,
    end_of_data: datetime | None = None,
) -> StitchSummary:
    """Stitch all events of a lake into its path store, which is replaced in one step; without events it is empty.

    `on_progress` is called with the events written so far and the events in all.
    """
    rules = rules or PathRules()
    raw = landed(lake)
    twice = duplicates(raw)
    frame = twice.without(raw)
    found = identify(frame, rules, tombstones(lake, rules.identities.as_of))
    end = end_of_data or watermark(frame)
    states = versions(landed_profiles(lake), found.nodes, rules.attributes) if rules.attributes else None
    known = with_customers(frame.select(needed(rules)).collect(), found)
    summary = StitchSummary(len(known) + len(twice.rows), len(twice.rows), twice.conflicts, end_of_data=end)
    summary = replace(summary, linked=_added(summary.linked, known[LINKED].value_counts()))
    done = 0
    with StoreWriter(lake.paths) as writer:
        for part in by_bucket(known, found):
            touches = touches_of(part, found, rules, states, end)
            writer.add(touches)
            summary = _counted(summary, touches)
            done += len(part)
            if on_progress:
                on_progress(done, len(known))
        writer.finish(end_of_data=end, built_from={"events": table_version(lake, "events")})
    return summary


def needed(rules: PathRules) -> list[str]:
    """The event columns that stitching reads."""
    own = [contract.EVENT_ID, contract.EVENT_NAME, contract.KIND, contract.CHANNEL, contract.OCCURRED_AT]
    own += [contract.CUSTOMER_ID, contract.ANONYMOUS_ID, contract.IDENTITIES, SURVEY]
    named = [
        *rules.context,
        *rules.values,
        *([rules.sequence] if rules.sequence else []),
        *rule_columns(rules.touchpoints),
    ]
    return list(dict.fromkeys([*own, *(name.partition(".")[0] for name in named)]))


def by_bucket(events: pl.DataFrame, found: Identities) -> Iterator[pl.DataFrame]:
    """The events in parts of about a million, a customer in one part only, always the same for as many parts."""
    buckets = max(1, round(len(events) / EVENTS_PER_PART))
    if buckets == 1:
        yield events
        return
    keys = events.select(CODE).with_columns(customer_keys(events, found)).unique(CODE)
    codes = keys[CODE].to_numpy()
    numbers = np.zeros(codes.max() + 1, np.uint32)
    numbers[codes] = [bucket_of(key, buckets) for key in keys[CUSTOMER]]
    bucket = pl.Series(numbers).gather(events[CODE])
    for number in range(buckets):
        yield events.filter(bucket == number)


def touches_of(
    events: pl.DataFrame, found: Identities, rules: PathRules, states: pl.DataFrame | None, end: datetime | None
) -> pl.DataFrame:
    """The touches of whole customers, from all their events."""
    named = with_touchpoints(_with_columns(events, rules), rules.touchpoints).rename({contract.OCCURRED_AT: AT})
    touches = named[_in_order(named)]
    new = touches.select(new_customer(CODE)).to_series()
    first = new | touches.select(new_session(AT, rules.session_gap, rules.split_on_channel)).to_series()
    touches = touches.with_columns(touches.select(numbered(pl.lit(first), pl.lit(new)).alias(SESSION)).to_series())
    touches = with_stages(split_journeys(touches, new, rules.goal, rules.journey_gap, end), rules.stages)
    touches = touches.with_columns(customer_keys(touches, found))
    return _finished(touches, rules, states)


def _with_columns(events: pl.DataFrame, rules: PathRules) -> pl.DataFrame:
    """The columns that a touch keeps, under their own names."""
    context = [_column(name).cast(pl.String).alias(short(name)) for name in rules.context]
    values = [_column(name).cast(pl.Float64, strict=False).alias(short(name)) for name in rules.values]
    sequence = _column(rules.sequence).cast(pl.Float64, strict=False) if rules.sequence else pl.lit(0)
    return events.with_columns(*context, *values, sequence.alias("_sequence"))


def _column(name: str) -> pl.Expr:
    """A column of an event, or a property of it by its path."""
    table, _, path = name.partition(".")
    return pl.col(table).str.json_path_match(f"$.{path}") if path else pl.col(table)


def _in_order(events: pl.DataFrame) -> pl.Series:
    """The order of touches: customer, time, sequence, event id, then what they say, so that no two orders are left."""
    order = events.select(pl.arg_sort_by(CODE, AT)).to_series()
    keys = events.select(CODE, AT)[order]
    same = (keys[CODE] == keys[CODE].shift(1)) & (keys[AT] == keys[AT].shift(1))
    tied = (same | same.shift(-1)).fill_null(False).arg_true()
    if tied.is_empty():
        return order
    rows = order.gather(tied)
    text = [name for name, dtype in events.schema.items() if dtype.is_(pl.String) and name != contract.EVENT_ID]
    again = events[rows].select(pl.arg_sort_by(CODE, AT, "_sequence", contract.EVENT_ID, *sorted(text))).to_series()
    return order.scatter(tied, rows.gather(again))


def _finished(touches: pl.DataFrame, rules: PathRules, states: pl.DataFrame | None) -> pl.DataFrame:
    """The columns of a touch, in their order."""
    if states is not None:
        touches = with_attributes(touches, states)
    missing = [name for name in rules.attributes if name not in touches.columns]
    touches = touches.with_columns(pl.lit(None, pl.String).alias(name) for name in missing)
    kept = [*map(short, rules.context), *rules.attributes, *map(short, rules.values)]
    survey = [SURVEY] if "score" in rules.values else []
    return touches.select(list(dict.fromkeys([*FIRST, contract.EVENT_NAME, contract.KIND, *kept, *survey])))


def _counted(summary: StitchSummary, touches: pl.DataFrame) -> StitchSummary:
    """The summary with the touches of one more part."""
    left = (pl.col(CUSTOMER) != pl.col(CUSTOMER).shift(-1)).fill_null(True)
    ended = left | (pl.col("journey") != pl.col("journey").shift(-1)).fill_null(True)
    outcomes = touches.filter(ended)["outcome"].value_counts()
    last = touches.filter(left)
    return replace(
        summary,
        touches=summary.touches + len(touches),
        customers=summary.customers + len(last),
        sessions=summary.sessions + int(last[SESSION].sum()),
        journeys=_added(summary.journeys, outcomes),
    )


def _added(counts: dict[str, int], more: pl.DataFrame) -> dict[str, int]:
    """Counts with those of a frame of word and count."""
    return counts | {word: counts[word] + count for word, count in more.iter_rows()}
