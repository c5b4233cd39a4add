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

from analytics import placing
from analytics.arrivals import Arrivals, arrivals, reads_arrival, same_times
from analytics.attributes import versions
from analytics.compaction import compact
from analytics.components import Mask
from analytics.engine import on_threads
from analytics.events import added, landed
from analytics.events import profiles as landed_profiles
from analytics.links import tombstones
from analytics.memory import Memory, counted, forget_others, recall
from analytics.parts import AT
from analytics.recasting import OF, Taken, columns_taken, concerned, recast
from analytics.relinking import Relinked, relink
from analytics.rules import PathRules
from analytics.shared import CODE, COMBINATION
from analytics.sorting import TOUCHES_PER_PART
from analytics.spool import remove_orphans
from analytics.stitching import Progress, StitchSummary, build, plus, sources, write_part
from analytics.store import Paths, StoreWriter, generation_of
from analytics.touches import EVENT, touches_of
from analytics.verification import is_current
from analytics.watermark import activity, together, watermark_of
from expectations import contract
from expectations.errors import StorageError
from expectations.layout import EVENTS, PROFILES, Lake

FEW: Final = 200_000
SHARE: Final = 0.5


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
    renewal = Renewal.of(lake, rules, stored, end_of_data)
    summary = renewal and renewal.done(on_progress)
    return summary or build(lake, rules, on_progress, end_of_data)


def summary_of(lake: Lake) -> StitchSummary:
    """The numbers of the paths as they are. Raises `StorageError` when there are none."""
    stored = Paths.open(lake)
    memory = recall(lake, generation_of(lake))
    return StitchSummary(**memory.counts if memory else {}, end_of_data=stored.end_of_data)


