"""The pages of journeys.toml: every key with its type, its default and what it means, from the models that read it."""

from __future__ import annotations

import json
import types
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

import analytics
from expectations.config.file import PREFIX
from expectations.suites.settings import ExpectationSettings
from explorer.proxy.settings import ExploreSettings
from ingest.settings.ingest import IngestSettings
from journeys.settings import TABLES, BriefSettings, LakeSettings, MetricsSettings, SegmentExport, WatchSettings
from manual.text import cell, described, table
from reports.settings import ReportSettings

Model = type[BaseModel]
MODELS: Final[Mapping[str, Model]] = {
    "lake": LakeSettings,
    "ingest": IngestSettings,
    "expectations": ExpectationSettings,
    "paths": analytics.PathRules,
    "goals": analytics.Goal,
    "funnels": analytics.NamedFunnel,
    "segments": analytics.NamedSegment,
    "experiments": analytics.NamedExperiment,
    "costs": analytics.NamedCosts,
    "moments": analytics.MomentSettings,
    "contacts": analytics.ContactSettings,
    "voice": analytics.VoiceSettings,
    "journeys": analytics.NamedJourney,
    "watches": analytics.NamedWatch,
    "watch": WatchSettings,
    "releases": analytics.ReleaseSettings,
    "personas": analytics.PersonaSettings,
    "prediction": analytics.PredictionSettings,
    "exports": SegmentExport,
    "report": ReportSettings,
    "brief": BriefSettings,
    "explore": ExploreSettings,
    "metrics": MetricsSettings,
}
"""The model of each table of journeys.toml."""
LISTS: Final = frozenset({"goals", "funnels", "segments", "experiments", "costs", "journeys", "watches", "exports"})
"""Tables of which there are several: `[[goals]]`."""


def settings_pages() -> dict[str, str]:
    """The pages by name: one per table, and `index` with all of them."""
    pages = {name: settings_page(name) for name in TABLES}
    rows = [(f"[`{header(name)}`]({name}.md)", cell(_first(MODELS[name]))) for name in TABLES]
    return {"index": f"# journeys.toml\n\n{_ABOUT}\n\n{table(('table', 'what it says'), rows)}\n", **pages}


_ABOUT: Final = f"""The configuration of one lake. `journeys init` writes one with comments, `journeys doctor` checks
it. Every table may be left out. A key that is not known is an error, which names the line and the nearest key that
is.

Keys of a table that is there once can be overridden by the environment: `{PREFIX}REPORT__TITLE` is `title` of
`[report]`, and lists and tables are given as JSON. Folders are relative to the file. Durations are text with a
unit: `"30min"`, `"12h"`, `"30d"`."""


def settings_page(name: str) -> str:
    """The page of one table: its keys, then those of the tables within it."""
    parts, seen, todo = [f"# {header(name)}\n"], {MODELS[name]}, [(name, MODELS[name])]
    while todo:
        place, model = todo.pop(0)
        if place != name:
            parts.append(f"## {place} {{ #{place} }}\n")
        parts += [described(model), "", keys_table(model), ""]
        for key, below in _below(model):
            if below not in seen:
                seen.add(below)
                todo.append((f"{place}.{key}", below))
    return "\n".join(parts)


def header(name: str) -> str:
    """A table as the file writes its name."""
    return f"[[{name}]]" if name in LISTS else f"[{name}]"


def _first(model: Model) -> str:
    """The first sentence of what a model says."""
    said = " ".join((model.__doc__ or "").split("\n\n")[0].split())
    return said if ": " not in said[:24] else said.split(": ", 1)[1]


def keys_table(model: Model) -> str:
    """The keys of a table, in the order of the model."""
    rows = []
    for key, field in model.model_fields.items():
        meaning = cell(field.description or "")
        rows.append((f"`{field.alias or key}`", cell(type_words(field.annotation)), _default(field), meaning))
    return table(("key", "type", "default", "meaning"), rows)


def type_words(annotation: Any) -> str:
    """A type in the words of a configuration file.

    >>> type_words(tuple[str, ...] | None), type_words(Literal["a", "b"])
    ('list of text', '`"a"` or `"b"`')
    """
    origin, within = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_words(within[0])
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(type_words(one) for one in within if one is not type(None)))
    if origin is Literal:
        return " or ".join(f"`{json.dumps(one)}`" for one in within)
    if origin in (list, tuple, set, frozenset):
        return f"list of {_several(type_words(within[0]))}" if within else "list"
    if origin in (dict, Mapping) or getattr(origin, "__name__", "") == "Mapping":
        return f"table of {_several(type_words(within[1]))}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "table"
    return _WORDS.get(getattr(annotation, "__name__", ""), "text")


def _several(word: str) -> str:
    return f"{word}s" if word in ("table", "number", "whole number", "duration", "day", "time") else word


_WORDS: Final = {
    "str": "text",
    "int": "whole number",
    "float": "number",
    "bool": "true or false",
    "date": "day",
    "datetime": "time",
    "timedelta": "duration",
    "Decimal": "number",
    SecretStr.__name__: "secret text",
}


def _default(field: FieldInfo) -> str:
    """The default as the file would say it."""
    if field.is_required():
        return "must be given"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None or value is PydanticUndefined or isinstance(value, BaseModel):
        return ""
    return f"`{cell(written(value))}`"


def written(value: Any) -> str:
    """A value as TOML writes it.

    >>> written(timedelta(days=30)), written(("a", 1)), written({"a": True})
    ('"30d"', '["a", 1]', '{a = true}')
    """
    if isinstance(value, timedelta):
        return json.dumps(_duration(value))
    if isinstance(value, BaseModel):
        return written({key: one for key, one in value if one not in (None, [], (), {})})
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {written(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple | set | frozenset):
        return "[" + ", ".join(written(one) for one in value) + "]"
    return json.dumps(value, ensure_ascii=False, default=str)


def _duration(value: timedelta) -> str:
    seconds = value.total_seconds()
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:g}{unit}"
    return f"{seconds:g}s"


def _below(model: Model) -> Iterator[tuple[str, Model]]:
    """The models of the tables within a model, with the key of each."""
    for key, field in model.model_fields.items():
        yield from ((field.alias or key, one) for one in _models(field.annotation))


def _models(annotation: Any) -> Iterator[Model]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for one in get_args(annotation):
        yield from _models(one)


def undescribed() -> list[str]:
    """Keys without a description, as `Model.key`."""
    found, todo, seen = [], list(MODELS.values()), set[Model]()
    while todo:
        model = todo.pop()
        if model in seen:
            continue
        seen.add(model)
        named = ((field.alias or key, field) for key, field in model.model_fields.items())
        found += [f"{model.__name__}.{key}" for key, field in named if not field.description]
        todo += [one for _, one in _below(model)]
    return sorted(found)
