"""Describes a page: its value cards and its parts, each a conclusion with a chart and its numbers.

`reports.site.html` renders a page as HTML, `reports.site.site` writes its files.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Final

import polars as pl

from reports.charts.canvas import PAPER
from reports.charts.people.measured import Heads, Measured, measured_rows, narrow_measured_rows
from reports.charts.theme import Spec, specification
from reports.words.subtitles import State
from reports.words.tables import Table
from reports.words.value_cards import ValueCard


@dataclass(frozen=True)
class Part:
    """One card. `frame` holds all its numbers and is published as a file beside the chart.

    `method` says how the numbers are counted, folded below the chart. `gesture` says how to interact with the chart,
    where a script draws it. `spec` is the chart without any configuration, `narrow` the same for a phone, `failure` why
    there is none, `span` how many of twelve columns the card takes; `link` is a name and an address within the report's
    folder. `paper` draws the chart for an A4 sheet, where it is to be another than the wide one.
    """

    id: str
    title: str
    subtitle: str
    frame: pl.DataFrame
    method: str = ""
    gesture: str = ""
    table: Table | None = None
    spec: Spec | None = None
    narrow: Spec | None = None
    paper: Callable[[], Spec] | None = None
    state: State | None = None
    span: int = 12
    link: tuple[str, str] | None = None
    failure: str = ""

    def drawn(
        self, wide: Callable[[], Spec], narrow: Callable[[], Spec], paper: Callable[[], Spec] | None = None
    ) -> Part:
        """The card with its charts, unless it has a state already.

        A chart that cannot be drawn costs no other card: the card says so, and keeps its table; `failure` says why.
        """
        if self.state is not None:
            return self
        try:
            return replace(self, spec=wide(), narrow=narrow(), paper=paper and cache(paper))
        except Exception as error:  # noqa: BLE001 - whatever fails in a chart is told in its card
            return replace(self, state=UNDRAWN, failure=failure_of(self.id, error))

    def drawn_as_rows(self, rows: Sequence[Measured], heads: Heads, described: str) -> Part:
        """The card with a share and its interval in every row; `described` begins the alternative text."""
        return self.drawn(
            lambda: specification(measured_rows(rows, heads, described)),
            lambda: specification(narrow_measured_rows(rows, heads, described)),
            lambda: specification(measured_rows(rows, heads, described, PAPER)),
        )

    def paper_spec(self) -> Spec | None:
        """The chart for an A4 sheet; null for a card without a chart."""
        return self.spec if self.spec is None or self.paper is None else self.paper()

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


def failure_of(name: str, error: Exception) -> str:
    """What a card or a page could not be made for, in a line; the log has the whole trace."""
    logging.getLogger(__name__).error("%s could not be made", name, exc_info=error)
    return f"{name}: {type(error).__name__}: {error}".splitlines()[0][:300]


UNDRAWN: Final = State("▲!", "This chart could not be drawn", "The table below has the same numbers.")
UNMADE: Final = State("▲!", "Something on it failed", "The log says what; the numbers are not affected.")
EMPTY = State(
    "∅",
    "No journeys yet",
    "The lake holds no events, or none that belong to a customer.",
)