@dataclass(frozen=True)
class Renewal:
    """Paths, what is remembered of their events, and what came since."""

    lake: Lake
    rules: PathRules
    stored: Paths
    memory: Memory
    built_from: dict[str, Any]
    tombstones: pl.DataFrame
    fresh: pl.DataFrame
    profiles: pl.DataFrame
    end_given: datetime | None

    @classmethod
    def of(cls, lake: Lake, rules: PathRules, stored: Paths, end: datetime | None) -> Renewal | None:
        """What came since; None when it cannot be told from what was there before."""
        now, was = sources(lake, rules), stored.built_from
        memory = recall(lake, generation_of(lake))
        if memory is None or was.get("rules") != now["rules"] or reads_arrival(rules) or rules.identities.as_of:
            return None
        if was[EVENTS] is None or now[EVENTS] is None:
            return None
        fresh = added(lake, EVENTS, contract.EVENTS, was[EVENTS], now[EVENTS])
        profiles = _new_profiles(lake, rules, was[PROFILES], now[PROFILES])
        if fresh is None or profiles is None or _is_much(fresh.select(pl.len()).collect().item(), stored):
            return None
        return cls(lake, rules, stored, memory, now, tombstones(lake), fresh.collect(), profiles, end)

    def done(self, on_progress: Progress | None) -> StitchSummary | None:
        """Write the customers concerned anew; None when a build is called for."""
        got = arrivals(self.fresh, self.landed, self.stored.parts, self.memory, self.rules)
        if got is None:
            return None
        known = relink(self.memory, got.unknown, got.sources, self.tombstones, self.rules.identities)
        known = _counting(known, got.events)
        on_shared = self._on_shared(got, known)
        places = placing.placements(on_shared, known, self.rules)
        minutes = together(self.memory.activity, activity(self.fresh.lazy()))
        end = self.end_given or watermark_of(minutes)
        owners = placing.assigned(got.events.select(contract.EVENT_ID, *placing.BY), known, places)
        lone = owners.filter(pl.col(CODE).is_null())[contract.EVENT_ID]
        if lone.hash().is_in(got.known.implode()).any():
            return None
        touched = self._touched(owners[CODE].drop_nulls(), known, places)
        taken = self._taken(touched, end)
        if taken is None:
            return None
        every, dropped, keys = recast(taken, got.events, (known, places), self.rules, self._ids)
        touches = self._cast(every, self._states(known.nodes, every[CODE]), end)
        summary = self._summary(got, taken, touches)
        summary = replace(summary, linked=placing.ways(known, places), end_of_data=end)
        dropped = dropped.select(COMBINATION, pl.col(AT).alias(contract.OCCURRED_AT), EVENT)
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
        self._write(taken, (touches, keys), memory, end, on_progress)
        return summary

    @property
    def landed(self) -> pl.LazyFrame:
        """All events of now, duplicates and all."""
        return landed(self.lake, self.built_from[EVENTS])

    def _ids(self, times: pl.Series, hashes: pl.Series) -> pl.DataFrame:
        """The ids of old events with these hashes, at one of these times: `_event`, event_id."""
        found = same_times(self.landed, times, hashes)
        return found.select(pl.col(contract.EVENT_ID).hash().alias(EVENT), contract.EVENT_ID).unique(EVENT)

    def _states(self, nodes: pl.DataFrame, codes: pl.Series) -> pl.DataFrame | None:
        """The attributes of some customers over time; their nodes are numbered by trust."""
        if not self.rules.attributes:
            return None
        few = nodes.filter(pl.col("customer").is_in(codes.unique().implode())).sort("rank", "value")
        return versions(landed_profiles(self.lake), few.drop("node").with_row_index("node"), self.rules)

    def _on_shared(self, got: Arrivals, known: Relinked) -> pl.DataFrame:
        """The events on the values that are shared now."""
        shared = known.nodes["shared"]
        kept = self.memory.on_shared.filter(shared.gather(self.memory.on_shared["shared"]))
        rows = [kept, placing.events_on_shared(got.events, known)]
        before = self.memory.nodes["shared"]
        newly = shared & ~pl.concat([before, shared.slice(len(before))])
        if newly.any():
            rows.append(placing.events_on_shared(self._events_of(newly, known), known, newly))
        return counted(pl.concat(rows))

    def _events_of(self, newly: pl.Series, known: Relinked) -> pl.DataFrame:
        """The old events, with `_combination` and occurred_at, of the customers who had one of these identities."""
        whose = self.memory.nodes["customer"].filter(newly.head(len(self.memory.nodes)))
        touched = placing.marked(whose, len(known.nodes))
        names = [name for name in self.memory.seen.columns if name.endswith("_node")]
        carry = self.memory.seen.select(pl.any_horizontal(newly.gather(self.memory.seen[n]) for n in names))
        touched |= placing.marked(self.memory.seen[CODE].filter(carry.to_series()).drop_nulls(), len(known.nodes))
        end = self.stored.end_of_data
        places = [np.flatnonzero(concerned(p, touched, (end, end), self.rules.journey_gap)) for p in self.stored.parts]
        taken = Taken.from_parts(self.stored, places, [AT, COMBINATION])
        rows = taken.touches.select(COMBINATION, pl.col(AT).alias(contract.OCCURRED_AT))
        return pl.concat([rows, self.memory.dropped.select(placing.BY)])

    def _touched(self, owners: pl.Series, known: Relinked, places: pl.DataFrame) -> Mask:
        """The customers, by code, whose paths cannot stay as they are."""
        before = Relinked(self.memory.nodes.with_row_index("node"), self.memory.seen)
        placed = placing.placements(self.memory.on_shared, before, self.rules)
        touched = placing.marked(owners, len(known.nodes))
        touched |= placing.marked(placing.regrouped(before.seen, known.seen), len(known.nodes))
        touched |= placing.marked(placing.placed_anew(placed, places), len(known.nodes))
        touched |= placing.marked(placing.moved(before.nodes, known.nodes), len(known.nodes))
        if len(self.profiles):
            touched |= placing.marked(self._profiled(known), len(known.nodes))
        return touched

    def _profiled(self, known: Relinked) -> pl.Series:
        """The customers, by code, with a new profile."""
        kind = pl.col("identity_kind")
        identity = self.rules.identities.normal(pl.col("identity"), kind)
        named = self.profiles.select(kind.replace(self.rules.identities.hashed).alias("kind"), identity.alias("value"))
        return known.nodes.join(named, on=["kind", "value"], how="semi")["customer"]

    def _taken(self, touched: Mask, end: datetime | None) -> Taken | None:
        """The customers concerned, out of their parts; None when there are so many that a build is cheaper."""
        lapse = (self.stored.end_of_data, end)
        places = [np.flatnonzero(concerned(part, touched, lapse, self.rules.journey_gap)) for part in self.stored.parts]
        each = zip(self.stored.parts, places, strict=True)
        touches = sum(int(np.diff(part.bounds())[some].sum()) for part, some in each)
        if _is_much(touches, self.stored):
            return None
        return Taken.from_parts(self.stored, places, columns_taken(self.rules))

    def _cast(self, every: pl.DataFrame, states: pl.DataFrame | None, end: datetime | None) -> list[pl.DataFrame]:
        """The touches of all customers concerned in shares of about a part, each of whole customers and on a thread."""
        shares = round(len(every) / TOUCHES_PER_PART) or 1
        shares += -shares % (os.cpu_count() or 1) if shares > 1 else 0

        def touches(share: int) -> pl.DataFrame:
            return touches_of(every.filter(pl.col(CODE) % shares == share), self.rules, states, end)

        return on_threads(touches, range(shares))

    def _summary(self, got: Arrivals, taken: Taken, touches: Sequence[pl.DataFrame]) -> StitchSummary:
        """The numbers of the paths with those of the customers concerned exchanged."""
        summary = plus(StitchSummary(**self.memory.counts), taken.touches.rename({OF: CODE}), -1)
        for some in touches:
            summary = plus(summary, some)
        return replace(
            summary,
            events=summary.events + got.landed,
            duplicates=summary.duplicates + got.landed - len(got.events),
            id_conflicts=summary.id_conflicts + got.conflicts,
        )

    def _write(
        self,
        taken: Taken,
        anew: tuple[Sequence[pl.DataFrame], pl.Series],
        memory: Memory,
        end: datetime | None,
        on_progress: Progress | None,
    ) -> None:
        """Write a generation of the old parts without those taken, and of recent parts with them."""
        touches, keys = anew
        with StoreWriter(self.lake.paths) as writer:
            writer.meanwhile(lambda: memory.save(self.lake, writer.generation))
            writer.words.dictionaries.update(self.stored.dictionaries)
            writer.schema = self.stored.schema
            for part, places in zip(self.stored.parts, taken.places, strict=True):
                # Paths without a touch keep their part: it has the columns that the next refresh reads.
                if len(places) < part.customers or not len(self.stored):
                    adopted = writer.adopt(part)
                    writer.parts[-1] = adopted.without(places) if len(places) else adopted
            ends = np.cumsum([len(some) for some in touches])
            for some, done in zip(touches, ends.tolist(), strict=True):
                if len(some):
                    write_part(writer, some, keys, len(memory.nodes))
                if on_progress:
                    on_progress(done, int(ends[-1]))
            compact(writer)
            writer.finish(end_of_data=end, built_from=self.built_from)
        forget_others(self.lake, writer.generation)


def _new_profiles(lake: Lake, rules: PathRules, was: int | None, now: int | None) -> pl.DataFrame | None:
    """The profiles that came since; None when that cannot be told. No attribute makes all profiles the same."""
    if not rules.attributes or was == now:
        return pl.DataFrame(schema=contract.PROFILES)
    if now is None:
        return None
    rows = landed_profiles(lake) if was is None else added(lake, PROFILES, contract.PROFILES, was, now)
    return None if rows is None else rows.collect()


def _counting(known: Relinked, fresh: pl.DataFrame) -> Relinked:
    """The combinations with their new events counted."""
    counts = np.bincount(fresh[COMBINATION].to_numpy(), minlength=len(known.seen))
    events = (known.seen["events"] + pl.Series(counts, dtype=pl.UInt32)).alias("events")
    return replace(known, seen=known.seen.with_columns(events))


def _is_much(rows: int, stored: Paths) -> bool:
    """Whether so many rows make a build cheaper."""
    return rows > max(FEW, SHARE * len(stored))
