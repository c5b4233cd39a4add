"""Builds paths from landed events: events in, touches out.

`stitch` does it for a frame; `build` for a lake, in buckets of customers, into the path store. A touch has the columns
customer, at, touchpoint, stage, channel, session, journey, outcome, linked, event_name and kind, then the context
columns, the customer's attributes as of the event, and the values that the rules name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.identity.columns import CODE, COMBINATION
from analytics.identity.largest import largest_customers
from analytics.identity.links import tombstones
from analytics.identity.resolution import Identities, identify, with_customers
from analytics.stitching.buckets import BUCKET, Buckets
from analytics.stitching.privacy.objection import objectors
from analytics.stitching.refresh_state import DROPPED, RefreshState, refresh_state_of, remove_other_states
from analytics.store.columns import (
    AT,
    CUSTOMER,
    JOURNEY,
    LINKED,
    LINKED_VALUES,
    OUTCOME,
    OUTCOMES,
    SESSION,
    STAGE,
    TIME,
    TOUCHES,
    TOUCHPOINT,
)
from analytics.store.encoding import DictionaryBuilder, narrow_time
from analytics.store.manifest import current_generation
from analytics.store.parts import Part, bucket_of
from analytics.store.writer import StoreWriter
from analytics.touches.assembly import EVENT_HASH, HIDDEN_COLUMNS, prepare_events, touches_of, with_text
from analytics.touches.attributes import attribute_versions
from analytics.touches.deduplication import Duplicates, deduplicate, duplicates
from analytics.touches.naming import definition_of, is_staged
from analytics.touches.rules import PathRules
from analytics.touches.watermark import activity, watermark, watermark_of
from expectations import contract
from expectations.lake.layout import EVENTS, LINKS, PROFILES, Lake
from expectations.lake.tables import conform, landed, table_version
from expectations.lake.tables import profiles as landed_profiles

EVENTS_PER_PART: Final = 1_000_000
EVENTS_PER_SHARE: Final = 2_000_000
EVENTS_PER_BATCH: Final = 500_000
MAX_OTHER_KINDS: Final = 10

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Among:
    """Limits a build to some of the landed events, as a report of another time read them.

    `counted` events become touches; `known` ones say which identities are one customer, together with the decisions
    made by `decided_by` (null: with none). Both are conditions on columns of table `events`; whatever is counted is
    known as well. Attributes are those of a version of table `profiles`, by default the newest.
    """

    counted: pl.Expr
    known: pl.Expr
    decided_by: datetime | None
    profiles: int | None = None


@dataclass(frozen=True)
class StitchSummary:
    """The counts of a stitching run: events, duplicates, touches, customers, sessions, journeys by outcome, links.

    `staged` are the touches that have a stage.

    `largest` has the customer with the most `identities` and the one with the most `events`, each with both counts.
    `other_kinds` is the number of kinds of identity that no setting names and that therefore link nothing, and
    `other_kinds_most` has the most frequent of them with the number of events.
    """

    events: int = 0
    duplicates: int = 0
    id_conflicts: int = 0
    touches: int = 0
    staged: int = 0
    customers: int = 0
    sessions: int = 0
    journeys: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    linked: dict[str, int] = field(default_factory=lambda: dict.fromkeys(LINKED_VALUES, 0))
    largest: dict[str, dict[str, Any]] = field(default_factory=dict)
    other_kinds: int = 0
    other_kinds_most: dict[str, int] = field(default_factory=dict)
    end_of_data: datetime | None = None

    @property
    def counts(self) -> dict[str, Any]:
        """The counts as plain data, without the end of the data."""
        return {name: value for name, value in asdict(self).items() if name != "end_of_data"}

    @property
    def coverage(self) -> dict[str, float]:
        """The share of events by how they were linked to their customer."""
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
    columns of the event contract are used where they exist. `profiles` has the columns of `contract.PROFILES`. The end
    of the data is `end_of_data`, by default the watermark of the events. No events give a frame without rows.

    >>> events = pl.DataFrame({"customer_id": ["ann"], "event_name": ["home"], "occurred_at": [0]})
    >>> stitch(events.cast({"occurred_at": pl.Datetime("us")})).select("customer", "touchpoint", "outcome").rows()
    [('customer_id:ann', 'home', 'open')]
    """
    rules = rules or PathRules()
    frame = deduplicate(conform(events)).collect().lazy()
    identities = identify(frame, rules)
    end = end_of_data or watermark(conform(events))
    ready = prepare_events(with_customers(frame, identities), rules).filter(pl.col(TOUCHPOINT).is_not_null()).collect()
    states = attribute_versions(profiles.lazy(), identities.nodes, rules) if profiles is not None else None
    staged = is_staged(ready[TOUCHPOINT], rules)
    return with_text(touches_of(ready, rules, states, end, staged=staged), identities.keys)


