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
from reports.privacy.watches import Incidents
from reports.questions.cube import Cube
from reports.questions.people.asked import PeopleSettings
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
    refused: int | None = None
    """The version of the quarantine; null where nothing was ever refused."""
    asked: dict[str, str] = field(default_factory=dict)
    """A hash of all else that decides what the pages say (`reports.questions.definitions.asked_hashes`)."""
    beside: tuple[str, ...] = ()
    """The reports beside which this one was published, newest first: counts are in steps from theirs."""


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
class OwnedDefinition:
    """A segment, a journey or a funnel of journeys.toml: who is responsible, when it was reviewed, its owner's words.

    A funnel has no version.
    """

    kind: str
    name: str
    version: int | None
    owner: str = ""
    reviewed: str = ""
    says: str = ""


@dataclass(frozen=True)
class Targets:
    """The targets of the journeys of `[[journeys]]`, from `reports.questions.products`.

    `targets` has one row per target: its last cohort that is over, with the value of the cohort before
    (`value_before`), and whether the journey is on course; `cohorts` all cohorts, the oldest first; `causes` what is
    worth a sentence of what moved; `changes` what differs after changes that were made (`analytics.product_changes`).
    `goals` are the goals of the journeys by name.
    """

    targets: pl.DataFrame
    cohorts: pl.DataFrame
    causes: pl.DataFrame
    changes: pl.DataFrame
    goals: Mapping[str, str]


@dataclass(frozen=True)
class PersonaNote:
    """How personas were made: the number of the `fit`, null by rules; how long customers were observed, and with how
    many touches at `least`.
    """

    fit: int | None
    observed: timedelta
    least: int


@dataclass(frozen=True)
class Personas:
    """The personas as they may be published (`reports.questions.people.personas`), and how they were made."""

    frame: pl.DataFrame
    note: PersonaNote


@dataclass(frozen=True)
class Outlook:
    """How many of the journeys under way should reach the `goal` within `horizon`, as far as it may be published.

    `frame` comes from `reports.questions.people.outlook`. `model` made the chances, from what was known at `learned`
    cutoffs; it was tested at one, `tested`; `at` is the end of the data.
    """

    frame: pl.DataFrame
    goal: str
    horizon: timedelta
    model: str
    at: datetime
    tested: datetime
    learned: int


@dataclass(frozen=True)
class People:
    """Who the customers are and where they stand; a field is null where the data has none, or none may be published.

    `personas` come from `reports.questions.people.personas`, `contacts` and `moments` from
    `reports.questions.people.help`, `said` and `said_at` from `reports.questions.people.themes`, `believed` from
    `reports.questions.people.beliefs`, `outlook` from `reports.questions.people.outlook`, the rest from
    `reports.questions.people.people`; `asked` is what they mean.
    """

    personas: Personas | None = None
    sizes: pl.DataFrame | None = None
    standing: pl.DataFrame | None = None
    contacts: pl.DataFrame | None = None
    moments: pl.DataFrame | None = None
    said: pl.DataFrame | None = None
    said_at: pl.DataFrame | None = None
    believed: pl.DataFrame | None = None
    outlook: Outlook | None = None
    asked: PeopleSettings | None = None


@dataclass(frozen=True)
class Answers:
    """All results of one report; a field is null where the data has none, or none may be published.

    `stages`, `segments`, `voice` and `changes` come from `reports.privacy.stages`, `flow` from `reports.privacy.flow`,
    `paths`, `positions`, `moves` and `used` from `reports.privacy.paths`, `weeks` from `reports.privacy.trends`,
    `problems` from `reports.questions.problems.act_first`, `pains` and `friction` from
    `reports.questions.problems.pains`,
    `incidents` from `reports.privacy.watches`,
    `times` and `incidence` (by the groups of `incidence_by`) from `reports.questions.time.pacing`, `pace_shift` and
    `voice_shifts` (by stage) from `reports.questions.time.periods`. `linked` is `way` String and `share` Float64 of
    touches. `credit` (from `reports.privacy.credit`) has the channels with a goal's credit. `attained` (from
    `reports.privacy.goals`) has the goals of journeys.toml, and `families` the families of routes to the first;
    `definitions` says what goals mean, and `owned` what the segments and journeys do; `maturity` has the domains as
    answered. `targets` are those of journeys. `people` has what is known of customers.
    `currency` is that of sums of money, null where they are of plain numbers. `stage_numbers` orders the touchpoints of
    the graph; `goals` are the touchpoints that end it. `counts` are all published counts by table and cell, and
    `rounded` says that some are in steps from earlier reports (`reports.privacy.steps`). `last_report` is the
    `site.json` of the newest report that is kept beside this one. `restated` are the final numbers that were told
    otherwise before (`reports.privacy.differences`), `releases` the days of releases (`reports.privacy.trends`).
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
    credit: pl.DataFrame | None = None
    families: pl.DataFrame | None = None
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
    pains: pl.DataFrame | None = None
    friction: pl.DataFrame | None = None
    incidents: Incidents | None = None
    releases: pl.DataFrame | None = None
    attained: pl.DataFrame | None = None
    definitions: tuple[GoalDefinition, ...] = ()
    owned: tuple[OwnedDefinition, ...] = ()
    maturity: pl.DataFrame | None = None
    targets: Targets | None = None
    cube: Cube | None = None
    people: People = field(default_factory=People)
    evidence: Evidence = field(default_factory=Evidence)
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    rounded: bool = False
    last_report: Mapping[str, Any] | None = None
    restated: pl.DataFrame | None = None
    origin: Origin = field(default_factory=lambda: Origin(""))
