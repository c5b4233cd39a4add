"""How do paths keep up with what lands? New events cost what they and the customers they touch cost, not all history.

A refresh finds the new events, joins again the components of identities that they touch, takes the touches of all
customers concerned out of the store, and writes these customers anew as a recent part. The older parts stay as they
are, but for a note of who is gone from them. Concerned are: who has new events; who won or lost events because
customers merged, were parted, or a value came to be shared; who has a new profile; whose journey lapses from open to
abandoned, or back, as the end of the data moves.

The result equals paths built anew, row for row. Where that cannot be had for less, paths are built anew: rules changed,
rows went from the lake, a new kind of identity, or a good part of the customers concerned.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.run import on_threads
from analytics.identity import assignment
from analytics.identity.assignment import event_counts
from analytics.identity.columns import CODE, COMBINATION
from analytics.identity.graph import Mask
from analytics.identity.links import tombstones
from analytics.identity.update import UpdatedIdentities, update_identities
from analytics.stitching.affected import (
    NO_NEW_EVENT,
    TAKEN_FROM,
    AffectedCustomers,
    Extract,
    ExtractedTouches,
    codes_of,
    extracted_columns,
)
from analytics.stitching.buckets import remove_orphans
from analytics.stitching.build import Progress, StitchSummary, add_counts, build, build_inputs, part_of, write_part
from analytics.stitching.new_events import NewEvents, events_at_times, find_new_events, reads_arrival_columns
from analytics.stitching.refresh_state import RefreshState, load_state, remove_other_states
from analytics.stitching.restitch import RestitchedEvents, restitch_events
from analytics.stitching.store_update import update_parts, whole_and_partial
from analytics.stitching.verify import is_current
from analytics.store.columns import AT, TOUCHES
from analytics.store.compaction import compact
from analytics.store.manifest import generation_of
from analytics.store.ordering import TOUCHES_PER_PART
from analytics.store.parts import PATH_END_COLUMNS, Part
from analytics.store.paths import Paths
from analytics.store.writer import StoreWriter
from analytics.touches.assembly import EVENT_HASH, touches_of
from analytics.touches.attributes import attribute_versions
from analytics.touches.rules import PathRules
from analytics.touches.watermark import activity, merged_activity, watermark_of
from expectations import contract
from expectations.errors import StorageError
from expectations.lake.layout import EVENTS, PROFILES, Lake
from expectations.lake.tables import added, landed
from expectations.lake.tables import profiles as landed_profiles

_SMALL_REFRESH: Final = 200_000
_MAX_SHARE: Final = 0.5


def refresh(
    lake: Lake,
    rules: PathRules | None = None,
    on_progress: Progress | None = None,
    end_of_data: datetime | None = None,
) -> StitchSummary | None:
    """Bring the paths up to date with the lake, in one step; None when they are.

    The end of the data is the watermark of the events unless it is given. `on_progress` is called with the touches
    written so far and the touches to write.
    """
    rules = rules or PathRules()
    remove_orphans()
    try:
        stored = Paths.open(lake)
    except StorageError:
        return build(lake, rules, on_progress, end_of_data)
    if is_current(lake, rules) and end_of_data in (None, stored.end_of_data):
        return None
    renewal = Refresh.of(lake, rules, stored, end_of_data)
    summary = renewal and renewal.done(on_progress)
    return summary or build(lake, rules, on_progress, end_of_data)


def summary_of(lake: Lake) -> StitchSummary:
    """The numbers of the paths as they are. Raises `StorageError` when there are none."""
    stored = Paths.open(lake)
    memory = load_state(lake, generation_of(lake))
    return StitchSummary(**memory.counts if memory else {}, end_of_data=stored.end_of_data)


@dataclass(frozen=True)
class Refresh:
    """Paths, what is remembered of their events, and what came since."""

    lake: Lake
    rules: PathRules
    stored: Paths
    memory: RefreshState
    built_from: dict[str, Any]
    tombstones: pl.DataFrame
    fresh: pl.DataFrame
    profiles: pl.DataFrame
    end_given: datetime | None

    @classmethod
    def of(cls, lake: Lake, rules: PathRules, stored: Paths, end: datetime | None) -> Refresh | None:
        """What came since; None when it cannot be told from what was there before."""
        now, was = build_inputs(lake, rules), stored.built_from
        memory = load_state(lake, generation_of(lake))
        if memory is None or was.get("rules") != now["rules"] or reads_arrival_columns(rules) or rules.identities.as_of:
            return None
        if was[EVENTS] is None or now[EVENTS] is None:
            return None
        fresh = added(lake, EVENTS, contract.EVENTS, was[EVENTS], now[EVENTS])
        profiles = _new_profiles(lake, rules, was[PROFILES], now[PROFILES])
        if fresh is None or profiles is None or _is_too_large(fresh.select(pl.len()).collect().item(), stored):
            return None
        return cls(lake, rules, stored, memory, now, tombstones(lake), fresh.collect(), profiles, end)

    def done(self, on_progress: Progress | None) -> StitchSummary | None:
        """Write the customers concerned anew; None when a build is called for."""
        got = find_new_events(self.fresh, self.landed, self.stored.parts, self.memory, self.rules)
        if got is None:
            return None
        known = update_identities(self.memory, got.unknown, got.sources, self.tombstones, self.rules.identities)
        known = _with_event_counts(known, got.events)
        on_shared = self._on_shared(got, known)
        places = assignment.assign_shared(on_shared, known, self.rules)
        minutes = merged_activity(self.memory.activity, activity(self.fresh.lazy()))
        end = self.end_given or watermark_of(minutes)
        owners = assignment.assign_customers(
            got.events.select(contract.EVENT_ID, *assignment.COMBINATION_AND_TIME), known, places
        )
        lone = owners.filter(pl.col(CODE).is_null())[contract.EVENT_ID]
        if lone.hash().is_in(got.known.implode()).any():
            return None
        taken = self._taken(
            AffectedCustomers(self._changed(known, places), _first_new_times(owners, len(known.nodes) + 1)), end
        )
        if taken is None:
            return None
        anew = restitch_events(taken, got.events, (known, places), self.rules, self._ids)
        touches = self._cast(anew, self._states(known.nodes, anew.every[CODE]), end)
        summary = self._summary(got, taken, touches)
        summary = replace(summary, linked=assignment.linked_counts(known, places), end_of_data=end)
        dropped = anew.dropped.select(COMBINATION, pl.col(AT).alias(contract.OCCURRED_AT), EVENT_HASH)
        memory = replace(
            self.memory,
            nodes=known.nodes.drop("node"),
            seen=known.seen,
            on_shared=on_shared,
            dropped=pl.concat([self.memory.dropped, dropped]),
            activity=minutes,
            tombstones=self.tombstones,
            counts=summary.counts,
        )
        self._write(taken, (anew, touches), memory, end, on_progress)
        return summary

    @property
    def landed(self) -> pl.LazyFrame:
        """All events of now, duplicates and all."""
        return landed(self.lake, self.built_from[EVENTS])

    def _ids(self, times: pl.Series, hashes: pl.Series) -> pl.DataFrame:
        """The ids of old events with these hashes, at one of these times: `_event`, event_id."""
        found = events_at_times(self.landed, times, hashes)
        return found.select(pl.col(contract.EVENT_ID).hash().alias(EVENT_HASH), contract.EVENT_ID).unique(EVENT_HASH)

    def _states(self, nodes: pl.DataFrame, codes: pl.Series) -> pl.DataFrame | None:
        """The attributes of some customers over time; their nodes are numbered by trust."""
        if not self.rules.attributes:
            return None
        few = nodes.filter(pl.col("customer").is_in(codes.unique().implode())).sort("rank", "value")
        return attribute_versions(landed_profiles(self.lake), few.drop("node").with_row_index("node"), self.rules)

    def _on_shared(self, got: NewEvents, known: UpdatedIdentities) -> pl.DataFrame:
        """The events on the values that are shared now."""
        shared = known.nodes["shared"]
        kept = self.memory.on_shared.filter(shared.gather(self.memory.on_shared["shared"]))
        rows = [kept, assignment.events_on_shared(got.events, known)]
        before = self.memory.nodes["shared"]
        newly = shared & ~pl.concat([before, shared.slice(len(before))])
        if newly.any():
            rows.append(assignment.events_on_shared(self._events_of(newly, known), known, newly))
        return event_counts(pl.concat(rows))

    def _events_of(self, newly: pl.Series, known: UpdatedIdentities) -> pl.DataFrame:
        """The old events, with `_combination` and occurred_at, of the customers who had one of these identities."""
        whose = self.memory.nodes["customer"].filter(newly.head(len(self.memory.nodes)))
        touched = assignment.mask_of(whose, len(known.nodes))
        names = [name for name in self.memory.seen.columns if name.endswith("_node")]
        carry = self.memory.seen.select(pl.any_horizontal(newly.gather(self.memory.seen[n]) for n in names))
        touched |= assignment.mask_of(self.memory.seen[CODE].filter(carry.to_series()).drop_nulls(), len(known.nodes))
        mask = np.append(touched, False)
        wholes = [mask[codes_of(part.people(["code"]))] for part in self.stored.parts]
        losses = [Extract.of(whole, np.zeros_like(whole)) for whole in wholes]
        taken = ExtractedTouches.from_parts(self.stored, losses, [AT, COMBINATION])
        rows = taken.touches.select(COMBINATION, pl.col(AT).alias(contract.OCCURRED_AT))
        return pl.concat([rows, self.memory.dropped.select(assignment.COMBINATION_AND_TIME)])

    def _changed(self, known: UpdatedIdentities, places: pl.DataFrame) -> Mask:
        """The customers, by code, whose old events are others now, or have other attributes."""
        before = UpdatedIdentities(self.memory.nodes.with_row_index("node"), self.memory.seen)
        placed = assignment.assign_shared(self.memory.on_shared, before, self.rules)
        some = [
            assignment.customers_of_changed_combinations(before.seen, known.seen),
            assignment.customers_of_changed_assignments(placed, places),
            assignment.customers_of_changed_identities(before.nodes, known.nodes),
        ]
        if self.rules.attributes:  # a profile may have been there before its identity
            some += [self._profiled(known), known.nodes["customer"].slice(len(before.nodes))]
        return assignment.mask_of(pl.concat([codes.cast(pl.UInt32) for codes in some]), len(known.nodes) + 1)

    def _profiled(self, known: UpdatedIdentities) -> pl.Series:
        """The customers, by code, with a new profile."""
        kind = pl.col("identity_kind")
        identity = self.rules.identities.normal(pl.col("identity"), kind)
        named = self.profiles.select(kind.replace(self.rules.identities.hashed).alias("kind"), identity.alias("value"))
        return known.nodes.join(named, on=["kind", "value"], how="semi")["customer"]

    def _taken(self, touched: AffectedCustomers, end: datetime | None) -> ExtractedTouches | None:
        """The customers concerned, out of their parts; None when there are so many that a build is cheaper."""
        lapse = (self.stored.end_of_data, end)

        def lost(part: Part) -> tuple[Extract, int]:
            people = part.people([TOUCHES, "code", *PATH_END_COLUMNS])
            whole, late = touched.concern(people, lapse, self.rules.journey_gap)
            return Extract.of(whole, late), int(people[TOUCHES].filter(pl.Series(whole)).sum())

        losses, touches = zip(*on_threads(lost, self.stored.parts), strict=True)
        if _is_too_large(sum(touches), self.stored):
            return None
        taken = ExtractedTouches.from_parts(self.stored, losses, extracted_columns(self.rules))
        return None if _is_too_large(len(taken.touches), self.stored) else taken

    def _cast(self, anew: RestitchedEvents, states: pl.DataFrame | None, end: datetime | None) -> list[pl.DataFrame]:
        """The touches of all customers concerned in shares of about a part, each of whole customers and on a thread."""
        shares = round(len(anew.every) / TOUCHES_PER_PART) or 1
        shares += -shares % (os.cpu_count() or 1) if shares > 1 else 0

        def touches(share: int) -> pl.DataFrame:
            some = anew.every.filter(pl.col(CODE) % shares == share)
            return anew.numbered_on(touches_of(some, self.rules, states, end))

        return on_threads(touches, range(shares))

    def _summary(self, got: NewEvents, taken: ExtractedTouches, touches: Sequence[pl.DataFrame]) -> StitchSummary:
        """The numbers of the paths with those of the customers concerned exchanged."""
        summary = add_counts(StitchSummary(**self.memory.counts), taken.touches.rename({TAKEN_FROM: CODE}), -1)
        for some in touches:
            summary = add_counts(summary, some)
        return replace(
            summary,
            events=summary.events + got.landed,
            duplicates=summary.duplicates + got.landed - len(got.events),
            id_conflicts=summary.id_conflicts + got.conflicts,
        )

    def _write(
        self,
        taken: ExtractedTouches,
        cast: tuple[RestitchedEvents, Sequence[pl.DataFrame]],
        memory: RefreshState,
        end: datetime | None,
        on_progress: Progress | None,
    ) -> None:
        """Write a generation of the old parts without what was taken, and of recent parts."""
        anew, touches = cast
        nodes, total = len(memory.nodes), sum(map(len, touches))
        with StoreWriter(self.lake.paths) as writer:
            writer.write_in_background(lambda: memory.save(self.lake, writer.generation))
            writer.words.dictionaries.update(self.stored.dictionaries)
            writer.schema = self.stored.schema
            wholes, late = whole_and_partial(anew, touches)
            update_parts(writer, self.stored, taken, part_of(late, anew.keys, nodes, writer.words))
            done = len(late)
            for whole in wholes:
                if len(whole):
                    write_part(writer, whole, anew.keys, nodes)
                done += len(whole)
                if on_progress:
                    on_progress(done, total)
            compact(writer)
            writer.finish(end_of_data=end, built_from=self.built_from)
        remove_other_states(self.lake, writer.generation)


def _first_new_times(owners: pl.DataFrame, count: int) -> NDArray[np.int64]:
    """When the first new event of each customer was, by code, in microseconds; `NEVER` without one."""
    known = owners.filter(pl.col(CODE).is_not_null())
    since = np.full(count, NO_NEW_EVENT)
    np.minimum.at(since, known[CODE].to_numpy(), known[contract.OCCURRED_AT].to_physical().to_numpy())
    return since


def _new_profiles(lake: Lake, rules: PathRules, was: int | None, now: int | None) -> pl.DataFrame | None:
    """The profiles that came since; None when that cannot be told. No attribute makes all profiles the same."""
    if not rules.attributes or was == now:
        return pl.DataFrame(schema=contract.PROFILES)
    if now is None:
        return None
    rows = landed_profiles(lake) if was is None else added(lake, PROFILES, contract.PROFILES, was, now)
    return None if rows is None else rows.collect()


def _with_event_counts(known: UpdatedIdentities, fresh: pl.DataFrame) -> UpdatedIdentities:
    """The combinations with their new events counted."""
    counts = np.bincount(fresh[COMBINATION].to_numpy(), minlength=len(known.seen))
    events = (known.seen["events"] + pl.Series(counts, dtype=pl.UInt32)).alias("events")
    return replace(known, seen=known.seen.with_columns(events))


def _is_too_large(rows: int, stored: Paths) -> bool:
    """Whether so many rows make a build cheaper."""
    return rows > max(_SMALL_REFRESH, _MAX_SHARE * len(stored))
