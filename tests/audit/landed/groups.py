"""Which customers are in a segment at an instant, and in which persona: condition by condition, touch by touch."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.audit.landed.identities import Identity
from tests.audit.landed.paths import Paths, Touch
from tests.audit.landed.settings import microseconds
from tests.oracles.whole_paths.personas import feature
from tests.oracles.whole_paths.segments import state

STILL, FEW, NO_RULE = "observed still", "too few touches", "no rule fits"
GEOMETRIC = ("touches per session", "sessions")
SHARES = ("channel", "device", "touchpoint", "stage", "entry")


class Segments:
    """`[[segments]]` of the configuration, for customers of these paths."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.named = {one["name"]: one for one in paths.settings.tables.get("segments", [])}

    def columns(self, condition: Mapping[str, Any]) -> set[str]:
        """The columns that a condition, or a segment, reads."""
        inner = [one for kind in ("all", "any", "none") for one in condition.get(kind, ())]
        own = {condition[kind] for kind in ("attribute", "first", "total") if kind in condition}
        own |= self.columns(self.named[condition["in"]]) if "in" in condition else set()
        return own.union(*(self.columns(one) for one in inner))

    def _condition(self, given: Mapping[str, Any]) -> tuple[Any, ...]:
        """A condition in the form of the plain loops."""
        within = microseconds(given["within"]) if "within" in given else None
        kinds = {"did", "did_not", "attribute", "first", "in", "all", "any", "none", "total"} & set(given)
        if not kinds:
            raise NotImplementedError(f"the audit does not know this condition: {sorted(given)}")
        kind = next(iter(kinds - {"all"}), "all")
        if kind in ("did", "did_not"):
            names = [given[kind]] if isinstance(given[kind], str) else given[kind]
            return ("did", names, given.get("at_least", 1), within) if kind == "did" else ("did_not", names, within)
        if kind in ("attribute", "first"):
            return kind, given[kind], given["is"]
        if kind == "in":
            return self._all_of(self.named[given["in"]])
        if kind == "total":
            of = given.get("of")
            return "total", given["total"], given["at_least"], within, [of] if isinstance(of, str) else of
        return kind, [self._condition(one) for one in given[kind]]

    def _all_of(self, given: Mapping[str, Any]) -> tuple[Any, ...]:
        """The conditions of a segment, all of which hold."""
        several = [(kind, given[kind]) for kind in ("all", "any", "none") if kind in given]
        return "all", [(kind, [self._condition(one) for one in conditions]) for kind, conditions in several]

    def of(self, name: str, own: Sequence[Touch], at: int) -> bool | None:
        """Whether a customer is in a segment at an instant; None where it is not known."""
        given = self.named[name]
        columns = self.columns(given)
        touches = [
            (touch.at, touch.touchpoint, {column: self.paths.value_at(touch, column) for column in columns})
            for touch in own
            if touch.at <= at
        ]
        return state(self._all_of(given), touches, at)


