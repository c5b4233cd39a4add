"""Keeps people apart who share a device: a customer has at most one value of a *unique* kind, such as customer_id.

Events may connect two values of a unique kind: two people log in on one device. Then every other identity of their
component belongs to the value that it reaches over the fewest links, and a link between identities of two values joins
nothing. An identity at equal distance to two values is *tied*: it is shared, and stops linking. With several unique
kinds the rule applies to each in turn, the most trusted first, to what the kinds before it left.

The result depends on the set of links only, and only components with two values of a unique kind are searched.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import breadth_first_order, dijkstra

from analytics.identity.columns import Mask, NodeNumbers


@dataclass(frozen=True)
class Labels:
    """The customer of every node as any number that its nodes have in common, the links that join, the tied nodes."""

    label: NodeNumbers
    links: NodeNumbers
    tied: Mask


def split_by_unique(labels: Labels, values: Mask) -> Labels:
    """Splits the customers that have two of the nodes marked in `values`."""
    label, links, tied = labels.label, labels.links, labels.tied
    conflict = np.bincount(label[values], minlength=label.max(initial=-1) + 1) > 1
    if not conflict.any():
        return labels
    members = np.flatnonzero(conflict[label])
    inside = conflict[label[links[0]]]
    graph = adjacency_matrix(np.searchsorted(members, links[:, inside]), len(members))
    owner, is_tied = _nearest(graph, np.flatnonzero(values[members]))
    label, tied = label.copy(), tied.copy()
    first = label.max() + 1
    label[members] = first + np.where(is_tied, np.arange(len(members)), owner)
    tied[members] |= is_tied
    return Labels(label, links[:, label[links[0]] == label[links[1]]], tied)


def adjacency_matrix(links: NodeNumbers, count: int) -> coo_matrix:
    """The links as a sparse matrix for scipy's graph routines."""
    return coo_matrix((np.ones(links.shape[1], np.int8), (links[0], links[1])), shape=(count, count))


def _nearest(graph: coo_matrix, values: NodeNumbers) -> tuple[NodeNumbers, Mask]:
    """The value nearest to every node, and whether another value is as near; every node must reach a value."""
    distance, _, owner = dijkstra(
        graph, directed=False, indices=values, unweighted=True, min_only=True, return_predecessors=True
    )
    near, far = np.hstack([(graph.row, graph.col), (graph.col, graph.row)])
    outward = distance[near] + 1 == distance[far]
    near, far = near[outward], far[outward]
    # A node is tied where paths of two values meet, and wherever the shortest paths lead on from there.
    meeting = np.unique(far[owner[near] != owner[far]])
    count, tied = graph.shape[0], np.zeros(graph.shape[0], np.bool_)
    onward = np.hstack([np.stack([near, far]), np.stack([np.full(len(meeting), count), meeting])])
    tied[breadth_first_order(adjacency_matrix(onward, count + 1), count, return_predecessors=False)[1:]] = True
    return owner, tied