def build(
    lake: Lake,
    rules: PathRules | None = None,
    on_progress: Progress | None = None,
    end_of_data: datetime | None = None,
    into: Path | None = None,
    *,
    among: Among | None = None,
    rows: pl.LazyFrame | None = None,
) -> StitchSummary:
    """Stitches all events of a lake and replaces its path store in one step; without events the store is empty.

    The end of the data is `end_of_data`, by default the watermark of the events. `on_progress` is called with the
    touches written so far and the total. `into` writes to another folder than the lake's own store, which may hold
    the touches of some events only (`among`). `rows` are the landed events where they have been copied (`landed_copy`).
    """
    assert among is None or into is not None, "the lake's own store is of all events"
    rules = rules or PathRules()
    base = current_generation(into or lake)  # before anything is read: a customer may be forgotten meanwhile
    plan = build_plan(lake, rules, among, rows)
    end = end_of_data or watermark_of(plan.activity)
    profiles = landed_profiles(lake, None if among is None else among.profiles)
    states = attribute_versions(profiles, plan.identities.nodes, rules) if rules.attributes else None
    repeated = plan.repeated
    summary = StitchSummary(repeated.events, repeated.repeats, repeated.conflicts, end_of_data=end)
    summary = with_other_kinds(summary, plan.identities.other_kinds)
    buckets = plan.buckets
    try:
        with (
            StoreWriter(into or lake.paths, base) as writer,
            Buckets(buckets, plan.schema(rules)) as events_by_bucket,
        ):
            linked, events, dropped, staged = fill_buckets(plan, rules, events_by_bucket, buckets)
            seen = plan.identities.seen.select(CODE, events)
            largest = largest_customers(plan.identities.nodes, seen, rules.identities.salt)
            summary = replace(summary, linked=linked, largest=largest)
            for part in events_by_bucket.read():
                touches = touches_of(part, rules, states, end, staged=staged)
                write_part(writer, touches, plan.identities.keys, len(plan.identities.nodes))
                summary = add_counts(summary, touches)
                if on_progress:
                    on_progress(summary.touches, events_by_bucket.rows)
            if into is None:
                plan.refresh_state(events, dropped, summary).save(lake, writer.generation)
            writer.finish(
                end_of_data=end,
                built_from=plan.built_from,
                definition=definition_of(rules),
                objected=objectors(plan.identities.nodes, rules),
            )
    finally:
        if into is None:  # also of this process if it was overtaken
            remove_other_states(lake, current_generation(lake))
    return summary


@dataclass(frozen=True)
class BuildPlan:
    """What a build reads: table versions, all events, their duplicates, and the identities."""

    built_from: dict[str, Any]
    raw: pl.LazyFrame
    repeated: Duplicates
    identities: Identities
    tombstones: pl.DataFrame
    activity: pl.DataFrame

    @property
    def buckets(self) -> int:
        """In how many buckets of customers the events are read."""
        return max(1, round((self.repeated.events - self.repeated.repeats) / EVENTS_PER_PART))

    def schema(self, rules: PathRules) -> pl.Schema:
        """The columns of the events in a bucket."""
        return prepare_events(with_customers(self.raw, self.identities), rules).collect_schema()

    def refresh_state(self, events: pl.Series, dropped: pl.DataFrame, summary: StitchSummary) -> RefreshState:
        """What the next refresh must know of this build."""
        kinds = tuple(source.key for source in self.identities.sources if source.key is not None)
        return refresh_state_of(
            self.identities,
            events=events,
            dropped=dropped,
            activity=self.activity,
            tombstones=self.tombstones,
            kinds=kinds,
            counts=summary.counts,
        )


