"""By which definitions were the numbers of a report computed? Reports of different definitions are not compared.

Every setting behind a number belongs to one named part, and each part has a hash, so that two reports can say which
definition changed. Settings of presentation (title, folder, pages, files) belong to none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Final

import polars as pl
from pydantic import BaseModel

from analytics import Goal, PathRules, PersonaFit, PersonaRules, ReleaseSettings, Segment, Watch
from expectations.config.file import Owned
from reports.questions.answers import OwnedDefinition
from reports.questions.money import rates_text
from reports.questions.people.asked import PeopleSettings
from reports.questions.products import Products
from reports.settings import ReportSettings

OF_RULES: Final[dict[str, tuple[str, ...]]] = {
    "goal": ("goal",),
    "stages": ("stages",),
    "touchpoints": ("touchpoints",),
    "journeys": ("journey_gap", "after"),
    "sessions": ("session_gap", "split_on_channel", "split_at_midnight"),
    "order of touches": ("sequence",),
    "columns of touches": ("context", "attributes", "values"),
    "identity rules": ("identities",),
}
OF_SETTINGS: Final[dict[str, tuple[str, ...]]] = {
    "window": ("window",),
    "weekly window": ("trend_window",),
    "compared periods": ("compare",),
    "days": ("first_day", "last_day"),
    "breakdowns": ("segments", "explore", "values_per_segment"),
    "least counts": ("k", "least"),
    "paths": ("flow_depth", "flow_top", "collapse"),
    "money": ("value", "money", "currency", "rates", "returns"),
    "time zone": ("timezone",),
}
PRESENTATION: Final = ("title", "site", "segment_names", "stage_goals", "pages", "static", "files", "maturity", "keep")
"""Settings that change no number. `objected` and `objected_file` of the rules change none either."""
WORDING: Final = ("title", "segment_names", "stage_goals", "pages")
"""Settings of presentation that decide what the pages say."""
_WARNINGS: Final = ("warn_identities", "warn_events")
OTHER: Final = "other settings"


def definition_hashes(
    settings: ReportSettings, rules: PathRules, goals: Sequence[Goal] = (), segments: Sequence[str] = ()
) -> dict[str, str]:
    """A short hash of every part of the definitions, by its name; rates count by their text, wherever their file lies.

    Who is responsible for a goal, and what its owner says, changes none: it changes no number.

    `segments` are the definitions of the segments that are asked for.

    >>> one, other = (definition_hashes(ReportSettings(window=window), PathRules()) for window in ("7d", "14d"))
    >>> [name for name in one if one[name] != other[name]]
    ['window']
    """
    of_rules, of_settings = rules.model_dump(mode="json"), settings.model_dump(mode="json")
    of_settings["rates"] = rates_text(settings)
    of_rules["identities"] = {name: value for name, value in of_rules["identities"].items() if name not in _WARNINGS}
    parts = {name: [of_rules.pop(key) for key in keys] for name, keys in OF_RULES.items()}
    parts |= {name: [of_settings.pop(key) for key in keys] for name, keys in OF_SETTINGS.items()}
    parts["goals"] = [goal.model_dump(mode="json", exclude=set(Owned.model_fields)) for goal in goals]
    parts |= {"segments": list(segments)} if segments else {}
    rest = [of_rules, {name: value for name, value in of_settings.items() if name not in PRESENTATION}]
    return {name: _hash(part) for name, part in (parts | ({OTHER: rest} if any(rest) else {})).items()}


@dataclass(frozen=True)
class Asked:
    """What a report is asked besides its settings and rules (`reports.questions.ask.answers_of`)."""

    goals: tuple[Goal, ...] = ()
    segments: tuple[Segment, ...] = ()
    personas: PersonaRules | PersonaFit | None = None
    watches: tuple[Watch, ...] = ()
    releases: ReleaseSettings | None = None
    products: Products | None = None
    owned: tuple[OwnedDefinition, ...] = ()
    people: PeopleSettings | None = None
    costs: pl.DataFrame | None = None
    """What channels cost on each day, with the columns of `with_costs`."""
    maturity: pl.DataFrame | None = None
    """The domains of maturity, as answered, with what to do next (`reports.pages.trust.maturity_card`)."""


def asked_hashes(asked: Asked, settings: ReportSettings) -> dict[str, str]:
    """A short hash of everything that decides what the pages say and is in no part of `definition_hashes`.

    >>> one, other = (asked_hashes(Asked(), ReportSettings(title=title)) for title in ("Shop", "Store"))
    >>> [name for name in one if one[name] != other[name]]
    ['words of the report']
    """
    parts = {
        "segments": asked.segments,
        "personas": asked.personas,
        "watches": asked.watches,
        "releases": asked.releases,
        "journeys": asked.products,
        "owners": [
            asked.owned,
            [goal.model_dump(mode="json", include=set(Owned.model_fields)) for goal in asked.goals],
        ],
        "people": asked.people,
        **({} if asked.costs is None else {"costs": asked.costs}),
        **({} if asked.maturity is None else {"maturity": asked.maturity}),
        "words of the report": settings.model_dump(mode="json", include=set(WORDING)),
    }
    return {name: _hash(_plain(part)) for name, part in parts.items()}


def _plain(value: Any) -> Any:
    """A definition as plain data: equal definitions give equal data. Fields that are not compared are no part of it."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, pl.DataFrame):
        return value.write_json()
    if is_dataclass(value):
        return [
            type(value).__name__,
            {each.name: _plain(getattr(value, each.name)) for each in fields(value) if each.compare},
        ]
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, AbstractSet):
        return sorted(str(one) for one in value)
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def definitions_hash(hashes: Mapping[str, str]) -> str:
    """A short hash of all definitions; equal definitions give an equal hash."""
    return _hash(dict(hashes))


def changed_definitions(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str] | None:
    """The names of the definitions that differ between two `site.json`; null where one of them does not say.

    >>> changed_definitions({"definition": {"goal": "a", "window": "b"}}, {"definition": {"goal": "a", "window": "c"}})
    ['window']
    """
    here, there = one.get("definition"), other.get("definition")
    if not here or not there:
        return None
    return [name for name in dict.fromkeys([*here, *there]) if here.get(name) != there.get(name)]


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:10]
