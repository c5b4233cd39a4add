"""Removes customers: every event, profile, link and touch, from all tables, files and logs.

Customers are named by any of their identities and resolved as stitching resolves them. What is about to go can be
looked at first (`SelectedCustomers.summary`). Rows are deleted, and the files that held them and the log entries that
mention them are removed. Then the parts of the paths that hold the customers are written again without them; where
more than that would change, the paths are built (`pruned_store`). A run that was interrupted is finished by the next
one from its journal. Reports lie outside the lake: `then` is called while the journal is still there, so that an
interrupted withdrawal is finished, too. Kafka's own copy is outside the lake.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass

import polars as pl

from analytics.stitching.build import build
from analytics.stitching.privacy.checks import forget_names
from analytics.stitching.privacy.journal import read_journal, record_erasure, remove_journal, write_journal
from analytics.stitching.privacy.kept.persona_members import forget_members, member_files, members_named
from analytics.stitching.privacy.kept.snapshots import forget_snapshots, snapshot_files, snapshots_named
from analytics.stitching.privacy.kept.told_cells import forget_cells
from analytics.stitching.privacy.kept.told_cohorts import forget_cohorts
from analytics.stitching.privacy.pruned_store import publish_without
from analytics.stitching.privacy.selection import TABLES, SelectedCustomers, select_customers, unknown_identity
from analytics.stitching.refresh import refresh
from analytics.stitching.refresh_state import MEMORY, stored_nodes
from analytics.store.columns import CUSTOMER, TOUCHES
from analytics.store.manifest import PathsReplacedError, generation_of, holds_paths, remove_generations
from analytics.store.paths import Paths
from analytics.touches.rules import PathRules
from expectations import contract
from expectations.errors import DefinitionError, StorageError
from expectations.lake import files
from expectations.lake.erase import Erased, erase
from expectations.lake.layout import JOURNEYS, PATHS, PERSONAS, REPORTED, RESTATEMENTS, RESULTS, SNAPSHOTS, Lake
from expectations.retries import retrying

MAX_LOGINS = 5
"""A customer with more logins (values of a unique kind) is removed only when that is asked for."""


def forget(
    lake: Lake,
    identities: str | Sequence[str],
    rules: PathRules | None = None,
    *,
    large: bool = False,
    then: Callable[[], object] | None = None,
) -> pl.DataFrame:
    """Removes customers, each named by one identity (`kind:value`), from the lake and its paths.

    What has landed since the last stitching is stitched first.

    One row per table: table String; then Int64: before, after (rows; for `memory`, the refresh state, identities; for
    `personas`, where there are fits, the members kept of them; for `snapshots`, where a goal was predicted, the rows
    about single customers: all of them go, and the next prediction makes them again),
    named (rows that still hold one of the customers' identities afterwards: events of others), rewritten, removed
    (files), log (entries removed from the table's log). Identities match whatever their blanks and case. Quarantined
    messages are removed when they or their headers name a customer. An identity that no event carries is removed from
    all other tables. If an identity lands again, it is a new customer. An interrupted run is finished first. `then` is
    called when all tables are done, and again by the run that finishes an interrupted one: it removes what was made
    from the lake before, such as reports. Raises
    `DefinitionError` when nothing names any of the identities, and for a customer that is `too_large`, unless `large`.
    """
    asked = [identities] if isinstance(identities, str) else list(identities)
    rules = rules or PathRules()
    unfinished = read_journal(lake, rules)
    proof = finish_forgetting(lake, rules, then=then)
    if unfinished and proof is not None and set(asked) <= set(unfinished.asked):
        return proof
    held = _Held.of(lake)
    bring_up_to_date(lake, rules)
    selection = select_customers(lake, asked, rules)
    check_removable(lake, selection, large=large)
    write_journal(lake, selection)
    return _removed(lake, selection, held, then)


def bring_up_to_date(lake: Lake, rules: PathRules) -> None:
    """Refreshes the paths, if there are any: customers can leave current paths without a build.

    >>> bring_up_to_date(Lake("nowhere"), PathRules())
    """
    if holds_paths(lake):
        retrying(PathsReplacedError)(refresh, lake, rules)


def finish_forgetting(
    lake: Lake, rules: PathRules | None = None, *, then: Callable[[], object] | None = None
) -> pl.DataFrame | None:
    """Finishes an interrupted run, and returns its proof; None when there is none."""
    unfinished = read_journal(lake, rules or PathRules())
    return None if unfinished is None else _removed(lake, unfinished, _Held.of(lake), then)


def forget_selected(
    lake: Lake, selection: SelectedCustomers, *, large: bool = False, then: Callable[[], object] | None = None
) -> pl.DataFrame:
    """Removes the customers of a selection; see `forget`."""
    held = _Held.of(lake)
    check_removable(lake, selection, large=large)
    write_journal(lake, selection)
    return _removed(lake, selection, held, then)


def check_removable(lake: Lake, selection: SelectedCustomers, *, large: bool = False) -> None:
    """Raises `DefinitionError` when nothing names the customers, or one is `too_large` and that is not asked for."""
    if selection.events.is_empty() and not _has_traces(lake, selection):
        raise unknown_identity(lake, selection)
    oversized, rules = too_large(selection), selection.rules.identities
    if large or oversized.is_empty():
        return
    first = oversized.row(0, named=True)
    raise DefinitionError(
        f"{len(oversized):,} of {len(selection.summary):,} customers are too large to be one person.",
        expected=f"at most {rules.warn_identities:,} identities, {MAX_LOGINS} logins and {rules.warn_events:,} events",
        found=f"{first['identities']:,} identities, {first['logins']:,} logins and {first['events']:,} events",
        do="look at the links first (journeys identity why); --large removes them all the same",
    )


def too_large(selection: SelectedCustomers) -> pl.DataFrame:
    """The customers of the summary that are probably not one person, by the limits of the rules and `MAX_LOGINS`."""
    rules = selection.rules.identities
    return selection.summary.filter(
        (pl.col("identities") > rules.warn_identities)
        | (pl.col("events") > rules.warn_events)
        | (pl.col("logins") > MAX_LOGINS)
    )


@dataclass(frozen=True)
class _Held:
    """What paths and refresh state held before: touches, identities, and the files of the state."""

    touches: int
    identities: int
    files: frozenset[str]

    @classmethod
    def of(cls, lake: Lake) -> _Held:
        """What they hold now."""
        touches = len(Paths.open(lake)) if holds_paths(lake) else 0
        return cls(touches, _identities_in_state(lake), _state_files(lake))


def _removed(lake: Lake, selection: SelectedCustomers, held: _Held, then: Callable[[], object] | None) -> pl.DataFrame:
    """Removes the customers of a selection whose journal is written; returns the proof."""
    erased = [erase(lake, table, selection.conditions(lake, table)) for table in TABLES]
    erased.append(forget_names(lake, selection.events[contract.EVENT_DATE].unique().to_list()))
    known = _renew_paths(lake, selection, erased)
    erased.append(Erased(PATHS, held.touches, len(Paths.open(lake)), *_drop_old_generations(lake), 0))
    new_files = _state_files(lake)
    state = (_identities_in_state(lake), len(new_files - held.files), len(held.files - new_files))
    erased.append(Erased(MEMORY, held.identities, *state, 0))
    record_erasure(lake)  # first: a report, a prediction or a fit that is being made keeps nothing any more
    if member_files(lake):
        erased.append(forget_members(lake, selection.all_keys))
    if snapshot_files(lake):
        erased.append(forget_snapshots(lake))
    erased.append(forget_cohorts(lake, selection.events[contract.OCCURRED_AT]))
    if files.listing(lake.table(REPORTED)):
        erased.append(forget_cells(lake, selection.events[contract.OCCURRED_AT]))
    if then is not None:
        then()
    remove_journal(lake)
    in_state = _identities_in_state(lake, selection.identities)
    named = selection.counts(lake, known) | {PATHS: _touches(lake, selection), MEMORY: in_state}
    named |= dict.fromkeys((RESULTS, JOURNEYS, RESTATEMENTS), 0)
    named[PERSONAS] = len(members_named(lake, selection.all_keys))
    named[SNAPSHOTS] = len(snapshots_named(lake, selection.all_keys))
    proof = pl.DataFrame([asdict(each) | {"named": named[each.table]} for each in erased])
    return proof.select("table", "before", "after", "named", "rewritten", "removed", "log")


def _renew_paths(lake: Lake, selection: SelectedCustomers, erased: Sequence[Erased]) -> frozenset[str]:
    """Publishes the paths without the customers; builds them where more than that would change.

    Returns the files of events that name none of the customers, as far as the paths know: all that were there before.

    A stitch that began before may publish meanwhile, and another erasure may remove what is read here: then, too, the
    paths are built, which tells of a lake that cannot be read.
    """
    with suppress(OSError, StorageError):
        if selection.remembered and publish_without(lake, selection, erased):
            return selection.remembered.files
    retrying(PathsReplacedError)(build, lake, selection.rules)
    return frozenset()


def _has_traces(lake: Lake, selection: SelectedCustomers) -> bool:
    """Whether anything names customers without events."""
    return bool(any(selection.counts(lake).values()) or _identities_in_state(lake, selection.identities))


def _touches(lake: Lake, selection: SelectedCustomers) -> int:
    """How many touches the customers have in the paths."""
    counts = [part.people([CUSTOMER, TOUCHES]) for part in Paths.open(lake).parts]
    return sum(int(each.filter(pl.col(CUSTOMER).is_in(selection.keys))[TOUCHES].sum()) for each in counts)


def _identities_in_state(lake: Lake, subset: pl.DataFrame | None = None) -> int:
    """How many identities the refresh state holds: all, or those given."""
    known = stored_nodes(lake).filter(pl.col("value").is_not_null())
    if subset is None:
        return len(known)
    near = known.filter(pl.col("value").is_in(subset["value"].implode()))
    return len(near.join(subset, on=["kind", "value"], how="semi"))


def _state_files(lake: Lake) -> frozenset[str]:
    return frozenset(files.listing(lake.table(MEMORY)))


def _drop_old_generations(lake: Lake) -> tuple[int, int]:
    """Removes earlier generations of the store; returns the number of files rewritten and removed."""
    current = generation_of(lake)
    return len(files.listing(f"{lake.paths}/{current}")), remove_generations(lake, current)