@dataclass
class Portfolio:
    """Personas by rules, or a fit that the lake keeps, with the features of every placed customer."""

    paths: Paths
    fit: dict[str, Any] | None

    @classmethod
    def of(cls, paths: Paths, lake: str) -> Portfolio | None:
        """The personas that a report shows; null without any."""
        if paths.settings.tables.get("personas", {}).get("rules"):
            return cls(paths, None)
        files = sorted(Path(lake, "personas").glob("fit-*.json"))
        fit = json.loads(files[-1].read_text(encoding="utf-8")) if files else None
        return cls(paths, fit) if fit and fit["personas"] else None

    @property
    def table(self) -> dict[str, Any]:
        """`[personas]`."""
        return dict(self.paths.settings.tables.get("personas", {}))

    @property
    def length(self) -> int:
        """How long customers are observed."""
        return microseconds(self.table.get("observation", "30d"))

    @property
    def least(self) -> int:
        """The touches that place a customer."""
        return int(self.table.get("least", 3))

    @property
    def names(self) -> dict[str, str]:
        """The names of the personas by id, in order."""
        if self.fit is None:
            return {rule["name"]: rule["name"] for rule in self.table["rules"]}
        given = {one["id"]: one["name"] for one in self.table.get("named", []) if one.get("name", "").strip()}
        return {one["id"]: given.get(one["id"], one["name"]) for one in self.fit["personas"]}

    @cached_property
    def left_out(self) -> set[str]:
        """Touchpoints that say what came of it."""
        settings = self.paths.settings
        return {*settings.goals, *(settings.paths.get("after") or ()), *(settings.report.get("returns") or ())}

    @cached_property
    def sessions(self) -> dict[int, int]:
        """The number of the session of every touch, by the touch."""
        gap, split = self.paths.settings.length("session_gap", "30m"), self.paths.settings.paths.get("split_on_channel")
        found: dict[int, int] = {}
        for own in self.paths.touches.values():
            number = 0
            for before, touch in zip([None, *own], own, strict=False):
                late = before is None or touch.at - before.at > gap
                number += late or bool(split and touch.event.channel != before.event.channel)
                found[id(touch)] = number
        return found

    @cached_property
    def observed(self) -> dict[Identity, list[Touch]]:
        """The touches of each placed customer that count."""
        return {who: own for who, (why, own) in self._seen.items() if why == ""}

    @cached_property
    def apart(self) -> dict[str, int]:
        """Customers in no persona, by reason."""
        found = dict.fromkeys((STILL, FEW, NO_RULE), 0)
        for why, _ in self._seen.values():
            if why:
                found[why] += 1
        found[NO_RULE] = len(self.observed) - len(self.members)
        return found

    @cached_property
    def _seen(self) -> dict[Identity, tuple[str, list[Touch]]]:
        found = {}
        for who, own in self.paths.touches.items():
            until = own[0].at + self.length
            counting = [
                touch
                for touch in own
                if touch.at < until
                and touch.touchpoint not in self.left_out
                and touch.event.columns.get("survey") is None
            ]
            why = STILL if until > self.paths.end else FEW if len(counting) < self.least else ""
            found[who] = (why, counting)
        return found

    @cached_property
    def members(self) -> dict[Identity, str]:
        """The id of the persona of every customer who is in one."""
        persona = self._by_rule if self.fit is None else self._nearest
        found = {who: persona(who, own) for who, own in self.observed.items()}
        return {who: name for who, name in found.items() if name is not None}

    def _by_rule(self, who: Identity, counting: Sequence[Touch]) -> str | None:
        own = self.paths.touches[who]
        for rule in self.table["rules"]:
            if "share" in rule:
                hits = sum(self.paths.value_at(touch, rule["share"]) in rule["is"] for touch in counting)
                holds = hits >= rule["at_least"] * len(counting) - 1e-9
            elif "segment" in rule:
                holds = Segments(self.paths).of(rule["segment"], own, own[0].at + self.length - 1) is True
            else:
                holds = True
            if holds:
                return str(rule["name"])
        return None

    def _nearest(self, _: Identity, counting: Sequence[Touch]) -> str:
        assert self.fit is not None
        raw = self.features(counting)
        entered = [
            (math.sqrt(value) if family in SHARES else value) / scale
            for value, (family, _), scale in zip(raw, self.fit["features"], self.fit["scales"], strict=True)
        ]
        distances = [
            sum((one - other) ** 2 for one, other in zip(entered, centre, strict=True))
            for centre in self.fit["centres"]
        ]
        return str(self.fit["personas"][distances.index(min(distances))]["id"])

    def features(self, counting: Sequence[Touch]) -> list[float]:
        """The features of a fit for the touches of a customer that count."""
        assert self.fit is not None
        stages, zone = self.paths.settings.stage_names, self.paths.settings.zone
        touches = [
            {
                "at": (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=touch.at)).astimezone(zone),
                "touchpoint": touch.touchpoint,
                "channel": touch.event.channel,
                "device": touch.event.columns.get("device"),
                "stage": None if touch.stage is None else stages[touch.stage],
                "session": self.sessions[id(touch)],
            }
            for touch in counting
        ]
        return [feature(touches, family, value, stages) for family, value in self.fit["features"]]

    @cached_property
    def raw(self) -> dict[Identity, list[float]]:
        """The features of every member."""
        return {who: self.features(self.observed[who]) for who in self.members}

    def attribute(self, who: Identity, column: str) -> str | None:
        """The last known value of a column in the observation of a customer."""
        own = self.paths.touches[who]
        values = [self.paths.value_at(touch, column) for touch in own if touch.at < own[0].at + self.length]
        return next((value for value in reversed(values) if value is not None), None)
