"""Describes a page: its value cards and its parts, each a conclusion with a chart and its numbers.

`reports.site.html` renders a page as HTML, `reports.site.site` writes its files.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from reports.charts.theme import Spec
from reports.words.subtitles import State
from reports.words.tables import Table
from reports.words.value_cards import ValueCard


@dataclass(frozen=True)
class Part:
    """One card. `frame` holds all its numbers and is published as a file beside the chart.

    `gesture` says how to interact with the chart, where a script draws it.
    `spec` is the chart without any configuration, `narrow` the same for a phone, `span` how many of twelve columns
    the card takes; `link` is a name and an address within the report's folder.
    """

    id: str
    title: str
    subtitle: str
    frame: pl.DataFrame
    gesture: str = ""
    table: Table | None = None
    spec: Spec | None = None
    narrow: Spec | None = None
    state: State | None = None
    span: int = 12
    link: tuple[str, str] | None = None

    @property
    def addresses(self) -> dict[str, str]:
        """Addresses of the part's files within the report, by kind; pictures only for a part with a chart."""
        kinds = {"csv": "data", "parquet": "data"} | ({"svg": "charts", "png": "charts"} if self.spec else {})
        return {kind: f"{folder}/{self.id}.{kind}" for kind, folder in kinds.items()}


@dataclass(frozen=True)
class Page:
    """One page of the site."""

    slug: str
    name: str
    title: str
    lede: str
    parts: tuple[Part, ...] = ()
    values: tuple[ValueCard, ...] = ()
    notices: tuple[str, ...] = field(default=())


EMPTY = State(
    "∅",
    "No journeys yet",
    "The lake holds no events, or none that belong to a customer.",
)
