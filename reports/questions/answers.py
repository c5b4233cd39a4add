"""The results that every page is built from, already safe to publish.

`reports.questions.ask` fills them from a lake; tests fill them by hand. Every frame has passed `reports.privacy`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from reports.privacy.flow import Flow
from reports.questions.cube import Cube
from reports.questions.quality import Evidence


@dataclass(frozen=True)
class Facts:
    """Totals and their period: touches, customers and journeys.

    A withheld count is null. Times are in the zone of the report.
    """

    touches: int
    customers: int | None
    journeys: int | None
    first_at: datetime
    end_of_data: datetime


@dataclass(frozen=True)
class Pace:
    """Time from the first touch to the goal, over journeys that reach it: median and 90th percentile."""

    journeys: int
    median: timedelta
    nine_in_ten: timedelta


@dataclass(frozen=True)
class Shift:
    """The newest period minus the one before, with its 95 % interval: a difference of shares, or of times in days."""

    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class Origin:
    """What the numbers were computed from, so that they can be reproduced."""

    definitions: str
    versions: dict[str, str] = field(default_factory=dict)
    offsets: dict[str, dict[int, int]] = field(default_factory=dict)
    """The last offset read, by topic and partition."""
    definition: dict[str, str] = field(default_factory=dict)
    """A hash of every part of the definitions (`reports.questions.definitions`)."""
    erasures: int = 0
    """How many erasures the lake had seen (`journeys forget`)."""


@dataclass(frozen=True)
class GoalDefinition:
    """What a goal means: its steps, its horizon, who is responsible, when it was reviewed, and its owner's words."""

    name: str
    steps: tuple[str, ...]
    horizon: timedelta
    owner: str = ""
    reviewed: str = ""
    says: str = ""


@dataclass(frozen=True)
class Answers:
    """All results of one report; a field is null where the data has none, or none may be published.

    `stages`, `segments`, `voice` and `changes` come from `reports.privacy.stages`, `flow` from `reports.privacy.flow`,
    `paths`, `positions`, `moves` and `used` from `reports.privacy.paths`, `weeks` from `reports.privacy.trends`,
    `problems` from `reports.questions.problems.act_first`,
    `times` and `incidence` (by the groups of `incidence_by`) from `reports.questions.pacing`, `pace_shift` and
    `voice_shifts` (by stage) from `reports.questions.periods`. `linked` is `way` String and `share` Float64 of touches.
    `attained` (from `reports.privacy.goals`) has the goals of journeys.toml, `definitions` says what they mean.
    `currency` is that of sums of money, null where they are of plain numbers. `stage_numbers` orders the touchpoints of
    the graph; `goals` are the touchpoints that end it. `counts` are all published counts by table and cell, and
    `rounded` says that some are in steps from earlier reports (`reports.privacy.steps`). `last_report` is the
    `site.json` of the newest report that is kept beside this one.
    """

    facts: Facts
    goal: str
    window: timedelta
    stages: pl.DataFrame
    currency: str | None = None
    segments: pl.DataFrame | None = None
    flow: Flow | None = None
    paths: pl.DataFrame | None = None
    positions: pl.DataFrame | None = None
    moves: pl.DataFrame | None = None
    used: pl.DataFrame | None = None
    weeks: pl.DataFrame | None = None
    linked: pl.DataFrame | None = None
    stage_numbers: dict[str, int] = field(default_factory=dict)
    goals: frozenset[str] = frozenset()
    pace: Pace | None = None
    pace_shift: Shift | None = None
    times: pl.DataFrame | None = None
    incidence: pl.DataFrame | None = None
    incidence_by: str | None = None
    changes: pl.DataFrame | None = None
    voice: pl.DataFrame | None = None
    voice_shifts: dict[str, Shift] = field(default_factory=dict)
    problems: pl.DataFrame | None = None
    attained: pl.DataFrame | None = None
    definitions: tuple[GoalDefinition, ...] = ()
    cube: Cube | None = None
    evidence: Evidence = field(default_factory=Evidence)
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    rounded: bool = False
    last_report: Mapping[str, Any] | None = None
    origin: Origin = field(default_factory=lambda: Origin(""))
