"""What the explorer asks: a lake, and the parts of its configuration that questions need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from analytics import Funnel, Goal, Paths
from expectations.lake.layout import Lake
from explorer.tens import in_tens, told
from reports.settings import ReportSettings

Bind = Callable[[Paths, Sequence[str], dict[str, Any]], tuple[Paths, Funnel]]
"""Turns steps and rules into a checked funnel, and the paths into those with the segments that it names."""
Compared = Callable[[Paths, Funnel, Sequence[str]], pl.DataFrame]
"""Compares the groups that it names in a funnel."""
Members = Callable[[Paths, Sequence[str], str], Paths]
"""The paths of those units (journeys, sessions or customers) alone that begin in the segments that it names."""


@dataclass(frozen=True)
class Source:
    """A lake and how it is asked.

    `config` is the configuration file as the command takes it. `segments` are the names that an entrant can be a member
    of, `columns` those of touches that questions may break down by or have conditions on. `funnels` are the names of
    configured funnels, `goals` the goals, the main one first. `is_shared` answers in tens, for readers behind a proxy.
    """

    lake: Lake
    report: ReportSettings
    config: str
    segments: tuple[str, ...]
    columns: tuple[str, ...]
    funnels: tuple[str, ...]
    goals: tuple[Goal, ...]
    bind: Bind
    compared: Compared
    members: Members
    is_shared: bool = False

    def told(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The answer of `funnel` or `trend` as it is told."""
        return in_tens(frame, self.report.k) if self.is_shared else frame

    @property
    def fewest(self) -> int:
        """The least count of customers that is told."""
        return self.report.k if self.is_shared else 0

    def told_number(self, number: int) -> int:
        """A count of customers as it is told."""
        return told(number, self.report.k) if self.is_shared else number
