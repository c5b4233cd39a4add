"""Brings the path store up to date with new events, at the cost of the affected customers, not of all history.

A refresh finds the new events, resolves again the components of identities that they affect, extracts the touches of
the affected customers from the store, and writes these customers again as a recent part. Older parts stay as they are,
except for a note of the customers that left them. A customer is affected by new events; by gaining or losing events,
because customers merged or split, or a value became shared; by a new profile; and when a journey changes between open
and abandoned because the end of the data moved.

The result equals a build, row for row. Where a refresh cannot guarantee that, or would cost more, it builds: the rules
changed, rows were deleted from the lake, a new kind of identity appeared, or a large share of the touches is affected.
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
from analytics.identity.columns import CODE, COMBINATION, Mask
from analytics.identity.largest import largest_customers
from analytics.identity.links import tombstones
from analytics.identity.update import UpdatedIdentities, update_identities
from analytics.stitching.affected import (
    NO_NEW_EVENT,
    TAKEN_FROM,
    AffectedCustomers,
    Extract,
    ExtractedTouches,
    customer_codes,
    extracted_columns,
)
from analytics.stitching.buckets import remove_orphans
from analytics.stitching.build import (
    Progress,
    StitchSummary,
    add_counts,
    build,
    build_inputs,
    part_of,
    with_other_kinds,
    write_part,
)
from analytics.stitching.new_events import NewEvents, events_at_times, find_new_events, reads_arrival_columns
from analytics.stitching.privacy.objection import objectors
from analytics.stitching.refresh_state import RefreshState, load_state, remove_other_states, stored_counts
from analytics.stitching.restitch import RestitchedEvents, restitch_events
from analytics.stitching.store_update import update_parts, whole_and_partial
from analytics.stitching.verify import is_current
from analytics.store.columns import AT, TOUCHES
from analytics.store.compaction import compact
from analytics.store.manifest import current_generation, generation_of
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
    """Brings the paths up to date with the lake, in one step; None when they already are.

    The end of the data is `end_of_data`, by default the watermark of the events. `on_progress` is called with the
    touches written so far and the touches to write.
    """
    rules = rules or PathRules()
    remove_orphans()
    base = current_generation(lake)  # before anything is read: a customer may be forgotten meanwhile
    try:
        stored = Paths.open(lake)
    except StorageError:
        return build(lake, rules, on_progress, end_of_data)
    if is_current(lake, rules) and end_of_data in (None, stored.end_of_data):
        return None
    update = Refresh.plan(lake, rules, stored, base, end_of_data)
    summary = update and update.run(on_progress)
    return summary or build(lake, rules, on_progress, end_of_data)


def summary_of(lake: Lake) -> StitchSummary:
    """The counts of the stored paths. Raises `StorageError` when there are none."""
    stored = Paths.open(lake)
    return StitchSummary(**stored_counts(lake, generation_of(lake)), end_of_data=stored.end_of_data)


@dataclass(frozen=True)
class Refresh:
    """Stored paths, what is known of their events, and what landed since."""

    lake: Lake
    rules: PathRules
    stored: Paths
    base: str
    state: RefreshState
    built_from: dict[str, Any]
    tombstones: pl.DataFrame
    fresh: pl.DataFrame
    profiles: pl.DataFrame
    end_given: datetime | None

    @classmethod
    def plan(cls, lake: Lake, rules: PathRules, stored: Paths, base: str, end: datetime | None) -> Refresh | None:
        """Finds what landed since the last stitching; None when the paths must be built instead."""
        now, was = build_inputs(lake, rules), stored.built_from
        state = load_state(lake, base)
        if state is None or was.get("rules") != now["rules"] or reads_arrival_columns(rules) or rules.identities.as_of:
            return None
        if was[EVENTS] is None or now[EVENTS] is None:
            return None
        fresh = added(lake, EVENTS, contract.EVENTS, was[EVENTS], now[EVENTS])
        profiles = _new_profiles(lake, rules, was[PROFILES], now[PROFILES])
        if fresh is None or profiles is None or _is_too_large(fresh.select(pl.len()).collect().item(), stored):
            return None
        return cls(lake, rules, stored, base, state, now, tombstones(lake), fresh.collect(), profiles, end)

    def run(self, on_progress: Progress | None) -> StitchSummary | None:
        """Writes the affected customers again; None when the paths must be built instead."""
        new = find_new_events(self.fresh, self.landed, self.stored.parts, self.state, self.rules)
        if new is None:
            return None
        identities = update_identities(self.state, new.unknown, new.sources, self.tombstones, self.rules.identities)
        identities = _with_event_counts(identities, new.events)
        on_shared = self._on_shared(new, identities)
        shared_assignments = assignment.assign_shared(on_shared, identities, self.rules)
        minutes = merged_activity(self.state.activity, activity(self.fresh.lazy()))
        end = self.end_given or watermark_of(minutes)
        owners = assignment.assign_customers(
            new.events.select(contract.EVENT_ID, *assignment.COMBINATION_AND_TIME), identities, shared_assignments
        )
        without_customer = owners.filter(pl.col(CODE).is_null())[contract.EVENT_ID]
        if without_customer.hash().is_in(new.known.implode()).any():
            return None
        extracted = self._extracted(
            AffectedCustomers(
                self._changed(identities, shared_assignments), _first_new_times(owners, len(identities.nodes) + 1)
            ),
            end,
        )
        if extracted is None:
            return None
        restitched = restitch_events(extracted, new.events, (identities, shared_assignments), self.rules, self._ids)
        touches = self._restitched_touches(restitched, self._states(identities.nodes, restitched.events[CODE]), end)
        summary = self._summary(new, extracted, touches)
        if (summary.staged > 0) != self._staged:
            return None  # journeys begin with any touch only where no touch has a stage
        summary = replace(
            summary,
            linked=assignment.linked_counts(identities, shared_assignments),
            largest=largest_customers(identities.nodes, identities.seen, self.rules.identities.salt),
            end_of_data=end,
        )
        other_kinds = pl.concat([self.state.other_kinds, new.other_kinds]).group_by("kind").agg(pl.col("events").sum())
        summary = with_other_kinds(summary, other_kinds)
        dropped = restitched.dropped.select(COMBINATION, pl.col(AT).alias(contract.OCCURRED_AT), EVENT_HASH)
        state = replace(
            self.state,
            nodes=identities.nodes.drop("node"),
            seen=identities.seen,
            on_shared=on_shared,
            dropped=pl.concat([self.state.dropped, dropped]),
            activity=minutes,
            tombstones=self.tombstones,
            other_kinds=other_kinds,
            counts=summary.counts,
        )
        self._write(extracted, (restitched, touches), state, end, on_progress)
        return summary

    @property
    def _staged(self) -> bool:
        """Whether a touch of the store has a stage."""
        return bool(self.state.counts["staged"])

    @property
    def landed(self) -> pl.LazyFrame:
        """All events of the lake as of now, with duplicates."""
        return landed(self.lake, self.built_from[EVENTS])

    def _ids(self, times: pl.Series, hashes: pl.Series) -> pl.DataFrame:
        """Finds the ids of old events by their hashes and times: `_event`, event_id."""
        events = events_at_times(self.landed, times, hashes)
        return events.select(pl.col(contract.EVENT_ID).hash().alias(EVENT_HASH), contract.EVENT_ID).unique(EVENT_HASH)

    def _states(self, nodes: pl.DataFrame, codes: pl.Series) -> pl.DataFrame | None:
        """The attributes of some customers over time, None without attributes."""
        if not self.rules.attributes:
            return None
        subset = nodes.filter(pl.col("customer").is_in(codes.unique().implode())).sort("rank", "value")
        return attribute_versions(landed_profiles(self.lake), subset.drop("node").with_row_index("node"), self.rules)

    def _on_shared(self, new: NewEvents, identities: UpdatedIdentities) -> pl.DataFrame:
        """The events on the values that are shared now."""
        shared = identities.nodes["shared"]
        kept = self.state.on_shared.filter(shared.gather(self.state.on_shared["shared"]))
        rows = [kept, assignment.events_on_shared(new.events, identities)]
        before = self.state.nodes["shared"]
        newly = shared & ~pl.concat([before, shared.slice(len(before))])
        if newly.any():
            rows.append(assignment.events_on_shared(self._events_of(newly, identities), identities, newly))
        return event_counts(pl.concat(rows))

    def _events_of(self, newly: pl.Series, identities: UpdatedIdentities) -> pl.DataFrame:
        """The old events (`_combination`, occurred_at) of the customers who had one of these identities."""
        customers = self.state.nodes["customer"].filter(newly.head(len(self.state.nodes)))
        affected = assignment.mask_of(customers, len(identities.nodes))
        names = [name for name in self.state.seen.columns if name.endswith("_node")]
        carry = self.state.seen.select(pl.any_horizontal(newly.gather(self.state.seen[n]) for n in names))
        affected |= assignment.mask_of(
            self.state.seen[CODE].filter(carry.to_series()).drop_nulls(), len(identities.nodes)
        )
        mask = np.append(affected, False)
        selected = [mask[customer_codes(part.people(["code"]))] for part in self.stored.parts]
        extracts = [Extract.of(whole, np.zeros_like(whole)) for whole in selected]
        extracted = ExtractedTouches.from_parts(self.stored, extracts, [AT, COMBINATION])
        rows = extracted.touches.select(COMBINATION, pl.col(AT).alias(contract.OCCURRED_AT))
        return pl.concat([rows, self.state.dropped.select(assignment.COMBINATION_AND_TIME)])

    def _changed(self, identities: UpdatedIdentities, shared_assignments: pl.DataFrame) -> Mask:
        """A mask over codes: the customers whose old events or attributes changed."""
        before = UpdatedIdentities(self.state.nodes.with_row_index("node"), self.state.seen)
        old_assignments = assignment.assign_shared(self.state.on_shared, before, self.rules)
        changes = [
            assignment.customers_of_changed_combinations(before.seen, identities.seen),
            assignment.customers_of_changed_assignments(old_assignments, shared_assignments),
            assignment.customers_of_changed_identities(before.nodes, identities.nodes),
        ]
        if self.rules.attributes:  # a profile may have landed before its identity
            changes += [self._profiled(identities), identities.nodes["customer"].slice(len(before.nodes))]
        return assignment.mask_of(pl.concat([codes.cast(pl.UInt32) for codes in changes]), len(identities.nodes) + 1)

    def _profiled(self, identities: UpdatedIdentities) -> pl.Series:
        """The codes of customers with a new profile."""
        kind = pl.col("identity_kind")
        identity = self.rules.identities.normal(pl.col("identity"), kind)
        named = self.profiles.select(kind.replace(self.rules.identities.hashed).alias("kind"), identity.alias("value"))
        return identities.nodes.join(named, on=["kind", "value"], how="semi")["customer"]

    def _extracted(self, affected: AffectedCustomers, end: datetime | None) -> ExtractedTouches | None:
        """Extracts the affected customers from their parts; None when there are so many that a build is cheaper."""
        lapse = (self.stored.end_of_data, end)

        def extract_of(part: Part) -> tuple[Extract, int]:
            people = part.people([TOUCHES, "code", *PATH_END_COLUMNS])
            whole, partial = affected.select(people, lapse, self.rules.journey_gap)
            return Extract.of(whole, partial), int(people[TOUCHES].filter(pl.Series(whole)).sum())

        extracts, touches = zip(*on_threads(extract_of, self.stored.parts), strict=True)
        if _is_too_large(sum(touches), self.stored):
            return None
        extracted = ExtractedTouches.from_parts(self.stored, extracts, extracted_columns(self.rules))
        return None if _is_too_large(len(extracted.touches), self.stored) else extracted

    def _restitched_touches(
        self, restitched: RestitchedEvents, states: pl.DataFrame | None, end: datetime | None
    ) -> list[pl.DataFrame]:
        """The touches of all affected customers, in shares of about one part; each share runs on its own thread."""
        shares = round(len(restitched.events) / TOUCHES_PER_PART) or 1
        shares += -shares % (os.cpu_count() or 1) if shares > 1 else 0

        def touches(share: int) -> pl.DataFrame:
            subset = restitched.events.filter(pl.col(CODE) % shares == share)
            return restitched.continue_numbers(touches_of(subset, self.rules, states, end, staged=self._staged))

        return on_threads(touches, range(shares))

    def _summary(self, new: NewEvents, extracted: ExtractedTouches, touches: Sequence[pl.DataFrame]) -> StitchSummary:
        """Replaces the counts of the affected customers in the stored summary."""
        summary = add_counts(StitchSummary(**self.state.counts), extracted.touches.rename({TAKEN_FROM: CODE}), -1)
        for share in touches:
            summary = add_counts(summary, share)
        return replace(
            summary,
            events=summary.events + new.landed,
            duplicates=summary.duplicates + new.landed - len(new.events),
            id_conflicts=summary.id_conflicts + new.conflicts,
        )

    def _write(
        self,
        extracted: ExtractedTouches,
        result: tuple[RestitchedEvents, Sequence[pl.DataFrame]],
        state: RefreshState,
        end: datetime | None,
        on_progress: Progress | None,
    ) -> None:
        """Writes a generation of the old parts without the extracted touches, and of recent parts."""
        restitched, touches = result
        nodes, total = len(state.nodes), sum(map(len, touches))
        try:
            with StoreWriter(self.lake.paths, self.base) as writer:
                writer.write_in_background(lambda: state.save(self.lake, writer.generation))
                writer.words.dictionaries.update(self.stored.dictionaries)
                writer.schema = self.stored.schema
                wholes, partial = whole_and_partial(restitched, touches)
                update_parts(writer, self.stored, extracted, part_of(partial, restitched.keys, nodes, writer.words))
                done = len(partial)
                for whole in wholes:
                    if len(whole):
                        write_part(writer, whole, restitched.keys, nodes)
                    done += len(whole)
                    if on_progress:
                        on_progress(done, total)
                compact(writer)
                writer.finish(
                    end_of_data=end,
                    built_from=self.built_from,
                    definition=self.stored.definition,
                    objected=objectors(state.nodes, self.rules),
                )
        finally:  # also of this process if it was overtaken
            remove_other_states(self.lake, current_generation(self.lake))


def _first_new_times(owners: pl.DataFrame, count: int) -> NDArray[np.int64]:
    """The time of each customer's first new event, by code, in microseconds; `NO_NEW_EVENT` without one."""
    assigned = owners.filter(pl.col(CODE).is_not_null())
    since = np.full(count, NO_NEW_EVENT)
    np.minimum.at(since, assigned[CODE].to_numpy(), assigned[contract.OCCURRED_AT].to_physical().to_numpy())
    return since


def _new_profiles(
    lake: Lake, rules: PathRules, old_version: int | None, new_version: int | None
) -> pl.DataFrame | None:
    """The profiles that landed since; None when that is unknown. Without attributes in the rules, none are needed."""
    if not rules.attributes or old_version == new_version:
        return pl.DataFrame(schema=contract.PROFILES)
    if new_version is None:
        return None
    rows = (
        landed_profiles(lake)
        if old_version is None
        else added(lake, PROFILES, contract.PROFILES, old_version, new_version)
    )
    return None if rows is None else rows.collect()


def _with_event_counts(identities: UpdatedIdentities, new_events: pl.DataFrame) -> UpdatedIdentities:
    """Adds the new events to the counts of their combinations."""
    counts = np.bincount(new_events[COMBINATION].to_numpy(), minlength=len(identities.seen))
    events = (identities.seen["events"] + pl.Series(counts, dtype=pl.UInt32)).alias("events")
    return replace(identities, seen=identities.seen.with_columns(events))


def _is_too_large(rows: int, stored: Paths) -> bool:
    """Whether so many rows make a build cheaper than a refresh."""
    return rows > max(_SMALL_REFRESH, _MAX_SHARE * len(stored))
