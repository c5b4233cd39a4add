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
from analytics.funnels.sequences import StepSequences, subset


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


def scanned(sequences: StepSequences, definition: Funnel, rules: Any) -> ReportedChains:
    """The reported chain of every sequence that has one; or of every attempt, where attempts are counted.

    The next attempt begins after the last touch of the one before, so the touches at one instant need an order: the
    latest step first, or that of the source where ties are read so.
    """
    if by_attempts(definition) and definition.ties != "sequence":
        sequences = sequences.latest_step_first()
    found = _scanned(sequences, definition, rules)
    if definition.reentry:
        return found
    first = np.unique(found.sequence, return_index=True)[1]
    return ReportedChains(
        found.chains[first], found.firsts[first], found.depth[first], found.least[first], found.sequence[first]
    )


def by_attempts(definition: Funnel) -> bool:
    """Whether attempts are distinguished: to count each, or to take only the first."""
    return definition.count == "entries" or not definition.reentry


def _scanned(sequences: StepSequences, definition: Funnel, rules: Any) -> ReportedChains:
    if definition.order == "unordered" or definition.is_special or definition.stop:
        return _read(sequences, definition, rules)
    return _read_distinct_times(sequences, definition, rules)


def _read_distinct_times(sequences: StepSequences, definition: Funnel, rules: Any) -> ReportedChains:
    """Read by the fast scan; the general scan reads the sequences that it leaves, into the remaining rows."""
    from analytics.engine.kernels.distinct_times import scan_distinct_times
    from analytics.engine.kernels.short_paths import CODE_EFFECT

    laid = replace(sequences.read_only(), rows=None)
    room = _capacity(laid, definition)
    words, chains = np.empty(len(laid.bits), CODE_EFFECT), np.full((room, len(definition.steps)), -1, np.int32)
    firsts, depth, owners = (np.empty(room, np.int32) for _ in range(3))
    left = np.zeros(len(laid), np.bool_)
    touches = (laid.codes, laid.bits, laid.times, laid.bounds)
    count = scan_distinct_times(*touches, rules, words, chains, firsts, depth, owners, left)
    least, others = depth, np.flatnonzero(left)
    if len(others):
        rest = _read(subset(laid, others), definition, rules)
        begun, count = count, count + len(rest.firsts)
        own = slice(begun, count)
        chains[own], firsts[own], depth[own], owners[own] = rest.chains, rest.firsts, rest.depth, others[rest.sequence]
        least = depth.copy()
        least[own] = rest.least
    found = slice(count)
    return ReportedChains(
        sequences.row_of(chains[found]), sequences.row_of(firsts[found]), depth[found], least[found], owners[found]
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
    if not by_attempts(definition):
        return len(sequences)
    steps = 1 if definition.order != "unordered" else (1 << len(definition.steps)) - 1
    entry = (sequences.bits & np.uint64(steps)) > 0
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
    rows = best["row"].to_numpy()
    least, firsts = best["least"].to_numpy(), best["first"].to_numpy(writable=True)
    return ReportedChains(found.chains[rows], firsts, found.depth[rows], least, found.sequence[rows])