def build_plan(lake: Lake, rules: PathRules, among: Among | None = None, rows: pl.LazyFrame | None = None) -> BuildPlan:
    """Reads what a build needs, of all events or of some (`among`); of their copy where there is one (`rows`)."""
    built_from = build_inputs(lake, rules)
    landed_rows = landed(lake, built_from["events"]) if rows is None else rows
    known = landed_rows if among is None else landed_rows.filter(among.known)
    raw = known if among is None else known.filter(among.counted)
    repeated = duplicates(known)
    removed = tombstones(lake, rules.identities.as_of) if among is None else _tombstones_by(lake, rules, among)
    identities = identify(repeated.without(known), rules, removed, repeated=known)
    own = repeated if among is None or among.counted is among.known else duplicates(raw)
    return BuildPlan(built_from, raw, own, identities, removed, activity(raw))


def _tombstones_by(lake: Lake, rules: PathRules, among: Among) -> pl.DataFrame:
    """The links that are removed by the decisions that `among` knows."""
    if among.decided_by is None:
        return tombstones(lake, contract.FIRST_TIME)
    as_of = rules.identities.as_of
    return tombstones(lake, among.decided_by if as_of is None else min(among.decided_by, as_of))


def had_arrived(at: datetime) -> pl.Expr:
    """Whether an event had happened before a time, and had arrived by it; one that names no arrival came at once."""
    arrived = pl.coalesce(contract.RECEIVED_AT, contract.OCCURRED_AT)
    return (pl.col(contract.OCCURRED_AT) < at) & (arrived <= at)


def fill_buckets(
    plan: BuildPlan, rules: PathRules, target: Buckets, buckets: int
) -> tuple[dict[str, int], pl.Series, pl.DataFrame, bool]:
    """Puts events into their buckets; returns counts by link type and by combination, the dropped events, and whether
    any touch has a stage.
    """
    linked, bucket_of_code = dict.fromkeys(LINKED_VALUES, 0), _bucket_numbers(plan.identities, buckets)
    events, dropped = np.zeros(len(plan.identities.seen), np.int64), [pl.DataFrame(schema=DROPPED)]
    staged = False

    def add_batch(batch: pl.DataFrame) -> None:
        nonlocal staged
        staged = staged or is_staged(batch[TOUCHPOINT], rules)
        linked.update(_add_word_counts(linked, batch[LINKED].value_counts()))
        np.add.at(events, batch[COMBINATION].to_numpy(), 1)
        with_bucket = batch.with_columns(pl.Series(BUCKET, bucket_of_code[batch[CODE].to_numpy()]))
        target.add(with_bucket.filter(pl.col(TOUCHPOINT).is_not_null()))
        dropped_rows = batch.filter(pl.col(TOUCHPOINT).is_null())
        dropped.append(dropped_rows.select(COMBINATION, pl.col(AT).alias(contract.OCCURRED_AT), EVENT_HASH))

    # The engine reads ahead while it waits for `add_batch`, but never beyond the current share.
    for share in plan.repeated.in_shares(plan.raw, EVENTS_PER_SHARE):
        ready = prepare_events(with_customers(share, plan.identities), rules)
        ready.sink_batches(add_batch, chunk_size=EVENTS_PER_BATCH, maintain_order=False, engine="streaming")
    return linked, pl.Series("events", events, pl.UInt32), pl.concat(dropped), staged


def build_inputs(lake: Lake, rules: PathRules) -> dict[str, Any]:
    """What paths are built from: the versions of the tables, and a digest of the rules."""
    only_reported = {"identities": {"warn_identities", "warn_events"}}
    digest = hashlib.sha256(rules.model_dump_json(exclude=only_reported).encode()).hexdigest()
    return {name: table_version(lake, name) for name in (EVENTS, PROFILES, LINKS)} | {"rules": digest}


def write_part(writer: StoreWriter, touches: pl.DataFrame, keys: pl.Series, nodes: int) -> None:
    """Writes the touches of whole customers as the next part."""
    columns = touches.drop(CODE, *HIDDEN_COLUMNS, strict=False).schema
    text = {name: pl.String() for name, dtype in columns.items() if isinstance(dtype, pl.Categorical | pl.Enum)}
    writer.schema = {CUSTOMER: pl.String(), **columns, **text, AT: TIME}
    writer.add_part(part_of(touches, keys, nodes, writer.words))


def part_of(touches: pl.DataFrame, keys: pl.Series, nodes: int, words: DictionaryBuilder) -> Part:
    """The touches of some customers as a part in memory: text as codes of `words`, customers as runs.

    For a refresh every customer also has `code` (UInt32, null from `nodes` on), `last` (time of the last touch) and
    `settled` (whether no journey is under way after the last touch that could still be abandoned).
    """
    table = []
    for column in touches.drop(CODE).iter_columns():
        if isinstance(column.dtype, pl.Categorical | pl.Enum):
            table.append(_encode_words(column, words))
        else:
            table.append(narrow_time(column) if column.name == AT else column)
    customers = _customer_table(touches, keys, nodes)
    return Part(0, len(touches), len(customers), frames=(pl.DataFrame(table), customers))


