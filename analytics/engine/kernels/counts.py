"""Counts chains and edges: how many of each group reach each step, how often each edge occurs, and the waits."""

from __future__ import annotations

import numpy as np

from analytics.engine.kernels.cache import compiled


@compiled
def count_reached(chains, times, firsts, groups, latest, everyone, reached, opened):
    """Count the chains that reach each step: one row per group, one column per step.

    `groups` is the group of every chain. An entrant is mature whose first entry is not after `latest`; `reached` counts
    the mature, or with `everyone` all; `opened` those not mature.
    """
    for row in range(len(chains)):
        group, mature = groups[row], np.int64(times[firsts[row]]) <= latest
        for k in range(chains.shape[1]):
            there = chains[row, k] >= 0
            reached[group, k] += there & (mature | everyone)
            opened[group, k] += there & (not mature)


@compiled
def collect_waits(chains, times, firsts, groups, previous, latest, everyone, unit, places, waits):
    """Write the wait of every chain that counts for every step, since step `previous[k]`, in units of one.

    `places[group, k]` is the position of the next wait of a group for step `k`; it is advanced.
    """
    for row in range(len(chains)):
        if not (everyone or np.int64(times[firsts[row]]) <= latest):
            continue
        group = groups[row]
        for k in range(1, chains.shape[1]):
            if chains[row, k] >= 0:
                since = np.int64(times[chains[row, previous[k]]])
                waits[places[group, k]] = (np.int64(times[chains[row, k]]) - since) * unit
                places[group, k] += 1


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
def close_customer(own, shares, customers, squares):
    """Add what one customer has in a cell to the cell's `customers` and `squares`."""
    for k in range(len(own)):
        customers[k] += own[k] > 0
    for k in range(len(shares)):
        part, whole = own[shares[k, 0]], own[shares[k, 1]]
        squares[k, 0] += whole * whole
        squares[k, 1] += whole * part
        squares[k, 2] += part * part


@compiled
def add_by_customer(cells, units, people, values, before, shares, sums, customers, squares):
    """Add up the values of the units in each cell, and the products of their customers' sums.

    Entry `i` says that unit `units[i]` lies in cell `cells[i]`; a unit counts once in a cell. The entries of a unit lie
    side by side, and so do the units of a customer, `people[unit]`. What a customer has in a cell is `before[unit]`
    (nothing where `before` has no rows) and `values[unit]` of each unit there. Written per cell: `sums` of `values`,
    how many `customers` have more than nothing of each, and for every pair (part, whole) of `shares` the `squares`,
    the sums over customers of whole times whole, whole times part, and part times part.
    """
    size, width = sums.shape
    own = np.zeros((size, width), np.int64)
    last_unit = np.full(size, -1, np.int64)
    last_person = np.full(size, -1, np.int64)
    for i in range(len(cells)):
        cell, unit = cells[i], np.int64(units[i])
        if unit == last_unit[cell]:
            continue
        last_unit[cell] = unit
        person = np.int64(people[unit])
        if person != last_person[cell]:
            if last_person[cell] >= 0:
                close_customer(own[cell], shares, customers[cell], squares[cell])
            last_person[cell] = person
            for k in range(width):
                own[cell, k] = before[unit, k] if len(before) else 0
        for k in range(width):
            own[cell, k] += values[unit, k]
            sums[cell, k] += values[unit, k]
    for cell in range(size):
        if last_person[cell] >= 0:
            close_customer(own[cell], shares, customers[cell], squares[cell])


@compiled
def count_distinct(cells, things, counts):
    """Count the distinct things of each cell; equal things lie side by side."""
    last = np.full(len(counts), -1, np.int64)
    for i in range(len(cells)):
        if last[cells[i]] != things[i]:
            last[cells[i]] = things[i]
            counts[cells[i]] += 1
