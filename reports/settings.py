"""Settings of the report, table `[report]` of journeys.toml: title, period, breakdowns and privacy thresholds."""

from __future__ import annotations

from datetime import date
from typing import Literal, Self

from pydantic import Field, model_validator

from expectations.config.file import Section

PageName = Literal["summary", "journey", "customers", "routes", "change", "trust", "explore"]
PAGES: tuple[PageName, ...] = ("summary", "journey", "customers", "routes", "change", "trust", "explore")


class ReportSettings(Section):
    """The table `[report]`. Durations are text with a unit, such as "30d".

    >>> ReportSettings(segments=("device",)).k
    10
    """

    title: str = "Customer journeys"
    site: str = Field("site", description="folder the report is published to, relative to journeys.toml")
    window: str | None = Field(
        None, description="time a journey has to the goal; by default 30d, or the journey gap where that is shorter"
    )
    compare: str = Field("28d", description="length of each of the two periods that are compared")
    first_day: date | None = Field(None, description="only journeys that begin from this day")
    last_day: date | None = Field(None, description="only journeys that begin up to this day")
    trend_window: str = Field("7d", description="time to the goal in the weekly trend")
    segments: tuple[str, ...] = Field((), description="columns by which every stage is broken down")
    explore: tuple[str, ...] = Field(
        (), max_length=2, description="columns of [report] segments that the Explore page filters by, at most two"
    )
    segment_names: dict[str, str] = Field({}, description="display name of a column: age_band = 'Age'")
    values_per_segment: int = Field(12, ge=2, le=30, description="groups shown per column, largest first")
    k: int = Field(10, ge=2, description="a count of 1 to k - 1 customers is withheld")
    least: int = Field(30, ge=2, description="a rate over fewer customers is not shown")
    flow_depth: int = Field(6, ge=2, le=8, description="positions shown in the path flow")
    flow_top: int = Field(6, ge=2, le=8, description="touchpoints shown per position; the rest is 'Other'")
    collapse: bool = Field(False, description="consecutive repeats of a touchpoint are merged in all path charts")
    stage_goals: dict[str, str] = Field({}, description="what customers want at a stage, for the journey map")
    pages: tuple[PageName, ...] = PAGES
    static: bool = Field(
        False, description="also write report_static.html, one page without scripts, for mail and archives"
    )
    files: bool = Field(
        False, description="also write charts as PNG and SVG, numbers as Parquet, report.pdf and report_static.html"
    )
    keep: int = Field(10, ge=1, description="earlier reports kept in the site's runs folder")

    @model_validator(mode="after")
    def _days_in_order(self) -> Self:
        if self.first_day and self.last_day and self.first_day > self.last_day:
            raise ValueError("the first day no later than the last")
        return self

    def name_of(self, column: str) -> str:
        """The display name of a column.

        >>> ReportSettings(segment_names={"age_band": "Age"}).name_of("age_band")
        'Age'
        >>> ReportSettings().name_of("age_band")
        'Age band'
        """
        return self.segment_names.get(column, column.replace("_", " ").capitalize())
