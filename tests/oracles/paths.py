"""Transitions and flow by their definition, on plain lists: a unit is (customer, outcome, [(seconds, name), ...])."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Sequence
from statistics import median

Unit = tuple[str, str, Sequence[tuple[int, str]]]


def edges(units: Sequence[Unit], collapse: bool) -> dict[tuple[str, str], tuple[int, int, float | None]]:
    """How often each edge is taken, by how many customers, and the median wait in seconds."""
    taken: dict[tuple[str, str], list[float | None]] = defaultdict(list)
    who: dict[tuple[str, str], set[str]] = defaultdict(set)
    for customer, outcome, path in units:
        kept = [t for i, t in enumerate(path) if not collapse or i == 0 or path[i - 1][1] != t[1]]
        if not kept:
            continue
        steps: list[tuple[str, str, float | None]] = [("START", kept[0][1], None)]
        steps += [(a[1], b[1], b[0] - a[0]) for a, b in itertools.pairwise(kept)]
        steps += [(kept[-1][1], f"END_{outcome}", None)]
        for source, target, wait in steps:
            taken[source, target].append(wait)
            who[source, target].add(customer)
    result = {}
    for edge, waits in taken.items():
        known = [w for w in waits if w is not None]
        result[edge] = (len(waits), len(who[edge]), median(known) if known else None)
    return result


def routes(
    units: Sequence[Unit], start: str | None, end: str | None, depth: int, top: int, gap: int | None
) -> Counter[tuple[tuple[str, ...], str | None]]:
    """How many units take each route through the first positions, with the rest of each position joined."""
    found: list[tuple[list[str], str | None]] = []
    for _, outcome, path in units:
        route = route_of(list(path), f"END_{outcome}", start, end, gap)
        if route is not None:
            names, left = route
            found.append((names[:depth], left if len(names) < depth else None))
    kept = []
    for position in range(depth):
        counts = Counter(names[position] for names, _ in found if len(names) > position)
        kept.append({name for name, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:top]})
    return Counter(
        (tuple(name if name in kept[i] else "other" for i, name in enumerate(names)), left) for names, left in found
    )


def links(
    units: Sequence[Unit], start: str | None, end: str | None, depth: int, top: int, gap: int | None
) -> dict[tuple[int, str, str], tuple[int, int, int]]:
    """Of each link (position, source, target) the units, the customers and the units that convert."""
    single = [next(iter(routes([unit], start, end, depth, depth, gap)), None) for unit in units]
    kept = [
        {name for route, _ in routes(units, start, end, depth, top, gap) for name in route[position : position + 1]}
        for position in range(depth)
    ]
    who: dict[tuple[int, str, str], list[tuple[str, bool]]] = defaultdict(list)
    for (customer, outcome, _), single_route in zip(units, single, strict=True):
        if single_route is None:
            continue
        route, left = single_route
        names = [name if name in kept[place] else "other" for place, name in enumerate(route)]
        names += [left] if left else []
        for place, (source, target) in enumerate(itertools.pairwise(names)):
            who[place + 1, source, target].append((customer, outcome == "converted"))
    return {
        link: (len(taken), len({customer for customer, _ in taken}), sum(won for _, won in taken))
        for link, taken in who.items()
    }


def route_of(
    path: list[tuple[int, str]], leaves: str, start: str | None, end: str | None, gap: int | None
) -> tuple[list[str], str | None] | None:
    """One unit's names from its anchor on, and how it leaves; None when it does not have the anchor."""
    if end is not None and start is None:
        path, leaves, anchor = path[::-1], "START", end
    else:
        anchor = start
    if anchor is not None:
        places = [i for i, (_, name) in enumerate(path) if name == anchor]
        if not places:
            return None
        path = path[places[0] :]
    left: str | None = leaves
    if start is not None and end is not None:
        places = [i for i, (_, name) in enumerate(path) if name == end and i > 0]
        if not places:
            return None
        path, left = path[: places[0] + 1], None
    names = [name for _, name in path[:1]]
    for (before, _), (now, name) in itertools.pairwise(path):
        if gap is not None and abs(now - before) > gap:
            return names, "START" if leaves == "START" else "END_abandoned"
        names.append(name)
    return (names, left) if names else None
