"""Reduces a flow to fewer touchpoints for small screens: the smallest of every position join "Other".

It uses published numbers only: counts are sums of published counts, and a share that includes a bound reads "about".
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Any

import polars as pl

from reports.privacy.flow import LINKS, NODES, OTHER, THROUGH, Flow, Node
from reports.privacy.rules import rough_share
from reports.words.numbers import MISSING, percent

Rows = list[dict[str, Any]]


def fewer(flow: Flow, max_touchpoints: int) -> Flow:
    """The flow with the `max_touchpoints` largest touchpoints of every position, its goals, and the rest as "Other"."""
    names = _names(flow, max_touchpoints)
    nodes = _joined(flow.nodes, ("position", "touchpoint"), names, ("left_share", "goal_share"))
    units_of = {(row["position"], row["touchpoint"]): row["units"] for row in nodes}
    for row in nodes:
        row["share"] = round(row["units"] / flow.units, 4)
        row["kind"] = OTHER if row["touchpoint"] == OTHER else row["kind"]
    links = _joined(flow.links, ("position", "source", "target"), names, ("goal_share",))
    for row in links:
        units, whole = row["units"], units_of[row["position"], row["source"]]
        share = rough_share(units, whole, 10) if flow.rounded else round(units / whole, 3)
        row["share_of_source"] = None if share is None else min(1.0, share)
    through = _joined(flow.through, ("position", "source", "target", "at", "touchpoint"), names, ())
    return replace(
        flow,
        nodes=pl.DataFrame(nodes, schema=NODES).sort("position", "touchpoint"),
        links=pl.DataFrame(links, schema=LINKS).sort("position", "source", "target"),
        through=pl.DataFrame(through, schema=THROUGH).sort(pl.all()),
    )


def _names(flow: Flow, max_touchpoints: int) -> dict[Node, str]:
    """The name of every node in the smaller flow."""
    names = {}
    for nodes in flow.nodes.partition_by("position"):
        ranked = nodes.filter(pl.col("kind") == "touchpoint").sort("units", "touchpoint", descending=[True, False])
        kept = {*ranked["touchpoint"].head(max_touchpoints), *nodes.filter(pl.col("kind") == "goal")["touchpoint"]}
        for position, touchpoint in nodes.select("position", "touchpoint").iter_rows():
            names[position, touchpoint] = touchpoint if touchpoint in kept else OTHER
    return names


def _joined(frame: pl.DataFrame, keys: tuple[str, ...], names: dict[Node, str], shares: tuple[str, ...]) -> Rows:
    """Merges rows with equal keys: units are summed, shares are means weighted by units."""
    alike: dict[tuple[Any, ...], Rows] = defaultdict(list)
    for row in frame.to_dicts():
        if "source" in row:
            row["source"] = names.get((row["position"], row["source"]), OTHER)
            row["target"] = names.get((row["position"] + 1, row["target"]), OTHER)
        if "touchpoint" in row:
            row["touchpoint"] = names.get((row.get("at", row["position"]), row["touchpoint"]), OTHER)
        alike[tuple(row[key] for key in keys)].append(row)
    return [rows[0] if len(rows) == 1 else _merged(rows, shares) for rows in alike.values()]


def _merged(rows: Rows, shares: tuple[str, ...]) -> dict[str, Any]:
    units = sum(row["units"] for row in rows)
    merged = {**rows[0], "units": units}
    for share in shares:
        text = share.replace("share", "text")
        mean = sum(row[share] * row["units"] for row in rows) / units if units else 0.0
        if any(row[text] == MISSING for row in rows):
            merged |= {share: 0.0, text: MISSING}
            continue
        is_exact = not any(row[text].startswith(("under", "over")) for row in rows)
        merged |= {share: round(mean, 4), text: percent(mean) if is_exact else f"about {percent(mean)}"}
    return merged
