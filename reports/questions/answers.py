"""What analytics answered, ready to be published: the material that every page is made from.

`reports.questions.ask` fills it from a lake; tests fill it by hand. Every frame here has been through
`reports.privacy.stages`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import polars as pl

from reports.privacy.flow import Flow
from reports.questions.cube import Cube
from reports.questions.quality import Evidence


@dataclass(frozen=True)
class Facts:
    """How much there is, and of when. Counts of touches, customers and journeys; outcomes of journeys.

    A count that may not be seen is null.
    """

    touches: int
    customers: int | None
    journeys: int | None
    converted: int | None
    abandoned: int | None
    open: int | None
    first_at: datetime
    end_of_data: datetime


@dataclass(frozen=True)
class Pace:
    """How long journeys that reach the goal take from their first touch: half of them, nine in ten of them."""

    journeys: int
    median: timedelta
    nine_in_ten: timedelta


@dataclass(frozen=True)
class Shift:
    """The newest period less the one before, and its 95 % interval: of shares, or of times in days."""

    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class Origin:
    """What the numbers were made from, so that they can be made again."""

    definitions: str
    versions: dict[str, str] = field(default_factory=dict)
    offsets: dict[str, dict[int, int]] = field(default_factory=dict)
    """The last offset that was read, by topic and partition."""


@dataclass(frozen=True)
class Answers:
    """One report's material; what is null was not there, or nothing of it may be shown.

    `stages`, `segments`, `voice` and `changes` come from `reports.privacy.stages`, `flow` from `reports.privacy.flow`,
    `paths`, `positions`, `moves` and `used` from `reports.privacy.paths`, `weeks` from `reports.privacy.trends`,
    `times` and `incidence` (by the groups of `incidence_by`) from `reports.questions.pacing`, `pace_shift` and
    `voice_shifts` (by stage) from `reports.questions.periods`. `linked` is `way` String and `share` Float64 of touches.
    `stage_numbers` puts touchpoints in order for the graph; `goals` are its last ones.
    """

    facts: Facts
    goal: str
    window: timedelta
    stages: pl.DataFrame
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
    cube: Cube | None = None
    evidence: Evidence = field(default_factory=Evidence)
    origin: Origin = field(default_factory=lambda: Origin(""))
