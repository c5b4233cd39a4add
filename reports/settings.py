"""Settings of the report, table `[report]` of journeys.toml: title, period, breakdowns and privacy thresholds."""

from __future__ import annotations

from datetime import date
from typing import Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import Field, field_validator, model_validator

from expectations.config.file import Section
from expectations.errors import nearest

PageName = Literal["summary", "journey", "customers", "routes", "change", "trust", "explore"]
PAGES: tuple[PageName, ...] = ("summary", "journey", "customers", "routes", "change", "trust", "explore")


class ReportSettings(Section):
    """The table `[report]`. Durations are text with a unit, such as "30d".

    >>> ReportSettings(segments=("device",)).k
    10
    """

    title: str = Field(default="Customer journeys", description="the title of the site")
    site: str = Field("site", description="folder the report is published to, relative to journeys.toml")
    window: str | None = Field(
        None, description="time a journey has to the goal; by default 30d, or the journey gap where that is shorter"
    )
    timezone: str = Field("UTC", description="IANA name of the zone of days, weeks and all printed times")
    value: str | None = Field(
        None, description="numeric column of the goal's value, such as revenue; without it the report shows no money"
    )
    money: tuple[str, ...] = Field(("revenue",), description="value columns that are amounts of money")
    currency: str | None = Field(
        None, pattern=r"^[A-Z]{3}$", description="currency of all sums of money; by default that of all touches"
    )
    rates: str | None = Field(
        None, description="CSV file with date, currency, rate (what one unit is worth), relative to journeys.toml"
    )
    returns: tuple[str, ...] | None = Field(
        None, description="touchpoints after the goal that take its value off; by default those of kind order"
    )
    compare: str = Field("28d", description="length of each of the two periods that are compared")
    first_day: date | None = Field(None, description="only journeys that begin from this day")
    last_day: date | None = Field(None, description="only journeys that begin up to this day")
    trend_window: str = Field("7d", description="time to the goal in the weekly trend")
    segments: tuple[str, ...] = Field(
        (), description="columns by which every stage is broken down; a segment is segment:NAME, personas are persona"
    )
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
    pages: tuple[PageName, ...] = Field(default=PAGES, description="the pages to build")
    static: bool = Field(
        False, description="also write report_static.html, one page without scripts, for mail and archives"
    )
    files: bool = Field(
        False, description="also write charts as PNG and SVG, numbers as Parquet, report.pdf and report_static.html"
    )
    maturity: bool = Field(True, description="Trust has the card of maturity, where maturity.toml has answers")
    keep: int = Field(10, ge=1, description="reports kept in the site's runs folder, the newest included")

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            hint = nearest(name, sorted(available_timezones()))
            raise ValueError(f"there is no time zone {name!r}; {hint or 'name one such as Europe/Berlin'}") from None
        return name

    @model_validator(mode="after")
    def _days_in_order(self) -> Self:
        if self.first_day and self.last_day and self.first_day > self.last_day:
            raise ValueError("the first day no later than the last")
        return self

    @model_validator(mode="after")
    def _rates_of_a_currency(self) -> Self:
        if self.rates is not None and self.currency is None:
            raise ValueError("a currency beside rates: that which they convert to")
        return self

    @property
    def zone(self) -> ZoneInfo:
        """The zone of days, weeks and printed times."""
        return ZoneInfo(self.timezone)

    def name_of(self, column: str) -> str:
        """The display name of a column.

        >>> ReportSettings(segment_names={"age_band": "Age"}).name_of("age_band")
        'Age'
        >>> ReportSettings().name_of("age_band")
        'Age band'
        """
        return self.segment_names.get(column, column.replace("_", " ").capitalize())
