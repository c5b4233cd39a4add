"""Finds settings of [paths] and [[goals]] that match nothing that landed, mostly misspelt names: no check sees them.

A goal that is no touchpoint converts no customer, a stage without touchpoints is empty, and neither is an error: the
events may still come. So each is reported after stitching, with the nearest existing name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from analytics.engine.goals import Goal
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
    """A setting that matches nothing: its key in the file, what is wrong, and what to do, if that is known."""

    key: _Key
    what: str
    do: str = ""


def unused_settings(lake: Lake, rules: PathRules, goals: Sequence[Goal] = ()) -> list[UnusedSetting]:
    """The settings that match nothing in the stitched paths of a lake; empty for paths without touches.

    With `goals`, the first of them is the goal of the rules.
    """
    stored = Paths.open(lake)
    if not len(stored):
        return []
    words = stored.values_of(TOUCHPOINT).to_list()
    return [
        *_of_goals(goals or [rules.goal], words),
        *_of_touchpoints(rules, words),
        *_of_columns(lake, rules, stored),
        *_of_kinds(rules, [contract.CUSTOMER_ID, contract.ANONYMOUS_ID, *known_kinds(lake, generation_of(lake))]),
    ]


def _of_goals(goals: Sequence[Goal | list[str]], words: list[str]) -> Iterator[UnusedSetting]:
    for position, goal in enumerate(goals):
        key: _Key = ("goals", position, "steps") if isinstance(goal, Goal) else ("paths", "goal")
        for name in goal.touchpoints if isinstance(goal, Goal) else goal:
            if name not in words:
                yield UnusedSetting(key, f"no touchpoint is called {name!r}", nearest(name, words))


def _of_touchpoints(rules: PathRules, words: list[str]) -> Iterator[UnusedSetting]:
    for position, rule in enumerate(rules.touchpoints):
        if rule.name is not None and rule.name not in words:
            yield UnusedSetting(("paths", "touchpoints", position), f"no event became {rule.name!r}")
    custom = rules.stages if "stages" in rules.model_fields_set else []
    for position, stage in enumerate(custom):
        for name in stage.touchpoints:
            if not any(re.fullmatch(re.escape(name).replace(r"\*", ".*"), word, re.DOTALL) for word in words):
                what = f"no touchpoint is called {name!r}"
                yield UnusedSetting(("paths", "stages", position, "touchpoints"), what, nearest(name, words))


def _of_columns(lake: Lake, rules: PathRules, stored: Paths) -> Iterator[UnusedSetting]:
    def is_empty(name: str) -> bool:
        return name in stored.dictionaries and stored.dictionaries[name].is_empty()

    for name in rules.context:
        if name not in contract.EVENTS and is_empty(short(name)):
            yield UnusedSetting(("paths", "context"), f"no event has {name}")
    unknown = [name for name in rules.attributes if is_empty(name)]
    existing = profiles(lake).select(pl.col("attribute").unique()).collect().to_series() if unknown else pl.Series([])
    for name in unknown:
        hint = nearest(name, existing.drop_nulls())
        yield UnusedSetting(("paths", "attributes"), f"no customer has the attribute {name!r} at a touch", hint)


def _of_kinds(rules: PathRules, existing: list[str]) -> Iterator[UnusedSetting]:
    """Kinds may be named before they occur: one is reported only when an unnamed kind has nearly the same name."""
    existing = [*existing, *(hashed_as for raw, hashed_as in rules.identities.hashed.items() if raw in existing)]
    for key in ("kinds", "logins", "unique", "lower", "hash_email", "hash_phone"):
        named: list[str] = getattr(rules.identities, key)
        for kind in sorted({*named} - {*existing}) if key in rules.identities.model_fields_set else ():
            hint = nearest(kind, [other for other in existing if other not in (*named, *rules.identities.hashed)])
            if hint:
                yield UnusedSetting(("paths", "identities", key), f"no event carries the identity {kind!r}", hint)
