"""Lays out the graph of moves: touchpoints in layers by stage, ordered by their neighbours.

Layers come from the order of stages; a touchpoint without a stage joins the stage it most often moves from or to.
Within a layer touchpoints are sorted by the centre of their neighbours, in a few sweeps, which keeps arrows short.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

EDGE = 70
SWEEPS = 6
PER_COLUMN = 3
MAX_COLUMNS = 3
PITCH = 104.0
STAGGER = 34.0
Moves = list[dict[str, Any]]
Places = dict[str, tuple[float, float]]


def across(visits: dict[str, int], moves: Moves, layers: dict[str, int], width: float, height: float) -> Places:
    """Stages from left to right: x by stage and column, y by a touchpoint's neighbours."""
    columns = _columns(visits, moves, layers, MAX_COLUMNS)
    step = (width - 2 * EDGE) / max(len(columns) - 1, 1)
    places = {}
    for at, names in enumerate(columns):
        for i, name in enumerate(names):
            high = (i + 0.5) / len(names) * (height - 50) + 8
            shift = (0.5 if at % 2 else -0.5) * min(70.0, height / len(names) / 3)
            places[name] = (EDGE + at * step, min(max(high + shift, 30.0), height - 50.0))
    return places


def down(visits: dict[str, int], moves: Moves, layers: dict[str, int], width: float) -> Places:
    """Stages from top to bottom, at most three touchpoints side by side; the middle one is a little lower."""
    places = {}
    for at, names in enumerate(_columns(visits, moves, layers, len(visits))):
        for i, name in enumerate(names):
            lower = STAGGER if len(names) > 1 and i % 2 else 0.0
            places[name] = ((i + 0.5) / len(names) * width, 26 + at * PITCH + lower)
    return places


def _columns(visits: dict[str, int], moves: Moves, layers: dict[str, int], max_columns: int) -> list[list[str]]:
    """Touchpoints by stage, a stage with many of them in several columns, each ordered by its neighbours."""
    stages: dict[int, list[str]] = defaultdict(list)
    for name in sorted(visits, key=lambda name: (-visits[name], name)):
        stages[_column(name, moves, layers)].append(name)
    columns: dict[int, list[str]] = {}
    for stage in sorted(stages):
        for part in _side_by_side(stages[stage], moves, max_columns):
            columns[len(columns)] = part
    order = sorted(columns)
    rank = {name: float(i) for column in order for i, name in enumerate(columns[column])}
    for sweep in range(SWEEPS):
        for column in order if sweep % 2 == 0 else reversed(order):
            middle = {name: _pull(name, moves, rank) for name in columns[column]}
            columns[column].sort(key=lambda name: (middle[name], name))
            for i, name in enumerate(columns[column]):
                rank[name] = (i + 0.5) / len(columns[column]) * 10
    return [columns[column] for column in order]


def _side_by_side(names: list[str], moves: Moves, max_columns: int) -> list[list[str]]:
    """A stage with many touchpoints as several columns: those that lead to the others on the left."""
    parts = min(max_columns, -(-len(names) // PER_COLUMN))
    own = set(names)

    def forward(name: str) -> float:
        into = sum(m["transitions"] for m in moves if m["target"] == name and m["source"] in own)
        out = sum(m["transitions"] for m in moves if m["source"] == name and m["target"] in own)
        return float((out - into) / max(out + into, 1))

    ranked = sorted(names, key=lambda name: (-forward(name), name))
    size = -(-len(ranked) // parts)
    return [ranked[at : at + size] for at in range(0, len(ranked), size)]


def _column(name: str, moves: Moves, layers: dict[str, int]) -> int:
    """The touchpoint's stage; one without a stage joins the stage it most often moves from or to."""
    if name in layers:
        return layers[name]
    near: Counter[int] = Counter()
    for move in moves:
        for own, other in (("source", "target"), ("target", "source")):
            if move[own] == name and move[other] in layers:
                near[layers[move[other]]] += move["transitions"]
    return near.most_common(1)[0][0] if near else 0


def _pull(name: str, moves: Moves, rank: dict[str, float]) -> float:
    pulls = [
        (move["transitions"], rank[move["target" if move["source"] == name else "source"]])
        for move in moves
        if name in (move["source"], move["target"])
    ]
    weight = sum(units for units, _ in pulls)
    return sum(units * at for units, at in pulls) / weight if weight else rank[name]
