"""Counts the edges between neighbouring touches: how often, by how many customers, after what waits."""

from __future__ import annotations

import numpy as np

from analytics.engine.kernels.cache import compiled


@compiled
def number_edges(nodes, bounds, ends, groups, words, edges):
    """Write the number of every edge of every unit: from START (`words`) over its nodes to its end (`words + 1 + end`).

    An edge is numbered `(group * size + source) * size + target` with `size = words + 4`. A unit with `n` touches has
    `n + 1` edges, so that those of unit `u` begin at `bounds[u] + u`.
    """
    size = words + 4
    place = 0
    for u in range(len(bounds) - 1):
        before, base = words, groups[u] * size
        for i in range(bounds[u], bounds[u + 1]):
            node = np.int64(nodes[i])
            edges[place] = (base + before) * size + node
            before = node
            place += 1
        edges[place] = (base + before) * size + words + 1 + ends[u]
        place += 1


@compiled
def count_edges(edges, bounds, people, taken, customers):
    """Add up how often each edge is taken, and by how many customers; a customer's units lie side by side."""
    last = np.full(len(taken), -1, np.int64)
    place = 0
    for u in range(len(bounds) - 1):
        person = np.int64(people[u])
        for _ in range(bounds[u + 1] - bounds[u] + 1):
            edge = edges[place]
            taken[edge] += 1
            if last[edge] != person:
                last[edge] = person
                customers[edge] += 1
            place += 1


@compiled
def place_waits(edges, times, bounds, cursor, waits):
    """Write the wait of every inner edge to where `cursor` points for its edge, and move the pointer on."""
    for u in range(len(bounds) - 1):
        for i in range(bounds[u] + 1, bounds[u + 1]):
            edge = edges[i + u]
            waits[cursor[edge]] = times[i] - times[i - 1]
            cursor[edge] += 1


@compiled
def join_slices(flat, begins, lengths, joined):
    """Write slices of `flat` end to end."""
    place = 0
    for i in range(len(begins)):
        for k in range(begins[i], begins[i] + lengths[i]):
            joined[place] = flat[k]
            place += 1
