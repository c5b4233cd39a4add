"""Which settings of [paths] fit nothing that landed? Mostly a misspelt name, which no check of the file can see.

A goal that no touchpoint has converts nobody, a stage without touchpoints is empty, and neither is an error: the events
may still come. So each is told beside what was stitched, with the nearest name that is there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from analytics.stitching.refresh_state import known_kinds
from analytics.store.columns import TOUCHPOINT
from analytics.store.manifest import generation_of
from analytics.store.paths import Paths
from analytics.touches.rules import PathRules, short
from expectations import contract
from expectations.errors import nearest
from expectations.lake.layout import Lake
from expectations.lake.tables import profiles

_Key = tuple[str | int, ...]


@dataclass(frozen=True)
class UnusedSetting:
    """A setting, by its key below [paths], what is odd about it, and what to do, if that is known."""

    key: _Key
    what: str
    do: str = ""


def unused_settings(lake: Lake, rules: PathRules) -> list[UnusedSetting]:
    """The settings that fit nothing in the stitched paths of a lake. Paths without touches raise no doubt."""
    stored = Paths.open(lake)
    if not len(stored):
        return []
    words = stored.values_of(TOUCHPOINT).to_list()
    return [
        *_of_touchpoints(rules, words),
        *_of_columns(lake, rules, stored),
        *_of_kinds(rules, [contract.CUSTOMER_ID, contract.ANONYMOUS_ID, *known_kinds(lake, generation_of(lake))]),
    ]


def _of_touchpoints(rules: PathRules, words: list[str]) -> Iterator[UnusedSetting]:
    for name in rules.goal:
        if name not in words:
            yield UnusedSetting(("goal",), f"no touchpoint is called {name!r}", nearest(name, words))
    for place, rule in enumerate(rules.touchpoints):
        if rule.name is not None and rule.name not in words:
            yield UnusedSetting(("touchpoints", place), f"no event became {rule.name!r}")
    own = rules.stages if "stages" in rules.model_fields_set else []
    for place, stage in enumerate(own):
        for name in stage.touchpoints:
            if not any(re.fullmatch(re.escape(name).replace(r"\*", ".*"), word, re.DOTALL) for word in words):
                said = f"no touchpoint is called {name!r}"
                yield UnusedSetting(("stages", place, "touchpoints"), said, nearest(name, words))


def _of_columns(lake: Lake, rules: PathRules, stored: Paths) -> Iterator[UnusedSetting]:
    def is_empty(name: str) -> bool:
        return name in stored.dictionaries and stored.dictionaries[name].is_empty()

    for name in rules.context:
        if name not in contract.EVENTS and is_empty(short(name)):
            yield UnusedSetting(("context",), f"no event has {name}")
    unknown = [name for name in rules.attributes if is_empty(name)]
    there = profiles(lake).select(pl.col("attribute").unique()).collect().to_series() if unknown else pl.Series([])
    for name in unknown:
        hint = nearest(name, there.drop_nulls())
        yield UnusedSetting(("attributes",), f"no customer has the attribute {name!r} at a touch", hint)


def _of_kinds(rules: PathRules, there: list[str]) -> Iterator[UnusedSetting]:
    """A kind may well be named before it comes: it is told only when another one, unnamed, is spelt nearly so."""
    there = [*there, *(known for raw, known in rules.identities.hashed.items() if raw in there)]
    for key in ("kinds", "logins", "lower", "hash_email", "hash_phone"):
        named: list[str] = getattr(rules.identities, key)
        for kind in sorted({*named} - {*there}) if key in rules.identities.model_fields_set else ():
            hint = nearest(kind, [other for other in there if other not in (*named, *rules.identities.hashed)])
            if hint:
                yield UnusedSetting(("identities", key), f"no event carries the identity {kind!r}", hint)
