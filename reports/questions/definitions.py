"""By which definitions were the numbers of a report computed? Reports of different definitions are not compared.

Every setting behind a number belongs to one named part, and each part has a hash, so that two reports can say which
definition changed. Settings of presentation (title, folder, pages, files) belong to none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from analytics import Goal, PathRules
from reports.questions.money import rates_text
from reports.settings import ReportSettings

OF_RULES: Final[dict[str, tuple[str, ...]]] = {
    "goal": ("goal",),
    "stages": ("stages",),
    "touchpoints": ("touchpoints",),
    "journeys": ("journey_gap", "after"),
    "sessions": ("session_gap", "split_on_channel"),
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
PRESENTATION: Final = ("title", "site", "segment_names", "stage_goals", "pages", "static", "files", "keep")
"""Settings that change no number. `objected` and `objected_file` of the rules change none either."""
_WARNINGS: Final = ("warn_identities", "warn_events")
OTHER: Final = "other settings"


def definition_hashes(settings: ReportSettings, rules: PathRules, goals: Sequence[Goal] = ()) -> dict[str, str]:
    """A short hash of every part of the definitions, by its name; rates count by their text, wherever their file lies.

    >>> one, other = (definition_hashes(ReportSettings(window=window), PathRules()) for window in ("7d", "14d"))
    >>> [name for name in one if one[name] != other[name]]
    ['window']
    """
    of_rules, of_settings = rules.model_dump(mode="json"), settings.model_dump(mode="json")
    of_settings["rates"] = rates_text(settings)
    of_rules["identities"] = {name: value for name, value in of_rules["identities"].items() if name not in _WARNINGS}
    parts = {name: [of_rules.pop(key) for key in keys] for name, keys in OF_RULES.items()}
    parts |= {name: [of_settings.pop(key) for key in keys] for name, keys in OF_SETTINGS.items()}
    parts["goals"] = [goal.model_dump(mode="json") for goal in goals]
    rest = [of_rules, {name: value for name, value in of_settings.items() if name not in PRESENTATION}]
    return {name: _hash(part) for name, part in (parts | ({OTHER: rest} if any(rest) else {})).items()}


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
