"""Patterns over touches by their definition: a tree of what may follow, tried touch by touch; no regular expressions.

A pattern is nested tuples: ("touch", names, negated), ("then", a, b), ("or", a, b), ("many", a, least, most),
("begin",), ("end",), ("pause", test, seconds).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Path = list[tuple[int, str]]


def ends(node: Any, path: Path, place: int, before: int) -> Iterator[int]:
    """Every place to which a pattern can be read from `place`, the preferred first."""
    kind = node[0]
    if kind == "touch":
        if place < len(path) and (path[place][1] in node[1]) != node[2]:
            yield place + 1
    elif kind == "then":
        for middle in ends(node[1], path, place, before):
            yield from ends(node[2], path, middle, middle)
    elif kind == "or":
        yield from ends(node[1], path, place, before)
        yield from ends(node[2], path, place, before)
    elif kind == "many":
        yield from many(node, path, place, 0)
    elif (kind == "begin" and place == 0) or (kind == "end" and place == len(path)):
        yield place


def many(node: Any, path: Path, place: int, done: int) -> Iterator[int]:
    """As many repeats as possible first; a repeat reads a touch, unless it may be empty and is still required."""
    _, inner, least, most = node
    if done < most:
        for middle in ends(inner, path, place, place):
            if middle > place:
                yield from many(node, path, middle, done + 1)
    if done >= least or any(middle == place for middle in ends(inner, path, place, place)):
        yield place


def spans(node: Any, path: Path) -> list[tuple[int, int]]:
    """First touch and number of touches of every match; the next begins where the last is over."""
    found, place = [], 0
    while place < len(path):
        end = next(ends(node, path, place, place), None)
        if end is not None and end > place:
            found.append((place, end - place))
            place = end
        else:
            place += 1
    return found


def timed(first: str, sign: str, seconds: int, second: str, path: Path) -> list[tuple[int, int]]:
    """Matches of one touch, a pause, and one touch: of the earliest begin the earliest end."""
    tests = {"<": int.__lt__, "<=": int.__le__, ">": int.__gt__, ">=": int.__ge__, "=": int.__eq__}
    found, place = [], 0
    while place < len(path):
        later = [
            j
            for j in range(place + 1, len(path))
            if path[place][1] == first and path[j][1] == second and tests[sign](path[j][0] - path[place][0], seconds)
        ]
        if later:
            found.append((place, later[0] - place + 1))
        place = later[0] + 1 if later else place + 1
    return found
