"""What a page is made of: cards with a conclusion, a chart and its numbers, and the few values on top.

A part is a description. `reports.site.html` turns it into HTML, `reports.site.site` into files.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import polars as pl

Spec = dict[str, Any]


@dataclass(frozen=True)
class State:
    """What a card says instead of a chart: nothing there, too few, withheld."""

    symbol: str
    headline: str
    text: str


@dataclass(frozen=True)
class Table:
    """Numbers as a reader sees them: column heads, then rows of text; `words` are the columns that hold no numbers."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class Part:
    """One card. `frame` holds the numbers in full; it is published as a file beside the chart.

    `gesture` says what a reader can do with the chart, where a script draws it.
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
        """Where the files of the part lie within the report, by kind; pictures only of a part with a chart."""
        kinds = {"csv": "data", "parquet": "data"} | ({"svg": "charts", "png": "charts"} if self.spec else {})
        return {kind: f"{folder}/{self.id}.{kind}" for kind, folder in kinds.items()}


@dataclass(frozen=True)
class ValueCard:
    """One number on top of the page, what it is, and how it has changed."""

    label: str
    value: str
    detail: str = ""
    change: str = ""


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
    "Nothing has landed in the lake, or nothing in it belongs to a customer.",
)
