"""Builds the page of earlier reports, with what changed from one to the next.

It reads the `site.json` of every kept run. Folders that no report wrote are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

import polars as pl

from reports.pages.cards import Page, Part
from reports.questions.definitions import changed_definitions
from reports.site.html import Site, render_static
from reports.site.places import Run
from reports.words.numbers import day, moment, percent, points
from reports.words.since import SHARE, not_compared, since

SMALLEST: Final = 0.0005
"""Shares that moved by less are not named."""


def moved(later: Mapping[str, Any], earlier: Mapping[str, Any]) -> list[str]:
    """Changes between two reports, as sentences: the definitions that changed, else the shares that moved.

    >>> moved({"definition": {"window": "b"}}, {"definition": {"window": "a"}})
    ['The definition changed (window): the numbers are not compared.']
    """
    frame = since(later, earlier)
    if frame is None:
        return [not_compared(changed_definitions(later, earlier))]
    sentences = []
    for row in frame.filter(pl.col("kind") == SHARE, pl.col("difference").abs() >= SMALLEST).iter_rows(named=True):
        doubt = "" if row["clear"] else ", not clear"
        cause = f" ({row['cause']})" if row["cause"] else ""
        sentences.append(f"{row['measure']}: {percent(row['now'])}, {points(row['difference'])}{doubt}{cause}.")
    return sentences


def history_page(runs: list[Run], title: str, zone: tzinfo = UTC) -> str:
    """A page without scripts that lists the runs, newest first, each with its changes since the previous one.

    Times are in `zone`.
    """
    parts = []
    for position, (name, index) in enumerate(runs):
        previous = next((earlier for _, earlier in runs[position + 1 :] if "withdrawn" not in earlier), None)
        built = moment(datetime.fromisoformat(index["built_at"]).astimezone(zone))
        if "withdrawn" in index:
            parts.append(_withdrawn(name, built, datetime.fromisoformat(index["withdrawn"]).astimezone(zone)))
            continue
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


def _withdrawn(run: str, built: str, at: datetime) -> Part:
    """The line of a withdrawn report."""
    return Part(
        id=f"run-{run}",
        title=f"{built}: withdrawn",
        subtitle=f"Withdrawn on {day(at)}: a customer was erased.",
        frame=pl.DataFrame(),
    )
