"""Why are two identities one customer, and how are they split? Links, their evidence, and tombstones.

A *link* joins two identities that occur on one event. A *tombstone* removes a link, whatever the events say: it is a
row of the lake's table `links` with `removed` true. A later row with `removed` false restores the link. Identities
are written `kind:value`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

import numpy as np
import polars as pl
from scipy.sparse.csgraph import shortest_path

from analytics.identity.graph import tombstone_nodes
from analytics.identity.resolution import Identities, identify
from analytics.identity.rules import LinkRules
from analytics.identity.unique import adjacency_matrix
from expectations import contract
from expectations.errors import DefinitionError, nearest
from expectations.lake.layout import LINKS, Lake
from expectations.lake.tables import append, conform, scan

PAIR: Final = contract.PAIR
_NO_MAX_DEGREE: Final = 2**31 - 1
"""More links than any identity has: a `max_degree` that makes nothing shared."""
EVIDENCE: Final = pl.Schema(
    {"step": pl.UInt32()}
    | {name: pl.String() for name in PAIR}
    | {"events": pl.Int64(), "first_at": contract.TIME, "last_at": contract.TIME, "event_id": pl.String()}
)
EVIDENCE_APART: Final = pl.Schema(
    EVIDENCE
    | dict.fromkeys(("shared", "other_shared", "tied", "other_tied", "removed", "between_customers"), pl.Boolean())
)


def tombstones(lake: Lake, as_of: datetime | None = None) -> pl.DataFrame:
    """The links that are removed and not restored (as of `as_of`): kind, value, other_kind, other_value."""
    rows = scan(lake, LINKS, contract.LINKS)
    if as_of is not None:
        rows = rows.filter(pl.col("decided_at") <= as_of)
    latest = rows.sort("decided_at", "removed").unique(PAIR, keep="last", maintain_order=True)
    return latest.filter("removed").select(PAIR).sort(PAIR).collect()


def split(lake: Lake, one: str, other: str, *, decided_at: datetime, reason: str = "", removed: bool = True) -> None:
    """Writes a tombstone for the link of two identities, or restores the link with `removed=False`.

    The next stitching splits their customer, unless other links still join them. Raises `DefinitionError` when an
    identity is not written `kind:value`, or when both are the same.
    """
    pair = sorted([parse_identity(one), parse_identity(other)])
    if pair[0] == pair[1]:
        raise DefinitionError("An identity cannot be split from itself.", expected="two identities")
    row = [*pair[0], *pair[1], removed, decided_at, reason]
    append(lake, LINKS, pl.DataFrame([row], schema=contract.LINKS, orient="row"))


def why_joined(
    events: pl.DataFrame | pl.LazyFrame,
    one: str,
    other: str,
    rules: LinkRules | None = None,
    removed: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """The shortest chain of links that joins two identities, with their evidence; empty if there is none.

    Columns: step (UInt32, from 1), kind, value, other_kind, other_value, events (Int64, that carry both), first_at,
    last_at (Datetime(us, UTC)), event_id (of the first). Raises `DefinitionError` for an identity that no event
    carries, that is denied or not written `kind:value`, and when both are the same.

    >>> events = pl.DataFrame({"customer_id": ["ann", "ann"], "anonymous_id": ["x", "y"], "occurred_at": [0, 1]})
    >>> chain = why_joined(events.cast({"occurred_at": pl.Datetime("us")}), "anonymous_id:x", "anonymous_id:y")
    >>> chain.select("value", "other_value").rows()
    [('x', 'ann'), ('ann', 'y')]
    """
    frame, rules = conform(events), rules or LinkRules()
    identities = identify(frame, rules, removed)
    nodes = _shortest_chain(identities, *_endpoints(identities, (one, other), rules))
    return _numbered_steps([_evidence(frame, identities, *link) for link in pairwise(nodes)], EVIDENCE)


def why_apart(
    events: pl.DataFrame | pl.LazyFrame,
    one: str,
    other: str,
    rules: LinkRules | None = None,
    removed: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """The shortest chain of events between two identities, whether or not its links join; empty if there is none.

    Shows why two identities are two customers although events lead from one to the other. Columns: those of
    `why_joined`, then Boolean: shared, other_shared (the identity is shared and joins no customers), tied, other_tied
    (shared because it is as near to one value of a unique kind as to another), removed (the link has a tombstone) and
    between_customers (each identity belongs to another value of a unique kind). Raises the same errors as `why_joined`.

    >>> events = pl.DataFrame({"customer_id": ["ann", "bob"], "anonymous_id": ["x", "x"], "occurred_at": [0, 1]})
    >>> rules = LinkRules.model_validate({"identities": {"max_degree": 1}})
    >>> events = events.cast({"occurred_at": pl.Datetime("us")})
    >>> chain = why_apart(events, "customer_id:ann", "customer_id:bob", rules)
    >>> chain.select("value", "other_value", "shared", "other_shared").rows()
    [('ann', 'x', False, True), ('x', 'bob', True, False)]
    """
    frame, rules = conform(events), rules or LinkRules()
    unlimited = rules.model_copy(
        update={"identities": rules.identities.model_copy(update={"max_degree": _NO_MAX_DEGREE, "unique": []})}
    )
    unguarded, guarded = identify(frame, unlimited), identify(frame, rules, removed).nodes
    none = pl.DataFrame(schema=dict.fromkeys(PAIR, pl.String))
    removed_links = tombstone_nodes(unguarded.nodes, none if removed is None else removed, rules.identities)
    removed_pairs = {frozenset(pair) for pair in removed_links.iter_rows()}
    nodes = _shortest_chain(unguarded, *_endpoints(unguarded, (one, other), rules))
    steps = [
        _evidence(frame, unguarded, a, b).with_columns(
            **_guards(guarded.row(a, named=True), guarded.row(b, named=True)),
            removed=pl.lit(frozenset((a, b)) in removed_pairs),
        )
        for a, b in pairwise(nodes)
    ]
    return _numbered_steps([step.select(EVIDENCE_APART.names()) for step in steps], EVIDENCE_APART)


def _guards(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, pl.Expr]:
    """Which guards keep the link of two nodes from joining."""
    shared, together = one["shared"] or other["shared"], one["component"] == other["component"]
    facts = {
        "shared": one["shared"],
        "other_shared": other["shared"],
        "tied": one["tied"],
        "other_tied": other["tied"],
        "between_customers": together and not shared and one["customer"] != other["customer"],
    }
    return {name: pl.lit(fact) for name, fact in facts.items()}


def parse_identity(text: str) -> tuple[str, str]:
    """Kind and value of an identity written `kind:value`.

    Raises `DefinitionError` for any other text.

    >>> parse_identity("customer_id:c:1")
    ('customer_id', 'c:1')
    """
    kind, colon, value = text.partition(":")
    if not (kind and colon and value):
        raise DefinitionError("This is not an identity.", expected="kind:value, such as customer_id:c123")
    return kind, value


def known_identity(text: str, rules: LinkRules) -> str:
    """Normalizes an identity written `kind:value`; addresses that the rules hash are replaced by their hash.

    Raises `DefinitionError` when it is not written that way, or cannot be hashed as an address.
    """
    kind, value = rules.identities.known(*parse_identity(text))
    if value is None:
        raise DefinitionError(
            "This identity must be hashed, but it is not a valid address.",
            expected=f"an address that can be hashed as {kind}",
        )
    return f"{kind}:{value}"


def _endpoints(identities: Identities, pair: tuple[str, str], rules: LinkRules) -> tuple[int, int]:
    """The rows of two identities in `identities.nodes`."""
    begin, end = (node_of(identities, parse_identity(each), rules) for each in pair)
    if begin == end:
        raise DefinitionError("Both are the same identity.", expected="two identities")
    return begin, end


def node_of(identities: Identities, identity: tuple[str, str], rules: LinkRules) -> int:
    """The row of an identity in `identities.nodes`."""
    kind, value = rules.identities.known(*identity)
    if pl.select(rules.identities.denied(pl.lit(value, pl.String), kind)).item():
        raise DefinitionError(f"This value of {kind} is on the deny list: it never links.", expected="another value")
    rows = identities.nodes.filter(pl.col("kind") == kind, pl.col("value") == pl.lit(value, pl.String))
    if rows.is_empty():
        kinds = identities.nodes["kind"].unique().sort().to_list()
        raise DefinitionError(
            f"No event carries this {kind}.",
            expected=f"a kind among {', '.join(kinds)}",
            do=(kind not in kinds and nearest(kind, kinds)) or "check the identity",
        )
    return int(rows["node"][0])


def _shortest_chain(identities: Identities, begin: int, end: int) -> list[int]:
    """The nodes on the shortest path between two nodes, both included; empty if there is none."""
    customer = identities.nodes["customer"]
    if customer[begin] != customer[end]:
        return []
    members = (customer == customer[begin]).arg_true().to_numpy()
    inside = identities.links[:, np.isin(identities.links[0], members)]
    graph = adjacency_matrix(np.searchsorted(members, inside), len(members))
    start, goal = (int(np.searchsorted(members, node)) for node in (begin, end))
    _, before = shortest_path(graph, directed=False, unweighted=True, indices=start, return_predecessors=True)
    chain = [goal]
    while chain[-1] != start:
        chain.append(int(before[chain[-1]]))
    return [int(members[each]) for each in reversed(chain)]


def _numbered_steps(steps: Sequence[pl.DataFrame], schema: pl.Schema) -> pl.DataFrame:
    chain = pl.concat([pl.DataFrame(schema=schema), *steps])
    return chain.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).alias("step"))


def _evidence(events: pl.LazyFrame, identities: Identities, one: int, other: int) -> pl.DataFrame:
    """Counts the events that carry both identities of one link, and finds the first and the last."""
    ends = [identities.nodes.row(node, named=True) for node in (one, other)]
    carries = [
        pl.any_horizontal(source.value == end["value"] for source in identities.sources if source.kind == end["kind"])
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
