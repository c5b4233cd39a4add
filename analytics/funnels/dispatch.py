"""Which compiled scan reads a funnel, and what does it find? Streams in, reported chains out.

Customers whose touches all have their own instant are read by the quickest scan; those that it leaves are laid out
once more for the scan that reads touches of one instant in every order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.funnels.definition import Funnel
from analytics.funnels.sequences import Streams, some_of

Ints = NDArray[Any]


@dataclass(frozen=True)
class Found:
    """Reported chains, a row each: the touch (a row of the part, or -1) of every step, the first entry, the stream.

    `depth` counts the steps of the chain but for optional ones; `least` those when ties are read against the customer.
    """

    chains: Ints
    firsts: Ints
    depth: Ints
    least: Ints
    stream: Ints


def scanned(streams: Streams, definition: Funnel, rules: Any) -> Found:
    """The reported chain of every stream that has one; or of every attempt, where attempts are counted."""
    found = _scanned(streams, definition, rules)
    if definition.reentry:
        return found
    first = np.unique(found.stream, return_index=True)[1]
    return Found(found.chains[first], found.firsts[first], found.depth[first], found.least[first], found.stream[first])


def by_attempts(definition: Funnel) -> bool:
    """Whether attempts are told apart: to count each, or to take the first alone."""
    return definition.count == "entries" or not definition.reentry


def _scanned(streams: Streams, definition: Funnel, rules: Any) -> Found:
    if definition.order == "unordered" or definition.is_special or definition.stop:
        return _read(streams, definition, rules)
    return _read_apart(streams, definition, rules)


def _read_apart(streams: Streams, definition: Funnel, rules: Any) -> Found:
    """Read by the quickest scan; the streams that it leaves are read by the other, into the room that is left."""
    from analytics.engine.kernels.distinct_times import scan_apart
    from analytics.engine.kernels.short_paths import WORD

    laid = replace(streams.steady(), rows=None)
    room = _capacity(laid, definition)
    words, chains = np.empty(len(laid.bits), WORD), np.full((room, len(definition.steps)), -1, np.int32)
    firsts, depth, owners = (np.empty(room, np.int32) for _ in range(3))
    left = np.zeros(len(laid.bounds) - 1, np.bool_)
    touches = (laid.codes, laid.bits, laid.times, laid.bounds)
    count = scan_apart(*touches, rules, words, chains, firsts, depth, owners, left)
    least, others = depth, np.flatnonzero(left)
    if len(others):
        rest = _read(some_of(laid, others), definition, rules)
        begun, count = count, count + len(rest.firsts)
        own = slice(begun, count)
        chains[own], firsts[own], depth[own], owners[own] = rest.chains, rest.firsts, rest.depth, others[rest.stream]
        least = depth.copy()
        least[own] = rest.least
    found = slice(count)
    return Found(
        streams.row_of(chains[found]), streams.row_of(firsts[found]), depth[found], least[found], owners[found]
    )


def _read(streams: Streams, definition: Funnel, rules: Any) -> Found:
    """Read by the scan that the funnel asks for."""
    streams = streams.widest()
    rows = _capacity(streams, definition)
    chains = np.full((rows, len(definition.steps)), -1, np.int32)
    firsts, least = np.full(rows, -1, np.int32), np.zeros(rows, np.int32)
    owners = np.zeros(rows, np.int32)
    touches = (streams.codes, streams.bits, streams.times, streams.bounds)
    count = _kernel(definition)(*touches, rules, chains, firsts, least, owners)
    entered = np.flatnonzero((firsts[:count] >= 0) & (chains[:count, 0] >= 0))
    found = streams.row_of(chains[entered])
    return Found(found, streams.row_of(firsts[entered]), _depth(found, definition), least[entered], owners[entered])


def _depth(chains: Ints, definition: Funnel) -> Ints:
    """How many steps of each chain count: all but the optional ones."""
    counts = [definition.order == "unordered" or not step.optional for step in definition.steps]
    depth: Ints = (chains[:, counts] >= 0).sum(axis=1, dtype=np.int32)
    return depth


def _capacity(streams: Streams, definition: Funnel) -> int:
    """How many chains there can be at most: one a stream, or one for every touch that could be an entry."""
    if not by_attempts(definition):
        return len(streams.bounds) - 1
    steps = 1 if definition.order != "unordered" else (1 << len(definition.steps)) - 1
    entry = (streams.bits & np.uint64(steps)) > 0
    return int(np.count_nonzero(entry[streams.codes]))


def _kernel(definition: Funnel) -> Any:
    """The scan for funnels that need more than the quickest."""
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


def best_of_unit(found: Found, streams: Streams, times: Ints) -> Found:
    """Of the chains of one unit the deepest; then the first complete; then the newest entry."""
    last = found.chains.max(axis=1)
    ranked = pl.DataFrame(
        {
            "row": np.arange(len(last)),
            "unit": streams.unit[found.stream],
            "depth": found.depth,
            "done": times[last].astype(np.int64),
            "entry": times[found.chains[:, 0]].astype(np.int64),
            "stream": found.stream,
            "first": found.firsts,
            "least": found.least,
        }
    )
    order = ["unit", "depth", "done", "entry", "stream"]
    best = (
        ranked.sort(order, descending=[False, True, False, True, False])
        .group_by("unit", maintain_order=True)
        .agg(pl.col("row").first(), pl.col("first").min(), pl.col("least").max())
    )
    rows = best["row"].to_numpy()
    least, firsts = best["least"].to_numpy(), best["first"].to_numpy(writable=True)
    return Found(found.chains[rows], firsts, found.depth[rows], least, found.stream[rows])
