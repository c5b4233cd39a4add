"""Chooses the compiled scan for a funnel and runs it: sequences in, reported chains out.

The fast scan reads sequences whose touches have distinct times; those that it leaves are copied for the general scan,
which reads touches of one time in every order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from analytics.engine.sequences import Ints
from analytics.funnels.definition import Funnel
from analytics.funnels.sequences import StepSequences, entry_bits, subset


@dataclass(frozen=True)
class ReportedChains:
    """Reported chains, one per row: the touch (a row of the part, or -1) of every step, the first entry, the sequence.

    `depth` counts the steps of the chain but for optional ones; `least` those when ties are read against the customer.
    """

    chains: Ints
    firsts: Ints
    depth: Ints
    least: Ints
    sequence: Ints

    def chosen(self, rows: Ints) -> ReportedChains:
        """The chains of these rows."""
        return ReportedChains(
            self.chains[rows], self.firsts[rows], self.depth[rows], self.least[rows], self.sequence[rows]
        )


def scanned(sequences: StepSequences, definition: Funnel, rules: Any) -> ReportedChains:
    """The reported chain of every sequence that has one; or of every attempt, where attempts are counted.

    The next attempt begins after the last touch of the one before, so the touches at one instant need an order: the
    latest step first, or that of the source where ties are read so.
    """
    if by_attempts(definition) and definition.ties != "sequence":
        sequences = sequences.arranged(latest_first=True)
    found = _scanned(sequences, definition, rules)
    if definition.reentry:
        return found
    return found.chosen(np.unique(found.sequence, return_index=True)[1])


def no_chains(definition: Funnel) -> ReportedChains:
    """None."""
    nobody = np.zeros(0, np.int32)
    return ReportedChains(np.zeros((0, len(definition.steps)), np.int32), nobody, nobody, nobody, nobody)


def best_of_ranges(
    sequences: StepSequences, definition: Funnel, rules: Any, starts: Ints, ends: Ints
) -> tuple[ReportedChains, Ints, Ints]:
    """The reported chain of every sequence and range with an entry, the range of each, and the sequences not read.

    Ranges lie in order and do not overlap. `least` is not known: it is the depth.
    """
    from analytics.engine.kernels.ranges import scan_ranges

    steps = len(definition.steps)
    whole = all((each.after, each.ends_before(steps)) == (1, steps) for each in definition.exclude)
    if (
        definition.order != "ordered"
        or definition.is_special
        or definition.stop
        or by_attempts(definition)
        or not whole
    ):
        return no_chains(definition), np.zeros(0, np.int32), np.arange(len(sequences))
    laid = _arranged(sequences, definition).widest()
    room = _entries(laid, definition)
    chains, left = np.full((room, steps), -1, np.int32), np.zeros(len(laid), np.bool_)
    firsts, depth, owners, of = (np.empty(room, np.int32) for _ in range(4))
    touches = (laid.codes, laid.bits, laid.times, laid.bounds)
    count = scan_ranges(*touches, rules, starts, ends, chains, firsts, depth, owners, of, left)
    found = slice(count)
    rows, first = laid.row_of(chains[found]), laid.row_of(firsts[found])
    return ReportedChains(rows, first, depth[found], depth[found], owners[found]), of[found], np.flatnonzero(left)


def by_attempts(definition: Funnel) -> bool:
    """Whether attempts are distinguished: to count each, or to take only the first."""
    return definition.count == "entries" or not definition.reentry


def _scanned(sequences: StepSequences, definition: Funnel, rules: Any) -> ReportedChains:
    if definition.order == "unordered" or definition.is_special or definition.stop:
        return _read(sequences, definition, rules)
    return _read_distinct_times(sequences, definition, rules)


def _read_distinct_times(sequences: StepSequences, definition: Funnel, rules: Any) -> ReportedChains:
    """Read by the fast scan, the sequences that it leaves too, with their tied touches arranged; the rest by another.

    Where every tied touch is one step at most, the order of the steps is the one that helps most, the opposite order
    the one that helps least. Attempts are arranged already, for what comes after each.
    """
    found, left = _fast(sequences, definition, rules, False)
    if not len(left):
        return found
    others = subset(replace(sequences, rows=None), left)
    if by_attempts(definition) or definition.order == "strict":
        return _joined(found, _read(others, definition, rules), sequences, left)
    more, still = _fast(_arranged(others, definition), definition, rules, True)
    if definition.ties == "favourable" and not definition.later:
        adverse, unread = _fast(others.arranged(latest_first=True), definition, rules, True)
        least = np.zeros(len(others), np.int32)
        least[adverse.sequence] = adverse.depth
        more = replace(more, least=least[more.sequence]).chosen(~np.isin(more.sequence, unread))
        still = np.union1d(still, unread)
    found = _joined(found, more, sequences, left)
    if not len(still):
        return found
    return _joined(found, _read(subset(others, still), definition, rules), sequences, left[still])


def _arranged(sequences: StepSequences, definition: Funnel) -> StepSequences:
    """The touches of one instant in the order in which the funnel reads ties, as far as an order tells it."""
    if definition.ties == "sequence":
        return sequences
    return sequences.arranged(latest_first=definition.ties == "adverse" or definition.later)


def _fast(sequences: StepSequences, definition: Funnel, rules: Any, arranged: bool) -> tuple[ReportedChains, Ints]:
    """What the fast scan finds, and the numbers of the sequences that it leaves."""
    from analytics.engine.kernels.distinct_times import scan_distinct_times
    from analytics.engine.kernels.short_paths import CODE_EFFECT

    laid = sequences.read_only()
    room = _capacity(laid, definition)
    words, chains = np.empty(len(laid.bits), CODE_EFFECT), np.full((room, len(definition.steps)), -1, np.int32)
    firsts, depth, owners = (np.empty(room, np.int32) for _ in range(3))
    left = np.zeros(len(laid), np.bool_)
    touches = (laid.codes, laid.bits, laid.times, laid.bounds)
    count = scan_distinct_times(*touches, rules, arranged, words, chains, firsts, depth, owners, left)
    found = slice(count)
    return ReportedChains(
        laid.row_of(chains[found]), laid.row_of(firsts[found]), depth[found], depth[found], owners[found]
    ), np.flatnonzero(left)


def _joined(found: ReportedChains, more: ReportedChains, sequences: StepSequences, left: Ints) -> ReportedChains:
    """Chains of all sequences, and those of the sequences `left`, whose touches are numbered in all of them."""
    return ReportedChains(
        np.concatenate([found.chains, sequences.row_of(more.chains)]),
        np.concatenate([found.firsts, sequences.row_of(more.firsts)]),
        np.concatenate([found.depth, more.depth]),
        np.concatenate([found.least, more.least]),
        np.concatenate([found.sequence, left[more.sequence]]),
    )


def _read(sequences: StepSequences, definition: Funnel, rules: Any) -> ReportedChains:
    """Read by the scan that the funnel asks for."""
    sequences = sequences.widest()
    rows = _capacity(sequences, definition)
    chains = np.full((rows, len(definition.steps)), -1, np.int32)
    firsts, least = np.full(rows, -1, np.int32), np.zeros(rows, np.int32)
    owners = np.zeros(rows, np.int32)
    touches = (sequences.codes, sequences.bits, sequences.times, sequences.bounds)
    count = _kernel(definition)(*touches, rules, chains, firsts, least, owners)
    entered = np.flatnonzero((firsts[:count] >= 0) & (chains[:count, 0] >= 0))
    found = sequences.row_of(chains[entered])
    return ReportedChains(
        found, sequences.row_of(firsts[entered]), _depth(found, definition), least[entered], owners[entered]
    )


def _depth(chains: Ints, definition: Funnel) -> Ints:
    """How many steps of each chain count: all but the optional ones."""
    counts = [definition.order == "unordered" or not step.optional for step in definition.steps]
    depth: Ints = (chains[:, counts] >= 0).sum(axis=1, dtype=np.int32)
    return depth


def _capacity(sequences: StepSequences, definition: Funnel) -> int:
    """How many chains there can be at most: one per sequence, or one for every touch that could be an entry."""
    return _entries(sequences, definition) if by_attempts(definition) else len(sequences)


def _entries(sequences: StepSequences, definition: Funnel) -> int:
    """How many touches could be an entry."""
    entry = (sequences.bits & entry_bits(definition)) > 0
    return int(np.count_nonzero(entry[sequences.codes]))


def _kernel(definition: Funnel) -> Any:
    """The scan for funnels that the fast scan cannot read."""
    if definition.order == "unordered":
        from analytics.engine.kernels.unordered import scan_unordered

        return scan_unordered
    if definition.is_special:
        from analytics.engine.kernels.entry_by_entry import scan_entries

        return scan_entries
    if definition.stop:
        from analytics.engine.kernels.strict_stop import scan_until_stopped

        return scan_until_stopped
    from analytics.engine.kernels.ordered import scan

    return scan


def best_of_unit(found: ReportedChains, sequences: StepSequences, times: Ints) -> ReportedChains:
    """Of the chains of one unit the deepest; then the first complete; then the newest entry; then the earliest steps.

    Sequences lie in the order of their values, so of chains that are still equal that of the lowest value is taken.
    """
    last = found.chains.max(axis=1)
    reached = np.where(found.chains >= 0, times[found.chains].astype(np.int64), np.iinfo(np.int64).max)
    steps = {f"step {k}": reached[:, k] for k in range(1, reached.shape[1])}
    ranked = pl.DataFrame(
        {
            "row": np.arange(len(last)),
            "unit": sequences.unit[found.sequence],
            "depth": found.depth,
            "done": times[last].astype(np.int64),
            "entry": times[found.chains[:, 0]].astype(np.int64),
            "sequence": found.sequence,
            "first": found.firsts,
            "least": found.least,
            **steps,
        }
    )
    descending = {
        "unit": False,
        "depth": True,
        "done": False,
        "entry": True,
        **dict.fromkeys([*steps, "sequence"], False),
    }
    best = (
        ranked.sort(list(descending), descending=list(descending.values()))
        .group_by("unit", maintain_order=True)
        .agg(pl.col("row").first(), pl.col("first").min(), pl.col("least").max())
    )
    least, firsts = best["least"].to_numpy(), best["first"].to_numpy(writable=True)
    return replace(found.chosen(best["row"].to_numpy()), firsts=firsts, least=least)
