"""Why are two identities one customer, and how are they parted? Links, their evidence, and tombstones.

A link joins two identities that occur on one event. A tombstone says that a link must not join, whatever the events
say: a row of the lake's table `links` with `removed`. A later row without it takes the tombstone back. Identities are
written `kind:value`.
"""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import Final

import numpy as np
import polars as pl
from scipy.sparse.csgraph import shortest_path

from analytics.components import graph_of
from analytics.events import append, conform, scan
from analytics.identity import Identities, identify
from analytics.rules import PathRules
from expectations import contract
from expectations.errors import DefinitionError, nearest
from expectations.layout import LINKS, Lake

PAIR: Final = contract.PAIR
EVIDENCE: Final = pl.Schema(
    {"step": pl.UInt32()}
    | {name: pl.String() for name in PAIR}
    | {"events": pl.Int64(), "first_at": contract.TIME, "last_at": contract.TIME, "event_id": pl.String()}
)


def tombstones(lake: Lake, as_of: datetime | None = None) -> pl.DataFrame:
    """The links that were removed and not taken back (by `as_of`): kind, value, other_kind, other_value."""
    said = scan(lake, LINKS, contract.LINKS)
    if as_of is not None:
        said = said.filter(pl.col("decided_at") <= as_of)
    last = said.sort("decided_at", "removed").unique(PAIR, keep="last", maintain_order=True)
    return last.filter("removed").select(PAIR).sort(PAIR).collect()


def split(lake: Lake, one: str, other: str, *, decided_at: datetime, reason: str = "", removed: bool = True) -> None:
    """Write a tombstone for the link of two identities, or take it back with `removed=False`.

    The next stitching parts their customers, unless other links still join them. Raises `DefinitionError` when an
    identity is not written `kind:value`, or both are the same.
    """
    pair = sorted([identity_of(one), identity_of(other)])
    if pair[0] == pair[1]:
        raise DefinitionError("An identity cannot be split from itself.", expected="two identities")
    row = [*pair[0], *pair[1], removed, decided_at, reason]
    append(lake, LINKS, pl.DataFrame([row], schema=contract.LINKS, orient="row"))


def why(
    events: pl.DataFrame | pl.LazyFrame,
    one: str,
    other: str,
    rules: PathRules | None = None,
    removed: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """The shortest chain of links that joins two identities, with the evidence of each; no rows when none does.

    Columns: step (UInt32, from 1), kind, value, other_kind, other_value, events (Int64 that carry both), first_at,
    last_at (Datetime(us, UTC)), event_id (of the first). Raises `DefinitionError` for an identity that no event
    carries or that is not written `kind:value`.

    >>> events = pl.DataFrame({"customer_id": ["ann", "ann"], "anonymous_id": ["x", "y"], "occurred_at": [0, 1]})
    >>> chain = why(events.cast({"occurred_at": pl.Datetime("us")}), "anonymous_id:x", "anonymous_id:y")
    >>> chain.select("value", "other_value").rows()
    [('x', 'ann'), ('ann', 'y')]
    """
    frame = conform(events)
    rules = rules or PathRules()
    found = identify(frame, rules, removed)
    begin, end = (node_of(found, identity_of(each), rules) for each in (one, other))
    nodes = _chain(found, begin, end)
    steps = [_evidence(frame, found, a, b) for a, b in pairwise(nodes)]
    chain = pl.concat([pl.DataFrame(schema=EVIDENCE), *steps])
    return chain.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).alias("step"))


def identity_of(text: str) -> tuple[str, str]:
    """Kind and value of an identity written `kind:value`.

    >>> identity_of("customer_id:c:1")
    ('customer_id', 'c:1')
    """
    kind, colon, value = text.partition(":")
    if not (kind and colon and value):
        raise DefinitionError("This is not an identity.", expected="kind:value, such as customer_id:c123")
    return kind, value


def known_identity(text: str, rules: PathRules) -> str:
    """An identity written `kind:value`, as it is known: an address that the rules hash, by its hash.

    Raises `DefinitionError` when it is not written so, or is no address.
    """
    kind, value = rules.identities.known(*identity_of(text))
    if value is None:
        raise DefinitionError("This identity is to be hashed and is no address.", expected=f"what makes a {kind}")
    return f"{kind}:{value}"


def node_of(found: Identities, identity: tuple[str, str], rules: PathRules) -> int:
    """The row of an identity in `found.nodes`."""
    kind, value = rules.identities.known(*identity)
    rows = found.nodes.filter(pl.col("kind") == kind, pl.col("value") == pl.lit(value, pl.String))
    if rows.is_empty():
        kinds = found.nodes["kind"].unique().sort().to_list()
        raise DefinitionError(
            f"No event carries this {kind}.",
            expected=f"a kind among {', '.join(kinds)}, and a value that is not denied",
            do=(kind not in kinds and nearest(kind, kinds)) or "check the identity; denied values never link",
        )
    return int(rows["node"][0])


def _chain(found: Identities, begin: int, end: int) -> list[int]:
    """The nodes on the shortest way from one to the other, both ends included; none when there is no way."""
    customer = found.nodes["customer"]
    if customer[begin] != customer[end]:
        return []
    members = (customer == customer[begin]).arg_true().to_numpy()
    inside = found.links[:, np.isin(found.links[0], members)]
    graph = graph_of(np.searchsorted(members, inside), len(members))
    start, place = (int(np.searchsorted(members, node)) for node in (begin, end))
    _, before = shortest_path(graph, directed=False, unweighted=True, indices=start, return_predecessors=True)
    way = [place]
    while way[-1] != start:
        way.append(int(before[way[-1]]))
    return [int(members[each]) for each in reversed(way)]


def _evidence(events: pl.LazyFrame, found: Identities, one: int, other: int) -> pl.DataFrame:
    """The events that carry both identities of one link."""
    ends = [found.nodes.row(node, named=True) for node in (one, other)]
    carries = [
        pl.any_horizontal(source.value == end["value"] for source in found.sources if source.kind == end["kind"])
        for end in ends
    ]
    first = pl.col(contract.EVENT_ID).sort_by(contract.OCCURRED_AT, contract.EVENT_ID).first()
    names = [pl.lit(end[part]) for end in ends for part in ("kind", "value")]
    return (
        events.filter(carries)
        .select(
            pl.lit(0, pl.UInt32).alias("step"),
            *(name.alias(column) for name, column in zip(names, PAIR, strict=True)),
            pl.len().cast(pl.Int64).alias("events"),
            pl.col(contract.OCCURRED_AT).min().alias("first_at"),
            pl.col(contract.OCCURRED_AT).max().alias("last_at"),
            first.alias(contract.EVENT_ID),
        )
        .collect()
    )