def _encode_words(column: pl.Series, words: DictionaryBuilder) -> pl.Series:
    """A text column as codes; words not in the dictionary yet are appended in the order of their first touch."""
    if words.matches(column):
        return column.to_physical()
    local_codes = column.to_physical().cast(pl.UInt32)
    used = pl.Series(np.flatnonzero(np.bincount(local_codes.drop_nulls().to_numpy())), dtype=pl.UInt32)
    used_words = used.cast(column.to_physical().dtype).cat.to(column.dtype).cast(pl.String)
    if not words.has_words(column.name, used_words):
        words.encode(column.unique(maintain_order=True).cast(pl.String))
    codes = words.encode(used_words.alias(column.name))
    code_of = np.zeros(1 + max(used, default=0), codes.to_numpy().dtype)
    code_of[used.to_numpy()] = codes.to_numpy()
    if local_codes.null_count():
        return pl.Series(code_of).gather(local_codes).alias(column.name)
    return pl.Series(column.name, code_of[local_codes.to_numpy()])


def _customer_table(touches: pl.DataFrame, keys: pl.Series, nodes: int) -> pl.DataFrame:
    """One row per customer: key, count of touches, code, last, settled."""
    runs = touches[CODE].rle().struct.unnest()
    last = touches.select(AT, OUTCOME)[runs["len"].cum_sum() - 1]
    return pl.DataFrame({CUSTOMER: keys.gather(runs["value"]), TOUCHES: runs["len"].cast(pl.UInt32)}).with_columns(
        pl.select(pl.when(runs["value"] < nodes).then(runs["value"])).to_series().alias("code"),
        last[AT].alias("last"),
        (last[OUTCOME].cast(pl.String) == "converted").fill_null(True).alias("settled"),
    )


def _bucket_numbers(identities: Identities, buckets: int) -> NDArray[np.uint32]:
    """The bucket of every customer code."""
    if buckets == 1:
        return np.zeros(len(identities.keys), np.uint32)
    codes = np.concatenate([identities.nodes["customer"].to_numpy(), identities.alone["alone"].to_numpy()])
    used_codes = np.unique(codes)
    numbers = np.zeros(len(identities.keys), np.uint32)
    numbers[used_codes] = [bucket_of(key, buckets) for key in identities.keys.gather(used_codes)]
    return numbers


def with_other_kinds(summary: StitchSummary, kinds: pl.DataFrame) -> StitchSummary:
    """Sets the kinds of identity that no setting names: kind, events."""
    most = kinds.sort("events", "kind", descending=[True, False]).head(MAX_OTHER_KINDS)
    return replace(summary, other_kinds=len(kinds), other_kinds_most=dict(most.select("kind", "events").iter_rows()))


def add_counts(summary: StitchSummary, touches: pl.DataFrame, sign: int = 1) -> StitchSummary:
    """Adds the touches of whole customers to a summary, or subtracts them with a `sign` of -1."""
    is_last_touch = (pl.col(CODE) != pl.col(CODE).shift(-1)).fill_null(True)
    journey_ends = is_last_touch | pl.col(JOURNEY).ne_missing(pl.col(JOURNEY).shift(-1))
    outcomes = touches.select(CODE, JOURNEY, OUTCOME).filter(journey_ends)[OUTCOME].cast(pl.String)
    customers = touches.select(CODE, SESSION).filter(is_last_touch)
    return replace(
        summary,
        touches=summary.touches + sign * len(touches),
        staged=summary.staged + sign * touches[STAGE].count(),
        customers=summary.customers + sign * len(customers),
        sessions=summary.sessions + sign * int(customers[SESSION].sum()),
        journeys=_add_word_counts(
            summary.journeys, outcomes.drop_nulls().value_counts().with_columns(pl.col("count").cast(pl.Int64) * sign)
        ),
    )


def _add_word_counts(counts: dict[str, int], more: pl.DataFrame) -> dict[str, int]:
    """Adds the counts of a frame (word, count) to a dictionary."""
    return counts | {word: counts[word] + count for word, count in more.iter_rows()}
