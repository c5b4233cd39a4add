"""What a report shows: its title, period, breakdowns, and how few customers may be counted in public.

Table `[report]` of journeys.toml.
"""

from __future__ import annotations

from datetime import date
from typing import Literal, Self

from pydantic import Field, model_validator

from expectations.config.file import Section

PageName = Literal["overview", "stages", "paths", "map", "trends", "explore", "quality"]
PAGES: tuple[PageName, ...] = ("overview", "stages", "paths", "map", "trends", "explore", "quality")


class ReportSettings(Section):
    """The table `[report]`. Durations are text with a unit, as everywhere in journeys.toml.

    >>> ReportSettings(segments=("device",)).k
    10
    """

    title: str = "Customer journeys"
    site: str = Field("site", description="folder that the report is published to, beside journeys.toml")
    window: str = Field("30d", description="time a customer has from the first stage to the goal")
    compare: str = Field("28d", description="length of the two periods that a change is measured between")
    first_day: date | None = Field(None, description="touches before this day are left out")
    last_day: date | None = Field(None, description="touches after this day are left out")
    trend_window: str = Field("7d", description="time to go on that the weekly trend gives a customer")
    segments: tuple[str, ...] = Field((), description="columns that every stage is broken down by")
    explore: tuple[str, ...] = Field(
        (), max_length=2, description="columns of [report] segments to filter by, at most two"
    )
    segment_names: dict[str, str] = Field({}, description="words shown for a column: age_band = 'Age'")
    values_per_segment: int = Field(12, ge=2, le=30, description="groups shown of one column, largest first")
    k: int = Field(10, ge=2, description="a count of 1 to k - 1 customers is withheld")
    least: int = Field(30, ge=2, description="a rate over fewer customers is not shown")
    flow_depth: int = Field(6, ge=2, le=8, description="positions shown in the flow of paths")
    flow_top: int = Field(6, ge=2, le=8, description="touchpoints shown per position; the rest is 'Other'")
    collapse: bool = Field(False, description="repeats of one touchpoint are joined wherever paths are read")
    stage_goals: dict[str, str] = Field({}, description="what customers want at a stage, for the journey map")
    pages: tuple[PageName, ...] = PAGES
    static: bool = Field(False, description="also one page without scripts, report_static.html, for mail and archives")
    files: bool = Field(
        False, description="also charts as PNG and SVG, numbers as Parquet, report.pdf and report_static.html"
    )
    keep: int = Field(10, ge=1, description="earlier reports kept in the site's runs folder")

    @model_validator(mode="after")
    def _days_in_order(self) -> Self:
        if self.first_day and self.last_day and self.first_day > self.last_day:
            raise ValueError("the first day no later than the last")
        return self

    def name_of(self, column: str) -> str:
        """The words shown for a column.

        >>> ReportSettings(segment_names={"age_band": "Age"}).name_of("age_band")
        'Age'
        >>> ReportSettings().name_of("age_band")
        'Age band'
        """
        return self.segment_names.get(column, column.replace("_", " ").capitalize())
