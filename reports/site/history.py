"""Builds the page of earlier reports, with what changed from one to the next.

It reads the `site.json` of every kept run; runs without a readable file are left out.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, tzinfo
from typing import Any

import polars as pl

from reports.pages.cards import Page, Part
from reports.site.html import Site, render_static
from reports.site.places import Place
from reports.words.numbers import moment, percent, points, quoted

Run = tuple[str, dict[str, Any]]


def earlier_runs(place: Place) -> list[Run]:
    """The kept runs, newest first: the name of the folder and the content of its `site.json`."""
    runs: list[Run] = []
    for run in reversed(place.runs()):
        try:
            index = json.loads(place.index(run) or b"")
        except (OSError, ValueError):
            continue
        runs.append((run, index))
    return runs


def moved(later: dict[str, Any], earlier: dict[str, Any]) -> list[str]:
    """Changes between two reports, as sentences: definitions, then steps whose conversion changed.

    >>> moved({"definitions": "b"}, {"definitions": "a"})
    ['The definitions changed: numbers may differ for that reason alone.']
    """
    sentences = []
    if later.get("definitions") != earlier.get("definitions"):
        sentences.append("The definitions changed: numbers may differ for that reason alone.")
    before = _steps(earlier)
    for name, now in _steps(later).items():
        then = before.get(name)
        if then is None or abs(now["share"] - then["share"]) < 0.0005:
            continue
        apart = now["low"] > then["high"] or now["high"] < then["low"]
        gap = points(now["share"] - then["share"])
        doubt = "" if apart else ", not clear: the intervals overlap"
        sentences.append(f"Going on to {quoted(name)}: {percent(now['share'])}, {gap}{doubt}.")
    return sentences


def _steps(index: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Step conversion of a report, by the name of the step."""
    frames = [part["frame"] for page in index.get("pages", ()) for part in page["parts"] if part["id"] == "funnel"]
    if not frames or "share_of_previous" not in frames[0]:
        return {}
    frame = frames[0]
    columns = ("name", "share_of_previous", "share_of_previous_low", "share_of_previous_high")
    rows = zip(*(frame[column] for column in columns), strict=True)
    return {name: {"share": s, "low": low, "high": high} for name, s, low, high in rows if s is not None}


def history_page(runs: list[Run], title: str, zone: tzinfo = UTC) -> str:
    """A page without scripts that lists the runs, newest first, each with its changes since the previous one.

    Times are in `zone`.
    """
    parts = []
    for (name, index), previous in zip(runs, [*(index for _, index in runs[1:]), None], strict=True):
        built = moment(datetime.fromisoformat(index["built_at"]).astimezone(zone))
        changes = ["The first report that is kept."] if previous is None else moved(index, previous)
        parts.append(
            Part(
                id=f"run-{name}",
                title=f"{built}: {index['headline']}",
                subtitle=" ".join(changes or ["Nothing moved since the report before."]),
                frame=pl.DataFrame(),
                link=("Open this report", f"runs/{name}/index.html"),
            )
        )
    page = Page(
        slug="history",
        name="Earlier reports",
        title="Earlier reports",
        lede="Reports that are kept, newest first, and what moved from one to the next.",
        parts=tuple(parts),
    )
    return render_static(page, Site(title, (("Newest report", "index.html"),), (), "./"))
