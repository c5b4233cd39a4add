"""What a report is asked about people, besides its breakdowns: the tables of journeys.toml that say so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from analytics import (
    CodedQuestion,
    ContactSettings,
    Forecast,
    LandedAnswers,
    MomentSettings,
    PersonaFit,
    PersonaRules,
    Prediction,
    Segment,
    Texts,
    Theme,
)


@dataclass(frozen=True, eq=False)
class Spoken:
    """The codebook, the texts of the lake, which are data and no question, and the ids of the approved quotes in the
    order of the user's file.
    """

    codebook: Sequence[Theme]
    texts: Texts = field(compare=False)
    approved: Sequence[str] = ()


@dataclass(frozen=True, eq=False)
class Believed:
    """The questions about what customers believe, and the answers of the lake, which are data and no question; null
    where touches have them.
    """

    questions: Sequence[CodedQuestion]
    answers: LandedAnswers | None = field(default=None, compare=False)


@dataclass(frozen=True, eq=False)
class Ahead:
    """What is predicted, and the forecast of the lake, which is an answer and no question."""

    definition: Prediction
    forecast: Forecast = field(compare=False)


@dataclass(frozen=True)
class PeopleSettings:
    """All `segments`; the `personas` with the columns of their `profile` and the `texts` that people wrote, by id, and
    what they were `written` for (`analytics.known_texts`); what `contacts` and `moments` are; what was `spoken`, what
    is `believed`, and what lies `ahead`. Each is null or empty where journeys.toml does not say.
    """

    segments: tuple[Segment, ...] = ()
    personas: PersonaRules | PersonaFit | None = None
    profile: tuple[str, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    written: Mapping[str, Any] = field(default_factory=dict)
    contacts: ContactSettings | None = None
    moments: MomentSettings | None = None
    spoken: Spoken | None = None
    believed: Believed | None = None
    ahead: Ahead | None = None
