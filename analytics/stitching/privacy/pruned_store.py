"""Publishes the paths without some customers, at the cost of the parts they lie in, where nobody else's paths change.

The files of a part that held an event of the customers are written again, also where only an older state of the part
did, and so are all parts when a word of a dictionary has no touch left. The refresh state goes on without the
customers, so that the next refresh reads only new events. The result equals a build, row for row.

Where that is not certain, the paths must be built: they were not current, rows came or went beside those that were
erased, somebody else would change, or the end of the data moves past the end of another's journey.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import polars as pl

from analytics.engine.run import on_threads
from analytics.identity.assignment import linked_counts
from analytics.identity.columns import CODE, COMBINATION, Mask
from analytics.identity.largest import largest_customers
from analytics.identity.links import tombstones
from analytics.stitching.affected import (
    NO_NEW_EVENT,
    TAKEN_FROM,
    AffectedCustomers,
    Extract,
    ExtractedTouches,
    customer_codes,
)
from analytics.stitching.build import StitchSummary, add_counts, build_inputs, with_other_kinds
from analytics.stitching.new_events import reads_arrival_columns
from analytics.stitching.privacy.objection import objectors
from analytics.stitching.privacy.pruned_state import PrunedState, pruned_state
from analytics.stitching.privacy.selection import Remembered, SelectedCustomers
from analytics.stitching.refresh_state import remove_other_states
from analytics.store.columns import AT, JOURNEY, OUTCOME, SESSION, STAGE, TOUCHES
from analytics.store.encoding import code_type
from analytics.store.manifest import current_generation
from analytics.store.parts import PATH_END_COLUMNS, Part
from analytics.store.paths import Paths
from analytics.store.writer import StoreWriter
from analytics.touches.assembly import EVENT_HASH
from analytics.touches.rules import PathRules
from analytics.touches.watermark import STREAM, activity, watermark_of
from expectations.lake import files
from expectations.lake.erase import Erased
from expectations.lake.layout import EVENTS, LINKS, PROFILES, Lake
from expectations.lake.tables import landed_near, table_version

_MINUTE: Final = [*STREAM, "minute"]
_COUNTED: Final = [AT, STAGE, SESSION, JOURNEY, OUTCOME, EVENT_HASH]


def publish_without(lake: Lake, selection: SelectedCustomers, erased: Iterable[Erased]) -> bool:
    """Replaces the paths by those without the customers, whose rows were `erased`; False when a build is needed.

    Raises `PathsReplacedError` if another process replaces the paths meanwhile.
    """
    remembered, rules, tables = selection.remembered, selection.rules, {each.table: each for each in erased}
    if remembered is None or reads_arrival_columns(rules) or current_generation(lake) != remembered.base:
        return False
    stored = Paths.open(lake)
    built_from = _built_from(lake, rules, stored, tables)
    rows = tables[EVENTS].before - tables[EVENTS].after
    if built_from is None or rows != len(selection.events):
        return False
    removed = tombstones(lake)
    if table_version(lake, LINKS) != built_from[LINKS]:
        return False
    pruned = pruned_state(remembered.state, remembered.codes, removed, rules)
    if pruned is None:
        return False
    removal = _Removal.of(stored, pruned, rules)
    summary = _summary(removal, removal.touches(), rows)
    minutes = _activity(lake, remembered, built_from[EVENTS])
    end = watermark_of(minutes)
    if summary is None or removal.lapses(end):
        return False
    kinds = _other_kinds(remembered)
    counts = with_other_kinds(summary, kinds).counts
    state = replace(pruned.state, activity=minutes, other_kinds=kinds, counts=counts)
    try:
        with StoreWriter(lake.paths, remembered.base) as writer:
            writer.write_in_background(lambda: state.save(lake, writer.generation))
            removal.write(writer)
            writer.finish(
                end_of_data=end,
                built_from=built_from,
                definition=stored.definition,
                objected=objectors(state.nodes, rules),
            )
    finally:  # also of this process if it was overtaken
        remove_other_states(lake, current_generation(lake))
    return True


def _built_from(lake: Lake, rules: PathRules, stored: Paths, tables: Mapping[str, Erased]) -> dict[str, Any] | None:
    """What the paths are built from now; None when more has changed than the rows of the customers."""
    names = (EVENTS, PROFILES, LINKS)
    before = {name: tables[name].since for name in names}
    rest = {name: value for name, value in build_inputs(lake, rules).items() if name not in names}
    if stored.built_from != before | rest or not all(tables[name].alone for name in names):
        return None
    return {name: tables[name].until for name in names} | rest


def _other_kinds(remembered: Remembered) -> pl.DataFrame:
    """How many events carry each kind of identity that no setting names, without those of the customers."""
    both = remembered.state.other_kinds.join(remembered.kinds, on="kind", how="left", suffix="_gone")
    left = pl.col("events") - pl.col("events_gone").fill_null(0)
    return both.select("kind", left.alias("events")).filter(pl.col("events") > 0).sort("kind")


def _activity(lake: Lake, remembered: Remembered, version: int) -> pl.DataFrame:
    """The minutes with events without those of the customers; reads the times near those that were the last."""
    known = remembered.state.activity
    lost = known.join(remembered.minutes, on=[*_MINUTE, "time"], how="semi", nulls_equal=True).select(_MINUTE)
    if lost.is_empty():
        return known
    time = pl.min_horizontal("occurred_at", pl.coalesce("received_at", "occurred_at"))
    minute = (time.to_physical() // 60_000_000).alias("minute")
    minutes = lost["minute"].unique()
    begins = (minutes.cast(pl.Int64) * 60_000_000).cast(pl.Datetime("us", "UTC"))
    read = ("occurred_at", "received_at")
    rows = landed_near(lake, begins, timedelta(minutes=1), columns=read, version=version).select(*STREAM, *read, minute)
    near = rows.filter(pl.col("minute").is_in(minutes.implode()))
    found = activity(near).join(lost, on=_MINUTE, how="semi", nulls_equal=True)
    rest = known.join(lost, on=_MINUTE, how="anti", nulls_equal=True)
    return pl.concat([rest, found]).sort(_MINUTE)


def _summary(removal: _Removal, touches: pl.DataFrame, rows: int) -> StitchSummary | None:
    """The counts without those of the customers; None where the paths do not hold what was erased."""
    pruned = removal.pruned
    before = StitchSummary(**pruned.state.counts)
    summary = add_counts(before, touches.rename({TAKEN_FROM: CODE}), -1)
    repeats = rows - pruned.events
    if pruned.events != len(touches) + len(pruned.dropped) or not 0 <= repeats <= before.duplicates:
        return None
    if not summary.touches or (summary.staged > 0) != (before.staged > 0):
        return None  # journeys begin with any touch only where no touch has a stage
    hashes = pl.concat([touches[EVENT_HASH], pruned.dropped[EVENT_HASH]])
    return replace(
        summary,
        events=before.events - rows,
        duplicates=before.duplicates - repeats,
        id_conflicts=before.id_conflicts and before.id_conflicts - removal.conflicts(hashes),
        linked=linked_counts(pruned.identities, pruned.assigned),
        largest=largest_customers(pruned.identities.nodes, pruned.identities.seen, removal.rules.identities.salt),
    )


@dataclass(frozen=True)
class _Removal:
    """The stored paths, what is left of the state, and which customers of each part leave."""

    stored: Paths
    pruned: PrunedState
    rules: PathRules
    leaving: tuple[Mask, ...]

    @classmethod
    def of(cls, stored: Paths, pruned: PrunedState, rules: PathRules) -> _Removal:
        """Finds the customers in the parts."""
        leaves = np.append(pruned.codes, False)
        leaving = on_threads(lambda part: leaves[customer_codes(part.people(["code"]))], stored.parts)
        return cls(stored, pruned, rules, tuple(leaving))

    def touches(self) -> pl.DataFrame:
        """The touches of the customers."""
        extracts = [Extract.of(mask, np.zeros_like(mask)) for mask in self.leaving]
        return ExtractedTouches.from_parts(self.stored, extracts, _COUNTED).touches

    def lapses(self, end: datetime | None) -> bool:
        """Whether a journey of another customer is open until one end of the data and abandoned at the other."""
        if end == self.stored.end_of_data:
            return False
        nodes = len(self.pruned.codes) + 1
        nobody = AffectedCustomers(np.zeros(nodes, np.bool_), np.full(nodes, NO_NEW_EVENT))

        def there(part: Part) -> bool:
            people = part.people([TOUCHES, "code", *PATH_END_COLUMNS]).filter(pl.Series(~self.leaving[part.number]))
            return bool(nobody.select(people, (self.stored.end_of_data, end), self.rules.journey_gap)[1].any())

        return any(on_threads(there, self.stored.parts))

    def conflicts(self, gone: pl.Series) -> int:
        """By how much the id conflicts become fewer, if events with these hashes of their ids go."""
        there = [part.read([EVENT_HASH])[EVENT_HASH] for part in self.stored.parts]
        kept = pl.concat([self.pruned.state.dropped[EVENT_HASH], self.pruned.dropped[EVENT_HASH], *there])
        each = gone.value_counts(name="gone").join(
            kept.filter(kept.is_in(gone.unique().implode())).value_counts(name="all"), on=EVENT_HASH
        )
        return int(each.select(pl.col("gone").cast(pl.Int64) - (pl.col("gone") == pl.col("all"))).sum().item())

    def write(self, writer: StoreWriter) -> None:
        """Writes the parts without the customers."""
        unused = self._unused_words()
        words, codes = self.stored.dictionaries.copy(), dict[str, pl.Series]()
        for name, used in unused.items():
            words[name] = words[name].filter(pl.Series(used))
            codes[name] = pl.Series(np.maximum(np.cumsum(used), 1) - 1, dtype=code_type(len(words[name])))
        writer.words.dictionaries.update(words)
        writer.schema = self.stored.schema
        for part, mask in zip(self.stored.parts, self.leaving, strict=True):
            if mask.all():
                continue
            if codes or mask.any() or self._held_before(part):
                writer.add_part(_without(part, mask, codes))
            else:
                writer.reuse_part(part)

    def _held_before(self, part: Part) -> bool:
        """Whether the files of a part hold touches of the customers that readers no longer see."""
        if not part.changed:
            return False
        tables = [files.read_rows(f"{part.address}.{name}.parquet", [COMBINATION]) for name in ("touches", "later")]
        codes = files.read_rows(f"{part.address}.customers.parquet", ["code"])
        touched = pl.Series(self.pruned.touched)
        held = any(touched.gather(table[COMBINATION]).any() for table in tables)
        return held or bool(np.append(self.pruned.codes, False)[customer_codes(codes)].any())

    def _unused_words(self) -> dict[str, Mask]:
        """The dictionaries with words that no touch has: which words of each are used.

        A column is read until a touch is found of every word: few parts where words are frequent.
        """
        used = {name: np.zeros(len(words), np.bool_) for name, words in self.stored.dictionaries.items()}
        for part, mask in zip(self.stored.parts, self.leaving, strict=True):
            names = [name for name in used if not used[name].all()]
            stays = np.repeat(~mask, np.diff(part.bounds())) if names and mask.any() else None
            for column in part.read(names, stays) if names else ():
                used[column.name][column.drop_nulls().unique().to_numpy()] = True
        return {name: mask for name, mask in used.items() if not mask.all()}


def _without(part: Part, mask: Mask, codes: Mapping[str, pl.Series]) -> Part:
    """A part in memory without the customers marked in `mask`; `codes` has the new code of every word of a column."""
    table, people = part.physical()
    stays = np.repeat(~mask, people[TOUCHES].to_numpy())
    table = table.filter(stays).with_columns(
        codes[name].gather(table[name].filter(stays)).alias(name) for name in codes
    )
    people = people.filter(~mask)
    return Part(0, len(table), len(people), frames=(table, people))
